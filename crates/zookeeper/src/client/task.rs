//! The task that keeps a client's session: connects, reconnects, pings, sends calls and takes frames.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use host::{Address, Connection, FrameReceiver, Time};
use rand::RngExt;
use trace::{EventId, EventKind, Name, ZnodeChange};
use wire::jute::{self, ConnectRequest, ConnectResponse, Request, xid};

use super::calls::{Received, SessionState};
use super::{ClientEvent, Shared, ZkError};
use crate::framing;
use crate::outbox::Outbox;
use crate::types::WatchKind;

/// Pause between two attempts to connect, drawn anew each time so that clients do not come in step.
const PAUSE_MS: std::ops::Range<u64> = 20..200;
/// How long a closing client waits for its session's end to be confirmed.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// An established connection.
struct Link {
    outbox: Outbox,
    receiver: FrameReceiver,
    /// The negotiated timeout.
    timeout: Duration,
    heard: Time,
    sent: Time,
}

/// Why a connection is given up.
struct Ended {
    cause: EventId,
    closed: bool,
}

/// Keeps the client's session until it is closed.
pub(super) async fn run(shared: Rc<Shared>) {
    let mut entropy = shared.host.entropy("zookeeper-client");
    let servers = shuffled(&shared.servers, &mut entropy);
    let mut state = SessionState::default();
    let mut cause = shared.host.started();
    for attempt in 0.. {
        if shared.closed.get() {
            break;
        }
        if attempt > 0 {
            shared.host.sleep(Duration::from_millis(entropy.random_range(PAUSE_MS))).await;
        }
        let server = servers[attempt % servers.len()];
        match establish(&shared, &mut state, server, cause).await {
            Ok(mut link) => {
                let ended = serve(&shared, &mut state, &mut link).await;
                link.outbox.abort();
                state.lose_connection();
                cause = ended.cause;
                if ended.closed {
                    break;
                }
                shared.tell(ClientEvent::Disconnected { cause });
            }
            Err(failed) => cause = failed,
        }
    }
    shared.closed.set(true);
    shared.calls.borrow_mut().drain(..).for_each(|call| call.fail(ZkError::Closed));
    shared.ended.set(true);
    shared.over.notify_one();
}

fn shuffled(servers: &[Address], entropy: &mut host::Entropy) -> Vec<Address> {
    let mut servers = servers.to_vec();
    for last in (1..servers.len()).rev() {
        servers.swap(last, entropy.random_range(0..=last));
    }
    servers
}

/// Connects and gets a session, the old one if it lives. Otherwise the cause of the failure.
async fn establish(
    shared: &Rc<Shared>,
    state: &mut SessionState,
    server: Address,
    cause: EventId,
) -> Result<Link, EventId> {
    let host = &shared.host;
    let patience = Duration::from_millis(u64::from(shared.timeout_ms) / shared.servers.len() as u64);
    let patience = patience.max(Duration::from_millis(500));
    let connecting = host.timeout(patience, host.connect(server, framing::client(), cause));
    let Ok(Ok(Connection { sender, mut receiver, peer, .. })) = connecting.await else { return Err(cause) };
    let request = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: state.last_zxid as i64,
        timeout: shared.timeout_ms as i32,
        session_id: state.id as i64,
        password: if state.id == 0 { Bytes::from_static(&[0; 16]) } else { state.password.clone() },
        read_only: Some(false),
    };
    let sent = sender.send(cause, request.encode()).await.map_err(|_| cause)?;
    let answer = host.timeout(patience, receiver.next()).await;
    let frame = match answer {
        Ok(Ok(frame)) => frame,
        Ok(Err(_)) => return Err(receiver.last_event()),
        Err(_) => return Err(sent),
    };
    let response = ConnectResponse::decode(frame.bytes).map_err(|_| frame.cause)?;
    let timeout = u64::try_from(response.timeout).unwrap_or(0);
    if timeout == 0 || response.session_id == 0 {
        expire(shared, state, frame.cause);
        return Err(frame.cause);
    }
    let outbox = Outbox::new(host, sender, sent);
    let now = host.now();
    greet(shared, state, &response, peer, frame.cause);
    if let Some(watches) = state.set_watches() {
        outbox.send(frame.cause, watches);
    }
    Ok(Link { outbox, receiver, timeout: Duration::from_millis(timeout), heard: now, sent: now })
}

