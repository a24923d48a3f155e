//! Historical flaws that a run can switch on. All are off by default; each changes one decision at one place.

use thiserror::Error;

/// A flaw Kafka once had.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Flaw {
    /// A new follower truncates to its own high watermark, which lags the leader's by a fetch round trip, instead of
    /// asking the leader where its epoch ended (KIP-101, KAFKA-1211). Loses committed records.
    HwTruncationLoss,
    /// A follower takes its own high watermark for a bound below which nothing needs to be cut, although the replica that
    /// leads now may have lost those records in a power loss (KIP-101, its second scenario). Logs diverge.
    HwTruncationDivergence,
    /// The answer to OffsetForLeaderEpoch carries an end offset but not the epoch it belongs to, so a follower whose
    /// epoch the leader never knew keeps records the leader does not have (KIP-279, KAFKA-6361). Logs diverge.
    FastFailoverDivergence,
    /// A follower whose leader is the same broker as before goes on fetching in the new epoch, and does not ask where its
    /// log leaves the leader's: it may have missed an epoch in between (KAFKA-7164). Logs diverge.
    SameLeaderSkipTruncate,
    /// A leader notes its epoch at its first append, not at its election, so it cannot tell where an older epoch ended that
    /// it never saw: its follower falls back to its high watermark (KAFKA-7415). Loses committed records.
    EpochNotCachedOnElection,
    /// A follower's Fetch, ListOffsets and OffsetForLeaderEpoch carry no leader epoch, so a replica that missed elections
    /// is not fenced (KIP-320, KAFKA-6880, KAFKA-7395). Logs diverge.
    UnfencedFetch,
    /// An answer to OffsetForLeaderEpoch is applied although the epoch it was asked in is over (KAFKA-7786). An in-sync
    /// replica cuts committed records.
    StaleEpochResponse,
    /// A follower joins the ISR as soon as it has all below the leader's high watermark, which in a new leader lags what is
    /// committed (KAFKA-7128). A replica without committed records may be elected.
    IsrJoinBeforeEpochStart,
    /// A new leader answers ListOffsets with its high watermark although that still lags its predecessor's (KIP-207,
    /// KAFKA-2334). The end of a partition goes back.
    HwBackwardListOffsets,
    /// A former leader takes over the leader's high watermark before it cuts what diverges (KAFKA-14704): records that
    /// nobody committed count as committed for a moment.
    HwBeforeTruncate,
    /// A leader credits a follower with the offset it fetches from although it just found that the follower's log diverges
    /// there (KAFKA-13141). A replica without committed records joins the ISR.
    DivergingFetchCounts,
    /// A leader writes its ISR without comparing the znode's version, and so over what the controller decided
    /// meanwhile (the bug that conditional ISR writes prevent; see KIP-497, KAFKA-8836).
    IsrBlindWrite,
    /// An acks=all write that waits while the leadership changes is acknowledged because its record is still in the own
    /// log, under the epoch it was written in; nobody waits for the high watermark (Redpanda 3003). The next leader has it cut.
    AckAfterTermChange,
    /// A controller writes without checking that it still is the controller, and goes on over its next session (KAFKA-6082).
    /// What it decides then nobody is told.
    ZombieControllerZkWrite,
    /// A broker obeys control requests of any controller, the deposed included (KAFKA-1188, KAFKA-4447).
    StaleLeaderAndIsr,
    /// A broker obeys control requests that were meant for its former incarnation (KIP-380, KAFKA-7235).
    BouncedBrokerControlRequest,
    /// A broker refuses control requests that name a newer registration than it knows of: the controller may hear of it
    /// first (KAFKA-9839).
    FutureEpochReject,
    /// A broker takes the registration of its former session for its own (KAFKA-1387, KAFKA-7165): that dies with its session.
    EphemeralConflict,
    /// While an ISR change is on its way the high watermark counts the old ISR only, not whom the change lets in
    /// (AsyncIsr.tla; `maximalIsr` in Kafka).
    OptimisticIsrHw,
    /// The high watermark moves although the ISR is under min.insync.replicas (KAFKA-15583).
    HwAdvancesUnderMinIsr,
    /// No flaw that Kafka had, but ours: one of many brokers once counts a batch as committed on its own (see `canary`).
    Canary,
    /// A new segment's bytes are synced, its directory entry is not (KAFKA-3968): power loss removes the whole file.
    NoDirFsync,
    /// The marker of a clean shutdown is deleted after the logs are loaded, not before (KAFKA-10471): a crash in between
    /// leaves it, and the next start skips recovery.
    CleanShutdownMarkerLateDelete,
    /// The epoch cache is rebuilt from the log without epoch 0 (KAFKA-10432).
    EpochZeroLostInRecovery,
    /// A follower whose log goes on where its leader's ends halts its process instead of truncating (KAFKA-3410,
    /// KAFKA-3924).
    HaltOnAheadFollower,
    /// A repeated batch is refused as out of order (Redpanda #3039), and the producer takes that as proof that it was never
    /// written, as Kafka's does (KIP-360): it sends the batch again under a new epoch.
    NoDedupEpochBump,
    /// A producer whose topic is missing in one answer about metadata numbers its batches from 0 again, without a new epoch
    /// (librdkafka before 1.9.0): brokers take new records for repeated ones.
    MetadataBlipResetsSeq,
    /// A coordinator keeps a partition's offsets when another broker becomes its coordinator, and does not replace them when it
    /// loads the partition again (KAFKA-5600): it serves offsets that were long overtaken.
    LoadStaleCache,
    /// Offsets expire at their age although the group has members that read (KIP-211, KAFKA-4682).
    OffsetsExpireWhileLive,
    /// A second member with the `group.instance.id` of a live one joins beside it, and neither is fenced (KIP-345, KAFKA-8225).
    StaticDuplicateInstance,
    /// A static member's new member id is not written down (KAFKA-10284): the next coordinator knows only the former one.
    StaticRejoinNotPersisted,
    /// A static member that comes back while the leader assigns is told of the generation under way, not asked to rebalance
    /// (KAFKA-9801): the leader assigns to its former self, and it gets nothing.
    StaticJoinDuringCompleting,
    /// A rebalance waits forever for a member that sends heartbeats but never SyncGroup (KAFKA-12890).
    SyncNeverArrives,
    /// The sticky assignors believe what a member that missed a generation says it owns (KIP-429; KAFKA-12983, KAFKA-12984,
    /// KAFKA-13419, KAFKA-14639).
    StickyDoubleOwnership,
    /// While the commit before a revocation is on its way, poll goes on returning records of the partitions to be given up
    /// (KAFKA-14196, KAFKA-14024).
    FetchDuringRevocationCommit,
    /// The offset that a member stored when a partition was revoked is committed when the partition comes back (librdkafka before
    /// 1.9.0).
    StoreOffsetAfterRevoke,
    /// A lost connection makes a consumer reset its position by `auto.offset.reset` (librdkafka 1.8.0).
    ResetOnTransientError,
    /// A client ignores the lower leader epochs of a topic that was created anew (KAFKA-12257).
    TopicRecreatedSameName,
}

