//! What the log remembers of idempotent producers, so that a retry is not appended twice (KIP-98).

use std::collections::BTreeMap;

use wire::batch::increment_sequence;

use crate::{AppendedBatch, ProducerError};

/// How many of a producer's last batches are remembered: as many as a client may have in flight (KAFKA-5494).
pub const REMEMBERED_BATCHES: usize = 5;

/// Where a batch of a producer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SequencedBatch {
    /// Sequence number of its first record.
    pub first_sequence: i32,
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Its largest timestamp, in ms.
    pub timestamp: i64,
}

/// One producer's state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducerState {
    /// The producer's epoch.
    pub epoch: i16,
    /// Largest timestamp of its newest batch or marker, in ms; from here it expires.
    pub last_timestamp: i64,
    count: u8,
    batches: [SequencedBatch; REMEMBERED_BATCHES],
}

impl ProducerState {
    pub(crate) fn new(epoch: i16, last_timestamp: i64) -> ProducerState {
        ProducerState { epoch, last_timestamp, count: 0, batches: Default::default() }
    }

    /// Its last batches in this epoch, oldest first.
    pub fn batches(&self) -> &[SequencedBatch] {
        &self.batches[..usize::from(self.count)]
    }

    /// The last sequence number in this epoch, or -1.
    pub fn last_sequence(&self) -> i32 {
        self.batches().last().map_or(-1, |batch| batch.last_sequence)
    }

    pub(crate) fn remember(&mut self, batch: SequencedBatch) {
        if usize::from(self.count) == REMEMBERED_BATCHES {
            self.batches.rotate_left(1);
        } else {
            self.count += 1;
        }
        self.batches[usize::from(self.count) - 1] = batch;
    }
}

/// What a leader does with an idempotent producer's batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is new: append it.
    Append,
    /// It is in the log already: answer with where it is.
    Duplicate(SequencedBatch),
}

/// The state of all producers of a partition, as their batches in the log left it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProducerStates {
    producers: BTreeMap<i64, ProducerState>,
}

impl ProducerStates {
    /// The state of one producer.
    pub fn get(&self, producer_id: i64) -> Option<&ProducerState> {
        self.producers.get(&producer_id)
    }

