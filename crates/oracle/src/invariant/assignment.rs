//! O14: in a generation of a group a partition is assigned to at most one member, and only to members; a member takes a partition
//! over only when no other member of that generation has it; a `group.instance.id` is one member's.
//!
//! From: KIP-54 and KIP-429 (sticky, cooperative), KAFKA-12983, KAFKA-12984, KAFKA-13419, KAFKA-14639; KIP-345, KAFKA-8225, KAFKA-10284.
//! Legal: a consumer that its coordinator has put out and that does not know it yet (paused, cut off, slow, replaced by another with
//! its instance id) still has what it had; so has a static member that stayed silent while the others went on without it; a
//! coordinator that is deposed and not aware of it counts members by itself.
//! Not checked: that all partitions have an owner, and a fair one (the tally counts the time without).

use std::collections::VecDeque;

use trace::{Event, EventId, EventKind, GroupState, Name, Partition, StopReason};

use crate::finding::{Charge, Findings};
use crate::fold::{Group, Member};
use crate::judge::{Moment, Oracle};
use crate::sparse::Table;

/// Generations that are remembered: a slow consumer hears of its own late.
const REMEMBERED: usize = 8;

/// What one generation of a group was assigned.
struct Generation {
    number: i32,
    /// When its first member was assigned something.
    event: EventId,
    owners: Table<Partition, (Name, EventId)>,
    members: Vec<Name>,
}

/// What a consumer has.
struct Holding {
    member: Name,
    generation: i32,
    event: EventId,
}

#[derive(Default)]
struct Assigned {
    generations: VecDeque<Generation>,
    /// By coordinator, when it began which generation.
    begun: Table<Name, (i32, EventId)>,
    /// By client and partition.
    holdings: Table<(Name, Partition), Holding>,
    /// The last generation in which each client's JoinGroup was answered, and under which member id.
    joined: Table<Name, (Name, i32)>,
    /// Static members that others have replaced, and when their successors were told so.
    replaced: Table<Name, Option<EventId>>,
}

#[derive(Default)]
pub(crate) struct Assignment {
    groups: Table<Name, Assigned>,
    /// When each broker last began to coordinate a partition.
    loads: Table<Name, EventId>,
    /// A power loss may have taken what coordinators had written down.
    forgetful: bool,
}

impl Oracle for Assignment {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let event = moment.event;
        match &event.kind {
            EventKind::CoordinatorLoaded { .. } => {
                self.loads.insert(event.node, event.id);
            }
            EventKind::GroupStateChanged { group, state: GroupState::CompletingRebalance, generation, .. } => {
                self.groups.entry(*group).or_default().begun.insert(event.node, (*generation, event.id));
            }
            EventKind::MemberJoined { group, member, instance, .. } => {
                // A replacement that could not be written down is undone.
                self.groups.entry(*group).or_default().replaced.swap_remove(member);
                self.check_instance(moment, *group, (*member, *instance), findings);
            }
            EventKind::MemberLeft { group, member, reason, .. } => {
                self.check_gone(moment, *group, *member, findings);
                self.groups.entry(*group).or_default().forget(*member, *reason);
            }
            EventKind::MemberAssigned { group, member, generation, partitions } => {
                let assigned = self.groups.entry(*group).or_default();
                check_member(moment, *group, *member, partitions, findings);
                assigned.assign(moment, *group, (*member, *generation), partitions, findings);
            }
            EventKind::GroupJoined { group, member, generation, .. } => {
                let assigned = self.groups.entry(*group).or_default();
                assigned.joined.insert(event.node, (*member, *generation));
                assigned.replaced.values_mut().for_each(|told| *told = told.or(Some(event.id)));
            }
            EventKind::PartitionsAssigned { group, member, generation, partitions } => {
                let assigned = self.groups.entry(*group).or_default();
                for partition in partitions {
                    let taken = Holding { member: *member, generation: *generation, event: event.id };
                    assigned.take(moment, *group, *partition, taken, findings);
                }
            }
            EventKind::PartitionsRevoked { group, partitions, .. } => {
                let holdings = &mut self.groups.entry(*group).or_default().holdings;
                for partition in partitions {
                    holdings.swap_remove(&(event.node, *partition));
                }
            }
            EventKind::LeadershipDecided { unclean: true, .. } => self.forgetful = true,
            EventKind::NodeStopped { reason } => {
                self.forgetful |= *reason == StopReason::PowerLoss && !moment.context.flush_every_message;
                for assigned in self.groups.values_mut() {
                    assigned.holdings.retain(|(client, _), _| *client != event.node);
                }
            }
            _ => {}
        }
    }
}

