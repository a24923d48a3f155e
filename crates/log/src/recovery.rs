//! Opening a log: finding out what of it a crash or a power loss has left.
//!
//! A walk over all batch headers rebuilds index, epoch cache and producers, and cuts the log at the first byte that does
//! not continue it. Where no fsync has vouched for the bytes (in the segment with the recovery point and all after it, and
//! always in the last) the walk checks every CRC too.

use std::io;

use host::{Disk, Open};

use crate::clean;
use crate::segment::{self, Segment};
use crate::start::Listing;
use crate::walk::Replay;
use crate::{Log, LogConfig, LogError, ProducerStates, checkpoint, snapshot};

/// What opening a log found and did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovery {
    /// The offset from which on CRCs were checked; none after a clean shutdown.
    pub verified_from: Option<i64>,
    /// Where the log was cut, if it was.
    pub cut: Option<Cut>,
    /// How many segments could not follow the log and were deleted.
    pub deleted_segments: usize,
}

/// A cut that recovery made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut {
    /// The log end offset since.
    pub offset: i64,
    /// How many bytes of its last segment went.
    pub bytes: u64,
    /// What was wrong with the first of them.
    pub reason: String,
}

impl Log {
    /// Loads the partition's directory (`data/email-0`), or creates it.
    ///
    /// `clean` says that a clean-shutdown marker was found (and deleted, KAFKA-10471). `recovery_point` and
    /// `high_watermark` come from their checkpoint files; 0 if there are none.
    ///
    /// # Errors
    /// Of the disk. What is wrong with the files' content is not an error but cut off: see [`Log::recovery`].
    pub fn open(
        disk: &Disk,
        directory: &str,
        config: LogConfig,
        clean: bool,
        recovery_point: i64,
        high_watermark: i64,
        now_ms: i64,
    ) -> Result<Log, LogError> {
        disk.create_dir_all(directory).map_err(LogError::at(directory))?;
        let swapped = clean::recover(disk, directory)?;
        let Listing { segments: bases, start } = Listing::read(disk, directory)?;
        let mut replay = Replay::new(start.offset, read_snapshot(disk, directory, start.offset)?);
        replay.compact = config.compact;
        replay.loses_epoch_zero = config.flaws.epoch_zero_lost_in_recovery;
        let mut loading =
            Loading { disk, directory, config: &config, segments: Vec::new(), replay, recovery: Recovery::default() };
        for (index, base) in bases.iter().enumerate() {
            let fsynced = bases.get(index + 1).is_some_and(|next| *next <= recovery_point);
            loading.load(*base, !clean && !fsynced)?;
        }
        let Loading { mut segments, replay, recovery, .. } = loading;
        let Replay { epochs, mut producers, next_offset: end, .. } = replay;
        let recovery_point = if clean { end } else { recovery_point.clamp(0, end) };
        // What an earlier incarnation flushed of directory and snapshots is not known, unless it ended well.
        let sound = recovery.cut.is_none() && recovery.deleted_segments == 0 && start.doomed.is_empty();
        let settled = clean && !segments.is_empty() && sound && !swapped;
        if segments.is_empty() {
            segments.push(Segment::create(disk, directory, end, &config, producers.clone())?);
        }
        for segment in segments.iter_mut().filter(|segment| segment.base >= recovery_point.max(1)) {
            segment.write_snapshot(disk, directory)?;
        }
        producers.expire(now_ms, config.producer_id_expiration_ms);
        let mut log = Log {
            disk: disk.clone(),
            directory: directory.to_owned(),
            config,
            segments,
            epochs,
            producers,
            high_watermark: 0,
            recovery_point,
            last_flush_ms: now_ms,
            cuts: 0,
            first_dirty: 0,
            cleaning: None,
            directory_changes: 1,
            directory_changes_synced: u64::from(settled),
            start,
            ancestors_synced: settled,
            offline: false,
            scratch: Vec::new(),
            recovery,
        };
        log.set_high_watermark(high_watermark);
        log.repair_epoch_checkpoint()?;
        Ok(log)
    }

    /// The log itself tells where its epochs begin. Only an election without a record is lost by that, as in Kafka.
    fn repair_epoch_checkpoint(&mut self) -> Result<(), LogError> {
        let path = format!("{}/{}", self.directory, checkpoint::LEADER_EPOCH_CHECKPOINT);
        let stored = read_if_there(&self.disk, &path)?.unwrap_or_else(|| checkpoint::encode_epochs(&[]));
        if checkpoint::decode_epochs(&stored).is_ok_and(|stored| stored == self.epochs.entries()) {
            return Ok(());
        }
        self.write_epochs()
    }
}

/// A log in the middle of being loaded.
struct Loading<'a> {
    disk: &'a Disk,
    directory: &'a str,
    config: &'a LogConfig,
    segments: Vec<Segment>,
    replay: Replay,
    recovery: Recovery,
}

impl Loading<'_> {
    /// Adds the next segment by base offset, or deletes it if it does not continue the log.
    fn load(&mut self, base: i64, verify: bool) -> Result<(), LogError> {
        let path = segment::path(self.directory, base, "log");
        let file = self.disk.open(&path, Open::Existing).map_err(LogError::at(&path))?;
        let mut segment = Segment::empty(file, base, self.config, self.replay.producers.clone());
        if self.recovery.cut.is_some() || base != self.replay.next_offset {
            // A base below the log's end: the file was deleted by a truncation that a power loss has undone in part.
            if base > self.replay.next_offset {
                let (offset, reason) = (self.replay.next_offset, format!("the next segment begins at {base}"));
                self.recovery.cut.get_or_insert(Cut { offset, bytes: 0, reason });
            }
            self.recovery.deleted_segments += 1;
            return segment::delete_files(self.disk, self.directory, base);
        }
        if verify {
            self.recovery.verified_from.get_or_insert(base);
        }
        let size = segment.file.len();
        let flaw = segment.load(size, verify, &mut self.replay).map_err(LogError::at(&path))?;
        if let Some(reason) = flaw {
            segment.file.set_len(segment.size).map_err(LogError::at(&path))?;
            self.recovery.cut = Some(Cut { offset: segment.end, bytes: size - segment.size, reason });
        }
        assert_eq!(segment.end, self.replay.next_offset, "the segment ends where the replay does");
        self.segments.push(segment);
        Ok(())
    }
}

/// The producers before the log's first segment, as they were when it was rolled.
fn read_snapshot(disk: &Disk, directory: &str, base: i64) -> Result<ProducerStates, LogError> {
    let bytes = read_if_there(disk, &segment::path(directory, base, "snapshot"))?;
    Ok(bytes.and_then(|bytes| snapshot::decode(&bytes)).unwrap_or_default())
}

fn read_if_there(disk: &Disk, path: &str) -> Result<Option<Vec<u8>>, LogError> {
    match disk.read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::at(path)(error)),
    }
}
