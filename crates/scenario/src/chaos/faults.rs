//! One drawn fault: whom it hits, how hard, how long.

use std::collections::BTreeMap;

use crate::random::Stream;
use crate::{
    Bandwidth, Chaos, Condition, Direction, Duration, Fault, FaultKind, Keep, Latency, Plan, Ratio, Selector, Trigger,
    Until,
};

// Requests that decide something: holding one back lets the world change before it arrives.
const REPLICATION_APIS: &[&str] = &["Fetch", "OffsetForLeaderEpoch"];
const CONTROL_APIS: &[&str] = &["LeaderAndIsr", "UpdateMetadata", "StopReplica"];
const GROUP_APIS: &[&str] = &["JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup", "OffsetCommit", "OffsetFetch"];
const ENSEMBLE_APIS: &[&str] = &["setData", "multi", "create", "getData", "delete"];

/// Draws the faults of one plan.
pub(super) struct Drawing<'a> {
    chaos: &'a Chaos,
    seed: u64,
    stream: Stream,
    id: String,
    /// The partition whose event the fault waits for: it rather hits that one's replicas.
    focus: Option<(String, u32)>,
    /// Fault atlas: without `unrestricted`, only this broker's disk is ever harmed, so that a good copy survives.
    unlucky: Selector,
    /// Whether all machines may lose power at once: not where one of the copies may be destroyed.
    correlated: bool,
}

/// The group without the nodes of the other side.
fn other(group: &str) -> Selector {
    Selector::Other(Box::new(Selector::Group(group.into())))
}

