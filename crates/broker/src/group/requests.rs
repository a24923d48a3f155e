//! What single requests do to a group, as Kafka 3's coordinator answers them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use trace::{EventKind, GroupState, Name, Partition};
use wire::kafka::ErrorCode;

use super::classic::Group;
use super::member::Member;
use super::offsets::Committed;
use super::protocol::CONSUMER;
use super::turn::{Effect, JoinAnswer, Replacement, SyncAnswer, Then, Ticket, Turn};
use crate::flaws::{Flaw, Flaws};

/// How long a new member may wait for its first generation: it cannot send heartbeats yet.
const NEW_MEMBER_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A JoinGroup.
#[derive(Clone, Debug)]
pub struct Join {
    /// The request, to be answered.
    pub ticket: Ticket,
    /// Its member id; empty for a new member.
    pub member: String,
    /// The member id that a new member would get.
    pub new_id: String,
    /// Its `group.instance.id`.
    pub instance: Option<String>,
    /// Its client id.
    pub client_id: String,
    /// The node it comes from.
    pub client_host: String,
    /// Its session timeout.
    pub session_timeout: Duration,
    /// Its rebalance timeout.
    pub rebalance_timeout: Duration,
    /// `consumer`, or something else.
    pub protocol_type: String,
    /// The protocols it can do, best first.
    pub protocols: Vec<(String, Bytes)>,
    /// Whether a new member must come again with its id (KIP-394).
    pub needs_id: bool,
    /// Whether it understands `skip_assignment` (KIP-814).
    pub can_skip: bool,
}

/// A SyncGroup.
#[derive(Clone, Debug)]
pub struct Sync {
    /// The request, to be answered.
    pub ticket: Ticket,
    /// Its member id.
    pub member: String,
    /// Its `group.instance.id`.
    pub instance: Option<String>,
    /// Its generation.
    pub generation: i32,
    /// The protocol type, if it says.
    pub protocol_type: Option<String>,
    /// The protocol, if it says.
    pub protocol: Option<String>,
    /// The leader's: what each member shall own.
    pub assignments: BTreeMap<String, Bytes>,
}

/// A member that leaves, or is to be removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leave {
    /// Its member id; empty if an administrator names an instance alone.
    pub member: String,
    /// Its `group.instance.id`.
    pub instance: Option<String>,
}

impl Group {
    /// Handles a JoinGroup.
    pub fn join(&mut self, join: Join, turn: &mut Turn) {
        if !self.has_room(&join.member, turn) {
            self.remove(&join.member, "removed", turn);
            turn.joined(join.ticket, JoinAnswer::refused("", ErrorCode::GroupMaxSizeReached));
        } else if self.state == GroupState::Dead {
            turn.joined(join.ticket, JoinAnswer::refused(&join.member, ErrorCode::CoordinatorNotAvailable));
        } else if !self.supports(&join) {
            turn.joined(join.ticket, JoinAnswer::refused(&join.member, ErrorCode::InconsistentGroupProtocol));
        } else if join.member.is_empty() {
            self.join_new(join, turn);
        } else if self.pending.contains_key(&join.member) {
            self.add(join.member.clone(), join, turn);
        } else {
            self.join_again(join, turn);
        }
        if self.state == GroupState::PreparingRebalance {
            self.try_complete(turn);
        }
    }

