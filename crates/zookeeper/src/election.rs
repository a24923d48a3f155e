//! Fast leader election: members exchange votes until a quorum agrees on the one with the longest history.
//!
//! A vote names a leader and the history it has. A member adopts the best vote it hears of; rounds keep votes of different
//! elections apart. Who already follows or leads answers with its own vote, so that a late member joins instead of
//! disturbing.

use std::collections::{BTreeMap, BTreeSet};

use trace::EventId;

use crate::Nanos;
use crate::types::Zxid;

/// How long a member waits for a better vote once a quorum agrees.
pub const FINALIZE_WAIT: Nanos = 200_000_000;
const FIRST_RESEND: Nanos = 200_000_000;
const MAX_RESEND: Nanos = 1_600_000_000;

/// Whom a member wants to lead, ordered by history: epoch, zxid, then the larger id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Vote {
    /// The candidate's current epoch.
    pub epoch: u32,
    /// The last zxid in the candidate's log.
    pub zxid: Zxid,
    /// The candidate.
    pub leader: u32,
}

/// What the sender of a notification does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It takes part in the election.
    Looking,
    /// It follows the leader it voted for.
    Following,
    /// It is that leader.
    Leading,
}

/// What members tell each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notification {
    /// The sender.
    pub from: u32,
    /// What it does.
    pub standing: Standing,
    /// Its round.
    pub round: u64,
    /// Its vote.
    pub vote: Vote,
}

/// What to do after an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing.
    Nothing,
    /// Tell every other member the own vote.
    Broadcast,
    /// Tell this member the own vote.
    Reply(u32),
    /// The election is over: this member leads, because of that event. Tell every other member too: some may need just
    /// this vote.
    Decided(u32, EventId),
}

/// One member's part in elections. It keeps its last vote while it follows or leads.
pub struct Election {
    me: u32,
    members: BTreeSet<u32>,
    round: u64,
    /// The vote for oneself, with the own history.
    own: Vote,
    vote: Vote,
    votes: BTreeMap<u32, Vote>,
    settled: BTreeMap<u32, Notification>,
    finalize_at: Option<Nanos>,
    resend_at: Nanos,
    resend_interval: Nanos,
    cause: EventId,
}

impl Election {
    /// Member `me` of `members`, before its first election.
    pub fn new(me: u32, members: BTreeSet<u32>) -> Election {
        assert!(members.contains(&me), "a member is one of the members");
        let vote = Vote { epoch: 0, zxid: Zxid::ZERO, leader: me };
        Election {
            me,
            members,
            round: 0,
            own: vote,
            vote,
            votes: BTreeMap::new(),
            settled: BTreeMap::new(),
            finalize_at: None,
            resend_at: 0,
            resend_interval: FIRST_RESEND,
            cause: EventId::ROOT,
        }
    }

    fn is_quorum(&self, count: usize) -> bool {
        count > self.members.len() / 2
    }

    /// Begins a round with a vote for oneself.
    pub fn start(&mut self, now: Nanos, cause: EventId, epoch: u32, zxid: Zxid) -> Outcome {
        self.round += 1;
        self.own = Vote { epoch, zxid, leader: self.me };
        self.vote = self.own;
        self.votes = BTreeMap::from([(self.me, self.vote)]);
        self.settled.clear();
        self.finalize_at = None;
        self.resend_interval = FIRST_RESEND;
        self.resend_at = now + self.resend_interval;
        self.cause = cause;
        match self.count(now) {
            Outcome::Nothing => Outcome::Broadcast,
            decided => decided,
        }
    }

    /// The own vote as others should hear it.
    pub fn notification(&self, standing: Standing) -> Notification {
        Notification { from: self.me, standing, round: self.round, vote: self.vote }
    }

