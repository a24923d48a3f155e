//! The consumer's one task: finds positions, checks them, fetches ahead.

use std::collections::BTreeMap;
use std::rc::Rc;

use host::Time;
use trace::{EventId, Name, Partition};
use wire::kafka::messages::fetch_request::{FetchPartition, FetchTopic};
use wire::kafka::messages::fetch_response::PartitionData;
use wire::kafka::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use wire::kafka::messages::offset_for_leader_epoch_response::EpochEndOffset;
use wire::kafka::messages::{FetchRequest, FetchResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use wire::kafka::{BrokerId, ErrorCode, Request, Response, StrBytes};

use super::Shared;
use super::completed::{Aborted, Completed};
use super::position::{Question, Remedy, Want, remedy};
use crate::config::{Isolation, OffsetReset};
use crate::error::ConsumerError;
use crate::network::{Failure, Reply, topic_name};
use crate::offsets::{OffsetSpec, list_offsets_request, listed};
use crate::race::race;

/// What came of the questions in one request.
pub(super) struct Notice {
    broker: i32,
    questions: Vec<Question>,
    result: Result<Reply, Failure>,
}

/// The three kinds of request, by what is wanted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Committed,
    Offset,
    EpochEnd,
    Records,
}

fn kind(want: Want) -> Kind {
    match want {
        Want::Committed => Kind::Committed,
        Want::Offset(_) => Kind::Offset,
        Want::EpochEnd(_) => Kind::EpochEnd,
        Want::Records(_) => Kind::Records,
    }
}

impl Shared {
    pub(super) async fn run_fetcher(self: Rc<Self>) {
        loop {
            self.take_notices();
            self.follow_metadata();
            let wake_at = self.ask();
            let notified = self.wake.notified();
            if wake_at == Time::NEVER {
                notified.await;
            } else {
                race(notified, self.host.sleep_until(wake_at)).await;
            }
        }
    }

    /// Takes over new partitions and leaders.
    pub(super) fn follow_metadata(&self) {
        let version = self.network.with_metadata(|metadata| metadata.version());
        if self.seen_metadata.replace(version) != version {
            if self.group.is_some() {
                // A poll looks at the topics of the group.
                self.arrival.notify_waiters();
            }
            let topics = self.topics.borrow();
            for topic in topics.iter() {
                let count = self.network.with_metadata(|metadata| metadata.partition_count(*topic)).unwrap_or(0);
                (0..count).for_each(|index| self.add_partition(Partition { topic: *topic, index }));
            }
        }
        for state in self.partitions.borrow_mut().values_mut() {
            let topic = state.partition.topic;
            state.learn_topic(self.network.with_metadata(|metadata| metadata.topic_id(topic)));
            state.learn(self.network.leadership(state.partition));
        }
    }

    /// Asks the leaders what can be asked now; returns when to look again.
    fn ask(self: &Rc<Self>) -> Time {
        let now = self.host.now();
        let mut wake_at = Time::NEVER;
        let mut leaderless = false;
        let mut requests: BTreeMap<(i32, Kind), Vec<Question>> = BTreeMap::new();
        for state in self.partitions.borrow_mut().values_mut() {
            if state.outruns_metadata() && state.not_before() <= now {
                let (backoff, random) = (self.network.config().retry(), self.network.random());
                state.retry(now, |failures| backoff.after(failures, random));
                self.network.request_refresh(self.last_notice.get());
            }
            leaderless |= state.leader().is_none();
            if state.not_before() > now {
                wake_at = wake_at.min(state.not_before());
            }
            if let Some(question) = state.question(now)
                && let Some(leader) = state.leader()
            {
                requests.entry((leader, kind(question.want))).or_default().push(question);
            }
        }
        for ((broker, kind), questions) in requests {
            if !self.network.ready(broker, self.last_notice.get()) {
                wake_at = wake_at.min(self.network.retry_at(broker).unwrap_or(Time::NEVER));
            } else if kind != Kind::Records || self.fetching.borrow_mut().insert(broker) {
                self.send(broker, kind, questions);
            }
        }
        let is_unknown =
            |topic: &Name| self.network.with_metadata(|metadata| metadata.partition_count(*topic)).is_none();
        if leaderless || self.topics.borrow().iter().any(is_unknown) {
            self.network.request_refresh_once(self.last_notice.get());
        }
        wake_at
    }