impl<'a> Drawing<'a> {
    pub(super) fn new(chaos: &'a Chaos, plan: &Plan, kinds: &BTreeMap<&'static str, u32>) -> Drawing<'a> {
        let destroys = ["replace-disk", "bit-rot"].iter().any(|kind| kinds.contains_key(kind));
        let correlated = chaos.correlated && (chaos.unrestricted || !destroys);
        let mut stream = Stream::new(plan.seed, "chaos/atlas");
        let unlucky = Selector::Node(format!("broker-{}", stream.between(1, u64::from(plan.cluster.brokers))));
        Drawing { chaos, seed: plan.seed, stream, id: String::new(), focus: None, unlucky, correlated }
    }

    /// The next fault has its own stream: deleting another leaves its draws alone.
    pub(super) fn begin(&mut self, id: &str) {
        self.id = id.to_string();
        self.focus = None;
        self.stream = Stream::new(self.seed, &format!("chaos/fault/{id}"));
    }

    /// Now and then a fault waits for an event of the cluster instead of a time.
    pub(super) fn event(&mut self, plan: &Plan) -> Option<Trigger> {
        if !self.stream.one_in(6) || plan.topics.is_empty() {
            return None;
        }
        let (topic, partition) = self.partition(plan);
        let text = match self.stream.below(3) {
            0 => format!("isr({topic}/{partition}) < {}", self.replication(plan, &topic)),
            1 => format!("leader-epoch({topic}/{partition}) >= {}", self.stream.between(1, 6)),
            _ => format!("isr({topic}/{partition}) == 1"),
        };
        self.focus = Some((topic, partition));
        let condition = Condition::parse(&text).expect("it is written here");
        Some(Trigger::When { condition, after: self.stream.duration(1, 5_000) })
    }

    fn replication(&self, plan: &Plan, topic: &str) -> u32 {
        plan.topics.iter().find(|known| known.name == topic).map_or(1, |topic| topic.replication)
    }

    fn partition(&mut self, plan: &Plan) -> (String, u32) {
        if let Some(focus) = self.focus.clone() {
            return focus;
        }
        let topic = self.stream.pick(&plan.topics);
        (topic.name.clone(), self.stream.below(u64::from(topic.partitions)) as u32)
    }

    /// A broker: by name, or by what it does at that moment.
    fn broker(&mut self, plan: &Plan) -> Selector {
        let group = plan.consumers.iter().find_map(|consumer| consumer.group.clone());
        match self.stream.below(if self.focus.is_some() { 3 } else { 4 }) {
            0 => match group {
                Some(group) if self.stream.one_in(2) => Selector::GroupCoordinator(group),
                _ => Selector::Controller,
            },
            1 if !plan.topics.is_empty() => {
                let (topic, partition) = self.partition(plan);
                Selector::Leader(topic, partition)
            }
            _ => Selector::Node(format!("broker-{}", self.stream.between(1, u64::from(plan.cluster.brokers)))),
        }
    }

    /// A consumer that has a group.
    fn consumer(&mut self, plan: &Plan) -> Option<Selector> {
        let consumers: Vec<&crate::Consumer> = plan.consumers.iter().filter(|it| it.group.is_some()).collect();
        (!consumers.is_empty()).then(|| Selector::Group(self.stream.pick(&consumers).name.clone()))
    }

    /// What changes who is in a group.
    fn rebalance(&mut self, plan: &Plan, kind: &str, lasts: Duration) -> Option<FaultKind> {
        let consumer = self.consumer(plan)?;
        let kind = match kind {
            "rebalance" => *self.stream.pick(&["add-member", "remove-member", "kill-client", "slow-consumer"]),
            kind => kind,
        };
        Some(match kind {
            "add-member" => FaultKind::AddMember { consumer },
            "remove-member" => FaultKind::RemoveMember { consumer },
            "slow-consumer" => {
                FaultKind::SlowConsumer { consumer, process: self.stream.duration(10, 10_000), lasts: Some(lasts) }
            }
            _ => FaultKind::KillClient { node: Selector::Any(Box::new(consumer)), down: Some(lasts) },
        })
    }

    fn member(&mut self, plan: &Plan) -> Selector {
        match self.stream.below(3) {
            0 => Selector::ZkLeader,
            _ => Selector::Node(format!("zk-{}", self.stream.between(1, u64::from(plan.cluster.zookeepers)))),
        }
    }

    /// A broker or, more seldom, a member of the ensemble.
    fn machine(&mut self, plan: &Plan) -> Selector {
        if self.stream.one_in(4) { self.member(plan) } else { self.broker(plan) }
    }

    /// All machines of a kind: they hang on one power supply.
    fn everyone(&mut self) -> Selector {
        Selector::Group(if self.stream.one_in(3) { "zookeepers" } else { "brokers" }.into())
    }

    /// Two sides of a link.
    fn sides(&mut self, plan: &Plan) -> (Selector, Selector) {
        match self.stream.below(10) {
            0..3 => (self.broker(plan), other("brokers")),
            3..5 => (self.broker(plan), Selector::Group("zookeepers".into())),
            5 => (self.member(plan), other("zookeepers")),
            6 if !plan.topics.is_empty() => self.replicas(plan),
            7 if plan.clients().next().is_some() => (self.broker(plan), Selector::Group("clients".into())),
            8 if plan.clients().next().is_some() => {
                (self.client(plan), Selector::Majority(Box::new(Selector::Group("brokers".into()))))
            }
            _ => (self.broker(plan), Selector::Any(Box::new(other("brokers")))),
        }
    }

    /// A follower and its leader: one link of replication, while the others go on.
    fn replicas(&mut self, plan: &Plan) -> (Selector, Selector) {
        let (topic, partition) = self.partition(plan);
        (Selector::Follower(topic.clone(), partition), Selector::Leader(topic, partition))
    }

    fn client(&mut self, plan: &Plan) -> Selector {
        let clients: Vec<(&str, u32)> = plan.clients().collect();
        let (name, count) = *self.stream.pick(&clients);
        Selector::Node(format!("{name}-{}", self.stream.below(u64::from(count.max(1)))))
    }

    fn direction(&mut self) -> Direction {
        *self.stream.pick(&[Direction::Both, Direction::Both, Direction::Outbound, Direction::Inbound])
    }

    fn latency(&mut self, low_ms: u64, high_ms: u64) -> Latency {
        let p50 = self.stream.duration(low_ms, high_ms);
        Latency { p50, p99: Duration::from_nanos(p50.nanos() * self.stream.between(1, 8)) }
    }

    /// A fault of this kind; `None` where the cluster has nothing that it could hit.
    pub(super) fn fault(&mut self, plan: &Plan, kind: &str, trigger: Trigger) -> Option<Fault> {
        let kind = self.kind(plan, kind)?;
        let max_down = self.max_down(&kind);
        Some(Fault { id: self.id.clone(), trigger, kind, optional: true, max_down })
    }

    /// Of every order of magnitude; some outlast sessions, lags and whole elections.
    fn lasts(&mut self) -> Duration {
        match self.stream.one_in(5) {
            true => self.stream.duration(10_000, 60_000),
            false => self.stream.duration(200, 30_000),
        }
    }

    fn kind(&mut self, plan: &Plan, kind: &str) -> Option<FaultKind> {
        let time = self.lasts();
        let lasts = Some(time);
        Some(match kind {
            "crash" => FaultKind::Crash { node: self.machine(plan), down: lasts },
            "shutdown" => FaultKind::Shutdown { node: self.broker(plan), down: lasts },
            "power-loss" => {
                let keep = *self.stream.pick(&[Keep::Random, Keep::Random, Keep::None, Keep::All]);
                let together = self.correlated && self.stream.one_in(4);
                let node = if together { self.everyone() } else { self.machine(plan) };
                FaultKind::PowerLoss { node, down: lasts, keep }
            }
            "pause" => FaultKind::Pause { node: self.machine(plan), lasts },
            "replace-disk" => FaultKind::ReplaceDisk { node: self.harmed(plan), down: lasts },
            "isolate" => {
                let node = self.machine(plan);
                let except = match self.stream.below(6) {
                    0 => Some(Selector::Group("zookeepers".into())),
                    1 if plan.clients().next().is_some() => Some(self.client(plan)),
                    _ => None,
                };
                FaultKind::Isolate { node, except, lasts }
            }
            "swizzle" => {
                let group = if self.stream.one_in(4) { "zookeepers" } else { "brokers" };
                FaultKind::Swizzle { nodes: Selector::Group(group.into()), gap: self.stream.duration(50, 3_000), lasts }
            }
            "bit-rot" => {
                let (topic, partition) = (!plan.topics.is_empty()).then(|| self.partition(plan))?;
                let count = self.stream.between(1, 8) as u32;
                FaultKind::BitRot { node: self.harmed(plan), topic, partition, count, lasts }
            }
            "slow-disk" => {
                let (node, sync) = (self.machine(plan), self.latency(20, 2_000));
                let bandwidth = self.stream.one_in(2).then(|| Bandwidth(self.stream.scaled(50_000, 50_000_000)));
                FaultKind::SlowDisk { node, sync, bandwidth, lasts }
            }
            "stall-disk" => FaultKind::StallDisk { node: self.machine(plan), lasts },
            "full-disk" => FaultKind::FullDisk { node: self.machine(plan), lasts },
            "disk-error" => FaultKind::DiskError { node: self.machine(plan), lasts },
            "clock" => self.clock(plan, lasts),
            "kill-client" => {
                plan.clients().next()?;
                FaultKind::KillClient { node: self.client(plan), down: lasts }
            }
            "rebalance" | "add-member" | "remove-member" | "slow-consumer" => {
                return self.rebalance(plan, kind, time);
            }
            "delete-topic" => self.delete_topic(plan)?,
            _ => return self.link(plan, kind, lasts),
        })
    }

    /// The topic always comes back: without it most expectations would be about nothing.
    fn delete_topic(&mut self, plan: &Plan) -> Option<FaultKind> {
        let topics: Vec<&crate::Topic> = plan.topics.iter().filter(|topic| !topic.is_internal()).collect();
        let topic = if topics.is_empty() { return None } else { self.stream.pick(&topics).name.clone() };
        Some(FaultKind::DeleteTopic { topic, recreate: Some(self.stream.duration(0, 5_000)) })
    }

    fn clock(&mut self, plan: &Plan, lasts: Option<Duration>) -> FaultKind {
        let jump = if self.stream.one_in(2) { Duration::ZERO } else { self.stream.duration(10, 3_600_000) };
        let drift = Ratio(self.stream.scaled(10, 50_000) as u32);
        FaultKind::Clock { node: self.machine(plan), jump, drift, back: self.stream.one_in(2), lasts }
    }

    fn link(&mut self, plan: &Plan, kind: &str, lasts: Option<Duration>) -> Option<FaultKind> {
        if kind == "hold" {
            return Some(self.hold(plan));
        }
        let (from, to) = self.sides(plan);
        let direction = self.direction();
        Some(match kind {
            "partition" => FaultKind::Partition { from, to, direction, lasts },
            "flap" => {
                let (down, up) = (self.stream.duration(50, 5_000), self.stream.duration(50, 5_000));
                FaultKind::Flap { from, to, direction, down, up, lasts }
            }
            "slow-link" => FaultKind::SlowLink { from, to, latency: self.latency(20, 2_000), direction, lasts },
            "lossy-link" => {
                let loss = Ratio(self.stream.scaled(1_000, 500_000) as u32);
                FaultKind::LossyLink { from, to, loss, direction, lasts }
            }
            "reset-connections" => FaultKind::ResetConnections { from, to },
            _ => return None,
        })
    }

    fn hold(&mut self, plan: &Plan) -> FaultKind {
        let (apis, from, to) = match self.stream.below(6) {
            0..2 => (ENSEMBLE_APIS, self.broker(plan), Selector::Group("zookeepers".into())),
            2..4 if !plan.topics.is_empty() => {
                let (from, to) = self.replicas(plan);
                (REPLICATION_APIS, from, to)
            }
            4 => (CONTROL_APIS, Selector::Controller, other("brokers")),
            5 if plan.consumers.iter().any(|consumer| consumer.group.is_some()) => {
                let consumer = self.consumer(plan).expect("one has a group");
                (GROUP_APIS, Selector::Any(Box::new(consumer)), Selector::Group("brokers".into()))
            }
            _ => (REPLICATION_APIS, self.broker(plan), other("brokers")),
        };
        let api = *self.stream.pick(apis);
        // Fetches are many; of the others the tenth may never come.
        let nth = self.stream.scaled(1, if matches!(api, "Fetch" | "Heartbeat") { 20 } else { 3 }) as u32;
        let until = Until::Elapsed(self.lasts());
        FaultKind::Hold { api: api.to_string(), from, to, nth, until, response: self.stream.one_in(2) }
    }

    /// Whose disk loses data: only a broker's, since an ensemble cannot bear a member that forgot what it voted for.
    fn harmed(&mut self, plan: &Plan) -> Selector {
        if self.chaos.unrestricted { self.broker(plan) } else { self.unlucky.clone() }
    }

    /// How many of the group may be down at once, for kinds that take a machine down.
    fn max_down(&self, kind: &FaultKind) -> Option<u32> {
        let stops = matches!(
            kind,
            FaultKind::Crash { .. }
                | FaultKind::Shutdown { .. }
                | FaultKind::PowerLoss { .. }
                | FaultKind::Pause { .. }
                | FaultKind::ReplaceDisk { .. }
                | FaultKind::BitRot { .. }
                | FaultKind::StallDisk { .. }
                | FaultKind::FullDisk { .. }
                | FaultKind::DiskError { .. }
        );
        if matches!(kind.selectors().0, Selector::Group(_)) {
            return None; // that is what `correlated` asks for
        }
        let ensemble = match kind.selectors().0 {
            Selector::ZkLeader => true,
            Selector::Node(name) => name.starts_with("zk-"),
            _ => false,
        };
        let group = if ensemble { "zookeepers" } else { "brokers" };
        let limit = self.chaos.max_down.get(group).copied();
        // Without a limit, a disk that loses data must still leave a good copy elsewhere.
        let destroys = matches!(kind, FaultKind::ReplaceDisk { .. } | FaultKind::BitRot { .. });
        let atlas = (destroys && !self.chaos.unrestricted).then_some(1);
        if stops { atlas.or(limit) } else { None }
    }
}
