//! O17: nothing above the high watermark is deleted or cleaned; a replica's log start does not go back; and where a log was
//! cleaned, the record of each key that was acknowledged at the highest offset, or a later one of the key, is read at the end.
//!
//! From: KAFKA-5634 (retention beyond the high watermark), KAFKA-3330 (a stale cleaner checkpoint), KIP-58.
//! Legal: disks that a fault replaced or let rot; a log start that a power loss took back; after an unclean election, or when
//! a leader began without the record, that it is gone (lost-write and committed-durability tell of that).
//! Not checked: that a deleted key stays away (no service of a scenario writes tombstones); that a cleaner takes all it may.

use trace::{EventKind, Name, Partition};

use crate::finding::{Charge, Findings, FreshRead};
use crate::fold::{PartitionFold, Replica};
use crate::judge::{Ending, Moment, Oracle};
use crate::records::{Outcome, Record};
use crate::sparse::Table;

#[derive(Default)]
pub(crate) struct Retention;

impl Oracle for Retention {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let Some(place) = moment.place else { return };
        let Some(replica) = moment.world.replica(place, moment.event.node) else { return };
        let partition = moment.world.partitions[place].partition;
        let broken = match &moment.event.kind {
            EventKind::LogStartMoved { to, .. } => deleted(replica, *to),
            EventKind::LogLoaded { log_start, .. } if replica.log.start > 0 => {
                let trusted = moment.world.node(moment.event.node).is_some_and(|node| !node.bad_disk);
                (*log_start < replica.log.start && trusted && !replica.power_lost)
                    .then(|| went_back(replica, *log_start))
            }
            EventKind::LogCleaned { upto, .. } if *upto > replica.hw => {
                let what = format!("cleaned its log up to {upto}, and its high watermark is {}", replica.hw);
                Some(("cleaned/above-high-watermark", what))
            }
            EventKind::LogCleaned { .. } => None,
            _ => return,
        };
        findings.fact();
        if let Some((kind, what)) = broken {
            let summary = format!("{partition}: {} {what}", moment.event.node);
            findings.raise(Charge::at(moment.event, Some(partition), kind, summary));
        }
    }

    fn finish(&mut self, ending: &Ending, findings: &mut Findings) {
        for read in ending.end.reads.iter().filter(|read| read.error.is_none()) {
            let fold = ending.world.partition(read.partition).filter(|fold| fold.cleaned > 0 && fold.unclean.is_none());
            if let Some(fold) = fold.filter(|fold| !ending.world.is_deleted(fold.partition)) {
                check_keys(ending, fold, read, findings);
            }
        }
    }
}

/// What is wrong with a move of the log start. A log that begins anew at its leader's start has moved already.
fn deleted(replica: &Replica, to: i64) -> Option<(&'static str, String)> {
    if to < replica.log.start {
        return Some(went_back(replica, to));
    }
    (to > replica.log.start && to > replica.hw).then(|| {
        let what = format!("deleted all below {to}, and its high watermark is {}", replica.hw);
        ("deleted/above-high-watermark", what)
    })
}

fn went_back(replica: &Replica, to: i64) -> (&'static str, String) {
    ("log-start/went-back", format!("says its log starts at {to}; it started at {}", replica.log.start))
}

/// Each key's latest acknowledged record below what was cleaned is there, or a later one of the key.
fn check_keys(ending: &Ending, fold: &PartitionFold, read: &FreshRead, findings: &mut Findings) {
    let mut latest: Table<u32, (Name, u64, &Record)> = Table::default();
    for (producer, sequence, record) in ending.records.iter() {
        let here = ending.records.partition(record.partition) == fold.partition;
        if here && record.outcome == Outcome::Acked && record.offset >= 0 {
            let known = latest.entry(record.key).or_insert((producer, sequence, record));
            if record.offset > known.2.offset {
                *known = (producer, sequence, record);
            }
        }
    }
    let start = fold.newest_term().and_then(|term| fold.replica(term.broker)).map_or(0, |leader| leader.log.start);
    for (producer, sequence, record) in latest.into_values() {
        let elected_without = fold.terms.iter().any(|term| term.event > record.sent && term.start <= record.offset);
        if !(start..fold.cleaned).contains(&record.offset) || elected_without {
            continue;
        }
        findings.fact();
        if last_read(ending, read, record.key).is_none_or(|offset| offset < record.offset) {
            let summary = format!(
                "{}: {producer}'s record {sequence} at offset {}, the latest acknowledged of its key, is gone from the cleaned log",
                fold.partition, record.offset
            );
            let charge = Charge::late(ending.end, Some(fold.partition), "latest-value/lost", summary);
            findings.raise(charge.proven_by([record.sent, record.resolved]));
        }
    }
}

