//! The table of fault kinds: parameters, meaning, colour.

/// A kind of fault.
#[derive(Debug)]
pub struct FaultForm {
    /// Its name in `kind = "..."`.
    pub name: &'static str,
    /// What it does, and how it heals.
    pub meaning: &'static str,
    /// The colour by which people recognise it, by name.
    pub colour: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
}

/// A parameter of a fault.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Whether it must be given.
    pub required: bool,
    /// What it means, and its default.
    pub meaning: &'static str,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A selector, or a list of them.
    Selector,
    /// A duration.
    Duration,
    /// `{ p50, p99 }`.
    Latency,
    /// `outbound`, `inbound` or `both`.
    Direction,
    /// `random`, `none` or `all`.
    Keep,
    /// The name of a request: one of [`APIS`].
    Api,
    /// A duration or a condition.
    Until,
    /// A whole number from 1.
    Count,
    /// `true` or `false`.
    Boolean,
    /// A share such as `200ppm`.
    Ratio,
    /// A bandwidth such as `1Mbit/s`.
    Bandwidth,
    /// A text.
    Text,
    /// A consumer that has a group.
    Consumer,
    /// A topic of the scenario.
    Topic,
    /// A list of whole numbers.
    Counts,
    /// A table of settings.
    Settings,
}

impl Takes {
    /// What it takes, in words.
    pub fn words(self) -> &'static str {
        match self {
            Takes::Selector => "a selector, or a list of them",
            Takes::Duration => "a duration such as \"10s\"",
            Takes::Latency => "{ p50 = \"1ms\", p99 = \"10ms\" }",
            Takes::Direction => "\"outbound\", \"inbound\" or \"both\"",
            Takes::Keep => "\"random\", \"none\" or \"all\"",
            Takes::Api => "the name of a request such as \"Fetch\"",
            Takes::Until => "a duration or a condition",
            Takes::Count => "a whole number from 1",
            Takes::Boolean => "true or false",
            Takes::Ratio => "a share such as \"200ppm\" or \"1%\"",
            Takes::Bandwidth => "a bandwidth such as \"1Mbit/s\"",
            Takes::Text => "a text",
            Takes::Consumer => "the name of a consumer with a group",
            Takes::Topic => "the name of a topic",
            Takes::Counts => "a list of whole numbers",
            Takes::Settings => "a table of settings",
        }
    }
}

const fn need(name: &'static str, takes: Takes, meaning: &'static str) -> Parameter {
    Parameter { name, takes, required: true, meaning }
}

const fn may(name: &'static str, takes: Takes, meaning: &'static str) -> Parameter {
    Parameter { name, takes, required: false, meaning }
}

const DOWN: Parameter = may("down", Takes::Duration, "For how long; default: until settle.");
const FOR: Parameter = may("for", Takes::Duration, "For how long; default: until settle.");
const DIRECTION: Parameter = may(
    "direction",
    Takes::Direction,
    "Which frames: from `from` to `to` (outbound), back (inbound), or both, the default.",
);

