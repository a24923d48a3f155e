//! The fixed 61 bytes before a batch's records.

use super::{BatchError, Compression};

/// Bytes of a batch before its first record.
pub const HEADER_LENGTH: usize = 61;
/// Bytes that `batch_length` does not count: the base offset and the length itself.
pub const LOG_OVERHEAD: usize = 12;
/// The base sequence of a batch from a producer that is not idempotent.
pub const NO_SEQUENCE: i32 = -1;

const MAGIC: usize = 16;
const CRC: usize = 17;
/// Where the bytes covered by the CRC begin.
const ATTRIBUTES: usize = 21;

/// A batch's header, field by field. Layout: KIP-98.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (of the first that ever was, once the batch has been compacted).
    pub base_offset: i64,
    /// Bytes that follow this field.
    pub batch_length: i32,
    /// Epoch of the leader that appended it; -1 from a producer.
    pub partition_leader_epoch: i32,
    /// Message format; always 2 here.
    pub magic: i8,
    /// CRC-32C of all bytes from the attributes on.
    pub crc: u32,
    /// Bits 0-2 compression, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon.
    pub attributes: i16,
    /// Offset of the last record, less the base offset.
    pub last_offset_delta: i32,
    /// Timestamp of the first record in ms, or the delete horizon (bit 6).
    pub base_timestamp: i64,
    /// Largest timestamp in ms, or the append time (bit 3).
    pub max_timestamp: i64,
    /// Id of an idempotent producer, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// How many records follow.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header that `bytes` begin with; the records need not be there.
    ///
    /// # Errors
    /// If there are fewer than 61 bytes, the magic is not 2 or the length cannot hold a header. The CRC is not checked.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        // The magic comes before the length check: an old message set may be shorter than a header, and should be
        // named for what it is.
        if let Some(&magic) = bytes.get(MAGIC)
            && magic != 2
        {
            return Err(BatchError::Magic(magic as i8));
        }
        let Some(fixed) = bytes.first_chunk::<HEADER_LENGTH>() else {
            return Err(BatchError::Truncated { needed: HEADER_LENGTH, available: bytes.len() });
        };
        let header = Self {
            base_offset: i64::from_be_bytes(field(fixed, 0)),
            batch_length: i32::from_be_bytes(field(fixed, 8)),
            partition_leader_epoch: i32::from_be_bytes(field(fixed, 12)),
            magic: fixed[MAGIC] as i8,
            crc: u32::from_be_bytes(field(fixed, CRC)),
            attributes: i16::from_be_bytes(field(fixed, ATTRIBUTES)),
            last_offset_delta: i32::from_be_bytes(field(fixed, 23)),
            base_timestamp: i64::from_be_bytes(field(fixed, 27)),
            max_timestamp: i64::from_be_bytes(field(fixed, 35)),
            producer_id: i64::from_be_bytes(field(fixed, 43)),
            producer_epoch: i16::from_be_bytes(field(fixed, 51)),
            base_sequence: i32::from_be_bytes(field(fixed, 53)),
            record_count: i32::from_be_bytes(field(fixed, 57)),
        };
        if header.batch_length < (HEADER_LENGTH - LOG_OVERHEAD) as i32 {
            return Err(BatchError::Length(header.batch_length));
        }
        Ok(header)
    }

    /// The header as bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        let mut put = |position: usize, value: &[u8]| bytes[position..position + value.len()].copy_from_slice(value);
        put(0, &self.base_offset.to_be_bytes());
        put(8, &self.batch_length.to_be_bytes());
        put(12, &self.partition_leader_epoch.to_be_bytes());
        put(MAGIC, &self.magic.to_be_bytes());
        put(CRC, &self.crc.to_be_bytes());
        put(ATTRIBUTES, &self.attributes.to_be_bytes());
        put(23, &self.last_offset_delta.to_be_bytes());
        put(27, &self.base_timestamp.to_be_bytes());
        put(35, &self.max_timestamp.to_be_bytes());
        put(43, &self.producer_id.to_be_bytes());
        put(51, &self.producer_epoch.to_be_bytes());
        put(53, &self.base_sequence.to_be_bytes());
        put(57, &self.record_count.to_be_bytes());
        bytes
    }

    /// Length in bytes of the whole batch, header included.
    pub const fn total_length(&self) -> usize {
        LOG_OVERHEAD + self.batch_length as usize
    }

    /// Offset of the last record (that ever was), saturating.
    pub const fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(self.last_offset_delta as i64)
    }

    /// The offset that the next batch would get, saturating.
    pub const fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Sequence number of the last record; wraps from 2^31 - 1 to 0. -1 if there are no sequence numbers.
    pub const fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        increment_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// Whether an idempotent producer sent it.
    pub const fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// If the attributes name a type that does not exist.
    pub const fn compression(&self) -> Result<Compression, BatchError> {
        Compression::from_attributes(self.attributes)
    }

    /// Whether the timestamp is the time of the append, not of creation.
    pub const fn is_log_append_time(&self) -> bool {
        self.attributes & flag::LOG_APPEND_TIME != 0
    }

    /// Whether it is part of a transaction.
    pub const fn is_transactional(&self) -> bool {
        self.attributes & flag::TRANSACTIONAL != 0
    }

    /// Whether it holds control records (transaction markers), which consumers do not see.
    pub const fn is_control(&self) -> bool {
        self.attributes & flag::CONTROL != 0
    }

    /// Whether `base_timestamp` is the time from which the cleaner may drop its tombstones (KIP-534).
    pub const fn has_delete_horizon(&self) -> bool {
        self.attributes & flag::DELETE_HORIZON != 0
    }
}

