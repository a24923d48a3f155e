//! O1: what was committed is, at the same offset, in the log of every leader that starts a higher epoch (or its old one again,
//! after a restart), and on its disk at the end. Committed is what was ever below a leader's high watermark, or acknowledged with acks=all.
//!
//! From: Raft's Leader Completeness; `StrongIsr` in hachikuji/kafka-specification; KIP-101, KIP-279; KAFKA-7128 is why being
//! below the *true* high watermark counts. acks=0 and acks=1 never commit anything here; see lost-write.
//! Legal: offsets below the leader's log start (retention, DeleteRecords); everything after an unclean election; what a power
//! loss left unknown in a log (the disk tells at the end); gaps in a log below what a cleaner of the partition reached. A whole ISR that loses power before it flushes *does* violate it.
//! Not checked: whether some replica outside the leadership still has the data; which records a cleaner takes (see retention).

use trace::{Event, EventId, EventKind, Partition};

use crate::finding::{Charge, Findings};
use crate::fold::{Batch, Held, PartitionFold, Term};
use crate::judge::{Ending, Moment, Oracle};
use crate::sparse::Slots;

/// A committed batch, and what committed it.
#[derive(Clone, Copy)]
struct Commit {
    batch: Batch,
    by: EventId,
    acked: bool,
}

impl Commit {
    fn word(&self) -> &'static str {
        if self.acked { "acked-all" } else { "below-high-watermark" }
    }
}

#[derive(Default)]
struct Committed {
    /// In offset order, without overlaps.
    commits: Vec<Commit>,
}

impl Committed {
    /// The commit that begins at `base`.
    fn find(&self, base: i64) -> Result<usize, usize> {
        match self.commits.last() {
            Some(last) if last.batch.base < base => Err(self.commits.len()),
            Some(last) if last.batch.base == base => Ok(self.commits.len() - 1),
            _ => self.commits.binary_search_by_key(&base, |commit| commit.batch.base),
        }
    }
}

#[derive(Default)]
pub(crate) struct CommittedDurability {
    partitions: Slots<Committed>,
}

impl Oracle for CommittedDurability {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let Some(place) = moment.place else { return };
        let fold = &moment.world.partitions[place];
        match &moment.event.kind {
            EventKind::HighWatermarkMoved { to, leader_epoch, leading: true, .. } => {
                if let Some(leader) = moment.world.replica(place, moment.event.node) {
                    let newly = leader.log.range(leader.hw, *to).iter().filter(|batch| batch.end() <= *to);
                    newly.for_each(|batch| self.commit(moment, fold, *leader_epoch, (batch, false), findings));
                }
            }
            EventKind::ProduceAcked { base_offset, leader_epoch, acks: -1, .. } => {
                self.acknowledge(moment, fold, *base_offset, *leader_epoch, findings);
            }
            EventKind::BecameLeader { leader_epoch, .. } => {
                let leads = moment.world.replica(place, moment.event.node).is_some_and(|leader| leader.role.leads());
                let epoch = fold.newest_term().map_or(-1, |term| term.epoch);
                // A new controller may make a restarted broker lead its old epoch again.
                if epoch < *leader_epoch || (epoch == *leader_epoch && !leads) {
                    self.inherit(moment, fold, *leader_epoch, findings);
                }
            }
            EventKind::Truncated { to, .. } => self.truncate(moment, fold, *to, findings),
            _ => {}
        }
    }

    fn finish(&mut self, ending: &Ending, findings: &mut Findings) {
        for (place, fold) in ending.world.current() {
            if is_void(ending.world, fold) {
                continue;
            }
            if let (Some(committed), Some(term)) = (self.partitions.get(place), fold.newest_term()) {
                let on_disk = check_disk(ending, fold, term, committed, findings);
                if on_disk {
                    check_read(ending, fold, committed, findings);
                }
            }
        }
    }
}

fn is_void(world: &crate::fold::World, fold: &PartitionFold) -> bool {
    fold.unclean.is_some() || world.is_deleted(fold.partition)
}

