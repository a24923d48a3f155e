//! The catalogue of historical flaws that a scenario may switch on.

/// A named flaw.
#[derive(Debug)]
pub struct Flaw {
    /// Its entry in the catalogue, from 1; twins share one. 0 is no flaw of Kafka's but ours.
    pub number: u32,
    /// Its name in `cluster.flaws`.
    pub name: &'static str,
    /// Where it is documented: KIP, issue or report.
    pub reference: &'static str,
    /// What is wrong, in a line.
    pub meaning: &'static str,
    /// The oracles that should catch it, by number or slug.
    pub caught_by: &'static str,
    /// Whether it is built.
    pub implemented: bool,
}

impl Flaw {
    /// Whether it lives in what serves groups or belongs to one: without a group its code never runs.
    pub fn needs_group(&self) -> bool {
        (60..68).contains(&self.number)
    }
}

const fn built(
    number: u32,
    name: &'static str,
    reference: &'static str,
    meaning: &'static str,
    caught_by: &'static str,
) -> Flaw {
    Flaw { number, name, reference, meaning, caught_by, implemented: true }
}

const fn later(
    number: u32,
    name: &'static str,
    reference: &'static str,
    meaning: &'static str,
    caught_by: &'static str,
) -> Flaw {
    Flaw { number, name, reference, meaning, caught_by, implemented: false }
}

/// The flaw of this name.
pub fn flaw(name: &str) -> Option<&'static Flaw> {
    FLAWS.iter().find(|flaw| flaw.name == name)
}

