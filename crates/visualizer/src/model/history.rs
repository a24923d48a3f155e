//! What lasts from one event to another: leaderships, ISRs, phases, downtimes, and what truncations removed.

use std::collections::BTreeMap;

use state::{BatchState, ClusterState};
use trace::{BrokerList, Event, EventKind, Name, Partition, Phase, StopReason, broker_id};

use super::story::CaptionKind;

/// A time in which a broker believed to lead a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaderSpan {
    /// The broker.
    pub broker: i32,
    /// The leader epoch.
    pub epoch: i32,
    /// The event with which it began.
    pub from: usize,
    /// The event with which it ended.
    pub to: Option<usize>,
}

/// A stored ISR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IsrStep {
    /// The event that stored it.
    pub index: usize,
    /// The ISR.
    pub isr: BrokerList,
}

/// A time in which a node's process did not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Downtime {
    /// The event with which it began.
    pub from: usize,
    /// The event with which it ended.
    pub to: Option<usize>,
    /// Why it ended; `None` while it was only paused.
    pub reason: Option<StopReason>,
}

/// Batches that a replica removed from the end of its log.
#[derive(Clone, PartialEq, Debug)]
pub struct Removal {
    /// The event: a truncation, or a load that found less than was there.
    pub index: usize,
    /// The partition.
    pub partition: Partition,
    /// The replica's broker.
    pub broker: i32,
    /// The log end offset before.
    pub from: i64,
    /// The log end offset after.
    pub to: i64,
    /// What was removed, in order of offset.
    pub batches: Vec<BatchState>,
}

/// All that lasts.
#[derive(Default)]
pub struct History {
    /// Leaderships by partition, in order of their beginning.
    pub leaders: BTreeMap<Partition, Vec<LeaderSpan>>,
    /// Stored ISRs by partition, in order.
    pub isr: BTreeMap<Partition, Vec<IsrStep>>,
    /// Phases in order.
    pub phases: Vec<(usize, Phase)>,
    /// Downtimes by node, in order.
    pub downtimes: BTreeMap<Name, Vec<Downtime>>,
    /// What replicas removed, in order.
    pub removals: Vec<Removal>,
    /// The decisions by which a partition got another leader than before.
    pub leader_changes: Vec<u32>,
    /// Beginnings and ends of faults, in order.
    pub faults: Vec<u32>,
    /// Where two replicas of a partition ever held different batches: the end of each stretch by its first offset. Log
    /// matching fails when a flaw is at work, so that a first difference does not tell where the last one is.
    pub disagreements: BTreeMap<Partition, BTreeMap<i64, i64>>,
    /// The moments a story tells, in order.
    pub(crate) moments: Vec<(u32, CaptionKind)>,
    /// Records acknowledged, failed, and of unknown outcome, in order.
    pub(crate) operations: [Vec<u32>; 3],
}

impl History {
    /// Notes the event at `place`; `before` is the state without it.
    pub fn push(&mut self, place: usize, event: &Event, before: &ClusterState) {
        self.tell(place, &event.kind);
        match &event.kind {
            EventKind::BecameLeader { partition, leader_epoch, .. } => {
                let Some(broker) = broker_id(event.node) else { return };
                self.end_leadership(Some(*partition), broker, place);
                // A decision that nobody told shows when it is obeyed.
                let old = before.partitions.get(partition).filter(|state| !state.isr.is_empty());
                if old.is_some_and(|old| *leader_epoch > old.leader_epoch && old.leader != Some(broker)) {
                    self.leader_changes.push(place as u32);
                }
                let span = LeaderSpan { broker, epoch: *leader_epoch, from: place, to: None };
                self.leaders.entry(*partition).or_default().push(span);
            }
            EventKind::BecameFollower { partition, .. } | EventKind::ReplicaStopped { partition, .. } => {
                if let Some(broker) = broker_id(event.node) {
                    self.end_leadership(Some(*partition), broker, place);
                }
            }
            EventKind::LeadershipDecided { partition, leader, isr, .. } => {
                let old = before.partitions.get(partition).and_then(|state| state.leader);
                let known = before.partitions.get(partition).is_some_and(|state| !state.isr.is_empty());
                if known && old != (*leader >= 0).then_some(*leader) {
                    self.leader_changes.push(place as u32);
                }
                self.step(*partition, place, *isr);
            }
            EventKind::IsrChanged { partition, isr, leader_epoch, .. } => {
                let stored = before.partitions.get(partition).is_none_or(|state| state.leader_epoch == *leader_epoch);
                if stored {
                    self.step(*partition, place, *isr);
                }
            }
            EventKind::NodeStarted { .. } | EventKind::NodeResumed => self.end_downtime(event.node, place),
            EventKind::NodePaused => self.begin_downtime(event.node, place, None),
            EventKind::NodeStopped { reason } => {
                self.end_downtime(event.node, place);
                self.begin_downtime(event.node, place, Some(*reason));
                if let Some(broker) = broker_id(event.node) {
                    self.end_leadership(None, broker, place);
                }
            }
            EventKind::Appended { partition, base_offset, records, leader_epoch, crc, .. } => {
                let batch =
                    BatchState { base_offset: *base_offset, records: *records, leader_epoch: *leader_epoch, crc: *crc };
                self.compare(event.node, *partition, &batch, before);
            }
            EventKind::Truncated { partition, to, .. } => self.remove(place, event.node, *partition, *to, before),
            EventKind::LogLoaded { partition, log_end, .. } => {
                self.remove(place, event.node, *partition, *log_end, before);
            }
            _ => {}
        }
    }

