//! Cutting the log's end off, or all of it.

use std::io;

use crate::segment::{self, Segment};
use crate::walk::Replay;
use crate::{Log, LogError, ProducerStates, ReadError};

impl Log {
    /// Cuts off everything from `offset` on; a batch that it lies in goes too. Epochs, producers, high watermark and
    /// recovery point follow. At or above the log end only elections that never wrote are forgotten (KAFKA-10706).
    ///
    /// The recovery-point checkpoint must be written before the next append: with a stale one, recovery would trust bytes
    /// that no fsync has vouched for.
    ///
    /// # Errors
    /// Of the disk.
    pub fn truncate_to(&mut self, offset: i64) -> Result<(), LogError> {
        self.check_online()?;
        if offset < self.start_offset() {
            return self.truncate_fully_and_start_at(offset);
        }
        if offset < self.end_offset() {
            let cut = self.cut(offset);
            self.watch(cut)?;
        }
        if self.epochs.truncate_from_end(offset.min(self.end_offset())) {
            self.write_epochs()?;
        }
        Ok(())
    }

    fn cut(&mut self, offset: i64) -> Result<(), LogError> {
        let keep = self.segment_of(offset);
        let old = &self.segments[keep];
        let path = segment::path(&self.directory, old.base, "log");
        let position = old.locate(offset).map_err(|error| LogError::at(&path)(into_io(error)))?;
        let position = position.map_or(old.size, |(position, _)| position);
        self.abort_cleaning()?;
        for later in self.segments.drain(keep + 1..).rev() {
            segment::delete_files(&self.disk, &self.directory, later.base)?;
            self.directory_changes += 1;
        }
        let old = &self.segments[keep];
        old.file.set_len(position).map_err(LogError::at(&path))?;
        let mut kept = Segment::empty(old.file.clone(), old.base, &self.config, old.producers_before.clone());
        (kept.snapshot, kept.created) = (old.snapshot.clone(), old.created);
        let mut replay = Replay::new(kept.base, kept.producers_before.clone());
        replay.compact = self.config.compact;
        if let Some(reason) = kept.load(position, false, &mut replay).map_err(LogError::at(&path))? {
            return Err(LogError::at(&path)(io::Error::other(reason)));
        }
        self.segments[keep] = kept;
        self.producers = replay.producers;
        self.bounds_follow_cut();
        Ok(())
    }

    /// Empties the log and lets it start at `offset`: where a follower goes on whose leader has no older data.
    ///
    /// # Errors
    /// Of the disk.
    pub fn truncate_fully_and_start_at(&mut self, offset: i64) -> Result<(), LogError> {
        self.check_online()?;
        let emptied = self.empty_at(offset.max(0));
        self.watch(emptied)?;
        self.epochs.clear();
        self.producers.clear();
        self.bounds_follow_cut();
        self.write_epochs()
    }

    fn empty_at(&mut self, offset: i64) -> Result<(), LogError> {
        self.abort_cleaning()?;
        for segment in self.segments.iter().rev() {
            segment::delete_files(&self.disk, &self.directory, segment.base)?;
        }
        self.directory_changes += 1;
        self.start.reset(&self.disk, &self.directory, offset, self.directory_changes)?;
        let nobody = ProducerStates::default();
        let mut empty = Segment::create(&self.disk, &self.directory, offset, &self.config, nobody)?;
        // A power loss may have left one of another segment that began here.
        empty.write_snapshot(&self.disk, &self.directory)?;
        self.segments = vec![empty];
        Ok(())
    }

    fn bounds_follow_cut(&mut self) {
        self.cuts += 1;
        // What is appended here from now on was never cleaned (KAFKA-3330).
        self.first_dirty = self.first_dirty.min(self.end_offset());
        self.recovery_point = self.recovery_point.min(self.end_offset());
        // Both bounds: a log that starts anew above its old end has its high watermark there (KAFKA-9491).
        self.set_high_watermark(self.high_watermark);
    }
}

fn into_io(error: ReadError) -> io::Error {
    match error {
        ReadError::Io(error) => error,
        error => io::Error::other(error),
    }
}
