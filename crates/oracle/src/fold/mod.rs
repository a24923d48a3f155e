//! The world as events tell it: what invariants compare events with.
//!
//! Oracles see it as it stood just before an event. It believes what brokers report; that the disks agree is checked at the end.

mod compare;
mod group;
mod log;
mod replica;

use trace::{BrokerList, Event, EventId, EventKind, Name, Partition, Phase, StopReason};

pub(crate) use compare::{Difference, Matched};
pub(crate) use group::{Group, Member};
pub(crate) use log::{Batch, Held};
pub(crate) use replica::{Decision, Loss, LossCause, PartitionFold, Replica, Role, Term};

use crate::sparse::Table;

/// A node's process and, for a broker, its registration.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The broker's id, where the node is one.
    pub broker: Option<i32>,
    pub alive: bool,
    pub incarnation: u32,
    pub last_stop: Option<StopReason>,
    /// Whether the last process that had loaded a log here died without ending well, its machine's power still on.
    pub crashed_with_logs: bool,
    /// Whether its process has closed its logs: what kills it then does them no harm.
    pub closed_logs: bool,
    /// Whether a fault made its bits rot: what its logs hold proves nothing about its software.
    pub bad_disk: bool,
    /// Whether the registration of this incarnation stands.
    pub registered: bool,
    pub broker_epoch: i64,
    session: u64,
}

/// Everything folded.
#[derive(Default)]
pub(crate) struct World {
    pub phase: Option<Phase>,
    /// When settle began.
    pub settle_at: Option<u64>,
    /// Topics that a fault deleted, and the last time: their offsets begin anew.
    deleted_topics: Table<Name, EventId>,
    /// Whether a partition was created again after its topic was deleted.
    pub recreates: bool,
    /// Whether partitions were moved to other brokers, so that the assignment at creation no longer holds.
    pub reassigned: bool,
    pub partitions: Vec<PartitionFold>,
    /// Consumer groups by name.
    pub groups: Table<Name, Group>,
    nodes: Table<Name, Node>,
    /// The place in `nodes` of every broker.
    brokers: Table<i32, usize>,
    places: Table<Partition, usize>,
}

impl World {
    /// The node of that name, if it did anything yet.
    pub fn node(&self, name: Name) -> Option<&Node> {
        self.nodes.get(&name)
    }

    /// The node that is broker `id`.
    pub fn broker(&self, id: i32) -> Option<&Node> {
        self.nodes.get_index(*self.brokers.get(&id)?).map(|(_, node)| node)
    }

    /// The name of broker `id`.
    pub fn broker_name(&self, id: i32) -> Option<Name> {
        self.nodes.get_index(*self.brokers.get(&id)?).map(|(name, _)| *name)
    }

    /// The partition of that name.
    pub fn partition(&self, partition: Partition) -> Option<&PartitionFold> {
        self.places.get(&partition).map(|place| &self.partitions[*place])
    }

    /// Whether the topic was deleted, perhaps to be created again: what was known of its offsets means nothing any more.
    pub fn is_gone(&self, partition: Partition) -> bool {
        let deleted =
            |fold: &PartitionFold| fold.recreated.is_some() || fold.replicas.iter().any(|replica| replica.deleted);
        self.was_deleted(partition.topic) || self.partition(partition).is_some_and(deleted)
    }

    /// Whether a fault deleted the topic once.
    pub fn was_deleted(&self, topic: Name) -> bool {
        self.deleted_topics.contains_key(&topic)
    }

    /// Whether a fault deleted the topic, and the partition was not created again since.
    pub fn is_deleted(&self, partition: Partition) -> bool {
        let recreated = self.partition(partition).and_then(|fold| fold.recreated);
        self.deleted_topics.get(&partition.topic).is_some_and(|deleted| recreated < Some(*deleted))
    }

    /// The partition of `__consumer_offsets` that keeps a group: Java's `abs(group.hashCode()) % partitions`.
    pub fn offsets_partition(&self, group: Name) -> Option<Partition> {
        let topic = Name::new("__consumer_offsets");
        let count = self.places.keys().filter(|partition| partition.topic == topic).count() as i32;
        let step = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
        let hash = group.as_str().encode_utf16().fold(0, step).checked_abs().unwrap_or(0);
        Some(Partition { topic, index: hash.checked_rem(count)? })
    }

    /// Every partition's newest fold.
    pub fn current(&self) -> impl Iterator<Item = (usize, &PartitionFold)> {
        self.places.values().map(|place| (*place, &self.partitions[*place]))
    }

    /// The replica that the event is about: its partition's, on its node.
    pub fn replica(&self, place: usize, node: Name) -> Option<&Replica> {
        self.partitions[place].replica(self.node(node)?.broker?)
    }

