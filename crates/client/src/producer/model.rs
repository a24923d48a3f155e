//! A model of brokers for the producer's core: a replicated log that keeps producer state as Kafka does, connections that break at
//! any time, and requests that are processed long after their connection broke.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use host::Time;
use trace::{EventId, Name, Partition};
use wire::batch::{increment_sequence, records, verify_crc};
use wire::kafka::ErrorCode;

use super::batch::Pending;
use super::core::{Cluster, Effects, ProducerCore, RequestId};
use super::sequences::ProducerIdentity;
use super::settle::Answer;
use super::{Outcome, RecordBody};
use crate::config::{ClientConfig, ProducerConfig};

/// Several, since an epoch bump must leave other partitions alone.
const PARTITIONS: i32 = 2;
const BROKERS: i32 = 2;

/// An error that a broker answers with, and whether it has appended before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Injected {
    pub(super) error: ErrorCode,
    pub(super) appends: bool,
}

/// What a broker knows of a producer in one partition.
#[derive(Clone, Default)]
struct ProducerState {
    epoch: i16,
    batches: VecDeque<(i32, i32, i64)>,
}

/// A partition's log: the records' numbers at the client, and producer states.
#[derive(Default)]
struct Log {
    records: Vec<u64>,
    producers: BTreeMap<i64, ProducerState>,
}

impl Log {
    fn append(&mut self, bytes: &Bytes) -> Result<i64, ErrorCode> {
        let header = verify_crc(bytes).expect("a producer sends whole batches");
        let state = self.producers.get(&header.producer_id).cloned().unwrap_or_default();
        let mut state = if header.producer_epoch > state.epoch {
            ProducerState { epoch: header.producer_epoch, batches: VecDeque::new() }
        } else {
            state
        };
        if header.producer_id >= 0 {
            if header.producer_epoch < state.epoch {
                return Err(ErrorCode::InvalidProducerEpoch);
            }
            let known = |batch: &&(i32, i32, i64)| (batch.0, batch.1) == (header.base_sequence, header.last_sequence());
            if let Some((_, _, offset)) = state.batches.iter().find(known) {
                return Ok(*offset);
            }
            // A broker that knows nothing of a producer takes any first number, as Kafka's does.
            let is_unknown = !self.producers.contains_key(&header.producer_id);
            let expected = state.batches.back().map_or(0, |(_, last, _)| increment_sequence(*last, 1));
            if header.base_sequence != expected && !is_unknown {
                return Err(ErrorCode::OutOfOrderSequenceNumber);
            }
        }
        let offset = self.records.len() as i64;
        for record in records(bytes).expect("a producer sends whole batches") {
            let (_, sequence) =
                crate::origin::OriginReader::default().read(record.headers[0].1.as_ref().expect("an origin")).unwrap();
            self.records.push(sequence);
        }
        state.batches.push_back((header.base_sequence, header.last_sequence(), offset));
        if state.batches.len() > 5 {
            state.batches.pop_front();
        }
        self.producers.insert(header.producer_id, state);
        Ok(offset)
    }
}

struct Sent {
    broker: i32,
    request: RequestId,
    batches: Vec<(Partition, Bytes)>,
}

#[derive(Default)]
struct Link {
    to_broker: VecDeque<Sent>,
    to_client: VecDeque<(RequestId, Vec<Answer>)>,
}

/// The whole: a producer's core, two brokers that share perfectly replicated logs, and what is between them.
pub(super) struct Model {
    pub(super) core: ProducerCore,
    pub(super) now: Time,
    /// Who leads all partitions.
    pub(super) leader: i32,
    /// Whether the broker asked last knew no topic.
    pub(super) topic_is_missing: bool,
    logs: BTreeMap<Partition, Log>,
    links: BTreeMap<i32, Link>,
    zombies: VecDeque<Sent>,
    outcomes: BTreeMap<u64, Vec<(Partition, Outcome)>>,
    sent: BTreeMap<u64, Partition>,
    next_sequence: u64,
    events: u64,
    ids_given: i64,
}

struct View<'a> {
    leader: i32,
    topic_is_missing: bool,
    links: &'a BTreeMap<i32, Link>,
    max_in_flight: usize,
}

impl Cluster for View<'_> {
    fn leader(&self, _: Partition) -> Option<i32> {
        (!self.topic_is_missing).then_some(self.leader)
    }

    fn is_missing(&self, _: Name) -> bool {
        self.topic_is_missing
    }

    fn can_send(&self, broker: i32) -> bool {
        let link = &self.links[&broker];
        link.to_broker.len() + link.to_client.len() < self.max_in_flight
    }
}

