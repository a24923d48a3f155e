//! Cleaning a log on its disk.
//!
//! Groups of sealed segments are rewritten into a `.cleaned` file each, which is fsynced, becomes `.swap`, and once the directory
//! is synced takes the first segment's place; then the others of the group are deleted. Whatever is left of that at a start is
//! undone (`.cleaned`) or finished (`.swap`), as in Kafka. The log itself never waits: a cut meanwhile voids the cleaning.

use std::collections::VecDeque;

use bytes::Bytes;
use host::{Disk, File, Open};
use thiserror::Error;
use wire::batch::BatchError;

use crate::cleaner::{self, Rules};
use crate::segment::{self, Segment, path};
use crate::walk::{Replay, Walk};
use crate::{Cleanable, Log, LogConfig, LogError, OffsetMap};

const CLEANED: &str = "log.cleaned";
const SWAP: &str = "log.swap";

/// Why a log cannot be cleaned.
#[derive(Debug, Error)]
pub enum CleanError {
    /// The disk failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A segment is not what was written: Kafka leaves such a partition alone from then on.
    #[error("{file} at {position}: {error}")]
    Corrupt {
        /// The segment file.
        file: String,
        /// The byte in it.
        position: u64,
        /// What is wrong there.
        error: BatchError,
    },
}

/// A segment to be cleaned.
struct Source {
    base: i64,
    end: i64,
    size: u64,
    file: File,
}

/// A cleaning on its way. It owns its file handles, so that the log may go on meanwhile.
#[must_use = "nothing is cleaned before its groups are written"]
pub struct Clean {
    disk: Disk,
    directory: String,
    config: LogConfig,
    groups: VecDeque<Vec<Source>>,
    rules: Rules,
    cuts: u64,
    cleaned: Cleaned,
}

/// What a cleaning did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cleaned {
    /// The first offset that had never been cleaned.
    pub from: i64,
    /// All below is clean now.
    pub to: i64,
    /// Records removed.
    pub removed: u32,
    /// Records kept.
    pub kept: u32,
}

/// A group of segments rewritten as one, in a `.cleaned` file that is fsynced.
#[must_use = "it is not part of the log yet"]
pub struct Rewritten {
    /// Base offsets of the segments it replaces.
    bases: Vec<i64>,
    end: i64,
    file: File,
    cuts: u64,
    kept: u32,
    removed: u32,
}

impl Rewritten {
    /// The first offset after it.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// How many records survive in it.
    pub fn kept(&self) -> u32 {
        self.kept
    }

    /// How many do not.
    pub fn removed(&self) -> u32 {
        self.removed
    }
}

impl Clean {
    /// Reads the latest offset of each key in the dirty part.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub async fn read_keys(&mut self) -> Result<(), CleanError> {
        for source in self.groups.iter().flatten().filter(|source| source.end > self.cleaned.from) {
            self.disk.admit(usize::try_from(source.size).unwrap_or(usize::MAX)).await;
            source.each(&self.directory, |batch, _| self.rules.latest.note(batch))?;
        }
        Ok(())
    }

    /// Rewrites the next group; none when all are.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub async fn rewrite_next(&mut self) -> Result<Option<Rewritten>, CleanError> {
        let Some(group) = self.groups.pop_front() else { return Ok(None) };
        let bytes: u64 = group.iter().map(|source| source.size).sum();
        self.disk.admit(usize::try_from(bytes).unwrap_or(usize::MAX)).await;
        let mut content = Vec::new();
        let end = group.last().map_or(0, |last| last.end);
        let (mut kept, mut removed) = (0, 0);
        for source in &group {
            let rules = &self.rules;
            source.each(&self.directory, |batch, next| {
                let survivors = rules.clean(batch, next == end)?;
                content.extend_from_slice(survivors.batch.as_deref().unwrap_or_default());
                kept += survivors.kept;
                removed += survivors.removed;
                Ok(())
            })?;
        }
        self.cleaned.kept += kept;
        self.cleaned.removed += removed;
        self.disk.admit(content.len()).await;
        let path = path(&self.directory, group[0].base, CLEANED);
        let file = segment::replace(&self.disk, &path, &content)?;
        file.sync().await.map_err(LogError::at(&path))?;
        let bases = group.iter().map(|source| source.base).collect();
        Ok(Some(Rewritten { bases, end, file, cuts: self.cuts, kept, removed }))
    }

    /// Makes durable what the last step did to the directory.
    ///
    /// # Errors
    /// Of the disk.
    pub async fn sync(&self) -> Result<(), CleanError> {
        Ok(self.disk.sync_dir(&self.directory).await.map_err(LogError::at(&self.directory))?)
    }

    /// The settings it cleans by.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }
}

