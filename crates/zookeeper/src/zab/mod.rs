//! Zab: one total order of transactions, kept by a leader and a quorum of its followers.
//!
//! Three phases, as in "Zab: High-performance broadcast for primary-backup systems" (Junqueira, Reed, Serafini, 2011) and
//! ZooKeeper's Zab 1.0: *discovery* agrees on an epoch higher than any a quorum has accepted, and makes sure that nobody in it
//! has a longer history than the leader; *synchronization* makes the quorum's logs the leader's; *broadcast* proposes, and
//! commits in order what a quorum has fsynced.
//!
//! Unlike ZooKeeper, a member's state only ever holds committed transactions: what is merely logged is delivered when the
//! epoch is established. So cutting a log never rewinds a state, and a snapshot never has to be thrown away.

mod follower;
mod history;
mod leader;
mod message;
#[cfg(test)]
mod model;

use std::collections::BTreeSet;

use bytes::Bytes;
use trace::{EventId, ZabRole};

use crate::Nanos;
use crate::election::{Election, Notification, Outcome, Standing};
use crate::types::Zxid;

pub use history::{Entry, History, Plan};
pub use message::{Message, describe};

use follower::Follower;
use leader::Leader;

/// A connection between a follower and its leader, numbered by each side for itself; never reused.
pub type LinkId = u64;

/// What a member has to know beforehand. Times are nanoseconds.
#[derive(Clone, Debug)]
pub struct Config {
    /// The own id.
    pub me: u32,
    /// All members.
    pub members: BTreeSet<u32>,
    /// The unit of the limits; pings go out every half of it.
    pub tick: Nanos,
    /// Ticks that discovery and synchronization may take.
    pub init_limit: u32,
    /// Ticks that a leader or follower may be silent.
    pub sync_limit: u32,
}

/// What a member finds on its disk.
#[derive(Clone, Debug, Default)]
pub struct Durable {
    /// The highest epoch it has accepted from a prospective leader.
    pub accepted_epoch: u32,
    /// The last epoch it has synchronized to.
    pub current_epoch: u32,
    /// The log since its snapshot, all fsynced.
    pub history: History,
}

/// What the shell has to do, in order, each awaited before the next.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Send the own vote to another member, instead of any older one it has not got yet.
    Notify(u32, Notification),
    /// Connect to the leader; answer with `on_connected` or `on_connect_failed` and this attempt's number.
    Connect(u32, u64),
    /// Send a message.
    Send(LinkId, Message),
    /// Send the state as delivered so far, as `Message::Snap`.
    SendSnapshot(LinkId),
    /// Close a link; no `on_closed` is expected.
    Close(LinkId),
    /// Make the accepted epoch durable.
    AcceptEpoch(u32),
    /// Make the current epoch durable.
    EnterEpoch(u32),
    /// Append to the log; `on_synced` follows once it is durable.
    Append(Entry),
    /// Make all that was appended durable now.
    Flush,
    /// Cut the log after this zxid, durably.
    Truncate(Zxid),
    /// Replace log and state, durably.
    InstallSnapshot(Zxid, Bytes),
    /// Apply a committed transaction.
    Deliver(Entry),
    /// The role changed; the epoch is the established one, or the last accepted.
    Role(ZabRole, u32),
    /// The leader proposed this.
    Proposed(Zxid),
    /// Serve clients from here on.
    Serve,
    /// Drop all clients.
    StopServing,
    /// A message for the layer above, from a serving follower.
    FromFollower(LinkId, u32, Message),
    /// A message for the layer above, from the leader.
    FromLeader(Message),
}

enum State {
    Looking,
    Following(Follower),
    Leading(Leader),
}

/// One member.
pub struct Zab {
    config: Config,
    accepted_epoch: u32,
    current_epoch: u32,
    history: History,
    /// The last transaction delivered.
    delivered: Zxid,
    /// All up to here is durable.
    synced: Zxid,
    election: Election,
    state: State,
    serving: bool,
    attempts: u64,
    effects: Vec<(EventId, Effect)>,
}

