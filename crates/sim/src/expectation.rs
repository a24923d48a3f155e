//! What a scenario expects of its runs: `never`, `eventually`, notes and marks.

use std::collections::BTreeMap;

use oracle::Finding;
use scenario::{Condition, Eventually, Plan, Trigger};
use state::ClusterState;
use trace::{Event, EventId, EventKind, Name, Phase};

use crate::view::View;

/// A finding about one of the scenario's own conditions.
fn miss(oracle: &'static str, condition: &Condition, summary: String, event: EventId, at: u64) -> Finding {
    let signature = format!("{oracle}/{condition}");
    Finding { oracle, signature, summary, event, at, evidence: Vec::new(), partition: None }
}

/// Watches the conditions that an expectation states.
pub struct Expectations {
    never: Vec<(Condition, bool)>,
    eventually: Vec<(Eventually, bool)>,
    notes: Vec<Option<NoteTrigger>>,
    settle: Option<u64>,
    chaos: Option<u64>,
    /// Marks reached, with their counts.
    pub marks: BTreeMap<&'static str, u64>,
    controller: Option<Name>,
    ensemble_leader: Option<Name>,
}

struct NoteTrigger {
    trigger: Trigger,
    held: bool,
}

impl Expectations {
    /// The expectations of `plan`.
    pub fn new(plan: &Plan) -> Expectations {
        let notes = plan.notes.iter();
        Expectations {
            never: plan.expect.never.iter().map(|condition| (condition.clone(), false)).collect(),
            eventually: plan.expect.eventually.iter().map(|wanted| (wanted.clone(), false)).collect(),
            notes: notes.map(|note| Some(NoteTrigger { trigger: note.trigger.clone(), held: true })).collect(),
            settle: None,
            chaos: None,
            marks: BTreeMap::new(),
            controller: None,
            ensemble_leader: None,
        }
    }

    /// Counts the marks that `event` reaches; `before` is the state without it.
    pub fn mark(&mut self, event: &Event, before: &ClusterState) {
        let mark = match &event.kind {
            EventKind::PhaseBegan { phase: Phase::Chaos } => {
                self.chaos = Some(event.at);
                None
            }
            EventKind::PhaseBegan { phase: Phase::Settle } => {
                self.settle = Some(event.at);
                None
            }
            EventKind::LeadershipDecided { unclean: true, .. } => Some("unclean-election"),
            EventKind::LeadershipDecided { partition, leader, leader_epoch, isr, .. } => {
                let old = before.partitions.get(partition);
                let shrunk = old.is_some_and(|old| isr.len() < old.isr.len());
                if shrunk {
                    *self.marks.entry("isr-shrunk").or_default() += 1;
                }
                let moved = *leader_epoch > 0 && *leader >= 0 && old.is_some_and(|old| old.leader != Some(*leader));
                moved.then_some("leader-changed")
            }
            EventKind::IsrChanged { partition, isr, .. } => {
                before.partitions.get(partition).and_then(|old| match isr.len().cmp(&old.isr.len()) {
                    std::cmp::Ordering::Less => Some("isr-shrunk"),
                    std::cmp::Ordering::Greater => Some("isr-expanded"),
                    std::cmp::Ordering::Equal => None,
                })
            }
            EventKind::GroupStateChanged { group, generation, .. } => {
                let known = before.groups.get(group).map_or(0, |group| group.generation);
                (*generation > known && *generation > 1).then_some("rebalanced")
            }
            EventKind::Truncated { to, from, .. } if to < from => Some("log-truncated"),
            EventKind::ControllerElected { .. } => {
                let changed = self.controller.replace(event.node).is_some_and(|old| old != event.node);
                changed.then_some("controller-changed")
            }
            EventKind::ZabRoleChanged { role: trace::ZabRole::Leading, .. } => {
                let changed = self.ensemble_leader.replace(event.node).is_some_and(|old| old != event.node);
                changed.then_some("zk-leader-changed")
            }
            EventKind::SessionEnded { expired: true, .. } => Some("session-expired"),
            EventKind::RecordFailed { .. } | EventKind::RecordUnknown { .. } => Some("send-failed"),
            EventKind::Deduplicated { .. } => Some("retried"),
            EventKind::Mark { mark } => Some(mark.as_str()),
            EventKind::LogLoaded { clean: false, log_end, .. } if *log_end > 0 => Some("recovered-unclean"),
            _ => None,
        };
        if let Some(mark) = mark {
            *self.marks.entry(mark).or_default() += 1;
        }
    }

    /// Looks at every condition in the state after `cause`; gives the notes whose condition turned true.
    pub fn look(&mut self, view: &View<'_>, cause: EventId, findings: &mut Vec<Finding>) -> Vec<u32> {
        for (condition, missed) in self.never.iter_mut().filter(|(_, missed)| !missed) {
            if condition.holds(view) == Some(true) {
                *missed = true;
                let summary = format!("what the scenario says must never be true became true: {condition}");
                findings.push(miss("never", condition, summary, cause, view.now));
            }
        }
        if self.settle.is_some_and(|settle| view.now >= settle) {
            for (wanted, reached) in self.eventually.iter_mut().filter(|(_, reached)| !reached) {
                let deadline = self.settle.unwrap_or(0).saturating_add(wanted.within.nanos());
                *reached = view.now <= deadline && wanted.that.holds(view) == Some(true);
            }
        }
        self.notes_shown(view)
    }

    fn notes_shown(&mut self, view: &View<'_>) -> Vec<u32> {
        let Some(chaos) = self.chaos else { return Vec::new() };
        let mut shown = Vec::new();
        for (place, slot) in self.notes.iter_mut().enumerate() {
            let Some(note) = slot else { continue };
            let turned = match &note.trigger {
                Trigger::At(after) => view.now >= chaos + after.nanos(),
                Trigger::When { condition, .. } => {
                    let holds = condition.holds(view) == Some(true);
                    let rising = holds && !note.held;
                    note.held = holds;
                    rising
                }
            };
            if turned {
                shown.push(place as u32);
                *slot = None;
            }
        }
        shown
    }

    /// What never came to be. Where a part of the cluster provably cannot recover, what waits for all of it is forgiven.
    pub fn finish(&self, last: EventId, at: u64, excused: bool) -> Vec<Finding> {
        if excused {
            return Vec::new();
        }
        let missed = self.eventually.iter().filter(|(_, reached)| !reached);
        let finding = |(wanted, _): &(Eventually, bool)| {
            let summary = format!("{} did not become true within {} of healing", wanted.that, wanted.within);
            miss("eventually", &wanted.that, summary, last, at)
        };
        missed.map(finding).collect()
    }
}
