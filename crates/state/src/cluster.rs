//! The fold: `ClusterState::apply` turns events into all that one would want to see.

use std::collections::BTreeMap;

use trace::{
    BrokerList, Event, EventId, EventKind, Name, Partition, Phase, StopReason, ZabRole, broker_id, broker_name,
};

use crate::groups::{self, ConsumerGroup, Membership};
use crate::replica::{BatchState, ReplicaRole, ReplicaState};

/// A node's process.
#[derive(Clone, Debug, Default)]
pub struct NodeState {
    /// Whether it runs.
    pub up: bool,
    /// Whether it stands still.
    pub paused: bool,
    /// How often it was started before.
    pub incarnation: u32,
    /// Why it last ended.
    pub stopped: Option<StopReason>,
}

/// A fault that has begun.
#[derive(Clone, Debug)]
pub struct FaultState {
    /// Its kind in the grammar.
    pub kind: Name,
    /// What it hit.
    pub target: Name,
    /// Its `FaultBegan`.
    pub event: EventId,
    /// When it began, ns.
    pub began: u64,
    /// When it was healed, ns.
    pub ended: Option<u64>,
}

/// A member of the ensemble.
#[derive(Clone, Copy, Debug)]
pub struct MemberState {
    /// What it does.
    pub role: ZabRole,
    /// Its epoch.
    pub epoch: u32,
    /// The last transaction in its tree.
    pub zxid: u64,
}

/// A ZooKeeper session.
#[derive(Clone, Copy, Debug)]
pub struct SessionState {
    /// Timeout in ms.
    pub timeout: u32,
    /// The client that holds it, once it said so.
    pub client: Option<Name>,
}

/// A partition, as the controller stored it, and its replicas, as they believe.
#[derive(Clone, Debug, Default)]
pub struct PartitionState {
    /// Its replicas, preferred leader first.
    pub assignment: BrokerList,
    /// The stored leader, if there is one.
    pub leader: Option<i32>,
    /// The stored leader epoch.
    pub leader_epoch: i32,
    /// The stored ISR.
    pub isr: BrokerList,
    /// Version of its state znode.
    pub partition_epoch: i32,
    /// Its replicas by broker id.
    pub replicas: BTreeMap<i32, ReplicaState>,
    /// Since when (ns) the stored leader is missing or its process is down.
    pub leaderless_since: Option<u64>,
}

impl PartitionState {
    /// The replica that leads by the stored state.
    pub fn leading_replica(&self) -> Option<&ReplicaState> {
        self.replicas.get(&self.leader?)
    }
}

/// A producer or consumer.
#[derive(Clone, Debug, Default)]
pub struct ClientState {
    /// Records given to the producer.
    pub sent: u64,
    /// Records acknowledged.
    pub acked: u64,
    /// Records surely not written.
    pub failed: u64,
    /// Records of unknown outcome.
    pub unknown: u64,
    /// Records polled, repeats included.
    pub polled: u64,
    /// Records processed, repeats included.
    pub processed: u64,
    /// The same by partition.
    pub partitions: BTreeMap<Partition, ClientPartition>,
    /// A group's member: what it believes.
    pub membership: Membership,
}

/// What a client did with one partition.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientPartition {
    /// Records acknowledged.
    pub acked: u64,
    /// Records polled, repeats included.
    pub polled: u64,
    /// The offset after the last record polled; `None` before the first.
    pub position: Option<i64>,
    /// The offset after the last record processed.
    pub processed_to: i64,
    /// Records sent that have no outcome yet.
    pub waiting: u64,
    /// While some wait: when the last acknowledgement came, or the first of them was sent (ns).
    pub waiting_since: u64,
}

/// Up to where the ensemble's transactions were folded.
///
/// A later leader delivers old transactions again, and repeats their events; only the first delivery counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivered {
    zxid: u64,
    by: Option<Name>,
}

impl Delivered {
    /// Whether an event of the transaction `zxid`, told by `node`, is news.
    pub(crate) fn is_news(&mut self, zxid: u64, node: Name) -> bool {
        let news = zxid > self.zxid || (zxid == self.zxid && self.by == Some(node));
        if news {
            *self = Delivered { zxid, by: Some(node) };
        }
        news
    }
}

