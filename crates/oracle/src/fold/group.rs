//! Consumer groups as their coordinators tell: one view per broker, since a deposed coordinator goes on for a while.

use trace::{Event, EventId, EventKind, GroupState, Name};

use crate::sparse::Table;

/// A member that joined once. Member ids are never given twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// The node it runs on.
    pub client: Name,
    /// Its `group.instance.id`, or empty.
    pub instance: Name,
    /// The coordinator that said so, and when.
    pub told_by: Name,
    pub joined: EventId,
    /// The last generation that assigned it anything (or nothing), or -1.
    pub assigned_in: i32,
    pub left: Option<Left>,
}

/// A member left its group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub told_by: Name,
    pub at: u64,
    pub event: EventId,
}

/// A group as one broker sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub state: GroupState,
    pub generation: i32,
    /// When the generation began, or was read from the log.
    pub generation_at: u64,
    /// Since when it has members; none while it is empty.
    pub peopled_at: Option<u64>,
    /// The last event about it.
    pub event: EventId,
}

/// One group.
#[derive(Clone, Default, Debug)]
pub(crate) struct Group {
    pub members: Table<Name, Member>,
    views: Table<Name, View>,
}

impl Group {
    /// As this broker sees it, if it ever coordinated it.
    pub fn view(&self, broker: Name) -> Option<&View> {
        self.views.get(&broker)
    }

    /// The members that this broker's last generations count on.
    pub fn live(&self, broker: Name) -> impl Iterator<Item = (Name, &Member)> {
        let view = self.view(broker).filter(|view| !matches!(view.state, GroupState::Empty | GroupState::Dead));
        // While it rebalances, members have what the generation before gave them.
        let least = view.map_or(i32::MAX, |view| view.generation - 1);
        let members = self.members.iter().filter(move |(_, it)| it.left.is_none() && it.assigned_in >= least.max(0));
        members.map(|(name, member)| (*name, member))
    }

    /// This broker reads the group from the log again: what it saw before counts no more.
    pub(super) fn reload(&mut self, broker: Name) {
        self.views.swap_remove(&broker);
        // Whom it missed as a deposed coordinator others may have kept.
        let told = self.members.values_mut().filter(|member| member.left.is_some_and(|left| left.told_by == broker));
        told.for_each(|member| member.left = None);
    }

    fn change(&mut self, event: &Event, state: GroupState, generation: i32) {
        let known = self.views.get(&event.node);
        let is_same = known.is_some_and(|view| view.generation == generation);
        let is_peopled = !matches!(state, GroupState::Empty | GroupState::Dead);
        let view = View {
            state,
            generation,
            generation_at: known.filter(|_| is_same).map_or(event.at, |view| view.generation_at),
            peopled_at: is_peopled.then(|| known.and_then(|view| view.peopled_at).unwrap_or(event.at)),
            event: event.id,
        };
        self.views.insert(event.node, view);
    }
}

/// Folds an event in; nothing happens if it is not about a group's members.
pub(super) fn apply(groups: &mut Table<Name, Group>, event: &Event) {
    match &event.kind {
        EventKind::GroupStateChanged { group, state, generation, .. } => {
            groups.entry(*group).or_default().change(event, *state, *generation);
        }
        EventKind::MemberJoined { group, member, instance, client, .. } => {
            let (client, instance, told_by, joined) = (*client, *instance, event.node, event.id);
            let joined = Member { client, instance, told_by, joined, assigned_in: -1, left: None };
            groups.entry(*group).or_default().members.insert(*member, joined);
        }
        EventKind::MemberLeft { group, member, .. } => {
            if let Some(member) = groups.entry(*group).or_default().members.get_mut(member) {
                member.left = Some(Left { told_by: event.node, at: event.at, event: event.id });
            }
        }
        EventKind::MemberAssigned { group, member, generation, .. } => {
            if let Some(member) = groups.entry(*group).or_default().members.get_mut(member) {
                // A deposed coordinator may have given it up; this one did not.
                (member.assigned_in, member.left) = (*generation, None);
            }
        }
        _ => {}
    }
}