impl CommittedDurability {
    /// A batch is committed, by a leader of `epoch`: a leader of a later epoch must already have it.
    fn commit(
        &mut self,
        moment: &Moment,
        fold: &PartitionFold,
        epoch: i32,
        (batch, acked): (&Batch, bool),
        findings: &mut Findings,
    ) {
        let committed = self.partitions.at(moment.place.expect("in a partition"));
        let commit = Commit { batch: *batch, by: moment.event.id, acked };
        let found = committed.find(batch.base);
        if let Ok(known) = found
            && committed.commits[known].batch.same(batch, fold.cleaned)
        {
            committed.commits[known].acked |= acked;
            return;
        }
        findings.fact();
        match found {
            Ok(known) => {
                let old = std::mem::replace(&mut committed.commits[known], commit);
                if !is_void(moment.world, fold) {
                    findings.raise(overwritten(moment.event, fold.partition, &old, batch));
                }
            }
            Err(known) => committed.commits.insert(known, commit),
        }
        let later = fold.newest_term().filter(|term| term.epoch > epoch);
        if let Some(term) = later
            && let Some(replica) = fold.replica(term.broker)
            && batch.base >= replica.log.start
            && !holds(replica, batch, fold.cleaned)
            && !is_void(moment.world, fold)
        {
            findings.raise(by_deposed(moment.event, fold.partition, &commit, term));
        }
    }

    fn acknowledge(&mut self, moment: &Moment, fold: &PartitionFold, base: i64, epoch: i32, findings: &mut Findings) {
        let Some(leader) = moment.world.replica(moment.place.expect("in a partition"), moment.event.node) else {
            return;
        };
        match leader.log.at(base) {
            Held::Batch(batch) => self.commit(moment, fold, epoch, (batch, true), findings),
            Held::Nothing if leader.log.may_lack(base, fold.cleaned) => {}
            Held::Nothing if base >= leader.log.start && !is_void(moment.world, fold) => {
                let summary = format!(
                    "{}: {} acknowledged offset {base} with acks=all in epoch {epoch}, and its log ends at {}",
                    fold.partition, moment.event.node, leader.log.end
                );
                let loss = leader.loss_of(base, moment.event.id).map(|loss| loss.event);
                let charge = Charge::at(moment.event, Some(fold.partition), "acked-all/not-held", summary);
                findings.raise(charge.proven_by(loss));
            }
            Held::Nothing | Held::Unknown => {}
        }
    }

    /// A leader of a higher epoch begins: it must hold all that is committed.
    fn inherit(&mut self, moment: &Moment, fold: &PartitionFold, epoch: i32, findings: &mut Findings) {
        let committed = self.partitions.at(moment.place.expect("in a partition"));
        let Some(leader) = moment.world.replica(moment.place.expect("in a partition"), moment.event.node) else {
            return;
        };
        let wanted = committed.commits.iter().filter(|commit| commit.batch.base >= leader.log.start);
        let missing: Vec<Commit> =
            wanted.filter(|commit| !holds(leader, &commit.batch, fold.cleaned)).copied().collect();
        findings.facts(committed.commits.len());
        if is_void(moment.world, fold) {
            committed.commits.clear();
            return;
        }
        let Some(first) = missing.first() else { return };
        let loss = leader.loss_of(first.batch.base, moment.event.id);
        let cause = loss.map_or("after-election", |loss| loss.cause.word());
        let acked = missing.iter().find(|commit| commit.acked).unwrap_or(first);
        let count = missing.iter().map(|commit| u64::from(commit.batch.records)).sum::<u64>();
        let summary = format!(
            "{}: {} leads epoch {epoch} without {count} committed record{}, the first at offset {} of epoch {}; its log ends at {}",
            fold.partition,
            moment.event.node,
            if count == 1 { "" } else { "s" },
            first.batch.base,
            first.batch.epoch,
            leader.log.end,
        );
        let kind = format!("{}/{cause}", acked.word());
        let evidence = [first.by, loss.map_or(EventId::ROOT, |loss| loss.event)];
        findings.raise(Charge::at(moment.event, Some(fold.partition), kind, summary).proven_by(evidence));
        // What is known to be lost is not reported at every later election again.
        committed
            .commits
            .retain(|commit| commit.batch.base < leader.log.start || holds(leader, &commit.batch, fold.cleaned));
    }

    /// A leader never cuts its own log.
    fn truncate(&mut self, moment: &Moment, fold: &PartitionFold, to: i64, findings: &mut Findings) {
        let place = moment.place.expect("in a partition");
        let Some(replica) = moment.world.replica(place, moment.event.node) else { return };
        let newest = fold.newest_term().is_some_and(|term| term.epoch == replica.role.epoch());
        if !replica.role.leads() || !newest || is_void(moment.world, fold) {
            return;
        }
        let committed = self.partitions.at(place);
        let keep = committed.commits.partition_point(|commit| commit.batch.end() <= to);
        if let Some(first) = committed.commits.get(keep) {
            let summary = format!(
                "{}: {} leads and cut its log to {to}, below the committed offset {}",
                fold.partition, moment.event.node, first.batch.base
            );
            let kind = format!("{}/after-truncation", first.word());
            findings.raise(Charge::at(moment.event, Some(fold.partition), kind, summary).proven_by([first.by]));
            committed.commits.truncate(keep);
        }
    }
}