pub(super) fn config(idempotent: bool) -> ProducerConfig {
    let client = ClientConfig { request_timeout: Duration::from_secs(5), ..ClientConfig::default() };
    ProducerConfig {
        client,
        enable_idempotence: idempotent,
        batch_size: 200,
        delivery_timeout: Duration::from_secs(10),
        ..ProducerConfig::default()
    }
}

impl Model {
    pub(super) fn new(config: ProducerConfig) -> Model {
        let mut model = Model {
            core: ProducerCore::new(Rc::new(config), Name::new("p-0")),
            now: Time::from_millis(1),
            leader: 0,
            topic_is_missing: false,
            logs: (0..PARTITIONS).map(|index| (Partition::new("t", index), Log::default())).collect(),
            links: (0..BROKERS).map(|broker| (broker, Link::default())).collect(),
            zombies: VecDeque::new(),
            outcomes: BTreeMap::new(),
            sent: BTreeMap::new(),
            next_sequence: 0,
            events: 0,
            ids_given: 0,
        };
        model.run_sender();
        model
    }

    fn event(&mut self) -> EventId {
        self.events += 1;
        EventId(self.events)
    }

    /// Hands over a record, unless there is no room.
    pub(super) fn send(&mut self, index: i32) {
        let partition = Partition::new("t", index % PARTITIONS);
        let body = RecordBody { key: None, value: Some(Bytes::from_static(b"value")), headers: Vec::new() };
        let pending = Pending { sequence: self.next_sequence, report: None };
        if self.core.append(self.now, 0, partition, &body, pending).is_ok() {
            let event = self.event();
            self.core.appended_because(partition, event);
            self.sent.insert(self.next_sequence, partition);
            self.next_sequence += 1;
        }
    }

    /// What the producer's task does whenever it wakes.
    pub(super) fn run_sender(&mut self) {
        let expired = self.core.expire(self.now);
        self.tell(expired);
        if let Some((_, effects)) = self.core.bump_epoch_if_needed() {
            self.tell(effects);
        }
        if self.core.needs_identity() {
            self.ids_given += 1;
            let effects = self.core.identify(ProducerIdentity { id: self.ids_given, epoch: 0 });
            self.tell(effects);
        }
        loop {
            let (leader, topic_is_missing) = (self.leader, self.topic_is_missing);
            let max_in_flight = self.core.config.max_in_flight;
            let view = View { leader, topic_is_missing, links: &self.links, max_in_flight };
            if self.core.config.flaws.metadata_blip_resets_sequences {
                self.core.forget_missing(&view);
            }
            let Some(plan) = self.core.drain(self.now, &view) else { return };
            let event = self.event();
            self.core.on_the_wire(plan.id, &Rc::new(Cell::new(Some(event))));
            let sent = Sent { broker: plan.broker, request: plan.id, batches: plan.batches };
            self.links.get_mut(&plan.broker).unwrap().to_broker.push_back(sent);
        }
    }

    fn tell(&mut self, effects: Effects) {
        for decided in effects.decided {
            self.outcomes.entry(decided.record.sequence).or_default().push((decided.partition, decided.outcome));
        }
    }

    /// How many requests are on their way to a broker.
    pub(super) fn requests(&self, broker: i32) -> usize {
        self.links[&broker].to_broker.len()
    }

    /// A broker processes the first request on its connection.
    pub(super) fn process(&mut self, broker: i32, injected: Option<Injected>) {
        let Some(sent) = self.links.get_mut(&broker).unwrap().to_broker.pop_front() else { return };
        let answers = self.answer(&sent, injected);
        self.links.get_mut(&broker).unwrap().to_client.push_back((sent.request, answers));
    }

    /// A broker processes a request whose connection is gone.
    pub(super) fn process_zombie(&mut self) {
        if let Some(sent) = self.zombies.pop_front() {
            self.answer(&sent, None);
        }
    }

