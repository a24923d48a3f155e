//! The consumer: reads the partitions assigned to it, by hand or by its group.

mod completed;
mod fetcher;
mod group;
mod position;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use host::{Address, Host, Task, Time};
use tokio::sync::Notify;
use trace::{EventId, EventKind, Name, Partition};
use wire::batch::Record;

use self::completed::Step;
use self::fetcher::Notice;
pub use self::group::{CommitOffset, Polled, assignor};
use self::group::{Group, Pattern};
use self::position::{Moved, PartitionState};
pub(crate) use self::position::{Remedy, remedy};
use crate::config::ConsumerConfig;
use crate::error::{ClientError, CommitError, ConsumerError, GroupError};
use crate::hash::key_hash;
use crate::network::{Network, until};
use crate::offsets::{OffsetSpec, list_offsets};
use crate::origin::{ORIGIN_HEADER, OriginReader};

/// A record that a poll returned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolledRecord {
    /// Its partition.
    pub partition: Partition,
    /// Its offset.
    pub offset: i64,
    /// The leader epoch of its batch.
    pub leader_epoch: i32,
    /// Its timestamp in ms.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// The client that sent it; `unknown` if the record does not say.
    pub producer: Name,
    /// Its number at that client; 0 if the record does not say.
    pub sequence: u64,
    /// Its `RecordPolled` event: the cause of what is done with it.
    pub cause: EventId,
}

impl PolledRecord {
    /// What to commit when this record and all before it are done with.
    pub fn next(&self) -> (Partition, CommitOffset) {
        (self.partition, CommitOffset { offset: self.offset + 1, leader_epoch: self.leader_epoch })
    }
}

/// Who a consumer is in its group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupMetadata {
    /// `group.id`.
    pub group: Name,
    /// The generation, or -1.
    pub generation: i32,
    /// The member id.
    pub member: Option<Name>,
    /// `group.instance.id`.
    pub instance: Option<Name>,
}

/// A Kafka consumer, of partitions assigned by hand ([`Consumer::assign`]) or by its group ([`Consumer::subscribe`]). It fetches ahead by
/// itself; [`Consumer::poll`] takes what has come.
///
/// Dropping it ends it, without a word to its group; [`Consumer::close`] leaves first.
pub struct Consumer {
    shared: Rc<Shared>,
    fetcher: Task,
    member: Option<Task>,
}

struct Shared {
    host: Host,
    config: ConsumerConfig,
    network: Network,
    partitions: RefCell<BTreeMap<Partition, PartitionState>>,
    /// Topics of which all partitions are read.
    topics: RefCell<BTreeSet<Name>>,
    /// Partitions with fetched records, in the order in which they came.
    arrived: RefCell<VecDeque<Partition>>,
    /// Brokers that have a Fetch request of ours.
    fetching: RefCell<BTreeSet<i32>>,
    notices: RefCell<VecDeque<Notice>>,
    seen_metadata: Cell<u64>,
    /// Partitions ever assigned.
    assignments: Cell<u32>,
    /// The last answer that was looked at: the cause of what is asked next.
    last_notice: Cell<EventId>,
    origins: RefCell<OriginReader>,
    /// With `group.id`.
    group: Option<Group>,
    /// Wakes the fetcher.
    wake: Rc<Notify>,
    /// Tells that records have arrived.
    arrival: Notify,
}

impl Consumer {
    /// Starts a consumer without partitions.
    pub fn new(host: Host, bootstrap: Vec<Address>, config: ConsumerConfig) -> Consumer {
        let wake = Rc::new(Notify::new());
        let network = Network::new(host.clone(), config.client.clone(), bootstrap, wake.clone());
        network.with_metadata(|metadata| metadata.ignores_topic_ids = config.flaws.topic_recreated_same_name);
        let group = config.group.clone().map(|group| Group::new(group, config.client.retry()));
        let shared = Rc::new(Shared {
            group,
            host: host.clone(),
            config,
            network,
            partitions: RefCell::default(),
            topics: RefCell::default(),
            arrived: RefCell::default(),
            fetching: RefCell::default(),
            notices: RefCell::default(),
            seen_metadata: Cell::new(0),
            assignments: Cell::new(0),
            last_notice: Cell::new(EventId::ROOT),
            origins: RefCell::default(),
            wake,
            arrival: Notify::new(),
        });
        let running = shared.clone();
        let fetcher = host.spawn("kafka consumer", async move { running.run_fetcher().await });
        let member = shared.group.is_some().then(|| {
            let running = shared.clone();
            host.spawn("kafka group member", async move { running.run_group().await })
        });
        Consumer { shared, fetcher, member }
    }

