//! nonmonotonic-poll: a consumer polls an offset that it had passed.
//!
//! From: Jepsen's Kafka workload (memory is kept for assigned partitions only).
//! Legal: after a declared reset or seek (`PositionReset`), and after the process began anew; in a group, after a partition was
//! revoked or assigned (redelivery after a rebalance is at-least-once).
//! Not checked: what a group reads twice in several assignments (the tally counts it).

use trace::EventKind;

use crate::finding::{Charge, Findings};
use crate::judge::{Moment, Oracle};

#[derive(Default)]
pub(crate) struct NonmonotonicPoll;

impl Oracle for NonmonotonicPoll {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let EventKind::RecordPolled { partition, offset, .. } = &moment.event.kind else { return };
        let name = moment.event.node;
        let Some(position) = moment.records.position(name, *partition) else { return };
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
    fn a_declared_reset_and_a_new_process_may_go_back() {
        story().polled(0, 0).polled(1, 1).reset(2, 0).polled(0, 0).quiet();
        story().polled(0, 0).polled(1, 1).restart_client("mail-service-0").polled(0, 0).quiet();
    }

    #[test]
    fn a_member_goes_forward_within_an_assignment_and_may_go_back_with_the_next() {
        let mut story = Story::grouped("nonmonotonic-poll");
        story.takes("a", 1, &[0]).starts("a", 0).polled(0, 0).polled(0, 0).fires(&["without-reset"]);
        let mut story = Story::grouped("nonmonotonic-poll");
        story.takes("a", 1, &[0]).starts("a", 0).polled(0, 0).polled(1, 1).gives("a", 1, &[0]).takes("a", 2, &[0]);
        story.starts("a", 1).polled(1, 1).quiet();
    }
}
