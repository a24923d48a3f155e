//! Histories for tests, told as stories: `story.commit(2).crash(1).elect(2, &[2, 3])`.
//!
//! A story begins with partition email/0 on brokers 1, 2 and 3, led by broker 1 in epoch 0, and keeps a world of its own to
//! know offsets and epochs, so that it tells only what matters.

mod events;
mod groups;

use trace::{BrokerList, Event, EventId, EventKind, Name, Partition};

use crate::fold::{Batch, Role, World};
use crate::{Bounds, ClientFacts, ClientKind, Context, EndOfRun, Finding, Judge, SLUGS, Summary, Tally, TopicFacts};

/// Where the state of email/0 is stored.
pub(crate) const STATE: &str = "/brokers/topics/email/partitions/0/state";
const PRODUCER: &str = "order-service-0";
const CONSUMER: &str = "mail-service-0";
const SECOND: u64 = 1_000_000_000;

pub(crate) struct Story {
    slug: &'static str,
    context: Context,
    events: Vec<Event>,
    world: World,
    now: u64,
    next_crc: u32,
    end: EndOfRun,
}

fn email() -> Partition {
    Partition::new("email", 0)
}

fn broker(id: i32) -> String {
    format!("broker-{id}")
}

fn list(ids: &[i32]) -> BrokerList {
    BrokerList::new(ids.iter().copied())
}

fn context() -> Context {
    let email = Name::new("email");
    let producer =
        ClientFacts { acks: -1, idempotent: true, max_in_flight: 5, ordered_keys: true, ..ClientFacts::default() };
    let consumer = ClientFacts { kind: ClientKind::Consumer, topics: vec![email], ..ClientFacts::default() };
    let topic = TopicFacts { partitions: 1, replication: 3, min_insync: 2, ..TopicFacts::default() };
    Context {
        topics: [(email, topic)].into(),
        clients: [(Name::new(PRODUCER), producer), (Name::new(CONSUMER), consumer)].into(),
        unclean: true,
        bounds: Bounds { settle_ns: 60 * SECOND, liveness_ns: 30 * SECOND },
        ..Context::default()
    }
}

/// How a story ends and what came of it.
impl Story {
    /// A story for one oracle.
    pub fn of(slug: &'static str) -> Story {
        let (events, end) = (Vec::new(), EndOfRun::default());
        let mut story = Story { slug, context: context(), events, world: World::default(), now: 0, next_crc: 100, end };
        for id in 1..=3 {
            story.on(id, EventKind::NodeStarted { incarnation: 0 });
            let (broker_epoch, session) = (100 + i64::from(id), id as u64);
            story.on(id, EventKind::BrokerRegistered { broker_epoch, session });
        }
        story.controller(1, 1);
        story.on(1, EventKind::PartitionCreated { partition: email(), replicas: list(&[1, 2, 3]) });
        (1..=3).for_each(|id| story.loaded(id, 0, false));
        story.decide_as(1, 0, &[1, 2, 3], 0, 1).leads(1).follows(2).follows(3);
        story
    }