impl Source {
    /// Calls `each` with every batch and the offset after it.
    fn each(
        &self,
        directory: &str,
        mut each: impl FnMut(&Bytes, i64) -> Result<(), BatchError>,
    ) -> Result<(), CleanError> {
        let name = path(directory, self.base, "log");
        let corrupt = |position, error| CleanError::Corrupt { file: name.clone(), position, error };
        let mut walk = Walk::new(0, self.size, false, |position, length| self.file.read_at(position, length));
        while let Some(step) = walk.next().map_err(LogError::at(&name))? {
            let (position, header) = step.map_err(|error| corrupt(walk.position(), error))?;
            let bytes = self.file.read_at(position, header.total_length()).map_err(LogError::at(&name))?;
            let batch = cleaner::check(&bytes).map_err(|error| corrupt(position, error))?;
            each(&bytes, batch.next_offset()).map_err(|error| corrupt(position, error))?;
        }
        Ok(())
    }
}

impl Log {
    /// The first offset that was not in the last cleaning; what the cleaner's checkpoint tells.
    pub fn first_dirty_offset(&self) -> i64 {
        self.first_dirty
    }

    /// Takes over the cleaner's checkpoint after a start. One beyond the log's end proves nothing.
    pub fn set_first_dirty_offset(&mut self, offset: i64) {
        self.first_dirty = if offset > self.end_offset() { self.start_offset() } else { offset };
    }

    /// What may be cleaned now: sealed segments that are committed and, for `min.compaction.lag.ms`, old.
    pub fn cleanable(&self, now_ms: i64) -> Option<Cleanable> {
        let count = self.cleanable_segments(now_ms);
        if !self.config.compact || self.offline || count == 0 {
            return None;
        }
        let from = self.first_dirty.max(self.start_offset());
        let segments = &self.segments[..count];
        let (clean, dirty): (Vec<&Segment>, Vec<&Segment>) = segments.iter().partition(|it| it.end <= from);
        let bytes = |segments: &[&Segment]| segments.iter().map(|segment| segment.size).sum();
        let deadline = now_ms.saturating_sub(self.config.max_compaction_lag_ms);
        let waits = |segment: &&Segment| segment.first_timestamp.is_some_and(|first| first < deadline);
        Some(Cleanable {
            from,
            to: segments[count - 1].end,
            clean_bytes: bytes(&clean),
            dirty_bytes: bytes(&dirty),
            overdue: dirty.iter().any(waits),
        })
    }

    fn cleanable_segments(&self, now_ms: i64) -> usize {
        let lag = self.config.min_compaction_lag_ms;
        let old = |segment: &Segment| lag <= 0 || segment.max_timestamp <= now_ms.saturating_sub(lag);
        let sealed = &self.segments[..self.segments.len() - 1];
        sealed.iter().take_while(|segment| segment.end <= self.high_watermark && old(segment)).count()
    }

    /// Begins to clean all that may be cleaned, if there is anything dirty.
    pub fn begin_clean(&self, now_ms: i64) -> Option<Clean> {
        let Cleanable { from, to, .. } = self.cleanable(now_ms).filter(|cleanable| cleanable.dirty_bytes > 0)?;
        let segments = &self.segments[..self.cleanable_segments(now_ms)];
        let facts: Vec<(i64, i64, u64)> = segments.iter().map(|it| (it.base, it.end, it.size)).collect();
        let mut sources = segments.iter().map(|segment| Source {
            base: segment.base,
            end: segment.end,
            size: segment.size,
            file: segment.file.clone(),
        });
        let groups = cleaner::groups(&facts, self.config.segment_bytes);
        let groups = groups.into_iter().map(|count| sources.by_ref().take(count).collect()).collect();
        let last_batches = self.producers.iter().filter_map(|(_, state)| state.batches().last());
        let rules = Rules {
            latest: OffsetMap::default(),
            sequences: last_batches.map(|batch| batch.last_offset).collect(),
            now_ms,
            delete_retention_ms: self.config.delete_retention_ms,
        };
        Some(Clean {
            disk: self.disk.clone(),
            directory: self.directory.clone(),
            config: self.config.clone(),
            groups,
            rules,
            cuts: self.cuts,
            cleaned: Cleaned { from, to, removed: 0, kept: 0 },
        })
    }

    /// First half of a swap: the `.cleaned` file becomes `.swap`. The directory must be synced before the second half. False if
    /// the log was cut or lost these segments to retention meanwhile: the cleaning is void then.
    ///
    /// # Errors
    /// Of the disk.
    pub fn begin_swap(&mut self, rewritten: &Rewritten) -> Result<bool, LogError> {
        self.check_online()?;
        let base = rewritten.bases[0];
        let (cleaned, swap) = (path(&self.directory, base, CLEANED), path(&self.directory, base, SWAP));
        if !self.holds(rewritten) {
            let deleted = self.disk.delete(&cleaned).map_err(LogError::at(&cleaned));
            return self.watch(deleted).map(|()| false);
        }
        self.cleaning = Some(base);
        self.directory_changes += 1;
        let renamed = self.disk.rename(&cleaned, &swap).map_err(LogError::at(&cleaned));
        self.watch(renamed).map(|()| true)
    }

