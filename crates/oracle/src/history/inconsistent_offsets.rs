//! inconsistent-offsets: two reads of one offset, by any consumer or by the fresh reader at the end, gave different records.
//!
//! From: Jepsen's Kafka workload; KIP-101's second scenario. Reads alone are compared: an acknowledgement whose record is lost
//! is a lost-write, and the next record at its offset is its consequence.
//! Legal: an unclean election makes it a hazard of that configuration, which a
//! scenario may expect or allow.
//! Not checked: topics that were deleted, from then on (who still returns what it had fetched reads the former one); the records' bytes (the value's producer and sequence stand for them).

use trace::{EventId, EventKind, Name, Partition};

use crate::finding::{Charge, Findings};
use crate::judge::{Ending, Moment, Oracle};
use crate::sparse::{Sparse, Table};

/// What an offset was first read to hold.
#[derive(Clone, Copy, Default)]
struct Value {
    producer: Option<Name>,
    sequence: u64,
    event: EventId,
}

#[derive(Default)]
pub(crate) struct InconsistentOffsets {
    values: Table<Partition, Sparse<Value>>,
}

impl InconsistentOffsets {
    /// Remembers a read; gives back an earlier one of another record.
    fn read(&mut self, partition: Partition, offset: i64, value: Value) -> Option<Value> {
        let known = self.values.entry(partition).or_default().slot(offset as u64);
        if known.producer.is_none() {
            *known = value;
        }
        ((known.producer, known.sequence) != (value.producer, value.sequence)).then_some(*known)
    }
}

fn describe(partition: Partition, offset: i64, known: &Value, value: &Value) -> String {
    let name = |value: &Value| value.producer.map_or("nobody", Name::as_str);
    format!(
        "{partition}: offset {offset} was read as {}'s record {}, and then as {}'s record {}",
        name(known),
        known.sequence,
        name(value),
        value.sequence
    )
}

impl Oracle for InconsistentOffsets {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let EventKind::RecordPolled { partition, offset, sequence, producer, .. } = &moment.event.kind else { return };
        if moment.world.was_deleted(partition.topic) {
            return;
        }
        findings.fact();
        let value = Value { producer: Some(*producer), sequence: *sequence, event: moment.event.id };
        if let Some(known) = self.read(*partition, *offset, value) {
            let summary = describe(*partition, *offset, &known, &value);
            findings.raise(Charge::at(moment.event, Some(*partition), "polled", summary).proven_by([known.event]));
        }
    }

    fn finish(&mut self, ending: &Ending, findings: &mut Findings) {
        for read in ending.end.reads.iter().filter(|read| !ending.world.was_deleted(read.partition.topic)) {
            for (offset, producer, sequence) in &read.records {
                findings.fact();
                let value = Value { producer: Some(*producer), sequence: *sequence, event: ending.end.last_event };
                if let Some(known) = self.read(read.partition, *offset, value) {
                    let summary = describe(read.partition, *offset, &known, &value);
                    let charge = Charge::late(ending.end, Some(read.partition), "read-at-end", summary);
                    findings.raise(charge.proven_by([known.event]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("inconsistent-offsets")
    }

    #[test]
    fn readers_that_read_the_same_are_consistent() {
        story().sent(0).polled(0, 0).polled_by("audit-0", 0, 0).read(&[(0, 0), (1, 1)]).quiet();
    }

    #[test]
    fn two_consumers_must_not_read_different_records_at_one_offset() {
        story().sent(0).sent(1).polled(0, 0).polled_by("audit-0", 0, 1).fires(&["polled"]);
    }

    #[test]
    fn what_is_stored_at_the_end_is_what_was_polled() {
        story().sent(0).sent(1).polled(0, 0).read(&[(0, 1)]).fires(&["read-at-end"]);
    }

    #[test]
    fn a_topic_that_was_deleted_begins_anew() {
        story().polled_by("audit-0", 5, 5).sent(0).polled(0, 0).fault("delete-topic", "email").polled(0, 1).quiet();
    }
}
