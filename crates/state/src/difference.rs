//! What differs between two states: what an event changed, as people read it.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};

use crate::{ClusterState, PartitionState, ReplicaRole, ReplicaState};

/// One value that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Whose value: `orders/0`, `orders/0 on broker-2`, `zk-1`.
    pub subject: String,
    /// Which value: `leader`, `ISR`, `high watermark`.
    pub field: &'static str,
    /// Its value before; `-` where there was none.
    pub before: String,
    /// Its value after; `-` where there is none.
    pub after: String,
}

/// All that differs between two states of one run, in a fixed order.
pub fn difference(before: &ClusterState, after: &ClusterState) -> Vec<Change> {
    let mut changes = Changes::default();
    let phase = |state: &ClusterState| state.phase.map(|(phase, _)| format!("{phase:?}").to_lowercase());
    changes.compare("run", "phase", phase(before), phase(after));
    let controller = |state: &ClusterState| state.controller.map(|(name, epoch)| format!("{name}, epoch {epoch}"));
    changes.compare("cluster", "controller", controller(before), controller(after));
    changes.count("cluster", "violations", before.violations.len(), after.violations.len());
    changes.each(&before.nodes, &after.nodes, |name, out, old, new| {
        let process = |up: bool, paused: bool| match (up, paused) {
            (false, _) => "down",
            (true, true) => "paused",
            (true, false) => "up",
        };
        let of = |node: Option<&crate::NodeState>| node.map(|node| process(node.up, node.paused));
        out.compare(name, "process", of(old), of(new));
        out.compare(name, "incarnation", old.map(|node| node.incarnation), new.map(|node| node.incarnation));
    });
    changes.each(&before.faults, &after.faults, |name, out, old, new| {
        let of = |fault: Option<&crate::FaultState>| {
            fault.map(|fault| if fault.ended.is_some() { "healed" } else { "active" })
        };
        out.compare(format!("fault {name}"), "state", of(old), of(new));
    });
    ensemble(&mut changes, before, after);
    changes.each(&before.partitions, &after.partitions, |name, out, old, new| {
        let (old, new) = (old.cloned().unwrap_or_default(), new.cloned().unwrap_or_default());
        partition(out, &name.to_string(), &old, &new);
    });
    clients(&mut changes, before, after);
    changes.0
}

fn ensemble(changes: &mut Changes, before: &ClusterState, after: &ClusterState) {
    changes.each(&before.ensemble, &after.ensemble, |name, out, old, new| {
        let role =
            |member: Option<&crate::MemberState>| member.map(|member| format!("{:?}", member.role).to_lowercase());
        out.compare(name, "Zab role", role(old), role(new));
        out.compare(name, "Zab epoch", old.map(|member| member.epoch), new.map(|member| member.epoch));
        let zxid = |member: Option<&crate::MemberState>| member.map(|member| format!("{:#x}", member.zxid));
        out.compare(name, "zxid", zxid(old), zxid(new));
    });
    changes.each(&before.sessions, &after.sessions, |session, out, old, new| {
        let of = |state: Option<&crate::SessionState>| {
            state.map(|state| state.client.map_or("of nobody yet".to_owned(), |client| format!("of {client}")))
        };
        out.compare(format!("session {session:#x}"), "holder", of(old), of(new));
    });
    changes.each(&before.registered, &after.registered, |id, out, old, new| {
        let of = |session: Option<&u64>| session.map(|session| format!("session {session:#x}"));
        out.compare(format!("broker-{id}"), "registered by", of(old), of(new));
    });
}

fn partition(changes: &mut Changes, name: &str, old: &PartitionState, new: &PartitionState) {
    changes.compare(name, "leader", old.leader, new.leader);
    changes.compare(name, "leader epoch", Some(old.leader_epoch), Some(new.leader_epoch));
    changes.compare(name, "ISR", Some(old.isr), Some(new.isr));
    changes.compare(name, "assignment", Some(old.assignment), Some(new.assignment));
    let leaderless = |state: &PartitionState| state.leaderless_since.map(|_| "yes");
    changes.compare(name, "leaderless", leaderless(old), leaderless(new));
    let none = ReplicaState::default();
    changes.each(&old.replicas, &new.replicas, |id, out, old, new| {
        let subject = format!("{name} on broker-{id}");
        replica(out, &subject, old.unwrap_or(&none), new.unwrap_or(&none));
    });
}

