//! One connection: two kernels, two pipes.
//!
//! Side 0 connected, side 1 accepted; the pipe of a side carries what it sends. A frame in the pipe is acknowledged, delivered
//! but not acknowledged, in flight, or waiting: `base <= delivered <= transmitted <= base + frames`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use trace::{CloseReason, EventId, EventKind, FrameInfo, Name};

use super::super::heap::{Action, Key};
use super::super::node::Process;
use super::super::world::Inner;
use super::link::{Link, retransmission_timeout};
use super::{Timer, What};
use crate::network::{Labels, ReceiverKind, SenderKind, assert_one_frame};
use crate::{Frame, FrameReceiver, FrameSender, Framing};

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

/// What one side sends.
struct Pipe {
    frames: VecDeque<Flight>,
    /// The place of `frames[0]`.
    base: u64,
    delivered: u64,
    transmitted: u64,
    /// Counts losses: what was in flight before one does not arrive.
    generation: u32,
    buffered_bytes: usize,
    /// Transmitted and not acknowledged.
    unacknowledged_bytes: usize,
    /// TCP keeps order: nothing arrives before this.
    last_arrival: u64,
    /// A transmission was lost and must be repeated before anything else is sent.
    lost: bool,
    /// The window is full.
    blocked: bool,
    backoff: u32,
    unacknowledged_since: Option<u64>,
    timer: Option<Key>,
    /// What swallowed the last transmission or acknowledgement, and whether it is a fault.
    swallowed_by: Option<(EventId, bool)>,
    /// The hold rule that something in here waits for.
    held_by: Option<EventId>,
}

/// A frame on its way, or the FIN.
struct Flight {
    frame: Option<(Bytes, FrameInfo)>,
    /// Its `FrameSent`; of a FIN, the close.
    sent: EventId,
    /// The hold rule that caught it.
    held: Option<EventId>,
    /// `FrameHeld` was recorded.
    reported: bool,
}

impl Flight {
    fn size(&self) -> usize {
        self.frame.as_ref().map_or(0, |(bytes, _)| bytes.len())
    }
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

impl Pipe {
    fn new() -> Pipe {
        Pipe {
            frames: VecDeque::new(),
            base: 0,
            delivered: 0,
            transmitted: 0,
            generation: 0,
            buffered_bytes: 0,
            unacknowledged_bytes: 0,
            last_arrival: 0,
            lost: false,
            blocked: false,
            backoff: 0,
            unacknowledged_since: None,
            timer: None,
            swallowed_by: None,
            held_by: None,
        }
    }

    fn index_of(&self, place: u64) -> usize {
        (place - self.base) as usize
    }

    /// Forgets the transmissions in flight: they must be repeated.
    fn rewind(&mut self) {
        let lost = self.index_of(self.delivered)..self.index_of(self.transmitted);
        let bytes: usize = self.frames.range(lost).map(Flight::size).sum();
        self.unacknowledged_bytes -= bytes;
        self.transmitted = self.delivered;
        self.generation += 1;
    }

