//! The consumer: reads the partitions assigned to it.

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
use host::{Address, Host, Task};
use tokio::sync::Notify;
use trace::{EventId, EventKind, Name, Partition};
use wire::batch::Record;

use self::completed::Step;
use self::fetcher::Notice;
pub use self::group::assignor;
use self::position::{Moved, PartitionState};
pub(crate) use self::position::{Remedy, remedy};
use crate::config::ConsumerConfig;
use crate::error::{ClientError, ConsumerError};
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

/// A Kafka consumer of partitions assigned by hand. It fetches ahead by itself; [`Consumer::poll`] takes what has come.
///
/// Dropping it ends it.
pub struct Consumer {
    shared: Rc<Shared>,
    fetcher: Task,
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
        let shared = Rc::new(Shared {
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
        Consumer { shared, fetcher }
    }

    /// Reads all partitions of these topics, also those added later. Replaces what was assigned; positions of partitions that
    /// stay are kept.
    pub fn assign(&self, topics: &[Name]) {
        let shared = &self.shared;
        *shared.topics.borrow_mut() = topics.iter().copied().collect();
        shared.seen_metadata.set(0);
        shared.partitions.borrow_mut().retain(|partition, _| topics.contains(&partition.topic));
        topics.iter().for_each(|topic| shared.network.add_interest(*topic, EventId::ROOT));
        shared.follow_metadata();
        shared.wake.notify_one();
    }

    /// Reads exactly these partitions. Replaces what was assigned; positions of partitions that stay are kept.
    pub fn assign_partitions(&self, partitions: &[Partition]) {
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

    /// The partitions read.
    pub fn assignment(&self) -> Vec<Partition> {
        self.shared.partitions.borrow().keys().copied().collect()
    }

    /// Up to `max.poll.records` records; waits up to `max_wait` for the first.
    pub async fn poll(&self, max_wait: Duration) -> Vec<PolledRecord> {
        let deadline = self.shared.host.now() + max_wait;
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

    /// Ends the consumer.
    pub fn close(self) {}
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.fetcher.cancel();
        self.shared.network.close();
    }
}

impl Shared {
    fn add_partition(&self, partition: Partition) {
        let policy = self.config.auto_offset_reset;
        self.partitions.borrow_mut().entry(partition).or_insert_with(|| {
            self.assignments.set(self.assignments.get() + 1);
            PartitionState::new(partition, policy, self.assignments.get())
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
        PolledRecord { partition, offset, leader_epoch, timestamp, key, value, producer, sequence, cause }
    }
}