    /// Whether `broker` runs as the ISR member that was meant when `decision` was stored: alive, registered, not restarted since.
    pub fn runs_as_member(&self, broker: i32, decision: &Decision) -> bool {
        let Some(node) = self.broker(broker) else { return false };
        let meant = decision.isr.iter().position(|member| member == broker).map(|place| decision.members[place]);
        node.alive && node.registered && meant == Some(node.broker_epoch)
    }

    /// The place of the event's partition, made on first sight.
    pub fn locate(&mut self, event: &Event) -> Option<usize> {
        let partition = partition_of(&event.kind)?;
        if let Some(place) = self.places.get(&partition) {
            let recreated = matches!(event.kind, EventKind::PartitionCreated { .. })
                && self.partitions[*place].replicas.iter().any(|replica| replica.deleted);
            if !recreated {
                return Some(*place);
            }
        }
        let recreated = self.places.contains_key(&partition).then_some(event.id);
        self.recreates |= recreated.is_some();
        self.partitions.push(PartitionFold { recreated, ..PartitionFold::new(partition) });
        self.places.insert(partition, self.partitions.len() - 1);
        Some(self.partitions.len() - 1)
    }

    /// Folds an event in.
    pub fn apply(&mut self, event: &Event, place: Option<usize>) {
        let broker = self.node_mut(event.node).broker;
        match (place, broker) {
            (Some(place), broker) if self.apply_to_partition(event, place, broker) => {}
            (Some(place), Some(broker)) => self.apply_to_replica(event, place, broker),
            (Some(_), None) => {}
            (None, _) => self.apply_to_node(event),
        }
    }

    fn node_mut(&mut self, name: Name) -> &mut Node {
        if let Some(place) = self.nodes.get_index_of(&name) {
            return &mut self.nodes[place];
        }
        let broker = name.as_str().strip_prefix("broker-").and_then(|id| id.parse().ok());
        if let Some(id) = broker {
            self.brokers.insert(id, self.nodes.len());
        }
        self.nodes.entry(name).or_insert(Node {
            broker,
            alive: true,
            incarnation: 0,
            last_stop: None,
            crashed_with_logs: false,
            closed_logs: false,
            bad_disk: false,
            registered: true,
            broker_epoch: -1,
            session: 0,
        })
    }

    fn apply_to_node(&mut self, event: &Event) {
        match &event.kind {
            EventKind::LogsClosed => self.node_mut(event.node).closed_logs = true,
            EventKind::PhaseBegan { phase } => {
                self.phase = Some(*phase);
                if *phase == Phase::Settle {
                    self.settle_at = Some(event.at);
                }
            }
            EventKind::NodeStarted { incarnation } => {
                let node = self.node_mut(event.node);
                node.alive = true;
                node.incarnation = *incarnation;
                node.closed_logs = false;
                node.registered = node.last_stop.is_none();
            }
            EventKind::NodeStopped { reason } => self.stop(event.node, *reason),
            EventKind::UnsyncedLost { .. } => self.lose_power(event.node),
            EventKind::BrokerRegistered { broker_epoch, session } => {
                let node = self.node_mut(event.node);
                (node.registered, node.broker_epoch, node.session) = (true, *broker_epoch, *session);
            }
            EventKind::SessionEnded { session, .. } => {
                for node in self.nodes.values_mut().filter(|node| node.session == *session && *session != 0) {
                    node.registered = false;
                }
            }
            EventKind::FaultBegan { kind, target, .. } => self.fault(event.id, *kind, *target),
            EventKind::CoordinatorLoaded { partition, .. } => self.reload_groups(*partition, event.node),
            _ => group::apply(&mut self.groups, event),
        }
    }

    fn reload_groups(&mut self, partition: Partition, broker: Name) {
        let lives_there = |name: &Name| self.offsets_partition(*name) == Some(partition);
        let names: Vec<Name> = self.groups.keys().copied().filter(lives_there).collect();
        names.iter().for_each(|name| self.groups[name].reload(broker));
    }

    fn stop(&mut self, name: Name, reason: StopReason) {
        let node = self.node_mut(name);
        node.alive = false;
        node.registered = false;
        node.last_stop = Some(reason);
        if self.replicas_on(name).any(|replica| replica.loaded) {
            let node = self.node_mut(name);
            node.crashed_with_logs = matches!(reason, StopReason::Crash | StopReason::Panic) && !node.closed_logs;
        }
        for replica in self.replicas_on(name) {
            replica.loaded = false;
            replica.role = Role::None;
        }
        if reason == StopReason::PowerLoss {
            self.lose_power(name);
        }
    }

    fn lose_power(&mut self, name: Name) {
        self.replicas_on(name).for_each(|replica| replica.power_lost = true);
    }