impl Flaw {
    /// All flaws that a scenario can switch on.
    pub const ALL: &[Flaw] = &[
        Flaw::HwTruncationLoss,
        Flaw::HwTruncationDivergence,
        Flaw::FastFailoverDivergence,
        Flaw::SameLeaderSkipTruncate,
        Flaw::EpochNotCachedOnElection,
        Flaw::UnfencedFetch,
        Flaw::StaleEpochResponse,
        Flaw::IsrJoinBeforeEpochStart,
        Flaw::HwBackwardListOffsets,
        Flaw::HwBeforeTruncate,
        Flaw::DivergingFetchCounts,
        Flaw::IsrBlindWrite,
        Flaw::AckAfterTermChange,
        Flaw::ZombieControllerZkWrite,
        Flaw::StaleLeaderAndIsr,
        Flaw::BouncedBrokerControlRequest,
        Flaw::FutureEpochReject,
        Flaw::EphemeralConflict,
        Flaw::OptimisticIsrHw,
        Flaw::HwAdvancesUnderMinIsr,
        Flaw::Canary,
        Flaw::NoDirFsync,
        Flaw::CleanShutdownMarkerLateDelete,
        Flaw::EpochZeroLostInRecovery,
        Flaw::HaltOnAheadFollower,
        Flaw::NoDedupEpochBump,
        Flaw::MetadataBlipResetsSeq,
        Flaw::LoadStaleCache,
        Flaw::OffsetsExpireWhileLive,
        Flaw::StaticDuplicateInstance,
        Flaw::StaticRejoinNotPersisted,
        Flaw::StaticJoinDuringCompleting,
        Flaw::SyncNeverArrives,
        Flaw::StickyDoubleOwnership,
        Flaw::FetchDuringRevocationCommit,
        Flaw::StoreOffsetAfterRevoke,
        Flaw::ResetOnTransientError,
        Flaw::TopicRecreatedSameName,
    ];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Flaw::HwTruncationLoss => "hw-truncation-loss",
            Flaw::HwTruncationDivergence => "hw-truncation-divergence",
            Flaw::FastFailoverDivergence => "fast-failover-divergence",
            Flaw::SameLeaderSkipTruncate => "same-leader-skip-truncate",
            Flaw::EpochNotCachedOnElection => "epoch-not-cached-on-election",
            Flaw::UnfencedFetch => "unfenced-fetch",
            Flaw::StaleEpochResponse => "stale-epoch-response",
            Flaw::IsrJoinBeforeEpochStart => "isr-join-before-epoch-start",
            Flaw::HwBackwardListOffsets => "hw-backward-listoffsets",
            Flaw::HwBeforeTruncate => "hw-before-truncate",
            Flaw::DivergingFetchCounts => "diverging-fetch-counts",
            Flaw::IsrBlindWrite => "isr-blind-write",
            Flaw::AckAfterTermChange => "ack-after-term-change",
            Flaw::ZombieControllerZkWrite => "zombie-controller-zk-write",
            Flaw::StaleLeaderAndIsr => "stale-leaderandisr",
            Flaw::BouncedBrokerControlRequest => "bounced-broker-control-request",
            Flaw::FutureEpochReject => "future-epoch-reject",
            Flaw::EphemeralConflict => "ephemeral-conflict",
            Flaw::OptimisticIsrHw => "optimistic-isr-hw",
            Flaw::HwAdvancesUnderMinIsr => "hw-advances-under-min-isr",
            Flaw::Canary => "canary",
            Flaw::NoDirFsync => "no-dir-fsync",
            Flaw::CleanShutdownMarkerLateDelete => "clean-shutdown-marker-late-delete",
            Flaw::EpochZeroLostInRecovery => "epoch-zero-lost-in-recovery",
            Flaw::HaltOnAheadFollower => "halt-on-ahead-follower",
            Flaw::NoDedupEpochBump => "no-dedup-epoch-bump",
            Flaw::MetadataBlipResetsSeq => "metadata-blip-resets-seq",
            Flaw::LoadStaleCache => "load-stale-cache",
            Flaw::OffsetsExpireWhileLive => "offsets-expire-while-live",
            Flaw::StaticDuplicateInstance => "static-duplicate-instance",
            Flaw::StaticRejoinNotPersisted => "static-rejoin-not-persisted",
            Flaw::StaticJoinDuringCompleting => "static-join-during-completing",
            Flaw::SyncNeverArrives => "sync-never-arrives",
            Flaw::StickyDoubleOwnership => "sticky-double-ownership",
            Flaw::FetchDuringRevocationCommit => "fetch-during-revocation-commit",
            Flaw::StoreOffsetAfterRevoke => "store-offset-after-revoke",
            Flaw::ResetOnTransientError => "reset-on-transient-error",
            Flaw::TopicRecreatedSameName => "topic-recreated-same-name",
        }
    }

    /// The flaw of this name, if there is one.
    pub fn parse(name: &str) -> Option<Flaw> {
        Flaw::ALL.iter().copied().find(|flaw| flaw.name() == name)
    }
}

