//! A member's clients: handshakes, requests in each session's order, watches. Writes go to the leader; reads are answered from
//! the member's own tree, which may lag behind.

mod prepare;
mod replies;
#[cfg(test)]
mod tests;
mod watching;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use trace::{EventId, Name};
use wire::jute::{self, ConnectRequest, ConnectResponse, Request, RequestError, xid};

use crate::acl::Credentials;
use crate::tree::{Applied, Tree};
use crate::txn::{Action, Txn};
use crate::types::{ErrorCode, Zxid, password};
use crate::watches::Watches;
use replies::Kind;

/// A client's connection, numbered by the member; never reused.
pub(crate) type ConnectionId = u64;

/// What the shell has to do, in order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Effect {
    /// Send a frame to a client.
    Send(ConnectionId, Bytes),
    /// Close a connection after what was sent.
    Close(ConnectionId),
    /// Have the leader propose this.
    Submit { tag: u64, session: u64, action: Action },
    /// Ask the leader whether this session is alive.
    Revalidate { tag: u64, session: u64 },
    /// Ask the leader to say when all that is proposed by now is delivered.
    Sync { tag: u64 },
    /// Answer this four-letter word and close.
    Describe(ConnectionId, &'static str),
}

/// A request in a session's order.
enum Pending {
    /// At the leader.
    Waiting(u64, i32, Kind),
    /// Answered out of turn.
    Done(Bytes),
    /// Answered as soon as all before it are.
    Read(EventId, i32, Request),
}

enum Phase {
    /// No connect request yet.
    New,
    /// The leader is asked about the session.
    Opening { tag: u64, session: u64, read_only: Option<bool>, early: VecDeque<(EventId, Bytes)> },
    /// It has a session.
    Open { session: u64 },
}

struct Connection {
    phase: Phase,
    queue: VecDeque<Pending>,
    credentials: Credentials,
    peer: Name,
    received: u64,
    sent: u64,
}

/// What is known of a connection.
pub(crate) struct ConnectionState {
    /// Who is at its other end.
    pub(crate) peer: Name,
    /// Requests that wait for their answer.
    pub(crate) outstanding: usize,
    /// Frames that came.
    pub(crate) received: u64,
    /// Frames that went.
    pub(crate) sent: u64,
}

/// What clients may ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The shortest session timeout in milliseconds.
    pub min_timeout_ms: u32,
    /// The longest.
    pub max_timeout_ms: u32,
}

/// The state of one member as its clients see it.
pub(crate) struct Server {
    me: u32,
    limits: Limits,
    tree: Tree,
    watches: Watches,
    connections: BTreeMap<ConnectionId, Connection>,
    by_session: BTreeMap<u64, ConnectionId>,
    tags: BTreeMap<u64, ConnectionId>,
    next_tag: u64,
    /// Sessions heard of, and the last sign of each.
    touched: BTreeMap<u64, EventId>,
    effects: Vec<(EventId, Effect)>,
    received: u64,
    sent: u64,
}

impl Server {
    /// A member without clients. `first_tag` must differ between incarnations: transactions of an earlier one may still come.
    pub(crate) fn new(me: u32, limits: Limits, tree: Tree, first_tag: u64) -> Server {
        Server {
            me,
            limits,
            tree,
            watches: Watches::default(),
            connections: BTreeMap::new(),
            by_session: BTreeMap::new(),
            tags: BTreeMap::new(),
            next_tag: first_tag,
            touched: BTreeMap::new(),
            effects: Vec::new(),
            received: 0,
            sent: 0,
        }
    }

