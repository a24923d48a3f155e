//! The producer's one task: moves answers into the core and requests out of it.

use std::rc::Rc;

use host::Time;
use trace::{EventId, EventKind, Name, Partition};
use wire::kafka::messages::produce_request::{PartitionProduceData, TopicProduceData};
use wire::kafka::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse};
use wire::kafka::{ErrorCode, ProducerId, Request, Response};

use super::Shared;
use super::core::{Cluster, ProduceRequestPlan, RequestId};
use super::sequences::ProducerIdentity;
use super::settle::Answer;
use crate::config::Acks;
use crate::network::{Failure, Network, Reply, topic_name};
use crate::race::race;

/// What the network has to say.
pub(super) enum Notice {
    /// About a produce request.
    Produce(RequestId, Result<Reply, Failure>),
    /// About an InitProducerId request.
    Identity(Result<Reply, Failure>),
}

/// How far the search for a producer id is.
#[derive(Clone, Copy)]
pub(super) enum Identifying {
    /// Nobody was asked, or the answer was no good.
    Idle {
        /// Not to be asked before.
        not_before: Time,
        /// Attempts that failed.
        failures: u32,
    },
    /// A broker was asked.
    Asked {
        /// Attempts that failed before.
        failures: u32,
    },
}

struct View<'a> {
    network: &'a Network,
    max_in_flight: usize,
}

impl Cluster for View<'_> {
    fn leader(&self, partition: Partition) -> Option<i32> {
        self.network.leadership(partition).leader
    }

    fn is_missing(&self, topic: Name) -> bool {
        self.network.with_metadata(|metadata| metadata.is_missing(topic))
    }

    fn can_send(&self, broker: i32) -> bool {
        self.network.is_ready(broker) && self.network.in_flight(broker) < self.max_in_flight
    }
}

impl Shared {
    pub(super) async fn run_sender(self: Rc<Self>) {
        loop {
            self.take_notices();
            let wake_at = self.send_what_is_due();
            let notified = self.wake.notified();
            if wake_at == Time::NEVER {
                notified.await;
            } else {
                race(notified, self.host.sleep_until(wake_at)).await;
            }
        }
    }

    fn take_notices(&self) {
        loop {
            let notice = self.notices.borrow_mut().pop_front();
            match notice {
                None => return,
                Some(Notice::Produce(request, result)) => self.settle(request, result),
                Some(Notice::Identity(result)) => self.identify(result),
            }
        }
    }

    fn settle(&self, request: RequestId, result: Result<Reply, Failure>) {
        let (now, random) = (self.host.now(), self.network.random());
        let mut core = self.core.borrow_mut();
        let (cause, effects) = match result {
            Ok(Reply { response: Some(Response::Produce(response)), cause }) => {
                self.learn_leaders(&response);
                (cause, core.answered(now, request, &answers(&response), cause, random))
            }
            Ok(Reply { cause, .. }) => (cause, core.sent_without_answer(request, cause)),
            Err(Failure { sent, cause, .. }) => (cause, core.lost(now, request, sent, cause, random)),
        };
        drop(core);
        self.last_notice.set(cause);
        self.apply(effects);
    }

    /// KIP-951: an error says who leads now.
    fn learn_leaders(&self, response: &ProduceResponse) {
        for topic in &response.responses {
            for partition in
                topic.partition_responses.iter().filter(|partition| partition.current_leader.leader_id.0 >= 0)
            {
                let leader = &partition.current_leader;
                let named = Partition::new(topic.name.as_str(), partition.index);
                self.network
                    .with_metadata(|metadata| metadata.learn_leader(named, leader.leader_id.0, leader.leader_epoch));
            }
        }
    }

    fn identify(&self, result: Result<Reply, Failure>) {
        let cause = match &result {
            Ok(reply) => reply.cause,
            Err(failure) => failure.cause,
        };
        self.last_notice.set(cause);
        if let Ok(Reply { response: Some(Response::InitProducerId(response)), .. }) = result
            && ErrorCode::from_code(response.error_code).is_none()
        {
            let identity = ProducerIdentity { id: response.producer_id.0, epoch: response.producer_epoch };
            let given_up = self.core.borrow_mut().identify(identity);
            self.identifying.set(Identifying::Idle { not_before: Time::ZERO, failures: 0 });
            self.emit_identity(cause, identity);
            return self.apply(given_up);
        }
        let Identifying::Asked { failures } = self.identifying.get() else { panic!("an answer to no question") };
        let wait = self.network.config().retry().after(failures + 1, self.network.random());
        let not_before = self.host.now() + wait;
        self.identifying.set(Identifying::Idle { not_before, failures: failures + 1 });
    }

