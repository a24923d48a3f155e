//! The receiving kernel: delivers, acknowledges, and answers with RST.

use std::rc::Rc;

use trace::{CloseReason, EventId};

use super::super::super::heap::Action;
use super::super::super::world::Inner;
use super::super::link::retransmission_timeout;
use super::super::{Timer, What};
use super::{Arrived, Connection, State};

impl Connection {
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

    /// The receiving process took a frame that `sender` sent: a closed window may open.
    pub(super) fn taken(self: &Rc<Self>, world: &Rc<Inner>, state: &mut State, sender: usize) {
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
    pub(super) fn send_reset(self: &Rc<Self>, world: &Rc<Inner>, state: &State, to: usize, cause: EventId) {
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
}
