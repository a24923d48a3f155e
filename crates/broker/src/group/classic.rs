//! A group of the classic protocol: its members, its generation, and how one generation follows another. What single
//! requests do is in [`requests`](super::requests).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use host::Time;
use trace::{EventId, EventKind, GroupState, Name, Partition};
use wire::kafka::ErrorCode;

use super::member::Member;
use super::offsets::Offsets;
use super::protocol::{self, CONSUMER};
use super::records::{GroupValue, OffsetValue};
use super::turn::{Effect, JoinAnswer, JoinedMember, Replacement, SyncAnswer, Then, Turn};
use crate::flaws::Flaw;

/// A group.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// Its name.
    pub name: Name,
    pub(super) state: GroupState,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    /// Member ids that were handed out and have not joined yet (KIP-394), and when they expire.
    pub(super) pending: BTreeMap<String, Time>,
    /// Which member id holds a `group.instance.id`.
    pub(super) instances: BTreeMap<String, String>,
    /// When it came into its state, in ms since 1970; none if unknown.
    pub(super) state_since: Option<i64>,
    pub(super) rebalance: Option<Rebalance>,
    /// Whether a member joined since the first rebalance was last put off.
    pub(super) has_grown: bool,
    /// Members that were told their generation and have not sent SyncGroup.
    pub(super) unsynced: BTreeSet<String>,
    pub(super) sync_due: Option<Time>,
    /// Its offsets.
    pub offsets: Offsets,
    /// The last event about it: what it does by itself follows from that.
    pub last_event: EventId,
}

/// A rebalance that waits for members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rebalance {
    /// When it no longer waits.
    due: Time,
    /// The first of an empty group waits for its time to pass whoever has joined; how much longer may it?
    extendable: Option<Duration>,
}

impl Group {
    /// An empty group.
    pub fn new(name: &str) -> Group {
        Group {
            name: Name::new(name),
            state: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            instances: BTreeMap::new(),
            state_since: None,
            rebalance: None,
            has_grown: false,
            unsynced: BTreeSet::new(),
            sync_due: None,
            offsets: Offsets::default(),
            last_event: EventId::ROOT,
        }
    }