    /// Takes out what was delivered.
    fn acknowledge(&mut self) {
        while self.base < self.delivered {
            let size = self.frames.pop_front().expect("delivered frames are in the pipe").size();
            self.buffered_bytes -= size;
            self.unacknowledged_bytes -= size;
            self.base += 1;
        }
        self.backoff = 0;
        self.unacknowledged_since = None;
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
        [0, 1].map(|side| End(Rc::new(Handle { connection: connection.clone(), side })))
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

    // ---- the sending kernel

    /// Transmits what may be transmitted.
    fn pump(self: &Rc<Self>, world: &Rc<Inner>, state: &mut State, sender: usize) {
        let window = world.options.socket_buffer;
        loop {
            let queued = state.ends[1 - sender].queued_bytes;
            let pipe = &mut state.pipes[sender];
            let index = pipe.index_of(pipe.transmitted);
            let Some(flight) = pipe.frames.get(index) else { return };
            if pipe.lost {
                return self.report_held(world, pipe, sender, index);
            }
            if flight.held.is_some() {
                return;
            }
            if pipe.unacknowledged_bytes + queued >= window && flight.frame.is_some() {
                pipe.blocked = true;
                return;
            }
            let (now, size) = (world.heap.now(), flight.size());
            match self.sides[sender].link.frame(&world.net, now, size) {
                Ok(at) => {
                    let at = at.max(pipe.last_arrival);
                    pipe.last_arrival = at;
                    let (place, generation) = (pipe.transmitted, pipe.generation);
                    pipe.transmitted += 1;
                    pipe.unacknowledged_bytes += size;
                    let what = What::Arrive { connection: self.clone(), sender, place, generation };
                    world.heap.insert(at, Action::Net(Timer(what)));
                }
                Err(lost) => {
                    self.lose(world, state, sender, (lost.by, true), lost.retry_at);
                    return;
                }
            }
        }
    }

    /// What is in flight, and the next frame, do not arrive: they are repeated later.
    fn lose(
        self: &Rc<Self>,
        world: &Rc<Inner>,
        state: &mut State,
        sender: usize,
        by: (EventId, bool),
        retry_at: Option<u64>,
    ) {
        let pipe = &mut state.pipes[sender];
        pipe.rewind();
        pipe.lost = true;
        pipe.swallowed_by = Some(by);
        if state.ends[sender].gone.is_some() {
            return self.drop_frames(world, state, sender, by.0); // nobody will repeat it
        }
        let first = pipe.index_of(pipe.delivered);
        self.report_held(world, pipe, sender, first);
        self.arm(world, pipe, sender, retry_at);
    }

    /// Records which frames a fault keeps back, from `first` on.
    fn report_held(&self, world: &Rc<Inner>, pipe: &mut Pipe, sender: usize, first: usize) {
        let Some((fault, true)) = pipe.swallowed_by else { return };
        for flight in pipe.frames.range_mut(first..).filter(|flight| !flight.reported) {
            flight.reported = true;
            if let Some((_, info)) = &flight.frame {
                world.record(self.name(sender), fault, EventKind::FrameHeld(*info));
            }
        }
    }

    fn arm(self: &Rc<Self>, world: &Rc<Inner>, pipe: &mut Pipe, sender: usize, at: Option<u64>) {
        let now = world.heap.now();
        pipe.unacknowledged_since.get_or_insert(now);
        if pipe.timer.is_none() {
            let at = at.unwrap_or(now + retransmission_timeout(pipe.backoff));
            let what = What::Retransmit { connection: self.clone(), sender };
            pipe.timer = Some(world.heap.insert(at, Action::Net(Timer(what))));
        }
    }

    pub fn retransmit(self: &Rc<Self>, world: &Rc<Inner>, sender: usize) {
        let state = &mut *self.state.borrow_mut();
        let pipe = &mut state.pipes[sender];
        pipe.timer = None;
        if state.ends[sender].gone.is_some() {
            return;
        }
        let since = pipe.unacknowledged_since.unwrap_or(u64::MAX);
        if world.heap.now().saturating_sub(since) >= world.options.user_timeout_ns {
            let cause = pipe.swallowed_by.map_or(state.ends[sender].last, |(by, _)| by);
            self.break_end(world, state, sender, CloseReason::TimedOut, cause);
            return self.collect(world, state);
        }
        pipe.backoff += 1;
        pipe.lost = false;
        if pipe.base < pipe.delivered {
            // It arrived, its acknowledgement did not: a repetition draws another one.
            let cut = self.sides[sender].link.cut(&world.net).or_else(|| self.sides[1 - sender].link.cut(&world.net));
            match cut {
                Some(cut) => {
                    pipe.swallowed_by = Some((cut, true));
                    self.arm(world, pipe, sender, None);
                }
                None => self.acknowledged(state, sender),
            }
        }
        self.pump(world, state, sender);
        self.collect(world, state);
    }

    fn acknowledged(&self, state: &mut State, sender: usize) {
        state.pipes[sender].acknowledge();
        state.ends[sender].wake_senders();
    }

    /// What has not arrived never will.
    fn drop_frames(&self, world: &Rc<Inner>, state: &mut State, sender: usize, cause: EventId) {
        let pipe = &mut state.pipes[sender];
        pipe.rewind();
        self.drop_waiting(world, pipe, sender, cause);
    }

    /// What was not transmitted never will be.
    fn drop_waiting(&self, world: &Rc<Inner>, pipe: &mut Pipe, sender: usize, cause: EventId) {
        let index = pipe.index_of(pipe.transmitted);
        for flight in pipe.frames.split_off(index) {
            pipe.buffered_bytes -= flight.size();
            if let Some((_, info)) = flight.frame {
                world.record(self.name(sender), cause, EventKind::FrameDropped(info));
            }
        }
        pipe.held_by = None;
        if let Some(key) = pipe.timer.take() {
            world.heap.cancel(key);
        }
    }

    // ---- the receiving kernel

    pub fn arrive(self: &Rc<Self>, world: &Rc<Inner>, sender: usize, place: u64, generation: u32) {
        let state = &mut *self.state.borrow_mut();
        if state.pipes[sender].generation != generation {
            return;
        }
        assert_eq!(place, state.pipes[sender].delivered, "frames arrive in order");
        if let Some(cut) = self.sides[sender].link.cut(&world.net) {
            self.lose(world, state, sender, (cut, true), None);
            return self.collect(world, state);
        }
        let machine = &self.sides[1 - sender].process.node;
        if !machine.powered.get() {
            self.lose(world, state, sender, (machine.stopped.get(), false), None);
            return self.collect(world, state);
        }
        let (end, pipe) = (&mut state.ends[1 - sender], &mut state.pipes[sender]);
        let index = pipe.index_of(pipe.delivered);
        let flight = &pipe.frames[index];
        let unwanted = end.closed.filter(|_| flight.frame.is_some());
        if let Some(cause) = end.gone.or(unwanted) {
            self.lose(world, state, sender, (cause, false), None);
            self.send_reset(world, state, sender, cause);
            return self.collect(world, state);
        }
        match &flight.frame {
            Some((bytes, info)) => {
                end.queued_bytes += bytes.len();
                end.queue.push_back(Arrived { bytes: bytes.clone(), info: *info, sent: flight.sent });
            }
            None => end.finished = Some(flight.sent),
        }
        end.wake_receiver();
        pipe.delivered += 1;
        match self.sides[1 - sender].link.cut(&world.net) {
            Some(cut) => {
                pipe.swallowed_by = Some((cut, true));
                if state.ends[sender].gone.is_none() {
                    self.arm(world, pipe, sender, None);
                }
            }
            None => {
                self.acknowledged(state, sender);
                let pipe = &mut state.pipes[sender];
                if let Some(key) = pipe.timer.take_if(|_| !pipe.lost) {
                    world.heap.cancel(key);
                }
                if std::mem::take(&mut pipe.blocked) {
                    self.pump(world, state, sender);
                }
            }
        }
        self.collect(world, state);
    }

    pub fn window_opened(self: &Rc<Self>, world: &Rc<Inner>, sender: usize) {
        let state = &mut *self.state.borrow_mut();
        if self.sides[1 - sender].link.cut(&world.net).is_some() {
            let at = world.heap.now() + retransmission_timeout(0); // the sender's window probe asks again
            let what = What::Window { connection: self.clone(), sender };
            world.heap.insert(at, Action::Net(Timer(what)));
            return;
        }
        if state.ends[sender].gone.is_none() {
            self.pump(world, state, sender);
        }
    }

    /// The kernel of side `1 - to` answers with RST.
    fn send_reset(self: &Rc<Self>, world: &Rc<Inner>, state: &State, to: usize, cause: EventId) {
        if let Ok(at) = self.sides[1 - to].link.segment(&world.net, world.heap.now()) {
            let at = at.max(state.pipes[1 - to].last_arrival);
            let what = What::Reset { connection: self.clone(), to, cause };
            world.heap.insert(at, Action::Net(Timer(what)));
        }
    }

    pub fn reset_arrives(self: &Rc<Self>, world: &Rc<Inner>, to: usize, cause: EventId) {
        let state = &mut *self.state.borrow_mut();
        let reachable = self.sides[to].process.node.powered.get();
        if reachable && self.sides[1 - to].link.cut(&world.net).is_none() && state.ends[to].gone.is_none() {
            self.break_end(world, state, to, CloseReason::Reset, cause);
            self.collect(world, state);
        }
    }

    // ---- ends

    /// The connection ends under the process at `side`.
    fn break_end(&self, world: &Rc<Inner>, state: &mut State, side: usize, reason: CloseReason, cause: EventId) {
        let end = &mut state.ends[side];
        end.broken = Some((reason, cause));
        end.gone = Some(cause);
        end.wake_receiver();
        end.wake_senders();
        self.drop_frames(world, state, side, cause);
    }

    /// Ends both sides at once; tells whether there was a connection to end.
    pub fn break_both(&self, world: &Rc<Inner>, reason: CloseReason, cause: EventId) -> bool {
        let state = &mut *self.state.borrow_mut();
        let mut any = false;
        for side in [0, 1] {
            if state.ends[side].gone.is_none() {
                self.break_end(world, state, side, reason, cause);
                any |= state.ends[side].closed.is_none();
            }
        }
        self.collect(world, state);
        any
    }

    fn report(
        &self,
        world: &Rc<Inner>,
        state: &mut State,
        side: usize,
        reason: CloseReason,
        cause: EventId,
    ) -> EventId {
        let end = &mut state.ends[side];
        if !std::mem::replace(&mut end.reported, true) {
            let closed = EventKind::ConnectionClosed { connection: self.id, peer: self.name(1 - side), reason };
            end.last = world.record(self.name(side), cause, closed);
        }
        state.ends[side].last
    }

    /// The process has closed both halves, or died (`closed` says so): its kernel takes leave.
    fn take_leave(self: &Rc<Self>, world: &Rc<Inner>, state: &mut State, side: usize, closed: EventId) {
        let end = &mut state.ends[side];
        end.closed = Some(closed);
        end.queued_bytes = 0;
        end.receiver = None;
        end.senders.clear();
        let unread = std::mem::take(&mut end.queue);
        for arrived in &unread {
            world.record(self.name(1 - side), closed, EventKind::FrameDropped(arrived.info));
        }
        if state.ends[side].gone.is_some() {
            return;
        }
        if unread.is_empty() {
            self.send_fin(world, state, side, closed);
        } else {
            // RFC 2525 2.17: data that nobody will read is answered with RST, not FIN.
            state.ends[side].gone = Some(closed);
            self.drop_waiting(world, &mut state.pipes[side], side, closed);
            self.send_reset(world, state, 1 - side, closed);
        }
    }

    fn send_fin(self: &Rc<Self>, world: &Rc<Inner>, state: &mut State, side: usize, cause: EventId) {
        if !std::mem::replace(&mut state.ends[side].fin, true) {
            let flight = Flight { frame: None, sent: cause, held: None, reported: true };
            state.pipes[side].frames.push_back(flight);
            self.pump(world, state, side);
        }
    }

    pub fn process_died(self: &Rc<Self>, process: &Rc<Process>, stopped: EventId, power_loss: bool) {
        let world = &process.world;
        let state = &mut *self.state.borrow_mut();
        for side in [0, 1] {
            if !Rc::ptr_eq(&self.sides[side].process, process) || state.ends[side].closed.is_some() {
                continue;
            }
            self.report(world, state, side, CloseReason::Died, stopped);
            if power_loss {
                self.forget(world, state, side, stopped);
            }
            self.take_leave(world, state, side, stopped);
        }
        self.collect(world, state);
    }

    pub fn machine_died(self: &Rc<Self>, world: &Rc<Inner>, name: Name, stopped: EventId) {
        let state = &mut *self.state.borrow_mut();
        for side in [0, 1] {
            if self.name(side) == name && state.ends[side].gone.is_none() {
                self.forget(world, state, side, stopped);
            }
        }
        self.collect(world, state);
    }

    /// The kernel forgets the connection without a word. What is in flight may still arrive.
    fn forget(&self, world: &Rc<Inner>, state: &mut State, side: usize, cause: EventId) {
        if state.ends[side].gone.is_none() {
            state.ends[side].gone = Some(cause);
            self.drop_waiting(world, &mut state.pipes[side], side, cause);
        }
    }

    /// Lets go on what waits for `fault`.
    pub fn release(self: &Rc<Self>, world: &Rc<Inner>, fault: EventId) {
        let state = &mut *self.state.borrow_mut();
        for sender in [0, 1] {
            let pipe = &mut state.pipes[sender];
            for flight in pipe.frames.iter_mut().filter(|flight| flight.held == Some(fault)) {
                flight.held = None;
            }
            if pipe.held_by == Some(fault) {
                pipe.held_by = pipe.frames.iter().find_map(|flight| flight.held);
                self.pump(world, state, sender);
            }
        }
    }

    /// Forgets a connection that both processes have left and both kernels are done with.
    fn collect(&self, world: &Rc<Inner>, state: &State) {
        let done = |side: usize| {
            let (end, pipe) = (&state.ends[side], &state.pipes[side]);
            end.closed.is_some() && (end.gone.is_some() || pipe.frames.is_empty())
        };
        if done(0) && done(1) {
            world.net.connections.borrow_mut().remove(&self.id);
        }
    }
}

/// A process's hold on its end of a connection. When the last clone is dropped, the end is closed.
#[derive(Clone)]
pub(crate) struct End(Rc<Handle>);

struct Handle {
    connection: Rc<Connection>,
    side: usize,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let (connection, side) = (&self.connection, self.side);
        let process = &connection.sides[side].process;
        if process.is_dead() {
            return;
        }
        let world = &process.world;
        let state = &mut *connection.state.borrow_mut();
        let last = state.ends[side].last;
        let closed = connection.report(world, state, side, CloseReason::Closed, last);
        connection.take_leave(world, state, side, closed);
        connection.collect(world, state);
    }
}

impl End {
    pub fn into_connection(self) -> crate::Connection {
        let Handle { connection, side } = &*self.0;
        crate::Connection {
            peer: connection.name(1 - side),
            id: connection.id,
            sender: FrameSender(SenderKind::Simulated(self.clone())),
            receiver: FrameReceiver(ReceiverKind::Simulated(self.clone())),
        }
    }

