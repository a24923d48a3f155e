//! What a poll does for the group, on the application's side: join, give up, take over. As in Kafka's client a rebalance goes on only while
//! the application polls.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use host::Time;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use trace::{EventKind, Name, Partition};
use wire::kafka::{ErrorCode, Response};

use super::super::{PolledRecord, Shared};
use super::assignor::{Assignment, assign};
use super::membership::{Refusal, Step};
use super::protocol::{assigned, join_request, joined, sync_request};
use super::shell::{About, Group, Refused};
use crate::error::GroupError;
use crate::network::Reply;
use crate::race::race;

/// What a poll of a group's member came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Polled {
    /// Records; none if the time was up.
    Records(Vec<PolledRecord>),
    /// These partitions are the member's from now on: `onPartitionsAssigned`.
    Assigned(Vec<Partition>),
    /// These partitions will be given up by the next poll: `onPartitionsRevoked`. Until then they are the member's, and it can finish and
    /// commit what it has in hand. No records of them are returned any more.
    Revoking(Vec<Partition>),
    /// These partitions are not the member's any more: `onPartitionsLost`. Others may own them already; to commit would fail.
    Lost(Vec<Partition>),
}

/// How far giving up partitions is.
#[derive(Default)]
pub(super) enum Handover {
    /// Nothing is to be given up.
    #[default]
    None,
    /// What was returned of them is being committed.
    Committing {
        partitions: BTreeSet<Partition>,
        outcome: oneshot::Receiver<Result<(), Refused>>,
        /// When to try again after a failure that passes.
        again_at: Option<Time>,
        /// The others do not wait longer.
        until: Time,
    },
    /// The application was told.
    Told(BTreeSet<Partition>),
    /// It has polled again.
    Agreed(BTreeSet<Partition>),
}

impl Handover {
    fn is_about(&self, wanted: &BTreeSet<Partition>) -> bool {
        match self {
            Handover::None => false,
            Handover::Committing { partitions, .. } | Handover::Told(partitions) | Handover::Agreed(partitions) => {
                partitions == wanted
            }
        }
    }
}

/// Where a poll stands after it did what it could for the group.
enum Advance {
    /// The application is to hear this.
    Tell(Polled),
    /// Nothing more before this time.
    Wait(Time),
}

/// While one lives, the application is inside a poll.
struct Polling<'a>(&'a Shared, &'a Group);

impl<'a> Polling<'a> {
    fn begin(shared: &'a Shared, group: &'a Group) -> Polling<'a> {
        group.core.borrow_mut().polls(shared.host.now(), true);
        Polling(shared, group)
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.1.core.borrow_mut().polls(self.0.host.now(), false);
        self.1.wake.notify_one();
    }
}

impl Shared {
    pub(in crate::consumer) async fn poll_group(&self, max_wait: Duration) -> Result<Polled, GroupError> {
        let group = self.group.as_ref().ok_or(GroupError::NoGroup)?;
        let _polling = Polling::begin(self, group);
        let deadline = self.host.now() + max_wait;
        let told = group.handover.replace(Handover::None);
        group.handover.replace(match told {
            Handover::Told(partitions) => Handover::Agreed(partitions),
            other => other,
        });
        self.commit_automatically(group);
        loop {
            let mut arrival = pin!(self.arrival.notified());
            arrival.as_mut().enable();
            let wake_at = match self.advance(group)? {
                Advance::Tell(polled) => return Ok(polled),
                Advance::Wait(at) => at,
            };
            let records = self.take_records();
            if !records.is_empty() || self.host.now() >= deadline {
                return Ok(Polled::Records(records));
            }
            race(arrival, self.host.sleep_until(wake_at.min(deadline))).await;
        }
    }

    fn advance(&self, group: &Group) -> Result<Advance, GroupError> {
        loop {
            let now = self.host.now();
            self.take_join_answers(group);
            self.follow_topics(group);
            let step = group.core.borrow_mut().step(now);
            match step {
                Step::Idle(at) => return Ok(Advance::Wait(at)),
                Step::Fail(error) => return Err(error),
                Step::Join => self.join(group),
                Step::Sync => {
                    if !self.sync(group) {
                        return Ok(Advance::Wait(Time::NEVER));
                    }
                }
                Step::TakeOver(added) => {
                    self.take_over(group, &added);
                    if !added.is_empty() {
                        return Ok(Advance::Tell(Polled::Assigned(added.into_iter().collect())));
                    }
                }
                Step::GiveUp { partitions, lost: true } => {
                    group.handover.replace(Handover::None);
                    self.drop_partitions(group, &partitions, true);
                    return Ok(Advance::Tell(Polled::Lost(partitions.into_iter().collect())));
                }
                Step::GiveUp { partitions, lost: false } => {
                    if let Some(advance) = self.hand_over(group, partitions) {
                        return Ok(advance);
                    }
                }
            }
        }
    }

