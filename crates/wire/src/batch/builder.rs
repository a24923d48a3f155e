//! Building a batch, record by record, into one buffer.

use bytes::Bytes;

use super::BatchHeader;
use super::header::{HEADER_LENGTH, LOG_OVERHEAD, NO_SEQUENCE, flag, store_crc};
use crate::codec::{Writer, varlong_length};

/// An uncompressed batch under construction. Producer id, epoch and sequence may be set at any time before the end,
/// since a producer learns them when it sends, not when it batches.
#[derive(Debug)]
pub struct BatchBuilder {
    writer: Writer,
    header: BatchHeader,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::with_capacity(512)
    }
}

impl BatchBuilder {
    /// An empty batch with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut writer = Writer::with_capacity(capacity.max(HEADER_LENGTH));
        writer.bytes.resize(HEADER_LENGTH, 0);
        let header = BatchHeader {
            base_offset: 0,
            batch_length: 0,
            partition_leader_epoch: -1,
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: -1,
            base_timestamp: -1,
            max_timestamp: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: NO_SEQUENCE,
            record_count: 0,
        };
        Self { writer, header }
    }

    /// Sets the idempotent producer's id and epoch, and the first record's sequence number.
    pub fn producer(&mut self, id: i64, epoch: i16, base_sequence: i32) -> &mut Self {
        (self.header.producer_id, self.header.producer_epoch) = (id, epoch);
        self.header.base_sequence = base_sequence;
        self
    }

    /// Marks the batch as part of a transaction.
    pub const fn transactional(&mut self) -> &mut Self {
        self.header.attributes |= flag::TRANSACTIONAL;
        self
    }

    /// Marks the batch as one of control records.
    pub const fn control(&mut self) -> &mut Self {
        self.header.attributes |= flag::CONTROL;
        self
    }

    /// Says from when on (wall-clock ms) the cleaner may drop the batch's tombstones (KIP-534). Before the first record: their
    /// timestamps are told relative to it.
    ///
    /// # Panics
    /// If there are records already.
    pub fn delete_horizon(&mut self, milliseconds: i64) -> &mut Self {
        assert!(self.is_empty(), "the horizon takes the place of the first timestamp");
        self.header.attributes |= flag::DELETE_HORIZON;
        self.header.base_timestamp = milliseconds;
        self
    }

    /// Records so far.
    pub const fn record_count(&self) -> usize {
        self.header.record_count as usize
    }

    /// Whether there are no records yet.
    pub const fn is_empty(&self) -> bool {
        self.header.record_count == 0
    }

    /// Size in bytes of the batch as it stands, header included.
    pub fn size(&self) -> usize {
        self.writer.bytes.len()
    }

    /// Appends a record right after the last one; returns its offset relative to the batch. `timestamp` is in ms.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> i32 {
        let offset_delta = self.header.last_offset_delta + 1;
        self.append_at(offset_delta, timestamp, key, value, headers);
        offset_delta
    }

    /// Appends a record at an offset relative to the batch, so that a cleaned batch keeps its gaps.
    ///
    /// # Panics
    /// If `offset_delta` is not above the last record's.
    pub fn append_at(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) {
        assert!(offset_delta > self.header.last_offset_delta, "offsets in a batch must rise");
        if self.is_empty() {
            self.header.max_timestamp = timestamp;
            if !self.header.has_delete_horizon() {
                self.header.base_timestamp = timestamp;
            }
        }
        self.header.max_timestamp = self.header.max_timestamp.max(timestamp);
        self.header.last_offset_delta = offset_delta;
        self.header.record_count += 1;
        let timestamp_delta = timestamp.wrapping_sub(self.header.base_timestamp);
        let length = 1
            + varlong_length(timestamp_delta)
            + varlong_length(i64::from(offset_delta))
            + bytes_length(key)
            + bytes_length(value)
            + varlong_length(headers.len() as i64)
            + headers
                .iter()
                .map(|(key, value)| bytes_length(Some(key.as_bytes())) + bytes_length(*value))
                .sum::<usize>();
        let writer = &mut self.writer;
        writer.bytes.reserve(length + 5);
        writer.varint(i32::try_from(length).expect("a record is under 2 GiB"));
        writer.i8(0);
        writer.varlong(timestamp_delta);
        writer.varint(offset_delta);
        writer.varint_bytes(key);
        writer.varint_bytes(value);
        writer.varint(i32::try_from(headers.len()).expect("fewer than 2^31 headers"));
        for (key, value) in headers {
            writer.varint_bytes(Some(key.as_bytes()));
            writer.varint_bytes(*value);
        }
    }

    /// Ends the batch past its last record, at an offset relative to the batch: the cleaner may drop the last records,
    /// but not what their offsets and sequence numbers prove.
    ///
    /// # Panics
    /// If `offset_delta` is below the last record's.
    pub fn end_at(&mut self, offset_delta: i32) -> &mut Self {
        assert!(offset_delta >= self.header.last_offset_delta, "the batch ends at or after its last record");
        self.header.last_offset_delta = offset_delta;
        self
    }

    /// The finished batch. A producer gives base offset 0 and leader epoch -1; the leader sets both.
    pub fn build(mut self, base_offset: i64, partition_leader_epoch: i32) -> Bytes {
        self.header.base_offset = base_offset;
        self.header.partition_leader_epoch = partition_leader_epoch;
        let length = self.writer.bytes.len() - LOG_OVERHEAD;
        self.header.batch_length = i32::try_from(length).expect("a batch is under 2 GiB");
        let batch = &mut self.writer.bytes;
        batch[..HEADER_LENGTH].copy_from_slice(&self.header.to_bytes());
        store_crc(batch);
        self.writer.bytes.into()
    }
}

fn bytes_length(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varlong_length(bytes.len() as i64) + bytes.len())
}