    fn has_room(&self, member: &str, turn: &Turn) -> bool {
        let known = self.members.get(member);
        match self.state {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                let waiting = self.members.values().filter(|it| it.joining.is_some()).count();
                known.is_some_and(|it| it.joining.is_some()) || waiting < turn.rules.max_size
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                known.is_some() || self.members.len() < turn.rules.max_size
            }
        }
    }

    fn supports(&self, join: &Join) -> bool {
        if self.state == GroupState::Empty {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        let fits = self.protocol_type() == Some(&join.protocol_type);
        fits && join.protocols.iter().any(|(name, _)| self.all_support(name))
    }

    /// Which member holds an instance id.
    fn holder(&self, instance: &str, flaws: Flaws) -> Option<&String> {
        self.instances.get(instance).filter(|_| !flaws.has(Flaw::StaticDuplicateInstance))
    }

    fn join_new(&mut self, join: Join, turn: &mut Turn) {
        let holder = join.instance.as_ref().and_then(|it| self.holder(it, turn.rules.flaws)).cloned();
        match holder {
            Some(old) => self.replace(old, join, turn),
            None if join.instance.is_none() && join.needs_id => {
                self.pending.insert(join.new_id.clone(), turn.now + join.session_timeout);
                turn.joined(join.ticket, JoinAnswer::refused(&join.new_id, ErrorCode::MemberIdRequired));
            }
            None => self.add(join.new_id.clone(), join, turn),
        }
    }

    fn add(&mut self, id: String, join: Join, turn: &mut Turn) {
        self.pending.remove(&id);
        if self.state == GroupState::PreparingRebalance && self.generation == 0 {
            self.has_grown = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type);
        }
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        if let Some(instance) = &join.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        let member = Member {
            id: id.clone(),
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            rebalance_timeout: join.rebalance_timeout,
            session_timeout: join.session_timeout,
            protocols: join.protocols,
            assignment: Bytes::new(),
            is_new: true,
            joining: Some(join.ticket),
            syncing: None,
            expires: turn.now + NEW_MEMBER_TIMEOUT,
        };
        self.came(&member, turn);
        self.members.insert(id, member);
        self.maybe_prepare_rebalance(turn);
    }

    /// A member that is known already. If nothing changed for a follower of a stable group, or for one whose answer may
    /// have been lost, it hears of its generation again; else all join again.
    fn join_again(&mut self, join: Join, turn: &mut Turn) {
        if let Err(error) = self.check_member(&join.member, join.instance.as_deref()) {
            return turn.joined(join.ticket, JoinAnswer::refused(&join.member, error));
        }
        let id = join.member.clone();
        let unchanged = self.members[&id].protocols == join.protocols;
        match self.state {
            GroupState::CompletingRebalance if unchanged => {
                turn.joined(join.ticket, self.join_answer(&id, self.leads(&id)));
            }
            GroupState::Stable if unchanged && !self.leads(&id) => {
                turn.joined(join.ticket, self.join_answer(&id, false));
            }
            GroupState::Empty | GroupState::Dead => {
                turn.joined(join.ticket, JoinAnswer::refused(&id, ErrorCode::UnknownMemberId));
            }
            GroupState::PreparingRebalance | GroupState::CompletingRebalance | GroupState::Stable => {
                self.update(&id, &join, turn);
                self.maybe_prepare_rebalance(turn);
            }
        }
    }

    fn update(&mut self, id: &str, join: &Join, turn: &mut Turn) {
        let member = self.members.get_mut(id).expect("a member");
        member.protocols = join.protocols.clone();
        (member.session_timeout, member.rebalance_timeout) = (join.session_timeout, join.rebalance_timeout);
        member.wait_to_join(join.ticket, turn);
    }

    /// A static member came back and does not know its member id: it gets a new one (KIP-345).
    fn replace(&mut self, old: String, join: Join, turn: &mut Turn) {
        let instance = join.instance.clone().expect("only static members are replaced");
        let new = join.new_id.clone();
        let leader = self.leader.clone().unwrap_or_default();
        let client = self.rename(&instance, (&old, &new), (join.client_id.clone(), join.client_host.clone()), turn);
        let member = &self.members[&new];
        let replacement = Replacement {
            instance,
            old,
            new: new.clone(),
            client,
            protocols: member.protocols.clone(),
            session_timeout: member.session_timeout,
            rebalance_timeout: member.rebalance_timeout,
            leader,
            can_skip: join.can_skip,
        };
        self.update(&new, &join, turn);
        match self.state {
            GroupState::Stable if self.select_protocol() == self.protocol => self.keep(replacement, turn),
            GroupState::Stable => self.prepare_rebalance(turn),
            // The leader may be assigning to the old id: all join again (KAFKA-9801).
            GroupState::CompletingRebalance if turn.rules.flaws.has(Flaw::StaticJoinDuringCompleting) => {
                let answer = JoinAnswer { leader: replacement.leader, ..self.join_answer(&new, false) };
                self.members.get_mut(&new).expect("a member").joining = None;
                turn.joined(join.ticket, answer);
            }
            GroupState::CompletingRebalance => self.prepare_rebalance(turn),
            GroupState::PreparingRebalance | GroupState::Empty | GroupState::Dead => {}
        }
    }

    /// A static member's new id changes nothing for the others, but must be known to the next coordinator (KAFKA-10284).
    fn keep(&mut self, replacement: Replacement, turn: &mut Turn) {
        if turn.rules.flaws.has(Flaw::StaticRejoinNotPersisted) {
            return self.tell_replaced(&replacement, turn);
        }
        let assignments = self.members.iter().map(|(id, it)| (id.clone(), it.assignment.clone())).collect();
        turn.effects.push(Effect::Store(self.value(&assignments), Then::Replace(Box::new(replacement))));
    }

    /// Whether there is such a member, and no other one holds its instance id.
    fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        let known = self.members.get(member);
        let Some(instance) = instance else { return known.map(|_| ()).ok_or(ErrorCode::UnknownMemberId) };
        match known {
            Some(known) if known.instance.as_deref() == Some(instance) => Ok(()),
            _ if self.instances.contains_key(instance) => Err(ErrorCode::FencedInstanceId),
            _ => Err(ErrorCode::UnknownMemberId),
        }
    }

    fn check_generation(&self, member: &str, instance: Option<&str>, generation: i32) -> Result<(), ErrorCode> {
        if self.state == GroupState::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        self.check_member(member, instance)?;
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::IllegalGeneration) }
    }

    /// Handles a SyncGroup.
    pub fn sync(&mut self, sync: Sync, turn: &mut Turn) {
        match self.check_sync(&sync) {
            Err(error) => turn.synced(sync.ticket, SyncAnswer::refused(error)),
            Ok(()) if self.state == GroupState::CompletingRebalance => self.sync_completing(sync, turn),
            Ok(()) => {
                self.unsynced.remove(&sync.member);
                turn.synced(sync.ticket, self.sync_answer(&sync.member));
                self.heard(&sync.member, turn);
            }
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), ErrorCode> {
        self.check_generation(&sync.member, sync.instance.as_deref(), sync.generation)?;
        let differs = |asked: &Option<String>, own: &Option<String>| asked.is_some() && asked != own;
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.state {
            GroupState::Empty => Err(ErrorCode::UnknownMemberId),
            GroupState::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            GroupState::CompletingRebalance | GroupState::Stable | GroupState::Dead => Ok(()),
        }
    }

    fn sync_completing(&mut self, sync: Sync, turn: &mut Turn) {
        self.members.get_mut(&sync.member).expect("a member").wait_to_sync(sync.ticket, turn);
        self.unsynced.remove(&sync.member);
        if self.leads(&sync.member) {
            // Stored before anybody hears of it, so that the next coordinator knows who owns what.
            let value = self.value(&sync.assignments);
            let then = Then::Assign { generation: self.generation, assignments: sync.assignments };
            turn.effects.push(Effect::Store(value, then));
        }
    }

    /// Handles a Heartbeat.
    pub fn heartbeat(
        &mut self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
        turn: &mut Turn,
    ) -> Result<(), ErrorCode> {
        self.check_generation(member, instance, generation)?;
        self.heard(member, turn);
        match self.state {
            GroupState::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            GroupState::Empty | GroupState::Dead => Err(ErrorCode::UnknownMemberId),
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
        }
    }

    fn heard(&mut self, member: &str, turn: &Turn) {
        if let Some(member) = self.members.get_mut(member) {
            member.heard(turn.now);
        }
    }

    /// Handles one member of a LeaveGroup.
    pub fn leave(&mut self, leave: &Leave, turn: &mut Turn) -> Result<(), ErrorCode> {
        if self.state == GroupState::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let instance = leave.instance.as_deref();
        if leave.member.is_empty() {
            let holder = instance.and_then(|it| self.instances.get(it)).cloned();
            self.remove(&holder.ok_or(ErrorCode::UnknownMemberId)?, "removed", turn);
        } else if self.pending.remove(&leave.member).is_none() {
            self.check_member(&leave.member, instance)?;
            self.remove(&leave.member, "left", turn);
        } else if self.state != GroupState::PreparingRebalance {
            return Ok(());
        }
        self.after_removal(turn);
        Ok(())
    }

    /// Whether a commit is to be accepted: of a member in its generation, or, if there are no members, from outside.
    pub fn check_commit(
        &mut self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
        turn: &mut Turn,
    ) -> Result<(), ErrorCode> {
        if self.state == GroupState::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        if generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        self.check_generation(member, instance, generation)?;
        if self.state == GroupState::CompletingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        self.heard(member, turn);
        Ok(())
    }

    /// Forgets the offsets of these partitions, unless a member reads their topics; what to answer for each.
    pub fn delete_offsets(
        &mut self,
        partitions: &[Partition],
        turn: &mut Turn,
    ) -> Result<Vec<(Partition, ErrorCode)>, ErrorCode> {
        let is_consumer = self.protocol_type() == Some(CONSUMER);
        match self.state {
            GroupState::Dead => return Err(ErrorCode::GroupIdNotFound),
            GroupState::Empty => {}
            _ if is_consumer => {}
            _ => return Err(ErrorCode::NonEmptyGroup),
        }
        let mut answers = Vec::new();
        for partition in partitions {
            let used = self.state != GroupState::Empty && self.subscribes(partition.topic.as_str());
            if !used {
                self.forget(*partition, "deleted", turn);
            }
            answers.push((*partition, if used { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None }));
        }
        Ok(answers)
    }

    /// Forgets an offset, if there is one.
    pub fn forget(&mut self, partition: Partition, reason: &str, turn: &mut Turn) -> Option<Committed> {
        let forgotten = self.offsets.remove(partition)?;
        let (group, offset, reason) = (self.name, forgotten.value.offset, Name::new(reason));
        turn.emit(EventKind::OffsetForgotten { group, partition, offset, reason });
        Some(forgotten)
    }

    /// Deletes an empty group with all its offsets; which partitions had some.
    pub fn delete(&mut self, turn: &mut Turn) -> Result<Vec<Partition>, ErrorCode> {
        match self.state {
            GroupState::Empty => {}
            GroupState::Dead => return Err(ErrorCode::GroupIdNotFound),
            _ => return Err(ErrorCode::NonEmptyGroup),
        }
        // Also those whose commits are on their way: they must not come back.
        let partitions = self.offsets.partitions();
        for partition in &partitions {
            self.forget(*partition, "deleted", turn);
        }
        self.become_(GroupState::Dead, turn);
        Ok(partitions)
    }

    /// Forgets expired offsets; which. An empty group without offsets dies.
    pub fn clean_up(&mut self, turn: &mut Turn) -> Vec<Partition> {
        let expired = self.expired_offsets(turn);
        for partition in &expired {
            self.forget(*partition, "expired", turn);
        }
        self.die_if_useless(turn);
        expired
    }

    /// An empty group without offsets dies.
    pub fn die_if_useless(&mut self, turn: &mut Turn) {
        if self.state == GroupState::Empty && self.pending.is_empty() && self.offsets.is_empty() {
            self.become_(GroupState::Dead, turn);
        }
    }
}