    /// Becomes a member of the group `group.id`, which shares out all partitions of the topics that its members want. Replaces an earlier
    /// subscription. Joining and every rebalance go on inside [`Consumer::poll_group`].
    ///
    /// # Errors
    /// If the consumer has no `group.id`.
    pub fn subscribe(&self, topics: &[Name]) -> Result<(), GroupError> {
        let group = self.begin_subscription()?;
        group.set_subscription(None, topics.iter().copied().collect());
        topics.iter().for_each(|topic| self.shared.network.add_interest(*topic, EventId::ROOT));
        Ok(())
    }

    /// Like [`Consumer::subscribe`], for all topics whose name has this form, also those created later. In a pattern `.*` stands for any
    /// text, as in `mail.*`; everything else stands for itself.
    ///
    /// # Errors
    /// If the consumer has no `group.id`.
    pub fn subscribe_pattern(&self, pattern: &str) -> Result<(), GroupError> {
        let group = self.begin_subscription()?;
        group.set_subscription(Some(Pattern::new(pattern)), BTreeSet::new());
        self.shared.network.with_metadata(|metadata| metadata.want_all_topics());
        self.shared.network.request_refresh(EventId::ROOT);
        Ok(())
    }

    /// Leaves the group and reads nothing any more; commits first, if that is automatic. Waits up to `timeout` for the coordinator.
    pub async fn unsubscribe(&self, timeout: Duration) {
        self.shared.leave_group(timeout).await;
        if let Some(group) = &self.shared.group {
            group.set_subscription(None, BTreeSet::new());
        }
    }

    /// Partitions that were assigned by hand are not read any more.
    fn begin_subscription(&self) -> Result<&Group, GroupError> {
        let group = self.shared.group.as_ref().ok_or(GroupError::NoGroup)?;
        self.shared.topics.borrow_mut().clear();
        self.shared.partitions.borrow_mut().retain(|partition, _| group.owns(*partition));
        Ok(group)
    }

    /// Polls as a member of a group: returns records, or what happens to the assignment. The time between two calls counts for
    /// `max.poll.interval.ms`.
    ///
    /// # Errors
    /// If this member cannot go on at all: fenced by another with its `group.instance.id`, or refused for good.
    pub async fn poll_group(&self, max_wait: Duration) -> Result<Polled, GroupError> {
        self.shared.poll_group(max_wait).await
    }

    /// Commits these offsets, or else what polls have returned so far, and waits until that is settled; errors that pass are retried.
    ///
    /// # Errors
    /// If it is not settled after `timeout`, or refused, above all because the partitions are not this member's any more.
    pub async fn commit_sync(
        &self,
        offsets: Option<BTreeMap<Partition, CommitOffset>>,
        timeout: Duration,
    ) -> Result<(), CommitError> {
        self.shared.commit_sync(offsets, timeout).await
    }

    /// Like [`Consumer::commit_sync`], but does not wait, and tries once. What comes of it is told by events.
    ///
    /// # Errors
    /// If nothing can be committed now.
    pub fn commit_async(&self, offsets: Option<BTreeMap<Partition, CommitOffset>>) -> Result<(), CommitError> {
        self.shared.commit_async(offsets)
    }

    /// The group's committed offsets of these partitions; those that have one.
    ///
    /// # Errors
    /// If they are not known after `timeout`, or the coordinator refuses.
    pub async fn committed(
        &self,
        partitions: &[Partition],
        timeout: Duration,
    ) -> Result<BTreeMap<Partition, CommitOffset>, ClientError> {
        self.shared.committed_offsets(partitions, timeout).await
    }

    /// Who this consumer is in its group.
    pub fn group_metadata(&self) -> Option<GroupMetadata> {
        self.shared.group.as_ref().map(Group::metadata)
    }

    /// Why this member cannot go on at all.
    pub fn group_error(&self) -> Option<GroupError> {
        self.shared.group.as_ref().and_then(Group::failure)
    }

    /// How many records there were beyond the position when the partition was fetched last.
    pub fn lag(&self, partition: Partition) -> Option<i64> {
        let partitions = self.shared.partitions.borrow();
        let state = partitions.get(&partition)?;
        Some((state.end? - state.position()?.offset).max(0))
    }

    /// Reads all partitions of these topics, also those added later. Replaces what was assigned; positions of partitions that
    /// stay are kept.
    ///
    /// # Panics
    /// If the consumer is subscribed.
    pub fn assign(&self, topics: &[Name]) {
        self.assert_not_subscribed();
        let shared = &self.shared;
        *shared.topics.borrow_mut() = topics.iter().copied().collect();
        shared.seen_metadata.set(0);
        shared.partitions.borrow_mut().retain(|partition, _| topics.contains(&partition.topic));
        topics.iter().for_each(|topic| shared.network.add_interest(*topic, EventId::ROOT));
        shared.follow_metadata();
        shared.wake.notify_one();
    }

