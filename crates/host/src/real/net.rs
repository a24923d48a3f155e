//! Real TCP with the same framing as in simulation.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;
use trace::{CloseReason, ConnectFailure, EventId, EventKind, FrameInfo, Name, Protocol};

use super::Process;
use super::door::Door;
use super::limits::{LINGER, SEND_BUFFER, Slot, Slots};
use super::wires::{Hold, next_connection};
use crate::network::{Labels, ReceiverKind, SenderKind, assert_one_frame};
use crate::{Address, Connection, Frame, FrameReceiver, FrameSender, Framing};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting rests after an error such as "too many open files".
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Listener {
    process: Rc<Process>,
    listener: TcpListener,
    framing: Framing,
    slots: Slots,
}

impl Listener {
    pub async fn bind(process: &Rc<Process>, port: u16, framing: Framing) -> io::Result<Listener> {
        let own = Address { host: process.options.name, port };
        let address = process.options.addresses.get(&own).copied();
        let mut address = address.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        if let Some(door) = &process.door {
            if door.find(own).is_some() {
                return Err(crate::network::in_use(port));
            }
            address.set_port(0);
        }
        let listener = TcpListener::bind(address).await?;
        if let Some(door) = &process.door {
            door.listen(own, listener.local_addr()?);
        }
        Ok(Listener { process: process.clone(), listener, framing, slots: Slots::default() })
    }