/// The transaction of an event that only a leader of the ensemble tells.
pub(crate) fn transaction(kind: &EventKind) -> Option<u64> {
    match kind {
        EventKind::ZnodeChanged { zxid, .. }
        | EventKind::SessionOpened { zxid, .. }
        | EventKind::SessionEnded { zxid, .. } => Some(*zxid),
        _ => None,
    }
}

/// All that one would want to see of a cluster at an instant.
#[derive(Clone, Debug, Default)]
pub struct ClusterState {
    /// Time of the last event, ns.
    pub at: u64,
    /// The last event.
    pub last: EventId,
    /// The phase, and since when.
    pub phase: Option<(Phase, u64)>,
    /// All nodes.
    pub nodes: BTreeMap<Name, NodeState>,
    /// All faults by id.
    pub faults: BTreeMap<Name, FaultState>,
    /// The ensemble.
    pub ensemble: BTreeMap<Name, MemberState>,
    /// Live sessions.
    pub sessions: BTreeMap<u64, SessionState>,
    /// The last elected controller that did not resign, with its epoch.
    pub controller: Option<(Name, i32)>,
    /// Live registrations (ephemerals under /brokers/ids): broker id to owning session.
    pub registered: BTreeMap<i32, u64>,
    /// All partitions.
    pub partitions: BTreeMap<Partition, PartitionState>,
    /// All clients that sent or polled something.
    pub clients: BTreeMap<Name, ClientState>,
    /// All consumer groups.
    pub groups: BTreeMap<Name, ConsumerGroup>,
    /// Violations: the event and the oracle.
    pub violations: Vec<(EventId, Name)>,
    /// Up to where the ensemble's transactions were folded.
    delivered: Delivered,
}

impl ClusterState {
    /// Folds one event. Events must come in order.
    pub fn apply(&mut self, event: &Event) {
        self.at = event.at;
        self.last = event.id;
        if transaction(&event.kind).is_some_and(|zxid| !self.delivered.is_news(zxid, event.node)) {
            return;
        }
        match &event.kind {
            EventKind::PhaseBegan { phase } => self.phase = Some((*phase, event.at)),
            EventKind::NodeStarted { .. }
            | EventKind::NodeStopped { .. }
            | EventKind::NodePaused
            | EventKind::NodeResumed => self.apply_node(event),
            EventKind::FaultBegan { fault, kind, target } => {
                let state = FaultState { kind: *kind, target: *target, event: event.id, began: event.at, ended: None };
                self.faults.insert(*fault, state);
            }
            EventKind::FaultEnded { fault } => {
                if let Some(state) = self.faults.get_mut(fault) {
                    state.ended = Some(event.at);
                }
            }
            EventKind::Violation { oracle, .. } => self.violations.push((event.id, *oracle)),
            kind if kind.of_coordinator() => groups::apply(&mut self.groups, event),
            EventKind::GroupJoined { .. }
            | EventKind::PartitionsAssigned { .. }
            | EventKind::PartitionsRevoked { .. } => {
                self.clients.entry(event.node).or_default().membership.apply(&event.kind);
            }
            _ => {
                self.apply_ensemble(event);
                self.apply_controller(event);
                self.apply_replica(event);
                self.apply_client(event);
            }
        }
    }

    fn apply_node(&mut self, event: &Event) {
        let node = self.nodes.entry(event.node).or_default();
        match &event.kind {
            EventKind::NodeStarted { incarnation } => {
                *node = NodeState { up: true, paused: false, incarnation: *incarnation, stopped: node.stopped };
            }
            EventKind::NodeStopped { reason } => {
                if let Some(client) = self.clients.get_mut(&event.node) {
                    client.membership = Membership::default();
                }
                *node = NodeState { up: false, paused: false, stopped: Some(*reason), ..*node };
                self.ensemble.remove(&event.node);
                if let Some(id) = broker_id(event.node) {
                    for partition in self.partitions.values_mut() {
                        if let Some(replica) = partition.replicas.get_mut(&id) {
                            replica.role = ReplicaRole::Offline;
                        }
                    }
                }
            }
            EventKind::NodePaused => node.paused = true,
            EventKind::NodeResumed => node.paused = false,
            _ => {}
        }
        if let Some(id) = broker_id(event.node) {
            self.recount_leaderless(Some(id), event.at);
        }
    }