/// Every flaw, in catalogue order.
#[rustfmt::skip] // a table reads best by the line
pub static FLAWS: &[Flaw] = &[
    // Ours: proves that the alarm works
    built(0, "canary", "ours", "At few starts a broker is drawn that once counts a batch as committed before its followers have it.", "O6, O5"),
    // Replication and leader epochs
    built(1, "hw-truncation-loss", "KIP-101, KAFKA-1211", "A new follower truncates to its own high watermark, which lags one fetch behind.", "O1, lost-write"),
    built(2, "hw-truncation-divergence", "KIP-101", "After power loss, a follower whose high watermark is ahead truncates nothing.", "O2, O5"),
    built(3, "fast-failover-divergence", "KIP-279, KAFKA-6361", "The answer to OffsetForLeaderEpoch has an end offset but not the largest epoch up to the one asked.", "O2"),
    built(4, "same-leader-skip-truncate", "KAFKA-7164", "A follower does not truncate when the leader is the same broker as before.", "O2, O5"),
    built(5, "epoch-not-cached-on-election", "KAFKA-7415", "A leader caches its epoch only at its first append.", "O1, lost-write"),
    built(6, "unfenced-fetch", "KIP-320, KAFKA-6880, KAFKA-7395", "Fetch, ListOffsets and OffsetForLeaderEpoch carry no current leader epoch.", "O2, O5"),
    built(7, "stale-epoch-response", "KAFKA-7786", "An answer to OffsetForLeaderEpoch is applied after the epoch changed in flight.", "O6, O1, lost-write"),
    built(8, "isr-join-before-epoch-start", "KAFKA-7128", "A follower joins the ISR at the leader's high watermark, before the epoch's start offset.", "O1, lost-write"),
    built(9, "hw-backward-listoffsets", "KIP-207, KAFKA-2334", "A new leader answers LATEST with its lagging high watermark.", "O19"),
    built(10, "hw-before-truncate", "KAFKA-14704", "A former leader applies the leader's high watermark before it truncates.", "O5, O2"),
    later(11, "torn-hw-read", "KAFKA-9835, KAFKA-9807", "Log size or high watermark is read twice during a fetch.", "O7, aborted-read"),
    later(12, "full-truncate-hw", "KAFKA-9491", "A full truncation moves the log start but not the high watermark.", "O5, O20"),
    built(13, "diverging-fetch-counts", "KAFKA-13141", "A leader credits a follower's fetch offset although its epoch diverges.", "O6"),
    later(14, "consumer-blind-truncation", "KIP-320, KAFKA-7747", "A consumer goes on after an unclean election without validating its position.", "O21, O7"),
    built(15, "ack-after-term-change", "Redpanda 3003", "Replication reports success without waiting for the commit index.", "O1"),
    // ISR, controller, ZooKeeper
    built(16, "zombie-controller-zk-write", "KAFKA-6082", "A controller that lost its session still writes to ZooKeeper.", "O8"),
    built(17, "stale-leaderandisr", "KAFKA-1188, KAFKA-4447", "Brokers ignore the controller epoch of a request.", "O4, O8"),
    built(18, "bounced-broker-control-request", "KIP-380, KAFKA-7235", "A control request for a broker's former incarnation is applied by the new one.", "O8"),
    built(18, "future-epoch-reject", "KAFKA-9839", "A broker refuses requests that carry a newer broker epoch than it knows.", "O20"),
    later(19, "stale-stopreplica", "KIP-570, KAFKA-9539", "StopReplica carries no leader epoch, so a delayed one stops a live replica.", "O20, O1"),
    built(20, "ephemeral-conflict", "KAFKA-1387, KAFKA-7165", "A broker mistakes its former session's registration for its own.", "O9, O20"),
    built(21, "isr-blind-write", "KIP-497, KAFKA-8836", "The leader writes the partition's state without comparing its version.", "O4, O6"),
    built(22, "optimistic-isr-hw", "AsyncIsr.tla", "While an ISR change is pending, the high watermark ignores the joining replica.", "O6"),
    later(23, "fenced-joins-isr", "KIP-841, KAFKA-13916", "The controller lets a fenced replica into the ISR.", "O6"),
    later(24, "stale-broker-epoch-isr", "KIP-903, KAFKA-14617", "A delayed AlterPartition adds a replica whose disk was replaced meanwhile.", "O1, O6"),
    later(25, "last-replica-standing", "KIP-966, KAFKA-5083", "The last ISR member loses unsynced data and leads again.", "O1"),
    built(26, "hw-advances-under-min-isr", "KAFKA-15583", "The high watermark moves with fewer than min.insync.replicas in sync.", "O6"),
    later(27, "reassign-stale-epoch", "KAFKA-9212", "The controller's cached epoch misses a reassignment.", "O20"),
    // Log, disk, compaction
    built(28, "no-dir-fsync", "KAFKA-3968", "A segment is synced but its directory is not, so power loss removes the whole file.", "O18"),
    built(29, "clean-shutdown-marker-late-delete", "KAFKA-10471", "After a crash during loading, the next start believes that the stop was clean.", "O18"),
    later(30, "producer-snapshot-not-synced", "KAFKA-9892", "A producer snapshot is torn by power loss.", "O10, O18"),
    built(31, "epoch-zero-lost-in-recovery", "KAFKA-10432", "Rebuilding the epoch cache skips epoch 0.", "O3"),
    later(32, "append-after-io-error", "KAFKA-10778", "Appends go on after an I/O error.", "O3"),
    later(32, "dup-offsets-after-index-failure", "KAFKA-7866", "A failure of the transaction index makes the next append reuse offsets.", "O3"),
    built(33, "halt-on-ahead-follower", "KAFKA-3924, KAFKA-3410", "A follower ahead of its leader halts its process.", "O20"),
    later(34, "nonmonotonic-after-power-loss", "KAFKA-3919", "Batches with overlapping offsets make a broker refuse to start.", "O3"),
    later(35, "retention-past-hw", "KAFKA-5634", "Retention deletes segments above the high watermark.", "O17"),
    later(36, "cleaner-checkpoint-not-truncated", "KAFKA-3330", "The cleaner's checkpoint survives a truncation.", "O17"),
    later(37, "tombstone-too-early", "KAFKA-4529", "A tombstone goes before all replicas saw it, and the key comes back.", "O17"),
    later(37, "tombstone-forever", "KIP-534, KAFKA-8522", "A tombstone is never removed.", "O17"),
    later(38, "marker-cleaned-early", "KAFKA-8351", "The cleaner drops an abort marker whose data remains.", "O11, aborted-read"),
    later(39, "max-timestamp-offset", "KAFKA-16310", "The cached offset of the largest timestamp is wrong after recovery.", "O19"),
    // Idempotent producer
    built(40, "no-dedup-epoch-bump", "Redpanda 3039, 3038; KAFKA-5494", "A repeated batch is refused as out of order instead of being recognised, and the producer sends it again under a new epoch.", "duplicate"),
    later(41, "client-reseq-on-unknown-error", "KAFKA-14034, Redpanda 5355", "A client numbers a batch anew after an unknown error for one that was written.", "O10"),
    later(42, "retention-forgets-producer", "KAFKA-7190, KIP-360", "A producer's state dies with the data that retention deletes.", "O10, O13"),
    later(43, "producer-expiry-dup", "KIP-854", "A retry after the producer's state expired is appended again.", "O10"),
    later(44, "epoch-bump-seq-not-reset", "KAFKA-12152", "Idle partitions keep the old sequence under a new producer epoch.", "O20"),
    built(45, "metadata-blip-resets-seq", "librdkafka 1.9.0", "A client that briefly misses a topic starts its sequence anew; new records are dropped as repeated.", "lost-write"),
    later(46, "seq-reuse-across-abort", "Redpanda 8cd0bc66ed", "A new record is taken for a repeated one of an aborted transaction.", "O11"),
    // Transactions
    later(47, "hanging-txn", "KIP-890, KAFKA-14402, KAFKA-12671", "A write delayed past the abort marker opens a transaction that nobody ends.", "O12, O20"),
    later(48, "late-produce-joins-next-txn", "KIP-890", "A delayed write lands in the producer's next transaction.", "O11"),
    later(49, "delayed-endtxn", "KAFKA-17754", "A delayed EndTxn decides the producer's next transaction.", "O11, aborted-read, lost-write"),
    later(50, "verify-then-append-race", "KAFKA-14884", "An abort marker is written between verification and append.", "O12"),
    later(51, "timeout-abort-without-bump", "KAFKA-6119", "A producer goes on writing after the coordinator aborted its transaction.", "O13"),
    later(51, "epoch-exhaustion", "KAFKA-9666", "Every timeout bumps the producer epoch until it overflows.", "O13"),
    later(52, "producer-expiry-reverts-coordinator-epoch", "KAFKA-9144", "Marker fencing goes back when a producer's state expires.", "O13"),
    later(53, "duplicate-completion", "KAFKA-10080, KAFKA-9777", "A completion is written twice, the second time into a new transaction.", "O11"),
    later(54, "lso-off-by-one", "Redpanda 3036", "The last stable offset is used as an inclusive end.", "O7, aborted-read"),
    later(55, "partial-become-follower", "KAFKA-9307", "A coordinator that loses its session midway is never unloaded.", "O20"),
    later(56, "unclean-dangling-txn", "KAFKA-7408", "An unclean leader lacks a marker that nobody sends again.", "O12"),
    later(57, "eos-zombie-by-rebalance", "KIP-447, KAFKA-8587", "A new owner reads offsets while the old one's commit is pending.", "O16"),
    later(58, "mid-txn-epoch-bump", "librdkafka 3575", "A new producer epoch inside a transaction silently starts another.", "O11, lost-write"),
    later(59, "aborted-list-misfilter", "librdkafka 1.7.0", "An abort without data makes a consumer skip later committed records.", "O21"),
    // Groups and offsets
    built(60, "load-stale-cache", "KAFKA-5600, KAFKA-2163, KAFKA-9065", "A coordinator serves stale offsets after failover.", "O15"),
    built(61, "offsets-expire-while-live", "KIP-211, KAFKA-4682, KAFKA-13636, KAFKA-8069", "Offsets of a live group expire.", "O15"),
    later(62, "stale-generation-commit", "KIP-345, Redpanda 0e3a752269", "A transactional commit ignores generation, member and instance.", "O15"),
    built(63, "static-duplicate-instance", "KIP-345, KAFKA-8225", "Two live members share a group.instance.id unfenced.", "O14"),
    built(63, "static-rejoin-not-persisted", "KAFKA-10284", "A static member's new id is not written down.", "O14"),
    built(63, "static-join-during-completing", "KAFKA-9801", "A static member that rejoins while a rebalance completes gets a stale assignment.", "O14"),
    built(64, "sticky-double-ownership", "KIP-429, KAFKA-12983, KAFKA-12984, KAFKA-13419, KAFKA-14639", "A member that missed a generation claims partitions that another owns.", "O14"),
    built(65, "sync-never-arrives", "KAFKA-12890", "A member that heartbeats but never syncs blocks its group.", "O20"),
    built(66, "fetch-during-revocation-commit", "KAFKA-14196, KAFKA-14024", "Poll returns records while a revocation's commit is pending.", "O15, O16"),
    built(67, "store-offset-after-revoke", "librdkafka 1.9.0", "An old stored offset is committed after the partition comes back.", "O15"),
    // Clients and others
    built(68, "reset-on-transient-error", "librdkafka 1.8.0", "A disconnection applies auto.offset.reset.", "O21"),
    built(69, "topic-recreated-same-name", "KAFKA-12257", "A client ignores the lower leader epoch of a recreated topic.", "O20, O21"),
    later(70, "stale-epoch-commit-reset", "KAFKA-19902", "A commit with an old leader epoch makes a restored consumer start over.", "O21"),
    later(71, "out-of-range-reset", "", "A position below the log start silently skips to the end.", "O21"),
];