    pub async fn accept(&self) -> Connection {
        loop {
            let accepted = self.listener.accept().await;
            if self.process.is_dead() {
                return std::future::pending().await;
            }
            match accepted {
                Ok((stream, peer)) => {
                    // One too many is closed by dropping it.
                    if let Some(slot) = self.slots.take(self.process.options.limits.connections) {
                        return self.accepted(stream, peer, slot);
                    }
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn accepted(&self, stream: TcpStream, peer: SocketAddr, slot: Slot) -> Connection {
        let process = &self.process;
        let recorder = process.options.recorder.as_ref();
        let wire = recorder.zip(stream.local_addr().ok()).and_then(|(recorder, own)| recorder.wires().find(peer, own));
        let (peer, cause) = match &wire {
            Some(hold) => (hold.wire.connector, hold.wire.cause),
            None => (Name::new(&peer.ip().to_canonical().to_string()), EventId::ROOT),
        };
        let clients = self.framing.protocol != Protocol::Quorum;
        let accepted = Accepted { idle: clients.then_some(process.options.limits.idle), _slot: slot };
        open(process, stream, peer, self.framing, End { wire, accepted: Some(accepted) }, cause)
    }
}

/// What an accepted connection is allowed.
struct Accepted {
    /// After how long without a byte it is closed.
    idle: Option<Duration>,
    _slot: Slot,
}

/// Which end of a connection this is.
struct End {
    /// Shared with the other end, where that is in this process.
    wire: Option<Hold>,
    /// None if this end connected.
    accepted: Option<Accepted>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let (Some(door), Ok(socket)) = (&self.process.door, self.listener.local_addr()) {
            door.unlisten(socket);
        }
    }
}

/// Connects to a node of the same world, past its door.
async fn connect_in_world(
    process: &Process,
    door: &Door,
    to: Address,
    cause: EventId,
) -> Result<Opened, ConnectFailure> {
    door.shake_hands(process.name(), to.host).await;
    let address = door.find(to).ok_or(ConnectFailure::Refused)?;
    connect_to(process, address, cause).await.map_err(|_| ConnectFailure::Refused)
}

async fn resolve(process: &Process, to: Address) -> Result<SocketAddr, ConnectFailure> {
    if let Some(address) = process.options.addresses.get(&to) {
        return Ok(*address);
    }
    let found = tokio::net::lookup_host((to.host.as_str(), to.port)).await;
    found.ok().and_then(|mut addresses| addresses.next()).ok_or(ConnectFailure::Unknown)
}

pub(super) async fn connect(
    process: &Rc<Process>,
    to: Address,
    framing: Framing,
    cause: EventId,
) -> Result<Connection, ConnectFailure> {
    // A node is known by its name, also where it is reached by its address.
    let mut peer = to.host;
    let connecting = async {
        if let Some(door) = &process.door {
            return connect_in_world(process, door, to, cause).await;
        }
        let address = resolve(process, to).await?;
        peer = process.names.get(&address).copied().unwrap_or(to.host);
        let connected = connect_to(process, address, cause).await;
        connected.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => ConnectFailure::TimedOut,
            _ => ConnectFailure::Refused,
        })
    };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    if process.is_dead() {
        return std::future::pending().await;
    }
    match connected.unwrap_or(Err(ConnectFailure::TimedOut)) {
        Ok((stream, wire)) => Ok(open(process, stream, peer, framing, End { wire, accepted: None }, cause)),
        Err(reason) => {
            process.emit(cause, EventKind::ConnectFailed { peer, reason });
            Err(reason)
        }
    }
}

/// A connection that was opened, and what its other end in this process will know it by.
type Opened = (TcpStream, Option<Hold>);

/// Connects, with the own port known before, so that the other end can tell who comes.
async fn connect_to(process: &Process, address: SocketAddr, cause: EventId) -> io::Result<Opened> {
    let (socket, any) = match address {
        SocketAddr::V4(_) => (TcpSocket::new_v4()?, IpAddr::from(Ipv4Addr::UNSPECIFIED)),
        SocketAddr::V6(_) => (TcpSocket::new_v6()?, IpAddr::from(Ipv6Addr::UNSPECIFIED)),
    };
    let mut wire = None;
    if let Some(recorder) = &process.options.recorder {
        socket.bind(SocketAddr::new(any, 0))?;
        let own = socket.local_addr()?.port();
        wire = Some(recorder.wires().open(own, address.port(), process.options.name, cause));
    }
    let stream = socket.connect(address).await?;
    // Where nobody listens, a socket that happens to have that very port would connect to itself.
    if stream.local_addr()? == address { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok((stream, wire)) }
}

/// What both halves and the writer share.
pub(super) struct Shared {
    process: Rc<Process>,
    framing: Framing,
    id: u32,
    peer: Name,
    end: End,
    unknown_api: Name,
    state: RefCell<State>,
    /// Something is to be written, or nothing ever again.
    work: Notify,
    /// There is room again.
    room: Notify,
    /// It was closed.
    closed: Notify,
    /// How long what was sent before may then wait.
    linger: Cell<Duration>,
    /// When a byte came or went last.
    active: Cell<Instant>,
    /// It was broken from outside.
    failed: Notify,
    /// Since when what was sent is not acknowledged, as far as the world's door knows.
    unacknowledged: Cell<Option<Instant>>,
    last: Cell<EventId>,
}

#[derive(Default)]
struct State {
    /// Frames, and when each may go where its link is slow.
    queue: VecDeque<(Bytes, Option<Instant>)>,
    queued_bytes: usize,
    /// FIN after the queue.
    closing: bool,
    broken: Option<CloseReason>,
    reported: bool,
    labels: Labels,
}

fn open(
    process: &Rc<Process>,
    stream: TcpStream,
    peer: Name,
    framing: Framing,
    end: End,
    cause: EventId,
) -> Connection {
    let _ = stream.set_nodelay(true); // a socket that is closed already says so when it is used
    let id = end.wire.as_ref().map_or_else(next_connection, |hold| hold.wire.connection);
    let opened = process.emit(cause, EventKind::ConnectionOpened { connection: id, peer });
    let (read, write) = stream.into_split();
    let shared = Rc::new(Shared {
        process: process.clone(),
        framing,
        id,
        peer,
        end,
        unknown_api: Name::new("unknown"),
        state: RefCell::default(),
        work: Notify::new(),
        room: Notify::new(),
        closed: Notify::new(),
        linger: Cell::new(LINGER),
        active: Cell::new(Instant::now()),
        failed: Notify::new(),
        unacknowledged: Cell::new(None),
        last: Cell::new(opened),
    });
    if let Some(door) = &process.door {
        door.opened(&shared);
    }
    process.spawn_kernel(Box::pin(write_out(shared.clone(), write)));
    let held = Rc::new(Held(shared));
    let sender = FrameSender(SenderKind::Real(Sender(held.clone())));
    let receiver = Receiver { held, read, buffer: BytesMut::new() };
    Connection { sender, receiver: FrameReceiver(ReceiverKind::Real(receiver)), peer, id }
}

/// The connection's writer: it alone writes, so that a cancelled send never leaves half a frame.
async fn write_out(shared: Rc<Shared>, write: OwnedWriteHalf) {
    let given_up = async {
        shared.closed.notified().await;
        if shared.process.door.is_some() {
            // Behind a cut link it waits for as long as that is cut.
            return std::future::pending().await;
        }
        tokio::time::sleep(shared.linger.get()).await;
    };
    tokio::select! {
        biased;
        () = write_queued(&shared, write) => {}
        () = given_up => {}
    }
}

async fn write_queued(shared: &Shared, mut write: OwnedWriteHalf) {
    loop {
        let next = { shared.state.borrow_mut().queue.pop_front() };
        let written = match next {
            Some((frame, due)) => {
                let written = match shared.admit(due).await {
                    true => shared.write(&mut write, &frame).await,
                    false => Err(io::ErrorKind::TimedOut.into()),
                };
                shared.state.borrow_mut().queued_bytes -= frame.len();
                shared.room.notify_waiters();
                written
            }
            None if shared.is_over() => return shared.let_go().await, // dropping the half sends FIN
            None => tokio::select! {
                () = shared.work.notified() => Ok(()),
                () = shared.unacknowledged() => Err(io::ErrorKind::TimedOut.into()),
            },
        };
        if let Err(error) = written {
            shared.fail(shared.last.get(), reason_of(&error));
            return shared.let_go().await;
        }
    }
}

fn reason_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::TimedOut => CloseReason::TimedOut,
        _ => CloseReason::Reset,
    }
}