    /// A partition is leaderless while no leader is stored or the stored one's process does not run.
    fn recount_leaderless(&mut self, only_led_by: Option<i32>, at: u64) {
        let nodes = &self.nodes;
        let runs = |id: i32| nodes.get(&broker_name(id)).is_some_and(|node| node.up && !node.paused);
        for partition in self.partitions.values_mut() {
            if only_led_by.is_some() && partition.leader != only_led_by {
                continue;
            }
            let led = partition.leader.is_some_and(runs);
            partition.leaderless_since = if led { None } else { partition.leaderless_since.or(Some(at)) };
        }
    }

    fn apply_ensemble(&mut self, event: &Event) {
        match &event.kind {
            EventKind::ZabRoleChanged { role, epoch } => {
                let zxid = self.ensemble.get(&event.node).map_or(0, |member| member.zxid);
                self.ensemble.insert(event.node, MemberState { role: *role, epoch: *epoch, zxid });
            }
            EventKind::ZabDelivered { zxid, .. } | EventKind::ZabSynchronized { zxid } => {
                if let Some(member) = self.ensemble.get_mut(&event.node) {
                    member.zxid = *zxid;
                }
            }
            EventKind::SessionOpened { session, timeout, .. } => {
                self.sessions.insert(*session, SessionState { timeout: *timeout, client: None });
            }
            EventKind::SessionEstablished { session, .. } => {
                if let Some(state) = self.sessions.get_mut(session) {
                    state.client = Some(event.node);
                }
            }
            EventKind::SessionEnded { session, .. } => {
                self.sessions.remove(session);
                self.registered.retain(|_, owner| owner != session);
            }
            EventKind::BrokerRegistered { session, .. } => {
                if let Some(id) = broker_id(event.node) {
                    self.registered.insert(id, *session);
                }
            }
            _ => {}
        }
    }

    fn apply_controller(&mut self, event: &Event) {
        match &event.kind {
            EventKind::ControllerElected { epoch } => self.controller = Some((event.node, *epoch)),
            EventKind::ControllerResigned { epoch } if self.controller == Some((event.node, *epoch)) => {
                self.controller = None;
            }
            EventKind::PartitionCreated { partition, replicas } => {
                let state = self.partitions.entry(*partition).or_default();
                state.assignment = *replicas;
                state.leaderless_since = Some(event.at);
            }
            EventKind::LeadershipDecided { partition, leader, leader_epoch, isr, partition_epoch, .. } => {
                let state = self.partitions.entry(*partition).or_default();
                state.leader = (*leader >= 0).then_some(*leader);
                state.leader_epoch = *leader_epoch;
                state.isr = *isr;
                state.partition_epoch = *partition_epoch;
                let leader = state.leader;
                match leader {
                    Some(_) => self.recount_leaderless(leader, event.at),
                    None => state.leaderless_since = state.leaderless_since.or(Some(event.at)),
                }
            }
            // A decision whose controller lost its office before it heard that it was stored: nobody told it, and the leader obeys it.
            EventKind::BecameLeader { partition, leader_epoch, isr, partition_epoch, .. } => {
                let state = self.partitions.entry(*partition).or_default();
                if *leader_epoch > state.leader_epoch {
                    state.leader = broker_id(event.node);
                    (state.leader_epoch, state.isr, state.partition_epoch) = (*leader_epoch, *isr, *partition_epoch);
                    self.recount_leaderless(broker_id(event.node), event.at);
                }
            }
            EventKind::IsrChanged { partition, isr, leader_epoch, partition_epoch } => {
                let state = self.partitions.entry(*partition).or_default();
                if state.leader_epoch == *leader_epoch {
                    state.isr = *isr;
                    state.partition_epoch = *partition_epoch;
                }
                if let Some(replica) = broker_id(event.node).and_then(|id| state.replicas.get_mut(&id)) {
                    replica.isr = *isr;
                }
            }
            _ => {}
        }
    }

    fn replica(&mut self, node: Name, partition: Partition) -> Option<&mut ReplicaState> {
        let id = broker_id(node)?;
        Some(self.partitions.entry(partition).or_default().replicas.entry(id).or_default())
    }

