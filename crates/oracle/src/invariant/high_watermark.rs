//! O5: on one replica the high watermark does not fall; a leader's is at most the log end of every member of its maximal ISR
//! (stored and proposed); no replica's is beyond its log; a follower's covers no batch that differs from its leader's.
//!
//! From: `ValidHighWatermark` in AsyncIsr.tla; Partition.maximalIsr; KAFKA-14704, KAFKA-9491, KAFKA-13141, KAFKA-3924.
//! Legal: falling back at a start (checkpoint), at a truncation, and at a follower's first move in a new leader epoch, whose
//! leader may lag; a member whose log was longer earlier in this epoch (its leader remembers that, and it lost the rest in a
//! power loss); everything after an unclean election; what a follower covers after its leader went on in its own epoch without what a
//! power loss took of it (see log-matching); a member whose log was deleted with its topic, a moment before the leader's.
//! Not checked: min.insync.replicas (see isr-safety).

use trace::EventKind;

use crate::finding::{Charge, Findings};
use crate::fold::{Difference, Matched, PartitionFold, Replica, Role};
use crate::judge::{Moment, Oracle};
use crate::sparse::Slots;

#[derive(Default)]
pub(crate) struct HighWatermark {
    matched: Slots<Matched>,
}

impl Oracle for HighWatermark {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let Some(place) = moment.place else { return };
        let fold = &moment.world.partitions[place];
        match &moment.event.kind {
            EventKind::HighWatermarkMoved { to, leader_epoch, leading, .. } if fold.unclean.is_none() => {
                let Some(replica) = moment.world.replica(place, moment.event.node) else { return };
                findings.fact();
                check_bounds(moment, fold, replica, *to, findings);
                if *leading && !moment.world.is_deleted(fold.partition) {
                    check_isr(moment, fold, replica, *to, findings);
                } else if !*leading && fold.rewritten.is_none() {
                    self.check_covered(moment, fold, (replica, *to, *leader_epoch), findings);
                }
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

impl HighWatermark {
    fn check_covered(
        &mut self,
        moment: &Moment,
        fold: &PartitionFold,
        (mine, to, epoch): (&Replica, i64, i32),
        findings: &mut Findings,
    ) {
        let leads = |other: &&Replica| other.role.leads() && other.role.epoch() == epoch;
        let Some(leader) = fold.replicas.iter().find(leads) else { return };
        let matched = self.matched.at(moment.place.expect("in a partition"));
        let found = matched.compare(epoch, (to, fold.cleaned), (mine.broker, &mine.log), (leader.broker, &leader.log));
        if let Some(Difference { has, other }) = found {
            let theirs = other.map_or_else(
                || "nothing".to_owned(),
                |batch| format!("a batch of epoch {} (crc {:08x})", batch.epoch, batch.crc),
            );
            let summary = format!(
                "{}: {} moved its high watermark to {to} over offset {} of epoch {} (crc {:08x}), where its leader, broker {}, has {theirs}",
                fold.partition, moment.event.node, has.base, has.epoch, has.crc, leader.broker
            );
            let kind = "follower/covers-other-batch";
            findings.raise(Charge::at(moment.event, Some(fold.partition), kind, summary));
        }
    }
}

fn check_bounds(moment: &Moment, fold: &PartitionFold, replica: &Replica, to: i64, findings: &mut Findings) {
    let name = moment.event.node;
    if to < replica.hw && !replica.hw_may_fall {
        let summary = format!("{}: the high watermark of {name} fell from {} to {to}", fold.partition, replica.hw);
        findings.raise(Charge::at(moment.event, Some(fold.partition), "fell", summary));
    }
    if to > replica.log.end {
        let end = replica.log.end;
        let summary = format!("{}: {name} moved its high watermark to {to}, and its log ends at {end}", fold.partition);
        findings.raise(Charge::at(moment.event, Some(fold.partition), "beyond-log-end", summary));
    }
}

fn check_isr(moment: &Moment, fold: &PartitionFold, leader: &Replica, to: i64, findings: &mut Findings) {
    let Role::Leader { isr, pending, .. } = leader.role else { return };
    let stored = isr.iter().filter(|member| *member != leader.broker);
    let proposed = pending.iter().flat_map(|pending| pending.iter().collect::<Vec<i32>>());
    let proposed = proposed.filter(|member| *member != leader.broker && !isr.contains(*member));
    for (member, kind) in stored.map(|m| (m, "leader/isr-behind")).chain(proposed.map(|m| (m, "leader/joiner-behind")))
    {
        let reached = fold.replica(member).map_or(0, |replica| replica.peak.max(replica.log.end));
        if to > reached {
            let summary = format!(
                "{}: {} moved its high watermark to {to}, and the log of ISR member {member} only reached {reached}",
                fold.partition, moment.event.node
            );
            findings.raise(Charge::at(moment.event, Some(fold.partition), kind, summary));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("high-watermark")
    }

    #[test]
    fn high_watermarks_that_follow_replication_are_sound() {
        story().commit(2).commit(3).crash(1).elect(2, &[2, 3]).produce(2, 1).replicate(2, 3).hw(2, 6).hw(3, 6).quiet();
    }

    #[test]
    fn members_of_a_topic_that_is_being_deleted_may_be_gone_before_their_leader() {
        let mut story = story();
        story.commit(2).produce(1, 1).replicate(1, 2).replicate(1, 3).fault("delete-topic", "email");
        story.stopped(3).hw(1, 3).quiet();
        let mut unasked = self::story();
        unasked
            .commit(2)
            .produce(1, 1)
            .replicate(1, 2)
            .replicate(1, 3)
            .stopped(3)
            .hw(1, 3)
            .fires(&["leader/isr-behind"]);
    }

    #[test]
    fn a_high_watermark_never_falls_within_an_epoch() {
        story().commit(2).hw(1, 1).fires(&["fell"]);
        story().commit(2).hw(3, 1).fires(&["fell"]);
    }

    #[test]
    fn it_may_fall_back_at_a_restart_and_behind_a_new_leader() {
        let mut story = story();
        story.commit(1).produce(1, 1).replicate(1, 2).replicate(1, 3).hw(1, 2).hw(3, 2);
        story.crash(1).elect(2, &[2, 3]).hw(3, 1).hw(2, 2).hw(3, 2);
        story.restart(1, 2).follows(1).hw(1, 1).quiet();
    }

    #[test]
    fn it_may_fall_when_word_of_the_old_leader_came_after_the_new_one_began() {
        let mut story = story();
        story.commit(1).produce(1, 1).replicate(1, 2).replicate(1, 3).decide(2, &[2, 3]).leads(2).hw(3, 2).follows(3);
        story.hw(3, 1).quiet();
        story.hw(2, 0).fires(&["fell"]);
    }

    #[test]
    fn it_may_fall_behind_a_restarted_leader_that_is_given_its_old_epoch_again() {
        story().commit(1).commit(1).crash(1).restart(1, 2).leads(1).hw(1, 1).hw(3, 1).quiet();
    }

    #[test]
    fn it_never_passes_the_end_of_the_log() {
        story().commit(2).hw(2, 3).fires(&["beyond-log-end"]);
    }

    #[test]
    fn a_leader_waits_for_its_whole_isr() {
        story().produce(1, 1).replicate(1, 2).hw(1, 1).fires(&["leader/isr-behind"]);
        story().isr(1, &[1, 2]).produce(1, 1).replicate(1, 2).hw(1, 1).quiet();
    }

    #[test]
    fn a_leader_waits_for_those_it_proposes_too() {
        // optimistic-isr-hw, AsyncIsr.tla.
        let mut story = story();
        story.isr(1, &[1, 2]).propose(1, &[1, 2, 3]).produce(1, 1).replicate(1, 2).hw(1, 1);
        story.fires(&["leader/joiner-behind"]);
    }

    #[test]
    fn a_leader_may_count_what_a_member_held_before_it_lost_power() {
        story().produce(1, 1).replicate(1, 2).replicate(1, 3).power_loss(3).restart(3, 0).hw(1, 1).quiet();
    }

    #[test]
    fn a_followers_covers_nothing_that_its_leader_lacks() {
        // hw-before-truncate, KAFKA-14704.
        let mut story = story();
        story.commit(1).produce(1, 1).decide(2, &[2, 3]).leads(2).follows(3).produce(2, 1).replicate(2, 3).hw(2, 2);
        story.follows(1).hw(1, 2).fires(&["follower/covers-other-batch"]);
    }

    #[test]
    fn an_unclean_election_voids_it() {
        let mut story = story();
        story.commit(1).produce(1, 1).replicate(1, 2).crash(1).elect_unclean(3).hw(3, 1).hw(3, 0).quiet();
    }
}