    fn judge(&mut self, slugs: &[&'static str]) -> (Vec<Finding>, u64) {
        self.end.now = self.now;
        self.end.last_event = EventId(self.events.len() as u64);
        let mut judge = Judge::new(self.context.clone(), slugs);
        let mut findings = Vec::new();
        self.events.iter().for_each(|event| judge.observe(event, &mut findings));
        judge.finish(&self.end, &mut findings);
        (findings, judge.report().first().map_or(0, |report| report.facts))
    }

    /// Settle heals these machines alone.
    pub fn core(&mut self, nodes: &[&str]) -> &mut Story {
        self.context.core = Some(nodes.iter().map(|node| Name::new(node)).collect());
        self
    }

    /// The oracle finds exactly these kinds of violation, in this order.
    #[track_caller]
    pub fn fires(&mut self, kinds: &[&str]) -> &mut Story {
        let slug = self.slug;
        let (findings, _) = self.judge(&[slug]);
        let found: Vec<&str> = findings.iter().map(|finding| &finding.signature[slug.len() + 1..]).collect();
        let told: Vec<&String> = findings.iter().map(|finding| &finding.summary).collect();
        assert_eq!(found, kinds, "{told:#?}");
        self
    }

    /// The oracle judges something and finds nothing.
    #[track_caller]
    pub fn quiet(&mut self) -> &mut Story {
        self.fires(&[]);
        assert!(self.judge(&[self.slug]).1 > 0, "the oracle judged nothing");
        self
    }

    /// The oracle has nothing to judge.
    #[track_caller]
    pub fn vacuous(&mut self) -> &mut Story {
        assert_eq!(self.judge(&[self.slug]), (Vec::new(), 0));
        self
    }

    /// No oracle finds anything, and each judged something.
    #[track_caller]
    pub fn healthy(&mut self) {
        for slug in SLUGS {
            self.slug = slug;
            self.quiet();
        }
    }

    /// Everything that any oracle finds.
    pub fn findings(&mut self) -> Vec<Finding> {
        self.judge(&SLUGS).0
    }

    /// The tally of the story.
    pub fn summary(&mut self) -> Summary {
        let mut tally = Tally::new(&self.context);
        self.events.iter().for_each(|event| tally.observe(event));
        self.end.now = self.now;
        tally.finish(&self.end);
        tally.summary()
    }

    fn tell(&mut self, node: &str, kind: EventKind) -> &mut Story {
        self.now += 1000;
        let id = EventId(self.events.len() as u64 + 1);
        let event = Event { id, at: self.now, node: Name::new(node), cause: EventId::ROOT, kind };
        let place = self.world.locate(&event);
        self.world.apply(&event, place);
        self.events.push(event);
        self
    }

    fn on(&mut self, id: i32, kind: EventKind) -> &mut Story {
        self.tell(&broker(id), kind)
    }

    fn role(&self, id: i32) -> Role {
        self.world.partition(email()).and_then(|fold| fold.replica(id)).map_or(Role::None, |replica| replica.role)
    }

    fn log_end(&self, id: i32) -> i64 {
        self.world.partition(email()).and_then(|fold| fold.replica(id)).map_or(0, |replica| replica.log.end)
    }

    fn decided(&self) -> (i32, i32) {
        let decision = self.world.partition(email()).and_then(|fold| fold.decided).expect("decided");
        (decision.epoch, decision.partition_epoch)
    }

    fn batches(&self, id: i32) -> Vec<Batch> {
        let fold = self.world.partition(email()).expect("told");
        fold.replica(id).map(|replica| replica.log.batches().to_vec()).unwrap_or_default()
    }
}

/// What was promised.
impl Story {
    pub fn allow(&mut self, word: &str) -> &mut Story {
        self.context.allow.insert(word.to_owned());
        self
    }

    pub fn expect(&mut self, slug: &str) -> &mut Story {
        self.context.expected.insert(slug.to_owned());
        self
    }

    pub fn forbid_unclean(&mut self) -> &mut Story {
        self.context.unclean = false;
        self
    }

    pub fn flush_every_message(&mut self) -> &mut Story {
        self.context.flush_every_message = true;
        self
    }

    pub fn compacted(&mut self) -> &mut Story {
        self.context.topics.values_mut().for_each(|topic| topic.compacted = true);
        self
    }

    fn client(&mut self, name: &str) -> &mut ClientFacts {
        self.context.clients.get_mut(&Name::new(name)).expect("a client of the story")
    }

    pub fn producer_acks(&mut self, acks: i16) -> &mut Story {
        self.client(PRODUCER).acks = acks;
        self
    }

    pub fn not_idempotent(&mut self) -> &mut Story {
        self.client(PRODUCER).idempotent = false;
        self
    }

    pub fn one_in_flight(&mut self) -> &mut Story {
        self.client(PRODUCER).max_in_flight = 1;
        self
    }
}

/// Logs.
impl Story {
    /// A batch of a producer appended to a replica.
    fn append_batch(&mut self, id: i32, batch: Batch, leading: bool) -> &mut Story {
        let kind = EventKind::Appended {
            partition: email(),
            base_offset: batch.base,
            producer_id: batch.producer_id,
            records: batch.records,
            leader_epoch: batch.epoch,
            crc: batch.crc,
            sequence: batch.sequence,
            producer_epoch: batch.producer_epoch,
            leading,
        };
        self.on(id, kind)
    }

    pub fn append(&mut self, id: i32, base: i64, records: u32, epoch: i32, crc: u32) -> &mut Story {
        let leading = self.role(id).leads();
        let batch = Batch { base, producer_id: -1, records, epoch, crc, sequence: -1, producer_epoch: -1 };
        self.append_batch(id, batch, leading)
    }

    pub fn append_as_leader(&mut self, id: i32, base: i64, records: u32, epoch: i32, crc: u32) -> &mut Story {
        let batch = Batch { base, producer_id: -1, records, epoch, crc, sequence: -1, producer_epoch: -1 };
        self.append_batch(id, batch, true)
    }

    /// A leader appends a new batch at its log's end.
    pub fn produce(&mut self, id: i32, records: u32) -> &mut Story {
        self.next_crc += 1;
        let (base, epoch, crc) = (self.log_end(id), self.role(id).epoch(), self.next_crc);
        self.append(id, base, records, epoch, crc)
    }

