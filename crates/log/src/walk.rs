//! Walking over the batches of a segment, header by header, and replaying what they do to the log's state.

use std::io;

use bytes::Bytes;
use wire::batch::{BatchError, BatchHeader, HEADER_LENGTH, verify_crc};

use crate::{AppendedBatch, Discontinuity, EpochCache, ProducerStates};

/// Bytes read at a time when only headers matter; a larger batch's records are skipped over.
const WINDOW: usize = 4096;
/// Bytes read at a time when every byte is checked.
const VERIFY_WINDOW: usize = 64 * 1024;

/// The batches in `position..end` of something that can be read at a position.
pub(crate) struct Walk<R> {
    read: R,
    position: u64,
    end: u64,
    verify: bool,
    window: Bytes,
    window_start: u64,
}

impl<R: FnMut(u64, usize) -> io::Result<Bytes>> Walk<R> {
    /// Walks from `position`, where a batch begins. With `verify`, each batch's CRC is checked too.
    pub fn new(position: u64, end: u64, verify: bool, read: R) -> Walk<R> {
        Walk { read, position, end, verify, window: Bytes::new(), window_start: 0 }
    }

    /// Where the next batch begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next batch's header and position. `Ok(None)` at the end; the inner error is that of malformed bytes, after
    /// which the walk stays where it is.
    pub fn next(&mut self) -> io::Result<Option<Result<(u64, BatchHeader), BatchError>>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let header = match BatchHeader::parse(self.window(HEADER_LENGTH)?) {
            Ok(header) => header,
            Err(error) => return Ok(Some(Err(error))),
        };
        let available = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let needed = header.total_length();
        if needed > available {
            return Ok(Some(Err(BatchError::Truncated { needed, available })));
        }
        if self.verify
            && let Err(error) = verify_crc(self.window(needed)?)
        {
            return Ok(Some(Err(error)));
        }
        let position = self.position;
        self.position += needed as u64;
        Ok(Some(Ok((position, header))))
    }

    /// The bytes from the current position on: `wanted` of them if there are as many.
    fn window(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let wanted = wanted.min(usize::try_from(self.end - self.position).unwrap_or(usize::MAX));
        let window_end = self.window_start + self.window.len() as u64;
        if self.position < self.window_start || self.position + wanted as u64 > window_end {
            let length = wanted.max(if self.verify { VERIFY_WINDOW } else { WINDOW });
            let length = length.min(usize::try_from(self.end - self.position).unwrap_or(usize::MAX));
            self.window = (self.read)(self.position, length)?;
            self.window_start = self.position;
        }
        Ok(&self.window[(self.position - self.window_start) as usize..])
    }
}

/// The state that the batches of a log lead to, taken in one after the other.
pub(crate) struct Replay {
    /// The offset that the next batch must have.
    pub next_offset: i64,
    latest_epoch: i32,
    /// The projection of the log onto its epochs.
    pub epochs: EpochCache,
    /// Producers as of the last batch.
    pub producers: ProducerStates,
    /// Whether offsets may be missing inside a segment.
    pub compact: bool,
    /// The flaw `epoch_zero_lost_in_recovery`.
    pub loses_epoch_zero: bool,
}

impl Replay {
    /// Nothing replayed: the log starts at `start_offset`, and what was before it left these producers.
    pub fn new(start_offset: i64, producers: ProducerStates) -> Replay {
        let epochs = EpochCache::default();
        Replay {
            next_offset: start_offset,
            latest_epoch: 0,
            epochs,
            producers,
            compact: false,
            loses_epoch_zero: false,
        }
    }

    /// Takes in a batch.
    ///
    /// # Errors
    /// If it cannot follow the one before; the state is unchanged then.
    pub fn apply(&mut self, batch: &AppendedBatch) -> Result<(), Discontinuity> {
        check_continues(self.next_offset, self.latest_epoch, batch, self.compact)?;
        self.next_offset = batch.next_offset();
        self.latest_epoch = batch.leader_epoch;
        if batch.leader_epoch > 0 || !self.loses_epoch_zero {
            self.epochs.assign(batch.leader_epoch, batch.base_offset);
        }
        self.producers.apply(batch);
        Ok(())
    }
}