    /// A group from its record: stable if it has members, whose sessions begin anew.
    pub fn restore(name: &str, value: GroupValue, now: Time) -> Group {
        let mut group = Group::new(name);
        group.generation = value.generation;
        group.protocol_type = Some(value.protocol_type).filter(|it| !it.is_empty());
        group.state_since = Some(value.state_since).filter(|at| *at >= 0);
        let protocol = value.protocol.clone().unwrap_or_default();
        for member in value.members {
            let member = Member::restore(member, &protocol, now);
            if let Some(instance) = &member.instance {
                group.instances.insert(instance.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        group.protocol = value.protocol;
        if !group.members.is_empty() {
            group.state = GroupState::Stable;
            group.leader = value.leader;
        }
        group
    }

    /// Its state.
    pub fn state(&self) -> GroupState {
        self.state
    }

    /// Its generation; 0 if it never had members.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// Its protocol type.
    pub fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// The protocol chosen.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Its members.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The event that tells its state.
    pub fn state_changed(&self) -> EventKind {
        EventKind::GroupStateChanged {
            group: self.name,
            state: self.state,
            generation: self.generation,
            members: u32::try_from(self.members.len()).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn become_(&mut self, state: GroupState, turn: &mut Turn) {
        self.state = state;
        self.state_since = Some(turn.wall);
        turn.emit(self.state_changed());
    }

    /// When the group next has something to do by itself.
    pub fn deadline(&self) -> Option<Time> {
        let sessions = self.members.values().filter_map(Member::deadline);
        let rebalance = self.rebalance.map(|it| it.due);
        sessions.chain(self.pending.values().copied()).chain(self.sync_due).chain(rebalance).min()
    }

    /// Does what is due.
    pub fn expire(&mut self, turn: &mut Turn) {
        let now = turn.now;
        self.pending.retain(|_, due| *due > now);
        self.try_complete(turn);
        let is_over = |member: &&Member| member.deadline().is_some_and(|at| at <= now);
        let silent: Vec<String> = self.members.values().filter(is_over).map(|it| it.id.clone()).collect();
        for id in silent {
            self.remove(&id, "session-timeout", turn);
            self.after_removal(turn);
        }
        if self.sync_due.is_some_and(|at| at <= now) {
            self.sync_due = None;
            let missing = std::mem::take(&mut self.unsynced);
            if !missing.is_empty() {
                missing.iter().for_each(|id| self.remove(id, "rebalance-timeout", turn));
                self.prepare_rebalance(turn);
            }
        }
        if let Some(rebalance) = self.rebalance.filter(|it| it.due <= now) {
            match rebalance.extendable.filter(|rest| self.has_grown && !rest.is_zero()) {
                Some(rest) => {
                    self.has_grown = false;
                    let delay = turn.rules.initial_rebalance_delay.min(rest);
                    self.rebalance = Some(Rebalance { due: now + delay, extendable: Some(rest - delay) });
                }
                None => self.complete_join(turn),
            }
        }
    }

    /// The longest time that a member wants to have for joining again.
    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|it| it.rebalance_timeout).max().unwrap_or_default()
    }

    pub(super) fn maybe_prepare_rebalance(&mut self, turn: &mut Turn) {
        if matches!(self.state, GroupState::Empty | GroupState::Stable | GroupState::CompletingRebalance) {
            self.prepare_rebalance(turn);
        }
    }

    /// All members are asked to join again: by refused syncs, and by the answers to their heartbeats.
    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn) {
        if self.state == GroupState::CompletingRebalance {
            self.refuse_assignments(ErrorCode::RebalanceInProgress, turn);
        }
        self.sync_due = None;
        self.unsynced.clear();
        let timeout = self.rebalance_timeout();
        let (delay, extendable) = match self.state {
            GroupState::Empty => {
                let delay = turn.rules.initial_rebalance_delay;
                (delay, Some(timeout.saturating_sub(delay)))
            }
            _ => (timeout, None),
        };
        self.has_grown = false;
        self.rebalance = Some(Rebalance { due: turn.now + delay, extendable });
        self.become_(GroupState::PreparingRebalance, turn);
        self.try_complete(turn);
    }

    /// Begins the next generation if nobody is missing.
    pub(super) fn try_complete(&mut self, turn: &mut Turn) {
        let waits = self.rebalance.is_some_and(|it| it.extendable.is_none());
        if waits && self.pending.is_empty() && self.members.values().all(|it| it.joining.is_some()) {
            self.complete_join(turn);
        }
    }

    /// Waits no longer: who has not joined again is out, but for static members, whose session decides.
    fn complete_join(&mut self, turn: &mut Turn) {
        let late = |it: &&Member| it.joining.is_none() && it.instance.is_none();
        let late: Vec<String> = self.members.values().filter(late).map(|it| it.id.clone()).collect();
        late.iter().for_each(|id| self.remove(id, "rebalance-timeout", turn));
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only silent static members: their sessions will end.
            let due = turn.now + self.rebalance_timeout().max(Duration::from_secs(1));
            self.rebalance = Some(Rebalance { due, extendable: None });
            return;
        }
        self.rebalance = None;
        self.generation += 1;
        self.unsynced.clear();
        if self.members.is_empty() {
            self.protocol = None;
            self.become_(GroupState::Empty, turn);
            turn.effects.push(Effect::Store(self.value(&BTreeMap::new()), Then::Nothing));
            return;
        }
        self.protocol = self.select_protocol();
        self.become_(GroupState::CompletingRebalance, turn);
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            let answer = self.join_answer(&id, self.leads(&id));
            let member = self.members.get_mut(&id).expect("a member");
            if let Some(ticket) = member.joining.take() {
                turn.joined(ticket, answer);
            }
            member.is_new = false;
            member.heard(turn.now);
            self.unsynced.insert(id);
        }
        if !turn.rules.flaws.has(Flaw::SyncNeverArrives) {
            self.sync_due = Some(turn.now + self.rebalance_timeout());
        }
    }

