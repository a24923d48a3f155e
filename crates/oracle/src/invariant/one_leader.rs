//! O4: at most one broker leads, and appends as leader, in each leader epoch of a partition.
//!
//! From: Raft's Election Safety; `NeverTwoLeadersInSameEpoch` in the KRaft TLA+ specifications; KAFKA-1188, KAFKA-8836.
//! Legal: a deposed leader that goes on in its own, lower epoch; the same broker told again; a restarted controller that sends
//! the stored leader and epoch to a restarted broker (ZooKeeper mode has no fence against it).
//! Not checked: whether the leader was in the ISR (isr-safety).

use trace::{Event, EventId, EventKind, Partition};

use crate::finding::{Charge, Findings};
use crate::fold::Role;
use crate::judge::{Moment, Oracle};
use crate::sparse::Slots;

/// Who was made, became, and acted as leader in an epoch, each with the event that first told; 0 is nobody.
#[derive(Clone, Copy, Default)]
struct Reign {
    epoch: i32,
    decided: (i32, EventId),
    began: (i32, EventId),
    appended: (i32, EventId),
}

#[derive(Default)]
pub(crate) struct OneLeader {
    reigns: Slots<Vec<Reign>>,
}

impl Oracle for OneLeader {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let Some(place) = moment.place else { return };
        let event = moment.event;
        let broker = moment.world.node(event.node).and_then(|node| node.broker).unwrap_or(0);
        let partition = moment.world.partitions[place].partition;
        let reigns = self.reigns.at(place);
        match &event.kind {
            EventKind::LeadershipDecided { leader, leader_epoch, .. } if *leader > 0 => {
                findings.fact();
                let reign = reign(reigns, *leader_epoch);
                claim(&mut reign.decided, *leader, event, partition, ("decided", *leader_epoch), findings);
            }
            EventKind::BecameLeader { leader_epoch, .. } => {
                findings.fact();
                let reign = reign(reigns, *leader_epoch);
                claim(&mut reign.began, broker, event, partition, ("led", *leader_epoch), findings);
                if reign.decided.0 != 0 && reign.decided.0 != broker {
                    let summary = format!(
                        "{partition}: {} leads epoch {leader_epoch}, which was given to broker {}",
                        event.node, reign.decided.0
                    );
                    let charge = Charge::at(event, Some(partition), "led-by-another", summary);
                    findings.raise(charge.proven_by([reign.decided.1]));
                }
            }
            EventKind::Appended { leading: true, leader_epoch, base_offset, .. } => {
                findings.fact();
                let reign = reign(reigns, *leader_epoch);
                claim(&mut reign.appended, broker, event, partition, ("appended", *leader_epoch), findings);
                let role = moment.world.replica(place, event.node).map_or(Role::None, |replica| replica.role);
                if !role.leads() || role.epoch() != *leader_epoch {
                    let summary = format!(
                        "{partition}: {} appended offset {base_offset} as the leader of epoch {leader_epoch}, which it does not lead",
                        event.node
                    );
                    findings.raise(Charge::at(event, Some(partition), "append-without-leadership", summary));
                }
            }
            _ => {}
        }
    }
}

/// The reign of `epoch`: nearly always the last one.
fn reign(reigns: &mut Vec<Reign>, epoch: i32) -> &mut Reign {
    let place = match reigns.last() {
        Some(last) if last.epoch == epoch => reigns.len() - 1,
        _ => match reigns.binary_search_by_key(&epoch, |reign| reign.epoch) {
            Ok(place) => place,
            Err(place) => {
                reigns.insert(place, Reign { epoch, ..Reign::default() });
                place
            }
        },
    };
    &mut reigns[place]
}

fn claim(
    held: &mut (i32, EventId),
    broker: i32,
    event: &Event,
    partition: Partition,
    (what, epoch): (&str, i32),
    findings: &mut Findings,
) {
    if held.0 == 0 {
        *held = (broker, event.id);
    } else if held.0 != broker {
        let summary = match what {
            "decided" => {
                format!("{partition}: epoch {epoch} was given to broker {}, and now to broker {broker}", held.0)
            }
            _ => format!("{partition}: broker {broker} {what} in epoch {epoch}, as broker {} did before", held.0),
        };
        findings.raise(Charge::at(event, Some(partition), format!("two-{what}"), summary).proven_by([held.1]));
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("one-leader-per-epoch")
    }

    #[test]
    fn a_deposed_leader_may_go_on_in_its_own_epoch() {
        story().commit(1).decide(2, &[2, 3]).leads(2).produce(1, 1).produce(2, 1).quiet();
    }

    #[test]
    fn two_brokers_never_lead_one_epoch() {
        story().leads_in(2, 0).fires(&["two-led", "led-by-another"]);
    }

    #[test]
    fn two_brokers_never_append_in_one_epoch() {
        let mut story = story();
        story.produce(1, 1).append_as_leader(2, 0, 1, 0, 7).fires(&["two-appended", "append-without-leadership"]);
    }

    #[test]
    fn an_epoch_is_given_away_once() {
        story().decide_as(2, 0, &[2, 3], 9, 1).fires(&["two-decided"]);
    }
}
