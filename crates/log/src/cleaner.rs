//! The cleaner's decisions: what may be cleaned, what of it survives (KIP-58, KIP-534). No disk.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wire::batch::{self, BatchError, BatchHeader, Record};

use crate::{AppendedBatch, LogConfig};

/// What of a log could be cleaned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cleanable {
    /// The first offset that was not in the last cleaning.
    pub from: i64,
    /// The end of what may be cleaned: sealed, committed, and old enough.
    pub to: i64,
    /// Bytes below `from`.
    pub clean_bytes: u64,
    /// Bytes from `from` to `to`.
    pub dirty_bytes: u64,
    /// Whether a dirty record has waited for `max.compaction.lag.ms`.
    pub overdue: bool,
}

impl Cleanable {
    /// The dirty part, in thousandths.
    pub fn dirty_permille(&self) -> u64 {
        (self.dirty_bytes * 1000).checked_div(self.clean_bytes + self.dirty_bytes).unwrap_or(0)
    }

    /// Whether it is dirty enough.
    pub fn is_due(&self, config: &LogConfig) -> bool {
        self.dirty_bytes > 0 && (self.overdue || self.dirty_permille() >= config.min_cleanable_dirty_permille)
    }
}

/// The latest offset of each key in the dirty part.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OffsetMap {
    latest: BTreeMap<Bytes, i64>,
}

impl OffsetMap {
    /// Takes in the records of a batch. Transaction markers have no keys of their own.
    ///
    /// # Errors
    /// If its records are malformed.
    pub fn note(&mut self, batch: &Bytes) -> Result<(), BatchError> {
        if BatchHeader::parse(batch)?.is_control() {
            return Ok(());
        }
        for record in batch::record_iterator(batch)? {
            let record = record?;
            if let Some(key) = record.key {
                self.latest.insert(key, record.offset);
            }
        }
        Ok(())
    }

    /// Whether the record is its key's latest, as far as the dirty part tells. One without a key is nobody's latest.
    pub fn is_latest(&self, record: &Record) -> bool {
        record.key.as_ref().is_some_and(|key| self.latest.get(key).is_none_or(|latest| record.offset >= *latest))
    }
}

/// By what a batch is cleaned.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub latest: OffsetMap,
    /// Last offsets of the batches that tell the last sequence number of a producer.
    pub sequences: BTreeSet<i64>,
    pub now_ms: i64,
    pub delete_retention_ms: i64,
}

/// What became of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Survivors {
    /// The batch as it is written, if it is.
    pub batch: Option<Bytes>,
    pub kept: u32,
    pub removed: u32,
}

impl Rules {
    /// Cleans one batch. `last` says that its segment ends with it: then it stays, if empty, so that the next segment still
    /// begins where this one ends, and recovery can tell a lost segment from a cleaned one.
    pub fn clean(&self, bytes: &Bytes, last: bool) -> Result<Survivors, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let records = u32::try_from(header.record_count).map_err(|_| BatchError::Records("negative record count"))?;
        if header.is_control() {
            return Ok(Survivors { batch: Some(bytes.clone()), kept: records, removed: 0 });
        }
        // A tombstone outlives the cleaning that first sees it, so that readers have the time to see it too.
        let tombstones_go = header.has_delete_horizon() && self.now_ms >= header.base_timestamp;
        let survives = |record: &Record| self.latest.is_latest(record) && (record.value.is_some() || !tombstones_go);
        let (mut kept, mut tombstones) = (0, false);
        for record in batch::record_iterator(bytes)? {
            let record = record?;
            if survives(&record) {
                kept += 1;
                tombstones |= record.value.is_none();
            }
        }
        let horizon = self.now_ms.saturating_add(self.delete_retention_ms);
        let horizon = (tombstones && !header.has_delete_horizon()).then_some(horizon);
        let needed = kept > 0 || last || self.sequences.contains(&header.last_offset());
        let batch = match (kept == records && horizon.is_none(), needed) {
            (_, false) => None,
            (true, true) => Some(bytes.clone()),
            (false, true) => Some(batch::compacted(bytes, horizon, survives)?),
        };
        Ok(Survivors { batch, kept, removed: records - kept })
    }
}

/// Which of these segments (base offset, end offset, bytes) become one: as many neighbours as fit `segment.bytes`.
pub(crate) fn groups(segments: &[(i64, i64, u64)], segment_bytes: u32) -> Vec<usize> {
    let mut counts = Vec::new();
    let (mut count, mut base, mut bytes) = (0, 0, 0);
    for (segment_base, end, size) in segments {
        let fits = bytes + size <= u64::from(segment_bytes) && end - base <= i64::from(i32::MAX);
        if count > 0 && !fits {
            counts.push(count);
            count = 0;
        }
        if count == 0 {
            (base, bytes) = (*segment_base, 0);
        }
        (count, bytes) = (count + 1, bytes + size);
    }
    counts.extend((count > 0).then_some(count));
    counts
}

