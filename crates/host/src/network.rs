//! Connections that carry whole frames.

use std::collections::VecDeque;
use std::fmt;
use std::io;

use bytes::Bytes;
use trace::{CloseReason, EventId, Name, Protocol};

use crate::real;
use crate::sim::net as simulated;

/// Where to connect to. In simulation `host` is a node's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    /// The machine.
    pub host: Name,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Port `port` of `host`.
    pub fn new(host: impl Into<Name>, port: u16) -> Address {
        Address { host: host.into(), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What a connection's bytes mean: where frames end, and what they are called in a trace.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    /// The protocol.
    pub protocol: Protocol,
    /// The largest frame accepted, in bytes with its prefix; more is a [`CloseReason::BadFrame`].
    pub maximum: usize,
    /// The whole length, prefix included, of the frame that begins the buffered bytes; `None` while too few are there to tell.
    /// It may be larger than what is buffered.
    pub length: fn(&[u8]) -> Result<Option<usize>, BadFrame>,
    /// What a whole frame is; the flag tells whether it flows from the connecting to the accepting side (a request).
    pub describe: fn(&[u8], bool) -> Label,
}

/// Bytes that are no frame of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a frame of this protocol")]
pub struct BadFrame;

/// What a trace calls a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label {
    /// The API. A response may leave it out: the network fills in its request's, found by the correlation id.
    pub api: Option<Name>,
    /// The correlation id (Kafka), xid (ZooKeeper), or 0.
    pub correlation: i32,
}

/// A frame that has arrived.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The frame with its prefix.
    pub bytes: Bytes,
    /// Its `FrameDelivered` event: the cause of what is done with it.
    pub cause: EventId,
}

/// Accepts connections on one port. Dropping it stops listening.
pub struct Listener(pub(crate) ListenerKind);

pub(crate) enum ListenerKind {
    Simulated(simulated::Listener),
    Real(real::Listener),
}

impl Listener {
    /// The next connection. Cancel-safe.
    pub async fn accept(&self) -> Connection {
        match &self.0 {
            ListenerKind::Simulated(listener) => listener.accept().await,
            ListenerKind::Real(listener) => listener.accept().await,
        }
    }
}

/// An open connection. Dropping both halves closes it.
pub struct Connection {
    /// Sends frames.
    pub sender: FrameSender,
    /// Receives frames.
    pub receiver: FrameReceiver,
    /// The other side's node (on real sockets, of an accepted connection, its IP address).
    pub peer: Name,
    /// Its number, unique in the run.
    pub id: u32,
}

/// The sending half of a connection.
#[derive(Clone)]
pub struct FrameSender(pub(crate) SenderKind);

#[derive(Clone)]
pub(crate) enum SenderKind {
    Simulated(simulated::End),
    Real(real::Sender),
}

impl FrameSender {
    /// Sends exactly one frame and returns its `FrameSent` event. Waits while the send buffer is full. When this returns, the
    /// kernel has the frame; whether it arrives nobody knows.
    ///
    /// Several senders may wait at once; whoever is first when there is room again goes first. Cancelling before it returns
    /// sends nothing.
    ///
    /// # Errors
    /// Why the connection has ended.
    ///
    /// # Panics
    /// If `frame` is not exactly one frame of the connection's [`Framing`]: a bug of the sender.
    pub async fn send(&self, cause: EventId, frame: Bytes) -> Result<EventId, CloseReason> {
        match &self.0 {
            SenderKind::Simulated(end) => end.send(cause, frame).await,
            SenderKind::Real(sender) => sender.send(cause, frame).await,
        }
    }

    /// Sends FIN after what was sent. Nothing can be sent afterwards; receiving goes on.
    pub fn close(&self) {
        match &self.0 {
            SenderKind::Simulated(end) => end.close(),
            SenderKind::Real(sender) => sender.close(),
        }
    }
}

/// The receiving half of a connection.
pub struct FrameReceiver(pub(crate) ReceiverKind);

pub(crate) enum ReceiverKind {
    Simulated(simulated::End),
    Real(real::Receiver),
}

impl FrameReceiver {
    /// The next frame. Cancel-safe.
    ///
    /// # Errors
    /// Why no further frame comes, after all that had arrived were returned.
    pub async fn next(&mut self) -> Result<Frame, CloseReason> {
        match &mut self.0 {
            ReceiverKind::Simulated(end) => end.next().await,
            ReceiverKind::Real(receiver) => receiver.next().await,
        }
    }

    /// The last event here that concerned this connection: after [`FrameReceiver::next`] failed, its `ConnectionClosed`.
    pub fn last_event(&self) -> EventId {
        match &self.0 {
            ReceiverKind::Simulated(end) => end.last_event(),
            ReceiverKind::Real(receiver) => receiver.last_event(),
        }
    }
}

/// Requests remembered to name their responses.
const MOST_PENDING: usize = 4096;

/// Names a connection's frames for the trace.
#[derive(Default)]
pub(crate) struct Labels {
    /// Correlation ids and APIs of requests that wait for their response, in order.
    pending: VecDeque<(i32, Name)>,
}

impl Labels {
    /// The label of a frame; a response's API is its request's unless its protocol says one.
    pub fn label(&mut self, framing: &Framing, frame: &[u8], response: bool) -> Label {
        let Label { mut api, correlation } = (framing.describe)(frame, !response);
        if response {
            let request = self.pending.iter().position(|(pending, _)| *pending == correlation);
            let request = request.and_then(|index| self.pending.remove(index));
            api = api.or(request.map(|(_, api)| api));
        } else if let Some(api) = api {
            if self.pending.len() == MOST_PENDING {
                self.pending.pop_front(); // requests that are never answered, such as produce with acks=0
            }
            self.pending.push_back((correlation, api));
        }
        Label { api, correlation }
    }
}

/// Refuses what is not exactly one frame: found where it is sent, not where it confuses the receiver.
pub(crate) fn assert_one_frame(framing: &Framing, frame: &[u8]) {
    let length = (framing.length)(frame);
    assert!(length == Ok(Some(frame.len())), "sent {} bytes that are not exactly one frame: {length:?}", frame.len());
    assert!(
        frame.len() <= framing.maximum,
        "sent a frame of {} bytes, over the maximum {}",
        frame.len(),
        framing.maximum
    );
}

pub(crate) fn in_use(port: u16) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, format!("port {port} is in use"))
}
