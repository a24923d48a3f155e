//! Rewriting a batch with fewer records, as log compaction does.

use bytes::Bytes;

use super::header::{HEADER_LENGTH, flag, store_crc};
use super::{BatchBuilder, BatchError, BatchHeader, Record, records};

/// The batch that `batch` begins with, with only those records that `keep` names, at their offsets. It keeps its base and last
/// offset and its producer's sequence, so that gaps are legal and no record left at all is legal too. With `delete_horizon`
/// (wall-clock ms) it says from when on its tombstones may go (KIP-534). What was compressed comes out uncompressed.
///
/// # Errors
/// If it is no whole batch, or its records are malformed.
pub fn compacted(
    batch: &Bytes,
    delete_horizon: Option<i64>,
    keep: impl Fn(&Record) -> bool,
) -> Result<Bytes, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let mut builder = BatchBuilder::with_capacity(header.total_length());
    builder.producer(header.producer_id, header.producer_epoch, header.base_sequence);
    let horizon = delete_horizon.or(header.has_delete_horizon().then_some(header.base_timestamp));
    if let Some(horizon) = horizon {
        builder.delete_horizon(horizon);
    }
    for record in records(batch)?.iter().filter(|record| keep(record)) {
        let delta = i32::try_from(record.offset - header.base_offset)
            .map_err(|_| BatchError::Records("record beyond its batch's offsets"))?;
        if delta > header.last_offset_delta {
            return Err(BatchError::Records("record beyond its batch's offsets"));
        }
        let headers: Vec<(&str, Option<&[u8]>)> =
            record.headers.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        builder.append_at(delta, record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers);
    }
    let empty = builder.is_empty();
    builder.end_at(header.last_offset_delta);
    let mut bytes = builder.build(header.base_offset, header.partition_leader_epoch).to_vec();
    let mut rewritten = BatchHeader::parse(&bytes)?;
    rewritten.attributes |= header.attributes & (flag::LOG_APPEND_TIME | flag::TRANSACTIONAL | flag::CONTROL);
    // An append time is the whole batch's, and a batch without records has no other timestamp than it had.
    if empty || header.is_log_append_time() {
        rewritten.max_timestamp = header.max_timestamp;
    }
    if empty && horizon.is_none() {
        rewritten.base_timestamp = header.base_timestamp;
    }
    bytes[..HEADER_LENGTH].copy_from_slice(&rewritten.to_bytes());
    store_crc(&mut bytes);
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::verify_crc;

    fn three() -> Bytes {
        let mut builder = BatchBuilder::default();
        builder.producer(7, 2, 40);
        builder.append(100, Some(b"a"), Some(b"1"), &[("h", Some(b"x"))]);
        builder.append(130, Some(b"b"), None, &[]);
        builder.append(120, Some(b"c"), Some(b"3"), &[]);
        builder.build(50, 4)
    }

    fn kept(delete_horizon: Option<i64>, offsets: &[i64]) -> Bytes {
        compacted(&three(), delete_horizon, |record| offsets.contains(&record.offset)).expect("a sound batch")
    }

    #[test]
    fn what_is_kept_is_as_it_was_and_so_are_the_batchs_bounds() {
        for horizon in [None, Some(9_000)] {
            let before = records(&three()).expect("sound");
            let bytes = kept(horizon, &[50, 51]);
            assert_eq!(records(&bytes).expect("sound"), before[..2]);
            let header = verify_crc(&bytes).expect("its own CRC");
            assert_eq!((header.base_offset, header.last_offset(), header.partition_leader_epoch), (50, 52, 4));
            assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 2, 40));
            assert_eq!((header.last_sequence(), header.max_timestamp), (42, 130));
            assert_eq!(header.has_delete_horizon(), horizon.is_some());
        }
    }

    #[test]
    fn a_batch_without_records_still_tells_where_its_producer_was() {
        let bytes = kept(None, &[]);
        let header = verify_crc(&bytes).expect("its own CRC");
        assert_eq!((header.record_count, header.last_offset(), header.last_sequence()), (0, 52, 42));
        assert_eq!((header.max_timestamp, bytes.len()), (130, HEADER_LENGTH));
        assert_eq!(records(&bytes), Ok(Vec::new()));
    }

    #[test]
    fn a_delete_horizon_survives_the_next_rewriting() {
        let first = kept(Some(9_000), &[50, 51]);
        let second = compacted(&first, None, |record| record.offset == 51).expect("sound");
        let header = verify_crc(&second).expect("its own CRC");
        assert!(header.has_delete_horizon());
        assert_eq!(header.base_timestamp, 9_000);
        assert_eq!(records(&second).expect("sound")[0].timestamp, 130);
    }
}
