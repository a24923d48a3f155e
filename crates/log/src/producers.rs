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
            let repeated = |old: &&SequencedBatch| {
                old.first_sequence == sequence && old.last_sequence == batch.last_sequence()
            };
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
