//! Listening, and the three-way handshake as far as processes can tell.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use trace::{ConnectFailure, EventId, EventKind};

use super::super::heap::{Action, Key};
use super::super::node::{Node, Process};
use super::super::world::Inner;
use super::connection::{Connection as Established, End};
use super::link::Link;
use super::{Timer, What};
use crate::network::in_use;
use crate::{Address, Connection, Framing};

/// A SYN is repeated so long after the first one (Linux doubles from one second) ...
const SYN_REPEATS: [u64; 3] = [1_000_000_000, 3_000_000_000, 7_000_000_000];
/// ... until the connecting process gets its timeout.
const SYN_TIMEOUT: u64 = 10_000_000_000;
/// Connections that wait for accept; a SYN that finds no room is dropped.
const BACKLOG: usize = 1024;

/// A port that a process listens on, as the kernel sees it.
pub(crate) struct Listening {
    process: Rc<Process>,
    port: u16,
    framing: Framing,
    waiting: RefCell<VecDeque<End>>,
    acceptor: RefCell<Option<Waker>>,
}

/// The process's side of [`Listening`].
pub(crate) struct Listener(Rc<Listening>);

impl Listener {
    pub fn new(process: &Rc<Process>, port: u16, framing: Framing) -> io::Result<Listener> {
        let mut listeners = process.node.listeners.borrow_mut();
        if listeners.contains_key(&port) {
            return Err(in_use(port));
        }
        let listening = Rc::new(Listening {
            process: process.clone(),
            port,
            framing,
            waiting: RefCell::default(),
            acceptor: RefCell::default(),
        });
        listeners.insert(port, listening.clone());
        Ok(Listener(listening))
    }

