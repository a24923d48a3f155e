//! What an event is about.

use crate::{EventKind, Partition};

impl EventKind {
    /// The partition that the event is about; for a coordinator's, the partition of `__consumer_offsets`.
    pub fn partition(&self) -> Option<Partition> {
        use EventKind as K;
        match self {
            K::PartitionCreated { partition, .. }
            | K::LeadershipDecided { partition, .. }
            | K::LogLoaded { partition, .. }
            | K::EpochsLoaded { partition, .. }
            | K::BecameLeader { partition, .. }
            | K::BecameFollower { partition, .. }
            | K::ReplicaStopped { partition, .. }
            | K::Appended { partition, .. }
            | K::Deduplicated { partition, .. }
            | K::Truncated { partition, .. }
            | K::LogStartMoved { partition, .. }
            | K::LogCleaned { partition, .. }
            | K::Flushed { partition, .. }
            | K::HighWatermarkMoved { partition, .. }
            | K::IsrProposed { partition, .. }
            | K::IsrChanged { partition, .. }
            | K::IsrRefused { partition, .. }
            | K::ProduceAcked { partition, .. }
            | K::ProduceRefused { partition, .. }
            | K::Served { partition, .. }
            | K::OffsetListed { partition, .. }
            | K::CoordinatorLoaded { partition, .. }
            | K::CoordinatorUnloaded { partition, .. }
            | K::OffsetCommitted { partition, .. }
            | K::OffsetCommitRefused { partition, .. }
            | K::OffsetForgotten { partition, .. }
            | K::OffsetServed { partition, .. }
            | K::RecordSent { partition, .. }
            | K::RecordAcked { partition, .. }
            | K::RecordFailed { partition, .. }
            | K::RecordUnknown { partition, .. }
            | K::RecordPolled { partition, .. }
            | K::RecordProcessed { partition, .. }
            | K::PositionReset { partition, .. }
            | K::CommitAcked { partition, .. }
            | K::CommitFailed { partition, .. } => Some(*partition),
            _ => None,
        }
    }

    /// Whether it tells of a client: its node is one.
    pub fn of_client(&self) -> bool {
        use EventKind as K;
        matches!(
            self,
            K::ProducerInitialized { .. }
                | K::RecordSent { .. }
                | K::RecordAcked { .. }
                | K::RecordFailed { .. }
                | K::RecordUnknown { .. }
                | K::RecordPolled { .. }
                | K::RecordProcessed { .. }
                | K::PositionReset { .. }
                | K::GroupJoined { .. }
                | K::PartitionsAssigned { .. }
                | K::PartitionsRevoked { .. }
                | K::CommitAcked { .. }
                | K::CommitFailed { .. }
        )
    }

    /// Whether a group coordinator tells it.
    pub fn of_coordinator(&self) -> bool {
        use EventKind as K;
        matches!(
            self,
            K::CoordinatorLoaded { .. }
                | K::CoordinatorUnloaded { .. }
                | K::GroupStateChanged { .. }
                | K::MemberJoined { .. }
                | K::MemberLeft { .. }
                | K::MemberAssigned { .. }
                | K::OffsetCommitted { .. }
                | K::OffsetCommitRefused { .. }
                | K::OffsetForgotten { .. }
                | K::OffsetServed { .. }
        )
    }
}
