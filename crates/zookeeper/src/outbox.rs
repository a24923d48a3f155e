//! Sending without waiting: a queue and a task that empties it into a connection.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use host::{FrameSender, Host, Task};
use tokio::sync::{Notify, mpsc};
use trace::EventId;

/// A connection's sending half. Dropping it sends what is queued, and then closes.
pub(crate) struct Outbox {
    queue: mpsc::UnboundedSender<(EventId, Bytes)>,
    last_sent: Rc<Cell<EventId>>,
    waiting: Rc<Cell<usize>>,
    cut: Rc<Notify>,
    task: Task,
}

impl Outbox {
    /// Starts the task. `opened` is what to name as the last thing sent until something is.
    pub(crate) fn new(host: &Host, sender: FrameSender, opened: EventId) -> Outbox {
        let (queue, mut queued) = mpsc::unbounded_channel::<(EventId, Bytes)>();
        let last_sent = Rc::new(Cell::new(opened));
        let waiting = Rc::new(Cell::new(0));
        let cut = Rc::new(Notify::new());
        let (sent, left, end) = (Rc::clone(&last_sent), Rc::clone(&waiting), Rc::clone(&cut));
        let task = host.spawn("outbox", async move {
            while let Some((cause, frame)) = queued.recv().await {
                left.set(left.get() - frame.len());
                let taken = tokio::select! {
                    biased;
                    () = end.notified() => break,
                    taken = sender.send(cause, frame) => taken,
                };
                match taken {
                    Ok(id) => sent.set(id),
                    // The receiving half learns of it too.
                    Err(_) => return,
                }
            }
            sender.close();
        });
        Outbox { queue, last_sent, waiting, cut, task }
    }

    /// Queues a frame.
    pub(crate) fn send(&self, cause: EventId, frame: Bytes) {
        self.waiting.set(self.waiting.get() + frame.len());
        // An error means that the connection is gone; its receiving half says so.
        let _ = self.queue.send((cause, frame));
    }

    /// The `FrameSent` event of the last frame the kernel took: what a timeout waits for.
    pub(crate) fn last_sent(&self) -> EventId {
        self.last_sent.get()
    }

    /// Bytes that wait until the other side takes what was sent before.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Closes behind what the kernel has, without what is queued.
    pub(crate) fn cut(self) {
        self.cut.notify_one();
    }

    /// Ends without sending what is queued. The connection closes with its receiving half.
    pub(crate) fn abort(self) {
        self.task.cancel();
    }
}