    /// Sees to it that the leader is one who has joined; whether there is one.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |id: &String| self.members.get(id).is_some_and(|it| it.joining.is_some());
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let joined = self.members.values().find(|it| it.joining.is_some()).map(|it| it.id.clone());
        let found = joined.is_some();
        self.leader = joined.or(self.leader.take());
        found
    }

    pub(super) fn leads(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    /// Whether all members can do this protocol.
    pub(super) fn all_support(&self, protocol: &str) -> bool {
        self.members.values().all(|it| it.metadata(protocol).is_some())
    }

    /// The protocol that most members like best among those that all can do.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let best = member.protocols.iter().map(|(name, _)| name.as_str()).find(|name| self.all_support(name));
            *votes.entry(best?).or_default() += 1;
        }
        let most = votes.values().max().copied()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.to_owned())
    }

    /// The answer to a member's JoinGroup, as things stand.
    pub(super) fn join_answer(&self, id: &str, with_members: bool) -> JoinAnswer {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let described = |it: &Member| JoinedMember {
            id: it.id.clone(),
            instance: it.instance.clone(),
            metadata: it.metadata(protocol).cloned().unwrap_or_default(),
        };
        JoinAnswer {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member: id.to_owned(),
            members: if with_members { self.members.values().map(described).collect() } else { Vec::new() },
        }
    }

    pub(super) fn sync_answer(&self, id: &str) -> SyncAnswer {
        SyncAnswer {
            error: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self.members.get(id).map(|it| it.assignment.clone()).unwrap_or_default(),
        }
    }

    /// Who waits for an assignment gets an error; nobody owns anything.
    pub(super) fn refuse_assignments(&mut self, error: ErrorCode, turn: &mut Turn) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if let Some(ticket) = member.syncing.take() {
                turn.synced(ticket, SyncAnswer::refused(error));
                member.heard(turn.now);
            }
        }
    }

    /// Takes a member out. The group may have to go on: see [`Group::after_removal`].
    pub(super) fn remove(&mut self, id: &str, reason: &str, turn: &mut Turn) {
        self.pending.remove(id);
        self.unsynced.remove(id);
        let Some(mut member) = self.members.remove(id) else { return };
        member.refuse(ErrorCode::UnknownMemberId, turn);
        if let Some(instance) = &member.instance
            && self.instances.get(instance).is_some_and(|holder| holder == id)
        {
            self.instances.remove(instance);
        }
        if self.leads(id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.left(id, reason, turn);
    }

    pub(super) fn left(&self, id: &str, reason: &str, turn: &mut Turn) {
        let (group, member, reason) = (self.name, Name::new(id), Name::new(reason));
        turn.emit(EventKind::MemberLeft { group, member, reason, generation: self.generation });
    }

    /// Goes on without a member that was removed.
    pub(super) fn after_removal(&mut self, turn: &mut Turn) {
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => self.prepare_rebalance(turn),
            GroupState::PreparingRebalance => self.try_complete(turn),
            GroupState::Empty | GroupState::Dead => {}
        }
    }

    /// The group's record, with these assignments.
    pub(super) fn value(&self, assignments: &BTreeMap<String, Bytes>) -> GroupValue {
        let protocol = self.protocol.as_deref();
        let member = |it: &Member| it.value(protocol, assignments.get(&it.id).cloned().unwrap_or_default());
        GroupValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since: self.state_since.unwrap_or(-1),
            members: self.members.values().map(member).collect(),
        }
    }

    /// The group's record is in the log, or (an error) it is not.
    pub fn stored(&mut self, then: Then, error: ErrorCode, turn: &mut Turn) {
        match then {
            Then::Nothing => {}
            Then::Assign { generation, assignments } => self.assign(generation, &assignments, error, turn),
            Then::Replace(replacement) if error.is_none() => self.tell_replaced(&replacement, turn),
            Then::Replace(replacement) => self.undo_replacement(*replacement, error, turn),
        }
    }

    fn assign(&mut self, generation: i32, assignments: &BTreeMap<String, Bytes>, error: ErrorCode, turn: &mut Turn) {
        // Another member may have come meanwhile.
        if self.state != GroupState::CompletingRebalance || self.generation != generation {
            return;
        }
        if !error.is_none() {
            self.refuse_assignments(error, turn);
            return self.prepare_rebalance(turn);
        }
        self.become_(GroupState::Stable, turn);
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            let member = self.members.get_mut(&id).expect("a member");
            member.assignment = assignments.get(&id).cloned().unwrap_or_default();
            self.assigned(&id, turn);
        }
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            let answer = self.sync_answer(&id);
            let member = self.members.get_mut(&id).expect("a member");
            if let Some(ticket) = member.syncing.take() {
                turn.synced(ticket, answer);
                member.heard(turn.now);
            }
        }
    }

    /// Records what a consumer owns.
    fn assigned(&self, id: &str, turn: &mut Turn) {
        let Some(member) = self.members.get(id).filter(|_| self.protocol_type() == Some(CONSUMER)) else { return };
        if let Ok(partitions) = protocol::assigned_partitions(&member.assignment) {
            turn.emit(EventKind::MemberAssigned {
                group: self.name,
                member: Name::new(id),
                generation: self.generation,
                partitions: partitions.into_boxed_slice(),
            });
        }
    }

    /// A static member that came back in a stable group gets to know its new id. Before version 9 it is told that its
    /// former self leads, lest it assigns partitions that nobody would hear of; later it is told not to (KIP-814).
    pub(super) fn tell_replaced(&mut self, replacement: &Replacement, turn: &mut Turn) {
        let id = &replacement.new;
        // If the group rebalances meanwhile, its JoinGroup is part of that.
        if self.state != GroupState::Stable || !self.members.contains_key(id) {
            return;
        }
        self.assigned(id, turn);
        let leads = replacement.can_skip && self.leads(id);
        let mut answer = self.join_answer(id, leads);
        answer.skip_assignment = leads;
        if !replacement.can_skip {
            answer.leader = replacement.leader.clone();
        }
        let member = self.members.get_mut(id).expect("a member");
        if let Some(ticket) = member.joining.take() {
            turn.joined(ticket, answer);
            member.heard(turn.now);
        }
    }

    fn undo_replacement(&mut self, replacement: Replacement, error: ErrorCode, turn: &mut Turn) {
        let Replacement { instance, old, new, client, protocols, session_timeout, rebalance_timeout, .. } = replacement;
        let Some(member) = self.members.get_mut(&new).filter(|_| self.state == GroupState::Stable) else { return };
        member.protocols = protocols;
        (member.session_timeout, member.rebalance_timeout) = (session_timeout, rebalance_timeout);
        let ticket = member.joining.take();
        self.rename(&instance, (&new, &old), client, turn);
        if let Some(ticket) = ticket {
            turn.joined(ticket, JoinAnswer { error, ..self.join_answer("", false) });
        }
    }

    /// A static member goes on under another member id, on this client; whatever waits under the old one is fenced. Returns the client
    /// id and host that it had.
    pub(super) fn rename(
        &mut self,
        instance: &str,
        (old, new): (&str, &str),
        (client_id, client_host): (String, String),
        turn: &mut Turn,
    ) -> (String, String) {
        let mut member = self.members.remove(old).expect("a static member's id is a member's");
        member.refuse(ErrorCode::FencedInstanceId, turn);
        member.id = new.to_owned();
        let client = (
            std::mem::replace(&mut member.client_id, client_id),
            std::mem::replace(&mut member.client_host, client_host),
        );
        member.heard(turn.now);
        if self.leads(old) {
            self.leader = Some(new.to_owned());
        }
        if self.unsynced.remove(old) {
            self.unsynced.insert(new.to_owned());
        }
        self.left(old, "replaced", turn);
        self.came(&member, turn);
        self.instances.insert(instance.to_owned(), new.to_owned());
        self.members.insert(new.to_owned(), member);
        client
    }

    pub(super) fn came(&self, member: &Member, turn: &mut Turn) {
        turn.emit(EventKind::MemberJoined {
            group: self.name,
            member: Name::new(&member.id),
            instance: Name::new(member.instance.as_deref().unwrap_or_default()),
            client: Name::new(&member.client_host),
            generation: self.generation,
        });
    }

    /// The coordinator is another one: who waits is sent there.
    pub fn unload(&mut self, turn: &mut Turn) {
        for member in self.members.values_mut() {
            member.refuse(ErrorCode::NotCoordinator, turn);
        }
        self.state = GroupState::Dead;
    }

    /// Whether a member reads this topic; yes if nobody can tell.
    pub(super) fn subscribes(&self, topic: &str) -> bool {
        let (Some(protocol), Some(CONSUMER)) = (&self.protocol, self.protocol_type()) else {
            return !self.members.is_empty();
        };
        let subscriptions = self.members.values().filter_map(|it| it.metadata(protocol));
        let mut topics = subscriptions.map(protocol::subscribed_topics);
        topics.any(|topics| topics.map_or(true, |topics| topics.contains(topic)))
    }

    /// Offsets that nobody has used for `offsets.retention.minutes`: of an empty group counted from when it became empty,
    /// of one that is not managed here from each commit, of a stable one only in topics that nobody reads (KIP-211).
    pub(super) fn expired_offsets(&self, turn: &Turn) -> Vec<Partition> {
        let (wall, retention) = (turn.wall, turn.rules.offsets_retention_ms);
        let committed = |it: &OffsetValue| it.commit_timestamp;
        let is_managed = self.protocol_type.is_some() && !turn.rules.flaws.has(Flaw::OffsetsExpireWhileLive);
        match self.state {
            _ if !is_managed => self.offsets.expired(wall, retention, committed, |_| false),
            GroupState::Empty => {
                let since = self.state_since;
                self.offsets.expired(wall, retention, |it| since.unwrap_or(it.commit_timestamp), |_| false)
            }
            GroupState::Stable if self.protocol_type() == Some(CONSUMER) => {
                self.offsets.expired(wall, retention, committed, |it| self.subscribes(it.topic.as_str()))
            }
            _ => Vec::new(),
        }
    }
}