impl Shared {
    /// Whether this end connected: it sends requests.
    pub fn connector(&self) -> bool {
        self.end.accepted.is_none()
    }

    /// Writes a frame, each part of which is a sign of life.
    async fn write(&self, write: &mut OwnedWriteHalf, frame: &[u8]) -> io::Result<()> {
        let mut rest = frame;
        while !rest.is_empty() {
            match write.write(rest).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => rest = &rest[written..],
            }
            self.active.set(Instant::now());
        }
        Ok(())
    }

    /// Done when an accepted connection has been idle for too long; then it is over, also for what was not written yet.
    async fn idle(&self) -> CloseReason {
        let Some(limit) = self.end.accepted.as_ref().and_then(|accepted| accepted.idle) else {
            return std::future::pending().await;
        };
        loop {
            let left = limit.saturating_sub(self.active.get().elapsed());
            if left.is_zero() {
                self.linger.set(Duration::ZERO);
                return self.report(CloseReason::Closed);
            }
            tokio::time::sleep(left).await;
        }
    }

    fn info(&self, frame: &[u8], response: bool) -> FrameInfo {
        let label = self.state.borrow_mut().labels.label(&self.framing, frame, response);
        FrameInfo {
            connection: self.id,
            peer: self.peer,
            api: label.api.unwrap_or(self.unknown_api),
            correlation: label.correlation,
            bytes: u32::try_from(frame.len()).unwrap_or(u32::MAX),
            protocol: self.framing.protocol,
            response,
        }
    }

    /// Its own node, and the other's.
    pub fn link(&self) -> (Name, Name) {
        (self.process.name(), self.peer)
    }

    pub fn is_of(&self, process: &Process) -> bool {
        std::ptr::eq(&*self.process, process)
    }

    /// Whether its process can still use it.
    pub fn is_open(&self) -> bool {
        let state = self.state.borrow();
        !self.process.is_dead() && state.broken.is_none() && !state.reported
    }

    /// Whether nothing more will be sent.
    fn is_over(&self) -> bool {
        let state = self.state.borrow();
        state.closing || state.broken.is_some()
    }

    /// Breaks the connection because of `cause`.
    pub fn fail(&self, cause: EventId, reason: CloseReason) {
        let mut state = self.state.borrow_mut();
        if state.broken.is_none() {
            state.broken = Some(reason);
            state.queue.clear();
            self.last.set(cause);
            self.failed.notify_one();
            self.room.notify_waiters();
            self.work.notify_one();
        }
    }

    /// When a frame that is sent now may go.
    fn due(&self) -> Option<Instant> {
        self.process.door.as_ref().and_then(|door| door.due(self.link()))
    }

    /// Waits until a frame may go; false if the connection broke meanwhile.
    async fn admit(&self, due: Option<Instant>) -> bool {
        let Some(door) = &self.process.door else { return true };
        let admitted = door.admit(self.link(), due).await;
        door.sent(self.link(), &self.unacknowledged);
        admitted && self.state.borrow().broken.is_none()
    }

    async fn unacknowledged(&self) {
        match &self.process.door {
            Some(door) => door.unacknowledged(self.link(), &self.unacknowledged).await,
            None => std::future::pending().await,
        }
    }

    /// Waits until the other end may learn that this one has closed.
    async fn let_go(&self) {
        if let Some(door) = &self.process.door {
            door.pass(self.link()).await;
        }
    }

    fn emit(&self, cause: EventId, kind: EventKind) -> EventId {
        let id = self.process.emit(cause, kind);
        self.last.set(id);
        id
    }

    fn report(&self, reason: CloseReason) -> CloseReason {
        if !std::mem::replace(&mut self.state.borrow_mut().reported, true) {
            let closed = EventKind::ConnectionClosed { connection: self.id, peer: self.peer, reason };
            self.emit(self.last.get(), closed);
        }
        reason
    }

    /// Whether there is room for a frame.
    fn ready(&self) -> Result<bool, CloseReason> {
        let State { broken, closing, queued_bytes, .. } = *self.state.borrow();
        match broken {
            Some(reason) => Err(self.report(reason)),
            None if closing => Err(CloseReason::Closed),
            None => Ok(queued_bytes < SEND_BUFFER),
        }
    }

    pub fn close(&self) {
        self.state.borrow_mut().closing = true;
        self.work.notify_one();
        self.closed.notify_one();
    }
}

