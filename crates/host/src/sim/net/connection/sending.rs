//! The sending kernel: transmits, repeats, and gives up.

use std::rc::Rc;

use bytes::Bytes;
use trace::{CloseReason, EventId, EventKind, FrameInfo};

use super::super::super::heap::Action;
use super::super::super::world::Inner;
use super::super::link::retransmission_timeout;
use super::super::{Timer, What};
use super::pipe::{Flight, Pipe};
use super::{Connection, State};

impl Connection {
    /// Hands a frame to the kernel of `side`.
    pub(super) fn enqueue(
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

    pub(super) fn info(&self, world: &Rc<Inner>, state: &mut State, side: usize, frame: &Bytes) -> FrameInfo {
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

    /// Transmits what may be transmitted.
    pub(super) fn pump(self: &Rc<Self>, world: &Rc<Inner>, state: &mut State, sender: usize) {
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
    pub(super) fn lose(
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
    pub(super) fn report_held(&self, world: &Rc<Inner>, pipe: &mut Pipe, sender: usize, first: usize) {
        let Some((fault, true)) = pipe.swallowed_by else { return };
        for flight in pipe.frames.range_mut(first..).filter(|flight| !flight.reported) {
            flight.reported = true;
            if let Some((_, info)) = &flight.frame {
                world.record(self.name(sender), fault, EventKind::FrameHeld(*info));
            }
        }
    }

    pub(super) fn arm(self: &Rc<Self>, world: &Rc<Inner>, pipe: &mut Pipe, sender: usize, at: Option<u64>) {
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

    pub(super) fn acknowledged(&self, state: &mut State, sender: usize) {
        state.pipes[sender].acknowledge();
        state.ends[sender].wake_senders();
    }

    /// What has not arrived never will.
    pub(super) fn drop_frames(&self, world: &Rc<Inner>, state: &mut State, sender: usize, cause: EventId) {
        let pipe = &mut state.pipes[sender];
        pipe.rewind();
        self.drop_waiting(world, pipe, sender, cause);
    }

    /// What was not transmitted never will be.
    pub(super) fn drop_waiting(&self, world: &Rc<Inner>, pipe: &mut Pipe, sender: usize, cause: EventId) {
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
}
