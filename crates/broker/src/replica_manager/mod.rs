//! All replicas of this broker, and what happens to them: appends, fetches, transitions, ISR changes, checkpoints.

mod checkpoints;
mod cleaner;
mod isr;
mod load;
mod replica;
mod retention;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use host::Host;
use log::{Appended, LogConfig, LogFlaws};
use tokio::sync::{Mutex, mpsc};
use trace::{EventId, EventKind, Name, Partition};
use wire::kafka::ErrorCode;

pub use checkpoints::{run_high_watermark_checkpoints, run_recovery_point_checkpoints};
pub use cleaner::start_cleaner;
pub use isr::{IsrQueue, Proposal, Unannounced, run_isr_notifier, run_isr_shrinker, run_isr_writer};
pub(crate) use replica::Role;
pub use replica::{Offsets, Replica};
pub use retention::{run_producer_expiration, run_retention};

use crate::canary::Canary;
use crate::config::{Settings, TopicSettings};
use crate::flaws::{Flaw, Flaws};
use crate::metadata_cache::MetadataCache;
use crate::purgatory::Purgatory;
use crate::replica::{Assignment, IsrChange};

/// What a produce request's batch became on the leader.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// The leader epoch.
    pub leader_epoch: i32,
    /// The first epoch of the leadership it was appended in.
    pub since: i32,
    /// Log start offset.
    pub log_start: i64,
    /// Its `Appended` or `Deduplicated` event.
    pub event: EventId,
}

/// The table of replicas.
pub struct ReplicaManager {
    host: Host,
    id: i32,
    settings: Rc<Settings>,
    flaws: Flaws,
    canary: Canary,
    data: String,
    metadata: Rc<RefCell<MetadataCache>>,
    table: RefCell<BTreeMap<Partition, Rc<Replica>>>,
    names: RefCell<BTreeMap<String, Name>>,
    /// Produce requests that wait for a high watermark.
    pub produced: Purgatory,
    /// Followers' fetches that wait for a log end.
    pub replicated: Purgatory,
    /// Consumers' fetches that wait for a high watermark.
    pub consumed: Purgatory,
    isr_changes: IsrQueue,
    answers: RefCell<BTreeMap<i32, EventId>>,
    recovery_points: Mutex<()>,
    cleaner_offsets: Mutex<()>,
    cleaner_runs: Cell<bool>,
}

impl ReplicaManager {
    /// An empty table; ISR changes that its leaders want go to the receiver.
    pub fn new(
        host: Host,
        id: i32,
        settings: Rc<Settings>,
        flaws: Flaws,
        data: String,
        metadata: Rc<RefCell<MetadataCache>>,
    ) -> (ReplicaManager, mpsc::UnboundedReceiver<isr::Proposal>) {
        let (isr_changes, proposals) = mpsc::unbounded_channel();
        let manager = ReplicaManager {
            canary: Canary::new(&host, flaws),
            host,
            id,
            settings,
            flaws,
            data,
            metadata,
            table: RefCell::default(),
            names: RefCell::default(),
            produced: Purgatory::default(),
            replicated: Purgatory::default(),
            consumed: Purgatory::default(),
            isr_changes,
            answers: RefCell::default(),
            recovery_points: Mutex::new(()),
            cleaner_offsets: Mutex::new(()),
            cleaner_runs: Cell::new(false),
        };
        (manager, proposals)
    }

    /// The replica of a partition, by a name that may be anything.
    pub fn find(&self, topic: &str, index: i32) -> Option<Rc<Replica>> {
        let topic = *self.names.borrow().get(topic)?;
        self.get(Partition { topic, index })
    }

    /// The replica of a partition.
    pub fn get(&self, partition: Partition) -> Option<Rc<Replica>> {
        self.table.borrow().get(&partition).cloned()
    }

    /// All replicas.
    pub fn all(&self) -> Vec<Rc<Replica>> {
        self.table.borrow().values().cloned().collect()
    }

    /// The replica of a partition, or what to answer.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER` if the partition is elsewhere, `UNKNOWN_TOPIC_OR_PARTITION` if nobody knows it.
    pub fn find_or_error(&self, topic: &str, index: i32) -> Result<Rc<Replica>, ErrorCode> {
        self.find(topic, index).ok_or_else(|| match self.metadata.borrow().partition(topic, index) {
            Some(_) => ErrorCode::NotLeaderOrFollower,
            None => ErrorCode::UnknownTopicOrPartition,
        })
    }