/// The process's hold on the connection: the last one to go closes it.
struct Held(Rc<Shared>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.report(CloseReason::Closed);
        self.0.close();
    }
}

#[derive(Clone)]
pub(crate) struct Sender(Rc<Held>);

impl Sender {
    pub async fn send(&self, cause: EventId, frame: Bytes) -> Result<EventId, CloseReason> {
        let shared = &*self.0.0;
        assert_one_frame(&shared.framing, &frame);
        loop {
            if shared.process.is_dead() {
                return std::future::pending().await;
            }
            let room = shared.room.notified();
            if shared.ready()? {
                break;
            }
            tokio::select! {
                biased;
                () = room => {}
                ended = shared.idle() => return Err(ended),
            }
        }
        let sent = shared.emit(cause, EventKind::FrameSent(shared.info(&frame, !shared.connector())));
        if let Some(hold) = &shared.end.wire {
            hold.wire.sent(shared.connector(), sent);
        }
        let mut state = shared.state.borrow_mut();
        state.queued_bytes += frame.len();
        state.queue.push_back((frame, shared.due()));
        shared.work.notify_one();
        Ok(sent)
    }

    pub fn close(&self) {
        self.0.0.close();
    }
}

pub(crate) struct Receiver {
    held: Rc<Held>,
    read: OwnedReadHalf,
    buffer: BytesMut,
}

impl Receiver {
    pub fn last_event(&self) -> EventId {
        self.held.0.last.get()
    }

    pub async fn next(&mut self) -> Result<Frame, CloseReason> {
        loop {
            let shared = &*self.held.0;
            if shared.process.is_dead() {
                return std::future::pending().await;
            }
            match whole_frame(&shared.framing, &self.buffer) {
                Ok(Some(length)) => {
                    let bytes = self.buffer.split_to(length).freeze();
                    let sent = shared.end.wire.as_ref().map(|hold| hold.wire.arrived(!shared.connector()));
                    let info = shared.info(&bytes, shared.connector());
                    let cause = shared.emit(sent.unwrap_or(EventId::ROOT), EventKind::FrameDelivered(info));
                    return Ok(Frame { bytes, cause });
                }
                Ok(None) => {}
                Err(reason) => return Err(shared.report(reason)),
            }
            let failed = async {
                if shared.state.borrow().broken.is_none() {
                    shared.failed.notified().await;
                }
            };
            let read = {
                let reading = pin!(self.read.read_buf(&mut self.buffer));
                tokio::select! {
                    biased;
                    read = reading => read,
                    ended = shared.idle() => return Err(ended),
                    () = failed => {
                        let broken = shared.state.borrow().broken;
                        return Err(shared.report(broken.unwrap_or(CloseReason::Reset)));
                    }
                }
            };
            let ended = match read {
                Ok(0) => CloseReason::PeerClosed,
                Ok(_) => {
                    shared.active.set(Instant::now());
                    continue;
                }
                Err(error) => reason_of(&error),
            };
            if shared.process.is_dead() {
                return std::future::pending().await;
            }
            return Err(shared.report(ended));
        }
    }
}

/// The length of the frame that begins the buffer, once it is whole.
fn whole_frame(framing: &Framing, buffer: &[u8]) -> Result<Option<usize>, CloseReason> {
    match (framing.length)(buffer) {
        Ok(Some(length)) if length > framing.maximum || length == 0 => Err(CloseReason::BadFrame),
        Ok(Some(length)) => Ok((buffer.len() >= length).then_some(length)),
        Ok(None) if buffer.len() > framing.maximum => Err(CloseReason::BadFrame),
        Ok(None) => Ok(None),
        Err(_) => Err(CloseReason::BadFrame),
    }
}
