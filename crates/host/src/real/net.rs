//! Real TCP with the same framing as in simulation.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;
use trace::{CloseReason, ConnectFailure, EventId, EventKind, FrameInfo, Name};

use super::Process;
use super::door::Door;
use crate::network::{Labels, ReceiverKind, SenderKind, assert_one_frame};
use crate::{Address, Connection, Frame, FrameReceiver, FrameSender, Framing};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that may wait in front of the socket's own buffer.
const SEND_BUFFER: usize = 1 << 20;
/// How long accepting rests after an error such as "too many open files".
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

static LAST_CONNECTION: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Listener {
    process: Rc<Process>,
    listener: TcpListener,
    framing: Framing,
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
        Ok(Listener { process: process.clone(), listener, framing })
    }

    pub async fn accept(&self) -> Connection {
        loop {
            let accepted = self.listener.accept().await;
            if self.process.is_dead() {
                return std::future::pending().await;
            }
            match accepted {
                Ok((stream, peer)) => {
                    let known = self.process.door.as_ref().and_then(|door| door.who(peer));
                    let peer = known.unwrap_or_else(|| Name::new(&peer.ip().to_string()));
                    return open(&self.process, stream, peer, self.framing, false, EventId::ROOT);
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let (Some(door), Ok(socket)) = (&self.process.door, self.listener.local_addr()) {
            door.unlisten(socket);
        }
    }
}

/// Connects to a node of the same world, past its door.
async fn connect_in_world(process: &Process, door: &Door, to: Address) -> Result<TcpStream, ConnectFailure> {
    door.shake_hands(process.name(), to.host).await;
    let address = door.find(to).ok_or(ConnectFailure::Refused)?;
    let opening = async {
        // Bound before it connects, so that the other end can tell who comes.
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        door.announce(socket.local_addr()?, process.name());
        socket.connect(address).await
    };
    opening.await.map_err(|_: io::Error| ConnectFailure::Refused)
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
    let connecting = async {
        if let Some(door) = &process.door {
            return connect_in_world(process, door, to).await;
        }
        let address = resolve(process, to).await?;
        TcpStream::connect(address).await.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => ConnectFailure::TimedOut,
            _ => ConnectFailure::Refused,
        })
    };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    if process.is_dead() {
        return std::future::pending().await;
    }
    match connected.unwrap_or(Err(ConnectFailure::TimedOut)) {
        Ok(stream) => Ok(open(process, stream, to.host, framing, true, cause)),
        Err(reason) => {
            process.emit(cause, EventKind::ConnectFailed { peer: to.host, reason });
            Err(reason)
        }
    }
}

/// What both halves and the writer share.
pub(super) struct Shared {
    process: Rc<Process>,
    framing: Framing,
    id: u32,
    peer: Name,
    /// Whether this side connected: it sends requests.
    connector: bool,
    unknown_api: Name,
    state: RefCell<State>,
    /// Something is to be written, or nothing ever again.
    work: Notify,
    /// There is room again.
    room: Notify,
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
    connector: bool,
    cause: EventId,
) -> Connection {
    let _ = stream.set_nodelay(true); // a socket that is closed already says so when it is used
    let id = LAST_CONNECTION.fetch_add(1, Ordering::Relaxed) + 1;
    let opened = process.emit(cause, EventKind::ConnectionOpened { connection: id, peer });
    let (read, write) = stream.into_split();
    let shared = Rc::new(Shared {
        process: process.clone(),
        framing,
        id,
        peer,
        connector,
        unknown_api: Name::new("unknown"),
        state: RefCell::default(),
        work: Notify::new(),
        room: Notify::new(),
        failed: Notify::new(),
        unacknowledged: Cell::new(None),
        last: Cell::new(opened),
    });
    if let Some(door) = &process.door {
        door.opened(&shared);
    }
    process.spawn_kernel(Box::pin(write_out(shared.clone(), write)));
    let end = Rc::new(End(shared));
    let sender = FrameSender(SenderKind::Real(Sender(end.clone())));
    let receiver = Receiver { end, read, buffer: BytesMut::new() };
    Connection { sender, receiver: FrameReceiver(ReceiverKind::Real(receiver)), peer, id }
}

/// The connection's writer: it alone writes, so that a cancelled send never leaves half a frame.
async fn write_out(shared: Rc<Shared>, mut write: OwnedWriteHalf) {
    loop {
        let next = { shared.state.borrow_mut().queue.pop_front() };
        let written = match next {
            Some((frame, due)) => {
                let written = match shared.admit(due).await {
                    true => write.write_all(&frame).await,
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

    /// Whether this is the end that connected.
    pub fn connected(&self) -> bool {
        self.connector
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
    }
}

/// The process's hold on the connection: the last one to go closes it.
struct End(Rc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.report(CloseReason::Closed);
        self.0.close();
    }
}

#[derive(Clone)]
pub(crate) struct Sender(Rc<End>);

impl Sender {
    pub async fn send(&self, cause: EventId, frame: Bytes) -> Result<EventId, CloseReason> {
        let shared = &*self.0.0;
        assert_one_frame(&shared.framing, &frame);
        loop {
            if shared.process.is_dead() {
                return std::future::pending().await;
            }
            let room = shared.room.notified();
            match shared.ready()? {
                true => break,
                false => room.await,
            }
        }
        let sent = shared.emit(cause, EventKind::FrameSent(shared.info(&frame, !shared.connector)));
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
    end: Rc<End>,
    read: OwnedReadHalf,
    buffer: BytesMut,
}

impl Receiver {
    pub fn last_event(&self) -> EventId {
        self.end.0.last.get()
    }

    pub async fn next(&mut self) -> Result<Frame, CloseReason> {
        loop {
            let shared = &*self.end.0;
            if shared.process.is_dead() {
                return std::future::pending().await;
            }
            match whole_frame(&shared.framing, &self.buffer) {
                Ok(Some(length)) => {
                    let bytes = self.buffer.split_to(length).freeze();
                    let info = shared.info(&bytes, shared.connector);
                    let cause = shared.emit(EventId::ROOT, EventKind::FrameDelivered(info));
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
            let read = tokio::select! {
                biased;
                read = self.read.read_buf(&mut self.buffer) => read,
                () = failed => {
                    let broken = shared.state.borrow().broken;
                    return Err(shared.report(broken.unwrap_or(CloseReason::Reset)));
                }
            };
            let ended = match read {
                Ok(0) => CloseReason::PeerClosed,
                Ok(_) => continue,
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
