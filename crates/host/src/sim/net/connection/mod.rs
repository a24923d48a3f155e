//! One connection: two kernels, two pipes.
//!
//! Side 0 connected, side 1 accepted; the pipe of a side carries what it sends.

mod end;
mod ending;
mod pipe;
mod receiving;
mod sending;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use bytes::Bytes;
use trace::{CloseReason, EventId, EventKind, FrameInfo, Name};

use super::super::node::Process;
use super::super::world::Inner;
use super::link::Link;
use crate::Framing;
use crate::network::Labels;
pub(crate) use end::End;
use pipe::Pipe;

pub(super) struct Connection {
    id: u32,
    sides: [Side; 2],
    state: RefCell<State>,
}

/// What never changes of a side.
struct Side {
    process: Rc<Process>,
    framing: Framing,
    /// Where what it sends goes.
    link: Rc<Link>,
}

struct State {
    ends: [EndState; 2],
    pipes: [Pipe; 2],
    labels: Labels,
}

/// One end, as its kernel and its process see it.
struct EndState {
    /// The last event here that concerns this connection: the cause of a close, which has none of its own.
    last: EventId,
    /// The process closed it or died.
    closed: Option<EventId>,
    /// A FIN was sent or waits to be.
    fin: bool,
    /// A FIN arrived.
    finished: Option<EventId>,
    /// It ended under the process.
    broken: Option<(CloseReason, EventId)>,
    /// The kernel knows nothing of this connection any more, since this event.
    gone: Option<EventId>,
    /// `ConnectionClosed` was recorded.
    reported: bool,
    queue: VecDeque<Arrived>,
    queued_bytes: usize,
    receiver: Option<Waker>,
    senders: Vec<Waker>,
}

struct Arrived {
    bytes: Bytes,
    info: FrameInfo,
    sent: EventId,
}

impl EndState {
    fn new(opened: EventId) -> EndState {
        EndState {
            last: opened,
            closed: None,
            fin: false,
            finished: None,
            broken: None,
            gone: None,
            reported: false,
            queue: VecDeque::new(),
            queued_bytes: 0,
            receiver: None,
            senders: Vec::new(),
        }
    }

    fn wake_senders(&mut self) {
        for waker in self.senders.drain(..) {
            waker.wake();
        }
    }

    fn wake_receiver(&mut self) {
        if let Some(waker) = self.receiver.take() {
            waker.wake();
        }
    }
}

impl Connection {
    /// Establishes a connection and returns both processes' handles.
    pub fn open(
        world: &Rc<Inner>,
        [(near, near_framing), (far, far_framing)]: [(Rc<Process>, Framing); 2],
        [forward, back]: [Rc<Link>; 2],
        cause: EventId,
    ) -> [End; 2] {
        let id = world.net.last_connection.get() + 1;
        world.net.last_connection.set(id);
        let opened = |here: Name, peer: Name, cause: EventId| {
            world.record(here, cause, EventKind::ConnectionOpened { connection: id, peer })
        };
        let (near_name, far_name) = (near.node.name, far.node.name);
        let near_opened = opened(near_name, far_name, cause);
        let far_opened = opened(far_name, near_name, near_opened);
        let state = State {
            ends: [EndState::new(near_opened), EndState::new(far_opened)],
            pipes: [Pipe::new(), Pipe::new()],
            labels: Labels::default(),
        };
        let sides = [
            Side { process: near, framing: near_framing, link: forward },
            Side { process: far, framing: far_framing, link: back },
        ];
        let connection = Rc::new(Connection { id, sides, state: RefCell::new(state) });
        world.net.connections.borrow_mut().insert(id, connection.clone());
        [0, 1].map(|side| End::new(connection.clone(), side))
    }

    pub fn names(&self) -> [Name; 2] {
        [self.name(0), self.name(1)]
    }

    fn name(&self, side: usize) -> Name {
        self.sides[side].process.node.name
    }

    /// Drops wakers: they hold tasks.
    pub fn clear(&self) {
        let mut state = self.state.borrow_mut();
        for end in &mut state.ends {
            end.receiver = None;
            end.senders.clear();
        }
    }
}