    /// The disk failed: with its only data directory gone a broker ends, as Kafka's does.
    pub fn halt(&self, cause: EventId) {
        self.host.exit(cause);
    }

    fn is_alive(&self, broker: i32) -> bool {
        self.metadata.borrow().is_alive(broker)
    }

    /// Lets a replica obey other settings from now on.
    pub fn configure(&self, replica: &Replica, settings: Rc<TopicSettings>) {
        replica.state.borrow_mut().log.set_config(self.log_config(&settings));
        replica.settings.replace(settings);
    }

    /// The data directory.
    pub fn data_directory(&self) -> &str {
        &self.data
    }

    fn log_config(&self, topic: &TopicSettings) -> LogConfig {
        let bytes = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        let interval = |value: i64| if value == i64::MAX { u64::MAX } else { u64::try_from(value).unwrap_or(u64::MAX) };
        LogConfig {
            segment_bytes: bytes(topic.segment_bytes),
            segment_ms: topic.segment_ms,
            index_interval_bytes: bytes(topic.index_interval_bytes),
            max_message_bytes: bytes(topic.max_message_bytes),
            flush_messages: interval(topic.flush_messages),
            flush_ms: interval(topic.flush_ms),
            producer_id_expiration_ms: self.settings.producer_id_expiration_ms,
            compact: topic.is_compacted(),
            min_cleanable_dirty_permille: (topic.min_cleanable_dirty_ratio * 1000.0).round() as u64,
            min_compaction_lag_ms: topic.min_compaction_lag_ms,
            delete_retention_ms: topic.delete_retention_ms,
            flaws: LogFlaws {
                no_dir_fsync: self.flaws.has(Flaw::NoDirFsync),
                epoch_zero_lost_in_recovery: self.flaws.has(Flaw::EpochZeroLostInRecovery),
                no_dedup: self.flaws.has(Flaw::NoDedupEpochBump),
            },
            ..LogConfig::default()
        }
    }

    /// Appends a produced batch on the leader, flushes if that is due, and lets the high watermark follow.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER`, `NOT_ENOUGH_REPLICAS` (acks=all and an ISR below min.insync.replicas: nothing was
    /// appended), or what the log says.
    pub async fn append(
        &self,
        replica: &Rc<Replica>,
        batch: Bytes,
        acks: i16,
        cause: EventId,
    ) -> Result<Written, ErrorCode> {
        self.host.disk().admit(batch.len()).await;
        let written = self.append_now(replica, batch, acks, cause)?;
        self.count_appended(replica, written.event).await?;
        if self.canary.is_due()
            && let Some(moved) = replica.advance_alone(&self.host, written.event)
        {
            self.produced.changed(replica.partition, moved);
        }
        let event = self.advance(replica, written.event).unwrap_or(written.event);
        self.replicated.changed(replica.partition, event);
        Ok(written)
    }

    fn append_now(&self, replica: &Replica, batch: Bytes, acks: i16, cause: EventId) -> Result<Written, ErrorCode> {
        let mut state = replica.state.borrow_mut();
        let Role::Leader(leader) = &state.role else { return Err(ErrorCode::NotLeaderOrFollower) };
        if acks == -1 && leader.isr().len() < replica.min_isr(leader) {
            return Err(ErrorCode::NotEnoughReplicas);
        }
        let (leader_epoch, since) = (leader.epoch(), leader.since());
        let appended = state.log.append_as_leader(batch, leader_epoch, self.host.wall()).map_err(|error| {
            let code = error.code();
            if code == ErrorCode::KafkaStorageError {
                self.halt(cause);
            }
            code
        })?;
        let event = match appended {
            Appended::New(batch) => replica.emit_appended(&self.host, &batch, true, cause),
            Appended::Duplicate { base_offset, producer_id, producer_epoch, sequence, .. } => {
                let partition = replica.partition;
                let known = EventKind::Deduplicated { partition, base_offset, producer_id, producer_epoch, sequence };
                self.host.emit(cause, known)
            }
        };
        let (base_offset, last_offset) = (appended.base_offset(), appended.last_offset());
        Ok(Written { base_offset, last_offset, leader_epoch, since, log_start: state.log.start_offset(), event })
    }

