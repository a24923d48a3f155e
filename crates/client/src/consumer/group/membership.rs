//! One member of a group, as a plain state machine: what the application's thread must do next, when to be heard of, and what each answer
//! of the coordinator means. After Kafka's `AbstractCoordinator` and `ConsumerCoordinator`.

use std::collections::{BTreeMap, BTreeSet};

use host::Time;
use trace::{EventId, Name, Partition};
use wire::kafka::ErrorCode;

use super::assignor::{Member, Strategy};
use crate::backoff::Backoff;
use crate::config::GroupConfig;
use crate::error::{CommitError, GroupError};

/// What the application's thread must do, inside a poll.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Nothing before this time.
    Idle(Time),
    /// Give these partitions up, and say so with [`Membership::gave_up`].
    GiveUp {
        /// Which.
        partitions: BTreeSet<Partition>,
        /// They are lost already: others may own them.
        lost: bool,
    },
    /// Send JoinGroup, after [`Membership::joins`].
    Join,
    /// Send SyncGroup, after [`Membership::syncs`]; the leader assigns first.
    Sync,
    /// Take these over beyond what is owned, and say so with [`Membership::took_over`].
    TakeOver(BTreeSet<Partition>),
    /// This member cannot go on.
    Fail(GroupError),
}

/// What the member's own task must do, whether or not the application polls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Beat {
    /// Nothing before this time.
    Wait(Time),
    /// Send a heartbeat.
    Send,
    /// Nothing was heard of the coordinator for `session.timeout.ms`: look for it anew.
    Silence,
    /// `max.poll.interval.ms` has passed since the last poll: leave the group.
    Leave,
}

/// A good answer to JoinGroup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Joined {
    pub(crate) member: Name,
    pub(crate) generation: i32,
    pub(crate) strategy: Strategy,
    /// Whether this member assigns.
    pub(crate) leads: bool,
    /// All members, for the leader.
    pub(crate) members: Vec<Member>,
}

/// An error that answers JoinGroup; with `MEMBER_ID_REQUIRED` comes the member id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) error: ErrorCode,
    pub(crate) member: Option<Name>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Phase {
    Unjoined,
    Joining,
    /// JoinGroup was answered; to the leader with all members.
    Joined(Vec<Member>),
    Syncing,
    /// SyncGroup was answered: what is not in here is given up first, then the rest taken over.
    Received(BTreeSet<Partition>),
    Stable,
}

/// See the module.
pub(crate) struct Membership {
    config: GroupConfig,
    backoff: Backoff,
    phase: Phase,
    /// The member id, once there is one.
    member: Option<Name>,
    /// The generation, or -1.
    generation: i32,
    strategy: Strategy,
    leads: bool,
    topics: BTreeSet<Name>,
    /// The topics of the last JoinGroup.
    joined_topics: BTreeSet<Name>,
    owned: BTreeSet<Partition>,
    /// The last assignment, and its generation: what the sticky assignor goes by, though all was given up since.
    assigned: BTreeSet<Partition>,
    assigned_in: i32,
    /// The member id it was given to.
    assigned_to: Option<Name>,
    /// As the leader: what was assigned over.
    snapshot: Option<BTreeMap<Name, Option<i32>>>,
    rejoin: bool,
    /// Whether everything was given up that must be before JoinGroup.
    prepared: bool,
    failure: Option<GroupError>,
    failures: u32,
    not_before: Time,
    /// Grows when answers under way turn void.
    attempt: u64,
    polling: bool,
    last_poll: Time,
    beating: bool,
    beat_at: Time,
    session_ends: Time,
    cause: EventId,
}

impl Membership {
    pub(crate) fn new(config: GroupConfig, backoff: Backoff) -> Membership {
        Membership {
            strategy: config.strategies[0],
            config,
            backoff,
            phase: Phase::Unjoined,
            member: None,
            generation: -1,
            leads: false,
            topics: BTreeSet::new(),
            joined_topics: BTreeSet::new(),
            owned: BTreeSet::new(),
            assigned: BTreeSet::new(),
            assigned_in: -1,
            assigned_to: None,
            snapshot: None,
            rejoin: true,
            prepared: false,
            failure: None,
            failures: 0,
            not_before: Time::ZERO,
            attempt: 0,
            polling: false,
            last_poll: Time::ZERO,
            beating: false,
            beat_at: Time::NEVER,
            session_ends: Time::NEVER,
            cause: EventId::ROOT,
        }
    }

