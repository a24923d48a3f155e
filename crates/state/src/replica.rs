//! One replica of a partition, as its broker's events tell it.

use trace::BrokerList;

use crate::Batches;

/// What a replica believes to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplicaRole {
    /// Not told yet, or stopped.
    #[default]
    Offline,
    /// It leads.
    Leader,
    /// It follows the broker with this id.
    Follower(i32),
}

/// One batch in a replica's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchState {
    /// Offset of its first record.
    pub base_offset: i64,
    /// How many offsets it covers.
    pub records: u32,
    /// Its leader epoch.
    pub leader_epoch: i32,
    /// Its CRC.
    pub crc: u32,
}

impl BatchState {
    /// The offset after its last record.
    pub fn end(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.records))
    }

    /// Whether two replicas hold the same batch: at the same offset, from the same leader, with the same bytes.
    pub fn is_same(&self, other: &BatchState) -> bool {
        (self.base_offset, self.leader_epoch, self.crc) == (other.base_offset, other.leader_epoch, other.crc)
    }
}

/// A replica.
#[derive(Clone, Debug, Default)]
pub struct ReplicaState {
    /// What it believes to be.
    pub role: ReplicaRole,
    /// The highest leader epoch it knows.
    pub leader_epoch: i32,
    /// Log start offset.
    pub log_start: i64,
    /// Log end offset (LEO).
    pub log_end: i64,
    /// Its own high watermark.
    pub high_watermark: i64,
    /// All below is fsynced.
    pub recovery_point: i64,
    /// The first offset that its cleaner has not reached; below, records may be gone that its batches had.
    pub cleaned: i64,
    /// As leader: the ISR it works with.
    pub isr: BrokerList,
    /// Its batches in order of offset, as far as its events tell.
    pub batches: Batches,
}

impl ReplicaState {
    /// A batch was appended.
    pub(crate) fn append(&mut self, batch: BatchState) {
        self.truncate(batch.base_offset);
        self.log_end = batch.end();
        self.batches.push(batch);
    }

    /// All from `to` on is gone.
    pub(crate) fn truncate(&mut self, to: i64) {
        while self.batches.last().is_some_and(|last| last.end() > to) {
            self.batches.pop();
        }
        self.log_end = to;
        self.recovery_point = self.recovery_point.min(to);
        self.cleaned = self.cleaned.min(to);
    }

    /// The batch that holds `offset`.
    pub fn batch_at(&self, offset: i64) -> Option<&BatchState> {
        self.batches.get(self.batches.place_of(offset)).filter(|batch| batch.base_offset <= offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base_offset: i64, records: u32) -> BatchState {
        BatchState { base_offset, records, leader_epoch: 0, crc: 0 }
    }

    #[test]
    fn truncation_drops_whole_batches_from_the_end() {
        let mut replica = ReplicaState::default();
        replica.append(batch(0, 10));
        replica.append(batch(10, 5));
        replica.truncate(10);
        assert_eq!((replica.log_end, replica.batches.len()), (10, 1));
        assert_eq!(replica.batch_at(9), Some(&batch(0, 10)));
        assert_eq!(replica.batch_at(10), None);
    }
}