impl Assignment {
    /// Whom another has replaced is written down as gone before that one hears of it (KAFKA-10284). A coordinator that has read
    /// what is written down before then knows no better: it is deposed.
    fn check_gone(&self, moment: &Moment, group: Name, member: Name, findings: &mut Findings) {
        let Some(replaced) = self.groups.get(&group).and_then(|assigned| assigned.replaced.get(&member)) else {
            return;
        };
        findings.fact();
        let has_read_since = |told: &EventId| self.loads.get(&moment.event.node).is_some_and(|loaded| loaded > told);
        if let Some(told) = replaced.filter(|told| !self.forgetful && has_read_since(told)) {
            let summary = format!(
                "{group}: {} still knew {member}, and its successor was told that it had replaced it",
                moment.event.node
            );
            findings.raise(Charge::at(moment.event, None, "replaced-member-back", summary).proven_by([told]));
        }
    }

    fn check_instance(&self, moment: &Moment, group: Name, (member, instance): (Name, Name), findings: &mut Findings) {
        let Some(known) = moment.world.groups.get(&group).filter(|_| !instance.as_str().is_empty()) else { return };
        findings.fact();
        let loaded = self.loads.get(&moment.event.node).copied().unwrap_or(EventId::ROOT);
        // What a coordinator knew before it was another's turn, it has read anew since.
        let counts = |it: &Member| it.left.is_none() && it.told_by == moment.event.node && it.joined > loaded;
        let other = known.members.iter().find(|(id, it)| **id != member && it.instance == instance && counts(it));
        if let Some((other, it)) = other {
            let summary = format!(
                "{group}: {member} joined as {instance}, which {other} on {} is, and neither is fenced",
                it.client
            );
            findings.raise(Charge::at(moment.event, None, "duplicate-instance", summary).proven_by([it.joined]));
        }
    }
}

/// Who is assigned partitions is a member.
fn check_member(moment: &Moment, group: Name, member: Name, partitions: &[Partition], findings: &mut Findings) {
    if partitions.is_empty() {
        return;
    }
    findings.fact();
    let known = moment.world.groups.get(&group).and_then(|group| group.members.get(&member));
    let gone = known.and_then(|member| member.left).filter(|left| left.told_by == moment.event.node);
    if known.is_none() || gone.is_some() {
        let summary = format!("{group}: {} is assigned to {member}, which is no member", partitions[0]);
        let charge = Charge::at(moment.event, Some(partitions[0]), "not-a-member", summary);
        findings.raise(charge.proven_by(gone.map(|left| left.event)));
    }
}

impl Assigned {
    fn forget(&mut self, member: Name, reason: Name) {
        if reason.as_str() == "replaced" {
            self.replaced.insert(member, None);
        }
        for generation in &mut self.generations {
            generation.owners.retain(|_, (owner, _)| *owner != member);
            generation.members.retain(|known| *known != member);
        }
    }

    /// The generation of this number, begun by this coordinator or read from its predecessor's log.
    fn generation(&mut self, number: i32, event: &Event) -> &mut Generation {
        let begun = self.begun.get(&event.node).filter(|(begun, _)| *begun == number).map(|(_, event)| *event);
        // The same number again: what went before was lost with the log.
        self.generations.retain(|known| known.number != number || begun.is_none_or(|begun| known.event > begun));
        if let Some(place) = self.generations.iter().position(|known| known.number == number) {
            return &mut self.generations[place];
        }
        if self.generations.len() == REMEMBERED {
            self.generations.pop_front();
        }
        let (owners, members) = (Table::default(), Vec::new());
        self.generations.push_back(Generation { number, event: event.id, owners, members });
        self.generations.back_mut().expect("just pushed")
    }

