//! What goes into a group's decisions beside its own state, and what comes out of them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use host::Time;
use trace::EventKind;
use wire::kafka::ErrorCode;

use super::records::GroupValue;
use crate::config::{Settings, milliseconds};
use crate::flaws::Flaws;

/// A request that waits for its group; the shell knows whose it is.
pub type Ticket = u64;

/// The settings that a group obeys.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`.
    pub max_size: usize,
    /// `offsets.retention.minutes`, in ms.
    pub offsets_retention_ms: i64,
    /// Flaws switched on.
    pub flaws: Flaws,
}

impl Rules {
    /// As the broker's settings say.
    pub fn new(settings: &Settings, flaws: Flaws) -> Rules {
        Rules {
            initial_rebalance_delay: milliseconds(settings.group_initial_rebalance_delay_ms),
            max_size: usize::try_from(settings.group_max_size).unwrap_or(usize::MAX),
            offsets_retention_ms: settings.offsets_retention_minutes.saturating_mul(60_000),
            flaws,
        }
    }
}

/// One occasion for a group to decide something: the time, and what was decided.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The settings.
    pub rules: &'a Rules,
    /// Now, on the monotonic clock.
    pub now: Time,
    /// Now, in ms since 1970.
    pub wall: i64,
    /// What is to be done, in this order.
    pub effects: Vec<Effect>,
}

/// Something for the shell to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Record that this happened.
    Emit(EventKind),
    /// Answer a JoinGroup.
    Joined(Ticket, JoinAnswer),
    /// Answer a SyncGroup.
    Synced(Ticket, SyncAnswer),
    /// Write the group to the log; when it is replicated, or failed, go on with `Group::stored`.
    Store(GroupValue, Then),
}

/// How a group goes on when its record is in the log.
#[derive(Clone, PartialEq, Debug)]
pub enum Then {
    /// It does not matter.
    Nothing,
    /// Its members get their assignments.
    Assign {
        /// The generation that is assigned.
        generation: i32,
        /// What each member owns.
        assignments: BTreeMap<String, Bytes>,
    },
    /// A static member is told its new id.
    Replace(Box<Replacement>),
}

/// A static member that came back under a new id, and what to go back to if that cannot be stored.
#[derive(Clone, PartialEq, Debug)]
pub struct Replacement {
    /// Its `group.instance.id`.
    pub instance: String,
    /// Its former member id.
    pub old: String,
    /// Its member id now.
    pub new: String,
    /// The client id and host it had.
    pub client: (String, String),
    /// The protocols it had.
    pub protocols: Vec<(String, Bytes)>,
    /// The session timeout it had.
    pub session_timeout: Duration,
    /// The rebalance timeout it had.
    pub rebalance_timeout: Duration,
    /// The group's leader before.
    pub leader: String,
    /// Whether it understands `skip_assignment` (KIP-814).
    pub can_skip: bool,
}

/// The answer to a JoinGroup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinAnswer {
    /// `NONE`, or why not.
    pub error: ErrorCode,
    /// The generation, -1 with an error.
    pub generation: i32,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The protocol chosen.
    pub protocol: Option<String>,
    /// The leader's member id.
    pub leader: String,
    /// Whether the leader shall not assign (KIP-814).
    pub skip_assignment: bool,
    /// The member id of whoever asked.
    pub member: String,
    /// All members, for the leader.
    pub members: Vec<JoinedMember>,
}

/// A member as the leader is told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinedMember {
    /// Its member id.
    pub id: String,
    /// Its `group.instance.id`.
    pub instance: Option<String>,
    /// What it said under the protocol chosen.
    pub metadata: Bytes,
}

impl JoinAnswer {
    /// A refusal.
    pub fn refused(member: &str, error: ErrorCode) -> JoinAnswer {
        JoinAnswer {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            skip_assignment: false,
            member: member.to_owned(),
            members: Vec::new(),
        }
    }
}

/// The answer to a SyncGroup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncAnswer {
    /// `NONE`, or why not.
    pub error: ErrorCode,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The protocol chosen.
    pub protocol: Option<String>,
    /// What the member owns.
    pub assignment: Bytes,
}

impl SyncAnswer {
    /// A refusal.
    pub fn refused(error: ErrorCode) -> SyncAnswer {
        SyncAnswer { error, protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

impl<'a> Turn<'a> {
    /// An occasion, without effects yet.
    pub fn new(rules: &'a Rules, now: Time, wall: i64) -> Turn<'a> {
        Turn { rules, now, wall, effects: Vec::new() }
    }

    /// Records that this happened.
    pub fn emit(&mut self, kind: EventKind) {
        self.effects.push(Effect::Emit(kind));
    }

    /// Answers a JoinGroup.
    pub fn joined(&mut self, ticket: Ticket, answer: JoinAnswer) {
        self.effects.push(Effect::Joined(ticket, answer));
    }

    /// Answers a SyncGroup.
    pub fn synced(&mut self, ticket: Ticket, answer: SyncAnswer) {
        self.effects.push(Effect::Synced(ticket, answer));
    }
}
