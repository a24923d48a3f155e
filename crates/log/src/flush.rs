//! Flushing: what fsync must cover before the recovery point may move.

use std::io;

use host::{Disk, File};

use crate::Log;

/// A flush on its way. It owns its file handles, so that the log may go on meanwhile.
#[must_use = "nothing is flushed before `run`"]
pub struct Flush {
    disk: Disk,
    files: Vec<File>,
    directories: Vec<String>,
    covers: Flushed,
}

/// What a flush has made durable: to be given to [`Log::flushed`].
#[must_use = "the recovery point moves with `Log::flushed`"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flushed {
    /// All below was in the log when the flush began, and is fsynced now.
    pub offset: i64,
    cuts: u64,
    directory_changes: u64,
}

impl Flush {
    /// All below is flushed once this has run.
    pub fn offset(&self) -> i64 {
        self.covers.offset
    }

    /// Fsyncs files and directories.
    ///
    /// # Errors
    /// Of the disk. What is durable is unknown then, and trying again proves nothing: the log should be given up.
    pub async fn run(self) -> io::Result<Flushed> {
        for file in &self.files {
            file.sync().await?;
        }
        for directory in &self.directories {
            self.disk.sync_dir(directory).await?;
        }
        Ok(self.covers)
    }
}

impl Log {
    /// Whether a flush is due: by messages, by time, or because the directory or a rolled segment is not durable.
    pub fn flush_due(&self, now_ms: i64) -> bool {
        self.interval_is_over(now_ms) || self.active().base > self.recovery_point || self.directory_is_due()
    }

    /// Begins the flush that is due, if one is: of all, or, if only segments came or went, of all but the active one.
    pub fn begin_due_flush(&mut self, now_ms: i64) -> Option<Flush> {
        if self.interval_is_over(now_ms) {
            return Some(self.begin_flush());
        }
        let sealed = self.active().base;
        let due = sealed > self.recovery_point || self.directory_is_due();
        due.then(|| self.begin_flush_of(self.segments.len() - 1))
    }

    /// Begins to flush everything up to the log end.
    pub fn begin_flush(&mut self) -> Flush {
        self.begin_flush_of(self.segments.len())
    }

    /// Takes in a flush's result; returns the recovery point if it has moved. A flush that began before the log was
    /// cut is void: it knows nothing of what replaced the bytes it saw.
    pub fn flushed(&mut self, flushed: Flushed, now_ms: i64) -> Option<i64> {
        if flushed.cuts != self.cuts {
            return None;
        }
        self.directory_changes_synced = self.directory_changes_synced.max(flushed.directory_changes);
        self.ancestors_synced = true;
        if self.start.change <= self.directory_changes_synced {
            let swept = self.start.sweep(&self.disk, &self.directory);
            // An error puts the log offline; the flush itself is done.
            let _ = self.watch(swept);
        }
        self.last_flush_ms = now_ms;
        assert!(flushed.offset <= self.end_offset(), "an uncut log holds all that was flushed");
        (flushed.offset > self.recovery_point).then(|| {
            self.recovery_point = flushed.offset;
            flushed.offset
        })
    }

    /// After a move of the log start, and at the start, unless the last shutdown was clean.
    fn directory_is_due(&self) -> bool {
        self.start.change > self.directory_changes_synced
    }

    fn interval_is_over(&self, now_ms: i64) -> bool {
        let messages = self.end_offset() - self.recovery_point.max(self.start_offset());
        let waited = u64::try_from(now_ms.saturating_sub(self.last_flush_ms)).unwrap_or(0);
        messages > 0 && (messages as u64 >= self.config.flush_messages || waited >= self.config.flush_ms)
    }

    /// Begins to flush the first `count` segments, as far as they are not flushed yet.
    fn begin_flush_of(&mut self, count: usize) -> Flush {
        let offset = self.segments.get(count).map_or(self.end_offset(), |next| next.base).max(self.recovery_point);
        let mut files = Vec::new();
        for (index, segment) in self.segments.iter().enumerate() {
            // A segment that ends at the recovery point may have been cut there, which fsync has not seen either.
            if segment.end < self.recovery_point {
                continue;
            }
            files.extend((index < count).then(|| segment.file.clone()));
            // The snapshot of the segment that begins where the flush ends lets retention delete the segments before.
            files.extend(segment.snapshot.iter().filter(|_| segment.base <= offset).cloned());
        }
        let mut directories = Vec::new();
        // A file that no directory names is lost with the power, however well it was synced (KAFKA-3968).
        if !self.config.flaws.no_dir_fsync {
            directories = self.unsynced_directories();
        }
        let covers = Flushed { offset, cuts: self.cuts, directory_changes: self.directory_changes };
        Flush { disk: self.disk.clone(), files, directories, covers }
    }

    /// The partition's directory if its entries have changed, and its ancestors until they are known to name it.
    fn unsynced_directories(&self) -> Vec<String> {
        let mut directories = Vec::new();
        if self.directory_changes > self.directory_changes_synced {
            directories.push(self.directory.clone());
        }
        if !self.ancestors_synced {
            let mut path = self.directory.as_str();
            while !path.is_empty() {
                path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                directories.push(path.to_owned());
            }
        }
        directories
    }
}
