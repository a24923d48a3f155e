//! The table of selectors, for `odradek explain`.

/// A selector's name, form and meaning.
#[derive(Debug)]
pub struct SelectorForm {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub form: &'static str,
    /// Which nodes it selects.
    pub meaning: &'static str,
}

/// Every selector but plain node names.
pub static SELECTORS: &[SelectorForm] = &[
    form("brokers", "brokers", "All brokers: broker-1, broker-2, ..."),
    form("zookeepers", "zookeepers", "All members of the ensemble: zk-1, zk-2, ..."),
    form(
        "clients",
        "clients",
        "All producers, consumers and processors. A client's own name selects its nodes: NAME-0, NAME-1, ...",
    ),
    form("leader", "leader(TOPIC/PARTITION)", "The broker that leads the partition."),
    form(
        "follower",
        "follower(TOPIC/PARTITION)",
        "One follower of the partition, drawn; all(follower(T/P)) is every one.",
    ),
    form("controller", "controller", "The active controller."),
    form("zk-leader", "zk-leader", "The leader of the ZooKeeper ensemble."),
    form("group-coordinator", "group-coordinator(GROUP)", "The broker that coordinates the consumer group."),
    form("transaction-coordinator", "transaction-coordinator(ID)", "The broker that coordinates the transactional id."),
    form("any", "any(SELECTOR)", "One of them, drawn."),
    form("all", "all(SELECTOR)", "All of them."),
    form("other", "other(SELECTOR)", "All of them but the nodes that the fault's `from` (or `node`) resolved to."),
    form("minority", "minority(SELECTOR)", "The largest number of them that is less than half, drawn."),
    form("majority", "majority(SELECTOR)", "The smallest number of them that is more than half, drawn."),
];

const fn form(name: &'static str, form: &'static str, meaning: &'static str) -> SelectorForm {
    SelectorForm { name, form, meaning }
}
