//! O3: in every log offsets strictly increase and epochs never decrease; reported log ends agree with what was appended; the
//! leader epochs known after a start are exactly those of the log's batches; and at the end the disk holds exactly the batches
//! that were reported.
//!
//! From: KAFKA-10778, KAFKA-7866 (reused offsets), KAFKA-3919 (overlapping batches), KAFKA-10432 (epochs).
//! Legal: gaps, batches that lack records and epochs that begin later, below what a cleaner of the partition reached; ranges that a power loss left unknown; disks that a fault replaced or let rot; segments
//! below the log start that are not deleted yet; an election that never wrote is forgotten at a start.
//! Not checked: the leader-epoch cache while the broker runs; indexes.

use trace::{EventKind, Partition};

use crate::finding::{Charge, Findings, ScannedReplica};
use crate::fold::{Batch, Held, Replica, appended};
use crate::judge::{Ending, Moment, Oracle};

#[derive(Default)]
pub(crate) struct LogShape;

impl Oracle for LogShape {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let Some(place) = moment.place else { return };
        let Some(replica) = moment.world.replica(place, moment.event.node).filter(|replica| replica.loaded) else {
            return;
        };
        let partition = moment.world.partitions[place].partition;
        let mut charge = |kind: &str, summary: String| {
            findings.raise(Charge::at(moment.event, Some(partition), kind, summary));
        };
        let name = moment.event.node;
        match &moment.event.kind {
            EventKind::Appended { leading, .. } => {
                let batch = appended(&moment.event.kind).expect("an append");
                if let Some((kind, summary)) = misshapen(partition, replica, &batch, *leading) {
                    charge(kind, format!("{partition}: {name} {summary}"));
                }
                findings.fact();
            }
            EventKind::EpochsLoaded { epochs, .. } => {
                let trusted = moment.world.node(name).is_some_and(|node| !node.bad_disk);
                if trusted && replica.log.is_known() {
                    if let Some(what) = unlike_log(epochs, replica, moment.world.partitions[place].cleaned) {
                        charge("epoch-cache", format!("{partition}: {name} {what}"));
                    }
                    findings.fact();
                }
            }
            EventKind::BecameLeader { log_end: end, .. }
            | EventKind::BecameFollower { log_end: end, .. }
            | EventKind::Truncated { from: end, .. } => {
                if *end != replica.log.end {
                    let known = replica.log.end;
                    charge("log-end", format!("{partition}: {name} says its log ends at {end}; it ends at {known}"));
                }
                findings.fact();
            }
            _ => {}
        }
    }

    fn finish(&mut self, ending: &Ending, findings: &mut Findings) {
        for scanned in &ending.end.disks {
            let node = ending.world.node(scanned.node);
            let broker = node.filter(|node| !node.bad_disk).and_then(|node| node.broker);
            let fold = ending.world.partition(scanned.partition);
            let replica = fold.zip(broker).and_then(|(fold, id)| fold.replica(id));
            let Some(replica) = replica.filter(|replica| !replica.deleted) else { continue };
            let cleaned = fold.map_or(0, |fold| fold.cleaned);
            if let Some((kind, what)) = unlike_disk(scanned, replica, cleaned) {
                let summary = format!("{} on {}: {what}", scanned.partition, scanned.node);
                findings.raise(Charge::late(ending.end, Some(scanned.partition), kind, summary));
            }
            findings.facts(scanned.batches.len());
        }
    }
}

fn misshapen(partition: Partition, replica: &Replica, batch: &Batch, leading: bool) -> Option<(&'static str, String)> {
    let end = replica.log.end;
    let Batch { base, epoch, records, .. } = batch;
    if *records == 0 {
        return Some(("empty-batch", format!("appended a batch without records at {base}")));
    }
    if *base < end || (leading && *base != end) {
        let kind = if *base < end { "offset-reused" } else { "offset-gap" };
        return Some((kind, format!("appended at offset {base}, and its log of {partition} ended at {end}")));
    }
    let last = replica.log.last().map_or(-1, |last| last.epoch);
    (*epoch < last)
        .then(|| ("epoch-decreased", format!("appended offset {base} of epoch {epoch} after a batch of epoch {last}")))
}

/// The first way in which an epoch cache is not the projection of the log. Below `cleaned` an epoch's first batches may be
/// gone, or all of them.
fn unlike_log(epochs: &[(i32, i64)], replica: &Replica, cleaned: i64) -> Option<String> {
    let mut log: Vec<(i32, i64)> = Vec::new();
    let known = |epoch: i32| epochs.iter().find(|(known, _)| *known == epoch).map(|(_, start)| *start);
    for batch in replica.log.batches().iter().filter(|batch| batch.base >= replica.log.start) {
        if log.last().is_some_and(|(epoch, _)| *epoch == batch.epoch) {
            continue;
        }
        let gone = batch.base < cleaned && known(batch.epoch).is_none_or(|start| start > batch.base);
        if !gone {
            log.push((batch.epoch, batch.base));
        }
    }
    let mut pairs = (0..log.len().max(epochs.len())).map(|place| (log.get(place), epochs.get(place)));
    let (has, known) = pairs.find(|(has, known)| has != known)?;
    let word = |entry: Option<&(i32, i64)>| {
        entry.map_or("no further epoch".to_owned(), |(epoch, start)| format!("epoch {epoch} from offset {start} on"))
    };
    Some(format!("has {} in its log, and its epoch cache {}", word(has), word(known)))
}