    /// A notification came while this member is looking.
    pub fn receive(&mut self, now: Nanos, cause: EventId, notification: Notification) -> Outcome {
        if !self.members.contains(&notification.from) || !self.members.contains(&notification.vote.leader) {
            return Outcome::Nothing;
        }
        match notification.standing {
            Standing::Looking => self.receive_vote(now, cause, notification),
            Standing::Following | Standing::Leading => self.receive_settled(cause, notification),
        }
    }

    fn receive_vote(&mut self, now: Nanos, cause: EventId, notification: Notification) -> Outcome {
        if notification.round < self.round {
            return Outcome::Reply(notification.from);
        }
        let mut changed = false;
        if notification.round > self.round {
            self.round = notification.round;
            self.votes.clear();
            self.vote = self.own;
            self.finalize_at = None;
            changed = true;
        }
        if notification.vote > self.vote {
            self.vote = notification.vote;
            self.finalize_at = None;
            changed = true;
        }
        self.votes.insert(self.me, self.vote);
        self.votes.insert(notification.from, notification.vote);
        self.cause = cause;
        match self.count(now) {
            Outcome::Nothing if changed => Outcome::Broadcast,
            outcome => outcome,
        }
    }

    /// Decides at once if nobody could have a better vote, else after [`FINALIZE_WAIT`].
    fn count(&mut self, now: Nanos) -> Outcome {
        let agreeing = self.votes.values().filter(|vote| **vote == self.vote).count();
        if agreeing == self.members.len() {
            return Outcome::Decided(self.vote.leader, self.cause);
        }
        self.finalize_at =
            if self.is_quorum(agreeing) { Some(self.finalize_at.unwrap_or(now + FINALIZE_WAIT)) } else { None };
        Outcome::Nothing
    }

    fn receive_settled(&mut self, cause: EventId, notification: Notification) -> Outcome {
        let leader = notification.vote.leader;
        self.settled.insert(notification.from, notification);
        // Who is elected must say so itself, else a member could follow one that has given up already.
        let confirmed = if leader == self.me {
            notification.round == self.round
        } else {
            self.settled.get(&leader).is_some_and(|said| said.standing == Standing::Leading)
        };
        let mut same_round: BTreeSet<u32> =
            self.votes.iter().filter(|(_, vote)| vote.leader == leader).map(|(from, _)| *from).collect();
        // Rounds do not count here: a leader and a follower that joined it late may remember different ones.
        let agreeing = |said: &&Notification| said.vote.leader == leader;
        let settled: BTreeSet<u32> = self.settled.values().filter(agreeing).map(|said| said.from).collect();
        same_round.extend(&settled);
        let joins =
            self.is_quorum(settled.len()) || (notification.round == self.round && self.is_quorum(same_round.len()));
        if !confirmed || !joins {
            return Outcome::Nothing;
        }
        self.round = notification.round;
        self.vote = notification.vote;
        Outcome::Decided(leader, cause)
    }

    /// When [`Election::tick`] has something to do.
    pub fn deadline(&self) -> Nanos {
        self.finalize_at.map_or(self.resend_at, |at| at.min(self.resend_at))
    }

    /// Time passes while looking.
    pub fn tick(&mut self, now: Nanos) -> Outcome {
        if self.finalize_at.is_some_and(|at| at <= now) {
            return Outcome::Decided(self.vote.leader, self.cause);
        }
        if self.resend_at > now {
            return Outcome::Nothing;
        }
        self.resend_interval = (self.resend_interval * 2).min(MAX_RESEND);
        self.resend_at = now + self.resend_interval;
        Outcome::Broadcast
    }

