//! The log of one partition: its state, and what moves its bounds.

use host::Disk;

use crate::segment::{self, Segment};
use crate::start::LogStart;
use crate::{
    EpochCache, EpochEnd, LogConfig, LogError, ProducerStates, Recovery,
    checkpoint::{self, LEADER_EPOCH_CHECKPOINT},
};

/// One partition's log on a disk.
///
/// Every operation works on the page cache and returns at once; only [`crate::Flush`] waits. After a failed write the log
/// is offline: it can be read, but refuses every further write (KAFKA-10778).
pub struct Log {
    pub(crate) disk: Disk,
    pub(crate) directory: String,
    pub(crate) config: LogConfig,
    /// By base offset, without gaps; the last one is active. Never empty.
    pub(crate) segments: Vec<Segment>,
    pub(crate) epochs: EpochCache,
    pub(crate) producers: ProducerStates,
    pub(crate) high_watermark: i64,
    /// All below is on the disk, fsynced.
    pub(crate) recovery_point: i64,
    pub(crate) last_flush_ms: i64,
    /// How often the log was cut. A flush begun before a cut proves nothing about what was appended after it.
    pub(crate) cuts: u64,
    /// All below was in the last cleaning.
    pub(crate) first_dirty: i64,
    /// Base offset of the segment that cleaned records are being written for.
    pub(crate) cleaning: Option<i64>,
    /// How often files were created or deleted, and how many of these are fsynced.
    pub(crate) directory_changes: u64,
    pub(crate) directory_changes_synced: u64,
    /// Where the log starts, and what retention has not deleted yet.
    pub(crate) start: LogStart,
    /// Whether the directory itself is known to be in its parent after a power loss.
    pub(crate) ancestors_synced: bool,
    pub(crate) offline: bool,
    /// The leader's copy of a batch, on its way to the file.
    pub(crate) scratch: Vec<u8>,
    pub(crate) recovery: Recovery,
}

impl Log {
    /// The partition's directory.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The settings.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Changes the settings, from the next append on.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// What opening the log found and did.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Offset of the first record.
    pub fn start_offset(&self) -> i64 {
        self.segments[0].base
    }

    /// Log end offset (LEO): the offset of the next record.
    pub fn end_offset(&self) -> i64 {
        self.active().end
    }

    /// The high watermark: all below is committed, as far as this replica knows.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// All below is fsynced.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point
    }

    /// Size of all segments, in bytes.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }

    /// How many segments there are.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Whether a failed write has put an end to all writing.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// Puts an end to all writing, as a failed write does: after a failed [`crate::Flush`], for one.
    pub fn set_offline(&mut self) {
        self.offline = true;
    }

    /// The newest leader epoch, with or without records.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.epochs.latest()
    }

    /// Where the leader epochs begin.
    pub fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// The idempotent producers' state.
    pub fn producers(&self) -> &ProducerStates {
        &self.producers
    }

    /// The answer to OffsetForLeaderEpoch: the largest epoch not above `epoch`, and where it ends (KIP-279).
    pub fn epoch_end(&self, epoch: i32) -> EpochEnd {
        self.epochs.end_of(epoch, self.end_offset())
    }

    /// Notes at an election that `epoch` begins at the log end, before any record of it exists (KAFKA-7415).
    ///
    /// # Errors
    /// Of the disk.
    pub fn start_epoch(&mut self, epoch: i32) -> Result<(), LogError> {
        self.check_online()?;
        if self.epochs.assign(epoch, self.end_offset()) {
            self.write_epochs()?;
        }
        Ok(())
    }

    /// Moves the high watermark, as far as the log reaches; returns whether it moved.
    pub fn set_high_watermark(&mut self, high_watermark: i64) -> bool {
        let before = self.high_watermark;
        self.high_watermark = high_watermark.clamp(self.start_offset(), self.end_offset());
        self.high_watermark != before
    }

    /// Forgets producers that have been idle for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now_ms: i64) {
        self.producers.expire(now_ms, self.config.producer_id_expiration_ms);
    }

    /// Writes what is still only in memory, before a controlled shutdown flushes and ends the log.
    ///
    /// # Errors
    /// Of the disk.
    pub fn close(&mut self) -> Result<(), LogError> {
        self.check_online()?;
        let written = self.active().write_index(&self.disk, &self.directory);
        self.directory_changes += 1;
        self.watch(written)
    }

    pub(crate) fn active(&self) -> &Segment {
        self.segments.last().expect("a log has an active segment")
    }

    pub(crate) fn active_mut(&mut self) -> &mut Segment {
        self.segments.last_mut().expect("a log has an active segment")
    }

    /// The index of the segment that holds `offset`, which is in the log or its end.
    pub(crate) fn segment_of(&self, offset: i64) -> usize {
        self.segments.partition_point(|segment| segment.base <= offset).saturating_sub(1)
    }

    pub(crate) fn check_online(&self) -> Result<(), LogError> {
        if self.offline { Err(LogError::Offline) } else { Ok(()) }
    }

    /// Passes on the result of a write; a failed one puts the log offline.
    pub(crate) fn watch<T, E>(&mut self, written: Result<T, E>) -> Result<T, E> {
        self.offline |= written.is_err();
        written
    }

    /// Seals the active segment and begins the next.
    pub(crate) fn roll(&mut self) -> Result<(), LogError> {
        let rolled = self.try_roll();
        self.watch(rolled)
    }

    fn try_roll(&mut self) -> Result<(), LogError> {
        let Log { disk, directory, config, .. } = &*self;
        self.active().write_index(disk, directory)?;
        let mut next = Segment::create(disk, directory, self.end_offset(), config, self.producers.clone())?;
        next.write_snapshot(disk, directory)?;
        self.directory_changes += 1;
        next.created = self.directory_changes;
        self.segments.push(next);
        Ok(())
    }

    /// Writes the epoch cache to its checkpoint, in the page cache: recovery rebuilds it from the log.
    pub(crate) fn write_epochs(&mut self) -> Result<(), LogError> {
        let path = format!("{}/{LEADER_EPOCH_CHECKPOINT}", self.directory);
        let temporary = format!("{path}.tmp");
        let bytes = checkpoint::encode_epochs(self.epochs.entries());
        let written = segment::replace(&self.disk, &temporary, &bytes)
            .and_then(|_| self.disk.rename(&temporary, &path).map_err(LogError::at(&path)));
        self.directory_changes += 1;
        self.watch(written)
    }
}