/// Whether a replica may hold the batch, or what a cleaner left of it: surely not is what counts.
fn holds(replica: &crate::fold::Replica, batch: &Batch, cleaned: i64) -> bool {
    match replica.log.at(batch.base) {
        Held::Batch(held) => held.same(batch, cleaned),
        Held::Unknown => true,
        Held::Nothing => replica.log.may_lack(batch.base, cleaned),
    }
}

fn overwritten(event: &Event, partition: Partition, old: &Commit, new: &Batch) -> Charge {
    let summary = format!(
        "{partition}: offset {} was committed in epoch {} (crc {:08x}), and {} now commits another batch there, of epoch {} (crc {:08x})",
        new.base, old.batch.epoch, old.batch.crc, event.node, new.epoch, new.crc
    );
    Charge::at(event, Some(partition), format!("{}/overwritten", old.word()), summary).proven_by([old.by])
}

fn by_deposed(event: &Event, partition: Partition, commit: &Commit, term: &Term) -> Charge {
    let summary = format!(
        "{partition}: {} counts offset {} of epoch {} as committed, but broker {} leads epoch {} since, without it",
        event.node, commit.batch.base, commit.batch.epoch, term.broker, term.epoch
    );
    Charge::at(event, Some(partition), format!("{}/by-deposed-leader", commit.word()), summary).proven_by([term.event])
}

/// The last leader's disk holds every committed batch; false if it was reported not to.
fn check_disk(
    ending: &Ending,
    fold: &PartitionFold,
    term: &Term,
    committed: &Committed,
    findings: &mut Findings,
) -> bool {
    let Some(name) = ending.world.broker_name(term.broker) else { return true };
    let scanned = ending.end.disks.iter().find(|scan| scan.node == name && scan.partition == fold.partition);
    let bad_disk = ending.world.node(name).is_some_and(|node| node.bad_disk);
    let (Some(scanned), false) = (scanned, bad_disk) else { return true };
    let start = fold.replica(term.broker).map_or(0, |replica| replica.log.start);
    for commit in committed.commits.iter().filter(|commit| commit.batch.base >= start) {
        findings.fact();
        let batch = &commit.batch;
        let found = scanned.batches.binary_search_by_key(&batch.base, |scanned| scanned.base_offset);
        let cleaned = batch.base < fold.cleaned;
        let stored = found.map_or(cleaned, |found| {
            let scanned = &scanned.batches[found];
            (scanned.leader_epoch, scanned.crc_ok) == (batch.epoch, true) && (scanned.crc == batch.crc || cleaned)
        });
        if !stored {
            let summary = format!(
                "{}: the committed batch at offset {} of epoch {} is not on the disk of {name}, the last leader",
                fold.partition, batch.base, batch.epoch
            );
            let kind = format!("{}/not-on-disk", commit.word());
            findings.raise(Charge::late(ending.end, Some(fold.partition), kind, summary).proven_by([commit.by]));
            return false;
        }
    }
    true
}