    /// Second half of a swap: the `.swap` file takes the place of its segments. False as in [`Log::begin_swap`].
    ///
    /// # Errors
    /// Of the disk.
    pub fn finish_swap(&mut self, rewritten: Rewritten) -> Result<bool, LogError> {
        self.check_online()?;
        if !self.holds(&rewritten) {
            let aborted = self.abort_cleaning();
            return self.watch(aborted).map(|()| false);
        }
        let swapped = self.swap(rewritten);
        self.watch(swapped).map(|()| true)
    }

    fn swap(&mut self, rewritten: Rewritten) -> Result<(), LogError> {
        let Rewritten { bases, end, file, .. } = rewritten;
        let (swap, log) = (path(&self.directory, bases[0], SWAP), path(&self.directory, bases[0], "log"));
        let first = self.segment_of(bases[0]);
        let old = &self.segments[first];
        let size = file.len();
        let mut new = Segment::empty(file, old.base, &self.config, old.producers_before.clone());
        (new.snapshot, new.created) = (old.snapshot.clone(), old.created);
        let mut replay = Replay::new(new.base, new.producers_before.clone());
        replay.compact = true;
        let flaw = new.load(size, false, &mut replay).map_err(LogError::at(&swap))?;
        assert_eq!((flaw, new.end), (None, end), "cleaned segments are sound, and end where they did");
        self.disk.rename(&swap, &log).map_err(LogError::at(&swap))?;
        new.write_index(&self.disk, &self.directory)?;
        for base in &bases[1..] {
            segment::delete_files(&self.disk, &self.directory, *base)?;
        }
        self.segments.splice(first..first + bases.len(), [new]);
        self.cleaning = None;
        self.directory_changes += 1;
        Ok(())
    }

    /// Takes in a finished cleaning; none if the log was cut meanwhile.
    pub fn end_clean(&mut self, clean: Clean) -> Option<Cleaned> {
        assert!(clean.groups.is_empty(), "a cleaning ends when all its groups are rewritten");
        (clean.cuts == self.cuts).then(|| {
            self.first_dirty = clean.cleaned.to;
            clean.cleaned
        })
    }

    /// Whether the log still is what was rewritten.
    fn holds(&self, rewritten: &Rewritten) -> bool {
        rewritten.cuts == self.cuts && self.segments.iter().any(|segment| segment.base == rewritten.bases[0])
    }

    /// Forgets a swap under way, before the log is cut: a later start must not find what was cut off.
    pub(crate) fn abort_cleaning(&mut self) -> Result<(), LogError> {
        let Some(base) = self.cleaning.take() else { return Ok(()) };
        let swap = path(&self.directory, base, SWAP);
        self.directory_changes += 1;
        self.disk.delete(&swap).map_err(LogError::at(&swap))
    }
}

/// Undoes or finishes what a cleaning left in the directory; returns whether there was anything.
pub(crate) fn recover(disk: &Disk, directory: &str) -> Result<bool, LogError> {
    let entries = disk.list(directory).map_err(LogError::at(directory))?;
    let numbered = |suffix: &'static str| entries.iter().filter_map(move |it| segment::base_offset(&it.name, suffix));
    let start = numbered("start").max().unwrap_or(0);
    let mut found = false;
    for base in numbered(CLEANED) {
        let cleaned = path(directory, base, CLEANED);
        disk.delete(&cleaned).map_err(LogError::at(&cleaned))?;
        found = true;
    }
    for base in numbered(SWAP) {
        found = true;
        let swap = path(directory, base, SWAP);
        match whole_until(disk, &swap)?.filter(|_| base >= start) {
            None => disk.delete(&swap).map_err(LogError::at(&swap))?,
            Some(end) => {
                disk.rename(&swap, &path(directory, base, "log")).map_err(LogError::at(&swap))?;
                for replaced in numbered("log").filter(|other| (base + 1..end).contains(other)) {
                    segment::delete_files(disk, directory, replaced)?;
                }
            }
        }
    }
    Ok(found)
}

/// Where a segment file ends, if all of it is sound.
fn whole_until(disk: &Disk, path: &str) -> Result<Option<i64>, LogError> {
    let file = disk.open(path, Open::Existing).map_err(LogError::at(path))?;
    let mut walk = Walk::new(0, file.len(), true, |position, length| file.read_at(position, length));
    let mut end = None;
    while let Some(step) = walk.next().map_err(LogError::at(path))? {
        match step {
            Ok((_, header)) => end = Some(header.next_offset()),
            Err(_) => return Ok(None),
        }
    }
    Ok(end)
}
