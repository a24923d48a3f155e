//! `max_down`: a fault that may be left out waits, and is left out at last, while too many nodes are down.

use std::collections::BTreeSet;

use scenario::Fault;
use state::ReplicaRole;
use trace::{EventId, ZabRole, broker_id};

use super::{Healing, Injector};

/// How often a postponed fault looks again, ns.
const LOOK: u64 = 250_000_000;
/// For how long, ns.
const PATIENCE: u64 = 15_000_000_000;

impl Injector {
    /// Why a fault must wait: with it more nodes would be down than its limit allows.
    pub(super) fn exceeds_limit(&self, fault: &Fault) -> Option<String> {
        let limit = fault.max_down?;
        let (targets, _) = self.targets(fault);
        for group in ["brokers", "zookeepers"] {
            let members = self.0.plan.group(group).unwrap_or_default();
            let hit: BTreeSet<&String> = targets.iter().filter(|node| members.contains(node)).collect();
            if hit.is_empty() {
                continue;
            }
            let down: BTreeSet<&String> = members.iter().filter(|node| self.is_down(node)).collect();
            let together = down.union(&hit).count();
            if together > limit as usize {
                return Some(format!("{} of {group} were down already, and at most {limit} may be", down.len()));
            }
        }
        None
    }

    /// A broker is down until it is back in every ISR; a member of the ensemble until it leads or follows.
    ///
    /// Until the controller has told a new process what it leads and follows, stored ISRs speak of the one before: while the
    /// old session lives they still hold a broker whose disk may be new and empty.
    fn is_down(&self, node: &str) -> bool {
        let world = &self.0.world;
        let disk = self.0.active.borrow().values().any(|active| match &active.healing {
            Healing::Disks(nodes) => nodes.iter().any(|it| it.as_str() == node),
            _ => false,
        });
        if disk || !world.is_up(node) || world.is_paused(node) {
            return true;
        }
        self.0.judge.view(|view| match broker_id(trace::Name::new(node)) {
            Some(id) => view.state.partitions.values().any(|partition| {
                let told = partition.replicas.get(&id).is_some_and(|it| it.role != ReplicaRole::Offline);
                partition.assignment.contains(id) && !(told && partition.isr.contains(id))
            }),
            None => view
                .state
                .ensemble
                .get(&trace::Name::new(node))
                .is_some_and(|member| matches!(member.role, ZabRole::Looking)),
        })
    }

    /// Waits until the fault may begin; after a while, or at the end of chaos, it is left out.
    pub(super) async fn postpone(&self, place: usize, cause: EventId) {
        let deadline = self.0.world.now_ns() + PATIENCE;
        let fault = &self.0.plan.faults[place];
        loop {
            self.0.world.sleep(LOOK).await;
            if self.chaos_is_over() {
                return;
            }
            self.0.judge.catch_up();
            let Some(reason) = self.exceeds_limit(fault) else {
                self.live(place, cause);
                return;
            };
            if self.0.world.now_ns() >= deadline {
                self.without_effect(place, fault, cause, reason);
                return;
            }
        }
    }
}