    /// Gives partitions up: what was returned of them is committed first, if that is automatic; then the application is told; with its next
    /// poll they are gone. None when they are.
    fn hand_over(&self, group: &Group, partitions: BTreeSet<Partition>) -> Option<Advance> {
        let now = self.host.now();
        let mut handover = group.handover.replace(Handover::None);
        if !handover.is_about(&partitions) {
            let until = now + group.config.max_poll_interval;
            handover = self.commit_before(group, &partitions, until);
            // KAFKA-14196: what is returned while the commit is on its way is not in it.
            if !self.config.flaws.fetch_during_revocation_commit {
                self.mark_revoking(&partitions);
            }
        }
        match handover {
            Handover::Agreed(_) => {
                self.drop_partitions(group, &partitions, false);
                return None;
            }
            Handover::Committing { partitions, mut outcome, again_at, until } if now < until => {
                let again_at = match (outcome.try_recv(), again_at) {
                    (Err(TryRecvError::Empty), _) => {
                        group.handover.replace(Handover::Committing { partitions, outcome, again_at, until });
                        return Some(Advance::Wait(until));
                    }
                    (Ok(Err(Refused::Passing)), _) => Some(now + self.network.config().retry_backoff),
                    (Err(TryRecvError::Closed), again_at) => again_at,
                    (Ok(_), _) => None,
                };
                match again_at {
                    Some(at) if at > now => {
                        let again_at = Some(at);
                        group.handover.replace(Handover::Committing { partitions, outcome, again_at, until });
                        return Some(Advance::Wait(at));
                    }
                    Some(_) => {
                        let next = self.commit_before(group, &partitions, until);
                        if matches!(next, Handover::Committing { .. }) {
                            group.handover.replace(next);
                            return Some(Advance::Wait(until));
                        }
                    }
                    None => {}
                }
            }
            Handover::None | Handover::Told(_) | Handover::Committing { .. } => {}
        }
        self.mark_revoking(&partitions);
        let told = partitions.iter().copied().collect();
        group.handover.replace(Handover::Told(partitions));
        Some(Advance::Tell(Polled::Revoking(told)))
    }

    /// The automatic commit before partitions are given up; [`Handover::None`] if there is nothing to commit.
    fn commit_before(&self, group: &Group, partitions: &BTreeSet<Partition>, until: Time) -> Handover {
        if group.config.auto_commit.is_none() {
            return Handover::None;
        }
        let mut offsets = self.consumed();
        offsets.retain(|partition, _| partitions.contains(partition));
        if offsets.is_empty() {
            return Handover::None;
        }
        let (report, outcome) = oneshot::channel();
        match self.queue_commit(group, offsets, Some(report)) {
            Ok(()) => Handover::Committing { partitions: partitions.clone(), outcome, again_at: None, until },
            Err(_) => Handover::None,
        }
    }

    fn mark_revoking(&self, partitions: &BTreeSet<Partition>) {
        for state in self.partitions.borrow_mut().values_mut() {
            state.revoking = partitions.contains(&state.partition);
        }
    }

    /// The partitions are the member's no more.
    pub(super) fn drop_partitions(&self, group: &Group, partitions: &BTreeSet<Partition>, lost: bool) {
        if self.config.flaws.store_offset_after_revoke {
            let mut consumed = self.consumed();
            consumed.retain(|partition, _| partitions.contains(partition));
            group.stored.borrow_mut().extend(consumed);
        }
        self.partitions.borrow_mut().retain(|partition, _| !partitions.contains(partition));
        let mut core = group.core.borrow_mut();
        let event = EventKind::PartitionsRevoked {
            group: group.config.id,
            member: core.assigned_to().unwrap_or(Name::new("")),
            generation: core.assigned().1,
            lost,
            partitions: partitions.iter().copied().collect(),
        };
        self.host.emit(core.cause(), event);
        core.gave_up(partitions);
    }

    fn take_over(&self, group: &Group, added: &BTreeSet<Partition>) {
        let mut core = group.core.borrow_mut();
        let event = EventKind::PartitionsAssigned {
            group: group.config.id,
            member: core.member().unwrap_or(Name::new("")),
            generation: core.generation(),
            partitions: added.iter().copied().collect(),
        };
        self.host.emit(core.cause(), event);
        core.took_over();
        drop(core);
        group.handover.replace(Handover::None);
        added.iter().for_each(|partition| self.add_partition(*partition));
        self.follow_metadata();
        self.wake.notify_one();
        if self.config.flaws.store_offset_after_revoke {
            let mut kept = group.stored.borrow_mut();
            let stored = added.iter().filter_map(|partition| Some((*partition, kept.remove(partition)?))).collect();
            drop(kept);
            // That it fails is told by its events.
            let _ = self.queue_commit(group, stored, None);
        }
    }