    fn send(self: &Rc<Self>, broker: i32, kind: Kind, questions: Vec<Question>) {
        let request = match kind {
            Kind::Offset => self.offset_request(&questions),
            Kind::EpochEnd => epoch_end_request(&questions),
            Kind::Records => self.fetch_request(&questions),
            Kind::Committed => unreachable!("the coordinator is asked elsewhere"),
        };
        let mut partitions = self.partitions.borrow_mut();
        for question in &questions {
            partitions.get_mut(&question.partition).expect("only assigned partitions ask").asked();
        }
        drop(partitions);
        let shared = self.clone();
        let done = Box::new(move |result| {
            shared.notices.borrow_mut().push_back(Notice { broker, questions, result });
            shared.wake.notify_one();
        });
        self.network.send(broker, self.last_notice.get(), &request, true, done);
    }

    fn offset_request(&self, questions: &[Question]) -> Request {
        let spec = match self.config.auto_offset_reset {
            OffsetReset::Earliest => OffsetSpec::Earliest,
            OffsetReset::Latest | OffsetReset::None => OffsetSpec::Latest,
        };
        let asked: Vec<_> =
            questions.iter().map(|question| (question.partition, question.leader_epoch, spec)).collect();
        list_offsets_request(&asked, self.config.isolation)
    }

    fn fetch_request(&self, questions: &[Question]) -> Request {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for question in questions {
            let Want::Records(offset) = question.want else { unreachable!("grouped by kind") };
            let entry = FetchPartition::default()
                .with_partition(question.partition.index)
                .with_current_leader_epoch(question.leader_epoch)
                .with_fetch_offset(offset)
                .with_log_start_offset(-1)
                .with_partition_max_bytes(self.config.max_partition_fetch_bytes);
            let name = question.partition.topic;
            match topics.iter_mut().find(|topic| topic.topic.as_str() == name.as_str()) {
                Some(topic) => topic.partitions.push(entry),
                None => topics.push(FetchTopic::default().with_topic(topic_name(name)).with_partitions(vec![entry])),
            }
        }
        let max_wait = i32::try_from(self.config.fetch_max_wait.as_millis()).unwrap_or(i32::MAX);
        let little = self.host.buggify("client/fetches-little", self.last_notice.get());
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(max_wait)
            .with_min_bytes(self.config.fetch_min_bytes)
            .with_max_bytes(if little { 1 } else { self.config.fetch_max_bytes })
            .with_isolation_level(self.config.isolation.code())
            .with_session_id(0)
            .with_session_epoch(-1)
            .with_rack_id(
                self.config.rack.map_or_else(StrBytes::default, |rack| StrBytes::from_static_str(rack.as_str())),
            )
            .with_topics(topics)
            .into()
    }

    fn take_notices(&self) {
        loop {
            let notice = self.notices.borrow_mut().pop_front();
            let Some(Notice { broker, questions, result }) = notice else { return };
            if questions.first().is_some_and(|question| kind(question.want) == Kind::Records) {
                self.fetching.borrow_mut().remove(&broker);
            }
            self.last_notice.set(match &result {
                Ok(Reply { cause, .. }) | Err(Failure { cause, .. }) => *cause,
            });
            match result {
                Ok(Reply { response: Some(Response::Fetch(response)), cause }) => {
                    self.fetched(questions, response, cause)
                }
                Ok(Reply { response: Some(Response::OffsetForLeaderEpoch(response)), cause }) => {
                    self.epoch_ends(questions, &response, cause);
                }
                Ok(Reply { response: Some(response), cause }) => self.offsets_found(questions, &response, cause),
                Ok(Reply { cause, .. }) | Err(Failure { cause, .. }) => {
                    questions
                        .into_iter()
                        .for_each(|question| self.failed(question, ErrorCode::NetworkException, cause));
                }
            }
        }
    }

    /// The question got no answer, or one that passes or ends it.
    pub(super) fn failed(&self, question: Question, error: ErrorCode, cause: EventId) {
        let mut partitions = self.partitions.borrow_mut();
        let Some(state) = partitions.get_mut(&question.partition) else { return };
        if !state.answered(question) {
            return;
        }
        if self.config.flaws.reset_on_transient_error && error == ErrorCode::NetworkException {
            state.reset_without_reason();
        }
        match remedy(error) {
            Remedy::Stop => state.stop(ConsumerError::Broker(error)),
            remedy => {
                let (backoff, random) = (self.network.config().retry(), self.network.random());
                state.retry(self.host.now(), |failures| backoff.after(failures, random));
                if remedy == Remedy::Refresh {
                    self.network.request_refresh(cause);
                }
            }
        }
    }

    fn offsets_found(&self, questions: Vec<Question>, response: &Response, cause: EventId) {
        let answers = listed(response);
        for question in questions {
            let Some(answer) = answers.get(&question.partition) else {
                self.failed(question, ErrorCode::UnknownServerError, cause);
                continue;
            };
            let error = ErrorCode::from_code(answer.error_code);
            if !error.is_none() {
                self.failed(question, error, cause);
                continue;
            }
            let mut partitions = self.partitions.borrow_mut();
            let Some(state) = partitions.get_mut(&question.partition) else { continue };
            if state.answered(question)
                && let Some(moved) = state.found(answer.offset, answer.leader_epoch)
            {
                self.report_move(cause, question.partition, moved);
            }
        }
    }

