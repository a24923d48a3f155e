//! duplicate: a record of an idempotent producer is at more than one offset.
//!
//! From: Jepsen's Kafka workload; KIP-98. The signature tells whether the copies were polled or read at the end.
//! Legal: without idempotence retries may duplicate (the tally counts it), unless the scenario expects this very violation; polling one offset twice is redelivery, no duplicate.
//! Not checked: that an application sent the same thing twice, as two records (H13); topics that were deleted, from then on (brokers
//! forget their producers with them).

use trace::{EventId, EventKind, Name, Partition};

use crate::finding::{Charge, Findings};
use crate::judge::{Ending, Moment, Oracle};
use crate::sparse::{Sparse, Table};

/// Where a record was seen first.
#[derive(Clone, Copy, Default)]
struct Place {
    /// The offset plus one; 0 is none.
    after: i64,
    event: EventId,
}

#[derive(Default)]
pub(crate) struct Duplicate {
    seen: Table<(Name, Partition), Sparse<Place>>,
}

impl Oracle for Duplicate {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let EventKind::RecordPolled { partition, offset, sequence, producer, .. } = &moment.event.kind else { return };
        if !moment.context.forbids_duplicates(*producer) || moment.world.was_deleted(partition.topic) {
            return;
        }
        findings.fact();
        let place = self.seen.entry((*producer, *partition)).or_default().slot(*sequence);
        if place.after == 0 {
            *place = Place { after: offset.saturating_add(1), event: moment.event.id };
        } else if place.after != offset.saturating_add(1) {
            let summary = format!(
                "{partition}: {producer}'s record {sequence} was polled at offset {offset}, and before at offset {}",
                place.after - 1
            );
            findings.raise(Charge::at(moment.event, Some(*partition), "polled", summary).proven_by([place.event]));
        }
    }

    fn finish(&mut self, ending: &Ending, findings: &mut Findings) {
        for read in ending.end.reads.iter().filter(|read| !ending.world.was_deleted(read.partition.topic)) {
            let mut first: Table<(Name, u64), i64> = Table::default();
            for (offset, producer, sequence) in &read.records {
                if !ending.context.forbids_duplicates(*producer) {
                    continue;
                }
                findings.fact();
                let known = *first.entry((*producer, *sequence)).or_insert(*offset);
                if known != *offset {
                    let summary = format!(
                        "{}: {producer}'s record {sequence} is at offset {known} and at offset {offset}",
                        read.partition
                    );
                    let sent = ending.records.record(*producer, *sequence).map(|record| record.sent);
                    let charge = Charge::late(ending.end, Some(read.partition), "stored", summary);
                    findings.raise(charge.proven_by(sent));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("duplicate")
    }

    #[test]
    fn a_record_at_one_offset_is_none_even_if_it_is_delivered_twice() {
        story().sent(0).polled(0, 0).polled(0, 0).read(&[(0, 0)]).quiet();
    }

    #[test]
    fn a_record_at_two_offsets_is_found_in_polls_and_in_the_log() {
        story().sent(0).polled(0, 0).polled(4, 0).fires(&["polled"]);
        story().sent(0).read(&[(0, 0), (4, 0)]).fires(&["stored"]);
    }

    #[test]
    fn without_idempotence_retries_may_duplicate() {
        story().not_idempotent().sent(0).polled(0, 0).polled(4, 0).read(&[(0, 0), (4, 0)]).vacuous();
    }

    #[test]
    fn a_hazard_scenario_is_shown_what_its_configuration_permits() {
        // H5.
        story().not_idempotent().expect("duplicate").sent(0).read(&[(0, 0), (4, 0)]).fires(&["stored"]);
    }
}
