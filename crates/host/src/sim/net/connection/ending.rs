//! How connections end: FIN, RST, timeouts, and deaths of processes and machines.

use std::rc::Rc;

use trace::{CloseReason, EventId, EventKind, Name};

use super::super::super::node::Process;
use super::super::super::world::Inner;
use super::pipe::Flight;
use super::{Connection, State};

impl Connection {
    /// The connection ends under the process at `side`.
    pub(super) fn break_end(
        &self,
        world: &Rc<Inner>,
        state: &mut State,
        side: usize,
        reason: CloseReason,
        cause: EventId,
    ) {
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

    pub(super) fn report(
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
    pub(super) fn take_leave(self: &Rc<Self>, world: &Rc<Inner>, state: &mut State, side: usize, closed: EventId) {
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

    pub(super) fn send_fin(self: &Rc<Self>, world: &Rc<Inner>, state: &mut State, side: usize, cause: EventId) {
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
    pub(super) fn forget(&self, world: &Rc<Inner>, state: &mut State, side: usize, cause: EventId) {
        if state.ends[side].gone.is_none() {
            state.ends[side].gone = Some(cause);
            self.drop_waiting(world, &mut state.pipes[side], side, cause);
        }
    }

    /// Forgets a connection that both processes have left and both kernels are done with.
    pub(super) fn collect(&self, world: &Rc<Inner>, state: &State) {
        let done = |side: usize| {
            let (end, pipe) = (&state.ends[side], &state.pipes[side]);
            end.closed.is_some() && (end.gone.is_some() || pipe.frames.is_empty())
        };
        if done(0) && done(1) {
            world.net.connections.borrow_mut().remove(&self.id);
        }
    }
}
