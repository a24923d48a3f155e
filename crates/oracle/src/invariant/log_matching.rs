//! O2: where two replicas hold the same offset in the same epoch, they hold the same batch, and the same one before it, so the
//! same log up to there; and below both high watermarks they are equal whatever the epochs.
//!
//! From: Raft's Log Matching; `LogMatching` in Vanlightly/kafka-tlaplus; KIP-101, KIP-279, KAFKA-7164, KAFKA-7415 broke it.
//! Each append is compared with the other replicas; by induction over predecessors whole prefixes are.
//! Legal: ranges a power loss left unknown; below a log start; a high watermark that is only remembered from an earlier leader
//! epoch; the part about high watermarks after an unclean election; below what a cleaner of the partition reached: gaps, and
//! batches that lack records but keep place and epoch; everything after a leader went on in its own epoch without
//! what a power loss took of it (in ZooKeeper mode a controller that starts anew gives it no new epoch).
//! Not checked: which records a cleaner takes (see retention).

use trace::EventKind;

use crate::finding::{Charge, Findings};
use crate::fold::{Batch, Difference, Held, Matched, PartitionFold, Replica, appended};
use crate::judge::{Moment, Oracle};
use crate::sparse::Slots;

#[derive(Default)]
pub(crate) struct LogMatching {
    matched: Slots<Matched>,
}

impl Oracle for LogMatching {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let Some(place) = moment.place else { return };
        let fold = &moment.world.partitions[place];
        if fold.rewritten.is_some() {
            return;
        }
        match &moment.event.kind {
            EventKind::Appended { .. } => {
                let batch = appended(&moment.event.kind).expect("an append");
                compare_append(moment, fold, &batch, findings);
            }
            EventKind::HighWatermarkMoved { to, leader_epoch, .. } if fold.unclean.is_none() => {
                self.compare_covered(moment, fold, (*to, *leader_epoch), findings);
            }
            EventKind::Truncated { to: offset, .. } | EventKind::LogLoaded { log_end: offset, .. } => {
                if let Some(replica) = moment.world.replica(place, moment.event.node) {
                    self.matched.at(place).cut(replica.broker, *offset);
                }
            }
            _ => {}
        }
    }
}

impl LogMatching {
    fn compare_covered(
        &mut self,
        moment: &Moment,
        fold: &PartitionFold,
        (to, epoch): (i64, i32),
        findings: &mut Findings,
    ) {
        let place = moment.place.expect("in a partition");
        let Some(mine) = moment.world.replica(place, moment.event.node) else { return };
        let in_epoch =
            |other: &&Replica| other.broker != mine.broker && other.role.epoch() == epoch && other.hw_epoch == epoch;
        for other in fold.replicas.iter().filter(in_epoch) {
            findings.fact();
            let upto = to.min(other.hw);
            let matched = self.matched.at(place);
            let found =
                matched.compare(epoch, (upto, fold.cleaned), (mine.broker, &mine.log), (other.broker, &other.log));
            if let Some(Difference { has, other: there }) = found {
                let theirs = there.map_or("none".to_owned(), |batch| describe(&batch));
                let summary = format!(
                    "{}: below the high watermark of both, at offset {}, broker {} holds {} and broker {} holds {theirs}",
                    fold.partition,
                    has.base,
                    mine.broker,
                    describe(&has),
                    other.broker
                );
                let kind = "diverged/below-high-watermark";
                findings.raise(Charge::at(moment.event, Some(fold.partition), kind, summary));
            }
        }
    }
}

fn describe(batch: &Batch) -> String {
    format!("a batch of {} at {} of epoch {} (crc {:08x})", batch.records, batch.base, batch.epoch, batch.crc)
}

