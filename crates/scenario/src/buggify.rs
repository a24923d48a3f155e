//! Buggify marks: rare but legal paths that brokers, ensemble members and clients take often in a run that switches them on.
//!
//! Two levels, as in FoundationDB: `[chaos]` switches each mark on with a probability of a quarter per seed; one that is on
//! takes its path each time with a probability of a quarter, until settle. So every run exaggerates other things.

/// A mark.
#[derive(Debug)]
pub struct Buggify {
    /// Its name in `buggify`: where, and what.
    pub name: &'static str,
    /// What happens, in a line.
    pub meaning: &'static str,
}

const fn mark(name: &'static str, meaning: &'static str) -> Buggify {
    Buggify { name, meaning }
}

/// Every mark, by name.
#[rustfmt::skip] // a table reads best by the line
pub static BUGGIFY: &[Buggify] = &[
    mark("broker/applies-late", "A broker applies a LeaderAndIsr up to 500 ms late."),
    mark("broker/checkpoint-skipped", "A round of high watermark checkpoints is left out."),
    mark("broker/commit-times-out", "An OffsetCommit does not wait for replication: it is answered REQUEST_TIMED_OUT, and stays appended."),
    mark("broker/controller-slow", "The controller looks at an event up to 1 s late."),
    mark("broker/coordinator-loads-late", "A group coordinator begins to load a partition up to 2 s late."),
    mark("broker/fetch-one-batch", "A Fetch is answered with a single batch."),
    mark("broker/isr-stored-late", "An ISR change is written to ZooKeeper up to 1 s late."),
    mark("broker/produce-times-out", "A Produce with acks=all does not wait for replication: it is answered REQUEST_TIMED_OUT, and stays appended."),
    mark("broker/truncates-late", "A follower acts on the leader's epoch end up to 1 s late."),
    mark("client/asks-for-metadata", "A producer asks for metadata that it does not need."),
    mark("client/fetches-little", "A consumer asks for a single batch."),
    mark("zookeeper/client-refused", "An ensemble member drops a client's new connection."),
    mark("zookeeper/snapshot-early", "An ensemble member writes a snapshot after a single transaction."),
];
