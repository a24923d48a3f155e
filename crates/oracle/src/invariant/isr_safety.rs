//! O6: every running member of the stored ISR holds all that any broker which believes to lead counts as committed; the stored
//! state is written conditionally (versions never repeat, leader epochs never go back); a leader is in its ISR, and the ISR
//! within the replicas; the high watermark stands still while the ISR is under min.insync.replicas.
//!
//! From: `WeakIsr`, `StrongIsr`, `LeaderInIsr` in hachikuji/kafka-specification; `ReplicationQuorumSuperset` in
//! Vanlightly/kafka-tlaplus; KAFKA-7128, KAFKA-8836, KAFKA-15583, KIP-320, KIP-497, KIP-841.
//! Legal: a member that is down, unregistered, or restarted since the state was stored is not running; one that lost data in a
//! power loss is excused until it has caught up (committed-durability tells if that did harm); an unclean leader.
//! Not checked: eligible leader replicas (KIP-966, KRaft only); replica sets after a reassignment.

use trace::{BrokerList, EventId, EventKind};

use crate::finding::{Charge, Findings};
use crate::fold::{Decision, PartitionFold, Replica, Role};
use crate::judge::{Moment, Oracle};
use crate::sparse::Slots;

/// A stored state: version, leader epoch, ISR.
#[derive(Clone, Copy)]
struct Stored {
    version: i32,
    epoch: i32,
    isr: BrokerList,
    event: EventId,
}

#[derive(Default)]
pub(crate) struct IsrSafety {
    stored: Slots<Vec<Stored>>,
}

impl Oracle for IsrSafety {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let Some(place) = moment.place else { return };
        let fold = &moment.world.partitions[place];
        match &moment.event.kind {
            EventKind::HighWatermarkMoved { to, leading: true, .. } => {
                check_size(moment, fold, *to, findings);
                if let Some(decision) = &fold.decided {
                    let members = running(moment, fold, decision);
                    let at = Presumed { broker: moment.event.node.to_string(), hw: *to };
                    members.for_each(|member| check_member(moment, fold, member, &at, findings));
                }
            }
            EventKind::LeadershipDecided { leader, leader_epoch, isr, partition_epoch, .. } => {
                let state =
                    Stored { version: *partition_epoch, epoch: *leader_epoch, isr: *isr, event: moment.event.id };
                self.store(moment, fold, state, *leader, findings);
            }
            EventKind::IsrChanged { isr, leader_epoch, partition_epoch, .. } => {
                let state =
                    Stored { version: *partition_epoch, epoch: *leader_epoch, isr: *isr, event: moment.event.id };
                let leader = moment.world.node(moment.event.node).and_then(|node| node.broker).unwrap_or(-1);
                self.store(moment, fold, state, leader, findings);
            }
            EventKind::BecameLeader { isr, partition_epoch, .. } => {
                self.check_told(moment, fold, *partition_epoch, *isr, findings);
            }
            EventKind::Truncated { to, .. } => check_truncation(moment, fold, *to, findings),
            _ => {}
        }
    }
}

/// A broker that believes to lead, and what it counts as committed.
struct Presumed {
    broker: String,
    hw: i64,
}

/// The replicas that run as the members meant by `decision`.
fn running<'a>(
    moment: &'a Moment,
    fold: &'a PartitionFold,
    decision: &'a Decision,
) -> impl Iterator<Item = &'a Replica> {
    let meant = decision.isr.iter().filter(|member| moment.world.runs_as_member(*member, decision));
    meant.filter_map(|member| fold.replica(member)).filter(|replica| replica.loaded)
}

/// A high watermark stands still while its leader's ISR is under min.insync.replicas.
fn check_size(moment: &Moment, fold: &PartitionFold, to: i64, findings: &mut Findings) {
    let replica = moment.world.replica(moment.place.expect("in a partition"), moment.event.node);
    let (Some(Role::Leader { isr, .. }), Some(facts)) =
        (replica.map(|replica| replica.role), moment.context.topics.get(&fold.partition.topic))
    else {
        return;
    };
    findings.fact();
    let least = facts.min_insync.min(facts.replication).max(1);
    if (isr.len() as i32) < least {
        let summary = format!(
            "{}: {} moved its high watermark to {to} with the ISR {isr}, and min.insync.replicas is {least}",
            fold.partition, moment.event.node
        );
        findings.raise(Charge::at(moment.event, Some(fold.partition), "under-min-isr", summary));
    }
}

fn check_member(moment: &Moment, fold: &PartitionFold, member: &Replica, leader: &Presumed, findings: &mut Findings) {
    if fold.unclean.is_some() || member.amnesiac {
        return;
    }
    findings.fact();
    if member.log.end < leader.hw {
        let summary = format!(
            "{}: {} counts all below {} as committed, and the log of broker {}, in the ISR, ends at {}",
            fold.partition, leader.broker, leader.hw, member.broker, member.log.end
        );
        let decided = fold.decided.map_or(EventId::ROOT, |decision| decision.event);
        let charge = Charge::at(moment.event, Some(fold.partition), "member-lacks-committed", summary);
        findings.raise(charge.proven_by([decided]));
    }
}