    /// Reads exactly these partitions. Replaces what was assigned; positions of partitions that stay are kept.
    ///
    /// # Panics
    /// If the consumer is subscribed.
    pub fn assign_partitions(&self, partitions: &[Partition]) {
        self.assert_not_subscribed();
        let shared = &self.shared;
        shared.topics.borrow_mut().clear();
        shared.partitions.borrow_mut().retain(|partition, _| partitions.contains(partition));
        for partition in partitions {
            shared.network.add_interest(partition.topic, EventId::ROOT);
            shared.add_partition(*partition);
        }
        shared.follow_metadata();
        shared.wake.notify_one();
    }

    /// As in Kafka, what a group assigns and what is assigned by hand exclude each other.
    fn assert_not_subscribed(&self) {
        let is_subscribed = self.shared.group.as_ref().is_some_and(Group::is_subscribed);
        assert!(!is_subscribed, "a subscribed consumer is assigned partitions by its group");
    }

    /// The partitions read.
    pub fn assignment(&self) -> Vec<Partition> {
        self.shared.partitions.borrow().keys().copied().collect()
    }

    /// Up to `max.poll.records` records; waits up to `max_wait` for the first. A member of a group that does not want to hear of its
    /// assignment may use this too: it gives partitions up at once, and [`Consumer::group_error`] tells why nothing comes any more.
    pub async fn poll(&self, max_wait: Duration) -> Vec<PolledRecord> {
        let deadline = self.shared.host.now() + max_wait;
        if self.shared.group.as_ref().is_some_and(Group::is_subscribed) {
            return self.poll_for_records(deadline).await;
        }
        let waiting = async {
            loop {
                let mut arrival = pin!(self.shared.arrival.notified());
                arrival.as_mut().enable();
                let records = self.shared.take_records();
                if !records.is_empty() {
                    return records;
                }
                arrival.await;
            }
        };
        until(&self.shared.host, deadline, waiting).await.unwrap_or_default()
    }

    async fn poll_for_records(&self, deadline: Time) -> Vec<PolledRecord> {
        loop {
            let now = self.shared.host.now();
            match self.shared.poll_group(deadline.since(now.min(deadline))).await {
                Ok(Polled::Records(records)) => return records,
                Ok(_) => {}
                Err(_) => {
                    self.shared.host.sleep_until(deadline).await;
                    return Vec::new();
                }
            }
        }
    }

    /// Records that the service has done its work for this record.
    pub fn processed(&self, record: &PolledRecord) -> EventId {
        let PolledRecord { partition, offset, sequence, producer, .. } = *record;
        let key = record.key.as_deref().map_or(0, key_hash);
        self.shared.host.emit(record.cause, EventKind::RecordProcessed { partition, offset, sequence, producer, key })
    }

    /// The offset of the next record that poll would return.
    pub fn position(&self, partition: Partition) -> Option<i64> {
        self.shared.partitions.borrow().get(&partition)?.position().map(|position| position.offset)
    }

    /// Goes on from `offset`. Without effect on a partition that is not assigned.
    pub fn seek(&self, cause: EventId, partition: Partition, offset: i64) {
        let moved = self.shared.partitions.borrow_mut().get_mut(&partition).map(|state| state.seek(offset));
        if let Some(moved) = moved {
            self.shared.report_move(cause, partition, moved);
            self.shared.wake.notify_one();
        }
    }

    /// Returns no records of these partitions until [`Consumer::resume`].
    pub fn pause(&self, partitions: &[Partition]) {
        self.set_paused(partitions, true);
    }

    /// Undoes [`Consumer::pause`].
    pub fn resume(&self, partitions: &[Partition]) {
        self.set_paused(partitions, false);
        self.shared.arrival.notify_waiters();
    }

    fn set_paused(&self, partitions: &[Partition], paused: bool) {
        let mut states = self.shared.partitions.borrow_mut();
        for partition in partitions {
            if let Some(state) = states.get_mut(partition) {
                state.paused = paused;
            }
        }
        self.shared.wake.notify_one();
    }

    /// Partitions that cannot go on by themselves, and why. A seek makes them go on.
    pub fn errors(&self) -> Vec<(Partition, ConsumerError)> {
        let partitions = self.shared.partitions.borrow();
        partitions.iter().filter_map(|(partition, state)| Some((*partition, state.error()?))).collect()
    }

    /// The log start of these partitions.
    ///
    /// # Errors
    /// If it is not known after `timeout`, or a broker refuses.
    pub async fn beginning_offsets(
        &self,
        partitions: &[Partition],
        timeout: Duration,
    ) -> Result<BTreeMap<Partition, i64>, ClientError> {
        self.offsets(partitions, OffsetSpec::Earliest, timeout).await
    }

