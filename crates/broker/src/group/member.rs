//! A member of a group.

use std::time::Duration;

use bytes::Bytes;
use host::Time;
use wire::kafka::ErrorCode;

use super::records::MemberValue;
use super::turn::{JoinAnswer, SyncAnswer, Ticket, Turn};

/// A member of a group.
#[derive(Clone, PartialEq, Debug)]
pub struct Member {
    /// Its member id.
    pub id: String,
    /// Its `group.instance.id`, if it is static (KIP-345).
    pub instance: Option<String>,
    /// Its client id.
    pub client_id: String,
    /// Where it runs.
    pub client_host: String,
    /// How long a rebalance waits for it.
    pub rebalance_timeout: Duration,
    /// How long it may be silent.
    pub session_timeout: Duration,
    /// The protocols it can do, best first, each with what it says of itself under it.
    pub protocols: Vec<(String, Bytes)>,
    /// What it owns.
    pub assignment: Bytes,
    /// Whether its first JoinGroup is unanswered.
    pub is_new: bool,
    /// Its JoinGroup that waits.
    pub joining: Option<Ticket>,
    /// Its SyncGroup that waits.
    pub syncing: Option<Ticket>,
    /// When its session ends, unless it is heard of.
    pub expires: Time,
}

impl Member {
    /// What it says of itself under a protocol.
    pub fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        self.protocols.iter().find(|(name, _)| name == protocol).map(|(_, metadata)| metadata)
    }

    /// Its session begins anew.
    pub fn heard(&mut self, now: Time) {
        self.expires = now + self.session_timeout;
    }

    /// When its session ends, if that can happen now: one whose request waits cannot send heartbeats. A new member's can
    /// always, since a client that is gone may have left its first JoinGroup behind.
    pub fn deadline(&self) -> Option<Time> {
        (self.is_new || (self.joining.is_none() && self.syncing.is_none())).then_some(self.expires)
    }

    /// Its JoinGroup waits from here on; an older one is told to try again.
    pub fn wait_to_join(&mut self, ticket: Ticket, turn: &mut Turn) {
        if let Some(older) = self.joining.replace(ticket) {
            turn.joined(older, JoinAnswer::refused(&self.id, ErrorCode::RebalanceInProgress));
        }
    }

    /// Its SyncGroup waits from here on; an older one is told to try again.
    pub fn wait_to_sync(&mut self, ticket: Ticket, turn: &mut Turn) {
        if let Some(older) = self.syncing.replace(ticket) {
            turn.synced(older, SyncAnswer::refused(ErrorCode::RebalanceInProgress));
        }
    }

    /// Refuses whatever it waits for.
    pub fn refuse(&mut self, error: ErrorCode, turn: &mut Turn) {
        if let Some(ticket) = self.joining.take() {
            turn.joined(ticket, JoinAnswer::refused(&self.id, error));
        }
        if let Some(ticket) = self.syncing.take() {
            turn.synced(ticket, SyncAnswer::refused(error));
        }
    }

    /// For the group's record.
    pub fn value(&self, protocol: Option<&str>, assignment: Bytes) -> MemberValue {
        let milliseconds = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
        MemberValue {
            id: self.id.clone(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: milliseconds(self.rebalance_timeout),
            session_timeout_ms: milliseconds(self.session_timeout),
            subscription: protocol.and_then(|it| self.metadata(it)).cloned().unwrap_or_default(),
            assignment,
        }
    }

    /// From the group's record, with a fresh session.
    pub fn restore(value: MemberValue, protocol: &str, now: Time) -> Member {
        let duration = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let session_timeout = duration(value.session_timeout_ms);
        Member {
            id: value.id,
            instance: value.instance,
            client_id: value.client_id,
            client_host: value.client_host,
            rebalance_timeout: duration(value.rebalance_timeout_ms),
            session_timeout,
            protocols: vec![(protocol.to_owned(), value.subscription)],
            assignment: value.assignment,
            is_new: false,
            joining: None,
            syncing: None,
            expires: now + session_timeout,
        }
    }
}
