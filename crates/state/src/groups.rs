//! Consumer groups: their members, what these own, what is committed.

use std::collections::{BTreeMap, BTreeSet};

use trace::{Event, EventId, EventKind, GroupState, Name, Partition};

/// A consumer group, as its coordinator tells.
#[derive(Clone, Debug)]
pub struct ConsumerGroup {
    /// The broker that coordinates it, as far as one told.
    pub coordinator: Name,
    /// Its state.
    pub state: GroupState,
    /// Its generation.
    pub generation: i32,
    /// How many generations it went through.
    pub generations: u64,
    /// Its members by id.
    pub members: BTreeMap<Name, GroupMember>,
    /// What is committed.
    pub committed: BTreeMap<Partition, CommittedOffset>,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub struct GroupMember {
    /// The node it runs on.
    pub client: Name,
    /// Its `group.instance.id`, or empty.
    pub instance: Name,
    /// What it owns by the last assignment.
    pub assigned: Vec<Partition>,
}

/// A committed offset.
#[derive(Clone, Copy, Debug)]
pub struct CommittedOffset {
    /// The offset of the next record to be read.
    pub offset: i64,
    /// Its `OffsetCommitted`.
    pub event: EventId,
}

/// What a consumer believes of its own membership.
#[derive(Clone, Debug, Default)]
pub struct Membership {
    /// Its group.
    pub group: Option<Name>,
    /// Its generation, or -1.
    pub generation: i32,
    /// What it reads.
    pub owned: BTreeSet<Partition>,
}

impl ConsumerGroup {
    fn new(coordinator: Name) -> ConsumerGroup {
        ConsumerGroup {
            coordinator,
            state: GroupState::Empty,
            generation: 0,
            generations: 0,
            members: BTreeMap::new(),
            committed: BTreeMap::new(),
        }
    }

    fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::GroupStateChanged { state, generation, .. } => {
                self.generations += u64::from(*generation > self.generation);
                (self.state, self.generation) = (*state, *generation);
                if matches!(state, GroupState::Empty | GroupState::Dead) {
                    self.members.clear();
                }
            }
            EventKind::MemberJoined { member, instance, client, .. } => {
                let joined = GroupMember { client: *client, instance: *instance, assigned: Vec::new() };
                self.members.insert(*member, joined);
            }
            EventKind::MemberLeft { member, .. } => {
                self.members.remove(member);
            }
            EventKind::MemberAssigned { member, partitions, .. } => {
                if let Some(member) = self.members.get_mut(member) {
                    member.assigned = partitions.to_vec();
                }
            }
            EventKind::OffsetCommitted { partition, offset, .. } => {
                self.committed.insert(*partition, CommittedOffset { offset: *offset, event: event.id });
            }
            EventKind::OffsetForgotten { partition, .. } => {
                self.committed.remove(partition);
            }
            _ => {}
        }
    }
}

/// What a digest compares of a group before and after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GroupOutline {
    coordinator: Name,
    generations: u64,
    /// The nodes of its members.
    members: BTreeSet<Name>,
}

impl ConsumerGroup {
    pub(crate) fn outline(&self) -> GroupOutline {
        let members = self.members.values().map(|member| member.client).collect();
        GroupOutline { coordinator: self.coordinator, generations: self.generations, members }
    }
}