    /// The end of what may be read of these partitions.
    ///
    /// # Errors
    /// If it is not known after `timeout`, or a broker refuses.
    pub async fn end_offsets(
        &self,
        partitions: &[Partition],
        timeout: Duration,
    ) -> Result<BTreeMap<Partition, i64>, ClientError> {
        self.offsets(partitions, OffsetSpec::Latest, timeout).await
    }

    /// The offsets that `spec` asks for.
    ///
    /// # Errors
    /// If they are not known after `timeout`, or a broker refuses.
    pub async fn offsets(
        &self,
        partitions: &[Partition],
        spec: OffsetSpec,
        timeout: Duration,
    ) -> Result<BTreeMap<Partition, i64>, ClientError> {
        let deadline = self.shared.host.now() + timeout;
        let isolation = self.shared.config.isolation;
        list_offsets(&self.shared.network, EventId::ROOT, partitions, spec, isolation, deadline).await
    }

    /// Ends the consumer: commits what polls have returned, if that is automatic, and leaves the group (a static member stays in it until
    /// its session ends). Waits up to `timeout` for the coordinator.
    pub async fn close(self, timeout: Duration) {
        self.shared.leave_group(timeout).await;
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.fetcher.cancel();
        if let Some(member) = &self.member {
            member.cancel();
        }
        self.shared.network.close();
    }
}

impl Shared {
    fn add_partition(&self, partition: Partition) {
        let policy = self.config.auto_offset_reset;
        self.partitions.borrow_mut().entry(partition).or_insert_with(|| {
            self.assignments.set(self.assignments.get() + 1);
            match &self.group {
                None => PartitionState::new(partition, policy, self.assignments.get()),
                Some(group) => {
                    group.wake.notify_one();
                    PartitionState::of_group(partition, policy, self.assignments.get())
                }
            }
        });
    }

    fn report_move(&self, cause: EventId, partition: Partition, moved: Moved) {
        let Moved { from, to, reason } = moved;
        self.host.emit(cause, EventKind::PositionReset { partition, from, to, reason: Name::new(reason) });
    }

    /// What has arrived, up to `max.poll.records`.
    fn take_records(&self) -> Vec<PolledRecord> {
        let mut records = Vec::new();
        let mut kept = VecDeque::new();
        while records.len() < self.config.max_poll_records {
            let Some(partition) = self.arrived.borrow_mut().pop_front() else { break };
            if self.take_from(partition, &mut records) {
                kept.push_back(partition);
            }
        }
        // What was not used up stays first in line.
        let mut arrived = self.arrived.borrow_mut();
        kept.into_iter().rev().for_each(|partition| arrived.push_front(partition));
        records
    }

    /// Takes records of one partition; whether there may be more of them.
    fn take_from(&self, partition: Partition, records: &mut Vec<PolledRecord>) -> bool {
        let mut partitions = self.partitions.borrow_mut();
        let Some(state) = partitions.get_mut(&partition) else { return false };
        if !state.delivers() {
            return state.completed.is_some();
        }
        let Some(mut completed) = state.completed.take() else { return false };
        while records.len() < self.config.max_poll_records {
            match completed.step() {
                Ok(Step::Record(record, epoch)) => {
                    state.advance(record.offset + 1, epoch);
                    records.push(self.delivered(partition, record, epoch, completed.cause));
                }
                Ok(Step::End { offset, epoch }) => {
                    if let Some(epoch) = epoch {
                        state.advance(offset, epoch);
                    }
                    self.wake.notify_one();
                    return false;
                }
                Err(_) => {
                    let offset = state.position().map_or(-1, |position| position.offset);
                    state.stop(ConsumerError::Corrupt(offset));
                    return false;
                }
            }
        }
        state.completed = Some(completed);
        true
    }

    fn delivered(&self, partition: Partition, record: Record, leader_epoch: i32, cause: EventId) -> PolledRecord {
        let Record { offset, timestamp, key, value, headers } = record;
        let origin = headers.iter().rev().find(|(name, _)| name.as_str() == ORIGIN_HEADER);
        let origin = origin.and_then(|(_, value)| self.origins.borrow_mut().read(value.as_deref()?));
        let (producer, sequence) = origin.unwrap_or_else(|| (Name::new("unknown"), 0));
        let hash = key.as_deref().map_or(0, key_hash);
        let event = EventKind::RecordPolled { partition, offset, sequence, producer, leader_epoch, key: hash };
        let cause = self.host.emit(cause, event);
        if let Some(group) = &self.group {
            group.last_record.set(cause);
        }
        PolledRecord { partition, offset, leader_epoch, timestamp, key, value, producer, sequence, cause }
    }
}