    fn apply_replica(&mut self, event: &Event) {
        let Some(partition) = replica_partition(&event.kind) else { return };
        let Some(replica) = self.replica(event.node, partition) else { return };
        match &event.kind {
            EventKind::LogLoaded { log_start, log_end, high_watermark, .. } => {
                replica.truncate(*log_end);
                replica.log_start = *log_start;
                replica.high_watermark = *high_watermark;
            }
            EventKind::BecameLeader { leader_epoch, isr, .. } => {
                replica.role = ReplicaRole::Leader;
                replica.leader_epoch = *leader_epoch;
                replica.isr = *isr;
            }
            EventKind::BecameFollower { leader_epoch, leader, .. } => {
                replica.role = ReplicaRole::Follower(*leader);
                replica.leader_epoch = *leader_epoch;
            }
            EventKind::ReplicaStopped { deleted, .. } => {
                replica.role = ReplicaRole::Offline;
                if *deleted {
                    *replica = ReplicaState::default();
                }
            }
            EventKind::Appended { base_offset, records, leader_epoch, crc, .. } => replica.append(BatchState {
                base_offset: *base_offset,
                records: *records,
                leader_epoch: *leader_epoch,
                crc: *crc,
            }),
            EventKind::Truncated { to, .. } => replica.truncate(*to),
            EventKind::LogStartMoved { to, .. } => replica.log_start = *to,
            EventKind::LogCleaned { upto, .. } => replica.cleaned = replica.cleaned.max(*upto),
            EventKind::Flushed { to, .. } => replica.recovery_point = *to,
            EventKind::HighWatermarkMoved { to, .. } => replica.high_watermark = *to,
            _ => {}
        }
    }

    fn apply_client(&mut self, event: &Event) {
        let kind = &event.kind;
        let Some(partition) = kind.partition().filter(|_| kind.of_client()) else { return };
        let client = self.clients.entry(event.node).or_default();
        let own = client.partitions.entry(partition).or_default();
        match kind {
            EventKind::RecordSent { .. } => {
                client.sent += 1;
                if own.waiting == 0 {
                    own.waiting_since = event.at;
                }
                own.waiting += 1;
            }
            EventKind::RecordAcked { .. } => {
                client.acked += 1;
                own.acked += 1;
                own.waiting = own.waiting.saturating_sub(1);
                own.waiting_since = event.at;
            }
            EventKind::RecordFailed { .. } => {
                client.failed += 1;
                own.waiting = own.waiting.saturating_sub(1);
            }
            EventKind::RecordUnknown { .. } => {
                client.unknown += 1;
                own.waiting = own.waiting.saturating_sub(1);
            }
            EventKind::RecordPolled { offset, .. } => {
                client.polled += 1;
                own.polled += 1;
                own.position = Some(offset.saturating_add(1));
            }
            EventKind::PositionReset { to, .. } => own.position = Some(*to),
            EventKind::RecordProcessed { offset, .. } => {
                client.processed += 1;
                own.processed_to = offset.saturating_add(1);
            }
            _ => {}
        }
    }

    /// The member that leads the ensemble: of several that believe so, the one with the highest epoch.
    pub fn zookeeper_leader(&self) -> Option<Name> {
        let leading = self.ensemble.iter().filter(|(_, member)| member.role == ZabRole::Leading);
        leading.max_by_key(|(_, member)| member.epoch).map(|(name, _)| *name)
    }
}

