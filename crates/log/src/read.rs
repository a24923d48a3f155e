//! Reading: whole batches as raw bytes, and the offset for a timestamp.

use bytes::Bytes;
use wire::batch::{self, BatchHeader};

use crate::segment::Segment;
use crate::{AppendedBatch, Log, ReadError};

/// What a read returns.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadBatches {
    /// Whole batches one after the other. The first may begin before the offset asked for.
    pub bytes: Bytes,
    /// What they are.
    pub batches: Vec<AppendedBatch>,
}

impl Log {
    /// Reads batches from the one that holds `from` on: none that ends at or after `up_to`, and at most `max_bytes`,
    /// unless `at_least_one` is set and the first is larger. One read returns batches of one segment.
    ///
    /// # Errors
    /// If `from` is below the log start or above the log end, or the disk does not return what was written.
    pub fn read(&self, from: i64, max_bytes: usize, up_to: i64, at_least_one: bool) -> Result<ReadBatches, ReadError> {
        let (start, end) = (self.start_offset(), self.end_offset());
        if from < start || from > end {
            return Err(ReadError::OutOfRange { offset: from, start, end });
        }
        if from >= up_to.min(end) || (max_bytes == 0 && !at_least_one) {
            return Ok(ReadBatches::default());
        }
        self.segments[self.segment_of(from)].read(from, max_bytes, up_to, at_least_one)
    }

    /// The first record (its offset and timestamp, in ms) whose timestamp is `timestamp` or later. The caller decides
    /// whether its client may see that offset already.
    ///
    /// # Errors
    /// If the disk does not return what was written.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<(i64, i64)>, ReadError> {
        for segment in self.segments.iter().filter(|segment| segment.max_timestamp >= timestamp) {
            if let Some(found) = segment.offset_for_timestamp(timestamp)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The record (its offset and timestamp, in ms) with the greatest timestamp, the first of several; none in an empty log.
    ///
    /// # Errors
    /// If the disk does not return what was written.
    pub fn offset_of_max_timestamp(&self) -> Result<Option<(i64, i64)>, ReadError> {
        match self.segments.iter().map(|segment| segment.max_timestamp).max() {
            Some(greatest) if self.start_offset() < self.end_offset() => self.offset_for_timestamp(greatest),
            _ => Ok(None),
        }
    }
}

impl Segment {
    fn read(&self, from: i64, max_bytes: usize, up_to: i64, at_least_one: bool) -> Result<ReadBatches, ReadError> {
        let Some((start, first)) = self.locate(from)? else {
            return Ok(ReadBatches::default());
        };
        let wanted = if at_least_one { max_bytes.max(first.total_length()) } else { max_bytes };
        let available = usize::try_from(self.size - start).unwrap_or(usize::MAX);
        let bytes = self.file.read_at(start, wanted.min(available))?;
        let mut read = ReadBatches::default();
        let mut length = 0;
        while length < bytes.len() {
            let rest = &bytes[length..];
            // The rest may be a part of a batch, and even of its header.
            let header = match BatchHeader::parse(rest) {
                Err(batch::BatchError::Truncated { .. }) => break,
                header => header.map_err(|error| self.corrupt(start + length as u64, error))?,
            };
            let batch = AppendedBatch::from_header(&header)
                .map_err(|error| self.corrupt(start + length as u64, batch::BatchError::Records(error)))?;
            if header.total_length() > rest.len() || batch.last_offset >= up_to {
                break;
            }
            length += header.total_length();
            read.batches.push(batch);
        }
        read.bytes = bytes.slice(..length);
        Ok(read)
    }

    fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<(i64, i64)>, ReadError> {
        let mut walk = self.walk(0);
        while let Some(step) = walk.next()? {
            let (position, header) = step.map_err(|error| self.corrupt(walk.position(), error))?;
            if header.max_timestamp < timestamp {
                continue;
            }
            let bytes = self.file.read_at(position, header.total_length())?;
            let records = batch::record_iterator(&bytes).map_err(|error| self.corrupt(position, error))?;
            for record in records {
                let record = record.map_err(|error| self.corrupt(position, error))?;
                if record.timestamp >= timestamp {
                    return Ok(Some((record.offset, record.timestamp)));
                }
            }
        }
        Ok(None)
    }
}
