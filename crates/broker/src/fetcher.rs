//! Followers fetch from their leaders: one loop for each broker that leads partitions this one follows.
//!
//! A partition first finds where its log agrees with the leader's (OffsetForLeaderEpoch, KIP-101 and KIP-279) and cuts
//! what does not; then it fetches. From version 2.7 of the protocol between brokers on it fetches at once, names the epoch
//! of its last record, and is told with the answer where the logs part (KIP-595). Whatever an answer says counts only
//! while the replica still follows this leader in the epoch the request was sent in (KAFKA-7786).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use host::{Address, Task, Time};
use tokio::sync::Notify;
use trace::{EventId, Partition};
use wire::kafka::messages::fetch_request::{FetchPartition, FetchTopic};
use wire::kafka::messages::fetch_response::PartitionData;
use wire::kafka::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use wire::kafka::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use wire::kafka::messages::{FetchRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest};
use wire::kafka::{BrokerId, ErrorCode, Response};

use crate::apis::list_offsets::{EARLIEST, LATEST};
use crate::broker::Broker;
use crate::config::milliseconds;
use crate::flaws::Flaw;
use crate::replica::{Start, start_following, truncation};
use crate::replica_manager::Replica;
use crate::rpc::Rpc;
use crate::util::topic_name;

/// How far a followed partition is with its leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// It must find out where its log agrees with the leader's.
    Truncating,
    /// It fetches.
    Fetching,
}

impl Stage {
    /// Where a replica begins that follows this broker now, given whether it followed the same one before.
    pub fn first(broker: &Broker, replica: &Replica, same_leader: bool) -> Stage {
        if same_leader && broker.flaws.has(Flaw::SameLeaderSkipTruncate) {
            return Stage::Fetching;
        }
        // Without an epoch to name, the log can only be cut at the high watermark.
        let told_by_fetch = broker.settings.truncates_on_fetch() && replica.latest_epoch().is_some();
        if told_by_fetch { Stage::Fetching } else { Stage::Truncating }
    }
}

struct Followed {
    replica: Rc<Replica>,
    leader_epoch: i32,
    stage: Stage,
    /// Nothing is asked for it before.
    ready: Time,
}

#[derive(Default)]
struct Shared {
    partitions: BTreeMap<Partition, Followed>,
    /// What made the next request possible.
    cause: EventId,
}

struct Fetcher {
    shared: Rc<RefCell<Shared>>,
    changed: Rc<Notify>,
    address: Address,
    task: Task,
}

/// All fetch loops of a broker, by the leader's id.
#[derive(Default)]
pub struct Fetchers {
    by_leader: RefCell<BTreeMap<i32, Fetcher>>,
}

impl Fetchers {
    /// Stops fetching a partition.
    pub fn remove(&self, partition: Partition) {
        for fetcher in self.by_leader.borrow().values() {
            fetcher.shared.borrow_mut().partitions.remove(&partition);
        }
    }

    /// Begins to follow `leader` at `address`, in the epoch the replica has now.
    pub fn add(
        &self,
        broker: &Rc<Broker>,
        leader: i32,
        address: Address,
        replica: Rc<Replica>,
        stage: Stage,
        cause: EventId,
    ) {
        let mut by_leader = self.by_leader.borrow_mut();
        if by_leader.get(&leader).is_some_and(|fetcher| fetcher.address != address) {
            let moved = by_leader.remove(&leader).expect("just found");
            moved.task.cancel();
            let fetcher = start(broker, leader, address);
            fetcher.shared.borrow_mut().partitions = std::mem::take(&mut moved.shared.borrow_mut().partitions);
            by_leader.insert(leader, fetcher);
        }
        let fetcher = by_leader.entry(leader).or_insert_with(|| start(broker, leader, address));
        let followed =
            Followed { leader_epoch: replica.leader_epoch(), stage, ready: Time::ZERO, replica: replica.clone() };
        let mut shared = fetcher.shared.borrow_mut();
        shared.partitions.insert(replica.partition, followed);
        shared.cause = cause;
        drop(shared);
        fetcher.changed.notify_one();
    }
}

fn start(broker: &Rc<Broker>, leader: i32, address: Address) -> Fetcher {
    let (shared, changed) = (Rc::new(RefCell::new(Shared::default())), Rc::new(Notify::new()));
    let rpc = Rpc::new(broker.host.clone(), format!("broker-{}-fetcher", broker.id), address);
    let run = Loop { broker: broker.clone(), leader, rpc, shared: shared.clone(), changed: changed.clone() };
    Fetcher { shared, changed, address, task: broker.host.spawn("fetcher", run.run()) }
}