    pub async fn accept(&self) -> Connection {
        poll_fn(|cx| {
            if !self.0.process.is_dead() {
                if let Some(end) = self.0.waiting.borrow_mut().pop_front() {
                    return Poll::Ready(end.into_connection());
                }
                self.0.acceptor.replace(Some(cx.waker().clone()));
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if !self.0.process.is_dead() {
            self.0.process.node.listeners.borrow_mut().remove(&self.0.port);
        }
        let waiting = self.0.waiting.take();
        drop((waiting, self.0.acceptor.take()));
    }
}

/// One attempt to connect.
pub(super) struct Attempt {
    process: Rc<Process>,
    node: Rc<Node>,
    to: Address,
    framing: Framing,
    cause: EventId,
    forward: Rc<Link>,
    back: Rc<Link>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    result: Option<Result<End, ConnectFailure>>,
    waker: Option<Waker>,
    /// Nobody waits for an answer any more.
    over: bool,
    /// What swallowed the last SYN or its answer.
    swallowed_by: Option<EventId>,
    timers: Vec<Key>,
}

/// What the heap does for an attempt.
pub(super) struct Step(Rc<Attempt>, Stage);

enum Stage {
    /// The kernel sends a SYN.
    Syn,
    /// It reaches the other kernel.
    SynArrives,
    /// The answer is back: SYN-ACK, or RST.
    Answered {
        accepted: bool,
    },
    TimedOut,
}

pub(super) fn step(world: &Rc<Inner>, Step(attempt, stage): Step) {
    if attempt.process.is_dead() || attempt.state.borrow().over {
        return;
    }
    match stage {
        Stage::Syn => attempt.send_syn(world),
        Stage::SynArrives => attempt.syn_arrives(world),
        Stage::Answered { accepted } => attempt.answered(world, accepted),
        Stage::TimedOut => attempt.finish(world, Err(ConnectFailure::TimedOut)),
    }
}

impl Attempt {
    fn later(self: &Rc<Self>, world: &Rc<Inner>, at: u64, stage: Stage) -> Key {
        world.heap.insert(at, Action::Net(Timer(What::Connect(Step(self.clone(), stage)))))
    }

    fn send_syn(self: &Rc<Self>, world: &Rc<Inner>) {
        match self.forward.segment(&world.net, world.heap.now()) {
            Ok(at) => drop(self.later(world, at, Stage::SynArrives)),
            Err(lost) => self.swallowed(lost.by),
        }
    }

    fn swallowed(&self, by: EventId) {
        self.state.borrow_mut().swallowed_by = Some(by);
    }

    fn syn_arrives(self: &Rc<Self>, world: &Rc<Inner>) {
        if let Some(cut) = self.forward.cut(&world.net) {
            return self.swallowed(cut);
        }
        if !self.node.powered.get() {
            return self.swallowed(self.node.stopped.get());
        }
        let listeners = self.node.listeners.borrow();
        let accepted = match listeners.get(&self.to.port) {
            Some(listening) if listening.waiting.borrow().len() >= BACKLOG => return,
            listening => listening.is_some(),
        };
        match self.back.segment(&world.net, world.heap.now()) {
            Ok(at) => drop(self.later(world, at, Stage::Answered { accepted })),
            Err(lost) => self.swallowed(lost.by),
        }
    }

    fn answered(self: &Rc<Self>, world: &Rc<Inner>, accepted: bool) {
        if let Some(cut) = self.back.cut(&world.net) {
            return self.swallowed(cut);
        }
        let listening = self.node.listeners.borrow().get(&self.to.port).filter(|_| accepted).cloned();
        let Some(listening) = listening else {
            return self.finish(world, Err(ConnectFailure::Refused));
        };
        let sides = [(self.process.clone(), self.framing), (listening.process.clone(), listening.framing)];
        let links = [self.forward.clone(), self.back.clone()];
        let [near, far] = Established::open(world, sides, links, self.cause);
        listening.waiting.borrow_mut().push_back(far);
        if let Some(acceptor) = listening.acceptor.take() {
            acceptor.wake();
        }
        self.finish(world, Ok(near));
    }

    fn finish(&self, world: &Rc<Inner>, result: Result<End, ConnectFailure>) {
        if let Err(reason) = result {
            let state = self.state.borrow();
            let down = Some(self.node.stopped.get()).filter(|_| !self.node.is_up());
            let cause = match reason {
                ConnectFailure::TimedOut => state.swallowed_by,
                ConnectFailure::Refused | ConnectFailure::Unknown => down.filter(|stopped| *stopped != EventId::ROOT),
            };
            let failed = EventKind::ConnectFailed { peer: self.to.host, reason };
            world.record(self.process.node.name, cause.unwrap_or(self.cause), failed);
        }
        let mut state = self.state.borrow_mut();
        state.over = true;
        state.result = Some(result);
        for key in state.timers.drain(..) {
            world.heap.cancel(key);
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

/// Ends an attempt whose future is dropped.
struct Waiting(Rc<Attempt>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        state.over = true;
        for key in state.timers.drain(..) {
            self.0.process.world.heap.cancel(key);
        }
        let (result, waker) = (state.result.take(), state.waker.take());
        drop(state);
        drop((result, waker)); // an established connection that nobody wants is closed here
    }
}

pub(crate) async fn connect(
    process: &Rc<Process>,
    to: Address,
    framing: Framing,
    cause: EventId,
) -> Result<Connection, ConnectFailure> {
    if process.is_dead() {
        return std::future::pending().await;
    }
    let world = &process.world;
    let here = process.node.name;
    let Some(node) = world.find(to.host) else {
        let reason = ConnectFailure::Unknown;
        process.emit(cause, EventKind::ConnectFailed { peer: to.host, reason });
        return Err(reason);
    };
    let attempt = Rc::new(Attempt {
        process: process.clone(),
        node,
        to,
        framing,
        cause,
        forward: world.net.link(here, to.host),
        back: world.net.link(to.host, here),
        state: RefCell::default(),
    });
    let now = world.heap.now();
    let mut timers = vec![attempt.later(world, now + SYN_TIMEOUT, Stage::TimedOut)];
    timers.extend(SYN_REPEATS.map(|after| attempt.later(world, now + after, Stage::Syn)));
    attempt.state.borrow_mut().timers = timers;
    attempt.send_syn(world);
    let waiting = Waiting(attempt);
    poll_fn(|cx| {
        let attempt = &waiting.0;
        let mut state = attempt.state.borrow_mut();
        if attempt.process.is_dead() {
            return Poll::Pending;
        }
        match state.result.take() {
            Some(result) => Poll::Ready(result.map(End::into_connection)),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}
