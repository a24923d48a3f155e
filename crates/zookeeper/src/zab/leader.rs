//! A leader, from its election until it gives up.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use trace::{EventId, ZabRole};

use super::{Effect, Entry, LinkId, Message, Plan, State, Zab};
use crate::Nanos;
use crate::types::Zxid;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Waits for a quorum to present itself, then to accept the epoch.
    Discovery,
    /// Waits for a quorum to have the leader's log.
    Synchronization,
    /// The epoch is established.
    Broadcast,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Progress {
    /// It presented itself.
    Informed,
    /// It accepted the epoch.
    Accepted,
    /// It gets the log and all proposals from here on.
    Synchronizing,
    /// It has all that the leader had: its acknowledgements count.
    Synchronized,
    /// It serves clients.
    Serving,
}

/// A follower as its leader sees it.
struct Learner {
    member: u32,
    accepted_epoch: u32,
    progress: Progress,
    /// The last zxid in its log, before synchronization.
    last: Zxid,
    acked: Zxid,
    /// Since when it owes an acknowledgement, if it does.
    owes_since: Option<Nanos>,
    since: Nanos,
    heard: Nanos,
    /// The last event of its link: the cause if it is found silent.
    cause: EventId,
}

pub(super) struct Leader {
    phase: Phase,
    /// Proposed to followers; 0 while a quorum has not presented itself.
    epoch: u32,
    started: Nanos,
    pub(super) next_tick: Nanos,
    half_ticks: u64,
    learners: BTreeMap<LinkId, Learner>,
    /// Members that accepted the epoch, also over links that have broken since.
    accepted: BTreeSet<u32>,
    /// The last event that concerned discovery or a lost follower.
    cause: EventId,
}

impl Leader {
    pub(super) fn links(&self) -> Vec<LinkId> {
        self.learners.keys().copied().collect()
    }

    pub(super) fn remove(&mut self, cause: EventId, link: LinkId) {
        if self.learners.remove(&link).is_some() {
            self.cause = cause;
        }
    }

    pub(super) fn sent(&mut self, link: LinkId, event: EventId) {
        if let Some(learner) = self.learners.get_mut(&link) {
            learner.cause = learner.cause.max(event);
        }
    }

    fn links_where(&self, condition: impl Fn(&Learner) -> bool) -> Vec<LinkId> {
        self.learners.iter().filter(|(_, learner)| condition(learner)).map(|(link, _)| *link).collect()
    }
}

impl Zab {
    pub(super) fn lead(&mut self, now: Nanos, cause: EventId) {
        self.state = State::Leading(Leader {
            phase: Phase::Discovery,
            epoch: 0,
            started: now,
            next_tick: now + self.config.tick / 2,
            half_ticks: 0,
            learners: BTreeMap::new(),
            accepted: BTreeSet::new(),
            cause,
        });
        self.propose_epoch(now, cause);
    }

    fn leader(&mut self) -> &mut Leader {
        match &mut self.state {
            State::Leading(leader) => leader,
            State::Looking | State::Following(_) => panic!("only called while leading"),
        }
    }

    pub(super) fn leader_receives(&mut self, now: Nanos, cause: EventId, link: LinkId, message: Message) {
        if let Message::FollowerInfo { member, accepted_epoch } = message {
            return self.follower_presents_itself(now, cause, link, member, accepted_epoch);
        }
        let Some(learner) = self.leader().learners.get_mut(&link) else {
            return self.effect(cause, Effect::Close(link));
        };
        learner.heard = now;
        learner.cause = cause;
        let (member, progress) = (learner.member, learner.progress);
        match (progress, message) {
            (Progress::Informed, Message::AckEpoch { current_epoch, last }) => {
                learner.progress = Progress::Accepted;
                learner.last = last;
                self.epoch_accepted(now, cause, link, current_epoch);
            }
            (Progress::Synchronizing, Message::Ack { zxid }) => {
                learner.progress = Progress::Synchronized;
                learner.acked = zxid;
                learner.owes_since = None;
                self.follower_synchronized(now, cause, link);
            }
            (Progress::Synchronized | Progress::Serving, Message::Ack { zxid }) => {
                learner.acked = learner.acked.max(zxid);
                let last = self.history.last();
                let learner = self.leader().learners.get_mut(&link).expect("looked up above");
                learner.owes_since = (learner.acked < last).then_some(now);
                self.advance_commit(now, cause);
            }
            (Progress::Serving, message @ (Message::Ping { .. } | Message::Request { .. })) => {
                self.effect(cause, Effect::FromFollower(link, member, message));
            }
            (Progress::Serving, message @ (Message::Revalidate { .. } | Message::Sync { .. })) => {
                self.effect(cause, Effect::FromFollower(link, member, message));
            }
            (_, Message::Ping { .. }) => {}
            // Not a follower that speaks this protocol.
            _ => self.drop_learner(cause, link),
        }
    }

