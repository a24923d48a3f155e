//! A segment: a file of batches, named after its base offset, with its index.

use std::io;

use bytes::Bytes;
use host::{Disk, File, Open};
use wire::batch::{BatchError, BatchHeader};

use crate::walk::{Replay, Walk};
use crate::{AppendedBatch, LogConfig, LogError, OffsetIndex, ProducerStates, ReadError, snapshot};

/// The path of a segment's file: its base offset in twenty digits, then what the file holds.
pub(crate) fn path(directory: &str, base_offset: i64, suffix: &str) -> String {
    format!("{directory}/{base_offset:020}.{suffix}")
}

/// The base offset in a file name with this suffix.
pub(crate) fn base_offset(name: &str, suffix: &str) -> Option<i64> {
    let digits = name.strip_suffix(suffix)?.strip_suffix('.')?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// One segment.
pub(crate) struct Segment {
    /// Offset of its first record, once it has one.
    pub base: i64,
    /// The offset after its last record.
    pub end: i64,
    /// Its size in bytes.
    pub size: u64,
    /// Its largest timestamp in ms; `i64::MIN` if it is empty.
    pub max_timestamp: i64,
    /// Its batches.
    pub file: File,
    /// The snapshot file written when it was rolled, if this incarnation wrote it.
    pub snapshot: Option<File>,
    /// The directory change that brought it and its snapshot.
    pub created: u64,
    /// Producers before its first batch. Kept, so that a truncation replays one segment and not the log.
    pub producers_before: ProducerStates,
    pub(crate) first_timestamp: Option<i64>,
    index: OffsetIndex,
}

impl Segment {
    /// A new, empty segment with its file.
    pub fn create(
        disk: &Disk,
        directory: &str,
        base: i64,
        config: &LogConfig,
        producers: ProducerStates,
    ) -> Result<Segment, LogError> {
        let path = path(directory, base, "log");
        let file = disk.open(&path, Open::New).map_err(LogError::at(&path))?;
        Ok(Segment::empty(file, base, config, producers))
    }

    /// Over a file whose content is not known yet.
    pub fn empty(file: File, base: i64, config: &LogConfig, producers_before: ProducerStates) -> Segment {
        Segment {
            base,
            end: base,
            size: 0,
            max_timestamp: i64::MIN,
            file,
            snapshot: None,
            created: 1,
            producers_before,
            first_timestamp: None,
            index: OffsetIndex::new(base, config.index_interval_bytes),
        }
    }

    /// Takes in the file's batches up to byte `end`, as far as they continue the log; says why they do not go on. Then the
    /// log ends where this segment does.
    pub fn load(&mut self, end: u64, verify: bool, replay: &mut Replay) -> io::Result<Option<String>> {
        assert_eq!(self.size, 0, "a segment is loaded once");
        let file = self.file.clone();
        let mut walk = Walk::new(0, end, verify, |position, length| file.read_at(position, length));
        while let Some(step) = walk.next()? {
            if let Err(reason) = self.take(step, replay) {
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    fn take(&mut self, step: Result<(u64, BatchHeader), BatchError>, replay: &mut Replay) -> Result<(), String> {
        let (position, header) = step.map_err(|error| error.to_string())?;
        let batch = AppendedBatch::from_header(&header)?;
        if !self.holds(&batch, position) {
            return Err("batch beyond what a segment can hold".to_owned());
        }
        replay.apply(&batch).map_err(|error| error.to_string())?;
        self.note(&batch);
        Ok(())
    }

    /// Appends batches that lie in `bytes` one after the other. One write.
    pub fn append(&mut self, bytes: &[u8], batches: &[AppendedBatch]) -> io::Result<()> {
        let position = self.file.append(bytes)?;
        assert_eq!(position, self.size, "the file ends where the segment does");
        for batch in batches {
            self.note(batch);
        }
        assert_eq!(self.size, position + bytes.len() as u64, "the batches are all of the bytes");
        Ok(())
    }

    fn note(&mut self, batch: &AppendedBatch) {
        assert!(batch.base_offset >= self.end, "batches follow one another");
        let position = u32::try_from(self.size).expect("a segment is rolled before 4 GiB");
        self.index.note(batch.last_offset, position, batch.bytes);
        self.size += u64::from(batch.bytes);
        self.end = batch.next_offset();
        self.max_timestamp = self.max_timestamp.max(batch.max_timestamp);
        self.first_timestamp.get_or_insert(batch.max_timestamp);
    }

    /// Whether positions and relative offsets of a batch at byte `position` fit the index.
    fn holds(&self, batch: &AppendedBatch, position: u64) -> bool {
        batch.last_offset - self.base <= i64::from(i32::MAX) && position <= u64::from(u32::MAX)
    }

    /// Whether a batch at byte `position` (where this segment will end) belongs into the next segment.
    pub fn must_roll_before(&self, batch: &AppendedBatch, position: u64, config: &LogConfig) -> bool {
        let full = position + u64::from(batch.bytes) > u64::from(config.segment_bytes);
        let first_timestamp = self.first_timestamp.unwrap_or(batch.max_timestamp);
        let old = batch.max_timestamp.saturating_sub(first_timestamp) > config.segment_ms;
        position > 0 && (full || old || !self.holds(batch, position))
    }

    /// The first batch that ends at or after `offset`, and its position.
    pub fn locate(&self, offset: i64) -> Result<Option<(u64, BatchHeader)>, ReadError> {
        let mut walk = self.walk(u64::from(self.index.lookup(offset)));
        while let Some(step) = walk.next()? {
            let (position, header) = step.map_err(|error| self.corrupt(walk.position(), error))?;
            if header.last_offset() >= offset {
                return Ok(Some((position, header)));
            }
        }
        Ok(None)
    }

    /// Walks over the headers from byte `position`, where a batch begins.
    pub fn walk(&self, position: u64) -> Walk<impl FnMut(u64, usize) -> io::Result<Bytes>> {
        Walk::new(position, self.size, false, |position, length| self.file.read_at(position, length))
    }

    /// The error for bytes that are not what was written.
    pub fn corrupt(&self, position: u64, error: BatchError) -> ReadError {
        ReadError::Corrupt { file: path("", self.base, "log")[1..].to_owned(), position, error }
    }

    /// Writes the index file. Nobody here reads it: it is for Kafka's tools, and an index that is torn or missing is
    /// rebuilt by walking over the headers.
    pub fn write_index(&self, disk: &Disk, directory: &str) -> Result<(), LogError> {
        replace(disk, &path(directory, self.base, "index"), &self.index.to_bytes()).map(drop)
    }

    /// Writes the producers before this segment's first batch, for the time when earlier segments are deleted.
    pub fn write_snapshot(&mut self, disk: &Disk, directory: &str) -> Result<(), LogError> {
        let bytes = snapshot::encode(&self.producers_before);
        self.snapshot = Some(replace(disk, &path(directory, self.base, "snapshot"), &bytes)?);
        Ok(())
    }
}

/// Deletes a segment's files.
pub(crate) fn delete_files(disk: &Disk, directory: &str, base: i64) -> Result<(), LogError> {
    for suffix in ["log", "index", "snapshot"] {
        let path = path(directory, base, suffix);
        if disk.exists(&path) {
            disk.delete(&path).map_err(LogError::at(&path))?;
        }
    }
    Ok(())
}

/// Writes a small file anew, in the page cache.
pub(crate) fn replace(disk: &Disk, path: &str, bytes: &[u8]) -> Result<File, LogError> {
    let written = disk.open(path, Open::Create).and_then(|file| {
        file.set_len(0)?;
        file.append(bytes)?;
        Ok(file)
    });
    written.map_err(LogError::at(path))
}