    pub fn produce_as(&mut self, id: i32, records: u32, pid: i64, producer_epoch: i16, sequence: i32) -> &mut Story {
        self.next_crc += 1;
        let (base, epoch, crc) = (self.log_end(id), self.role(id).epoch(), self.next_crc);
        let batch = Batch { base, producer_id: pid, records, epoch, crc, sequence, producer_epoch };
        self.append_batch(id, batch, true)
    }

    /// A follower fetches all that it lacks of its leader's log.
    pub fn replicate(&mut self, from: i32, to: i32) -> &mut Story {
        let end = self.log_end(to);
        for batch in self.batches(from).into_iter().filter(|batch| batch.base >= end) {
            self.append_batch(to, batch, false);
        }
        self
    }

    pub fn hw(&mut self, id: i32, to: i64) -> &mut Story {
        let (leader_epoch, leading) = (self.role(id).epoch(), self.role(id).leads());
        self.on(id, EventKind::HighWatermarkMoved { partition: email(), to, leader_epoch, leading })
    }

    /// Broker 1 appends, all replicate, all high watermarks move.
    pub fn commit(&mut self, records: u32) -> &mut Story {
        if records > 0 {
            self.produce(1, records).replicate(1, 2).replicate(1, 3);
        }
        let end = self.log_end(1);
        self.hw(1, end).hw(2, end).hw(3, end)
    }

    fn ack(&mut self, id: i32, base_offset: i64, acks: i16) -> &mut Story {
        let leader_epoch = self.role(id).epoch();
        self.on(id, EventKind::ProduceAcked { partition: email(), base_offset, records: 1, leader_epoch, acks })
    }

    pub fn produce_acked(&mut self, id: i32, base_offset: i64) -> &mut Story {
        self.ack(id, base_offset, -1)
    }

    pub fn produce_acked_by_one(&mut self, id: i32, base_offset: i64) -> &mut Story {
        self.ack(id, base_offset, 1)
    }

    pub fn deduplicated(&mut self, id: i32, base_offset: i64, producer_id: i64, sequence: i32) -> &mut Story {
        let partition = email();
        self.on(id, EventKind::Deduplicated { partition, base_offset, producer_id, producer_epoch: 0, sequence })
    }

    pub fn truncate(&mut self, id: i32, to: i64) -> &mut Story {
        let from = self.log_end(id);
        self.truncate_claiming(id, to, from)
    }

    pub fn truncate_claiming(&mut self, id: i32, to: i64, from: i64) -> &mut Story {
        self.on(id, EventKind::Truncated { partition: email(), to, from })
    }

    pub fn log_start(&mut self, id: i32, to: i64) -> &mut Story {
        self.on(id, EventKind::LogStartMoved { partition: email(), to })
    }

    /// A replica's cleaner went that far.
    pub fn clean(&mut self, id: i32, upto: i64) -> &mut Story {
        self.on(id, EventKind::LogCleaned { partition: email(), upto, kept: 1, removed: 1 })
    }

    /// All below is fsynced.
    pub fn flush(&mut self, id: i32, to: i64) -> &mut Story {
        self.on(id, EventKind::Flushed { partition: email(), to })
    }

    pub fn serve(&mut self, id: i32, base: i64) -> &mut Story {
        let hw = self.world.partition(email()).and_then(|fold| fold.replica(id)).map_or(0, |replica| replica.hw);
        self.serve_claiming(id, base, hw)
    }

    /// A client asks a broker for an offset by a timestamp, -1 (the end) or -2 (the start), and is told this one.
    pub fn list(&mut self, id: i32, asked: i64, offset: i64) -> &mut Story {
        let epoch = self.world.partition(email()).and_then(|fold| fold.replica(id)).map_or(0, |it| it.role.epoch());
        let (partition, client) = (email(), Name::new(CONSUMER));
        self.on(id, EventKind::OffsetListed { partition, asked, offset, leader_epoch: epoch, client })
    }

    pub fn serve_claiming(&mut self, id: i32, base: i64, high_watermark: i64) -> &mut Story {
        let batch = self.batches(id).into_iter().find(|batch| batch.base == base).expect("a batch to serve");
        let Batch { records, crc, epoch: leader_epoch, .. } = batch;
        let client = Name::new(CONSUMER);
        let partition = email();
        let kind =
            EventKind::Served { partition, base_offset: base, high_watermark, records, crc, leader_epoch, client };
        self.on(id, kind)
    }
}

/// Leadership and ISR.
impl Story {
    /// The controller stores a decision of the next leader epoch and version.
    pub fn decide(&mut self, leader: i32, isr: &[i32]) -> &mut Story {
        let (epoch, version) = self.decided();
        self.decide_as(leader, epoch + 1, isr, version + 1, 1)
    }

