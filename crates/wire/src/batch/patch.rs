//! What a broker changes in a batch it was given, without decoding it.

use bytes::{Bytes, BytesMut};

use super::header::{flag, store_crc, whole};
use super::{BatchError, BatchHeader};

/// Sets the base offset, in place. The CRC does not cover it.
///
/// # Panics
/// If `batch` is shorter than a header.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    batch[..8].copy_from_slice(&base_offset.to_be_bytes());
}

/// Sets the partition leader epoch, in place. The CRC does not cover it.
///
/// # Panics
/// If `batch` is shorter than a header.
pub fn set_leader_epoch(batch: &mut [u8], leader_epoch: i32) {
    batch[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// A copy of a batch with this base offset and leader epoch: what a leader appends for a produced batch.
///
/// # Panics
/// If `batch` is shorter than a header.
pub fn relocated(batch: &[u8], base_offset: i64, leader_epoch: i32) -> Bytes {
    let mut copy = BytesMut::from(batch);
    set_base_offset(&mut copy, base_offset);
    set_leader_epoch(&mut copy, leader_epoch);
    copy.freeze()
}

/// Turns the timestamps of one whole batch into the append time (`message.timestamp.type=LogAppendTime`), and updates
/// the CRC, which covers them.
///
/// # Errors
/// If `batch` is not a whole batch.
pub fn set_append_time(batch: &mut [u8], milliseconds: i64) -> Result<(), BatchError> {
    let header = BatchHeader::parse(batch)?;
    let length = whole(&header, batch)?.len();
    batch[21..23].copy_from_slice(&(header.attributes | flag::LOG_APPEND_TIME).to_be_bytes());
    batch[35..43].copy_from_slice(&milliseconds.to_be_bytes());
    store_crc(&mut batch[..length]);
    Ok(())
}
