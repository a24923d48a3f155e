//! poll-skip: a consumer goes from one offset to a later one although the leader's log has records in between.
//!
//! From: Jepsen's Kafka workload (memory is kept for assigned partitions only); KAFKA-7747 (positions after truncation), librdkafka
//! 1.7.0's aborted-list filter.
//! Legal: gaps without records (transaction markers; below what a cleaner of the partition reached), a declared reset or seek; in a
//! group, whatever lies between two assignments.
//! Not checked: records of aborted transactions (no transaction events yet); ranges that nobody knows after a power loss.

use trace::EventKind;

use crate::finding::{Charge, Findings};
use crate::judge::{Moment, Oracle};

#[derive(Default)]
pub(crate) struct PollSkip;

impl Oracle for PollSkip {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let EventKind::RecordPolled { partition, offset, .. } = &moment.event.kind else { return };
        let name = moment.event.node;
        let Some(position) = moment.records.position(name, *partition) else { return };
        findings.fact();
        if *offset <= position.next {
            return;
        }
        let Some(fold) = moment.world.partition(*partition) else { return };
        let Some(leader) = fold.leader() else { return };
        let from = position.next.max(leader.log.start).max(fold.cleaned);
        if let Some(skipped) = leader.log.range(from, *offset).iter().find(|batch| !batch.is_control()) {
            let first = skipped.base.max(from);
            let summary = format!(
                "{partition}: {name} went from offset {} to {offset} and left out what is at {first}",
                position.next
            );
            let charge = Charge::at(moment.event, Some(*partition), "without-reset", summary);
            findings.raise(charge.proven_by([position.event]));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("poll-skip")
    }

    #[test]
    fn a_consumer_that_reads_all_skips_nothing() {
        story().commit(2).commit(1).polled(0, 0).polled(1, 1).polled(2, 2).quiet();
    }

    #[test]
    fn a_record_that_exists_must_not_be_left_out() {
        story().commit(1).commit(1).commit(1).polled(0, 0).polled(2, 2).fires(&["without-reset"]);
        story().commit(3).polled(0, 0).polled(2, 2).fires(&["without-reset"]);
    }

    #[test]
    fn a_transaction_marker_a_declared_reset_and_retention_may_be_passed() {
        story().commit(1).produce_as(1, 1, 9, 0, -1).produce(1, 1).polled(0, 0).polled(2, 2).quiet();
        story().commit(3).polled(0, 0).reset(1, 2).polled(2, 2).quiet();
        story().commit(1).commit(1).commit(1).polled(0, 0).log_start(1, 2).polled(2, 2).quiet();
        story().commit(1).commit(1).commit(1).polled(0, 0).clean(2, 2).polled(2, 2).quiet();
    }

    #[test]
    fn a_member_skips_nothing_within_an_assignment() {
        let mut story = Story::grouped("poll-skip");
        story.commit(1).commit(1).commit(1).takes("a", 1, &[0]).starts("a", 0).polled(0, 0).polled(2, 2);
        story.fires(&["without-reset"]);
        let mut story = Story::grouped("poll-skip");
        story.commit(1).commit(1).commit(1).takes("a", 1, &[0]).starts("a", 0).polled(0, 0).gives("a", 1, &[0]);
        story.takes("a", 2, &[0]).starts("a", 2).polled(2, 2).quiet();
    }
}
