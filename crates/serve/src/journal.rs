//! What people are told while a cluster runs: nodes that come and go, and who leads.

use std::collections::BTreeMap;

use state::describe;
use trace::{Event, EventKind, Name, Partition, ZabRole};

/// Picks from the event stream what a person wants to see, a line each.
#[derive(Default)]
pub struct Journal {
    leaders: BTreeMap<Partition, i32>,
}

/// Partitions of one topic that one decision moved alike.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Move {
    topic: Name,
    /// The leader before, if it is known; a topic that is created had none.
    from: Option<i32>,
    to: i32,
    unclean: bool,
}

impl Journal {
    /// The lines for these events: time since the start, node, what happened.
    pub fn lines(&mut self, events: &[Event]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut created: BTreeMap<Name, usize> = BTreeMap::new();
        let mut moves: BTreeMap<Move, Vec<i32>> = BTreeMap::new();
        let mut last = None;
        for event in events {
            match &event.kind {
                EventKind::LeadershipDecided { partition, leader, unclean, leader_epoch, .. } => {
                    let from = self.leaders.insert(*partition, *leader);
                    last = Some(event);
                    if from.is_none() && *leader_epoch == 0 {
                        *created.entry(partition.topic).or_default() += 1;
                    } else if from != Some(*leader) {
                        let moved = Move { topic: partition.topic, from, to: *leader, unclean: *unclean };
                        moves.entry(moved).or_default().push(partition.index);
                    }
                }
                kind => lines.extend(told(kind).map(|what| line(event, &what))),
            }
        }
        if let Some(event) = last {
            for (topic, partitions) in created {
                lines.push(line(event, &format!("creates {topic}: partitions {partitions}")));
            }
            for (moved, partitions) in moves {
                lines.push(line(event, &moved.told(partitions)));
            }
        }
        lines
    }
}

impl Move {
    fn told(&self, mut partitions: Vec<i32>) -> String {
        const MOST: usize = 8;
        partitions.sort_unstable();
        partitions.dedup();
        let named: Vec<String> = partitions.iter().take(MOST).map(i32::to_string).collect();
        let more =
            if partitions.len() > MOST { format!(" and {} more", partitions.len() - MOST) } else { String::new() };
        let leader = |id: i32| if id < 0 { "none".to_owned() } else { format!("broker-{id}") };
        let from = self.from.map(|from| format!("{} -> ", leader(from))).unwrap_or_default();
        let unclean = if self.unclean { ", UNCLEAN" } else { "" };
        format!("{}/{}{more}: leader {from}{}{unclean}", self.topic, named.join(","), leader(self.to))
    }
}

/// What is said of an event, if anything.
fn told(kind: &EventKind) -> Option<String> {
    match kind {
        EventKind::BrokerRegistered { .. } => Some("is registered".into()),
        EventKind::ZabRoleChanged { role: ZabRole::Leading, epoch } => {
            Some(format!("leads the ensemble, epoch {epoch}"))
        }
        EventKind::NodeStarted { .. }
        | EventKind::NodeStopped { .. }
        | EventKind::NodePanicked { .. }
        | EventKind::SessionLost { .. }
        | EventKind::LogsClosed
        | EventKind::ControllerElected { .. }
        | EventKind::ControllerResigned { .. } => Some(describe(kind)),
        _ => None,
    }
}

fn line(event: &Event, what: &str) -> String {
    format!("{:>9.3}s {:<10} {what}", event.at as f64 / 1e9, event.node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{BrokerList, EventId};

    fn event(kind: EventKind) -> Event {
        Event { id: EventId(2), at: 1_500_000_000, node: Name::new("broker-1"), cause: EventId(1), kind }
    }

    fn decided(index: i32, leader: i32, leader_epoch: i32) -> Event {
        event(EventKind::LeadershipDecided {
            partition: Partition::new("orders", index),
            leader,
            leader_epoch,
            isr: BrokerList::new([1, 2]),
            partition_epoch: 0,
            controller_epoch: 1,
            unclean: false,
        })
    }

    #[test]
    fn a_new_topic_is_one_line_and_its_leaders_are_told_when_they_move() {
        let mut journal = Journal::default();
        let created: Vec<Event> = (0..20).map(|index| decided(index, 1, 0)).collect();
        assert_eq!(journal.lines(&created), ["    1.500s broker-1   creates orders: partitions 20"]);
        let shrunk = [decided(3, 1, 0)];
        assert!(journal.lines(&shrunk).is_empty(), "the leader is the same");
        let moved: Vec<Event> = (0..10).map(|index| decided(index, 2, 1)).collect();
        let told = "orders/0,1,2,3,4,5,6,7 and 2 more: leader broker-1 -> broker-2";
        assert_eq!(journal.lines(&moved), [format!("    1.500s broker-1   {told}")]);
        assert_eq!(journal.lines(&[decided(3, -1, 2)]), ["    1.500s broker-1   orders/3: leader broker-2 -> none"]);
    }

    #[test]
    fn a_cluster_that_comes_back_tells_who_leads() {
        let line = Journal::default().lines(&[decided(3, 2, 7)]);
        assert_eq!(line, ["    1.500s broker-1   orders/3: leader broker-2"]);
    }

    #[test]
    fn frames_are_not_told_and_panics_are() {
        let mut journal = Journal::default();
        assert!(journal.lines(&[event(EventKind::ZabProposed { zxid: 1 })]).is_empty());
        let panicked = event(EventKind::NodePanicked { message: Name::new("broken") });
        assert_eq!(journal.lines(&[panicked]), ["    1.500s broker-1   PANIC: broken"]);
    }
}