    fn replicas_on(&mut self, name: Name) -> impl Iterator<Item = &mut Replica> {
        let broker = self.node_mut(name).broker;
        let all = self.partitions.iter_mut().flat_map(|partition| &mut partition.replicas);
        all.filter(move |replica| Some(replica.broker) == broker)
    }

    fn fault(&mut self, event: EventId, kind: Name, target: Name) {
        match kind.as_str() {
            "delete-topic" => {
                self.deleted_topics.insert(target, event);
            }
            "reassign" => self.reassigned = true,
            "bit-rot" | "replace-disk" => {
                let targets: Vec<&str> = target.as_str().split([',', ' ']).filter(|word| !word.is_empty()).collect();
                for word in targets {
                    let name = Name::new(word);
                    if kind.as_str() == "replace-disk" {
                        self.wipe(event, name);
                    } else {
                        self.node_mut(name).bad_disk = true;
                    }
                }
            }
            _ => {}
        }
    }

    fn wipe(&mut self, event: EventId, name: Name) {
        for replica in self.replicas_on(name) {
            let from = replica.log.end;
            replica.losses.push(Loss { event, to: 0, from, cause: LossCause::DiskReplaced });
            replica.log.wipe();
            replica.amnesiac = true;
            replica.deleted = true;
        }
    }

    /// Folds the events that need no replica: true if this was one.
    fn apply_to_partition(&mut self, event: &Event, place: usize, broker: Option<i32>) -> bool {
        match &event.kind {
            EventKind::PartitionCreated { replicas, .. } => self.partitions[place].assigned = *replicas,
            EventKind::LogCleaned { upto, .. } => {
                let cleaned = &mut self.partitions[place].cleaned;
                *cleaned = (*cleaned).max(*upto);
            }
            EventKind::LeadershipDecided { leader, leader_epoch, isr, partition_epoch, unclean, .. } => {
                let decision = self.decision(event.id, *leader, *leader_epoch, *isr, *partition_epoch);
                self.decide(place, decision);
                if *unclean {
                    self.partitions[place].unclean.get_or_insert(event.id);
                }
            }
            EventKind::IsrChanged { isr, leader_epoch, partition_epoch, .. } => {
                let Some(broker) = broker else { return true };
                let decision = self.decision(event.id, broker, *leader_epoch, *isr, *partition_epoch);
                self.decide(place, decision);
                if let Role::Leader { epoch, isr: mine, pending } = &mut self.partitions[place].replica_mut(broker).role
                    && epoch == leader_epoch
                {
                    (*mine, *pending) = (*isr, None);
                }
            }
            _ => return false,
        }
        true
    }

    fn apply_to_replica(&mut self, event: &Event, place: usize, broker: i32) {
        match &event.kind {
            EventKind::LogLoaded { log_start, log_end, high_watermark, .. } => {
                self.load(event.id, place, broker, (*log_start, *log_end));
                let replica = self.partitions[place].replica_mut(broker);
                replica.hw = *high_watermark;
            }
            EventKind::BecameLeader { leader_epoch, log_end, isr, .. } => {
                self.ensure_loaded(event.id, place, broker, *log_end);
                self.lead(event, place, broker, (*leader_epoch, *isr));
            }
            EventKind::BecameFollower { leader_epoch, log_end, .. } => {
                self.ensure_loaded(event.id, place, broker, *log_end);
                let replica = self.partitions[place].replica_mut(broker);
                replica.hw_may_fall |= replica.role.epoch() != *leader_epoch;
                enter_epoch(replica, Role::Follower { epoch: *leader_epoch });
            }
            EventKind::Appended { base_offset, .. } => {
                self.ensure_loaded(event.id, place, broker, *base_offset);
                let batch = appended(&event.kind).expect("an append");
                let replica = self.partitions[place].replica_mut(broker);
                replica.log.append(batch);
                replica.peak = replica.peak.max(replica.log.end);
            }
            EventKind::HighWatermarkMoved { to, leader_epoch, .. } => {
                let partition = &mut self.partitions[place];
                let wanted = partition.leader().map_or(*to, |leader| leader.hw.max(*to));
                let replica = partition.replica_mut(broker);
                (replica.hw, replica.hw_epoch, replica.hw_may_fall) = (*to, *leader_epoch, false);
                replica.amnesiac &= replica.log.end < wanted;
            }
            kind => change_replica(self.partitions[place].replica_mut(broker), event.id, kind),
        }
    }

    fn decision(&self, event: EventId, leader: i32, epoch: i32, isr: BrokerList, partition_epoch: i32) -> Decision {
        let mut members = [-1; BrokerList::CAPACITY];
        for (slot, member) in members.iter_mut().zip(isr.iter()) {
            *slot = self.broker(member).map_or(-1, |node| node.broker_epoch);
        }
        Decision { event, leader, epoch, isr, partition_epoch, members }
    }