    fn emit_identity(&self, cause: EventId, identity: ProducerIdentity) {
        let ProducerIdentity { id: producer_id, epoch: producer_epoch } = identity;
        self.host.emit(cause, EventKind::ProducerInitialized { producer_id, producer_epoch });
    }

    /// Returns when to look again, if nothing happens before.
    fn send_what_is_due(self: &Rc<Self>) -> Time {
        let now = self.host.now();
        if self.host.buggify("client/asks-for-metadata", self.last_notice.get()) {
            self.network.request_refresh_once(self.last_notice.get());
        }
        let expired = self.core.borrow_mut().expire(now);
        self.apply(expired);
        let bumped = self.core.borrow_mut().bump_epoch_if_needed();
        if let Some((identity, given_up)) = bumped {
            self.emit_identity(self.last_notice.get(), identity);
            self.apply(given_up);
        }
        let identity_due = self.ask_for_identity(now);
        let view = View { network: &self.network, max_in_flight: self.config.max_in_flight };
        if self.config.flaws.metadata_blip_resets_sequences {
            self.core.borrow_mut().forget_missing(&view);
        }
        let wanted = self.core.borrow().wanted_brokers(now, &view);
        let mut wake_at = identity_due;
        for (broker, cause) in wanted {
            if !self.network.ready(broker, cause)
                && let Some(at) = self.network.retry_at(broker)
            {
                wake_at = wake_at.min(at);
            }
        }
        loop {
            let plan = self.core.borrow_mut().drain(now, &view);
            let Some(plan) = plan else { break };
            self.send_produce(plan);
        }
        if self.core.borrow().waits_for_leader(now, &view) {
            self.network.request_refresh_once(self.last_notice.get());
        }
        wake_at.min(self.core.borrow().next_wakeup(now))
    }

    /// Returns when to try again.
    fn ask_for_identity(self: &Rc<Self>, now: Time) -> Time {
        let Identifying::Idle { not_before, failures } = self.identifying.get() else { return Time::NEVER };
        if !self.core.borrow().needs_identity() {
            return Time::NEVER;
        }
        if not_before > now {
            return not_before;
        }
        let cause = self.last_notice.get();
        let Some(node) = self.network.least_loaded() else {
            // All nodes are in their reconnect backoff.
            return now + self.network.config().reconnect_backoff;
        };
        if !self.network.ready(node, cause) {
            return Time::NEVER;
        }
        self.identifying.set(Identifying::Asked { failures });
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let shared = self.clone();
        let done = Box::new(move |result| shared.notice(Notice::Identity(result)));
        self.network.send(node, cause, &request.into(), true, done);
        Time::NEVER
    }

    fn notice(&self, notice: Notice) {
        self.notices.borrow_mut().push_back(notice);
        self.wake.notify_one();
    }

    fn send_produce(self: &Rc<Self>, plan: ProduceRequestPlan) {
        let ProduceRequestPlan { id, broker, batches, cause } = plan;
        let mut topics: Vec<TopicProduceData> = Vec::new();
        for (partition, bytes) in batches {
            let data = PartitionProduceData::default().with_index(partition.index).with_records(Some(bytes));
            match topics.iter_mut().find(|topic| topic.name.as_str() == partition.topic.as_str()) {
                Some(topic) => topic.partition_data.push(data),
                None => topics.push(
                    TopicProduceData::default().with_name(topic_name(partition.topic)).with_partition_data(vec![data]),
                ),
            }
        }
        let timeout = i32::try_from(self.network.config().request_timeout.as_millis()).unwrap_or(i32::MAX);
        let request: Request = ProduceRequest::default()
            .with_acks(self.config.acks.code())
            .with_timeout_ms(timeout)
            .with_topic_data(topics)
            .into();
        let shared = self.clone();
        let done = Box::new(move |result| shared.notice(Notice::Produce(id, result)));
        let sent = self.network.send(broker, cause, &request, self.config.acks != Acks::None, done);
        self.core.borrow_mut().on_the_wire(id, &sent);
    }
}

fn answers(response: &ProduceResponse) -> Vec<Answer> {
    let of_topic = |topic: &wire::kafka::messages::produce_response::TopicProduceResponse| {
        let name = trace::Name::new(topic.name.as_str());
        let of_partition =
            move |partition: &wire::kafka::messages::produce_response::PartitionProduceResponse| Answer {
                partition: Partition { topic: name, index: partition.index },
                error: ErrorCode::from_code(partition.error_code),
                base_offset: partition.base_offset,
                log_start: partition.log_start_offset,
            };
        topic.partition_responses.iter().map(of_partition).collect::<Vec<_>>()
    };
    response.responses.iter().flat_map(of_topic).collect()
}