impl Zab {
    /// A member that starts with what it finds on its disk, and looks for a leader.
    pub fn new(config: Config, durable: Durable, now: Nanos, cause: EventId) -> Zab {
        let election = Election::new(config.me, config.members.clone());
        let (delivered, synced) = (durable.history.base(), durable.history.last());
        let mut zab = Zab {
            config,
            accepted_epoch: durable.accepted_epoch,
            current_epoch: durable.current_epoch,
            history: durable.history,
            delivered,
            synced,
            election,
            state: State::Looking,
            serving: false,
            attempts: 0,
            effects: Vec::new(),
        };
        zab.look(now, cause);
        zab
    }

    /// Takes what is to be done, each with its cause.
    pub fn take_effects(&mut self) -> Vec<(EventId, Effect)> {
        std::mem::take(&mut self.effects)
    }

    fn effect(&mut self, cause: EventId, effect: Effect) {
        self.effects.push((cause, effect));
    }

    fn quorum(&self) -> usize {
        self.config.members.len() / 2 + 1
    }

    /// Whether clients are served.
    pub fn is_serving(&self) -> bool {
        self.serving
    }

    /// Whether this member leads: what it delivers then, nobody has delivered before.
    pub fn is_leading(&self) -> bool {
        matches!(self.state, State::Leading(_))
    }

    /// The link to the leader, while following a leader and serving.
    pub fn leader_link(&self) -> Option<LinkId> {
        match &self.state {
            State::Following(follower) if self.serving => follower.link,
            _ => None,
        }
    }

    /// The link to the leader, also while not serving yet.
    pub fn any_leader_link(&self) -> Option<LinkId> {
        if let State::Following(follower) = &self.state { follower.link } else { None }
    }

    /// The last transaction delivered.
    pub fn delivered(&self) -> Zxid {
        self.delivered
    }

    /// The log in memory.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// A durable snapshot covers all up to `zxid`.
    pub fn trim(&mut self, zxid: Zxid) {
        assert!(zxid <= self.delivered, "snapshots hold committed transactions");
        if zxid > self.history.base() {
            self.history.trim(zxid);
        }
    }

    /// When [`Zab::tick`] has something to do.
    pub fn deadline(&self) -> Nanos {
        match &self.state {
            State::Looking => self.election.deadline(),
            State::Following(follower) => follower.deadline(&self.config),
            State::Leading(leader) => leader.next_tick,
        }
    }

    /// Time passes.
    pub fn tick(&mut self, now: Nanos) {
        match &self.state {
            State::Looking => {
                let outcome = self.election.tick(now);
                self.proceed(now, self.election.cause(), outcome);
            }
            State::Following(_) => self.tick_follower(now),
            State::Leading(_) => self.tick_leader(now),
        }
    }

    /// Gives leading or following up and begins an election.
    fn look(&mut self, now: Nanos, cause: EventId) {
        let links = match std::mem::replace(&mut self.state, State::Looking) {
            State::Looking => Vec::new(),
            State::Following(follower) => follower.link.into_iter().collect(),
            State::Leading(leader) => leader.links(),
        };
        for link in links {
            self.effect(cause, Effect::Close(link));
        }
        if std::mem::replace(&mut self.serving, false) {
            self.effect(cause, Effect::StopServing);
        }
        self.effect(cause, Effect::Role(ZabRole::Looking, self.accepted_epoch));
        let outcome = self.election.start(now, cause, self.current_epoch, self.history.last());
        self.proceed(now, cause, outcome);
    }

    /// The epoch is established: all up to `committed` is delivered, and clients are served.
    fn serve(&mut self, cause: EventId, role: ZabRole, epoch: u32, committed: Zxid) {
        assert!(!self.serving, "a role begins once");
        self.serving = true;
        self.effect(cause, Effect::Role(role, epoch));
        self.deliver_up_to(cause, committed);
        self.effect(cause, Effect::Serve);
    }

    fn standing(&self) -> Standing {
        match &self.state {
            State::Looking => Standing::Looking,
            State::Following(_) => Standing::Following,
            State::Leading(_) => Standing::Leading,
        }
    }

    fn broadcast_vote(&mut self, cause: EventId) {
        let notification = self.election.notification(self.standing());
        let others: Vec<u32> = self.config.members.iter().copied().filter(|id| *id != self.config.me).collect();
        for other in others {
            self.effect(cause, Effect::Notify(other, notification));
        }
    }