    fn assign(
        &mut self,
        moment: &Moment,
        group: Name,
        (member, number): (Name, i32),
        partitions: &[Partition],
        findings: &mut Findings,
    ) {
        let event = moment.event;
        let generation = self.generation(number, event);
        generation.members.push(member);
        for partition in partitions {
            findings.fact();
            let (owner, since) = *generation.owners.entry(*partition).or_insert((member, event.id));
            if owner != member {
                let summary =
                    format!("{group}: generation {number} gives {partition} to {member}, and gave it to {owner}");
                let charge = Charge::at(event, Some(*partition), "two-owners", summary);
                findings.raise(charge.proven_by([since]));
            }
        }
    }

    /// A consumer takes a partition over.
    fn take(&mut self, moment: &Moment, group: Name, partition: Partition, taken: Holding, findings: &mut Findings) {
        findings.fact();
        let client = moment.event.node;
        let known = moment.world.groups.get(&group);
        for ((other, held), holding) in &self.holdings {
            if *other == client || *held != partition {
                continue;
            }
            let newest = holding.generation.max(taken.generation);
            let counts = |client: Name, member: Name| self.counts(known, newest, client, member);
            if counts(*other, holding.member) && counts(client, taken.member) {
                let summary = format!(
                    "{group}: {client} takes {partition} over in generation {}, and {other}, a member of generation \
                     {newest}, has it since generation {}",
                    taken.generation, holding.generation
                );
                let charge = Charge::at(moment.event, Some(partition), "double-owned", summary);
                findings.raise(charge.proven_by([holding.event]));
            }
        }
        self.holdings.insert((client, partition), taken);
    }

    /// Whether a consumer takes part in a generation, and had to give up for it what it was not to keep.
    fn counts(&self, group: Option<&Group>, number: i32, client: Name, member: Name) -> bool {
        let generation = self.generations.iter().find(|known| known.number == number);
        if !generation.is_some_and(|generation| generation.members.contains(&member)) {
            return false;
        }
        let known = group.and_then(|group| group.members.get(&member));
        let is_static = known.is_some_and(|member| !member.instance.as_str().is_empty());
        // The others do not wait for a silent static member (KIP-345).
        !is_static || self.joined.get(&client).is_some_and(|joined| *joined == (member, number))
    }
}

#[cfg(test)]
mod tests {
    use trace::GroupState;

    use crate::story::Story;

    fn story() -> Story {
        Story::grouped("assignment")
    }

    /// Member `b` has come, and the partitions 0 and 1 are shared out.
    fn two() -> Story {
        let mut story = story();
        story.takes("a", 1, &[0]).joins("b", "").generation(2, &[("a", &[0]), ("b", &[1])]).takes("b", 2, &[1]);
        story
    }

    #[test]
    fn members_that_share_out_partitions_and_hand_them_over_are_one_owner_each() {
        two().gives("a", 2, &[0]).generation(3, &[("a", &[1]), ("b", &[0])]).takes("b", 3, &[0]).quiet();
    }

    #[test]
    fn a_generation_gives_a_partition_to_one_member() {
        story().joins("b", "").generation(2, &[("a", &[0]), ("b", &[0])]).fires(&["two-owners"]);
    }

    #[test]
    fn another_generation_and_one_begun_again_after_a_lost_log_may_assign_anew() {
        two().generation(3, &[("a", &[1]), ("b", &[0])]).quiet();
        two()
            .coordinator_without_log(2)
            .group_is(GroupState::Stable, 1)
            .generation(2, &[("a", &[1]), ("b", &[0])])
            .quiet();
    }

