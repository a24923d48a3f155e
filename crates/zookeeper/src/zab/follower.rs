//! A follower: presents itself, takes the leader's log, then appends, acknowledges and delivers what it is told.

use trace::{EventId, ZabRole};

use super::{Config, Effect, Entry, LinkId, Message, State, Zab};
use crate::Nanos;
use crate::types::Zxid;

/// How long a leader may be unreachable, or not yet know that it was elected.
const CONNECT_LIMIT: Nanos = 5_000_000_000;
const RETRY: Nanos = 200_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// An attempt to connect is under way.
    Connecting,
    /// The next attempt is at this time.
    Waiting(Nanos),
    /// `FollowerInfo` is sent.
    Discovery,
    /// `AckEpoch` is sent.
    Synchronization,
    /// `NewLeader` is acknowledged: all that was sent until then is durable.
    Synchronized,
    /// The epoch is established.
    Broadcast,
}

pub(super) struct Follower {
    leader: u32,
    pub(super) link: Option<LinkId>,
    attempt: u64,
    phase: Phase,
    epoch: u32,
    started: Nanos,
    heard: Nanos,
    /// The last event of the link, or attempt, to the leader: a timeout's cause.
    cause: EventId,
    acked: Zxid,
}

impl Follower {
    fn limit(&self, config: &Config) -> Nanos {
        match self.phase {
            Phase::Connecting | Phase::Waiting(_) => self.started + CONNECT_LIMIT,
            Phase::Discovery | Phase::Synchronization | Phase::Synchronized => {
                self.started + config.tick * Nanos::from(config.init_limit)
            }
            Phase::Broadcast => self.heard + config.tick * Nanos::from(config.sync_limit),
        }
    }

    pub(super) fn sent(&mut self, link: LinkId, event: EventId) {
        if self.link == Some(link) {
            self.cause = self.cause.max(event);
        }
    }

    pub(super) fn deadline(&self, config: &Config) -> Nanos {
        let limit = self.limit(config);
        if let Phase::Waiting(at) = self.phase { at.min(limit) } else { limit }
    }
}

impl Zab {
    pub(super) fn follow(&mut self, now: Nanos, cause: EventId, leader: u32) {
        self.attempts += 1;
        self.state = State::Following(Follower {
            leader,
            link: None,
            attempt: self.attempts,
            phase: Phase::Connecting,
            epoch: 0,
            started: now,
            heard: now,
            cause,
            acked: Zxid::ZERO,
        });
        self.effect(cause, Effect::Connect(leader, self.attempts));
    }

    fn follower(&mut self) -> &mut Follower {
        match &mut self.state {
            State::Following(follower) => follower,
            State::Looking | State::Leading(_) => panic!("only called while following"),
        }
    }

    /// The connection to the leader stands.
    pub fn on_connected(&mut self, now: Nanos, cause: EventId, attempt: u64, link: LinkId) {
        let (member, accepted_epoch) = (self.config.me, self.accepted_epoch);
        match &mut self.state {
            State::Following(follower) if follower.attempt == attempt && follower.phase == Phase::Connecting => {
                follower.link = Some(link);
                follower.phase = Phase::Discovery;
                follower.heard = now;
                self.effect(cause, Effect::Send(link, Message::FollowerInfo { member, accepted_epoch }));
            }
            _ => self.effect(cause, Effect::Close(link)),
        }
    }

    /// The connection to the leader failed.
    pub fn on_connect_failed(&mut self, now: Nanos, cause: EventId, attempt: u64) {
        if let State::Following(follower) = &mut self.state
            && follower.attempt == attempt
            && follower.phase == Phase::Connecting
        {
            follower.phase = Phase::Waiting(now + RETRY);
            follower.cause = cause;
        }
    }

    pub(super) fn follower_lost_link(&mut self, now: Nanos, cause: EventId) {
        let follower = self.follower();
        follower.link = None;
        // A leader that does not know yet that it was elected closes the link: try again soon.
        if follower.phase == Phase::Discovery && now < follower.started + CONNECT_LIMIT {
            follower.phase = Phase::Waiting(now + RETRY);
            follower.cause = cause;
        } else {
            self.look(now, cause);
        }
    }

