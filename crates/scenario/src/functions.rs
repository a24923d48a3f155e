//! The functions that conditions may use.

/// A function of the cluster's true state.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name, as written in a condition.
    pub name: &'static str,
    /// What it is applied to.
    pub argument: Argument,
    /// What its value counts.
    pub unit: Unit,
    /// What it means.
    pub meaning: &'static str,
    /// A condition that uses it.
    pub example: &'static str,
}

/// What a function is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing: the whole cluster.
    None,
    /// `TOPIC/PARTITION` or `TOPIC/*`.
    Partition,
    /// `TOPIC`, `TOPIC/PARTITION` or `TOPIC/*`.
    TopicOrPartition,
    /// `TOPIC`, `TOPIC/PARTITION`, `TOPIC/*`, or a client's name.
    Records,
    /// A consumer group.
    Group,
    /// A consumer group, or the name of a consumer without a group.
    Reader,
    /// The id of a fault.
    Fault,
}

/// What a function's value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A whole number.
    Count,
    /// A duration, compared in nanoseconds.
    Duration,
    /// 1 or 0.
    Truth,
}

/// Every function, in the order in which they are explained.
pub static FUNCTIONS: &[Function] = &[
    Function {
        name: "isr",
        argument: Argument::Partition,
        unit: Unit::Count,
        meaning: "How many replicas are in sync, by the partition's committed state.",
        example: "isr(orders/0) == 1",
    },
    Function {
        name: "leader-epoch",
        argument: Argument::Partition,
        unit: Unit::Count,
        meaning: "The partition's leader epoch, by its committed state; 0 from the start, one more at each election.",
        example: "leader-epoch(orders/0) >= 1",
    },
    Function {
        name: "hw",
        argument: Argument::Partition,
        unit: Unit::Count,
        meaning: "The high watermark of the partition's leader: the first offset that is not yet committed.",
        example: "hw(orders/0) >= 100",
    },
    Function {
        name: "leo",
        argument: Argument::Partition,
        unit: Unit::Count,
        meaning: "The log end offset of the partition's leader: the offset that its next record gets.",
        example: "leo(orders/0) >= 100",
    },
    Function {
        name: "cleaned",
        argument: Argument::Partition,
        unit: Unit::Count,
        meaning: "The first offset that the cleaner of the partition's leader has not reached; 0 before it cleaned anything.",
        example: "cleaned(orders/0) >= 100",
    },
    Function {
        name: "lag",
        argument: Argument::Reader,
        unit: Unit::Count,
        meaning: "Records below the high watermark that a group has not committed, summed over its partitions; for a consumer without a group, records that it has not processed.",
        example: "lag(mail) == 0",
    },
    Function {
        name: "generations",
        argument: Argument::Group,
        unit: Unit::Count,
        meaning: "How many generations a group went through: its rebalances.",
        example: "generations(mail) > 5",
    },
    Function {
        name: "members",
        argument: Argument::Group,
        unit: Unit::Count,
        meaning: "How many members a group has.",
        example: "members(mail) == 2",
    },
    Function {
        name: "blocked",
        argument: Argument::TopicOrPartition,
        unit: Unit::Duration,
        meaning: "For how long the oldest unanswered write has been waiting while nothing was acknowledged; for a topic, the longest among its partitions.",
        example: "blocked(orders) > 30s",
    },
    Function {
        name: "leaderless",
        argument: Argument::TopicOrPartition,
        unit: Unit::Duration,
        meaning: "For how long no broker has been able to lead; for a topic, the longest among its partitions.",
        example: "leaderless(orders/0) > 10s",
    },
    Function {
        name: "acked",
        argument: Argument::Records,
        unit: Unit::Count,
        meaning: "Records acknowledged to producers: of a topic, a partition or a producer.",
        example: "acked(orders) >= 100",
    },
    Function {
        name: "delivered",
        argument: Argument::Records,
        unit: Unit::Count,
        meaning: "Records returned by polls: of a topic, a partition or a consumer. One that is read twice counts twice.",
        example: "delivered(mail-service) >= 100",
    },
    Function {
        name: "sessions",
        argument: Argument::None,
        unit: Unit::Count,
        meaning: "Live ZooKeeper sessions, by the ensemble's committed state.",
        example: "sessions() < 3",
    },
    Function {
        name: "done",
        argument: Argument::Fault,
        unit: Unit::Truth,
        meaning: "1 when the fault has fired and is over: healed, resumed or restarted.",
        example: "done(cut)",
    },
];
