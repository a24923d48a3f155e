//! O10: a leader's log holds each (producer id, producer epoch, sequence) at most once, in sequence order and without gaps; a
//! deduplicated batch is answered with the offset where it is; an acknowledged offset is where the record is.
//!
//! From: KIP-98, KIP-360, KAFKA-5494 (the last five batches are remembered), KAFKA-14034, Redpanda #3039.
//! Legal: any first sequence of a producer the log does not know (its records are gone, or its id expired); a new producer
//! epoch starts at 0.
//! Not checked: appends of an older producer epoch (producer-fencing); transactions.

use trace::{EventId, EventKind, Name};

use crate::finding::{Charge, Findings, FreshRead};
use crate::fold::{Batch, Held, PartitionFold, Replica, appended};
use crate::judge::{Ending, Moment, Oracle};
use crate::records::Outcome;
use crate::sparse::Table;

#[derive(Default)]
pub(crate) struct Idempotence;

impl Oracle for Idempotence {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let Some(place) = moment.place else { return };
        let fold = &moment.world.partitions[place];
        match &moment.event.kind {
            EventKind::Appended { leading: true, producer_id: 0.., sequence: 0.., .. } => {
                let batch = appended(&moment.event.kind).expect("an append");
                if let Some(replica) = moment.world.replica(place, moment.event.node) {
                    findings.fact();
                    check_append(moment, fold, replica, &batch, findings);
                }
            }
            EventKind::Deduplicated { base_offset, producer_id, producer_epoch, sequence, .. } => {
                findings.fact();
                let producer = (*producer_id, *producer_epoch, *sequence);
                check_duplicate(moment, fold, *base_offset, producer, findings);
            }
            _ => {}
        }
    }

    fn finish(&mut self, ending: &Ending, findings: &mut Findings) {
        for read in ending.end.reads.iter().filter(|read| read.error.is_none()) {
            check_acked_offsets(ending, read, findings);
        }
    }
}

fn next_sequence(last: &Batch) -> i32 {
    last.last_sequence().checked_add(1).unwrap_or(0)
}

fn check_append(moment: &Moment, fold: &PartitionFold, replica: &Replica, batch: &Batch, findings: &mut Findings) {
    let known = replica.log.range(replica.log.start, batch.base);
    let mut earlier = known.iter().rev().filter(|old| old.producer_id == batch.producer_id && !old.is_control());
    let Some(last) = earlier.next() else { return };
    let expected = match batch.producer_epoch.cmp(&last.producer_epoch) {
        std::cmp::Ordering::Less => return,
        std::cmp::Ordering::Equal => next_sequence(last),
        std::cmp::Ordering::Greater => 0,
    };
    if batch.sequence == expected {
        return;
    }
    let Batch { base, producer_id, producer_epoch, sequence, .. } = batch;
    let same_epoch = |old: &&Batch| old.producer_epoch == *producer_epoch;
    let overlaps = |old: &&Batch| old.sequence <= *sequence && *sequence <= old.last_sequence();
    let again = std::iter::once(last).chain(earlier).filter(same_epoch).find(overlaps);
    let (kind, what) = match again {
        Some(old) => ("appended-twice", format!("which is at offset {} already", old.base)),
        None => ("sequence-gap", format!("and expected was {expected}")),
    };
    let summary = format!(
        "{}: {} appended producer {producer_id}'s sequence {sequence} of epoch {producer_epoch} at offset {base}, {what}",
        fold.partition, moment.event.node
    );
    findings.raise(Charge::at(moment.event, Some(fold.partition), kind, summary));
}

fn check_duplicate(
    moment: &Moment,
    fold: &PartitionFold,
    base: i64,
    (id, epoch, sequence): (i64, i16, i32),
    findings: &mut Findings,
) {
    let replica = moment.world.replica(moment.place.expect("in a partition"), moment.event.node);
    let found = match replica.map_or(Held::Unknown, |replica| replica.log.at(base)) {
        Held::Unknown => return,
        Held::Batch(batch) if (batch.producer_id, batch.producer_epoch, batch.sequence) == (id, epoch, sequence) => {
            return;
        }
        Held::Batch(batch) => format!("producer {}'s sequence {}", batch.producer_id, batch.sequence),
        Held::Nothing if replica.is_some_and(|it| base < it.log.start || it.log.may_lack(base, fold.cleaned)) => {
            return;
        }
        Held::Nothing => "nothing".to_owned(),
    };
    let summary = format!(
        "{}: {} took producer {id}'s sequence {sequence} for a duplicate of offset {base}, where it has {found}",
        fold.partition, moment.event.node
    );
    let kind = "wrong-duplicate";
    findings.raise(Charge::at(moment.event, Some(fold.partition), kind, summary));
}