    fn drop_learner(&mut self, cause: EventId, link: LinkId) {
        self.leader().remove(cause, link);
        self.effect(cause, Effect::Close(link));
    }

    fn follower_presents_itself(&mut self, now: Nanos, cause: EventId, link: LinkId, member: u32, accepted: u32) {
        if member == self.config.me || !self.config.members.contains(&member) {
            return self.effect(cause, Effect::Close(link));
        }
        let epoch = self.leader().epoch;
        if epoch != 0 && accepted > epoch {
            // It took part in a discovery that came to nothing, and may not go back: only a higher epoch lets it in again.
            return self.look(now, cause);
        }
        for old in self.leader().links_where(|learner| learner.member == member) {
            self.drop_learner(cause, old);
        }
        let learner = Learner {
            member,
            accepted_epoch: accepted,
            progress: Progress::Informed,
            last: Zxid::ZERO,
            acked: Zxid::ZERO,
            owes_since: None,
            since: now,
            heard: now,
            cause,
        };
        let leader = self.leader();
        leader.cause = cause;
        leader.learners.insert(link, learner);
        if epoch != 0 {
            self.effect(cause, Effect::Send(link, Message::LeaderInfo { epoch }));
        } else {
            self.propose_epoch(now, cause);
        }
    }

    /// Discovery, first half: an epoch higher than any that a quorum has accepted.
    fn propose_epoch(&mut self, now: Nanos, cause: EventId) {
        let (quorum, own, me) = (self.quorum(), self.accepted_epoch, self.config.me);
        let leader = self.leader();
        if leader.learners.len() + 1 < quorum {
            return;
        }
        let highest = leader.learners.values().map(|learner| learner.accepted_epoch).max().unwrap_or(0).max(own);
        let epoch = highest + 1;
        leader.epoch = epoch;
        leader.accepted.insert(me);
        let links = leader.links();
        // Durable first: this member must never accept the same epoch from somebody else.
        self.accepted_epoch = epoch;
        self.effect(cause, Effect::AcceptEpoch(epoch));
        for link in links {
            self.effect(cause, Effect::Send(link, Message::LeaderInfo { epoch }));
        }
        self.begin_synchronization(now, cause);
    }

    fn epoch_accepted(&mut self, now: Nanos, cause: EventId, link: LinkId, current_epoch: Option<u32>) {
        if self.leader().phase != Phase::Discovery {
            return self.synchronize(now, cause, link);
        }
        let Some(current_epoch) = current_epoch else { return };
        let learner = &self.leader().learners[&link];
        let (member, last) = (learner.member, learner.last);
        if (current_epoch, last) > (self.current_epoch, self.history.last()) {
            // A longer history: what it holds beyond this one may be committed.
            return self.look(now, cause);
        }
        self.leader().cause = cause;
        self.leader().accepted.insert(member);
        self.begin_synchronization(now, cause);
    }

    /// Discovery, second half: a quorum has accepted the epoch, and nobody in it has a longer history.
    fn begin_synchronization(&mut self, now: Nanos, cause: EventId) {
        let quorum = self.quorum();
        let leader = self.leader();
        if leader.accepted.len() < quorum {
            return;
        }
        leader.phase = Phase::Synchronization;
        let epoch = leader.epoch;
        self.flush(cause);
        self.enter_epoch(cause, epoch);
        for link in self.leader().links_where(|learner| learner.progress == Progress::Accepted) {
            self.synchronize(now, cause, link);
        }
        self.establish(now, cause);
    }

    fn synchronize(&mut self, now: Nanos, cause: EventId, link: LinkId) {
        let epoch = self.leader().epoch;
        let learner = self.leader().learners.get_mut(&link).expect("only called for learners");
        learner.progress = Progress::Synchronizing;
        learner.owes_since = Some(now);
        let from = learner.last;
        let start = match self.history.plan(from) {
            Plan::Diff => {
                self.effect(cause, Effect::Send(link, Message::Diff));
                from
            }
            Plan::Trunc(to) => {
                self.effect(cause, Effect::Send(link, Message::Trunc { to }));
                to
            }
            Plan::Snap => {
                self.effect(cause, Effect::SendSnapshot(link));
                self.delivered
            }
        };
        let entries: Vec<Entry> = self.history.after(start).cloned().collect();
        for Entry { zxid, payload } in entries {
            self.effect(cause, Effect::Send(link, Message::Proposal { zxid, payload }));
        }
        self.effect(cause, Effect::Send(link, Message::NewLeader { epoch }));
    }

    fn follower_synchronized(&mut self, now: Nanos, cause: EventId, link: LinkId) {
        match self.leader().phase {
            Phase::Discovery => panic!("nobody is synchronized before the epoch is accepted"),
            Phase::Synchronization => self.establish(now, cause),
            Phase::Broadcast => {
                self.up_to_date(cause, link);
                self.advance_commit(now, cause);
            }
        }
    }

