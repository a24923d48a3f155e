//! A process's end of a connection.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use trace::{CloseReason, EventId, EventKind, FrameInfo};

use super::{Arrived, Connection};
use crate::network::{ReceiverKind, SenderKind, assert_one_frame};
use crate::{Frame, FrameReceiver, FrameSender};

/// A process's hold on its end of a connection. When the last clone is dropped, the end is closed.
#[derive(Clone)]
pub(crate) struct End(Rc<Handle>);

struct Handle {
    connection: Rc<Connection>,
    side: usize,
}

impl End {
    pub(super) fn new(connection: Rc<Connection>, side: usize) -> End {
        End(Rc::new(Handle { connection, side }))
    }
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

    pub fn last_event(&self) -> EventId {
        let Handle { connection, side } = &*self.0;
        connection.state.borrow().ends[*side].last
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