/// Every kind of fault.
#[rustfmt::skip] // a table reads best by the line
pub static FAULTS: &[FaultForm] = &[
    FaultForm { name: "crash", colour: "red", meaning: "The process dies; what it wrote stays in the page cache. It starts again after `down`.", parameters: &[need("node", Takes::Selector, "Who dies."), DOWN] },
    FaultForm { name: "shutdown", colour: "blue", meaning: "A broker is asked to end (SIGTERM): it hands its leaderships over, flushes its logs, leaves the marker of a clean shutdown and ends. Other processes just die. It starts again after `down`; one that has not ended by then is killed.", parameters: &[need("node", Takes::Selector, "Who is asked."), DOWN] },
    FaultForm { name: "power-loss", colour: "crimson", meaning: "The machine loses power: unsynced pages and directory entries may be gone, torn or kept. It starts again after `down`.", parameters: &[need("node", Takes::Selector, "Who loses power."), DOWN, may("keep", Takes::Keep, "Which unsynced pages survive; default: random.")] },
    FaultForm { name: "pause", colour: "amber", meaning: "The process stops, as in a long garbage collection; its kernel still acknowledges and buffers. It resumes after `for`.", parameters: &[need("node", Takes::Selector, "Who stops."), FOR] },
    FaultForm { name: "replace-disk", colour: "maroon", meaning: "The machine stops and comes back with an empty disk.", parameters: &[need("node", Takes::Selector, "Whose disk."), DOWN] },
    FaultForm { name: "partition", colour: "violet", meaning: "Frames between two sets of nodes vanish; connections break by their own timeouts. Heals after `for`.", parameters: &[need("from", Takes::Selector, "One side."), need("to", Takes::Selector, "The other side."), DIRECTION, FOR] },
    FaultForm { name: "isolate", colour: "purple", meaning: "A node is cut off from all others, clients included, both ways. Heals after `for`.", parameters: &[need("node", Takes::Selector, "Who is cut off."), may("except", Takes::Selector, "With whom it still speaks; default: nobody."), FOR] },
    FaultForm { name: "flap", colour: "plum", meaning: "Links go down and up again and again, until `for` is over.", parameters: &[need("from", Takes::Selector, "One side."), need("to", Takes::Selector, "The other side."), DIRECTION, may("down", Takes::Duration, "How long they are down each time; default: 1s."), may("up", Takes::Duration, "How long they are up in between; default: 1s."), FOR] },
    FaultForm { name: "swizzle", colour: "orchid", meaning: "Nodes are isolated one after another, in a drawn order; after `for` they are healed one after another, in another order.", parameters: &[need("nodes", Takes::Selector, "Which nodes."), may("gap", Takes::Duration, "How long between two steps; default: 1s."), FOR] },
    FaultForm { name: "slow-link", colour: "yellow", meaning: "Frames between two sets of nodes take longer. Heals after `for`.", parameters: &[need("from", Takes::Selector, "One side."), need("to", Takes::Selector, "The other side."), need("latency", Takes::Latency, "The latency instead of the network's."), DIRECTION, FOR] },
    FaultForm { name: "lossy-link", colour: "gold", meaning: "A share of frames between two sets of nodes is lost; TCP sends them again later. Heals after `for`.", parameters: &[need("from", Takes::Selector, "One side."), need("to", Takes::Selector, "The other side."), need("loss", Takes::Ratio, "The share that is lost."), DIRECTION, FOR] },
    FaultForm { name: "reset-connections", colour: "orange", meaning: "All connections between two sets of nodes are reset; new ones succeed at once.", parameters: &[need("from", Takes::Selector, "One side."), need("to", Takes::Selector, "The other side.")] },
    FaultForm { name: "hold", colour: "teal", meaning: "The n-th frame of an API from `from` to `to` waits, and all behind it on its connection, until a time has passed or a condition turned true.", parameters: &[need("api", Takes::Api, "Which request."), need("from", Takes::Selector, "Who sends the request."), need("to", Takes::Selector, "Who the request is for."), may("nth", Takes::Count, "Which such frame since the fault fired; default: 1."), need("until", Takes::Until, "What it waits for: a time counted from when the fault fires, such as \"10s\", or a condition; at the latest until settle."), may("response", Takes::Boolean, "Whether the response is held instead of the request; default: false.")] },
    FaultForm { name: "bit-rot", colour: "brown", meaning: "Bits of a partition's log change silently: reads find them flipped until they are written anew. Heals after `for`.", parameters: &[need("node", Takes::Selector, "Whose disk."), need("partition", Takes::Text, "TOPIC/PARTITION."), may("count", Takes::Count, "How many bits; default: 1."), FOR] },
    FaultForm { name: "slow-disk", colour: "tan", meaning: "Syncs take longer, and bytes too if `bandwidth` is given. Heals after `for`.", parameters: &[need("node", Takes::Selector, "Whose disk."), need("sync", Takes::Latency, "How long a sync takes."), may("bandwidth", Takes::Bandwidth, "How fast bytes are written, and read when logs are loaded; default: at once."), FOR] },
    FaultForm { name: "stall-disk", colour: "sienna", meaning: "A disk answers nothing: syncs and large writes wait. Heals after `for`.", parameters: &[need("node", Takes::Selector, "Whose disk."), FOR] },
    FaultForm { name: "full-disk", colour: "olive", meaning: "A disk has no space left: writes fail. Heals after `for`; a process that gave up starts again then.", parameters: &[need("node", Takes::Selector, "Whose disk."), FOR] },
    FaultForm { name: "disk-error", colour: "rust", meaning: "Reads, writes and syncs fail. Heals after `for`; a process that gave up starts again then.", parameters: &[need("node", Takes::Selector, "Whose disk."), FOR] },
    FaultForm { name: "clock", colour: "cyan", meaning: "A node's clock jumps or drifts; at the end it jumps back and runs true. Heals after `for`.", parameters: &[need("node", Takes::Selector, "Whose clock."), may("jump", Takes::Duration, "How far its wall clock jumps."), may("back", Takes::Boolean, "Whether it jumps back, and runs slow; default: false."), may("drift", Takes::Ratio, "How much both its clocks run fast."), FOR] },
    FaultForm { name: "rolling-restart", colour: "blue", meaning: "Nodes restart one after another: each is asked to end, as `shutdown` asks it. Over when the last one is back.", parameters: &[need("nodes", Takes::Selector, "Which nodes."), may("down", Takes::Duration, "How long each is down; default: 5s."), may("gap", Takes::Duration, "How long between the return of one and the end of the next; default: 5s.")] },
    FaultForm { name: "reassign", colour: "indigo", meaning: "A partition's replicas move to other brokers.", parameters: &[need("partition", Takes::Text, "TOPIC/PARTITION."), need("replicas", Takes::Counts, "The new replicas by broker id.")] },
    FaultForm { name: "elect-preferred", colour: "navy", meaning: "Leadership goes back to preferred replicas.", parameters: &[need("topic", Takes::Text, "Which topic.")] },
    FaultForm { name: "add-partitions", colour: "azure", meaning: "A topic gets more partitions.", parameters: &[need("topic", Takes::Text, "Which topic."), need("partitions", Takes::Count, "How many it has then.")] },
    FaultForm { name: "delete-topic", colour: "black", meaning: "An operator deletes a topic, and may create it again, as the scenario describes it. Over when the operator is done; until settle it tries again and again.", parameters: &[need("topic", Takes::Topic, "Which topic."), may("recreate", Takes::Duration, "How long after the answer to the deletion it is created again; default: never.")] },
    FaultForm { name: "set-config", colour: "slate", meaning: "A topic's settings change.", parameters: &[need("topic", Takes::Text, "Which topic."), need("config", Takes::Settings, "Its new settings.")] },
    FaultForm { name: "add-member", colour: "lime", meaning: "A consumer group gets another member: one more node of a consumer starts, or one that was removed.", parameters: &[need("consumer", Takes::Consumer, "Which consumer.")] },
    FaultForm { name: "remove-member", colour: "green", meaning: "A member leaves its consumer group: the last node of a consumer is asked to end, and stays away.", parameters: &[need("consumer", Takes::Consumer, "Which consumer.")] },
    FaultForm { name: "slow-consumer", colour: "khaki", meaning: "All nodes of a consumer need longer for each record. Heals after `for`.", parameters: &[need("consumer", Takes::Consumer, "Which consumer."), need("process", Takes::Duration, "How long it works on a record."), FOR] },
    FaultForm { name: "kill-client", colour: "pink", meaning: "A client's process dies and starts again.", parameters: &[need("node", Takes::Selector, "Which client."), DOWN] },
];