/// Bits of the attributes above the compression type.
pub(super) mod flag {
    pub const LOG_APPEND_TIME: i16 = 1 << 3;
    pub const TRANSACTIONAL: i16 = 1 << 4;
    pub const CONTROL: i16 = 1 << 5;
    pub const DELETE_HORIZON: i16 = 1 << 6;
}

/// The sequence number `increment` after `sequence`; wraps from 2^31 - 1 to 0, as in Kafka. For negative arguments,
/// which no producer sends, the result means nothing, but there is one.
pub const fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    sequence.wrapping_add(increment) & i32::MAX
}

/// Checks the CRC of the batch that `bytes` begin with, and returns its header.
///
/// # Errors
/// If the header does not parse, the batch is incomplete, or the CRC differs.
pub fn verify_crc(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(bytes)?;
    let computed = crc(whole(&header, bytes)?);
    if computed == header.crc { Ok(header) } else { Err(BatchError::Crc { stored: header.crc, computed }) }
}

/// The bytes of the batch itself, without what follows.
pub(super) fn whole<'a>(header: &BatchHeader, bytes: &'a [u8]) -> Result<&'a [u8], BatchError> {
    let needed = header.total_length();
    bytes.get(..needed).ok_or(BatchError::Truncated { needed, available: bytes.len() })
}

/// CRC-32C of a whole batch.
pub(super) fn crc(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[ATTRIBUTES..])
}

/// Stores the CRC of a whole batch in its header.
pub(super) fn store_crc(batch: &mut [u8]) {
    let crc = crc(batch);
    batch[CRC..ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
}

fn field<const N: usize>(bytes: &[u8; HEADER_LENGTH], position: usize) -> [u8; N] {
    bytes[position..position + N].try_into().expect("the slice has length N")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_wrap_to_zero() {
        assert_eq!(increment_sequence(7, 3), 10);
        assert_eq!(increment_sequence(i32::MAX, 1), 0);
        assert_eq!(increment_sequence(i32::MAX - 1, 3), 1);
    }

    #[test]
    fn an_old_message_set_is_named_by_its_magic() {
        let mut bytes = [0; 30];
        bytes[16] = 1;
        assert_eq!(BatchHeader::parse(&bytes), Err(BatchError::Magic(1)));
    }
}