    /// The znode's version tells which of two stored states is newer: their writers may learn of it in any order.
    fn decide(&mut self, place: usize, decision: Decision) {
        let newest = &mut self.partitions[place].decided;
        if newest.is_none_or(|known| decision.partition_epoch > known.partition_epoch) {
            *newest = Some(decision);
        }
    }

    fn ensure_loaded(&mut self, event: EventId, place: usize, broker: i32, end: i64) {
        if !self.partitions[place].replica_mut(broker).loaded {
            self.load(event, place, broker, (0, end));
        }
    }

    fn load(&mut self, event: EventId, place: usize, broker: i32, (start, end): (i64, i64)) {
        let replica = self.partitions[place].replica_mut(broker);
        let before = replica.log.end;
        if end < before {
            let cause = if replica.power_lost { LossCause::PowerLoss } else { LossCause::Restart };
            replica.losses.push(Loss { event, to: end, from: before, cause });
            replica.amnesiac = true;
        }
        replica.log.load(start, end, replica.power_lost && !replica.deleted);
        replica.loaded = true;
        replica.power_lost = false;
        replica.deleted = false;
        replica.hw = replica.hw.min(end);
        replica.hw_epoch = -1;
        replica.hw_may_fall = true;
    }

    fn lead(&mut self, event: &Event, place: usize, broker: i32, (epoch, isr): (i32, BrokerList)) {
        let partition = &mut self.partitions[place];
        // Followers follow the high watermark of a leader that begins anew, which may lag.
        partition.replicas.iter_mut().for_each(|replica| replica.hw_may_fall |= replica.broker != broker);
        let unclean = partition.unclean.is_some();
        let replica = partition.replica_mut(broker);
        let told_again = replica.role.leads() && replica.role.epoch() == epoch;
        enter_epoch(replica, Role::Leader { epoch, isr, pending: None });
        let start = replica.log.end;
        let last_loss = replica.losses.iter().rev().find(|loss| matches!(loss.cause, LossCause::PowerLoss));
        if let Some(loss) = last_loss.map(|loss| loss.event)
            && partition.terms.iter().any(|term| (term.epoch, term.broker) == (epoch, broker) && term.event < loss)
        {
            partition.rewritten.get_or_insert(event.id);
        }
        if !told_again {
            partition.terms.push(Term { epoch, broker, event: event.id, at: event.at, start, unclean });
        }
    }
}

fn enter_epoch(replica: &mut Replica, role: Role) {
    if role.epoch() != replica.role.epoch() {
        replica.peak = replica.log.end;
    }
    replica.role = role;
}

/// The events that concern one replica only.
fn change_replica(replica: &mut Replica, event: EventId, kind: &EventKind) {
    match kind {
        EventKind::Truncated { to, .. } => {
            let from = replica.log.end;
            replica.losses.push(Loss { event, to: *to, from, cause: LossCause::Truncation });
            replica.log.truncate(*to);
            replica.hw = replica.hw.min(*to);
            replica.hw_may_fall = true;
            replica.peak = *to;
        }
        EventKind::LogStartMoved { to, .. } => replica.log.start = *to,
        EventKind::Flushed { to, .. } => replica.log.flush(*to),
        EventKind::IsrProposed { isr, leader_epoch, .. } => {
            if let Role::Leader { epoch, pending, .. } = &mut replica.role
                && epoch == leader_epoch
            {
                *pending = Some(*isr);
            }
        }
        EventKind::IsrRefused { .. } => {
            if let Role::Leader { pending, .. } = &mut replica.role {
                *pending = None;
            }
        }
        EventKind::ReplicaStopped { deleted, .. } => {
            replica.role = Role::None;
            if *deleted {
                let from = replica.log.end;
                replica.losses.push(Loss { event, to: 0, from, cause: LossCause::Truncation });
                *replica = Replica { losses: std::mem::take(&mut replica.losses), ..Replica::new(replica.broker) };
                replica.deleted = true;
            }
        }
        _ => {}
    }
}

/// The batch of an `Appended` event.
pub(crate) fn appended(kind: &EventKind) -> Option<Batch> {
    let EventKind::Appended { base_offset, producer_id, records, leader_epoch, crc, sequence, producer_epoch, .. } =
        kind
    else {
        return None;
    };
    Some(Batch {
        base: *base_offset,
        producer_id: *producer_id,
        records: *records,
        epoch: *leader_epoch,
        crc: *crc,
        sequence: *sequence,
        producer_epoch: *producer_epoch,
    })
}

/// The partition that an event of the cluster is about; clients' events are folded elsewhere, and a refused Produce may name one
/// that does not exist.
fn partition_of(kind: &EventKind) -> Option<Partition> {
    let elsewhere = kind.of_client() || kind.of_coordinator() || matches!(kind, EventKind::ProduceRefused { .. });
    if elsewhere { None } else { kind.partition() }
}