fn greet(shared: &Shared, state: &mut SessionState, response: &ConnectResponse, member: Name, cause: EventId) {
    let session = response.session_id as u64;
    let new = state.id != session;
    state.id = session;
    state.password = response.password.clone();
    shared.session.set(session);
    let cause = shared.host.emit(cause, EventKind::SessionEstablished { session, member });
    shared.tell(ClientEvent::Connected { session, new, cause });
}

/// The ensemble does not know the session any more.
fn expire(shared: &Shared, state: &mut SessionState, cause: EventId) {
    let session = std::mem::take(state).id;
    if session == 0 {
        return;
    }
    let cause = shared.host.emit(cause, EventKind::SessionLost { session });
    shared.calls.borrow_mut().drain(..).for_each(|call| call.fail(ZkError::SessionExpired));
    shared.tell(ClientEvent::SessionExpired { session, cause });
}

/// What a connected client waits for.
enum Next {
    Frame(Result<host::Frame, host::CloseReason>),
    Work,
    Time,
}

async fn serve(shared: &Rc<Shared>, state: &mut SessionState, link: &mut Link) -> Ended {
    let host = shared.host.clone();
    let mut closing = None;
    loop {
        send_calls(shared, state, link);
        if shared.closed.get() && closing.is_none() {
            closing = Some(host.now() + CLOSE_WAIT);
            let cause = link.outbox.last_sent();
            link.outbox.send(cause, jute::encode_request(i32::MAX, &Request::CloseSession));
        }
        let deadline = (link.sent + link.timeout / 3).min(link.heard + link.timeout * 2 / 3);
        let next = tokio::select! {
            biased;
            frame = link.receiver.next() => Next::Frame(frame),
            () = shared.work.notified(), if closing.is_none() => Next::Work,
            () = host.sleep_until(closing.unwrap_or(deadline)) => Next::Time,
        };
        match next {
            Next::Work => {}
            Next::Frame(Ok(frame)) => {
                link.heard = host.now();
                if receive(shared, state, &frame).is_err() {
                    return Ended { cause: frame.cause, closed: closing.is_some() };
                }
            }
            Next::Frame(Err(_)) => return Ended { cause: link.receiver.last_event(), closed: closing.is_some() },
            Next::Time if closing.is_some() => return Ended { cause: link.outbox.last_sent(), closed: true },
            Next::Time => {
                let now = host.now();
                if now >= link.heard + link.timeout * 2 / 3 {
                    return Ended { cause: link.outbox.last_sent(), closed: false };
                }
                link.outbox.send(link.outbox.last_sent(), jute::encode_request(xid::PING, &Request::Ping));
                link.sent = now;
            }
        }
    }
}

fn send_calls(shared: &Shared, state: &mut SessionState, link: &mut Link) {
    loop {
        let call = shared.calls.borrow_mut().pop_front();
        let Some(call) = call else { return };
        if shared.closed.get() {
            call.fail(ZkError::Closed);
            continue;
        }
        let cause = call.cause;
        link.outbox.send(cause, state.begin(call));
        link.sent = shared.host.now();
    }
}

fn receive(shared: &Shared, state: &mut SessionState, frame: &host::Frame) -> Result<(), ()> {
    let before = state.last_zxid;
    let received = state.receive(frame.bytes.clone(), frame.cause).map_err(|_| ())?;
    let session = state.id;
    if state.last_zxid != before {
        shared.host.emit(frame.cause, EventKind::SessionView { session, zxid: state.last_zxid });
    }
    if let Received::Fired(path, kind) = received {
        let change = match kind {
            WatchKind::Created => ZnodeChange::Created,
            WatchKind::Deleted => ZnodeChange::Deleted,
            WatchKind::DataChanged | WatchKind::ChildrenChanged => ZnodeChange::DataChanged,
        };
        let fired = EventKind::WatchFired { session, path: Name::new(&path), change };
        let cause = shared.host.emit(frame.cause, fired);
        shared.tell(ClientEvent::Watch { path, kind, cause });
    }
    Ok(())
}
