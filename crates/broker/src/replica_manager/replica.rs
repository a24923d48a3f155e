//! One replica on this broker: its log and the state it is in. Synchronous; what must wait is its manager's.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use host::{Host, Time};
use log::{AppendedBatch, EpochEnd, Log, ReadBatches};
use tokio::sync::Notify;
use trace::{EventId, EventKind, Partition};
use uuid::Uuid;
use wire::kafka::ErrorCode;

use crate::config::TopicSettings;
use crate::flaws::{Flaw, Flaws};
use crate::replica::{Acknowledgement, Assignment, IsrChange, Leader, check_leader_epoch};
use crate::util::broker_list;

/// What a replica does.
pub(crate) enum Role {
    /// Nothing: no controller has spoken since the start.
    Idle,
    /// It leads.
    Leader(Leader),
    /// It follows this broker, or nobody (-1).
    Follower(i32),
}

pub(crate) struct State {
    pub log: Log,
    pub role: Role,
    /// The leader epoch obeyed last, -1 before the first.
    pub leader_epoch: i32,
    /// How far the log counts: what a due flush has not made durable is neither replicated nor acknowledged.
    pub counted_end: i64,
    /// Whether a flush is under way.
    pub flushing: bool,
}

/// A replica of a partition.
pub struct Replica {
    /// Of which partition.
    pub partition: Partition,
    pub(crate) topic_id: Cell<Uuid>,
    pub(crate) settings: RefCell<Rc<TopicSettings>>,
    pub(crate) state: RefCell<State>,
    pub(crate) flushed: Notify,
    /// The event by which it became what it is.
    pub(crate) became: Cell<EventId>,
}

/// Offsets of a replica at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offsets {
    /// Log start offset.
    pub log_start: i64,
    /// High watermark.
    pub high_watermark: i64,
    /// Log end offset, as far as it counts.
    pub log_end: i64,
    /// The leader epoch.
    pub leader_epoch: i32,
    /// Where the leader's epoch began.
    pub epoch_start: i64,
}

impl Replica {
    pub(crate) fn new(partition: Partition, topic_id: Uuid, settings: Rc<TopicSettings>, log: Log) -> Replica {
        let counted_end = log.end_offset();
        let state = State { log, role: Role::Idle, leader_epoch: -1, counted_end, flushing: false };
        Replica {
            partition,
            topic_id: Cell::new(topic_id),
            settings: RefCell::new(settings),
            state: RefCell::new(state),
            flushed: Notify::new(),
            became: Cell::new(EventId::ROOT),
        }
    }

    /// The leader epoch obeyed last, -1 before the first.
    pub fn leader_epoch(&self) -> i32 {
        self.state.borrow().leader_epoch
    }

    /// Whether it leads, as it believes.
    pub fn leads(&self) -> bool {
        matches!(self.state.borrow().role, Role::Leader(_))
    }

    /// Whether it still follows `leader` in `leader_epoch`.
    pub fn follows(&self, leader: i32, leader_epoch: i32) -> bool {
        let state = self.state.borrow();
        state.leader_epoch == leader_epoch && matches!(state.role, Role::Follower(id) if id == leader)
    }

    /// A leader's offsets, if the leader epoch asked for (-1: any) is its own.
    ///
    /// # Errors
    /// `FENCED_LEADER_EPOCH`, `UNKNOWN_LEADER_EPOCH`, `NOT_LEADER_OR_FOLLOWER`.
    pub fn as_leader(&self, asked_epoch: i32) -> Result<Offsets, ErrorCode> {
        let state = self.state.borrow();
        check_leader_epoch(asked_epoch, state.leader_epoch)?;
        let Role::Leader(leader) = &state.role else { return Err(ErrorCode::NotLeaderOrFollower) };
        Ok(Offsets {
            log_start: state.log.start_offset(),
            high_watermark: state.log.high_watermark(),
            log_end: state.counted_end,
            leader_epoch: state.leader_epoch,
            epoch_start: leader.epoch_start(),
        })
    }

    /// The largest epoch up to `epoch` in the log, and its end.
    pub fn epoch_end(&self, epoch: i32) -> EpochEnd {
        self.state.borrow().log.epoch_end(epoch)
    }