/// Who believes to lead now.
fn presumed(fold: &PartitionFold) -> impl Iterator<Item = Presumed> {
    let leading = fold.replicas.iter().filter(|replica| replica.role.leads());
    leading.map(|replica| Presumed { broker: format!("broker {}", replica.broker), hw: replica.hw })
}

fn check_truncation(moment: &Moment, fold: &PartitionFold, to: i64, findings: &mut Findings) {
    let replica = moment.world.replica(moment.place.expect("in a partition"), moment.event.node);
    let (Some(replica), Some(decision)) = (replica, &fold.decided) else { return };
    let runs = decision.isr.contains(replica.broker) && moment.world.runs_as_member(replica.broker, decision);
    if !runs || fold.unclean.is_some() || replica.amnesiac {
        return;
    }
    for leader in presumed(fold) {
        findings.fact();
        if to < leader.hw.min(replica.log.end) {
            let summary = format!(
                "{}: broker {}, in the ISR, cut its log to {to}, and {} counts all below {} as committed",
                fold.partition, replica.broker, leader.broker, leader.hw
            );
            let charge = Charge::at(moment.event, Some(fold.partition), "member-cut-committed", summary);
            findings.raise(charge.proven_by([decision.event]));
        }
    }
}

impl IsrSafety {
    fn store(&mut self, moment: &Moment, fold: &PartitionFold, state: Stored, leader: i32, findings: &mut Findings) {
        findings.fact();
        self.check_versions(moment, fold, state, findings);
        let partition = fold.partition;
        let isr = state.isr;
        let mut charge = |kind: &str, what: String| {
            let summary = format!("{partition}: the ISR {isr} was stored, {what}");
            findings.raise(Charge::at(moment.event, Some(partition), kind, summary));
        };
        if isr.is_empty() {
            charge("empty-isr", "without any member".to_owned());
        }
        if leader > 0 && !isr.contains(leader) {
            charge("leader-outside", format!("and its leader, broker {leader}, is not in it"));
        }
        let stranger = isr.iter().find(|member| !fold.assigned.contains(*member));
        if let Some(stranger) = stranger.filter(|_| !fold.assigned.is_empty() && !moment.world.reassigned) {
            charge("outside-replicas", format!("with broker {stranger}, which is no replica"));
        }
        let unclean = matches!(moment.event.kind, EventKind::LeadershipDecided { unclean: true, .. });
        if unclean && !moment.context.unclean {
            charge("unclean-election", "from outside the ISR, though unclean elections are off".to_owned());
        }
        let newest = fold.decided.is_none_or(|decision| decision.partition_epoch < state.version);
        if !newest || unclean {
            return;
        }
        // Only members that run now can be judged: the others are loaded when they return.
        for leader in presumed(fold) {
            let members = isr
                .iter()
                .filter(|member| moment.world.broker(*member).is_some_and(|node| node.alive && node.registered));
            for member in members.filter_map(|member| fold.replica(member)).filter(|replica| replica.loaded) {
                check_member(moment, fold, member, &leader, findings);
            }
        }
    }

    /// Versions order the writes: each is taken once, and epochs only rise with them.
    fn check_versions(&mut self, moment: &Moment, fold: &PartitionFold, state: Stored, findings: &mut Findings) {
        let stored = self.stored.at(moment.place.expect("in a partition"));
        let mut charge = |kind: &str, other: &Stored| {
            let summary = format!(
                "{}: version {} of its state was written in leader epoch {} (ISR {}), version {} in epoch {} (ISR {})",
                fold.partition, other.version, other.epoch, other.isr, state.version, state.epoch, state.isr
            );
            findings.raise(Charge::at(moment.event, Some(fold.partition), kind, summary).proven_by([other.event]));
        };
        match stored.binary_search_by_key(&state.version, |known| known.version) {
            Ok(place) => {
                let known = stored[place];
                if (known.epoch, known.isr.sorted()) != (state.epoch, state.isr.sorted()) {
                    charge("version-written-twice", &known);
                }
            }
            Err(place) => {
                let before = place.checked_sub(1).map(|place| stored[place]).filter(|b| b.epoch > state.epoch);
                let after = stored.get(place).copied().filter(|after| after.epoch < state.epoch);
                if let Some(other) = before.or(after) {
                    charge("stale-write", &other);
                }
                stored.insert(place, state);
            }
        }
    }