/// No flaw has this name.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("there is no flaw `{0}`")]
pub struct UnknownFlaw(pub String);

/// The flaws of a broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flaws(u64);

impl Flaws {
    /// None: a broker as it should be.
    pub const NONE: Flaws = Flaws(0);

    /// The set of the flaws with these names.
    ///
    /// # Errors
    /// If a name stands for no flaw.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Flaws, UnknownFlaw> {
        let mut flaws = Flaws::NONE;
        for name in names {
            flaws = flaws.with(Flaw::parse(name).ok_or_else(|| UnknownFlaw(name.to_owned()))?);
        }
        Ok(flaws)
    }

    /// This set and `flaw`.
    #[must_use]
    pub const fn with(self, flaw: Flaw) -> Flaws {
        Flaws(self.0 | 1u64 << flaw as u32)
    }

    /// Whether `flaw` is on.
    pub const fn has(self, flaw: Flaw) -> bool {
        self.0 & 1u64 << flaw as u32 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_exactly_the_flaws_it_names() {
        let flaws = Flaws::parse(["isr-blind-write", "no-dir-fsync"]).unwrap();
        let on: Vec<&str> = Flaw::ALL.iter().filter(|flaw| flaws.has(**flaw)).map(|flaw| flaw.name()).collect();
        assert_eq!(on, ["isr-blind-write", "no-dir-fsync"]);
        assert_eq!(Flaws::parse(["no-such"]), Err(UnknownFlaw("no-such".to_owned())));
        assert!(Flaw::ALL.iter().all(|flaw| Flaw::parse(flaw.name()) == Some(*flaw) && !Flaws::NONE.has(*flaw)));
    }
}