    fn answer(&mut self, sent: &Sent, injected: Option<Injected>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for (partition, bytes) in &sent.batches {
            let refused = Injected { error: ErrorCode::NotLeaderOrFollower, appends: false };
            let injected = if sent.broker == self.leader { injected } else { Some(refused) };
            let appended = match injected {
                Some(Injected { error, appends: false }) => Err(error),
                _ => self.logs.get_mut(partition).unwrap().append(bytes),
            };
            let (error, base_offset) = match (injected, appended) {
                (Some(Injected { error, .. }), Ok(_)) | (_, Err(error)) => (error, -1),
                (None, Ok(offset)) => (ErrorCode::None, offset),
            };
            answers.push(Answer { partition: *partition, error, base_offset, log_start: 0 });
        }
        answers
    }

    /// The producer receives the next answer.
    pub(super) fn receive(&mut self, broker: i32, random: u64) {
        let Some((request, answers)) = self.links.get_mut(&broker).unwrap().to_client.pop_front() else { return };
        let cause = self.event();
        let effects = self.core.answered(self.now, request, &answers, cause, random);
        self.tell(effects);
    }

    /// A connection breaks. What the broker has not processed yet it may process later.
    pub(super) fn break_link(&mut self, broker: i32, requests_survive: bool, random: u64) {
        let link = std::mem::take(self.links.get_mut(&broker).unwrap());
        let cause = self.event();
        let answered = link.to_client.into_iter().map(|(request, _)| request);
        let requests: Vec<RequestId> = answered.chain(link.to_broker.iter().map(|sent| sent.request)).collect();
        for request in requests {
            let effects = self.core.lost(self.now, request, Some(cause), cause, random);
            self.tell(effects);
        }
        if requests_survive {
            self.zombies.extend(link.to_broker);
        }
    }

    /// Time passes.
    pub(super) fn advance(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// A first record is acknowledged in every partition, so that several requests may be in flight.
    pub(super) fn warm_up(&mut self) {
        (0..PARTITIONS).for_each(|index| self.send(index));
        self.settle();
    }

    /// Everything works from now on, until every record has its outcome.
    pub(super) fn settle(&mut self) {
        for _ in 0..2_000 {
            self.run_sender();
            for broker in 0..BROKERS {
                self.process(broker, None);
                self.receive(broker, 200);
            }
            self.process_zombie();
            self.advance(20);
            if self.core.records() == 0 && self.zombies.is_empty() {
                return;
            }
        }
        panic!("{} records are undecided after 40 s of peace", self.core.records());
    }

    /// A partition's log.
    pub(super) fn log(&self, index: i32) -> &[u64] {
        &self.logs[&Partition::new("t", index)].records
    }

    /// Loses a partition's last `records`, as an unclean election does.
    pub(super) fn truncate(&mut self, index: i32, records: usize) {
        let log = self.logs.get_mut(&Partition::new("t", index)).unwrap();
        log.records.truncate(log.records.len() - records);
        let end = log.records.len() as i64;
        for state in log.producers.values_mut() {
            state.batches.retain(|(_, _, offset)| *offset < end);
        }
    }

    /// The outcome of a record.
    ///
    /// # Panics
    /// Unless it has exactly one.
    pub(super) fn outcome(&self, sequence: u64) -> Outcome {
        let outcomes = self.outcomes.get(&sequence).map_or(&[][..], Vec::as_slice);
        assert_eq!(outcomes.len(), 1, "record {sequence} has exactly one outcome: {outcomes:?}");
        assert_eq!(outcomes[0].0, self.sent[&sequence]);
        outcomes[0].1
    }

    /// Checks what a producer promises: `no_duplicates` and order hold with idempotence only.
    pub(super) fn check(&self, idempotent: bool) {
        assert_eq!(self.core.free_memory, self.core.config.buffer_memory, "all memory is returned");
        for (sequence, partition) in &self.sent {
            let log = &self.logs[partition].records;
            let copies = log.iter().filter(|record| *record == sequence).count();
            match self.outcome(*sequence) {
                Outcome::Acked { offset } => {
                    assert!(copies >= 1, "record {sequence} was acked and is lost");
                    assert!(offset < 0 || log[offset as usize] == *sequence, "record {sequence} is at its offset");
                }
                Outcome::Failed { error } => assert_eq!(copies, 0, "record {sequence} failed ({error}) and is there"),
                Outcome::Unknown { .. } => {}
            }
            assert!(!idempotent || copies <= 1, "record {sequence} is there {copies} times");
        }
        for index in 0..PARTITIONS {
            assert!(
                !idempotent || self.log(index).is_sorted(),
                "partition {index} out of order: {:?}",
                self.log(index)
            );
        }
    }
}