/// The first way in which a disk is not what was reported, but for what a cleaner may have done below `cleaned`.
fn unlike_disk(scanned: &ScannedReplica, replica: &Replica, cleaned: i64) -> Option<(&'static str, String)> {
    if let Some(problem) = scanned.problems.first() {
        return Some(("disk/unreadable", problem.clone()));
    }
    let mut end = 0;
    for batch in &scanned.batches {
        let base = batch.base_offset;
        if !batch.crc_ok {
            return Some(("disk/corrupt", format!("the batch at offset {base} has not the CRC its header tells")));
        }
        if base < end {
            return Some(("disk/overlap", format!("a batch begins at offset {base}, inside the one before")));
        }
        end = base.saturating_add(i64::from(batch.records));
        if base < replica.log.start {
            continue;
        }
        let told = match replica.log.at(base) {
            Held::Unknown => continue,
            Held::Batch(told) => told,
            Held::Nothing => {
                return Some(("disk/unreported", format!("offset {base} is on the disk and was never reported")));
            }
        };
        let same = (told.base, told.records, told.epoch) == (base, batch.records, batch.leader_epoch)
            && (told.crc == batch.crc || base < cleaned);
        if !same {
            let what = format!(
                "at offset {base} the disk has epoch {} (crc {:08x}), reported was epoch {} (crc {:08x})",
                batch.leader_epoch, batch.crc, told.epoch, told.crc
            );
            return Some(("disk/different", what));
        }
    }
    let whole = scanned.batches.iter().filter(|batch| batch.base_offset >= cleaned);
    let stored: i64 = whole.map(|batch| i64::from(batch.records)).sum();
    let reported = replica.log.batches().iter().filter(|batch| batch.base >= replica.log.start.max(cleaned));
    let reported: i64 = reported.map(|batch| i64::from(batch.records)).sum();
    let told = replica.log.batches().last().map_or(0, |last| last.end());
    let missing = (end < told && reported > 0) || stored < reported;
    missing.then(|| {
        (
            "disk/missing",
            format!(
                "the disk has {stored} records up to offset {end}, reported were {reported} up to {}",
                replica.log.end
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("log-shape")
    }

    #[test]
    fn logs_that_grow_and_are_stored_as_reported_are_well_shaped() {
        story().commit(2).produce(1, 1).crash(1).elect(2, &[2, 3]).produce(2, 3).scan_all().quiet();
    }

    #[test]
    fn an_offset_is_used_once() {
        story().commit(2).append(1, 1, 1, 0, 7).fires(&["offset-reused"]);
    }

    #[test]
    fn a_leader_leaves_no_gap_but_a_compacted_copy_may() {
        story().commit(2).append(1, 5, 1, 0, 7).fires(&["offset-gap"]);
        story().commit(2).append(2, 5, 1, 0, 7).quiet();
    }

    #[test]
    fn epochs_never_decrease_in_a_log() {
        let mut story = story();
        story.commit(1).crash(1).elect(2, &[2, 3]).produce(2, 1).append(2, 2, 1, 0, 7).fires(&["epoch-decreased"]);
    }

    #[test]
    fn a_broker_must_know_where_its_log_ends() {
        story().commit(2).truncate_claiming(2, 1, 5).fires(&["log-end"]);
    }

    #[test]
    fn after_a_start_the_epoch_cache_is_the_projection_of_the_log() {
        let two_epochs = || {
            let mut story = story();
            story.commit(2).crash(1).elect(2, &[2, 3]).produce(2, 1).replicate(2, 3).crash(3).restart(3, 3);
            story
        };
        two_epochs().knows_epochs(3, &[(0, 0), (1, 2)]).quiet();
        // KAFKA-10432.
        two_epochs().knows_epochs(3, &[(1, 2)]).fires(&["epoch-cache"]);
        two_epochs().knows_epochs(3, &[(0, 0), (1, 1)]).fires(&["epoch-cache"]);
        two_epochs().knows_epochs(3, &[(0, 0), (1, 2), (4, 3)]).fires(&["epoch-cache"]);
    }

    #[test]
    fn below_what_was_cleaned_an_epoch_may_begin_later_or_be_gone() {
        let cleaned = |upto: i64| {
            let mut story = story();
            story.commit(1).commit(1).crash(1).elect(2, &[2, 3]).produce(2, 1).replicate(2, 3).clean(2, upto);
            story.crash(3).restart(3, 3);
            story
        };
        cleaned(2).knows_epochs(3, &[(1, 2)]).quiet();
        cleaned(1).knows_epochs(3, &[(0, 1), (1, 2)]).quiet();
        cleaned(1).knows_epochs(3, &[(1, 2)]).fires(&["epoch-cache"]);
        cleaned(2).knows_epochs(3, &[(0, 0)]).fires(&["epoch-cache"]);
    }

    #[test]
    fn a_cleaned_disk_has_other_bytes_below_what_was_cleaned_and_all_above() {
        story().commit(1).clean(2, 1).scan_with_crc(2, 0xbad).quiet();
        story().commit(1).commit(1).clean(2, 1).scan_with_crc(2, 0xbad).fires(&["disk/different"]);
        story().commit(1).commit(1).clean(2, 1).scan(2, 1).fires(&["disk/missing"]);
    }

    #[test]
    fn what_an_undone_truncation_brought_back_may_be_of_any_epoch() {
        let mut story = story();
        story.produce(1, 2).produce(1, 2).truncate(1, 2).power_loss(1).restart(1, 4).knows_epochs(1, &[(7, 0)]).quiet();
    }

    #[test]
    fn a_disk_that_lacks_a_reported_batch_is_found() {
        story().commit(1).commit(1).scan(2, 1).fires(&["disk/missing"]);
    }

    #[test]
    fn a_disk_with_another_batch_is_found_unless_a_fault_made_it_rot() {
        story().commit(1).scan_with_crc(2, 0xbad).fires(&["disk/different"]);
        story().commit(1).fault("bit-rot", "broker-2").scan_with_crc(2, 0xbad).commit(1).quiet();
    }
}