    /// Lets what was appended count: at once, or after the flush that is due (`log.flush.interval.messages`). Until then
    /// nobody may replicate or acknowledge it.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if the flush failed.
    pub async fn count_appended(&self, replica: &Rc<Replica>, cause: EventId) -> Result<(), ErrorCode> {
        loop {
            let flush = {
                let mut state = replica.state.borrow_mut();
                if state.flushing {
                    None
                } else {
                    let Some(flush) = state.log.begin_due_flush(self.host.wall()) else {
                        state.counted_end = state.log.end_offset();
                        return Ok(());
                    };
                    state.flushing = true;
                    if flush.offset() < state.log.end_offset() {
                        // Only segments that were rolled: Kafka flushes them in the background.
                        state.counted_end = state.log.end_offset();
                        self.flush_in_background(replica.clone(), flush, cause);
                        return Ok(());
                    }
                    Some(flush)
                }
            };
            match flush {
                Some(flush) => self.finish_flush(replica, flush, cause).await?,
                None => replica.flushed.notified().await,
            }
        }
    }

    /// Flushes all of a replica's log.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if the flush failed.
    pub async fn flush(&self, replica: &Rc<Replica>, cause: EventId) -> Result<(), ErrorCode> {
        let flush = loop {
            {
                let mut state = replica.state.borrow_mut();
                if !state.flushing {
                    state.flushing = true;
                    break state.log.begin_flush();
                }
            }
            replica.flushed.notified().await;
        };
        self.finish_flush(replica, flush, cause).await
    }

    fn flush_in_background(&self, replica: Rc<Replica>, flush: log::Flush, cause: EventId) {
        let host = self.host.clone();
        self.host.spawn("log-flush", async move {
            if run_flush(&host, &replica, flush, cause).await.is_err() {
                host.exit(cause);
            }
        });
    }

    async fn finish_flush(&self, replica: &Rc<Replica>, flush: log::Flush, cause: EventId) -> Result<(), ErrorCode> {
        run_flush(&self.host, replica, flush, cause).await.inspect_err(|_| self.halt(cause))
    }

    /// Moves a leader's high watermark if it can, and wakes who waits for it.
    pub fn advance(&self, replica: &Replica, cause: EventId) -> Option<EventId> {
        let (lag_max, alive) = (self.settings.replica_lag_time_max(), |id| self.is_alive(id));
        let moved = replica.advance(&self.host, lag_max, alive, self.flaws, cause)?;
        self.produced.changed(replica.partition, moved);
        self.consumed.changed(replica.partition, moved);
        Some(moved)
    }

    /// A follower's fetch shows that it has all before `offset`: it may join the ISR, and the high watermark may move.
    pub fn follower_fetched(&self, replica: &Rc<Replica>, follower: i32, offset: i64, cause: EventId) {
        let Some(moved) = replica.follower_fetched(follower, offset, self.host.now()) else { return };
        if let Some(change) = replica.expand(follower, |id| self.is_alive(id), self.flaws) {
            self.propose(replica, change, cause);
        }
        if moved {
            self.advance(replica, cause);
        }
    }

    /// A follower was sent an answer: what a leader that puts it out of the ISR has waited on since.
    pub fn follower_answered(&self, follower: i32, sent: EventId) {
        self.answers.borrow_mut().insert(follower, sent);
    }

    fn propose(&self, replica: &Rc<Replica>, change: IsrChange, cause: EventId) {
        let proposed = EventKind::IsrProposed {
            partition: replica.partition,
            isr: crate::util::broker_list(&change.isr),
            leader_epoch: change.leader_epoch,
            partition_epoch: change.partition_epoch,
        };
        let event = self.host.emit(cause, proposed);
        // Without its receiver the broker is ending.
        let _ = self.isr_changes.send(isr::Proposal { replica: replica.clone(), change, event });
    }

    /// Makes the replica a leader.
    pub fn become_leader(&self, replica: &Rc<Replica>, by: &Assignment, cause: EventId) -> Result<(), ErrorCode> {
        let event = replica.lead(&self.host, self.id, by, self.flaws, cause).map_err(|_| {
            self.halt(cause);
            ErrorCode::KafkaStorageError
        })?;
        self.advance(replica, event);
        self.wake(replica.partition, event);
        Ok(())
    }

