//! Part of liveness: a rebalance ends. A coordinator waits for its members' SyncGroup no longer than for their JoinGroup, which is the
//! longest `max.poll.interval.ms` among them; then it goes on without those who did not ask (KAFKA-12890).

use std::collections::BTreeMap;

use trace::{Event, EventId, EventKind, GroupState, Name};

use crate::Context;
use crate::finding::{Charge, Findings};

/// What a coordinator may need beyond the bound to notice, ns: its timers look twice a second, and a record must be stored.
const SLACK: u64 = 5_000_000_000;

/// Groups that wait for SyncGroup.
#[derive(Default)]
pub(super) struct Rebalances(BTreeMap<Name, Waiting>);

struct Waiting {
    coordinator: Name,
    since: u64,
    event: EventId,
}

impl Rebalances {
    pub fn observe(&mut self, event: &Event, context: &Context, findings: &mut Findings) {
        match &event.kind {
            EventKind::GroupStateChanged { group, state: GroupState::CompletingRebalance, .. } => {
                self.ends(*group, event, context, findings);
                let waiting = Waiting { coordinator: event.node, since: event.at, event: event.id };
                self.0.insert(*group, waiting);
            }
            EventKind::GroupStateChanged { group, .. } => self.ends(*group, event, context, findings),
            // Its clock stood still, or it is none any more.
            EventKind::NodeStopped { .. } | EventKind::NodePaused | EventKind::CoordinatorUnloaded { .. } => {
                self.0.retain(|_, waiting| waiting.coordinator != event.node);
            }
            _ => {}
        }
    }

    /// The run is over.
    pub fn conclude(&mut self, end: &Event, context: &Context, findings: &mut Findings) {
        for group in self.0.keys().copied().collect::<Vec<_>>() {
            self.ends(group, end, context, findings);
        }
    }

    fn ends(&mut self, group: Name, event: &Event, context: &Context, findings: &mut Findings) {
        let Some(waiting) = self.0.remove(&group) else { return };
        let members = context.clients.values().filter(|facts| facts.group == Some(group));
        let bound = members.map(|facts| facts.max_poll_interval_ns).max().unwrap_or(0);
        findings.fact();
        let took = event.at.saturating_sub(waiting.since);
        if bound > 0 && took > bound.saturating_add(SLACK) {
            let seconds = |ns: u64| ns as f64 / 1e9;
            let summary = format!(
                "group {group} waited {:.1} s for its members to ask for their assignment; max.poll.interval.ms is {:.1} s",
                seconds(took),
                seconds(bound)
            );
            findings.raise(Charge::at(event, None, "rebalance-stuck", summary).proven_by([waiting.event]));
        }
    }
}
