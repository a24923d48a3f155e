//! A node's tasks: each poll is guarded, so that a panic is a finding and the dead never run.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use madsim::task::JoinHandle;

use super::node::Process;
use crate::LocalBoxFuture;
use crate::panic::{catch, catch_poll};

thread_local! {
    /// The process whose task is being polled: madsim spawns onto the node of the current task.
    static CURRENT: RefCell<Option<Rc<Process>>> = const { RefCell::new(None) };
}

/// Whether a task of `process` is being polled.
pub(super) fn is_current(process: &Rc<Process>) -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| Rc::ptr_eq(current, process)))
}

/// The future of a task.
pub(super) struct Guarded {
    process: Rc<Process>,
    future: Option<LocalBoxFuture<()>>,
}

impl Guarded {
    pub fn new(process: Rc<Process>, future: LocalBoxFuture<()>) -> Guarded {
        Guarded { process, future: Some(future) }
    }
}

impl Future for Guarded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let process = self.process.clone();
        let Some(future) = self.future.as_mut().filter(|_| !process.is_dead()) else {
            return Poll::Pending;
        };
        let outer = CURRENT.replace(Some(process.clone()));
        let result = catch_poll(future.as_mut(), cx);
        CURRENT.set(outer);
        match result {
            Ok(Poll::Ready(())) if !process.is_dead() => Poll::Ready(()),
            Ok(_) => Poll::Pending,
            Err(message) => {
                process.panicked(&message);
                Poll::Pending
            }
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let future = self.future.take();
        if let Err(message) = catch(|| drop(future)) {
            self.process.panicked(&message);
        }
    }
}

/// A task that can be cancelled.
pub(crate) struct SimTask(pub(super) TaskState);

pub(super) enum TaskState {
    Running(JoinHandle<()>),
    /// Spawned from outside of its node; the node's root task starts it.
    Waiting(Rc<RefCell<Option<LocalBoxFuture<()>>>>, Rc<RefCell<Option<JoinHandle<()>>>>),
    /// Its process was dead already.
    Never,
}

impl SimTask {
    pub fn cancel(&self) {
        match &self.0 {
            TaskState::Running(handle) => handle.abort(),
            TaskState::Waiting(future, handle) => {
                let waiting = future.take();
                drop(waiting);
                if let Some(handle) = &*handle.borrow() {
                    handle.abort();
                }
            }
            TaskState::Never => {}
        }
    }
}
