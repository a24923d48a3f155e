//! A replica's batches in a form that is cheap to clone, so that key frames share what they have in common.

use std::fmt;
use std::sync::Arc;

use crate::replica::BatchState;

/// Batches a full chunk holds. A key frame pays at most one partly filled chunk a replica, so that small is good; the
/// spine of pointers, which is copied whole, wants them not too small.
const CHUNK: usize = 64;

/// Batches in order of offset, appended and truncated at the end only. Clones share all full chunks.
#[derive(Clone, Default)]
pub struct Batches {
    /// Every chunk but the last holds exactly [`CHUNK`] batches, and none is empty.
    chunks: Arc<Vec<Arc<Vec<BatchState>>>>,
    len: usize,
}

impl Batches {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The batch at this place in order.
    pub fn get(&self, place: usize) -> Option<&BatchState> {
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)
    }

    /// The one with the highest offsets.
    pub fn last(&self) -> Option<&BatchState> {
        self.chunks.last()?.last()
    }

    /// All in order of offset.
    pub fn iter(&self) -> impl Iterator<Item = &BatchState> {
        self.from(0)
    }

    /// Those from this place on, in order.
    pub fn from(&self, place: usize) -> impl Iterator<Item = &BatchState> {
        let chunks = self.chunks.get(place / CHUNK..).unwrap_or_default();
        chunks.iter().flat_map(|chunk| chunk.iter()).skip(place % CHUNK)
    }

    /// The place of the first batch that ends after `offset`: the one that holds it, if any does.
    pub fn place_of(&self, offset: i64) -> usize {
        let ends_before = |chunk: &Arc<Vec<BatchState>>| chunk.last().is_some_and(|last| last.end() <= offset);
        let chunk = self.chunks.partition_point(ends_before);
        let within = self.chunks.get(chunk).map_or(0, |chunk| chunk.partition_point(|batch| batch.end() <= offset));
        (chunk * CHUNK + within).min(self.len)
    }

    /// The batches that hold offsets of `from..to`, in order.
    pub fn range(&self, from: i64, to: i64) -> impl Iterator<Item = &BatchState> {
        self.from(self.place_of(from)).take_while(move |batch| batch.base_offset < to)
    }

    pub(crate) fn push(&mut self, batch: BatchState) {
        let chunks = Arc::make_mut(&mut self.chunks);
        match chunks.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => Arc::make_mut(last).push(batch),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(batch);
                chunks.push(Arc::new(chunk));
            }
        }
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) {
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(last) = chunks.last_mut() else { return };
        Arc::make_mut(last).pop();
        if last.is_empty() {
            chunks.pop();
        }
        self.len -= 1;
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(n: i64) -> BatchState {
        BatchState { base_offset: n * 5, records: 5, leader_epoch: 0, crc: n as u32 }
    }

    fn filled(count: i64) -> Batches {
        let mut batches = Batches::default();
        (0..count).for_each(|n| batches.push(batch(n)));
        batches
    }

    #[test]
    fn every_batch_is_found_by_each_of_its_offsets() {
        let batches = filled(200);
        for offset in 0..1000 {
            let place = batches.place_of(offset);
            assert_eq!(batches.get(place), Some(&batch(offset / 5)), "offset {offset}");
        }
        assert_eq!(batches.place_of(1000), 200);
        assert_eq!(batches.range(317, 331).map(|batch| batch.base_offset).collect::<Vec<_>>(), [315, 320, 325, 330]);
    }

    #[test]
    fn a_clone_keeps_its_batches_while_the_other_one_changes() {
        let mut now = filled(130);
        let before = now.clone();
        (0..10).for_each(|_| now.pop());
        now.push(batch(900));
        assert_eq!((before.len(), now.len()), (130, 121));
        assert_eq!(before.last(), Some(&batch(129)));
        assert_eq!(now.last(), Some(&batch(900)));
        assert_eq!(before.iter().count(), 130);
    }

    #[test]
    fn emptied_and_filled_again_they_count_right() {
        let mut batches = filled(65);
        (0..70).for_each(|_| batches.pop());
        assert!(batches.is_empty() && batches.last().is_none());
        batches.push(batch(3));
        assert_eq!(batches.iter().count(), 1);
    }
}