    /// A quorum has the leader's log: all of it is committed, and new transactions may be proposed.
    fn establish(&mut self, now: Nanos, cause: EventId) {
        let (quorum, half) = (self.quorum(), self.config.tick / 2);
        let leader = self.leader();
        let synchronized = leader.links_where(|learner| learner.progress == Progress::Synchronized);
        if synchronized.len() + 1 < quorum {
            return;
        }
        leader.phase = Phase::Broadcast;
        leader.next_tick = now + half;
        let epoch = leader.epoch;
        self.serve(cause, ZabRole::Leading, epoch, self.history.last());
        for link in synchronized {
            self.up_to_date(cause, link);
        }
    }

    fn up_to_date(&mut self, cause: EventId, link: LinkId) {
        let committed = self.delivered;
        self.leader().learners.get_mut(&link).expect("only called for learners").progress = Progress::Serving;
        self.effect(cause, Effect::Send(link, Message::UpToDate { committed }));
    }

    /// Proposes a transaction. `None` if this member does not lead an established epoch.
    pub fn propose(&mut self, now: Nanos, cause: EventId, payload: Bytes) -> Option<Zxid> {
        let last = self.history.last();
        let State::Leading(leader) = &mut self.state else { return None };
        if leader.phase != Phase::Broadcast {
            return None;
        }
        let counter = if last.epoch() == leader.epoch { last.counter() } else { 0 };
        let Some(counter) = counter.checked_add(1) else {
            // The counter is used up: a new epoch begins a new one.
            self.look(now, cause);
            return None;
        };
        let zxid = Zxid::new(leader.epoch, counter);
        let receives = |learner: &Learner| learner.progress >= Progress::Synchronizing;
        let links = leader.links_where(receives);
        for learner in leader.learners.values_mut().filter(|learner| receives(learner)) {
            learner.owes_since.get_or_insert(now);
        }
        self.effect(cause, Effect::Proposed(zxid));
        self.append(cause, Entry { zxid, payload: payload.clone() });
        for link in links {
            self.effect(cause, Effect::Send(link, Message::Proposal { zxid, payload: payload.clone() }));
        }
        Some(zxid)
    }

    /// The last transaction proposed or inherited.
    pub fn last_proposed(&self) -> Zxid {
        self.history.last()
    }

    /// Commits what a quorum, itself included, has made durable.
    pub(super) fn advance_commit(&mut self, _now: Nanos, cause: EventId) {
        let (quorum, synced, delivered) = (self.quorum(), self.synced, self.delivered);
        let leader = self.leader();
        if leader.phase != Phase::Broadcast {
            return;
        }
        let counted = leader.learners.values().filter(|learner| learner.progress >= Progress::Synchronized);
        let mut acked: Vec<Zxid> = counted.map(|learner| learner.acked).chain([synced]).collect();
        acked.sort_unstable_by(|a, b| b.cmp(a));
        let Some(commit) = acked.get(quorum - 1).copied().filter(|commit| *commit > delivered) else { return };
        let links = leader.links_where(|learner| learner.progress == Progress::Serving);
        self.deliver_up_to(cause, commit);
        for link in links {
            self.effect(cause, Effect::Send(link, Message::Commit { zxid: commit }));
        }
    }

    pub(super) fn tick_leader(&mut self, now: Nanos) {
        if now < self.leader().next_tick {
            return;
        }
        let (half, quorum) = (self.config.tick / 2, self.quorum());
        let init = self.config.tick * Nanos::from(self.config.init_limit);
        let sync = self.config.tick * Nanos::from(self.config.sync_limit);
        let leader = self.leader();
        leader.next_tick = now + half;
        leader.half_ticks += 1;
        let full_tick = leader.half_ticks.is_multiple_of(2);
        let silent = leader.links_where(|learner| {
            let serving = learner.progress == Progress::Serving;
            let late = |since: Nanos, limit: Nanos| now.saturating_sub(since) >= limit;
            let owes = learner.owes_since.is_some_and(|since| late(since, sync));
            if serving { late(learner.heard, sync) || owes } else { late(learner.since, init) }
        });
        for link in silent {
            let cause = self.leader().learners[&link].cause;
            self.drop_learner(cause, link);
        }
        let leader = self.leader();
        let cause = leader.cause;
        let serving = leader.links_where(|learner| learner.progress == Progress::Serving).len() + 1;
        let gives_up = match leader.phase {
            Phase::Broadcast => full_tick && serving < quorum,
            Phase::Discovery | Phase::Synchronization => now.saturating_sub(leader.started) >= init,
        };
        if gives_up {
            return self.look(now, cause);
        }
        let pinged: Vec<(LinkId, EventId)> = leader
            .learners
            .iter()
            .filter(|(_, learner)| learner.progress >= Progress::Synchronizing)
            .map(|(link, learner)| (*link, learner.cause))
            .collect();
        for (link, cause) in pinged {
            self.effect(cause, Effect::Send(link, Message::Ping { sessions: Vec::new() }));
        }
    }
}