/// An acknowledged record that is in the log must (also) be where it was said to be.
fn check_acked_offsets(ending: &Ending, read: &FreshRead, findings: &mut Findings) {
    let idempotent = |name: &Name| ending.context.clients.get(name).is_some_and(|facts| facts.idempotent);
    // The offset where each record was read: its own, if it is there too.
    let mut found: Table<(Name, u64), i64> = Table::default();
    for (offset, producer, sequence) in read.records.iter().filter(|(_, producer, _)| idempotent(producer)) {
        let acked = ending.records.record(*producer, *sequence).map_or(-1, |record| record.offset);
        let place = found.entry((*producer, *sequence)).or_insert(*offset);
        if acked == *offset {
            *place = acked;
        }
    }
    for ((producer, sequence), offset) in found {
        let record = ending.records.record(producer, sequence);
        let record = record.filter(|record| record.outcome == Outcome::Acked && record.offset >= 0);
        let Some(record) = record else { continue };
        findings.fact();
        if record.offset != offset {
            let summary = format!(
                "{}: {producer} was told that its record {sequence} is at offset {}, and it is at {offset}",
                read.partition, record.offset
            );
            let charge = Charge::late(ending.end, Some(read.partition), "acked-elsewhere", summary);
            findings.raise(charge.proven_by([record.sent, record.resolved, EventId::ROOT]));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("idempotence")
    }

    #[test]
    fn sequences_that_continue_are_idempotent_also_over_a_failover() {
        let mut story = story();
        story.produce_as(1, 2, 9, 0, 0).produce_as(1, 1, 9, 0, 2).replicate(1, 2).produce_as(1, 1, 8, 0, 0);
        story.crash(1).elect(2, &[2, 3]).produce_as(2, 1, 9, 0, 3).produce_as(2, 1, 8, 0, 0).quiet();
    }

    #[test]
    fn a_sequence_is_appended_once() {
        story()
            .produce_as(1, 2, 9, 0, 0)
            .produce_as(1, 2, 9, 0, 2)
            .produce_as(1, 2, 9, 0, 0)
            .fires(&["appended-twice"]);
    }

    #[test]
    fn a_sequence_leaves_no_gap() {
        story().produce_as(1, 2, 9, 0, 0).produce_as(1, 2, 9, 0, 3).fires(&["sequence-gap"]);
    }

    #[test]
    fn a_new_producer_epoch_starts_at_zero() {
        story().produce_as(1, 2, 9, 0, 0).produce_as(1, 2, 9, 1, 0).quiet();
        story().produce_as(1, 2, 9, 0, 0).produce_as(1, 2, 9, 1, 2).fires(&["sequence-gap"]);
    }

    #[test]
    fn sequence_numbers_wrap_to_zero() {
        story().produce_as(1, 1, 9, 0, i32::MAX).produce_as(1, 1, 9, 0, 0).quiet();
    }

    #[test]
    fn without_idempotence_batches_may_repeat() {
        story().produce_as(1, 1, 9, 0, 0).append_as_leader(1, 1, 1, 0, 7).append_as_leader(1, 2, 1, 0, 7).quiet();
    }

    #[test]
    fn a_duplicate_is_answered_with_the_offset_where_it_is() {
        story().produce_as(1, 2, 9, 0, 0).deduplicated(1, 0, 9, 0).quiet();
        story().produce_as(1, 2, 9, 0, 0).deduplicated(1, 0, 9, 4).fires(&["wrong-duplicate"]);
    }

    #[test]
    fn an_acknowledged_offset_is_where_the_record_is() {
        story().sent(0).acked(0, 0).read(&[(0, 0)]).quiet();
        story().sent(0).acked(0, 0).read(&[(1, 0)]).fires(&["acked-elsewhere"]);
    }
}