    /// The newest epoch in the log, with or without records.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.state.borrow().log.latest_epoch()
    }

    /// Whether the broker is one of a leader's followers.
    pub fn has_follower(&self, id: i32) -> bool {
        matches!(&self.state.borrow().role, Role::Leader(leader) if leader.follower(id).is_some())
    }

    /// Whole batches from an offset on, below `bound`.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` if the log does not hold the offset, `KAFKA_STORAGE_ERROR`.
    pub fn read(&self, from: i64, max_bytes: usize, bound: i64, at_least_one: bool) -> Result<ReadBatches, ErrorCode> {
        self.state.borrow().log.read(from, max_bytes, bound, at_least_one).map_err(|error| error.code())
    }

    /// The first record with this timestamp or a later one: its offset and timestamp.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR`.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<(i64, i64)>, ErrorCode> {
        self.state.borrow().log.offset_for_timestamp(timestamp).map_err(|error| error.code())
    }

    /// The record with the greatest timestamp, the first of several: its offset and timestamp.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR`.
    pub fn offset_of_max_timestamp(&self) -> Result<Option<(i64, i64)>, ErrorCode> {
        self.state.borrow().log.offset_of_max_timestamp().map_err(|error| error.code())
    }

    /// Size of its log, in bytes.
    pub fn size(&self) -> u64 {
        self.state.borrow().log.size()
    }

    /// Log start offset.
    pub fn log_start(&self) -> i64 {
        self.state.borrow().log.start_offset()
    }

    /// Log end offset.
    pub fn log_end(&self) -> i64 {
        self.state.borrow().log.end_offset()
    }

    /// High watermark.
    pub fn high_watermark(&self) -> i64 {
        self.state.borrow().log.high_watermark()
    }

    /// How an acks=all request stands that was appended in the leadership that began with epoch `since`: its last
    /// record must be below `required`. None while it waits.
    pub fn fate(&self, required: i64, since: i32) -> Option<ErrorCode> {
        let state = self.state.borrow();
        let Role::Leader(leader) = &state.role else { return Some(ErrorCode::NotLeaderOrFollower) };
        // It may have followed in between, and lead again without these records.
        if leader.since() != since {
            return Some(ErrorCode::NotLeaderOrFollower);
        }
        let min_isr = self.min_isr(leader);
        match leader.acknowledgement(required, state.log.high_watermark(), min_isr) {
            Acknowledgement::Waiting => None,
            Acknowledgement::Replicated => Some(ErrorCode::None),
            Acknowledgement::NotEnoughReplicas => Some(ErrorCode::NotEnoughReplicasAfterAppend),
        }
    }

    /// Whether the leader epoch is another one now, and the log still has what `epoch` wrote below `end`.
    pub fn still_holds(&self, end: i64, epoch: i32) -> bool {
        let known = self.epoch_end(epoch);
        self.leader_epoch() != epoch && known.epoch == epoch && known.end_offset >= end
    }

    pub(crate) fn min_isr(&self, leader: &Leader) -> usize {
        self.settings.borrow().min_isr(leader.replicas().len())
    }

    /// Leads from here on; returns the event.
    pub(crate) fn lead(
        &self,
        host: &Host,
        local: i32,
        by: &Assignment,
        flaws: Flaws,
        cause: EventId,
    ) -> std::io::Result<EventId> {
        let mut state = self.state.borrow_mut();
        let log_end = state.log.end_offset();
        // At once, not at the first append: otherwise an epoch without records is unknown later (KAFKA-7415).
        if !flaws.has(Flaw::EpochNotCachedOnElection) {
            state.log.start_epoch(by.leader_epoch).map_err(std::io::Error::other)?;
        }
        let before = match std::mem::replace(&mut state.role, Role::Idle) {
            Role::Leader(leader) => Some(leader),
            Role::Idle | Role::Follower(_) => None,
        };
        if before.is_none() && !state.flushing {
            state.counted_end = log_end;
        }
        state.role = Role::Leader(Leader::new(local, by, log_end, host.now(), before));
        state.leader_epoch = by.leader_epoch;
        let became = EventKind::BecameLeader {
            partition: self.partition,
            leader_epoch: by.leader_epoch,
            log_end,
            isr: broker_list(&by.isr),
            partition_epoch: by.partition_epoch,
        };
        self.became.set(host.emit(cause, became));
        Ok(self.became.get())
    }

    /// Follows `leader` from here on; returns the event.
    pub(crate) fn follow(&self, host: &Host, leader: i32, leader_epoch: i32, cause: EventId) -> EventId {
        let mut state = self.state.borrow_mut();
        state.role = Role::Follower(leader);
        state.leader_epoch = leader_epoch;
        let log_end = state.log.end_offset();
        let became = EventKind::BecameFollower { partition: self.partition, leader_epoch, leader, log_end };
        self.became.set(host.emit(cause, became));
        self.became.get()
    }

    /// Moves a leader's high watermark if its replicas allow it; returns the event.
    pub(crate) fn advance(
        &self,
        host: &Host,
        lag_max: Duration,
        alive: impl Fn(i32) -> bool,
        flaws: Flaws,
        cause: EventId,
    ) -> Option<EventId> {
        let mut state = self.state.borrow_mut();
        let Role::Leader(leader) = &state.role else { return None };
        let (current, leader_epoch) = (state.log.high_watermark(), leader.epoch());
        let timing = (host.now(), lag_max);
        let to = leader.high_watermark(state.counted_end, current, self.min_isr(leader), timing, alive, flaws)?;
        let moved = EventKind::HighWatermarkMoved { partition: self.partition, to, leader_epoch, leading: true };
        state.log.set_high_watermark(to).then(|| host.emit(cause, moved))
    }

    /// Moves a leader's high watermark to its log end, whatever its replicas have; returns the event. Only the canary does.
    pub(crate) fn advance_alone(&self, host: &Host, cause: EventId) -> Option<EventId> {
        let mut state = self.state.borrow_mut();
        let (to, leader_epoch) = (state.counted_end, state.leader_epoch);
        let moved = EventKind::HighWatermarkMoved { partition: self.partition, to, leader_epoch, leading: true };
        let leads = matches!(state.role, Role::Leader(_));
        (leads && state.log.set_high_watermark(to)).then(|| host.emit(cause, moved))
    }

    /// Takes over the leader's high watermark, as far as the own log counts; never backwards. Returns the event.
    pub(crate) fn learn_high_watermark(&self, host: &Host, leaders: i64, cause: EventId) -> Option<EventId> {
        let mut state = self.state.borrow_mut();
        let to = leaders.min(state.counted_end);
        if to <= state.log.high_watermark() || !state.log.set_high_watermark(to) {
            return None;
        }
        let (partition, leader_epoch) = (self.partition, state.leader_epoch);
        Some(host.emit(cause, EventKind::HighWatermarkMoved { partition, to, leader_epoch, leading: false }))
    }

    /// A follower has all before `offset`. Returns whether that is news, none if it is no replica or this one no leader.
    pub(crate) fn follower_fetched(&self, follower: i32, offset: i64, now: Time) -> Option<bool> {
        let mut state = self.state.borrow_mut();
        let leader_end = state.counted_end;
        let Role::Leader(leader) = &mut state.role else { return None };
        leader.fetched(follower, offset, leader_end, now)
    }

    /// An ISR change that lets `follower` in, if it is time.
    pub(crate) fn expand(&self, follower: i32, alive: impl Fn(i32) -> bool, flaws: Flaws) -> Option<IsrChange> {
        let mut state = self.state.borrow_mut();
        let high_watermark = state.log.high_watermark();
        let Role::Leader(leader) = &mut state.role else { return None };
        leader.expand(follower, high_watermark, alive, flaws)
    }

    /// An ISR change that puts out who lags, and who that is.
    pub(crate) fn shrink(&self, now: Time, lag_max: Duration) -> Option<(IsrChange, Vec<i32>)> {
        let mut state = self.state.borrow_mut();
        let leader_end = state.counted_end;
        let Role::Leader(leader) = &mut state.role else { return None };
        leader.shrink(leader_end, now, lag_max)
    }

    /// Whether the leader still waits for this ISR change.
    pub(crate) fn awaits(&self, change: &IsrChange) -> bool {
        matches!(&self.state.borrow().role, Role::Leader(leader) if leader.is_pending(change))
    }

    /// The ISR change was stored. Returns whether it was still awaited.
    pub(crate) fn isr_stored(&self, change: &IsrChange, partition_epoch: i32) -> bool {
        let mut state = self.state.borrow_mut();
        match &mut state.role {
            Role::Leader(leader) => leader.stored(change, partition_epoch),
            Role::Idle | Role::Follower(_) => false,
        }
    }

    pub(crate) fn emit_appended(&self, host: &Host, batch: &AppendedBatch, leading: bool, cause: EventId) -> EventId {
        let appended = EventKind::Appended {
            partition: self.partition,
            base_offset: batch.base_offset,
            producer_id: batch.producer_id,
            records: u32::try_from(batch.last_offset - batch.base_offset + 1).unwrap_or(u32::MAX),
            leader_epoch: batch.leader_epoch,
            crc: batch.crc,
            sequence: batch.sequence,
            producer_epoch: batch.producer_epoch,
            leading,
        };
        host.emit(cause, appended)
    }
}