/// The fault kind of this name.
pub fn fault_form(name: &str) -> Option<&'static FaultForm> {
    FAULTS.iter().find(|form| form.name == name)
}

/// Every request that a `hold` may wait for: Kafka's and ZooKeeper's, each by its protocol's own names.
#[rustfmt::skip]
pub static APIS: &[&str] = &[
    "Produce", "Fetch", "ListOffsets", "Metadata", "LeaderAndIsr", "StopReplica", "UpdateMetadata", "ControlledShutdown",
    "OffsetCommit", "OffsetFetch", "FindCoordinator", "JoinGroup", "Heartbeat", "LeaveGroup", "SyncGroup", "DescribeGroups",
    "ListGroups", "ApiVersions", "CreateTopics", "DeleteTopics", "DeleteRecords", "InitProducerId", "OffsetForLeaderEpoch",
    "AddPartitionsToTxn", "AddOffsetsToTxn", "EndTxn", "WriteTxnMarkers", "TxnOffsetCommit", "DescribeConfigs",
    "CreatePartitions", "ElectLeaders", "AlterPartitionReassignments", "AlterPartition",
    "connect", "ping", "create", "create2", "delete", "exists", "getData", "setData", "getChildren", "getChildren2",
    "multi", "check", "sync", "setWatches", "closeSession",
];
