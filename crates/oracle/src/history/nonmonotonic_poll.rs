//! nonmonotonic-poll: a consumer polls an offset that it had passed.
//!
//! From: Jepsen's Kafka workload (memory is kept for assigned partitions only).
//! Legal: after a declared reset or seek (`PositionReset`), and after the process began anew; for members of a group, from one time
//! that they are given a partition to the next (redelivery after a rebalance is at-least-once).

use trace::EventKind;

use crate::finding::{Charge, Findings};
use crate::judge::{Moment, Oracle};

#[derive(Default)]
pub(crate) struct NonmonotonicPoll;

impl Oracle for NonmonotonicPoll {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let EventKind::RecordPolled { partition, offset, .. } = &moment.event.kind else { return };
        let name = moment.event.node;
        let place = moment.records.partitions.get_index_of(partition);
        let position = place.and_then(|place| moment.records.positions.get(&(name, place as u32)));
        let Some(position) = position else { return };
        findings.fact();
        if *offset < position.next {
            let summary = format!("{partition}: {name} polled offset {offset} when its position was {}", position.next);
            let charge = Charge::at(moment.event, Some(*partition), "without-reset", summary);
            findings.raise(charge.proven_by([position.event]));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("nonmonotonic-poll")
    }

    #[test]
    fn polls_that_go_forward_are_monotonic() {
        story().polled(0, 0).polled(1, 1).polled(4, 4).polled_by("audit-0", 0, 0).quiet();
    }

    #[test]
    fn a_poll_must_not_go_back() {
        story().polled(0, 0).polled(1, 1).polled(0, 0).fires(&["without-reset"]);
        story().polled(0, 0).polled(0, 0).fires(&["without-reset"]);
    }

    #[test]
    fn a_declared_reset_a_new_process_and_a_group_may_go_back() {
        story().polled(0, 0).polled(1, 1).reset(2, 0).polled(0, 0).quiet();
        story().polled(0, 0).polled(1, 1).restart_client("mail-service-0").polled(0, 0).quiet();
        let mut member = story();
        member.group("mail").takes("mail-service-0", "m-0", 1, &[0]).polled(0, 0).polled(1, 1);
        member.gives_up("mail-service-0", "m-0", 1, &[0]).takes("mail-service-0", "m-0", 2, &[0]).polled(0, 0).quiet();
        member.polled(0, 0).fires(&["without-reset"]);
    }
}
