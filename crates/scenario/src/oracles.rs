//! The oracles that judge a run, the anomalies that may be allowed, and the marks that a sweep should reach.

/// An oracle, or a check of the client history.
#[derive(Debug)]
pub struct Oracle {
    /// `O1` to `O21`; empty for checks of the client history.
    pub number: &'static str,
    /// Its fixed name.
    pub slug: &'static str,
    /// What it demands, in a line.
    pub meaning: &'static str,
    /// Whether it is built.
    pub implemented: bool,
}

const fn built(number: &'static str, slug: &'static str, meaning: &'static str) -> Oracle {
    Oracle { number, slug, meaning, implemented: true }
}

const fn later(number: &'static str, slug: &'static str, meaning: &'static str) -> Oracle {
    Oracle { number, slug, meaning, implemented: false }
}

/// Every oracle: the internal ones, then the checks of the client history.
#[rustfmt::skip] // a table reads best by the line
pub static ORACLES: &[Oracle] = &[
    built("O1", "committed-durability", "Every leader of a higher epoch holds each committed record at the same offset."),
    built("O2", "log-matching", "The same offset and epoch on two replicas mean the same batch and the same prefix."),
    built("O3", "log-shape", "Offsets strictly increase, epochs never decrease, and the epoch cache is the log's projection."),
    built("O4", "one-leader-per-epoch", "At most one broker appends in a partition's leader epoch."),
    built("O5", "high-watermark", "A high watermark never falls but by truncation, and never covers what an in-sync replica lacks."),
    built("O6", "isr-safety", "Every running ISR member holds all data below any presumed leader's high watermark."),
    built("O7", "visibility", "Only offsets below the high watermark are served, and always with the same bytes."),
    built("O8", "control-fencing", "A broker applies only the highest controller epoch seen, for its own broker epoch."),
    built("O9", "ensemble", "ZooKeeper keeps one total order, and ephemerals live exactly as long as their sessions."),
    built("O10", "idempotence", "At most one record for a producer's epoch and sequence; an acked offset is where the record is."),
    later("O11", "transaction-atomicity", "A transaction's decision is the same marker in every partition."),
    later("O12", "last-stable-offset", "The last stable offset is the first open transaction or the high watermark, and never falls."),
    later("O13", "producer-fencing", "Nothing of an old producer epoch is appended after a newer one arrived."),
    built("O14", "assignment", "A partition has at most one owner in a generation."),
    built("O15", "group-offsets", "A committed offset changes only by an accepted commit, a deletion or legal expiry."),
    later("O16", "exactly-once", "An input's offset is committed if and only if its output is."),
    built("O17", "retention", "Nothing above the high watermark is deleted, and the latest value of a key survives."),
    built("O18", "recovery", "After a crash, a log is a prefix of what it was and includes all that was synced."),
    built("O19", "list-offsets", "The end that clients are told never goes back under clean elections."),
    built("O20", "liveness", "After healing, within a bound: leaders exist, the ISR is all live replicas, every request is answered."),
    built("O21", "client-contract", "A consumer's position moves only by delivery, seek or a declared reset."),
    built("", "lost-write", "A record that was acked, or read by someone, is never missing from later reads."),
    built("", "duplicate", "A record is at one offset only."),
    built("", "inconsistent-offsets", "One offset holds one record, for all readers."),
    later("", "aborted-read", "No record of an aborted transaction is read (G1a)."),
    later("", "precommitted-read", "No transaction reads its own writes before it commits."),
    later("", "int-poll-skip", "One poll skips no record."),
    later("", "int-nonmonotonic-poll", "One poll returns records in order."),
    later("", "int-nonmonotonic-send", "One producer's transaction writes records in order."),
    built("", "nonmonotonic-poll", "A reader's next poll does not go back."),
    built("", "poll-skip", "A reader's next poll skips no record."),
    later("", "nonmonotonic-send", "A producer's next record is after its last."),
    built("", "unseen", "Every acked record is read in the end."),
    built("", "redelivery", "A group that commits before it processes does nothing twice."),
    built("", "unprocessed", "What a group committed past, it has done its work for."),
    built("", "out-of-order", "Records of one key are stored in the order sent, where the producer promises it."),
    later("", "write-cycle", "Transactions do not depend on each other in a circle (G1c)."),
];

/// An anomaly that `expect.allow` may permit. Besides these, `allow` takes the slug of any oracle, and the beginning of a
/// violation's signature such as `lost-write/acked-one`.
#[derive(Debug)]
pub struct Allowance {
    /// Its name.
    pub slug: &'static str,
    /// What it permits.
    pub meaning: &'static str,
}

/// Every anomaly that a configuration may legally permit.
#[rustfmt::skip]
pub static ALLOWANCES: &[Allowance] = &[
    Allowance { slug: "redelivery", meaning: "A consumer may process a record again, after a rebalance or a restart." },
    Allowance { slug: "duplicate", meaning: "Without idempotence, a retry may write a record twice." },
    Allowance { slug: "out-of-order", meaning: "Without idempotence, retries with several requests in flight may change the order." },
    Allowance { slug: "lost-write", meaning: "With acks=1 or 0, or unclean election, an acked record may be lost." },
    Allowance { slug: "unseen", meaning: "An acked record may stay unread." },
    Allowance { slug: "inconsistent-offsets", meaning: "After an unclean election, an offset may hold another record than before." },
    Allowance { slug: "nonmonotonic-poll", meaning: "A reader may go back." },
    Allowance { slug: "poll-skip", meaning: "A reader may skip records, for instance those beyond retention." },
    Allowance { slug: "aborted-read", meaning: "With read_uncommitted, records of aborted transactions are read." },
];

/// Something that a run reached, counted over a sweep.
#[derive(Debug)]
pub struct Mark {
    /// Its name.
    pub slug: &'static str,
    /// What happened.
    pub meaning: &'static str,
}

/// Every mark that `expect.sometimes` may name.
#[rustfmt::skip]
pub static MARKS: &[Mark] = &[
    Mark { slug: "leader-changed", meaning: "A partition got another leader." },
    Mark { slug: "unclean-election", meaning: "A replica outside the ISR was elected." },
    Mark { slug: "isr-shrunk", meaning: "A replica left an ISR." },
    Mark { slug: "isr-expanded", meaning: "A replica came back into an ISR." },
    Mark { slug: "log-truncated", meaning: "A replica removed records from the end of its log." },
    Mark { slug: "controller-changed", meaning: "Another broker became the controller." },
    Mark { slug: "zk-leader-changed", meaning: "Another ensemble member became the leader." },
    Mark { slug: "session-expired", meaning: "A ZooKeeper session expired." },
    Mark { slug: "rebalanced", meaning: "A consumer group got a new generation." },
    Mark { slug: "retried", meaning: "A producer sent a batch again." },
    Mark { slug: "send-failed", meaning: "A producer gave up on a record." },
    Mark { slug: "recovered-unclean", meaning: "A broker recovered its logs after an unclean stop." },
];

/// The oracle with this slug.
pub fn oracle(slug: &str) -> Option<&'static Oracle> {
    ORACLES.iter().find(|oracle| oracle.slug == slug)
}