/// The partition of an event that a replica emitted.
fn replica_partition(kind: &EventKind) -> Option<Partition> {
    match kind {
        EventKind::LogLoaded { partition, .. }
        | EventKind::BecameLeader { partition, .. }
        | EventKind::BecameFollower { partition, .. }
        | EventKind::ReplicaStopped { partition, .. }
        | EventKind::Appended { partition, .. }
        | EventKind::Truncated { partition, .. }
        | EventKind::LogStartMoved { partition, .. }
        | EventKind::LogCleaned { partition, .. }
        | EventKind::Flushed { partition, .. }
        | EventKind::HighWatermarkMoved { partition, .. } => Some(*partition),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Folds a story of (node, what happened), one event a second.
    fn fold(story: Vec<(&str, EventKind)>) -> ClusterState {
        let mut state = ClusterState::default();
        for (i, (node, kind)) in story.into_iter().enumerate() {
            let id = EventId(i as u64 + 1);
            let event = Event { id, at: id.0 * 1_000_000_000, node: Name::new(node), cause: EventId::ROOT, kind };
            state.apply(&event);
        }
        state
    }

    fn decided(leader: i32, leader_epoch: i32, isr: &[i32]) -> EventKind {
        EventKind::LeadershipDecided {
            partition: Partition::new("email", 0),
            leader,
            leader_epoch,
            isr: BrokerList::new(isr.iter().copied()),
            partition_epoch: leader_epoch,
            controller_epoch: 1,
            unclean: false,
        }
    }

    #[test]
    fn a_partition_is_leaderless_from_its_leaders_crash_to_the_next_decision() {
        let crash = EventKind::NodeStopped { reason: StopReason::Crash };
        let started = || EventKind::NodeStarted { incarnation: 0 };
        let mut story = vec![
            ("broker-1", started()),
            ("broker-2", started()),
            ("broker-1", decided(1, 0, &[1, 2])),
            ("broker-1", crash),
        ];
        let partition = Partition::new("email", 0);
        let state = fold(story.clone());
        assert_eq!(state.partitions[&partition].leaderless_since, Some(4_000_000_000));
        story.push(("broker-2", decided(2, 1, &[2])));
        let state = fold(story);
        assert_eq!(state.partitions[&partition].leaderless_since, None);
        assert_eq!(state.partitions[&partition].leader, Some(2));
    }

    #[test]
    fn a_decision_that_nobody_told_shows_when_it_is_obeyed() {
        let (partition, isr) = (Partition::new("email", 0), BrokerList::new([1]));
        let leads =
            |leader_epoch| EventKind::BecameLeader { partition, leader_epoch, log_end: 0, isr, partition_epoch: 9 };
        let state = fold(vec![("broker-2", decided(-1, 7, &[1])), ("broker-1", leads(8))]);
        let told = &state.partitions[&partition];
        assert_eq!((told.leader, told.leader_epoch, told.partition_epoch), (Some(1), 8, 9));
        let state = fold(vec![("broker-2", decided(2, 7, &[2])), ("broker-1", leads(6))]);
        assert_eq!(state.partitions[&partition].leader, Some(2), "a deposed leader decides nothing");
    }

    #[test]
    fn a_registration_ends_with_its_session() {
        let state = fold(vec![
            ("zk-1", EventKind::SessionOpened { session: 7, timeout: 6000, zxid: 1 }),
            ("broker-1", EventKind::BrokerRegistered { broker_epoch: 2, session: 7 }),
            ("zk-1", EventKind::SessionEnded { session: 7, expired: true, zxid: 3 }),
        ]);
        assert!(state.registered.is_empty() && state.sessions.is_empty());
    }

    #[test]
    fn a_new_leader_that_repeats_old_transactions_changes_nothing() {
        let state = fold(vec![
            ("zk-1", EventKind::SessionOpened { session: 7, timeout: 6000, zxid: 1 }),
            ("zk-1", EventKind::SessionEnded { session: 7, expired: true, zxid: 2 }),
            ("zk-1", EventKind::SessionOpened { session: 8, timeout: 6000, zxid: 3 }),
            ("zk-2", EventKind::SessionOpened { session: 7, timeout: 6000, zxid: 1 }),
            ("zk-2", EventKind::SessionEnded { session: 7, expired: true, zxid: 2 }),
        ]);
        assert_eq!(state.sessions.keys().copied().collect::<Vec<_>>(), [8]);
    }

    #[test]
    fn a_replicas_log_follows_appends_truncations_and_reloads() {
        let partition = Partition::new("email", 0);
        let append = |base_offset, leader_epoch| EventKind::Appended {
            partition,
            base_offset,
            producer_id: -1,
            records: 5,
            leader_epoch,
            crc: 1,
            sequence: -1,
            producer_epoch: -1,
            leading: false,
        };
        let state = fold(vec![
            ("broker-2", append(0, 0)),
            ("broker-2", append(5, 0)),
            ("broker-2", EventKind::Truncated { partition, to: 5, from: 10 }),
            ("broker-2", append(5, 1)),
        ]);
        let replica = &state.partitions[&partition].replicas[&2];
        assert_eq!((replica.log_end, replica.batches.len()), (10, 2));
        assert_eq!(replica.batch_at(7).unwrap().leader_epoch, 1);
    }
}
