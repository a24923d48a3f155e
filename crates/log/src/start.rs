//! Where the log starts, in a way that a power loss cannot blur.
//!
//! Without it, a directory whose first segment begins at 31 tells two stories: retention deleted what was before, or the
//! power failed before the directory was synced, and only a later segment's entry made it to the disk. So the log start is
//! the name of an empty file (a name is there or not, but never torn; of several, the highest counts), and what lies below it
//! is deleted only after a flush has made the name durable.

use host::{Disk, Open};

use crate::segment::{self, Segment, path};
use crate::{Log, LogError};

/// What a partition's directory holds.
pub(crate) struct Listing {
    /// Base offsets of the log's segments, rising.
    pub segments: Vec<i64>,
    /// Where the log starts, and what is to be deleted.
    pub start: LogStart,
}

/// The log start, and what lies below it.
pub(crate) struct LogStart {
    /// The log start offset.
    pub offset: i64,
    /// Base offsets of segments whose files are to be deleted.
    pub doomed: Vec<i64>,
    /// The other markers.
    outdated: Vec<i64>,
    /// The directory change that a flush must have made durable before anything is deleted.
    pub change: u64,
}

impl LogStart {
    /// Deletes what lies below the log start.
    pub fn sweep(&mut self, disk: &Disk, directory: &str) -> Result<(), LogError> {
        for base in self.doomed.drain(..) {
            segment::delete_files(disk, directory, base)?;
        }
        for offset in self.outdated.drain(..) {
            delete_marker(disk, directory, offset)?;
        }
        Ok(())
    }

    /// Moves the log start up. The marker of the old one stays until the new one is durable.
    pub fn advance(&mut self, disk: &Disk, directory: &str, offset: i64, change: u64) -> Result<(), LogError> {
        assert!(offset > self.offset, "the log start only rises, but for a log that starts anew");
        if self.offset > 0 {
            self.outdated.push(self.offset);
        }
        self.offset = offset;
        self.change = change;
        let marker = path(directory, offset, "start");
        disk.open(&marker, Open::Create).map_err(LogError::at(&marker)).map(drop)
    }

    /// Sets the log start, up or down, for a log of which nothing is kept.
    pub fn reset(&mut self, disk: &Disk, directory: &str, offset: i64, change: u64) -> Result<(), LogError> {
        self.sweep(disk, directory)?;
        if self.offset > 0 {
            delete_marker(disk, directory, self.offset)?;
        }
        self.offset = 0;
        if offset > 0 { self.advance(disk, directory, offset, change) } else { Ok(()) }
    }
}

fn delete_marker(disk: &Disk, directory: &str, offset: i64) -> Result<(), LogError> {
    let marker = path(directory, offset, "start");
    disk.delete(&marker).map_err(LogError::at(&marker))
}

impl Listing {
    /// Lists the directory.
    pub fn read(disk: &Disk, directory: &str) -> Result<Listing, LogError> {
        let entries = disk.list(directory).map_err(LogError::at(directory))?;
        let numbered = |suffix| {
            let offsets = entries.iter().filter_map(move |entry| segment::base_offset(&entry.name, suffix));
            let mut offsets: Vec<i64> = offsets.collect();
            offsets.sort_unstable();
            offsets
        };
        let mut outdated = numbered("start");
        let offset = outdated.pop().unwrap_or(0);
        let (doomed, segments) = numbered("log").into_iter().partition(|base| *base < offset);
        Ok(Listing { segments, start: LogStart { offset, doomed, outdated, change: 1 } })
    }
}

impl Log {
    /// Lets retention delete all segments that hold only offsets below `offset`; returns the log start offset, which moves at
    /// once, while the files go with the next flush.
    ///
    /// What is not committed stays (KAFKA-5634), what is not flushed, and the active segment. The segment that the log is to
    /// start with must have been flushed once with its snapshot, which tells of the producers before.
    ///
    /// # Errors
    /// Of the disk.
    pub fn delete_segments_before(&mut self, offset: i64) -> Result<i64, LogError> {
        self.check_online()?;
        let bound = offset.min(self.high_watermark).min(self.recovery_point);
        let may_go = |pair: &&[Segment]| pair[0].end <= bound && pair[1].created <= self.directory_changes_synced;
        let count = self.segments.windows(2).take_while(may_go).count();
        if count > 0 {
            self.start.doomed.extend(self.segments.drain(..count).map(|segment| segment.base));
            self.directory_changes += 1;
            let start = self.start_offset();
            let moved = self.start.advance(&self.disk, &self.directory, start, self.directory_changes);
            self.watch(moved)?;
            if self.epochs.truncate_from_start(start) {
                self.write_epochs()?;
            }
        }
        Ok(self.start_offset())
    }
}