/// A fresh reader gets something from every committed batch that no cleaner saw.
fn check_read(ending: &Ending, fold: &PartitionFold, committed: &Committed, findings: &mut Findings) {
    let read = ending.end.reads.iter().find(|read| read.partition == fold.partition && read.error.is_none());
    let Some(read) = read else { return };
    let mut offsets: Vec<i64> = read.records.iter().map(|(offset, ..)| *offset).collect();
    offsets.sort_unstable();
    let start = fold.newest_term().and_then(|term| fold.replica(term.broker)).map_or(0, |leader| leader.log.start);
    let start = start.max(fold.cleaned);
    let data = committed.commits.iter().filter(|commit| !commit.batch.is_control() && commit.batch.base >= start);
    for commit in data {
        findings.fact();
        let next = offsets.partition_point(|offset| *offset < commit.batch.base);
        if offsets.get(next).is_none_or(|offset| *offset >= commit.batch.end()) {
            let summary = format!(
                "{}: a reader from start to end got no record of the committed batch at offset {} of epoch {}",
                fold.partition, commit.batch.base, commit.batch.epoch
            );
            let kind = format!("{}/not-readable", commit.word());
            findings.raise(Charge::late(ending.end, Some(fold.partition), kind, summary).proven_by([commit.by]));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("committed-durability")
    }

    #[test]
    fn a_clean_failover_keeps_what_is_committed() {
        story().commit(3).commit(2).crash(1).elect(2, &[2, 3]).produce(2, 1).replicate(2, 3).hw(2, 6).hw(3, 6).quiet();
    }

    #[test]
    fn an_isr_member_that_cut_its_log_to_a_stale_high_watermark_must_not_lead() {
        // hw-truncation-loss, KIP-101.
        let mut story = story();
        story.produce(1, 1).replicate(1, 2).replicate(1, 3).hw(1, 1).produce_acked(1, 0);
        story.crash(1).elect(2, &[2, 3]).truncate(3, 0).crash(2).elect(3, &[3]);
        story.fires(&["acked-all/after-truncation"]);
    }

    #[test]
    fn a_new_leader_from_behind_lacks_what_was_below_the_high_watermark() {
        let mut story = story();
        story.isr(1, &[1, 2]).produce(1, 2).replicate(1, 2).hw(1, 2);
        story.crash(1).elect(3, &[3]).fires(&["below-high-watermark/after-election"]);
    }

    #[test]
    fn an_unclean_election_voids_it() {
        let mut story = story();
        story.isr(1, &[1, 2]).produce(1, 2).replicate(1, 2).hw(1, 2);
        story.crash(1).elect_unclean(3).produce(3, 1).hw(3, 1).quiet();
    }

    #[test]
    fn what_was_acknowledged_by_one_only_is_not_committed() {
        let mut story = story();
        story.commit(1).produce(1, 1).produce_acked_by_one(1, 1).crash(1).elect(2, &[2, 3]).quiet();
    }

    #[test]
    fn a_whole_isr_that_loses_power_before_it_flushed_loses_committed_data() {
        let mut story = story();
        story.commit(1).power_loss(1).power_loss(2).power_loss(3);
        story.restart(1, 0).elect(1, &[1]).fires(&["below-high-watermark/after-power-loss"]);
    }

    #[test]
    fn a_restarted_leader_that_is_given_its_old_epoch_again_must_hold_it_too() {
        let mut story = story();
        story.commit(1).power_loss(1).restart(1, 0).leads(1).fires(&["below-high-watermark/after-power-loss"]);
    }

    #[test]
    fn a_power_loss_of_flushed_data_loses_nothing() {
        let mut story = story();
        story.commit(1).flush(1, 1).power_loss(1).power_loss(2).power_loss(3).restart(1, 1).elect(1, &[1]).quiet();
    }

    #[test]
    fn retention_may_remove_what_was_committed() {
        let mut story = story();
        story.commit(1).commit(1);
        story.log_start(2, 1).crash(1).elect(2, &[2, 3]).quiet();
    }

    #[test]
    fn a_cleaner_may_remove_what_was_committed_inside_the_log_and_not_at_its_end() {
        let mut cleaned = story();
        cleaned.produce(1, 2).produce(1, 1).hw(1, 3).append(2, 2, 1, 0, 102).crash(1).elect(2, &[2, 3]);
        cleaned.fires(&["below-high-watermark/after-election"]);
        let mut cleaned = story();
        cleaned.produce(1, 2).produce(1, 1).hw(1, 3).clean(1, 2).append(2, 2, 1, 0, 102).crash(1).elect(2, &[2, 3]);
        cleaned.scan(2, 9).read(&[(2, 2)]).quiet();
        let mut short = story();
        short.produce(1, 2).produce(1, 1).hw(1, 3).clean(1, 3).crash(1).elect(2, &[2, 3]);
        short.fires(&["below-high-watermark/after-election"]);
    }

    #[test]
    fn a_deposed_leader_must_not_commit_behind_its_successor() {
        let mut story = story();
        story.produce(1, 1).decide(2, &[2, 3]).leads(2).hw(1, 1);
        story.fires(&["below-high-watermark/by-deposed-leader"]);
    }

    #[test]
    fn an_acknowledged_batch_that_is_not_in_the_log_is_not_durable() {
        story().produce(1, 1).truncate(1, 0).produce_acked(1, 0).fires(&["acked-all/not-held"]);
    }

    #[test]
    fn the_last_leaders_disk_must_hold_it() {
        story().commit(1).commit(1).scan_all().quiet();
        story().commit(1).commit(1).scan(1, 1).fires(&["below-high-watermark/not-on-disk"]);
    }

    #[test]
    fn a_fresh_reader_must_reach_it() {
        story().commit(1).commit(1).read(&[(0, 0), (1, 1)]).quiet();
        story().commit(1).commit(1).read(&[(0, 0)]).fires(&["below-high-watermark/not-readable"]);
    }
}