    /// All producers by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (i64, &ProducerState)> {
        self.producers.iter().map(|(id, state)| (*id, state))
    }

    pub(crate) fn insert(&mut self, producer_id: i64, state: ProducerState) {
        self.producers.insert(producer_id, state);
    }

    /// Judges a batch that a client sent to the leader. A producer that nothing is known of may begin with any sequence
    /// number: what it wrote may have been deleted or have expired.
    ///
    /// # Errors
    /// If the epoch is fenced, or the batch neither continues the sequence nor repeats a remembered batch.
    pub fn check(&self, batch: &AppendedBatch) -> Result<Verdict, ProducerError> {
        let Some(state) = self.producers.get(&batch.producer_id) else { return Ok(Verdict::Append) };
        let AppendedBatch { producer_id, producer_epoch, sequence, .. } = *batch;
        if producer_epoch < state.epoch {
            let (current, found) = (state.epoch, producer_epoch);
            return Err(ProducerError::InvalidProducerEpoch { producer_id, current, found });
        }
        let mut last = -1;
        if producer_epoch == state.epoch {
            let repeated =
                |old: &&SequencedBatch| old.first_sequence == sequence && old.last_sequence == batch.last_sequence();
            if let Some(old) = state.batches().iter().find(repeated) {
                return Ok(Verdict::Duplicate(*old));
            }
            last = state.last_sequence();
        }
        // A new epoch begins at 0, as does an epoch that only a marker has brought.
        let expected = if last == -1 { 0 } else { increment_sequence(last, 1) };
        if sequence == expected {
            Ok(Verdict::Append)
        } else {
            Err(ProducerError::OutOfOrderSequence { producer_id, last, found: sequence })
        }
    }

    /// Takes in a batch of the log, unjudged: the leader judged it, and a follower or a replay believes the log.
    pub fn apply(&mut self, batch: &AppendedBatch) {
        if batch.producer_id < 0 {
            return;
        }
        let AppendedBatch { producer_epoch, max_timestamp, .. } = *batch;
        let state = self
            .producers
            .entry(batch.producer_id)
            .or_insert_with(|| ProducerState::new(producer_epoch, max_timestamp));
        if state.epoch != producer_epoch {
            *state = ProducerState::new(producer_epoch, max_timestamp);
        }
        // A marker counts as life too (KAFKA-9144).
        state.last_timestamp = max_timestamp;
        if batch.is_sequenced() && batch.sequence >= 0 {
            state.remember(SequencedBatch {
                first_sequence: batch.sequence,
                last_sequence: batch.last_sequence(),
                base_offset: batch.base_offset,
                last_offset: batch.last_offset,
                timestamp: max_timestamp,
            });
        }
    }

    /// Forgets producers whose newest batch is `expiration_ms` or more before `now_ms`.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.producers.retain(|_, state| now_ms.saturating_sub(state.last_timestamp) < expiration_ms);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.producers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCER: i64 = 9;

    fn batch(epoch: i16, sequence: i32, records: i32, base_offset: i64) -> AppendedBatch {
        AppendedBatch {
            base_offset,
            last_offset: base_offset + i64::from(records) - 1,
            records: records as u32,
            leader_epoch: 0,
            crc: 0,
            producer_id: PRODUCER,
            producer_epoch: epoch,
            sequence,
            max_timestamp: 1000,
            bytes: 100,
            transactional: false,
            control: false,
        }
    }

    fn marker(epoch: i16) -> AppendedBatch {
        AppendedBatch { control: true, transactional: true, ..batch(epoch, -1, 1, 500) }
    }

    /// After these (epoch, sequence, records), the verdict on another.
    fn check(written: &[(i16, i32, i32)], then: (i16, i32, i32)) -> Result<Verdict, ProducerError> {
        let mut producers = ProducerStates::default();
        let mut offset = 0;
        for (epoch, sequence, records) in written {
            producers.apply(&batch(*epoch, *sequence, *records, offset));
            offset += i64::from(*records);
        }
        producers.check(&batch(then.0, then.1, then.2, offset))
    }

    fn out_of_order(last: i32, found: i32) -> Result<Verdict, ProducerError> {
        Err(ProducerError::OutOfOrderSequence { producer_id: PRODUCER, last, found })
    }

    fn base_of(verdict: Result<Verdict, ProducerError>) -> i64 {
        match verdict {
            Ok(Verdict::Duplicate(old)) => old.base_offset,
            other => panic!("no duplicate: {other:?}"),
        }
    }

    #[test]
    fn a_batch_must_continue_the_sequence() {
        assert_eq!(check(&[(0, 0, 10)], (0, 10, 5)), Ok(Verdict::Append));
        assert_eq!(check(&[(0, 0, 10)], (0, 11, 5)), out_of_order(9, 11));
    }

    #[test]
    fn a_producer_that_nothing_is_known_of_may_begin_anywhere() {
        assert_eq!(check(&[], (3, 77, 1)), Ok(Verdict::Append));
    }

    #[test]
    fn each_of_the_last_five_batches_is_recognised_and_answered_with_its_offset() {
        let written: Vec<_> = (0..7).map(|n| (0, n * 10, 10)).collect();
        for n in 2..7 {
            assert_eq!(base_of(check(&written, (0, n * 10, 10))), i64::from(n * 10));
        }
        assert_eq!(check(&written, (0, 10, 10)), out_of_order(69, 10));
    }

    #[test]
    fn half_a_known_batch_is_no_duplicate() {
        assert_eq!(check(&[(0, 0, 10)], (0, 0, 5)), out_of_order(9, 0));
    }

    #[test]
    fn sequences_wrap_from_the_largest_number_to_zero() {
        assert_eq!(check(&[(0, i32::MAX, 1)], (0, 0, 4)), Ok(Verdict::Append));
        assert_eq!(check(&[(0, i32::MAX - 1, 4)], (0, 2, 4)), Ok(Verdict::Append));
        assert_eq!(base_of(check(&[(0, i32::MAX - 1, 4), (0, 2, 4)], (0, i32::MAX - 1, 4))), 0);
    }

    #[test]
    fn a_new_epoch_begins_at_zero_and_fences_the_old() {
        assert_eq!(check(&[(0, 0, 10)], (1, 0, 1)), Ok(Verdict::Append));
        assert_eq!(check(&[(0, 0, 10)], (1, 10, 1)), out_of_order(-1, 10));
        let fenced = ProducerError::InvalidProducerEpoch { producer_id: PRODUCER, current: 1, found: 0 };
        assert_eq!(check(&[(0, 0, 10), (1, 0, 1)], (0, 10, 1)), Err(fenced));
        // A batch of the old epoch is not recognised in the new one.
        assert_eq!(check(&[(0, 0, 10), (1, 0, 1)], (1, 0, 10)), out_of_order(0, 0));
    }

    #[test]
    fn a_marker_of_a_higher_epoch_fences_too() {
        let mut producers = ProducerStates::default();
        producers.apply(&batch(0, 0, 10, 0));
        producers.apply(&marker(1));
        assert!(producers.check(&batch(0, 10, 1, 501)).is_err());
        assert_eq!(producers.check(&batch(1, 0, 1, 501)), Ok(Verdict::Append));
        assert!(producers.check(&batch(1, 5, 1, 501)).is_err());
    }

    #[test]
    fn a_marker_of_the_same_epoch_leaves_the_sequence_alone() {
        let mut producers = ProducerStates::default();
        producers.apply(&batch(0, 0, 10, 0));
        producers.apply(&marker(0));
        assert_eq!(producers.check(&batch(0, 10, 1, 501)), Ok(Verdict::Append));
    }

    #[test]
    fn an_idle_producer_expires_and_may_then_begin_anywhere() {
        let mut producers = ProducerStates::default();
        producers.apply(&batch(0, 0, 10, 0));
        producers.expire(1000 + 99, 100);
        assert!(producers.check(&batch(0, 5, 1, 10)).is_err());
        producers.expire(1000 + 100, 100);
        assert_eq!(producers.check(&batch(0, 5, 1, 10)), Ok(Verdict::Append));
    }

    #[test]
    fn batches_without_a_producer_leave_no_trace() {
        let mut producers = ProducerStates::default();
        producers.apply(&AppendedBatch { producer_id: -1, sequence: -1, ..batch(-1, -1, 10, 0) });
        assert_eq!(producers, ProducerStates::default());
    }
}
