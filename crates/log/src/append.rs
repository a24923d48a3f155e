//! Appending: one pass over the headers, one CRC, one write; and a look at single records only where compaction needs their keys.

use bytes::Bytes;
use wire::batch::{self, BatchHeader};

use crate::producers::Verdict;
use crate::walk::check_continues;
use crate::{AppendError, AppendedBatch, Discontinuity, Log, ProducerError, TimestampType};

/// What became of a produced batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Appended {
    /// It is in the log now.
    New(AppendedBatch),
    /// It had been in the log before; the producer is answered with where.
    Duplicate {
        /// Offset of its first record.
        base_offset: i64,
        /// Offset of its last record.
        last_offset: i64,
        /// Its largest timestamp, in ms.
        timestamp: i64,
        /// The producer.
        producer_id: i64,
        /// The producer's epoch.
        producer_epoch: i16,
        /// Sequence number of its first record.
        sequence: i32,
    },
}

/// Whether a record has no key. The only look at single records: compaction knows them by their keys.
fn has_keyless(bytes: &Bytes) -> Result<bool, AppendError> {
    for record in batch::record_iterator(bytes)? {
        if record?.key.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Appended {
    /// Offset of the batch's first record, new or old.
    pub const fn base_offset(&self) -> i64 {
        match self {
            Appended::New(batch) => batch.base_offset,
            Appended::Duplicate { base_offset, .. } => *base_offset,
        }
    }

    /// Offset of the batch's last record, new or old.
    pub const fn last_offset(&self) -> i64 {
        match self {
            Appended::New(batch) => batch.last_offset,
            Appended::Duplicate { last_offset, .. } => *last_offset,
        }
    }
}

impl Log {
    /// Appends one batch of a client: assigns its offsets, stamps the leader epoch, and recognises an idempotent producer's
    /// retry. `now_ms` is the wall clock, for topics with `LogAppendTime`.
    ///
    /// # Errors
    /// See [`AppendError`]; the log is as it was.
    pub fn append_as_leader(&mut self, bytes: Bytes, leader_epoch: i32, now_ms: i64) -> Result<Appended, AppendError> {
        let header = self.check_produced(&bytes, leader_epoch)?;
        if header.is_control() {
            return Err(AppendError::Invalid("clients may not send control records"));
        }
        if header.record_count == 0 || header.last_offset_delta != header.record_count - 1 {
            return Err(AppendError::Invalid("as many offsets as records, and at least one"));
        }
        if self.config.compact && has_keyless(&bytes)? {
            return Err(AppendError::Invalid("a compacted topic takes no record without a key"));
        }
        if header.has_producer_id() && (header.base_sequence < 0 || header.producer_epoch < 0) {
            return Err(AppendError::Invalid("an idempotent producer sends epoch and sequence"));
        }
        let batch = self.place(&header, leader_epoch)?;
        if let Verdict::Duplicate(old) = self.producers.check(&batch)? {
            if self.config.flaws.no_dedup {
                let (producer_id, last, found) = (batch.producer_id, old.last_sequence, batch.sequence);
                return Err(ProducerError::OutOfOrderSequence { producer_id, last, found }.into());
            }
            return Ok(Appended::Duplicate {
                base_offset: old.base_offset,
                last_offset: old.last_offset,
                timestamp: old.timestamp,
                producer_id: batch.producer_id,
                producer_epoch: batch.producer_epoch,
                sequence: batch.sequence,
            });
        }
        self.append_placed(&bytes, batch, now_ms).map(Appended::New)
    }

    /// Appends one batch of a coordinator on this broker: group metadata, or a transaction marker.
    ///
    /// # Errors
    /// See [`AppendError`]; the log is as it was.
    pub fn append_as_coordinator(
        &mut self,
        bytes: Bytes,
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<AppendedBatch, AppendError> {
        let header = self.check_produced(&bytes, leader_epoch)?;
        let batch = self.place(&header, leader_epoch)?;
        self.append_placed(&bytes, batch, now_ms)
    }

    /// Appends what a leader sent, as it is. All batches are checked before the first is written.
    ///
    /// # Errors
    /// See [`AppendError`]. The log is as it was, unless the disk failed.
    pub fn append_as_follower(&mut self, bytes: Bytes) -> Result<Vec<AppendedBatch>, AppendError> {
        self.check_online()?;
        let batches = self.check_followed(&bytes)?;
        let (mut rest, mut unwritten) = (batches.as_slice(), &bytes[..]);
        while let Some(first) = rest.first() {
            if self.active().must_roll_before(first, self.active().size, &self.config) {
                self.roll()?;
            }
            let (run, length) = self.fitting(rest);
            self.append_run(&unwritten[..length], run)?;
            (rest, unwritten) = (&rest[run.len()..], &unwritten[length..]);
        }
        Ok(batches)
    }

    /// Whether `bytes` are one whole batch that a leader of this epoch may append.
    fn check_produced(&self, bytes: &[u8], leader_epoch: i32) -> Result<BatchHeader, AppendError> {
        self.check_online()?;
        let size = bytes.len() as u64;
        if size > u64::from(self.config.max_message_bytes) {
            return Err(AppendError::TooLarge { size, maximum: self.config.max_message_bytes });
        }
        if size > u64::from(self.config.segment_bytes) {
            return Err(AppendError::TooLargeForSegment { size, maximum: self.config.segment_bytes });
        }
        let header = batch::verify_crc(bytes)?;
        if header.total_length() != bytes.len() {
            return Err(AppendError::Invalid("exactly one batch is appended at a time"));
        }
        let latest = self.latest_epoch().unwrap_or(0);
        if leader_epoch < latest {
            return Err(Discontinuity::Epoch { latest, found: leader_epoch }.into());
        }
        Ok(header)
    }

    /// The batch at the log's end.
    fn place(&self, header: &BatchHeader, leader_epoch: i32) -> Result<AppendedBatch, AppendError> {
        let placed = BatchHeader { base_offset: self.end_offset(), partition_leader_epoch: leader_epoch, ..*header };
        AppendedBatch::from_header(&placed).map_err(AppendError::Invalid)
    }

    fn append_placed(
        &mut self,
        bytes: &[u8],
        mut placed: AppendedBatch,
        now_ms: i64,
    ) -> Result<AppendedBatch, AppendError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(bytes);
        batch::set_base_offset(&mut scratch, placed.base_offset);
        batch::set_leader_epoch(&mut scratch, placed.leader_epoch);
        if self.config.timestamp_type == TimestampType::LogAppendTime {
            batch::set_append_time(&mut scratch, now_ms)?;
            let header = BatchHeader::parse(&scratch)?;
            placed = AppendedBatch::from_header(&header).map_err(AppendError::Invalid)?;
        }
        if self.active().must_roll_before(&placed, self.active().size, &self.config) {
            self.roll()?;
        }
        let appended = self.append_run(&scratch, &[placed]);
        self.scratch = scratch;
        appended.map(|()| placed)
    }

    /// Writes batches to the active segment; the log's state moves only after the file has them (KAFKA-10778).
    fn append_run(&mut self, bytes: &[u8], batches: &[AppendedBatch]) -> Result<(), AppendError> {
        let written = self.active_mut().append(bytes, batches);
        self.watch(written)?;
        let mut new_epoch = false;
        for batch in batches {
            new_epoch |= self.epochs.assign(batch.leader_epoch, batch.base_offset);
            self.producers.apply(batch);
        }
        if new_epoch {
            self.write_epochs()?;
        }
        Ok(())
    }

    /// The batches in `bytes`, if they continue the log whole and undamaged.
    fn check_followed(&self, bytes: &[u8]) -> Result<Vec<AppendedBatch>, AppendError> {
        let mut batches = Vec::new();
        let mut end = self.end_offset();
        // Not the cache's newest epoch: that may be an election of our own that never wrote.
        let mut epoch = self.epochs.epoch_of(end - 1).unwrap_or(0);
        let mut rest = bytes;
        while !rest.is_empty() {
            let header = batch::verify_crc(rest)?;
            let batch = AppendedBatch::from_header(&header).map_err(AppendError::Invalid)?;
            check_continues(end, epoch, &batch, self.config.compact)?;
            (end, epoch) = (batch.next_offset(), batch.leader_epoch);
            rest = &rest[header.total_length()..];
            batches.push(batch);
        }
        Ok(batches)
    }

    /// The batches that go into the active segment, the first one in any case, and their length in bytes.
    fn fitting<'a>(&self, batches: &'a [AppendedBatch]) -> (&'a [AppendedBatch], usize) {
        let active = self.active();
        let mut length = 0;
        let count = batches.iter().take_while(|batch| {
            let fits = length == 0 || !active.must_roll_before(batch, active.size + length, &self.config);
            length += if fits { u64::from(batch.bytes) } else { 0 };
            fits
        });
        (&batches[..count.count()], length as usize)
    }
}