impl GroupOutline {
    /// What became of it since `before`, net.
    pub(crate) fn change(&self, before: Option<&GroupOutline>) -> Option<String> {
        let names = |members: &BTreeSet<Name>| match members.is_empty() {
            true => "nobody".to_owned(),
            false => members.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
        };
        let Some(before) = before else { return Some(format!("founded by {}", names(&self.members))) };
        let mut words = Vec::new();
        if self.coordinator != before.coordinator {
            words.push(format!("coordinator {} -> {}", before.coordinator, self.coordinator));
        }
        if self.members != before.members {
            words.push(format!("members {} -> {}", names(&before.members), names(&self.members)));
        } else if self.generations != before.generations {
            words.push("rebalanced".to_owned());
        }
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// The group that a coordinator's event is about.
fn group_of(kind: &EventKind) -> Option<Name> {
    match kind {
        EventKind::GroupStateChanged { group, .. }
        | EventKind::MemberJoined { group, .. }
        | EventKind::MemberLeft { group, .. }
        | EventKind::MemberAssigned { group, .. }
        | EventKind::OffsetCommitted { group, .. }
        | EventKind::OffsetForgotten { group, .. } => Some(*group),
        _ => None,
    }
}

/// Folds a coordinator's event.
pub(crate) fn apply(groups: &mut BTreeMap<Name, ConsumerGroup>, event: &Event) {
    if let Some(name) = group_of(&event.kind) {
        let group = groups.entry(name).or_insert_with(|| ConsumerGroup::new(event.node));
        group.coordinator = event.node;
        group.apply(event);
    }
}

impl Membership {
    /// Folds an event of the consumer.
    pub(crate) fn apply(&mut self, kind: &EventKind) {
        match kind {
            EventKind::GroupJoined { group, generation, .. } => {
                (self.group, self.generation) = (Some(*group), *generation);
            }
            EventKind::PartitionsAssigned { partitions, .. } => self.owned.extend(partitions.iter().copied()),
            EventKind::PartitionsRevoked { partitions, lost, .. } => {
                partitions.iter().for_each(|partition| {
                    self.owned.remove(partition);
                });
                if *lost {
                    self.generation = -1;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(node: &str, kind: EventKind) -> Event {
        Event { id: EventId(1), at: 0, node: Name::new(node), cause: EventId::ROOT, kind }
    }

    fn folded(events: &[Event]) -> ConsumerGroup {
        let mut groups = BTreeMap::new();
        events.iter().for_each(|event| apply(&mut groups, event));
        groups.remove(&Name::new("mail")).expect("the group was told of")
    }

    fn names() -> (Name, Name, Name) {
        (Name::new("mail"), Name::new("m-1"), Name::new(""))
    }

    fn joined(node: &str) -> Event {
        let (group, member, instance) = names();
        event(
            node,
            EventKind::MemberJoined { group, member, instance, client: Name::new("mail-service-0"), generation: 0 },
        )
    }

    fn state(node: &str, state: GroupState, generation: i32) -> Event {
        let (group, ..) = names();
        event(node, EventKind::GroupStateChanged { group, state, generation, members: 1 })
    }

    #[test]
    fn a_group_knows_its_members_and_what_they_own() {
        let (group, member, _) = names();
        let partitions = vec![Partition::new("orders", 0)].into_boxed_slice();
        let assigned = EventKind::MemberAssigned { group, member, generation: 1, partitions };
        let mail = folded(&[joined("broker-1"), state("broker-1", GroupState::Stable, 1), event("broker-1", assigned)]);
        assert_eq!((mail.generation, mail.generations, mail.state), (1, 1, GroupState::Stable));
        assert_eq!(mail.members[&member].assigned, vec![Partition::new("orders", 0)]);
    }

    #[test]
    fn an_empty_group_has_no_members_and_another_coordinator_takes_over() {
        let mail = folded(&[
            joined("broker-1"),
            state("broker-1", GroupState::Stable, 1),
            state("broker-2", GroupState::Empty, 2),
        ]);
        assert!(mail.members.is_empty());
        assert_eq!(mail.coordinator, Name::new("broker-2"));
    }

    #[test]
    fn a_committed_offset_stays_until_it_is_forgotten() {
        let (group, member, _) = names();
        let partition = Partition::new("orders", 0);
        let commit = EventKind::OffsetCommitted { group, partition, offset: 7, member, generation: 1, at: 0 };
        let forgotten = EventKind::OffsetForgotten { group, partition, offset: 7, reason: Name::new("expired") };
        assert_eq!(folded(&[event("broker-1", commit.clone())]).committed[&partition].offset, 7);
        assert!(folded(&[event("broker-1", commit), event("broker-1", forgotten)]).committed.is_empty());
    }
}
