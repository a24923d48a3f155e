//! What a judge must know that events do not tell: the scenario's promises.

use std::collections::{BTreeMap, BTreeSet};

use trace::Name;

/// The promises and expectations of a run, taken from its plan.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The topics of the scenario; internal topics are not listed.
    pub topics: BTreeMap<Name, TopicFacts>,
    /// Every client by its node name, such as `order-service-0`.
    pub clients: BTreeMap<Name, ClientFacts>,
    /// Whether `unclean.leader.election.enable` is set anywhere. An unclean election where it is not is a violation of its own.
    pub unclean: bool,
    /// Whether every broker runs with `log.flush.interval.messages = 1`: what a leader acknowledged is then on its disk.
    pub flush_every_message: bool,
    /// `expect.allow`: slugs, or beginnings of signatures, that this configuration legally permits.
    pub allow: BTreeSet<String>,
    /// `expect.violation`: oracles that must fire. What its configuration permits a hazard scenario wants to see all the same.
    pub expected: BTreeSet<String>,
    /// Time bounds.
    pub bounds: Bounds,
    /// The machines that settle heals, where it does not heal all.
    pub core: Option<BTreeSet<Name>>,
}

impl Context {
    /// Whether `duplicate` judges this producer's records.
    pub fn forbids_duplicates(&self, producer: Name) -> bool {
        let wanted = self.expected.contains("duplicate");
        self.clients.get(&producer).is_some_and(|facts| facts.idempotent || wanted)
    }

    /// Whether `out-of-order` judges this producer's records.
    pub fn forbids_reordering(&self, producer: Name) -> bool {
        let wanted = self.expected.contains("out-of-order");
        self.clients.get(&producer).is_some_and(|facts| facts.keeps_order() || (facts.ordered_keys && wanted))
    }
}

/// What is promised of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TopicFacts {
    /// How many partitions it is created with.
    pub partitions: i32,
    /// Its replication factor.
    pub replication: i32,
    /// `min.insync.replicas`.
    pub min_insync: i32,
    /// Whether records may vanish from inside the log (`cleanup.policy` has `compact`).
    pub compacted: bool,
    /// Whether whole segments may grow too old within the run (`cleanup.policy` has `delete`, with a short `retention.ms`).
    pub expires: bool,
}

/// Whether a client writes or reads. A processor does both: give it as a producer with `topics` it reads from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum ClientKind {
    /// It sends records.
    #[default]
    Producer,
    /// It polls records.
    Consumer,
}

/// When a consumer commits its offsets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Commits {
    /// Never.
    #[default]
    Never,
    /// After it did its work: at least once.
    AfterProcessing,
    /// Before it does its work: at most once.
    BeforeProcessing,
    /// By the client's timer, what earlier polls returned: at least once.
    Automatically,
}

/// What is promised by, and to, one client.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClientFacts {
    /// Whether it writes or reads.
    pub kind: ClientKind,
    /// A producer's `acks`: 0, 1, or -1 for all.
    pub acks: i16,
    /// A producer's `enable.idempotence`.
    pub idempotent: bool,
    /// A producer's `max.in.flight.requests.per.connection`.
    pub max_in_flight: u32,
    /// Whether its records have keys, so that their order means something.
    pub ordered_keys: bool,
    /// A consumer's group; without one it reads every partition of its topics by itself.
    pub group: Option<Name>,
    /// With `enable.auto.commit` in a group, the time in nanoseconds that it takes at least to commit what polls returned before it
    /// gives a partition up without having done so (`max.poll.interval.ms`, or what its `close` waits if that is less); else 0.
    pub revocation_commit_ns: u64,
    /// The topics a consumer reads.
    pub topics: Vec<Name>,
    /// When a member of a group commits.
    pub commits: Commits,
    /// A group member's `max.poll.interval.ms`, in nanoseconds.
    pub max_poll_interval_ns: u64,
}

impl ClientFacts {
    /// Whether Kafka promises that records of one key keep the order in which this client sent them.
    pub fn keeps_order(&self) -> bool {
        self.ordered_keys && (self.idempotent || self.max_in_flight == 1)
    }

    /// The producer's acks as signatures spell them.
    pub fn acks_word(&self) -> &'static str {
        match self.acks {
            0 => "acked-none",
            1 => "acked-one",
            _ => "acked-all",
        }
    }
}

/// Time bounds of the judgement, in nanoseconds of simulated time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bounds {
    /// The length of the settle phase.
    pub settle_ns: u64,
    /// Within this time from the start of settle every partition must have been healthy once; 0 means the whole of settle.
    pub liveness_ns: u64,
}

impl Bounds {
    /// The liveness bound in force.
    pub fn liveness(&self) -> u64 {
        if self.liveness_ns == 0 { self.settle_ns } else { self.liveness_ns }
    }
}