    fn join(&self, group: &Group) {
        let mut core = group.core.borrow_mut();
        core.joins();
        let request = join_request(&group.config, &core, self.config.rack);
        group.ask(core.cause(), request, About::Join(core.attempt()));
    }

    /// Asks for the own assignment; the leader assigns first. False if it must wait for metadata.
    fn sync(&self, group: &Group) -> bool {
        let mut core = group.core.borrow_mut();
        let (mut assignment, mut snapshot) = (Assignment::new(), None);
        if let Some(members) = core.to_assign() {
            let topics: BTreeSet<Name> = members.iter().flat_map(|member| member.topics.iter().copied()).collect();
            let Some(counts) = self.partition_counts(group, &topics) else { return false };
            let known = counts.iter().filter_map(|(topic, count)| Some((*topic, (*count)?))).collect();
            let trusts_all = self.config.flaws.sticky_double_ownership;
            assignment = assign(core.strategy(), members, &known, trusts_all);
            snapshot = Some(counts);
        }
        let request = sync_request(&group.config, &core, &assignment);
        core.syncs(snapshot);
        group.ask(core.cause(), request, About::Sync(core.attempt()));
        true
    }

    /// How many partitions the group's topics have; none until the metadata were asked about all of them.
    fn partition_counts(&self, group: &Group, topics: &BTreeSet<Name>) -> Option<BTreeMap<Name, Option<i32>>> {
        let cause = group.latest();
        topics.iter().for_each(|topic| self.network.add_interest(*topic, cause));
        let counts: BTreeMap<_, _> = topics.iter().map(|topic| (*topic, self.partition_count(*topic))).collect();
        if counts.values().any(Option::is_none) {
            let version = self.network.with_metadata(|metadata| metadata.version());
            let since = group.waiting_since.get().unwrap_or(version);
            group.waiting_since.set(Some(since));
            if version == since {
                self.network.request_refresh_once(cause);
                return None;
            }
        }
        group.waiting_since.set(None);
        Some(counts)
    }

    fn partition_count(&self, topic: Name) -> Option<i32> {
        self.network.with_metadata(|metadata| metadata.partition_count(topic))
    }

    /// Looks at what the metadata say of the topics subscribed and assigned over.
    fn follow_topics(&self, group: &Group) {
        let mut core = group.core.borrow_mut();
        if let Some(pattern) = &*group.pattern.borrow() {
            let known: Vec<Name> = self.network.with_metadata(|metadata| metadata.topics().collect());
            let matching = known.into_iter().filter(|topic| pattern.matches(topic.as_str()));
            core.subscribe(matching.filter(|topic| self.partition_count(*topic).is_some()).collect());
        }
        core.compare(|topic| self.partition_count(topic), group.latest());
        if core.topics().iter().any(|topic| self.partition_count(*topic).is_none()) {
            self.network.request_refresh_once(group.latest());
        }
    }

    fn take_join_answers(&self, group: &Group) {
        loop {
            let answer = group.answers.borrow_mut().pop_front();
            let Some((about, result)) = answer else { return };
            let (now, random) = (self.host.now(), self.network.random());
            let mut core = group.core.borrow_mut();
            let (response, cause) = match result {
                Ok(Reply { response, cause }) => (response, cause),
                Err(failure) => (None, failure.cause),
            };
            match (about, response) {
                (About::Join(attempt), Some(Response::JoinGroup(response))) => {
                    let answer = joined(&response, &group.config.strategies);
                    let cause = match &answer {
                        Ok(joined) if attempt == core.attempt() => {
                            let event = EventKind::GroupJoined {
                                group: group.config.id,
                                member: joined.member,
                                generation: joined.generation,
                                leads: joined.leads,
                                protocol: Name::new(joined.strategy.name()),
                            };
                            self.host.emit(cause, event)
                        }
                        _ => cause,
                    };
                    core.joined(now, random, attempt, answer, cause);
                }
                (About::Join(attempt), _) => {
                    let refusal = Refusal { error: ErrorCode::NetworkException, member: None };
                    core.joined(now, random, attempt, Err(refusal), cause);
                }
                (About::Sync(attempt), Some(Response::SyncGroup(response))) => {
                    let answer = match ErrorCode::from_code(response.error_code) {
                        ErrorCode::None => assigned(response.assignment),
                        error => Err(error),
                    };
                    core.synced(now, random, attempt, answer, cause);
                }
                (About::Sync(attempt), _) => {
                    core.synced(now, random, attempt, Err(ErrorCode::NetworkException), cause);
                }
                _ => unreachable!("other answers do not wait for a poll"),
            }
        }
    }
}
