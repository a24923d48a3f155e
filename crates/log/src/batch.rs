//! What the log knows of a batch: its header's facts, and nothing of its records.

use wire::batch::{BatchHeader, increment_sequence};

/// A batch in a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AppendedBatch {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// How many records it holds.
    pub records: u32,
    /// Epoch of the leader that appended it.
    pub leader_epoch: i32,
    /// Its CRC, which covers neither base offset nor leader epoch.
    pub crc: u32,
    /// Id of its idempotent producer, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of its first record, or -1.
    pub sequence: i32,
    /// Its largest timestamp, in ms.
    pub max_timestamp: i64,
    /// Its size in bytes, header included.
    pub bytes: u32,
    /// Whether it is part of a transaction.
    pub transactional: bool,
    /// Whether it holds transaction markers.
    pub control: bool,
}

impl AppendedBatch {
    /// The batch of this header, where it says it is.
    ///
    /// # Errors
    /// If its offsets cannot be: negative, none at all, or fewer than its records. A batch without records is the cleaner's.
    pub fn from_header(header: &BatchHeader) -> Result<AppendedBatch, &'static str> {
        let records = u32::try_from(header.record_count).map_err(|_| "negative record count")?;
        if header.last_offset_delta < 0 {
            return Err("no offsets");
        }
        if i64::from(header.last_offset_delta) + 1 < i64::from(records) {
            return Err("more records than offsets");
        }
        if header.base_offset < 0 || header.next_offset() == i64::MAX {
            return Err("offset out of range");
        }
        Ok(AppendedBatch {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            records,
            leader_epoch: header.partition_leader_epoch,
            crc: header.crc,
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            sequence: header.base_sequence,
            max_timestamp: header.max_timestamp,
            bytes: header.total_length() as u32,
            transactional: header.is_transactional(),
            control: header.is_control(),
        })
    }

    /// The offset after it.
    pub const fn next_offset(&self) -> i64 {
        self.last_offset + 1
    }

    /// Whether it carries sequence numbers of an idempotent producer.
    pub const fn is_sequenced(&self) -> bool {
        self.producer_id >= 0 && !self.control
    }

    /// Sequence number of its last record; wraps from 2^31 - 1 to 0.
    pub const fn last_sequence(&self) -> i32 {
        increment_sequence(self.sequence, (self.last_offset - self.base_offset) as i32)
    }
}