    #[test]
    fn partitions_are_assigned_to_members_only() {
        story().generation(2, &[("a", &[0]), ("x", &[1])]).fires(&["not-a-member"]);
        story().joins("b", "").leaves("b", "left").generation(2, &[("a", &[0]), ("b", &[1])]).fires(&["not-a-member"]);
    }

    #[test]
    fn a_member_does_not_take_what_another_member_of_its_generation_still_has() {
        let mut story = two();
        story.generation(3, &[("a", &[]), ("b", &[0, 1])]).takes("b", 3, &[0]).fires(&["double-owned"]);
    }

    #[test]
    fn a_consumer_that_was_put_out_or_died_may_not_know_that_others_own_its_partitions() {
        let mut evicted = two();
        evicted.leaves("a", "session-timeout").generation(3, &[("b", &[0, 1])]).takes("b", 3, &[0]).quiet();
        evicted.loses("a", 2, &[0]).quiet();
        let mut dead = two();
        dead.kill_client("mail-service-0").generation(3, &[("a", &[]), ("b", &[0, 1])]).takes("b", 3, &[0]).quiet();
    }

    #[test]
    fn a_member_that_was_put_out_and_hears_late_of_its_assignment_is_no_second_owner() {
        let mut story = story();
        story.joins("b", "").generation(2, &[("a", &[]), ("b", &[0])]).leaves("b", "session-timeout");
        story.generation(3, &[("a", &[0])]).takes("a", 3, &[0]).takes("b", 2, &[0]).quiet();
    }

    #[test]
    fn an_instance_is_one_member() {
        // static-duplicate-instance, KAFKA-8225.
        story().joins("a-1", "i").joins("b-1", "i").fires(&["duplicate-instance"]);
        story().joins("a-1", "i").joins("b-1", "j").quiet();
        story().joins("a-1", "i").leaves("a-1", "replaced").joins("b-1", "i").quiet();
    }

    #[test]
    fn a_replaced_member_does_not_come_back_once_its_successor_was_told() {
        // static-rejoin-not-persisted, KAFKA-10284.
        let replaced = || {
            let mut story = story();
            story.joins("a-1", "i").leaves("a-1", "replaced").joins("a-2", "i");
            story
        };
        replaced()
            .generation(2, &[("a-2", &[0])])
            .coordinator(2)
            .leaves("a-1", "session-timeout")
            .fires(&["replaced-member-back"]);
        replaced().coordinator(2).leaves("a-1", "session-timeout").quiet();
        // It read the group before, and does not know yet that another is the coordinator.
        replaced().coordinator(2).generation(2, &[("a-2", &[0])]).leaves("a-1", "session-timeout").quiet();
        replaced()
            .generation(2, &[("a-2", &[0])])
            .power_loss(1)
            .coordinator(2)
            .leaves("a-1", "session-timeout")
            .quiet();
    }

    #[test]
    fn an_instance_that_a_former_coordinator_did_not_write_down_may_join_again() {
        story().joins("a-1", "i").coordinator(2).joins("a-2", "i").quiet();
        story().joins("a-1", "i").coordinator(2).coordinator(1).joins("a-2", "i").quiet();
    }

    #[test]
    fn a_replaced_static_member_may_go_on_until_it_is_fenced() {
        let mut story = story();
        story.joins("a-1", "i").generation(2, &[("a-1", &[0])]).takes("a-1", 2, &[0]);
        story.leaves("a-1", "replaced").joins("b-1", "i").is_assigned("b-1", 2, &[0]).takes("b-1", 2, &[0]).quiet();
    }

    #[test]
    fn the_others_go_on_without_a_silent_static_member() {
        let mut story = story();
        story.joins("a-1", "i").joins("b", "").generation(2, &[("a-1", &[0]), ("b", &[1])]).takes("a-1", 2, &[0]);
        story.group_is(GroupState::CompletingRebalance, 3).is_assigned("a-1", 3, &[]).is_assigned("b", 3, &[0]);
        story.takes("b", 3, &[0]).quiet();
    }
}