    fn proceed(&mut self, now: Nanos, cause: EventId, outcome: Outcome) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Broadcast => self.broadcast_vote(cause),
            Outcome::Reply(to) => {
                let notification = self.election.notification(self.standing());
                self.effect(cause, Effect::Notify(to, notification));
            }
            Outcome::Decided(leader, decisive) if leader == self.config.me => {
                self.lead(now, decisive);
                self.broadcast_vote(decisive);
            }
            Outcome::Decided(leader, decisive) => {
                self.follow(now, decisive, leader);
                self.broadcast_vote(decisive);
            }
        }
    }

    /// Another member's vote came.
    pub fn on_notification(&mut self, now: Nanos, cause: EventId, notification: Notification) {
        if matches!(self.state, State::Looking) {
            let outcome = self.election.receive(now, cause, notification);
            self.proceed(now, cause, outcome);
        } else if notification.standing == Standing::Looking {
            let known = self.config.members.contains(&notification.from);
            self.proceed(now, cause, if known { Outcome::Reply(notification.from) } else { Outcome::Nothing });
        }
    }

    /// A message came over a link; the first one of a link that a follower opened is its `FollowerInfo`.
    pub fn on_message(&mut self, now: Nanos, cause: EventId, link: LinkId, message: Message) {
        match &self.state {
            State::Leading(_) => self.leader_receives(now, cause, link, message),
            State::Following(follower) if follower.link == Some(link) => {
                self.follower_receives(now, cause, link, message);
            }
            // Somebody takes this member for its leader, or the link is one given up.
            State::Following(_) | State::Looking => self.effect(cause, Effect::Close(link)),
        }
    }

    /// A link was closed by the other side, or broke.
    pub fn on_closed(&mut self, now: Nanos, cause: EventId, link: LinkId) {
        match &mut self.state {
            State::Leading(leader) => leader.remove(cause, link),
            State::Following(follower) if follower.link == Some(link) => self.follower_lost_link(now, cause),
            State::Following(_) | State::Looking => {}
        }
    }

    /// This was sent over a link. If no answer comes, that is why a timeout fires.
    pub fn on_sent(&mut self, link: LinkId, event: EventId) {
        match &mut self.state {
            State::Looking => {}
            State::Following(follower) => follower.sent(link, event),
            State::Leading(leader) => leader.sent(link, event),
        }
    }

    /// All up to `zxid` is durable now, by an fsync that began after the last `Truncate` or `InstallSnapshot`.
    ///
    /// # Panics
    /// If the log ends before that.
    pub fn on_synced(&mut self, now: Nanos, cause: EventId, zxid: Zxid) {
        assert!(zxid <= self.history.last(), "{zxid} is durable, but the log ends at {}", self.history.last());
        self.synced = self.synced.max(zxid);
        match &self.state {
            State::Looking => {}
            State::Following(_) => self.follower_acks(cause),
            State::Leading(_) => self.advance_commit(now, cause),
        }
    }

    fn append(&mut self, cause: EventId, entry: Entry) {
        self.history.push(entry.clone());
        self.effect(cause, Effect::Append(entry));
    }

    fn flush(&mut self, cause: EventId) {
        self.effect(cause, Effect::Flush);
        self.synced = self.history.last();
    }

    fn enter_epoch(&mut self, cause: EventId, epoch: u32) {
        assert!(epoch >= self.current_epoch, "epochs only grow: {epoch} after {}", self.current_epoch);
        if epoch != self.current_epoch {
            self.current_epoch = epoch;
            self.effect(cause, Effect::EnterEpoch(epoch));
        }
    }

    fn deliver_up_to(&mut self, cause: EventId, zxid: Zxid) {
        assert!(zxid <= self.history.last(), "{zxid} is committed, but the log ends at {}", self.history.last());
        let entries: Vec<Entry> =
            self.history.after(self.delivered).take_while(|entry| entry.zxid <= zxid).cloned().collect();
        for entry in entries {
            self.delivered = entry.zxid;
            self.effect(cause, Effect::Deliver(entry));
        }
    }
}