/// The highest offset at which a record of the key was read.
fn last_read(ending: &Ending, read: &FreshRead, key: u32) -> Option<i64> {
    let of_key =
        |producer: Name, sequence: u64| ending.records.record(producer, sequence).is_some_and(|it| it.key == key);
    let offsets = read.records.iter().filter(|(_, producer, sequence)| of_key(*producer, *sequence));
    offsets.map(|(offset, ..)| *offset).max()
}

/// Whether a cleaner may have taken this record: it is below what was cleaned, and a later one of its key is read.
pub(crate) fn superseded(ending: &Ending, partition: Partition, record: &Record) -> bool {
    let cleaned = ending.world.partition(partition).map_or(0, |fold| fold.cleaned);
    let read = ending.end.reads.iter().find(|read| read.partition == partition);
    // Nobody tells where a record is that was sent with acks=0: anywhere in the log.
    record.offset.max(0) < cleaned
        && read.and_then(|read| last_read(ending, read, record.key)).is_some_and(|offset| offset > record.offset)
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        let mut story = Story::of("retention");
        story.compacted();
        story
    }

    /// Records 0 and 1 of one key, 2 of another, all acknowledged; then the first two offsets are cleaned.
    fn cleaned() -> Story {
        let mut story = story();
        story.sent_with_key(0, 7).sent_with_key(1, 7).sent_with_key(2, 8).commit(1).commit(1).commit(1);
        story.acked(0, 0).acked(1, 1).acked(2, 2).clean(1, 2);
        story
    }

    #[test]
    fn what_is_committed_may_be_deleted_and_cleaned() {
        story().commit(2).commit(1).log_start(1, 2).clean(1, 3).quiet();
    }

    #[test]
    fn nothing_above_the_high_watermark_is_deleted() {
        // KAFKA-5634.
        story().commit(2).produce(1, 2).log_start(1, 4).fires(&["deleted/above-high-watermark"]);
    }

    #[test]
    fn nothing_above_the_high_watermark_is_cleaned() {
        story().commit(2).produce(1, 2).clean(1, 4).fires(&["cleaned/above-high-watermark"]);
    }

    #[test]
    fn a_log_start_does_not_go_back() {
        story().commit(2).commit(1).log_start(1, 2).log_start(1, 0).fires(&["log-start/went-back"]);
        story().commit(2).commit(1).log_start(1, 2).crash(1).restart(1, 3).fires(&["log-start/went-back"]);
    }

    #[test]
    fn a_power_loss_and_a_replaced_disk_may_take_the_log_start_back() {
        story().commit(2).commit(1).log_start(1, 2).power_loss(1).restart(1, 3).quiet();
        let mut replaced = story();
        replaced.commit(2).commit(1).log_start(1, 2).crash(1).fault("replace-disk", "broker-1").restart(1, 0).quiet();
    }

    #[test]
    fn a_follower_that_begins_anew_at_its_leaders_log_start_deletes_nothing() {
        story().commit(2).truncate(2, 9).log_start(2, 9).quiet();
    }

    #[test]
    fn the_latest_value_of_a_key_survives_cleaning_and_earlier_ones_need_not() {
        cleaned().read(&[(1, 1), (2, 2)]).quiet();
        cleaned().read(&[(0, 0), (2, 2)]).fires(&["latest-value/lost"]);
        cleaned().read(&[(2, 2)]).fires(&["latest-value/lost"]);
    }

    #[test]
    fn a_later_record_of_the_key_that_nobody_acknowledged_supersedes_it_too() {
        let mut story = cleaned();
        story.sent_with_key(3, 7).commit(1).unknown(3).read(&[(2, 2), (3, 3)]).quiet();
    }

    #[test]
    fn what_an_election_took_is_no_cleaners_doing() {
        let mut story = cleaned();
        story.power_loss(1).restart(1, 0).elect(1, &[1]).read(&[]).quiet();
    }

    #[test]
    fn above_what_was_cleaned_other_oracles_judge() {
        cleaned().read(&[(1, 1)]).quiet();
    }

    #[test]
    fn where_nothing_is_compacted_and_nothing_expires_it_does_not_judge() {
        Story::of("retention").commit(2).vacuous();
    }
}