    /// The last event that this election heard of.
    pub fn cause(&self) -> EventId {
        self.cause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looking(members: u32) -> Election {
        let mut election = Election::new(1, (1..=members).collect());
        election.start(0, EventId::ROOT, 3, Zxid::new(3, 5));
        election
    }

    fn heard(from: u32, standing: Standing, round: u64, vote: (u32, Zxid, u32)) -> Notification {
        Notification { from, standing, round, vote: Vote { epoch: vote.0, zxid: vote.1, leader: vote.2 } }
    }

    const MINE: (u32, Zxid, u32) = (3, Zxid(3 << 32 | 5), 1);

    #[test]
    fn a_single_member_decides_at_once() {
        let mut election = Election::new(1, [1].into());
        assert_eq!(election.start(0, EventId::ROOT, 0, Zxid::ZERO), Outcome::Decided(1, EventId::ROOT));
    }

    #[test]
    fn the_vote_with_the_longest_history_wins_epoch_first() {
        let vote = |epoch, zxid, leader| Vote { epoch, zxid, leader };
        assert!(vote(2, Zxid::new(1, 1), 1) > vote(1, Zxid::new(1, 9), 3));
        assert!(vote(2, Zxid::new(1, 9), 1) > vote(2, Zxid::new(1, 1), 3));
        assert!(vote(2, Zxid::new(1, 1), 3) > vote(2, Zxid::new(1, 1), 1));
    }

    #[test]
    fn a_better_vote_is_adopted_and_a_quorum_decides_after_the_wait() {
        let mut election = looking(3);
        let better = (3, Zxid::new(3, 6), 2);
        assert_eq!(election.receive(10, EventId(1), heard(2, Standing::Looking, 1, better)), Outcome::Broadcast);
        assert_eq!(election.tick(10 + FINALIZE_WAIT - 1), Outcome::Broadcast, "not yet decided");
        assert_eq!(election.tick(10 + FINALIZE_WAIT), Outcome::Decided(2, EventId(1)));
    }

    #[test]
    fn when_all_agree_nobody_waits() {
        let mut election = looking(3);
        election.receive(0, EventId(1), heard(2, Standing::Looking, 1, MINE));
        assert_eq!(
            election.receive(0, EventId(2), heard(3, Standing::Looking, 1, MINE)),
            Outcome::Decided(1, EventId(2))
        );
    }

    #[test]
    fn a_vote_of_an_older_round_is_answered_not_counted() {
        let mut election = looking(3);
        election.start(0, EventId::ROOT, 3, Zxid::new(3, 5));
        assert_eq!(election.receive(0, EventId(1), heard(2, Standing::Looking, 1, MINE)), Outcome::Reply(2));
        assert_eq!(election.tick(FINALIZE_WAIT + 1), Outcome::Broadcast, "no quorum");
    }

    #[test]
    fn a_later_round_with_a_worse_vote_keeps_the_own_candidate() {
        let mut election = looking(3);
        let worse = (2, Zxid::new(2, 1), 2);
        assert_eq!(election.receive(0, EventId(1), heard(2, Standing::Looking, 4, worse)), Outcome::Broadcast);
        let said = election.notification(Standing::Looking);
        assert_eq!((said.round, said.vote.leader), (4, 1));
    }

    #[test]
    fn a_late_member_joins_a_leader_that_a_quorum_confirms() {
        let mut election = looking(3);
        let vote = (2, Zxid::new(2, 1), 2);
        assert_eq!(election.receive(0, EventId(1), heard(3, Standing::Following, 9, vote)), Outcome::Nothing);
        assert_eq!(
            election.receive(0, EventId(2), heard(2, Standing::Leading, 9, vote)),
            Outcome::Decided(2, EventId(2))
        );
    }

    #[test]
    fn who_follows_may_remember_another_round_than_who_leads() {
        let mut election = looking(3);
        let vote = (3, Zxid::new(3, 5), 2);
        election.receive(0, EventId(1), heard(2, Standing::Leading, 1, vote));
        let joined = election.receive(0, EventId(2), heard(3, Standing::Following, 2, vote));
        assert_eq!(joined, Outcome::Decided(2, EventId(2)));
    }

    #[test]
    fn followers_alone_do_not_prove_a_leader() {
        let mut election = looking(5);
        let vote = (2, Zxid::new(2, 1), 2);
        for from in [3, 4, 5] {
            assert_eq!(election.receive(0, EventId(1), heard(from, Standing::Following, 9, vote)), Outcome::Nothing);
        }
    }
}