    fn epoch_ends(&self, questions: Vec<Question>, response: &OffsetForLeaderEpochResponse, cause: EventId) {
        for question in questions {
            let Some(answer) = epoch_end(response, question.partition) else {
                self.failed(question, ErrorCode::UnknownServerError, cause);
                continue;
            };
            let error = ErrorCode::from_code(answer.error_code);
            if !error.is_none() {
                self.failed(question, error, cause);
                continue;
            }
            let mut partitions = self.partitions.borrow_mut();
            let Some(state) = partitions.get_mut(&question.partition) else { continue };
            if state.answered(question)
                && let Some(moved) = state.validated(answer.leader_epoch, answer.end_offset)
            {
                self.report_move(cause, question.partition, moved);
            }
        }
    }

    fn fetched(&self, questions: Vec<Question>, mut response: FetchResponse, cause: EventId) {
        let error = ErrorCode::from_code(response.error_code);
        for question in questions {
            match take_data(&mut response, question.partition) {
                _ if !error.is_none() => self.failed(question, error, cause),
                None => self.failed(question, ErrorCode::UnknownServerError, cause),
                Some(data) => self.fetched_partition(question, data, cause),
            }
        }
        self.arrival.notify_waiters();
    }

    fn fetched_partition(&self, question: Question, data: PartitionData, cause: EventId) {
        let error = ErrorCode::from_code(data.error_code);
        let leader = &data.current_leader;
        if leader.leader_id.0 >= 0 {
            let (id, epoch) = (leader.leader_id.0, leader.leader_epoch);
            self.network.with_metadata(|metadata| metadata.learn_leader(question.partition, id, epoch));
        }
        if !error.is_none() && error != ErrorCode::OffsetOutOfRange {
            return self.failed(question, error, cause);
        }
        let Want::Records(offset) = question.want else { unreachable!("grouped by kind") };
        let mut partitions = self.partitions.borrow_mut();
        let Some(state) = partitions.get_mut(&question.partition) else { return };
        if !state.answered(question) {
            return;
        }
        if error == ErrorCode::OffsetOutOfRange {
            return state.out_of_range(offset);
        }
        state.end = Some(match self.config.isolation {
            Isolation::ReadUncommitted => data.high_watermark,
            Isolation::ReadCommitted => data.last_stable_offset,
        });
        let bytes = data.records.unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        let aborted = match self.config.isolation {
            Isolation::ReadUncommitted => Vec::new(),
            Isolation::ReadCommitted => data.aborted_transactions.iter().flatten().map(aborted).collect(),
        };
        state.complete(Completed::new(cause, bytes, offset, self.config.check_crcs, aborted));
        self.arrived.borrow_mut().push_back(question.partition);
    }
}

fn aborted(transaction: &wire::kafka::messages::fetch_response::AbortedTransaction) -> Aborted {
    Aborted { first_offset: transaction.first_offset, producer_id: transaction.producer_id.0 }
}

fn epoch_end_request(questions: &[Question]) -> Request {
    let mut topics: Vec<OffsetForLeaderTopic> = Vec::new();
    for question in questions {
        let Want::EpochEnd(epoch) = question.want else { unreachable!("grouped by kind") };
        let entry = OffsetForLeaderPartition::default()
            .with_partition(question.partition.index)
            .with_current_leader_epoch(question.leader_epoch)
            .with_leader_epoch(epoch);
        let name = question.partition.topic;
        match topics.iter_mut().find(|topic| topic.topic.as_str() == name.as_str()) {
            Some(topic) => topic.partitions.push(entry),
            None => {
                topics.push(OffsetForLeaderTopic::default().with_topic(topic_name(name)).with_partitions(vec![entry]))
            }
        }
    }
    OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics).into()
}

fn epoch_end(response: &OffsetForLeaderEpochResponse, partition: Partition) -> Option<&EpochEndOffset> {
    let topic = response.topics.iter().find(|topic| topic.topic.as_str() == partition.topic.as_str())?;
    topic.partitions.iter().find(|answer| answer.partition == partition.index)
}

fn take_data(response: &mut FetchResponse, partition: Partition) -> Option<PartitionData> {
    let topic = response.responses.iter_mut().find(|topic| topic.topic.as_str() == partition.topic.as_str())?;
    let place = topic.partitions.iter().position(|data| data.partition_index == partition.index)?;
    Some(topic.partitions.swap_remove(place))
}