    pub async fn send(&self, cause: EventId, frame: Bytes) -> Result<EventId, CloseReason> {
        assert_one_frame(&self.0.connection.sides[self.0.side].framing, &frame);
        poll_fn(|cx| self.poll_send(cause, &frame, cx)).await
    }

    fn poll_send(&self, cause: EventId, frame: &Bytes, cx: &Context<'_>) -> Poll<Result<EventId, CloseReason>> {
        let Handle { connection, side } = &*self.0;
        let (side, process) = (*side, &connection.sides[*side].process);
        if process.is_dead() {
            return Poll::Pending;
        }
        let world = &process.world;
        let state = &mut *connection.state.borrow_mut();
        let end = &mut state.ends[side];
        if let Some((reason, cause)) = end.broken {
            connection.report(world, state, side, reason, cause);
            return Poll::Ready(Err(reason));
        }
        if end.fin {
            return Poll::Ready(Err(CloseReason::Closed));
        }
        if state.pipes[side].buffered_bytes >= world.options.socket_buffer {
            if !end.senders.iter().any(|waker| waker.will_wake(cx.waker())) {
                end.senders.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(Ok(connection.enqueue(world, state, side, cause, frame.clone())))
    }

    pub fn close(&self) {
        let Handle { connection, side } = &*self.0;
        let process = &connection.sides[*side].process;
        if !process.is_dead() {
            let state = &mut *connection.state.borrow_mut();
            if state.ends[*side].gone.is_none() {
                let cause = state.ends[*side].last;
                connection.send_fin(&process.world, state, *side, cause);
            }
        }
    }

    pub async fn next(&mut self) -> Result<Frame, CloseReason> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&self, cx: &Context<'_>) -> Poll<Result<Frame, CloseReason>> {
        let Handle { connection, side } = &*self.0;
        let (side, process) = (*side, &connection.sides[*side].process);
        if process.is_dead() {
            return Poll::Pending;
        }
        let world = &process.world;
        let state = &mut *connection.state.borrow_mut();
        let end = &mut state.ends[side];
        if let Some(Arrived { bytes, info, sent }) = end.queue.pop_front() {
            end.queued_bytes -= bytes.len();
            let info = FrameInfo { peer: connection.name(1 - side), ..info };
            let cause = world.record(process.node.name, sent, EventKind::FrameDelivered(info));
            end.last = cause;
            connection.taken(world, state, 1 - side);
            return Poll::Ready(Ok(Frame { bytes, cause }));
        }
        let ended = end.broken.or(end.finished.map(|cause| (CloseReason::PeerClosed, cause)));
        if let Some((reason, cause)) = ended {
            connection.report(world, state, side, reason, cause);
            return Poll::Ready(Err(reason));
        }
        end.receiver = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Connection {
    /// Hands a frame to the kernel of `side`.
    fn enqueue(
        self: &Rc<Self>,
        world: &Rc<Inner>,
        state: &mut State,
        side: usize,
        cause: EventId,
        frame: Bytes,
    ) -> EventId {
        let name = self.name(side);
        let info = self.info(world, state, side, &frame);
        let sent = world.record(name, cause, EventKind::FrameSent(info));
        state.ends[side].last = sent;
        let caught = world.net.caught(name, &info);
        let pipe = &mut state.pipes[side];
        pipe.held_by = pipe.held_by.or(caught);
        if let Some(fault) = pipe.held_by {
            world.record(name, fault, EventKind::FrameHeld(info));
        }
        pipe.buffered_bytes += frame.len();
        let reported = pipe.held_by.is_some();
        pipe.frames.push_back(Flight { frame: Some((frame, info)), sent, held: caught, reported });
        self.pump(world, state, side);
        sent
    }

    fn info(&self, world: &Rc<Inner>, state: &mut State, side: usize, frame: &Bytes) -> FrameInfo {
        let framing = &self.sides[side].framing;
        let response = side == 1;
        let label = state.labels.label(framing, frame, response);
        FrameInfo {
            connection: self.id,
            peer: self.name(1 - side),
            api: label.api.unwrap_or(world.net.unknown_api),
            correlation: label.correlation,
            bytes: u32::try_from(frame.len()).expect("frames are under 4 GiB"),
            protocol: framing.protocol,
            response,
        }
    }

    /// The receiving process took a frame that `sender` sent: a closed window may open.
    fn taken(self: &Rc<Self>, world: &Rc<Inner>, state: &mut State, sender: usize) {
        let receiver = &state.ends[1 - sender];
        let pipe = &mut state.pipes[sender];
        // Half of it at once: a window update per frame would be the silly window syndrome (RFC 813).
        let room = receiver.queue.is_empty()
            || pipe.unacknowledged_bytes + receiver.queued_bytes < world.options.socket_buffer / 2;
        if pipe.blocked && room {
            pipe.blocked = false;
            let now = world.heap.now();
            let at = self.sides[1 - sender].link.segment(&world.net, now);
            let at = at.unwrap_or(now + retransmission_timeout(0));
            let what = What::Window { connection: self.clone(), sender };
            world.heap.insert(at, Action::Net(Timer(what)));
        }
    }
}
