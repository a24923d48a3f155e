//! O14: in a generation of a group a partition has at most one owner, by the coordinator's word and by what the members do; a static
//! member's name, `group.instance.id`, stands for one member; and who was replaced does not come back.
//!
//! From: KIP-345 (KAFKA-8225, KAFKA-10284), KIP-429 (KAFKA-12983, KAFKA-12984, KAFKA-13419, KAFKA-14639).
//! Legal: members that were removed, and static members that missed a rebalance, go on with what they had until they hear of it; after a power loss of what was not flushed, or an
//! unclean election of the group's partition of `__consumer_offsets`, a group may begin anew.
//! Not checked: that every partition has an owner (liveness tells who stands still).

use std::collections::{BTreeMap, BTreeSet};

use trace::{Event, EventId, EventKind, Name, Partition, StopReason};

use crate::finding::{Charge, Findings};
use crate::judge::{Moment, Oracle};

/// A member, as its coordinator tells.
struct Member {
    client: Name,
    instance: Name,
}

#[derive(Default)]
struct Group {
    members: BTreeMap<Name, Member>,
    /// What each member owns in the generation told of last.
    generation: i32,
    assigned: BTreeMap<Name, (Vec<Partition>, EventId)>,
    /// Members whose name another id has taken over, and that one's JoinGroup answer.
    replaced: BTreeMap<Name, EventId>,
}

/// What a consumer holds, in its own opinion.
#[derive(Default)]
struct Held {
    group: Option<Name>,
    member: Option<Name>,
    /// The generation that it knows to be in.
    generation: i32,
    partitions: BTreeMap<Partition, EventId>,
}

#[derive(Default)]
pub(crate) struct Assignment {
    groups: BTreeMap<Name, Group>,
    held: BTreeMap<Name, Held>,
    /// Something was lost that no flush had made safe: what coordinators know may be older than what they told.
    forgetful: bool,
}

impl Oracle for Assignment {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let event = moment.event;
        match &event.kind {
            EventKind::GroupStateChanged { group, members: 0, .. } => {
                self.groups.entry(*group).or_default().members.clear();
            }
            EventKind::MemberJoined { group, member, instance, client, .. } => {
                self.joined(event, *group, (*member, *instance, *client), findings);
            }
            EventKind::MemberLeft { group, member, reason, .. } => {
                self.left(event, *group, *member, *reason, findings);
            }
            EventKind::MemberAssigned { group, member, generation, partitions } => {
                self.assigned(event, *group, (*member, *generation), partitions, findings);
            }
            EventKind::GroupJoined { group, member, generation, .. } => {
                self.answered(event, *group, *member, *generation);
            }
            EventKind::PartitionsAssigned { group, member, generation, partitions } => {
                self.taken(event, *group, (*member, *generation), partitions, findings);
            }
            EventKind::PartitionsRevoked { partitions, .. } => {
                if let Some(held) = self.held.get_mut(&event.node) {
                    held.partitions.retain(|partition, _| !partitions.contains(partition));
                }
            }
            EventKind::NodeStopped { reason } => {
                self.held.remove(&event.node);
                self.forgetful |= *reason == StopReason::PowerLoss && !moment.context.flush_every_message;
            }
            EventKind::LeadershipDecided { unclean: true, .. } => self.forgetful = true,
            _ => {}
        }
    }
}

impl Assignment {
    fn joined(
        &mut self,
        event: &Event,
        name: Name,
        (member, instance, client): (Name, Name, Name),
        findings: &mut Findings,
    ) {
        let group = self.groups.entry(name).or_default();
        if !instance.as_str().is_empty() {
            findings.fact();
            let namesake = group.members.iter().find(|(id, it)| **id != member && it.instance == instance);
            if let Some((other, it)) = namesake {
                let summary = format!(
                    "group {name}: {client} joins as {instance}, and so did {} ({other}), which is still a member",
                    it.client
                );
                findings.raise(Charge::at(event, None, "two-of-one-instance", summary));
            }
        }
        group.members.insert(member, Member { client, instance });
        group.replaced.remove(&member);
    }

    fn left(&mut self, event: &Event, name: Name, member: Name, reason: Name, findings: &mut Findings) {
        let group = self.groups.entry(name).or_default();
        findings.fact();
        if let Some(answered) =
            group.replaced.get(&member).copied().filter(|it| *it != EventId::ROOT && !self.forgetful)
        {
            let summary = format!(
                "group {name}: {} still knows {member} ({reason}), though its successor was told that it had taken its place",
                event.node
            );
            findings.raise(Charge::at(event, None, "replaced-member-back", summary).proven_by([answered]));
        }
        group.members.remove(&member);
        // A static member's successor has what it had.
        group.assigned.remove(&member);
        if reason.as_str() == "replaced" {
            group.replaced.insert(member, EventId::ROOT);
        }
    }

    /// A member was told that it is one: from then on whom it replaced is gone for good.
    fn answered(&mut self, event: &Event, name: Name, member: Name, generation: i32) {
        let held = self.held.entry(event.node).or_default();
        (held.group, held.member, held.generation) = (Some(name), Some(member), generation);
        let group = self.groups.entry(name).or_default();
        group.replaced.values_mut().filter(|answered| **answered == EventId::ROOT).for_each(|it| *it = event.id);
    }

