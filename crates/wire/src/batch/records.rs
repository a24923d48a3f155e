//! The records inside a batch.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;

use super::header::whole;
use super::{BatchError, BatchHeader, HEADER_LENGTH};
use crate::codec::Reader;

/// A record's key and value share the memory of its (inflated) batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its timestamp in ms since 1970: of its creation, or of the append if the topic says so.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; null is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// Its headers, in order; a key may occur more than once.
    pub headers: Vec<Header>,
}

/// One header of a record: its key (invalid UTF-8 replaced, as Kafka's clients do) and its value.
pub type Header = (StrBytes, Option<Bytes>);

/// Smallest record: length, attributes, two deltas, two null lengths, header count.
const SMALLEST_RECORD: usize = 7;

/// All records of the batch that `batch` begins with, compressed or not. The CRC is not checked.
///
/// # Errors
/// If the batch is incomplete, cannot be inflated, or its records do not match its header or their own lengths.
pub fn records(batch: &Bytes) -> Result<Vec<Record>, BatchError> {
    let iterator = record_iterator(batch)?;
    // The declared count is only a wish until the bytes prove it.
    let mut records = Vec::with_capacity((iterator.left as usize).min(iterator.reader.remaining() / SMALLEST_RECORD));
    for record in iterator {
        records.push(record?);
    }
    Ok(records)
}

/// Like [`records`], one at a time and without allocating (but for inflating).
///
/// # Errors
/// If the batch is incomplete or cannot be inflated. Malformed records are errors of the iterator, and its end.
pub fn record_iterator(batch: &Bytes) -> Result<Records, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let length = whole(&header, batch)?.len();
    let left = u32::try_from(header.record_count).map_err(|_| BatchError::Records("negative record count"))?;
    let body = header.compression()?.inflate(batch.slice(HEADER_LENGTH..length))?;
    Ok(Records { header, reader: Reader::new(body), left, done: false })
}

/// See [`record_iterator`].
#[derive(Debug, Clone)]
pub struct Records {
    header: BatchHeader,
    reader: Reader,
    left: u32,
    done: bool,
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.left == 0 {
            self.done = true;
            return (self.reader.remaining() > 0).then_some(Err(BatchError::Records("bytes after the last record")));
        }
        self.left -= 1;
        let record = self.record();
        self.done = record.is_err();
        Some(record)
    }
}

impl Records {
    fn record(&mut self) -> Result<Record, BatchError> {
        let length = usize::try_from(self.reader.varint()?).map_err(|_| BatchError::Records("negative length"))?;
        let end = self.reader.remaining().checked_sub(length).ok_or(BatchError::Records("record beyond its batch"))?;
        let reader = &mut self.reader;
        reader.i8()?;
        let timestamp_delta = reader.varlong()?;
        let offset_delta = reader.varint()?;
        let key = reader.varint_bytes()?;
        let value = reader.varint_bytes()?;
        let headers = headers(reader)?;
        if reader.remaining() != end {
            return Err(BatchError::Records("record of another length than declared"));
        }
        let timestamp = if self.header.is_log_append_time() {
            self.header.max_timestamp
        } else {
            self.header.base_timestamp.saturating_add(timestamp_delta)
        };
        let offset = self.header.base_offset.saturating_add(i64::from(offset_delta));
        Ok(Record { offset, timestamp, key, value, headers })
    }
}

fn headers(reader: &mut Reader) -> Result<Vec<Header>, BatchError> {
    let count = usize::try_from(reader.varint()?).map_err(|_| BatchError::Records("negative header count"))?;
    // A header takes at least two bytes.
    if count > reader.remaining() / 2 {
        return Err(BatchError::Records("more headers than bytes"));
    }
    let mut headers = Vec::new();
    for _ in 0..count {
        let key = reader.varint_bytes()?.ok_or(BatchError::Records("null header key"))?;
        headers.push((text(key), reader.varint_bytes()?));
    }
    Ok(headers)
}

fn text(bytes: Bytes) -> StrBytes {
    match StrBytes::from_utf8(bytes.clone()) {
        Ok(text) => text,
        Err(_) => StrBytes::from_string(String::from_utf8_lossy(&bytes).into_owned()),
    }
}