/// Whether the log's cleaner may leave this batch to whoever comes next: it is whole and undamaged.
pub(crate) fn check(bytes: &Bytes) -> Result<AppendedBatch, BatchError> {
    AppendedBatch::from_header(&batch::verify_crc(bytes)?).map_err(BatchError::Records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::batch::{BatchBuilder, records};

    use super::*;

    /// Batches of (key, value or tombstone), one after the other; every second one of producer 7.
    fn log_of(batches: &[Vec<(u8, Option<u8>)>]) -> Vec<Bytes> {
        let mut offset = 0;
        let build = |(number, content): (usize, &Vec<(u8, Option<u8>)>)| {
            let mut builder = BatchBuilder::default();
            if number % 2 == 1 {
                builder.producer(7, 0, offset as i32);
            }
            for (key, value) in content {
                builder.append(5, Some(&[*key]), value.as_ref().map(std::slice::from_ref), &[]);
            }
            let base = offset;
            offset += content.len() as i64;
            builder.build(base, 3)
        };
        batches.iter().enumerate().map(build).collect()
    }

    fn clean(log: &[Bytes], now_ms: i64, delete_retention_ms: i64) -> Vec<Bytes> {
        let mut latest = OffsetMap::default();
        log.iter().for_each(|batch| latest.note(batch).expect("sound"));
        let of_seven = |batch: &&Bytes| BatchHeader::parse(batch).expect("sound").producer_id == 7;
        let last_of_seven =
            log.iter().rfind(of_seven).map(|batch| BatchHeader::parse(batch).expect("sound").last_offset());
        let rules = Rules { latest, sequences: last_of_seven.into_iter().collect(), now_ms, delete_retention_ms };
        let last = log.len().saturating_sub(1);
        let cleaned = |(place, batch): (usize, &Bytes)| rules.clean(batch, place == last).expect("sound").batch;
        log.iter().enumerate().filter_map(cleaned).collect()
    }

    fn all(log: &[Bytes]) -> Vec<Record> {
        log.iter().flat_map(|batch| records(batch).expect("sound")).collect()
    }

    fn batches() -> impl Strategy<Value = Vec<Vec<(u8, Option<u8>)>>> {
        prop::collection::vec(prop::collection::vec((0u8..5, any::<Option<u8>>()), 1..5), 1..12)
    }

    proptest! {
        #[test]
        fn the_latest_record_of_each_key_survives_at_its_offset_and_no_other(content in batches()) {
            let log = log_of(&content);
            let mut latest = BTreeMap::new();
            for record in all(&log) {
                latest.insert(record.key.clone(), record);
            }
            let mut expected: Vec<Record> = latest.into_values().collect();
            expected.sort_by_key(|record| record.offset);
            prop_assert_eq!(all(&clean(&log, 100, 50)), expected);
        }

        #[test]
        fn cleaning_twice_is_cleaning_once(content in batches()) {
            let once = clean(&log_of(&content), 100, 50);
            prop_assert_eq!(clean(&once, 120, 50), once);
        }

        #[test]
        fn tombstones_go_at_their_horizon_and_not_before(content in batches()) {
            let once = clean(&log_of(&content), 100, 50);
            prop_assert_eq!(&clean(&once, 149, 50), &once);
            let values: Vec<Record> = all(&once).into_iter().filter(|record| record.value.is_some()).collect();
            prop_assert_eq!(all(&clean(&once, 150, 50)), values);
        }

        #[test]
        fn the_end_and_the_last_sequence_number_of_a_producer_survive(content in batches()) {
            let log = log_of(&content);
            let cleaned = clean(&clean(&log, 100, 0), 100, 0);
            let facts = |log: &[Bytes]| {
                let headers: Vec<_> = log.iter().map(|batch| check(batch).expect("undamaged")).collect();
                let of_seven = headers.iter().rfind(|batch| batch.producer_id == 7);
                (headers.last().map(|batch| batch.last_offset), of_seven.map(|batch| batch.last_sequence()))
            };
            prop_assert_eq!(facts(&cleaned), facts(&log));
        }
    }

    #[test]
    fn a_record_without_a_key_does_not_survive() {
        let mut builder = BatchBuilder::default();
        builder.append(5, None, Some(b"1"), &[]);
        assert_eq!(all(&clean(&[builder.build(0, 0)], 100, 0)), []);
    }

    #[test]
    fn neighbours_are_grouped_as_long_as_they_fit() {
        let segments = [(0, 10, 40), (10, 20, 60), (20, 30, 1), (30, 40, 200), (40, 50, 10)];
        assert_eq!(groups(&segments, 100), [2, 1, 1, 1]);
        assert_eq!(groups(&segments, 1000), [5]);
        let far = [(0, 10, 1), (10, i64::from(i32::MAX) + 2, 1)];
        assert_eq!(groups(&far, 1000), [1, 1]);
        assert_eq!(groups(&[], 100), Vec::<usize>::new());
    }

    #[test]
    fn a_log_is_due_when_half_of_it_is_dirty_or_something_waited_too_long() {
        let due = |clean_bytes, dirty_bytes, overdue| {
            Cleanable { from: 0, to: 1, clean_bytes, dirty_bytes, overdue }.is_due(&LogConfig::default())
        };
        assert_eq!((due(50, 49, false), due(50, 50, false), due(50, 1, true)), (false, true, true));
        assert_eq!((due(0, 0, false), due(50, 0, true)), (false, false));
    }
}
