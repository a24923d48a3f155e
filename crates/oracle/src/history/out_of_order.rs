//! out-of-order: records of one key, from one producer to one partition, are stored in another order than they were sent,
//! although order is promised (idempotence, or one request in flight).
//!
//! From: Kafka's producer documentation (max.in.flight.requests.per.connection); KAFKA-5494.
//! Legal: without idempotence and with several requests in flight, retries reorder, unless the scenario expects this very
//! violation. Only the first copy of a duplicate counts. What was under way when a topic was deleted: brokers forget its producers.
//! Not checked: one key in two partitions (after partitions were added); order between producers.

use trace::Name;

use crate::finding::{Charge, Findings};
use crate::judge::{Ending, Oracle};
use crate::sparse::Table;

#[derive(Default)]
pub(crate) struct OutOfOrder;

impl Oracle for OutOfOrder {
    fn finish(&mut self, ending: &Ending, findings: &mut Findings) {
        for read in &ending.end.reads {
            let recreated = ending.world.partition(read.partition).and_then(|fold| fold.recreated);
            // The last sequence of each producer's key, and where it is.
            let mut last: Table<(Name, u32), (u64, i64)> = Table::default();
            let mut stored: Table<(Name, u64), ()> = Table::default();
            for (offset, producer, sequence) in &read.records {
                let promised = ending.context.forbids_reordering(*producer);
                let Some(record) = ending.records.record(*producer, *sequence).filter(|_| promised) else { continue };
                if recreated > Some(record.sent) {
                    continue;
                }
                if stored.insert((*producer, *sequence), ()).is_some() {
                    continue;
                }
                findings.fact();
                let known = last.entry((*producer, record.key)).or_insert((*sequence, *offset));
                if *sequence < known.0 {
                    let summary = format!(
                        "{}: {producer} sent record {sequence} before record {} of the same key, and they are at offsets {offset} and {}",
                        read.partition, known.0, known.1
                    );
                    let later = ending.records.record(*producer, known.0).map(|record| record.sent);
                    let charge = Charge::late(ending.end, Some(read.partition), "stored", summary);
                    findings.raise(charge.proven_by(later.into_iter().chain([record.sent])));
                } else {
                    *known = (*sequence, *offset);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("out-of-order")
    }

    #[test]
    fn records_stored_as_sent_are_in_order_and_keys_are_independent() {
        story().sent_with_key(0, 7).sent_with_key(1, 8).sent_with_key(2, 7).read(&[(0, 1), (1, 0), (2, 2)]).quiet();
    }

    #[test]
    fn an_idempotent_producers_keys_keep_their_order() {
        story().sent_with_key(0, 7).sent_with_key(1, 7).read(&[(0, 1), (1, 0)]).fires(&["stored"]);
    }

    #[test]
    fn what_was_under_way_when_its_topic_was_deleted_may_come_in_any_order() {
        let mut story = story();
        story.sent_with_key(0, 7).sent_with_key(1, 7).fault("delete-topic", "email").recreate();
        story.sent_with_key(2, 7).sent_with_key(3, 7).read(&[(0, 1), (1, 0), (2, 2), (3, 3)]).quiet();
        story.read(&[(0, 1), (1, 0), (2, 3), (3, 2)]).fires(&["stored"]);
    }

    #[test]
    fn a_late_copy_of_a_duplicate_is_no_disorder() {
        story().sent_with_key(0, 7).sent_with_key(1, 7).read(&[(0, 0), (1, 1), (2, 0)]).quiet();
    }

    #[test]
    fn with_several_requests_in_flight_and_no_idempotence_retries_reorder() {
        story().not_idempotent().sent_with_key(0, 7).sent_with_key(1, 7).read(&[(0, 1), (1, 0)]).vacuous();
        let mut one = story();
        one.not_idempotent().one_in_flight().sent_with_key(0, 7).sent_with_key(1, 7).read(&[(0, 1), (1, 0)]);
        one.fires(&["stored"]);
    }

    #[test]
    fn a_hazard_scenario_is_shown_what_its_configuration_permits() {
        // H5.
        let mut story = story();
        story.not_idempotent().expect("out-of-order").sent_with_key(0, 7).sent_with_key(1, 7).read(&[(0, 1), (1, 0)]);
        story.fires(&["stored"]);
    }
}