struct Loop {
    broker: Rc<Broker>,
    leader: i32,
    rpc: Rpc,
    shared: Rc<RefCell<Shared>>,
    changed: Rc<Notify>,
}

/// What a request was sent for: the replica, and the epoch it was in then.
type Asked = (Rc<Replica>, i32);

impl Loop {
    async fn run(mut self) {
        loop {
            let now = self.broker.host.now();
            let truncating = self.ready(Stage::Truncating, now);
            if !truncating.is_empty() {
                self.truncate(truncating).await;
                continue;
            }
            let fetching = self.ready(Stage::Fetching, now);
            if !fetching.is_empty() {
                self.fetch(fetching).await;
                continue;
            }
            let earliest = self.shared.borrow().partitions.values().map(|it| it.ready).min();
            match earliest {
                Some(ready) => {
                    let _ = self.broker.host.timeout(ready - now, self.changed.notified()).await;
                }
                None => self.changed.notified().await,
            }
        }
    }

    fn ready(&self, stage: Stage, now: Time) -> Vec<Asked> {
        let shared = self.shared.borrow();
        let ready = shared.partitions.values().filter(|it| it.stage == stage && it.ready <= now);
        ready.map(|it| (it.replica.clone(), it.leader_epoch)).collect()
    }

    fn cause(&self) -> EventId {
        self.shared.borrow().cause
    }

    fn backoff(&self) -> Duration {
        milliseconds(self.broker.settings.replica_fetch_backoff_ms)
    }

    fn timeout(&self) -> Duration {
        milliseconds(self.broker.settings.replica_socket_timeout_ms)
    }

    /// Whether an answer still concerns the replica.
    fn current(&self, (replica, epoch): &Asked) -> bool {
        let shared = self.shared.borrow();
        let followed = shared.partitions.get(&replica.partition);
        followed.is_some_and(|it| it.leader_epoch == *epoch) && replica.follows(self.leader, *epoch)
    }

    /// Whether an answer to OffsetForLeaderEpoch is still to be obeyed.
    fn obeys(&self, asked: &Asked) -> bool {
        // Fetchers are kept from epoch to epoch: the partition may be back, in another one.
        let back = self.broker.flaws.has(Flaw::StaleEpochResponse)
            && self.shared.borrow().partitions.contains_key(&asked.0.partition);
        back || self.current(asked)
    }

    /// The leader epoch that a request in this epoch names.
    fn named(&self, epoch: i32) -> i32 {
        if self.broker.flaws.has(Flaw::UnfencedFetch) { -1 } else { epoch }
    }

    fn update(&self, asked: &Asked, change: impl FnOnce(&mut Followed)) {
        if self.current(asked) {
            change(self.shared.borrow_mut().partitions.get_mut(&asked.0.partition).expect("it is current"));
        }
    }

    fn delay(&self, asked: &Asked) {
        let ready = self.broker.host.now() + self.backoff();
        self.update(asked, |it| it.ready = ready);
    }

    /// The partition's leader epoch is over: it waits for the next LeaderAndIsr.
    fn give_up(&self, asked: &Asked) {
        if self.current(asked) {
            self.shared.borrow_mut().partitions.remove(&asked.0.partition);
        }
    }

    async fn call(&mut self, request: impl Into<wire::kafka::Request>, asked: &[Asked]) -> Option<(Response, EventId)> {
        let (cause, timeout) = (self.cause(), self.timeout());
        match self.rpc.call(cause, &request.into(), timeout).await {
            Ok(answer) => {
                self.shared.borrow_mut().cause = answer.cause;
                Some((answer.response, answer.cause))
            }
            Err(failure) => {
                self.shared.borrow_mut().cause = failure.cause;
                asked.iter().for_each(|asked| self.delay(asked));
                None
            }
        }
    }

    // ---- truncation