    fn assigned(
        &mut self,
        event: &Event,
        name: Name,
        (member, generation): (Name, i32),
        partitions: &[Partition],
        findings: &mut Findings,
    ) {
        findings.fact();
        let group = self.groups.entry(name).or_default();
        if group.generation != generation {
            (group.generation, group.assigned) = (generation, BTreeMap::new());
        }
        let mine: BTreeSet<&Partition> = partitions.iter().collect();
        let others = group.assigned.iter().filter(|(other, _)| **other != member);
        for (other, (theirs, assigned)) in others {
            if let Some(both) = theirs.iter().find(|partition| mine.contains(partition)) {
                let summary =
                    format!("group {name}, generation {generation}: {both} has two owners, {other} and {member}");
                findings.raise(Charge::at(event, Some(*both), "two-owners", summary).proven_by([*assigned]));
            }
        }
        group.assigned.insert(member, (partitions.to_vec(), event.id));
    }

    /// A consumer takes partitions over: nobody who joined that generation may still hold them.
    fn taken(
        &mut self,
        event: &Event,
        name: Name,
        (member, generation): (Name, i32),
        partitions: &[Partition],
        findings: &mut Findings,
    ) {
        for (node, held) in self.held.iter().filter(|(node, held)| **node != event.node && held.group == Some(name)) {
            findings.fact();
            let Some(other) = held.member.filter(|id| *id != member && held.generation == generation) else { continue };
            if let Some((both, since)) = partitions.iter().find_map(|it| held.partitions.get_key_value(it)) {
                let summary = format!(
                    "group {name}, generation {generation}: {} takes {both}, and {node} ({other}), a member of that generation, \
                     still has it",
                    event.node
                );
                findings.raise(Charge::at(event, Some(*both), "double-owned", summary).proven_by([*since]));
            }
        }
        let held = self.held.entry(event.node).or_default();
        (held.group, held.member) = (Some(name), Some(member));
        held.partitions.extend(partitions.iter().map(|partition| (*partition, event.id)));
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        let mut story = Story::of("assignment");
        story.group("mail");
        story
    }

    #[test]
    fn partitions_that_change_hands_in_order_have_one_owner() {
        let mut story = story();
        story.member_joins("m-0", "", "mail-service-0").assigns(1, "m-0", &[0, 1]).takes(
            "mail-service-0",
            "m-0",
            1,
            &[0, 1],
        );
        story.member_joins("m-1", "", "mail-service-1").gives_up("mail-service-0", "m-0", 1, &[1]);
        story.assigns(2, "m-0", &[0]).assigns(2, "m-1", &[1]);
        story.takes("mail-service-1", "m-1", 2, &[1]).takes("mail-service-0", "m-0", 2, &[]).quiet();
    }

    #[test]
    fn a_partition_has_one_owner_in_a_generation() {
        story().assigns(1, "m-0", &[0, 1]).assigns(1, "m-1", &[1]).fires(&["two-owners"]);
        story().assigns(1, "m-0", &[0, 1]).assigns(2, "m-1", &[1]).quiet();
    }

    #[test]
    fn nobody_takes_what_a_member_of_the_same_generation_still_has() {
        let mut story = story();
        story.assigns(1, "m-0", &[0]).takes("mail-service-0", "m-0", 1, &[0]);
        story.answered_join("mail-service-0", "m-0", 2).assigns(2, "m-0", &[]).assigns(2, "m-1", &[0]);
        story.takes("mail-service-1", "m-1", 2, &[0]).fires(&["double-owned"]);
    }

    #[test]
    fn who_missed_the_generation_or_died_may_still_believe_to_have_it() {
        let mut evicted = story();
        evicted.assigns(1, "m-0", &[0]).takes("mail-service-0", "m-0", 1, &[0]);
        evicted.assigns(2, "m-1", &[0]).takes("mail-service-1", "m-1", 2, &[0]).quiet();
        let mut absent = story();
        absent.assigns(1, "m-0", &[0]).answered_join("mail-service-0", "m-0", 1).takes(
            "mail-service-0",
            "m-0",
            1,
            &[0],
        );
        absent.assigns(2, "m-0", &[]).assigns(2, "m-1", &[0]).takes("mail-service-1", "m-1", 2, &[0]).quiet();
        let mut dead = story();
        dead.assigns(1, "m-0", &[0]).takes("mail-service-0", "m-0", 1, &[0]).kill_client("mail-service-0");
        dead.assigns(2, "m-0", &[]).assigns(2, "m-1", &[0]).takes("mail-service-1", "m-1", 2, &[0]).quiet();
    }

    #[test]
    fn a_static_name_stands_for_one_member() {
        let mut twins = story();
        twins.member_joins("m-0", "server", "mail-service-0").member_joins("m-1", "server", "mail-service-1");
        twins.fires(&["two-of-one-instance"]);
        let mut heir = story();
        heir.member_joins("m-0", "server", "mail-service-0").assigns(1, "m-0", &[0]).member_leaves("m-0", "replaced");
        heir.member_joins("m-1", "server", "mail-service-1").assigns(1, "m-1", &[0]).quiet();
    }

    #[test]
    fn who_was_replaced_does_not_come_back_once_its_successor_was_answered() {
        let replaced = || {
            let mut story = story();
            story.member_joins("m-0", "server", "mail-service-0").member_leaves("m-0", "replaced");
            story.member_joins("m-1", "server", "mail-service-0");
            story
        };
        replaced()
            .answered_join("mail-service-0", "m-1", 1)
            .member_leaves("m-0", "session-timeout")
            .fires(&["replaced-member-back"]);
        replaced().member_leaves("m-0", "session-timeout").answered_join("mail-service-0", "m-1", 1).quiet();
        let mut lost = replaced();
        lost.answered_join("mail-service-0", "m-1", 1).power_loss(1).member_leaves("m-0", "session-timeout").quiet();
    }
}