    /// Makes the replica a follower; returns the event.
    pub fn become_follower(&self, replica: &Replica, by: &Assignment, cause: EventId) -> EventId {
        let event = replica.follow(&self.host, by.leader, by.leader_epoch, cause);
        self.wake(replica.partition, event);
        event
    }

    /// Cuts a replica's log at `to`, if it is longer. Should the recovery point or the cleaner's checkpoint on disk be beyond
    /// that, it is rewritten before anything can be appended there: else a later crash would take new records for checked
    /// ones, or for cleaned ones (KAFKA-3330).
    ///
    /// # Errors
    /// Of the disk.
    pub async fn truncate(&self, replica: &Replica, to: i64, cause: EventId) -> io::Result<()> {
        let (stale_recovery_point, stale_cleaned) = {
            let mut state = replica.state.borrow_mut();
            let (from, recovery_point) = (state.log.end_offset(), state.log.recovery_point());
            let cleaned = state.log.first_dirty_offset();
            state.log.truncate_to(to).map_err(io::Error::other)?;
            let end = state.log.end_offset();
            state.counted_end = state.counted_end.min(end);
            if end < from {
                self.host.emit(cause, EventKind::Truncated { partition: replica.partition, to: end, from });
            }
            (end < recovery_point, end < cleaned)
        };
        if stale_recovery_point {
            self.checkpoint_recovery_points().await?;
        }
        if stale_cleaned {
            self.checkpoint_cleaned().await?;
        }
        Ok(())
    }

    /// Empties a replica's log: the leader's begins beyond its end.
    ///
    /// # Errors
    /// Of the disk.
    pub async fn restart_at(&self, replica: &Replica, offset: i64, cause: EventId) -> io::Result<()> {
        let stale_cleaned = {
            let mut state = replica.state.borrow_mut();
            let (from, cleaned) = (state.log.end_offset(), state.log.first_dirty_offset());
            state.log.truncate_fully_and_start_at(offset).map_err(io::Error::other)?;
            state.counted_end = offset;
            let partition = replica.partition;
            let event = self.host.emit(cause, EventKind::Truncated { partition, to: offset, from });
            self.host.emit(event, EventKind::LogStartMoved { partition, to: offset });
            offset < cleaned
        };
        if stale_cleaned {
            self.checkpoint_cleaned().await?;
        }
        self.checkpoint_recovery_points().await
    }

    fn wake(&self, partition: Partition, cause: EventId) {
        for purgatory in [&self.produced, &self.replicated, &self.consumed] {
            purgatory.changed(partition, cause);
        }
    }

    /// Takes a replica off the table, and off the disk if asked.
    pub fn stop(&self, partition: Partition, delete: bool, cause: EventId) -> Result<(), ErrorCode> {
        let Some(replica) = self.get(partition) else { return Ok(()) };
        let event = self.host.emit(cause, EventKind::ReplicaStopped { partition, deleted: delete });
        let epoch = replica.leader_epoch();
        replica.state.borrow_mut().role = Role::Idle;
        if delete {
            self.table.borrow_mut().remove(&partition);
            let directory = self.directory(partition);
            if self.host.disk().delete_dir_all(&directory).is_err() {
                self.halt(event);
                return Err(ErrorCode::KafkaStorageError);
            }
        }
        assert_eq!(replica.leader_epoch(), epoch, "a stopped replica keeps its epoch");
        self.wake(partition, event);
        Ok(())
    }

    /// Where a partition's log is.
    pub fn directory(&self, partition: Partition) -> String {
        format!("{}/{}-{}", self.data, partition.topic, partition.index)
    }
}

async fn run_flush(host: &Host, replica: &Replica, flush: log::Flush, cause: EventId) -> Result<(), ErrorCode> {
    let result = flush.run().await;
    {
        let mut state = replica.state.borrow_mut();
        state.flushing = false;
        if let Ok(flushed) = result {
            // None if the log was truncated meanwhile, or others flushed as far.
            if let Some(to) = state.log.flushed(flushed, host.wall()) {
                host.emit(cause, EventKind::Flushed { partition: replica.partition, to });
                state.counted_end = state.counted_end.max(to);
            }
            replica.flushed.notify_waiters();
            return Ok(());
        }
    }
    replica.flushed.notify_waiters();
    Err(ErrorCode::KafkaStorageError)
}