/// Whether a batch may follow a log that ends at `end_offset` with a batch of `latest_epoch` (0 if it has none, which
/// refuses batches that no leader stamped). In a compacted log offsets may be missing between them.
pub(crate) fn check_continues(
    end_offset: i64,
    latest_epoch: i32,
    batch: &AppendedBatch,
    compact: bool,
) -> Result<(), Discontinuity> {
    if batch.base_offset < end_offset || (batch.base_offset > end_offset && !compact) {
        return Err(Discontinuity::Offset { expected: end_offset, found: batch.base_offset });
    }
    if batch.leader_epoch < latest_epoch {
        return Err(Discontinuity::Epoch { latest: latest_epoch, found: batch.leader_epoch });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::batch::BatchBuilder;

    use super::*;

    fn batch(base_offset: i64, leader_epoch: i32, value: &[u8]) -> Bytes {
        let mut builder = BatchBuilder::default();
        builder.append(0, None, Some(value), &[]);
        builder.append(0, None, Some(value), &[]);
        builder.build(base_offset, leader_epoch)
    }

    fn walk(bytes: &[u8], verify: bool) -> Walk<impl FnMut(u64, usize) -> io::Result<Bytes>> {
        let all = Bytes::copy_from_slice(bytes);
        Walk::new(0, bytes.len() as u64, verify, move |position, length| {
            let start = (position as usize).min(all.len());
            Ok(all.slice(start..(start + length).min(all.len())))
        })
    }

    /// Base offsets up to the first malformed byte, and that byte.
    fn walked(bytes: &[u8], verify: bool) -> (Vec<i64>, u64) {
        let mut walk = walk(bytes, verify);
        let mut offsets = Vec::new();
        while let Some(Ok((_, header))) = walk.next().expect("memory can be read") {
            offsets.push(header.base_offset);
        }
        (offsets, walk.position())
    }

    #[test]
    fn a_walk_visits_every_batch_whether_it_reads_bodies_or_not() {
        let sizes = [1, 10_000, 3, 70_000, 200_000, 5];
        let batches: Vec<Bytes> = (0..6).map(|n| batch(n * 2, 0, &vec![7; sizes[n as usize]])).collect();
        let all = batches.concat();
        let expected = (vec![0, 2, 4, 6, 8, 10], all.len() as u64);
        assert_eq!(walked(&all, false), expected);
        assert_eq!(walked(&all, true), expected);
    }

    #[test]
    fn only_a_verifying_walk_sees_a_rotten_body() {
        let mut all = [batch(0, 0, b"first"), batch(2, 0, b"second")].concat();
        let (first, last) = (batch(0, 0, b"first").len() as u64, all.len() - 1);
        all[last] ^= 1;
        assert_eq!(walked(&all, false), (vec![0, 2], all.len() as u64));
        assert_eq!(walked(&all, true), (vec![0], first));
    }

    #[test]
    fn a_replay_refuses_gaps_overlaps_and_falling_epochs() {
        let header = |base, epoch| {
            let header = BatchHeader::parse(&batch(base, epoch, b"x")).expect("a batch");
            AppendedBatch::from_header(&header).expect("sound")
        };
        let mut replay = Replay::new(4, ProducerStates::default());
        assert_eq!(replay.apply(&header(4, 3)), Ok(()));
        assert_eq!(replay.apply(&header(8, 3)), Err(Discontinuity::Offset { expected: 6, found: 8 }));
        assert_eq!(replay.apply(&header(4, 3)), Err(Discontinuity::Offset { expected: 6, found: 4 }));
        assert_eq!(replay.apply(&header(6, 2)), Err(Discontinuity::Epoch { latest: 3, found: 2 }));
        assert_eq!(replay.apply(&header(6, 3)), Ok(()));
        assert_eq!(replay.next_offset, 8);
        let mut unstamped = Replay::new(0, ProducerStates::default());
        assert!(unstamped.apply(&header(0, -1)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_walked_over(bytes in prop::collection::vec(any::<u8>(), 0..300), verify: bool) {
            let (_, position) = walked(&bytes, verify);
            prop_assert!(position <= bytes.len() as u64);
        }

        #[test]
        fn a_cut_loses_only_the_batch_it_cuts(at in 0usize..700, verify: bool) {
            let batches: Vec<Bytes> = (0..5).map(|n| batch(n * 2, 0, b"some value")).collect();
            let all = batches.concat();
            let at = at.min(all.len());
            let whole = at / batches[0].len();
            let expected: Vec<i64> = (0..whole as i64).map(|n| n * 2).collect();
            prop_assert_eq!(walked(&all[..at], verify), (expected, (whole * batches[0].len()) as u64));
        }
    }
}