    fn tell(&mut self, place: usize, kind: &EventKind) {
        let place = place as u32;
        let moment = match kind {
            EventKind::PhaseBegan { phase } => {
                self.phases.push((place as usize, *phase));
                CaptionKind::Phase
            }
            EventKind::FaultBegan { .. } => {
                self.faults.push(place);
                CaptionKind::Fault
            }
            EventKind::FaultWithoutEffect { .. } => CaptionKind::Fault,
            EventKind::FaultEnded { .. } => {
                self.faults.push(place);
                CaptionKind::Healed
            }
            EventKind::NoteShown { .. } => CaptionKind::Note,
            EventKind::Violation { .. } => CaptionKind::Violation,
            EventKind::RecordAcked { .. } => return self.operations[0].push(place),
            EventKind::RecordFailed { .. } => return self.operations[1].push(place),
            EventKind::RecordUnknown { .. } => return self.operations[2].push(place),
            _ => return,
        };
        self.moments.push((place, moment));
    }

    fn end_leadership(&mut self, partition: Option<Partition>, broker: i32, place: usize) {
        let wanted = |known: &Partition| partition.is_none_or(|partition| partition == *known);
        for (_, spans) in self.leaders.iter_mut().filter(|(known, _)| wanted(known)) {
            let open = spans.iter_mut().rev().find(|span| span.broker == broker).filter(|span| span.to.is_none());
            if let Some(span) = open {
                span.to = Some(place);
            }
        }
    }

    fn step(&mut self, partition: Partition, index: usize, isr: BrokerList) {
        let steps = self.isr.entry(partition).or_default();
        if steps.last().is_none_or(|last| last.isr != isr) {
            steps.push(IsrStep { index, isr });
        }
    }

    fn begin_downtime(&mut self, node: Name, from: usize, reason: Option<StopReason>) {
        self.downtimes.entry(node).or_default().push(Downtime { from, to: None, reason });
    }

    fn end_downtime(&mut self, node: Name, place: usize) {
        let open = self.downtimes.get_mut(&node).and_then(|spans| spans.last_mut()).filter(|last| last.to.is_none());
        if let Some(open) = open {
            open.to = Some(place);
        }
    }

    /// Notes where a batch that is appended now differs from what another replica has there.
    fn compare(&mut self, node: Name, partition: Partition, batch: &BatchState, before: &ClusterState) {
        let replicas = before.partitions.get(&partition).into_iter().flat_map(|state| &state.replicas);
        let differs = replicas.filter(|(id, _)| broker_id(node) != Some(**id)).any(|(_, other)| {
            other.log_end > batch.base_offset
                && other.batch_at(batch.base_offset).is_some_and(|held| !held.is_same(batch))
        });
        if differs {
            let end = self.disagreements.entry(partition).or_default().entry(batch.base_offset).or_default();
            *end = (*end).max(batch.end());
        }
    }

    fn remove(&mut self, place: usize, node: Name, partition: Partition, to: i64, before: &ClusterState) {
        let Some(broker) = broker_id(node) else { return };
        let Some(replica) = before.partitions.get(&partition).and_then(|state| state.replicas.get(&broker)) else {
            return;
        };
        let batches: Vec<BatchState> = replica.batches.range(to, i64::MAX).copied().collect();
        if !batches.is_empty() {
            self.removals.push(Removal { index: place, partition, broker, from: replica.log_end, to, batches });
        }
    }
}