    pub(crate) fn member(&self) -> Option<Name> {
        self.member
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    /// What the coordinator agreed on.
    pub(crate) fn strategy(&self) -> Strategy {
        self.strategy
    }

    pub(crate) fn topics(&self) -> &BTreeSet<Name> {
        &self.topics
    }

    pub(crate) fn owned(&self) -> &BTreeSet<Partition> {
        &self.owned
    }

    /// The last assignment and its generation.
    pub(crate) fn assigned(&self) -> (&BTreeSet<Partition>, i32) {
        (&self.assigned, self.assigned_in)
    }

    /// Who it was then.
    pub(crate) fn assigned_to(&self) -> Option<Name> {
        self.assigned_to
    }

    /// The event that made the next step necessary.
    pub(crate) fn cause(&self) -> EventId {
        self.cause
    }

    pub(crate) fn attempt(&self) -> u64 {
        self.attempt
    }

    pub(crate) fn failure(&self) -> Option<GroupError> {
        self.failure
    }

    /// The members, for the leader while it has to assign.
    pub(crate) fn to_assign(&self) -> Option<&[Member]> {
        match &self.phase {
            Phase::Joined(members) if self.leads => Some(members),
            _ => None,
        }
    }

    /// Whether all members must have given up everything before they join: unless every strategy is cooperative, since the group may
    /// agree on any of them.
    fn is_eager(&self) -> bool {
        !self.config.strategies.iter().all(|strategy| strategy.is_cooperative())
    }

    // ---- the application's side

    /// Wants these topics from now on.
    pub(crate) fn subscribe(&mut self, topics: BTreeSet<Name>) {
        self.topics = topics;
    }

    /// A poll begins, or ends: between polls `max.poll.interval.ms` counts.
    pub(crate) fn polls(&mut self, now: Time, polling: bool) {
        (self.polling, self.last_poll) = (polling, now);
    }

    /// The leader compares what it assigned over with what the topics are now.
    pub(crate) fn compare(&mut self, count: impl Fn(Name) -> Option<i32>, cause: EventId) {
        let changed =
            |snapshot: &BTreeMap<Name, Option<i32>>| snapshot.iter().any(|(topic, was)| count(*topic) != *was);
        if self.phase == Phase::Stable && self.snapshot.as_ref().is_some_and(changed) {
            self.snapshot = None;
            self.request_rejoin(cause);
        }
    }

    pub(crate) fn step(&mut self, now: Time) -> Step {
        if let Some(error) = self.failure {
            let partitions = self.owned.clone();
            return if partitions.is_empty() { Step::Fail(error) } else { Step::GiveUp { partitions, lost: true } };
        }
        match &self.phase {
            Phase::Received(assigned) => {
                let partitions: BTreeSet<_> = self.owned.difference(assigned).copied().collect();
                if partitions.is_empty() {
                    Step::TakeOver(assigned.difference(&self.owned).copied().collect())
                } else {
                    Step::GiveUp { partitions, lost: false }
                }
            }
            Phase::Joined(_) => Step::Sync,
            Phase::Joining | Phase::Syncing => Step::Idle(Time::NEVER),
            Phase::Unjoined | Phase::Stable => self.step_to_join(now),
        }
    }

    fn step_to_join(&mut self, now: Time) -> Step {
        let wants = self.rejoin || self.joined_topics != self.topics;
        if self.topics.is_empty() || !wants {
            return Step::Idle(Time::NEVER);
        }
        if !self.prepared {
            let lost = self.generation < 0;
            let keeps = |partition: &Partition| !lost && !self.is_eager() && self.topics.contains(&partition.topic);
            let partitions: BTreeSet<_> = self.owned.iter().filter(|partition| !keeps(partition)).copied().collect();
            if !partitions.is_empty() {
                return Step::GiveUp { partitions, lost };
            }
            self.prepared = true;
        }
        if self.not_before > now { Step::Idle(self.not_before) } else { Step::Join }
    }

    /// These partitions are given up.
    pub(crate) fn gave_up(&mut self, partitions: &BTreeSet<Partition>) {
        self.owned.retain(|partition| !partitions.contains(partition));
        // KIP-429: what was withheld from its new owner can be given to it in the next generation.
        self.rejoin |= matches!(self.phase, Phase::Received(_));
    }

    /// JoinGroup goes out.
    pub(crate) fn joins(&mut self) {
        self.phase = Phase::Joining;
        self.joined_topics = self.topics.clone();
        self.attempt += 1;
        self.snapshot = None;
    }

    /// JoinGroup was answered.
    pub(crate) fn joined(
        &mut self,
        now: Time,
        random: u64,
        attempt: u64,
        answer: Result<Joined, Refusal>,
        cause: EventId,
    ) {
        if attempt != self.attempt || self.phase != Phase::Joining {
            return;
        }
        self.cause = cause;
        match answer {
            Ok(Joined { member, generation, strategy, leads, members }) => {
                (self.member, self.generation, self.strategy, self.leads) = (Some(member), generation, strategy, leads);
                self.phase = Phase::Joined(members);
                (self.beat_at, self.beating) = (now + self.config.heartbeat_interval, false);
                self.session_ends = now + self.config.session_timeout;
            }
            Err(Refusal { error, member }) => {
                self.phase = Phase::Unjoined;
                self.refused_join(now, random, error, member);
            }
        }
    }

    fn refused_join(&mut self, now: Time, random: u64, error: ErrorCode, member: Option<Name>) {
        match error {
            ErrorCode::MemberIdRequired => (self.member, self.generation) = (member, -1),
            ErrorCode::UnknownMemberId => self.reset(false),
            ErrorCode::IllegalGeneration => self.reset(true),
            ErrorCode::FencedInstanceId => self.failure = Some(GroupError::Fenced),
            error if error.retriable() || error == ErrorCode::RebalanceInProgress => self.back_off(now, random),
            error => self.failure = Some(GroupError::Refused(error)),
        }
    }

    fn back_off(&mut self, now: Time, random: u64) {
        self.failures += 1;
        self.not_before = now + self.backoff.after(self.failures, random);
    }

    /// SyncGroup goes out; the leader says over what it assigned.
    pub(crate) fn syncs(&mut self, snapshot: Option<BTreeMap<Name, Option<i32>>>) {
        self.phase = Phase::Syncing;
        self.snapshot = snapshot;
        self.attempt += 1;
    }

    /// SyncGroup was answered.
    pub(crate) fn synced(
        &mut self,
        now: Time,
        random: u64,
        attempt: u64,
        answer: Result<BTreeSet<Partition>, ErrorCode>,
        cause: EventId,
    ) {
        if attempt != self.attempt || self.phase != Phase::Syncing {
            return;
        }
        self.cause = cause;
        match answer {
            Ok(assigned) => {
                (self.rejoin, self.failures) = (false, 0);
                self.prepared = false;
                // What was assigned by an older subscription is not taken.
                let is_wanted = assigned.iter().all(|partition| self.topics.contains(&partition.topic));
                self.rejoin = !is_wanted;
                self.phase = if is_wanted { Phase::Received(assigned) } else { Phase::Stable };
            }
            Err(error) => {
                // The generation stays (KAFKA-13891): what is owned is not lost.
                (self.phase, self.rejoin) = (Phase::Unjoined, true);
                match error {
                    ErrorCode::RebalanceInProgress => {}
                    ErrorCode::UnknownMemberId => self.reset(false),
                    ErrorCode::IllegalGeneration => self.reset(true),
                    ErrorCode::FencedInstanceId => self.failure = Some(GroupError::Fenced),
                    error if error.retriable() => self.back_off(now, random),
                    error => self.failure = Some(GroupError::Refused(error)),
                }
            }
        }
    }

    /// The assignment is taken over.
    pub(crate) fn took_over(&mut self) {
        if let Phase::Received(assigned) = std::mem::replace(&mut self.phase, Phase::Stable) {
            self.owned = assigned.clone();
            (self.assigned, self.assigned_in, self.assigned_to) = (assigned, self.generation, self.member);
        }
    }

    /// Leaves the group; the member id to say so with, if the coordinator is to be told. A static member only forgets: its place is kept
    /// until its session ends (KIP-345).
    pub(crate) fn leave(&mut self, cause: EventId) -> Option<Name> {
        let told = self.member.filter(|_| self.config.instance.is_none());
        self.cause = cause;
        self.reset(false);
        told
    }

    // ---- the task's side

    pub(crate) fn beat(&self, now: Time) -> Beat {
        if self.generation < 0 || self.phase == Phase::Joining || self.failure.is_some() {
            return Beat::Wait(Time::NEVER);
        }
        let poll_ends = if self.polling { Time::NEVER } else { self.last_poll + self.config.max_poll_interval };
        if now >= poll_ends {
            Beat::Leave
        } else if now >= self.session_ends {
            Beat::Silence
        } else if !self.beating && now >= self.beat_at {
            Beat::Send
        } else {
            let beat_at = if self.beating { Time::NEVER } else { self.beat_at };
            Beat::Wait(poll_ends.min(self.session_ends).min(beat_at))
        }
    }

    /// A heartbeat goes out.
    pub(crate) fn beats(&mut self, now: Time) {
        (self.beating, self.beat_at) = (true, now + self.config.heartbeat_interval);
    }

    /// The coordinator was silent for too long and is looked for anew.
    pub(crate) fn forget_silence(&mut self, now: Time) {
        self.session_ends = now + self.config.session_timeout;
    }

    /// A heartbeat sent in `generation` was answered.
    pub(crate) fn heard(&mut self, now: Time, random: u64, generation: i32, error: ErrorCode, cause: EventId) {
        if generation != self.generation || generation < 0 {
            return;
        }
        self.beating = false;
        match error {
            ErrorCode::None => self.session_ends = now + self.config.session_timeout,
            ErrorCode::RebalanceInProgress => {
                self.session_ends = now + self.config.session_timeout;
                if matches!(self.phase, Phase::Stable | Phase::Received(_)) {
                    self.request_rejoin(cause);
                }
            }
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::FencedInstanceId => {
                self.expelled(error, cause);
            }
            error if error.retriable() => self.beat_at = now + self.backoff.after(1, random),
            error => (self.failure, self.cause) = (Some(GroupError::Refused(error)), cause),
        }
    }

    // ---- commits

    /// Member id and generation that a commit carries now.
    pub(crate) fn identity(&self) -> Result<(Option<Name>, i32), CommitError> {
        if let Some(error) = self.failure {
            return Err(error.into());
        }
        match self.phase {
            // Partitions assigned by hand: the group only keeps offsets.
            _ if self.topics.is_empty() => Ok((None, -1)),
            Phase::Stable | Phase::Received(_) => Ok((self.member, self.generation)),
            _ if self.generation < 0 => Err(CommitError::NotAMember),
            _ => Err(CommitError::Rebalancing),
        }
    }

    /// A commit sent in `generation` was refused for good; what that means for the caller.
    pub(crate) fn refused_commit(&mut self, generation: i32, error: ErrorCode, cause: EventId) -> CommitError {
        let is_current = generation == self.generation && generation >= 0;
        match error {
            ErrorCode::RebalanceInProgress => {
                if is_current && self.phase == Phase::Stable {
                    self.request_rejoin(cause);
                }
                CommitError::Rebalancing
            }
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::FencedInstanceId => {
                if is_current {
                    self.expelled(error, cause);
                }
                match self.failure {
                    Some(failure) => failure.into(),
                    None => CommitError::NotAMember,
                }
            }
            error => CommitError::Refused(error),
        }
    }

    /// The coordinator does not know this member, or not in this generation.
    fn expelled(&mut self, error: ErrorCode, cause: EventId) {
        self.cause = cause;
        match error {
            ErrorCode::FencedInstanceId => self.failure = Some(GroupError::Fenced),
            error => self.reset(error == ErrorCode::IllegalGeneration),
        }
    }

    fn request_rejoin(&mut self, cause: EventId) {
        if !self.rejoin {
            (self.rejoin, self.cause) = (true, cause);
        }
    }

    /// This member is in no generation any more: what it owns is lost.
    fn reset(&mut self, keeps_member: bool) {
        self.generation = -1;
        if !keeps_member {
            self.member = None;
        }
        self.phase = Phase::Unjoined;
        (self.rejoin, self.prepared, self.beating) = (true, false, false);
        self.snapshot = None;
        self.attempt += 1;
    }
}

#[cfg(test)]
#[path = "membership_tests.rs"]
mod tests;