fn compare_append(moment: &Moment, fold: &PartitionFold, batch: &Batch, findings: &mut Findings) {
    let broker = moment.world.node(moment.event.node).and_then(|node| node.broker);
    let mine = broker.and_then(|broker| fold.replica(broker));
    for other in fold.replicas.iter().filter(|other| Some(other.broker) != broker) {
        let Held::Batch(held) = other.log.at(batch.base) else { continue };
        if held.epoch != batch.epoch || batch.base < other.log.start {
            continue;
        }
        findings.fact();
        if !held.same(batch, fold.cleaned) {
            let kind = "diverged/same-epoch";
            let summary = format!(
                "{}: {} appended {}, and broker {} holds {}",
                fold.partition,
                moment.event.node,
                describe(batch),
                other.broker,
                describe(held)
            );
            findings.raise(Charge::at(moment.event, Some(fold.partition), kind, summary));
            continue;
        }
        let before = mine.filter(|mine| mine.log.end == batch.base).and_then(|mine| mine.log.before(batch.base));
        if let (Some(before), Some(theirs)) = (before, other.log.before(batch.base))
            && !before.same(theirs, fold.cleaned)
        {
            let summary = format!(
                "{}: {} and broker {} agree on offset {} of epoch {}, but before it one holds {} and the other {}",
                fold.partition,
                moment.event.node,
                other.broker,
                batch.base,
                batch.epoch,
                describe(before),
                describe(theirs)
            );
            findings.raise(Charge::at(moment.event, Some(fold.partition), "diverged/prefix", summary));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("log-matching")
    }

    #[test]
    fn replicas_that_copy_their_leader_match() {
        story().commit(3).commit(2).crash(1).elect(2, &[2, 3]).produce(2, 1).replicate(2, 3).hw(2, 6).hw(3, 6).quiet();
    }

    #[test]
    fn a_follower_must_not_store_another_batch_in_the_same_epoch() {
        story().produce(1, 2).append(2, 0, 2, 0, 0xbad).fires(&["diverged/same-epoch"]);
    }

    #[test]
    fn a_follower_that_kept_its_own_records_has_another_prefix() {
        // fast-failover-divergence, KIP-279: broker 2 wrote in epoch 1 alone, broker 3 in epoch 2.
        let mut story = story();
        story.commit(1).crash(1).elect(2, &[2, 3]).produce(2, 1).crash(2).elect(3, &[3]);
        story.produce(3, 1).produce(3, 1).restart(2, 2).follows(2).replicate(3, 2);
        story.fires(&["diverged/prefix"]);
    }

    #[test]
    fn below_both_high_watermarks_replicas_are_equal_whatever_their_epochs() {
        let mut story = story();
        story.commit(1).crash(1).elect(2, &[2, 3]).produce(2, 1).crash(2).elect(3, &[3]);
        story.produce(3, 1).hw(3, 2).restart(2, 2).follows(2).hw(2, 2);
        story.fires(&["diverged/below-high-watermark"]);
    }

    #[test]
    fn a_leader_that_goes_on_in_its_epoch_after_a_power_loss_may_write_there_anew() {
        let mut story = story();
        story.commit(1).produce(1, 1).replicate(1, 2).power_loss(1).restart(1, 1).leads(1);
        story.append(1, 1, 1, 0, 0xbad).quiet();
    }

    #[test]
    fn a_follower_that_truncates_first_matches() {
        let mut story = story();
        story.commit(1).crash(1).elect(2, &[2, 3]).produce(2, 1).crash(2).elect(3, &[3]);
        story.produce(3, 1).hw(3, 2).restart(2, 2).follows(2).truncate(2, 1).replicate(3, 2).hw(2, 2).quiet();
    }

    #[test]
    fn a_high_watermark_that_is_only_remembered_proves_nothing_yet() {
        let mut story = story();
        story.commit(1).isr(1, &[1, 3]).elect(2, &[2]).produce(2, 1).hw(2, 2).elect(3, &[3]);
        story.produce(3, 1).follows(2).hw(3, 2).quiet();
        story.hw(2, 2).fires(&["diverged/below-high-watermark"]);
    }

    #[test]
    fn a_copy_of_a_cleaned_log_may_lack_records_and_batches_but_not_their_place() {
        let copied = |upto: i64, base: i64, records: u32| {
            let mut story = story();
            story.produce(1, 2).produce(1, 2).produce(1, 2).hw(1, 6).clean(1, upto).append(2, base, records, 0, 0xc1ea);
            story.replicate(1, 2).hw(2, 6);
            story
        };
        copied(4, 2, 2).quiet();
        copied(2, 2, 2).fires(&["diverged/same-epoch", "diverged/prefix", "diverged/below-high-watermark"]);
        copied(4, 2, 1).fires(&["diverged/same-epoch", "diverged/below-high-watermark"]);
    }

    #[test]
    fn an_unclean_election_voids_what_high_watermarks_promise() {
        let mut story = story();
        story.isr(1, &[1, 2]).produce(1, 1).replicate(1, 2).hw(1, 1).hw(2, 1).crash(1).crash(2);
        story.elect_unclean(3).produce(3, 1).hw(3, 1).restart(2, 1).follows(2).hw(2, 1).quiet();
    }
}