    pub fn decide_as(
        &mut self,
        leader: i32,
        leader_epoch: i32,
        isr: &[i32],
        partition_epoch: i32,
        controller_epoch: i32,
    ) -> &mut Story {
        self.decision((leader, leader_epoch), isr, (partition_epoch, controller_epoch), false)
    }

    fn decision(
        &mut self,
        (leader, leader_epoch): (i32, i32),
        isr: &[i32],
        (partition_epoch, controller_epoch): (i32, i32),
        unclean: bool,
    ) -> &mut Story {
        let kind = EventKind::LeadershipDecided {
            partition: email(),
            leader,
            leader_epoch,
            isr: list(isr),
            partition_epoch,
            controller_epoch,
            unclean,
        };
        self.on(1, kind)
    }

    /// A broker begins to lead the epoch decided last.
    pub fn leads(&mut self, id: i32) -> &mut Story {
        let epoch = self.decided().0;
        self.leads_in(id, epoch)
    }

    pub fn leads_in(&mut self, id: i32, leader_epoch: i32) -> &mut Story {
        let decision = self.world.partition(email()).and_then(|fold| fold.decided).expect("decided");
        let (log_end, isr, partition_epoch) = (self.log_end(id), decision.isr, decision.partition_epoch);
        self.on(id, EventKind::BecameLeader { partition: email(), leader_epoch, log_end, isr, partition_epoch })
    }

    /// A broker begins to follow in the epoch decided last.
    pub fn follows(&mut self, id: i32) -> &mut Story {
        let log_end = self.log_end(id);
        self.follows_at(id, log_end)
    }

    pub fn follows_at(&mut self, id: i32, log_end: i64) -> &mut Story {
        let decision = self.world.partition(email()).and_then(|fold| fold.decided).expect("decided");
        let (leader_epoch, leader) = (decision.epoch, decision.leader);
        self.on(id, EventKind::BecameFollower { partition: email(), leader_epoch, leader, log_end })
    }

    fn take_over(&mut self, leader: i32, isr: &[i32]) -> &mut Story {
        self.leads(leader);
        for follower in isr.iter().filter(|id| **id != leader) {
            self.follows(*follower);
        }
        self
    }

    /// Decided, and all who are in the ISR know it.
    pub fn elect(&mut self, leader: i32, isr: &[i32]) -> &mut Story {
        self.decide(leader, isr).take_over(leader, isr)
    }

    pub fn elect_unclean(&mut self, leader: i32) -> &mut Story {
        let (epoch, version) = self.decided();
        self.decision((leader, epoch + 1), &[leader], (version + 1, 1), true).take_over(leader, &[leader])
    }

    pub fn propose(&mut self, id: i32, isr: &[i32]) -> &mut Story {
        let (leader_epoch, partition_epoch) = (self.role(id).epoch(), self.decided().1);
        self.on(id, EventKind::IsrProposed { partition: email(), isr: list(isr), leader_epoch, partition_epoch })
    }

    /// A leader changes its ISR.
    pub fn isr(&mut self, id: i32, isr: &[i32]) -> &mut Story {
        let (epoch, version) = (self.role(id).epoch(), self.decided().1);
        self.propose(id, isr).isr_as(id, epoch, isr, version + 1)
    }

    pub fn isr_as(&mut self, id: i32, leader_epoch: i32, isr: &[i32], partition_epoch: i32) -> &mut Story {
        self.on(id, EventKind::IsrChanged { partition: email(), isr: list(isr), leader_epoch, partition_epoch })
    }

    pub fn controller(&mut self, id: i32, epoch: i32) -> &mut Story {
        self.on(id, EventKind::ControllerElected { epoch })
    }

    /// A broker applies a control request.
    pub fn control(&mut self, id: i32, controller_epoch: i32, broker_epoch: i64) -> &mut Story {
        let own_broker_epoch = self.world.broker(id).map_or(-1, |node| node.broker_epoch);
        self.control_as(id, controller_epoch, broker_epoch, own_broker_epoch)
    }

    /// A broker applies a control request before it registered in this incarnation.
    pub fn control_unregistered(&mut self, id: i32, controller_epoch: i32, broker_epoch: i64) -> &mut Story {
        self.control_as(id, controller_epoch, broker_epoch, -1)
    }

    fn control_as(&mut self, id: i32, controller_epoch: i32, broker_epoch: i64, own_broker_epoch: i64) -> &mut Story {
        let api = Name::new("LeaderAndIsr");
        self.on(id, EventKind::ControlApplied { api, controller_epoch, broker_epoch, own_broker_epoch })
    }
}