    /// What a leader was told is what was stored.
    fn check_told(
        &mut self,
        moment: &Moment,
        fold: &PartitionFold,
        version: i32,
        isr: BrokerList,
        findings: &mut Findings,
    ) {
        let stored = self.stored.at(moment.place.expect("in a partition"));
        let Ok(place) = stored.binary_search_by_key(&version, |known| known.version) else { return };
        findings.fact();
        let known = stored[place];
        if known.isr.sorted() != isr.sorted() {
            let summary = format!(
                "{}: {} was told the ISR {isr} of version {version}, which was stored as {}",
                fold.partition, moment.event.node, known.isr
            );
            let charge = Charge::at(moment.event, Some(fold.partition), "leader-told-another", summary);
            findings.raise(charge.proven_by([known.event]));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("isr-safety")
    }

    #[test]
    fn an_isr_that_shrinks_and_grows_with_replication_is_safe() {
        let mut story = story();
        story.commit(2).isr(1, &[1, 2]).produce(1, 1).replicate(1, 2).hw(1, 3);
        story.replicate(1, 3).isr(1, &[1, 2, 3]).crash(1).elect(2, &[2, 3]).quiet();
    }

    #[test]
    fn a_follower_that_lacks_committed_records_must_not_join() {
        // isr-join-before-epoch-start, KAFKA-7128.
        let mut story = story();
        story.isr(1, &[1, 2]).produce(1, 1).replicate(1, 2).hw(1, 1).isr(1, &[1, 2, 3]);
        story.fires(&["member-lacks-committed"]);
    }

    #[test]
    fn the_high_watermark_stands_still_under_min_isr() {
        // hw-advances-under-min-isr, KAFKA-15583: two are asked for.
        story().isr(1, &[1]).produce(1, 1).hw(1, 1).fires(&["under-min-isr"]);
        story().isr(1, &[1, 2]).produce(1, 1).replicate(1, 2).hw(1, 1).quiet();
    }

    #[test]
    fn a_member_that_is_down_or_back_but_not_yet_readmitted_is_not_running() {
        let mut story = story();
        story.produce(1, 1).replicate(1, 2).replicate(1, 3).power_loss(3).hw(1, 1);
        story.restart(3, 0).produce(1, 1).replicate(1, 2).hw(1, 2).quiet();
    }

    #[test]
    fn a_restarted_member_counts_again_once_it_is_readmitted() {
        let mut story = story();
        story.crash(3).boot(3, 0).produce(1, 1).replicate(1, 2).hw(1, 1).quiet();
        story.register(3).produce(1, 1).replicate(1, 2).hw(1, 2).quiet();
        story.isr(1, &[1, 2, 3]).fires(&["member-lacks-committed"]);
    }

    #[test]
    fn a_member_that_lost_data_in_a_power_loss_is_excused_until_it_has_caught_up() {
        let mut story = story();
        story.commit(1).power_loss(1).power_loss(3).restart(1, 1).restart(3, 0).elect(1, &[1, 3]).hw(1, 1).quiet();
        story.replicate(1, 3).hw(3, 1).truncate(3, 0).fires(&["member-cut-committed"]);
    }

    #[test]
    fn a_member_whose_session_expired_is_not_running() {
        story().session_expired(3).produce(1, 1).replicate(1, 2).hw(1, 1).commit(0).isr(1, &[1, 2]).quiet();
    }

    #[test]
    fn a_member_must_not_cut_what_its_leader_counts_as_committed() {
        story().commit(2).truncate(3, 1).fires(&["member-cut-committed"]);
        story().commit(2).isr(1, &[1, 2]).truncate(3, 1).quiet();
    }

    #[test]
    fn a_deposed_leader_must_not_write_the_state() {
        // isr-blind-write, KAFKA-8836.
        story().decide(2, &[2, 3]).leads(2).isr_as(1, 0, &[1], 2).fires(&["stale-write"]);
        story().decide(2, &[2, 3]).isr_as(1, 0, &[1], 1).fires(&["version-written-twice"]);
    }

    #[test]
    fn writers_may_learn_of_their_writes_in_any_order() {
        story().decide_as(2, 1, &[2, 3], 2, 1).isr_as(1, 0, &[1, 2], 1).quiet();
        let mut late = story();
        late.decide_as(2, 1, &[2, 3], 2, 1).isr_as(1, 0, &[1, 2, 3], 1).leads(2).follows(3);
        late.produce(2, 1).replicate(2, 3).hw(2, 1).quiet();
    }

    #[test]
    fn a_leader_is_in_its_isr_and_the_isr_within_the_replicas() {
        story().decide(2, &[1, 3]).fires(&["leader-outside"]);
        story().decide(2, &[2, 4]).fires(&["outside-replicas"]);
    }

    #[test]
    fn an_unclean_election_must_be_allowed_and_then_lacks_what_it_lacks() {
        let mut forbidden = story();
        forbidden.isr(1, &[1, 2]).produce(1, 1).replicate(1, 2).hw(1, 1).forbid_unclean().elect_unclean(3);
        forbidden.fires(&["unclean-election"]);
        let mut allowed = story();
        allowed.isr(1, &[1, 2]).produce(1, 1).replicate(1, 2).hw(1, 1).elect_unclean(3).produce(3, 1);
        allowed.quiet();
    }
}