    pub(super) fn tick_follower(&mut self, now: Nanos) {
        let config = self.config.clone();
        let attempt = self.attempts + 1;
        let follower = self.follower();
        let (leader, cause) = (follower.leader, follower.cause);
        if now >= follower.limit(&config) {
            return self.look(now, cause);
        }
        if let Phase::Waiting(at) = follower.phase
            && at <= now
        {
            follower.phase = Phase::Connecting;
            follower.attempt = attempt;
            self.attempts = attempt;
            self.effect(cause, Effect::Connect(leader, attempt));
        }
    }

    pub(super) fn follower_receives(&mut self, now: Nanos, cause: EventId, link: LinkId, message: Message) {
        let follower = self.follower();
        follower.heard = now;
        follower.cause = cause;
        let phase = follower.phase;
        match (phase, message) {
            (Phase::Discovery, Message::LeaderInfo { epoch }) => self.accept_epoch(now, cause, link, epoch),
            (Phase::Synchronization, Message::Diff) => {}
            (Phase::Synchronization, Message::Trunc { to }) => self.truncate(cause, to),
            (Phase::Synchronization, Message::Snap { zxid, state }) => {
                self.history = super::History::new(zxid, []);
                (self.delivered, self.synced) = (zxid, zxid);
                self.effect(cause, Effect::InstallSnapshot(zxid, state));
            }
            (Phase::Synchronization, Message::NewLeader { epoch }) => self.synchronized(now, cause, link, epoch),
            (Phase::Synchronization | Phase::Synchronized | Phase::Broadcast, Message::Proposal { zxid, payload }) => {
                self.append(cause, Entry { zxid, payload })
            }
            (Phase::Synchronized, Message::UpToDate { committed }) => {
                self.follower().phase = Phase::Broadcast;
                let epoch = self.follower().epoch;
                self.serve(cause, ZabRole::Following, epoch, committed);
            }
            (Phase::Broadcast, Message::Commit { zxid }) => self.deliver_up_to(cause, zxid),
            (_, message @ Message::Ping { .. }) => self.effect(cause, Effect::FromLeader(message)),
            (Phase::Broadcast, message @ (Message::Revalidate { .. } | Message::Sync { .. })) => {
                self.effect(cause, Effect::FromLeader(message));
            }
            // Not a leader that speaks this protocol.
            _ => self.look(now, cause),
        }
    }

    fn accept_epoch(&mut self, now: Nanos, cause: EventId, link: LinkId, epoch: u32) {
        if epoch < self.accepted_epoch {
            return self.look(now, cause);
        }
        let counts = epoch > self.accepted_epoch;
        if counts {
            self.accepted_epoch = epoch;
            self.effect(cause, Effect::AcceptEpoch(epoch));
        }
        let follower = self.follower();
        follower.epoch = epoch;
        follower.phase = Phase::Synchronization;
        let message =
            Message::AckEpoch { current_epoch: counts.then_some(self.current_epoch), last: self.history.last() };
        self.effect(cause, Effect::Send(link, message));
    }

    fn truncate(&mut self, cause: EventId, to: Zxid) {
        assert!(to >= self.delivered, "told to cut {to}, but {} is committed", self.delivered);
        self.history.truncate(to);
        self.synced = self.synced.min(to);
        self.effect(cause, Effect::Truncate(to));
    }

    fn synchronized(&mut self, now: Nanos, cause: EventId, link: LinkId, epoch: u32) {
        if epoch != self.follower().epoch {
            return self.look(now, cause);
        }
        // First the history, then the epoch: a vote must not claim an epoch whose history it lacks.
        self.flush(cause);
        self.enter_epoch(cause, epoch);
        let zxid = self.synced;
        let follower = self.follower();
        follower.phase = Phase::Synchronized;
        follower.acked = zxid;
        self.effect(cause, Effect::Send(link, Message::Ack { zxid }));
    }

    pub(super) fn follower_acks(&mut self, cause: EventId) {
        let zxid = self.synced;
        let follower = self.follower();
        if !matches!(follower.phase, Phase::Synchronized | Phase::Broadcast) || zxid <= follower.acked {
            return;
        }
        follower.acked = zxid;
        let link = follower.link.expect("synchronized over a link");
        self.effect(cause, Effect::Send(link, Message::Ack { zxid }));
    }
}