    /// The tree.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The clients.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionState> + '_ {
        self.connections.values().map(|connection| ConnectionState {
            peer: connection.peer,
            outstanding: connection.queue.len(),
            received: connection.received,
            sent: connection.sent,
        })
    }

    /// How many frames came from clients, and went to them, since the start.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.received, self.sent)
    }

    /// How many watches are set.
    pub(crate) fn watch_count(&self) -> usize {
        self.watches.len()
    }

    /// Replaces the tree; there are no clients then.
    pub(crate) fn replace_tree(&mut self, tree: Tree) {
        assert!(self.connections.is_empty(), "no clients while synchronizing");
        self.tree = tree;
    }

    /// Takes what is to be done, each with its cause.
    pub(crate) fn take_effects(&mut self) -> Vec<(EventId, Effect)> {
        std::mem::take(&mut self.effects)
    }

    /// Takes the sessions heard of since the last time.
    pub(crate) fn take_touched(&mut self) -> BTreeMap<u64, EventId> {
        std::mem::take(&mut self.touched)
    }

    fn effect(&mut self, cause: EventId, effect: Effect) {
        self.effects.push((cause, effect));
    }

    fn send(&mut self, cause: EventId, connection: ConnectionId, frame: Bytes) {
        if frame.len() > jute::MAXIMUM_FRAME + 4 {
            // No client would take it; ZooKeeper's close the connection themselves.
            return self.close(cause, connection);
        }
        self.sent += 1;
        if let Some(state) = self.connections.get_mut(&connection) {
            state.sent += 1;
        }
        self.effect(cause, Effect::Send(connection, frame));
    }

    fn tag(&mut self, connection: ConnectionId) -> u64 {
        let tag = self.next_tag;
        self.next_tag = self.next_tag.wrapping_add(1);
        self.tags.insert(tag, connection);
        tag
    }

    /// A client connected, from `peer`.
    pub(crate) fn on_accepted(&mut self, connection: ConnectionId, peer: Name) {
        let (queue, credentials) = (VecDeque::new(), Credentials::default());
        let state = Connection { phase: Phase::New, queue, credentials, peer, received: 0, sent: 0 };
        self.connections.insert(connection, state);
    }

    /// A connection ended. Its session lives on.
    pub(crate) fn on_closed(&mut self, connection: ConnectionId) {
        let Some(gone) = self.connections.remove(&connection) else { return };
        self.watches.remove(connection);
        self.tags.retain(|_, waiting| *waiting != connection);
        if let Phase::Open { session } = gone.phase {
            // A newer connection may have taken the session over.
            if self.by_session.get(&session) == Some(&connection) {
                self.by_session.remove(&session);
            }
        }
    }

    fn close(&mut self, cause: EventId, connection: ConnectionId) {
        self.on_closed(connection);
        self.effect(cause, Effect::Close(connection));
    }

    /// Drops all clients: this member is no part of a quorum now.
    pub(crate) fn stop_serving(&mut self, cause: EventId) {
        let connections: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in connections {
            self.close(cause, connection);
        }
        self.touched.clear();
    }

    /// A frame came from a client. `new_session` is the id to give if it wants a new session.
    pub(crate) fn on_frame(&mut self, cause: EventId, connection: ConnectionId, frame: Bytes, new_session: u64) {
        let Some(state) = self.connections.get_mut(&connection) else { return };
        self.received += 1;
        state.received += 1;
        if frame.len() > jute::MAXIMUM_REQUEST + 4 {
            return self.close(cause, connection);
        }
        match &mut state.phase {
            Phase::New if let Some(word) = jute::four_letter_word(&frame) => {
                self.effect(cause, Effect::Describe(connection, word));
                self.close(cause, connection);
            }
            Phase::New => self.handshake(cause, connection, frame, new_session),
            Phase::Opening { early, .. } => early.push_back((cause, frame)),
            Phase::Open { session } => {
                let session = *session;
                self.touched.insert(session, cause);
                self.request(cause, connection, session, frame);
            }
        }
    }

    fn handshake(&mut self, cause: EventId, connection: ConnectionId, frame: Bytes, new_session: u64) {
        let Ok(request) = ConnectRequest::decode(frame) else { return self.close(cause, connection) };
        // Single system image: who has seen more than this member must go to another one.
        if request.last_zxid_seen > self.tree.last_zxid().0 as i64 {
            return self.close(cause, connection);
        }
        let tag = self.tag(connection);
        let session = if request.session_id == 0 {
            let wanted = u32::try_from(request.timeout).unwrap_or(0);
            let timeout_ms = wanted.clamp(self.limits.min_timeout_ms, self.limits.max_timeout_ms);
            self.effect(
                cause,
                Effect::Submit { tag, session: new_session, action: Action::CreateSession { timeout_ms } },
            );
            new_session
        } else {
            let session = request.session_id as u64;
            if request.password[..] != password(session) {
                return self.refuse_session(cause, connection, request.read_only.map(|_| false));
            }
            self.effect(cause, Effect::Revalidate { tag, session });
            session
        };
        let state = self.connections.get_mut(&connection).expect("a frame came over it");
        // Clients from before read-only mode neither send nor expect the byte.
        let read_only = request.read_only.map(|_| false);
        state.phase = Phase::Opening { tag, session, read_only, early: VecDeque::new() };
    }

    fn refuse_session(&mut self, cause: EventId, connection: ConnectionId, read_only: Option<bool>) {
        let password = Bytes::from_static(&[0; 16]);
        let response = ConnectResponse { password, read_only, ..ConnectResponse::default() };
        self.send(cause, connection, response.encode());
        self.close(cause, connection);
    }

    fn open_session(&mut self, cause: EventId, connection: ConnectionId, timeout_ms: u32) {
        let state = self.connections.get_mut(&connection).expect("only called for open connections");
        let Phase::Opening { session, read_only, early, .. } = std::mem::replace(&mut state.phase, Phase::New) else {
            panic!("a session opens once");
        };
        state.phase = Phase::Open { session };
        if let Some(older) = self.by_session.insert(session, connection) {
            self.close(cause, older);
            self.by_session.insert(session, connection);
        }
        self.touched.insert(session, cause);
        let response = ConnectResponse {
            protocol_version: 0,
            timeout: timeout_ms as i32,
            session_id: session as i64,
            password: Bytes::copy_from_slice(&password(session)),
            read_only,
        };
        self.send(cause, connection, response.encode());
        for (cause, frame) in early {
            self.request(cause, connection, session, frame);
        }
    }

    /// The leader says whether a session is alive: its timeout, or 0.
    pub(crate) fn on_revalidated(&mut self, cause: EventId, tag: u64, timeout_ms: u32) {
        let Some(connection) = self.tags.remove(&tag) else { return };
        let state = self.connections.get(&connection).expect("a closed connection has no tags");
        let Phase::Opening { tag: asked, read_only, .. } = state.phase else { panic!("a question has one answer") };
        assert!(asked == tag, "a question has one answer");
        if timeout_ms == 0 {
            self.refuse_session(cause, connection, read_only);
        } else {
            self.open_session(cause, connection, timeout_ms);
        }
    }

    fn request(&mut self, cause: EventId, connection: ConnectionId, session: u64, frame: Bytes) {
        let (header, request) = match jute::decode_request(frame) {
            Ok(request) => request,
            Err(RequestError::Header(_)) => return self.close(cause, connection),
            Err(RequestError::Body(header, _)) => {
                return self.refuse(cause, connection, header.xid, ErrorCode::Marshalling);
            }
            Err(RequestError::Unimplemented(header)) => {
                return self.refuse(cause, connection, header.xid, ErrorCode::Unimplemented);
            }
        };
        let xid = header.xid;
        let credentials = self.connections[&connection].credentials.clone();
        match request {
            Request::Write(operation) => {
                let kind = Kind::of(&operation);
                match prepare::operation(operation, &credentials) {
                    Ok(operation) => {
                        let action = Action::One(operation, credentials);
                        self.submit(cause, connection, session, xid, kind, action);
                    }
                    Err(error) => self.refuse(cause, connection, xid, error),
                }
            }
            Request::SetAcl { path, acl, version } => match prepare::set_acl(path, &acl, version, &credentials) {
                Ok(operation) => {
                    let action = Action::One(operation, credentials);
                    self.submit(cause, connection, session, xid, Kind::Plain, action);
                }
                Err(error) => self.refuse(cause, connection, xid, error),
            },
            Request::Multi(operations) => {
                let kind = Kind::Multi(operations.len());
                let action = Action::Multi(prepare::multi(operations, &credentials), credentials);
                self.submit(cause, connection, session, xid, kind, action);
            }
            Request::CloseSession => {
                let action = Action::CloseSession { expired: false };
                self.submit(cause, connection, session, xid, Kind::Close, action);
            }
            Request::Sync { path } => {
                let tag = self.tag(connection);
                self.queue(connection).push_back(Pending::Waiting(tag, xid, Kind::Sync(path)));
                self.effect(cause, Effect::Sync { tag });
            }
            Request::Auth { scheme, auth, .. } => self.authenticate(cause, connection, xid, &scheme, auth.as_ref()),
            read => {
                self.queue(connection).push_back(Pending::Read(cause, xid, read));
                self.advance(connection);
            }
        }
    }

    /// As in ZooKeeper, this takes no turn: what is asked next is asked with the new credentials.
    fn authenticate(&mut self, cause: EventId, connection: ConnectionId, xid: i32, scheme: &str, auth: Option<&Bytes>) {
        let state = self.connections.get_mut(&connection).expect("a frame came over it");
        match state.credentials.authenticate(scheme, auth) {
            Ok(()) => self.send(cause, connection, replies::empty(xid, Zxid::ZERO)),
            Err(error) => {
                self.send(cause, connection, replies::error(xid, Zxid::ZERO, error));
                self.close(cause, connection);
            }
        }
    }

    fn queue(&mut self, connection: ConnectionId) -> &mut VecDeque<Pending> {
        &mut self.connections.get_mut(&connection).expect("only called for open connections").queue
    }

    fn submit(&mut self, cause: EventId, connection: ConnectionId, session: u64, xid: i32, kind: Kind, action: Action) {
        let tag = self.tag(connection);
        self.queue(connection).push_back(Pending::Waiting(tag, xid, kind));
        self.effect(cause, Effect::Submit { tag, session, action });
    }

    /// Answers with an error, in turn.
    fn refuse(&mut self, cause: EventId, connection: ConnectionId, xid: i32, error: ErrorCode) {
        let frame = replies::error(xid, self.tree.last_zxid(), error);
        self.queue(connection).push_back(Pending::Done(frame));
        self.advance_because(cause, connection);
    }

    fn advance(&mut self, connection: ConnectionId) {
        self.advance_because(EventId::ROOT, connection);
    }

    /// Answers what is at the head of the queue, until something still waits for the leader. What waited for another request
    /// is caused by that one's end, if it came later than the request itself.
    fn advance_because(&mut self, cause: EventId, connection: ConnectionId) {
        loop {
            let Some(state) = self.connections.get_mut(&connection) else { return };
            if matches!(state.queue.front(), None | Some(Pending::Waiting(..))) {
                return;
            }
            match state.queue.pop_front().expect("checked") {
                Pending::Waiting(..) => unreachable!("checked"),
                Pending::Done(frame) => self.send(cause, connection, frame),
                Pending::Read(asked, xid, request) => self.read(asked.max(cause), connection, xid, request),
            }
        }
    }

    /// A transaction is committed.
    pub(crate) fn deliver(&mut self, cause: EventId, zxid: Zxid, txn: &Txn) -> Applied {
        let applied = self.tree.apply(zxid, txn);
        for change in &applied.changes {
            for fired in self.watches.trigger(change) {
                self.send(cause, fired.watcher, replies::event(fired.kind, &fired.path));
            }
        }
        if txn.origin.member == self.me
            && let Some(connection) = self.tags.remove(&txn.origin.tag)
        {
            self.answer(cause, connection, zxid, txn, &applied);
        }
        if matches!(txn.action, Action::CloseSession { .. })
            && applied.result.is_ok()
            && let Some(connection) = self.by_session.get(&txn.session).copied()
        {
            self.close(cause, connection);
        }
        applied
    }

    fn answer(&mut self, cause: EventId, connection: ConnectionId, zxid: Zxid, txn: &Txn, applied: &Applied) {
        if let Action::CreateSession { timeout_ms } = txn.action {
            return match applied.result {
                Ok(_) => self.open_session(cause, connection, timeout_ms),
                Err(_) => self.close(cause, connection),
            };
        }
        let tag = txn.origin.tag;
        self.complete(cause, connection, tag, |_, xid, kind| replies::write(xid, zxid, kind, &applied.result));
        let lost = |error| matches!(error, ErrorCode::SessionMoved | ErrorCode::SessionExpired);
        if applied.result.as_ref().is_err_and(|failure| lost(failure.error)) {
            self.close(cause, connection);
        }
    }

    /// All that was proposed when the client asked for a sync is delivered.
    pub(crate) fn on_synced(&mut self, cause: EventId, tag: u64) {
        let Some(connection) = self.tags.remove(&tag) else { return };
        self.complete(cause, connection, tag, replies::synced);
    }

    fn complete(
        &mut self,
        cause: EventId,
        connection: ConnectionId,
        tag: u64,
        reply: impl FnOnce(&Tree, i32, &Kind) -> Bytes,
    ) {
        let state = self.connections.get_mut(&connection).expect("a closed connection has no tags");
        let waits = |pending: &&mut Pending| matches!(pending, Pending::Waiting(waiting, ..) if *waiting == tag);
        let pending = state.queue.iter_mut().find(waits).expect("a request waits until it is answered");
        let Pending::Waiting(_, xid, kind) = &*pending else { unreachable!("just found") };
        let frame = reply(&self.tree, *xid, kind);
        *pending = Pending::Done(frame);
        self.advance_because(cause, connection);
    }

    fn read(&mut self, cause: EventId, connection: ConnectionId, xid: i32, request: Request) {
        let zxid = self.tree.last_zxid();
        let frame = match request {
            Request::Ping => replies::empty(xid::PING, zxid),
            Request::SetWatches { relative_zxid, data, exist, child } => {
                self.set_watches(cause, connection, Zxid(relative_zxid as u64), (data, exist, child));
                replies::empty(xid, zxid)
            }
            Request::SetWatches2 { relative_zxid, data, exist, child, persistent, recursive } => {
                self.set_watches(cause, connection, Zxid(relative_zxid as u64), (data, exist, child));
                self.set_persistent_watches(connection, &persistent, &recursive);
                replies::empty(xid, zxid)
            }
            Request::AddWatch { path, mode } => self.add_watch(connection, xid, &path, mode),
            Request::CheckWatches { path, kind } => self.check_watches(connection, xid, &path, kind),
            Request::RemoveWatches { path, kind } => self.remove_watches(connection, xid, &path, kind),
            request => {
                let credentials = &self.connections[&connection].credentials;
                replies::read(&self.tree, &mut self.watches, connection, credentials, xid, &request)
            }
        };
        self.send(cause, connection, frame);
    }
}