    async fn truncate(&mut self, truncating: Vec<Asked>) {
        let mut questions = Vec::new();
        for asked in truncating {
            let replica = &asked.0;
            match start_following(replica.latest_epoch(), replica.high_watermark(), self.broker.flaws) {
                Start::AskEpochEnd(epoch) => questions.push((asked, epoch)),
                Start::TruncateTo(offset) => self.cut(&asked, offset, true, replica.became.get()).await,
            }
        }
        if questions.is_empty() {
            return;
        }
        let all: Vec<Asked> = questions.iter().map(|(asked, _)| asked.clone()).collect();
        let request = epoch_ends_request(self.broker.id, &questions, |epoch| self.named(epoch));
        let Some((Response::OffsetForLeaderEpoch(response), cause)) = self.call(request, &all).await else { return };
        self.broker.host.dawdle("broker/truncates-late", Duration::from_secs(1), cause).await;
        let answers: BTreeMap<(&str, i32), _> = response
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|it| ((topic.topic.as_str(), it.partition), it)))
            .collect();
        for asked in &all {
            let Partition { topic, index } = asked.0.partition;
            let Some(answer) = answers.get(&(topic.as_str(), index)) else {
                self.delay(asked);
                continue;
            };
            match ErrorCode::from_code(answer.error_code) {
                ErrorCode::None => self.agree(asked, (answer.leader_epoch, answer.end_offset), cause).await,
                ErrorCode::FencedLeaderEpoch => self.give_up(asked),
                _ => self.delay(asked),
            }
        }
    }

    /// Cuts the log by what the leader said of an epoch.
    async fn agree(&self, asked: &Asked, leaders: (i32, i64), cause: EventId) {
        let replica = &asked.0;
        let own_end = |epoch| {
            let end = replica.epoch_end(epoch);
            (end.epoch, end.end_offset)
        };
        let mut step = truncation(leaders, replica.log_end(), replica.high_watermark(), own_end);
        if self.broker.flaws.has(Flaw::HwTruncationDivergence) {
            step.to = step.to.max(replica.high_watermark());
        }
        // "Halting because log truncation is not allowed" (KAFKA-3410).
        if self.broker.flaws.has(Flaw::HaltOnAheadFollower) && step.to < replica.log_end() {
            return self.broker.replicas.halt(cause);
        }
        self.cut(asked, step.to, step.complete, cause).await;
    }

    async fn cut(&self, asked: &Asked, to: i64, complete: bool, cause: EventId) {
        if !self.obeys(asked) {
            return;
        }
        if self.broker.replicas.truncate(&asked.0, to, cause).await.is_err() {
            return self.broker.replicas.halt(cause);
        }
        let fetches = complete || self.broker.settings.truncates_on_fetch();
        let stage = if fetches { Stage::Fetching } else { Stage::Truncating };
        self.update(asked, |it| it.stage = stage);
    }

    // ---- fetching

    async fn fetch(&mut self, fetching: Vec<Asked>) {
        let request = self.fetch_request(&fetching);
        let Some((Response::Fetch(response), cause)) = self.call(request, &fetching).await else { return };
        if response.error_code != 0 {
            return fetching.iter().for_each(|asked| self.delay(asked));
        }
        let bytes: usize = response
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions)
            .map(|it| it.records.as_ref().map_or(0, Bytes::len))
            .sum();
        self.broker.host.disk().admit(bytes).await;
        let mut answers: BTreeMap<(&str, i32), &PartitionData> = BTreeMap::new();
        for topic in &response.responses {
            for partition in &topic.partitions {
                answers.insert((topic.topic.as_str(), partition.partition_index), partition);
            }
        }
        for asked in &fetching {
            let Partition { topic, index } = asked.0.partition;
            match answers.get(&(topic.as_str(), index)) {
                Some(data) => self.fetched(asked, data, cause).await,
                None => self.delay(asked),
            }
        }
    }

    fn fetch_request(&self, fetching: &[Asked]) -> FetchRequest {
        let settings = &self.broker.settings;
        let bytes = |value: i64| i32::try_from(value).unwrap_or(i32::MAX);
        let partition = |(replica, epoch): &Asked| {
            let log_start = replica.state.borrow().log.start_offset();
            let last_epoch = if settings.truncates_on_fetch() { replica.latest_epoch() } else { None };
            FetchPartition::default()
                .with_partition(replica.partition.index)
                .with_current_leader_epoch(self.named(*epoch))
                .with_last_fetched_epoch(last_epoch.unwrap_or(-1))
                .with_fetch_offset(replica.log_end())
                .with_log_start_offset(log_start)
                .with_partition_max_bytes(bytes(settings.replica_fetch_max_bytes))
        };
        FetchRequest::default()
            .with_replica_id(BrokerId(self.broker.id))
            .with_max_wait_ms(bytes(settings.replica_fetch_wait_max_ms))
            .with_min_bytes(bytes(settings.replica_fetch_min_bytes))
            .with_max_bytes(bytes(settings.replica_fetch_response_max_bytes))
            .with_session_epoch(-1)
            .with_topics(
                by_topic(fetching, partition)
                    .into_iter()
                    .map(|(topic, partitions)| {
                        FetchTopic::default().with_topic(topic_name(topic)).with_partitions(partitions)
                    })
                    .collect(),
            )
    }

    async fn fetched(&mut self, asked: &Asked, data: &PartitionData, cause: EventId) {
        if !self.current(asked) {
            return;
        }
        match ErrorCode::from_code(data.error_code) {
            ErrorCode::None if data.diverging_epoch.epoch >= 0 => {
                let diverging = &data.diverging_epoch;
                if self.broker.flaws.has(Flaw::HwBeforeTruncate) {
                    asked.0.learn_high_watermark(&self.broker.host, data.high_watermark, cause);
                }
                self.agree(asked, (diverging.epoch, diverging.end_offset), cause).await;
            }
            ErrorCode::None => self.append(asked, data, cause).await,
            ErrorCode::OffsetOutOfRange => self.find_range(asked).await,
            ErrorCode::FencedLeaderEpoch => self.give_up(asked),
            _ => self.delay(asked),
        }
    }

    async fn append(&self, asked: &Asked, data: &PartitionData, cause: EventId) {
        let (broker, replica) = (&self.broker, &asked.0);
        if let Some(records) = data.records.clone().filter(|records| !records.is_empty()) {
            let appended = replica.state.borrow_mut().log.append_as_follower(records);
            match appended {
                Ok(batches) => {
                    for batch in &batches {
                        replica.emit_appended(&broker.host, batch, false, cause);
                    }
                }
                Err(error) if error.code() == ErrorCode::KafkaStorageError => return broker.replicas.halt(cause),
                // Damaged on its way, or not what follows: ask again.
                Err(_) => return self.delay(asked),
            }
        }
        if broker.replicas.count_appended(replica, cause).await.is_ok() && self.current(asked) {
            replica.learn_high_watermark(&broker.host, data.high_watermark, cause);
        }
    }

    /// The leader does not have the offset: go to its end if that is before ours, else to its start.
    async fn find_range(&mut self, asked: &Asked) {
        let Some((end, cause)) = self.leaders_offset(asked, LATEST).await else { return };
        if end < asked.0.log_end() {
            return self.cut(asked, end, true, cause).await;
        }
        let Some((start, cause)) = self.leaders_offset(asked, EARLIEST).await else { return };
        if start <= asked.0.log_end() || !self.current(asked) {
            return self.delay(asked);
        }
        let restarted: io::Result<()> = self.broker.replicas.restart_at(&asked.0, start, cause).await;
        if restarted.is_err() {
            self.broker.replicas.halt(cause);
        }
    }

    async fn leaders_offset(&mut self, asked: &Asked, timestamp: i64) -> Option<(i64, EventId)> {
        let Partition { topic, index } = asked.0.partition;
        let partition = ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_current_leader_epoch(self.named(asked.1))
            .with_timestamp(timestamp);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(self.broker.id)).with_topics(vec![
            ListOffsetsTopic::default().with_name(topic_name(topic.as_str())).with_partitions(vec![partition]),
        ]);
        let (response, cause) = self.call(request, std::slice::from_ref(asked)).await?;
        let Response::ListOffsets(response) = response else { return None };
        let found = response.topics.first().and_then(|topic| topic.partitions.first());
        match found {
            Some(found) if found.error_code == 0 && self.current(asked) => Some((found.offset, cause)),
            _ => {
                self.delay(asked);
                None
            }
        }
    }
}

fn epoch_ends_request(id: i32, questions: &[(Asked, i32)], named: impl Fn(i32) -> i32) -> OffsetForLeaderEpochRequest {
    let partition = |((replica, current), epoch): &(Asked, i32)| {
        let partition = OffsetForLeaderPartition::default()
            .with_partition(replica.partition.index)
            .with_current_leader_epoch(named(*current))
            .with_leader_epoch(*epoch);
        (replica.partition.topic, partition)
    };
    let mut topics: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (topic, partition) in questions.iter().map(partition) {
        topics.entry(topic).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        OffsetForLeaderTopic::default().with_topic(topic_name(topic.as_str())).with_partitions(partitions)
    });
    OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(id)).with_topics(topics.collect())
}

fn by_topic<T>(asked: &[Asked], of: impl Fn(&Asked) -> T) -> BTreeMap<&'static str, Vec<T>> {
    let mut topics: BTreeMap<&str, Vec<T>> = BTreeMap::new();
    for one in asked {
        topics.entry(one.0.partition.topic.as_str()).or_default().push(of(one));
    }
    topics
}