fn replica(changes: &mut Changes, subject: &str, old: &ReplicaState, new: &ReplicaState) {
    let role = |state: &ReplicaState| match state.role {
        ReplicaRole::Offline => "offline".to_owned(),
        ReplicaRole::Leader => "leader".to_owned(),
        ReplicaRole::Follower(of) => format!("follower of {of}"),
    };
    changes.compare(subject, "role", Some(role(old)), Some(role(new)));
    changes.compare(subject, "leader epoch", Some(old.leader_epoch), Some(new.leader_epoch));
    changes.compare(subject, "log start", Some(old.log_start), Some(new.log_start));
    changes.compare(subject, "log end", Some(old.log_end), Some(new.log_end));
    changes.compare(subject, "high watermark", Some(old.high_watermark), Some(new.high_watermark));
    changes.compare(subject, "fsynced below", Some(old.recovery_point), Some(new.recovery_point));
    changes.compare(subject, "own ISR", Some(old.isr), Some(new.isr));
    changes.count(subject, "batches", old.batches.len(), new.batches.len());
}

fn clients(changes: &mut Changes, before: &ClusterState, after: &ClusterState) {
    let none = crate::ClientState::default();
    changes.each(&before.clients, &after.clients, |name, out, old, new| {
        let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
        out.compare(name, "records sent", Some(old.sent), Some(new.sent));
        out.compare(name, "records acknowledged", Some(old.acked), Some(new.acked));
        out.compare(name, "records failed", Some(old.failed), Some(new.failed));
        out.compare(name, "records of unknown outcome", Some(old.unknown), Some(new.unknown));
        out.compare(name, "records polled", Some(old.polled), Some(new.polled));
        out.compare(name, "records processed", Some(old.processed), Some(new.processed));
        out.each(&old.partitions, &new.partitions, |partition, out, old, new| {
            let subject = format!("{name} at {partition}");
            let position = |own: Option<&crate::ClientPartition>| own.and_then(|own| own.position);
            out.compare(&subject, "position", position(old), position(new));
            let processed = |own: Option<&crate::ClientPartition>| Some(own.map_or(0, |own| own.processed_to));
            out.compare(&subject, "processed below", processed(old), processed(new));
        });
    });
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn compare<T: PartialEq + Display>(
        &mut self,
        subject: impl Display,
        field: &'static str,
        before: Option<T>,
        after: Option<T>,
    ) {
        if before != after {
            let text = |value: Option<T>| {
                let text = value.map(|value| value.to_string()).unwrap_or_default();
                if text.is_empty() { "-".to_owned() } else { text }
            };
            self.0.push(Change { subject: subject.to_string(), field, before: text(before), after: text(after) });
        }
    }

    fn count(&mut self, subject: &str, field: &'static str, before: usize, after: usize) {
        self.compare(subject, field, Some(before), Some(after));
    }

    /// Calls `visit` for every key of either map.
    fn each<K: Ord + Debug, V>(
        &mut self,
        before: &BTreeMap<K, V>,
        after: &BTreeMap<K, V>,
        mut visit: impl FnMut(&K, &mut Changes, Option<&V>, Option<&V>),
    ) {
        for key in before.keys().filter(|key| !after.contains_key(key)) {
            visit(key, self, before.get(key), None);
        }
        for (key, value) in after {
            visit(key, self, before.get(key), Some(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{BrokerList, Event, EventId, EventKind, Name, Partition};

    #[test]
    fn an_election_shows_leader_epoch_and_isr_and_nothing_else() {
        let decided = |leader, leader_epoch, isr: &[i32]| Event {
            id: EventId(leader_epoch as u64 + 1),
            at: 5,
            node: Name::new("broker-1"),
            cause: EventId::ROOT,
            kind: EventKind::LeadershipDecided {
                partition: Partition::new("orders", 0),
                leader,
                leader_epoch,
                isr: BrokerList::new(isr.iter().copied()),
                partition_epoch: leader_epoch,
                controller_epoch: 1,
                unclean: false,
            },
        };
        let mut before = ClusterState::default();
        before.apply(&decided(1, 0, &[1, 2]));
        let mut after = before.clone();
        after.apply(&decided(2, 1, &[2]));
        let changes = difference(&before, &after);
        let told: Vec<_> =
            changes.iter().map(|change| format!("{} {} -> {}", change.field, change.before, change.after)).collect();
        assert_eq!(told, ["leader 1 -> 2", "leader epoch 0 -> 1", "ISR 12 -> 2"]);
        assert!(changes.iter().all(|change| change.subject == "orders/0"));
        assert!(difference(&after, &after.clone()).is_empty());
    }
}
