//! The handle.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use trace::{ConnectFailure, EventId, EventKind, Name};

use crate::{Address, Connection, Disk, Elapsed, Entropy, Framing, Listener, Time, real, sim};

/// All that a process may touch. Cheap to clone, bound to its thread.
///
/// A handle belongs to one incarnation of its node. Once that process has died, no call has an observable effect, also not from
/// a `Drop`: futures stay pending, disk operations fail, nothing is sent, spawned or recorded.
#[derive(Clone)]
pub struct Host(Kind);

#[derive(Clone)]
enum Kind {
    Simulated(sim::SimHost),
    Real(real::RealHost),
}

macro_rules! on_host {
    ($self:ident, $host:ident => $call:expr) => {
        match &$self.0 {
            Kind::Simulated($host) => $call,
            Kind::Real($host) => $call,
        }
    };
}

impl Host {
    pub(crate) fn simulated(host: sim::SimHost) -> Host {
        Host(Kind::Simulated(host))
    }

    pub(crate) fn real(host: real::RealHost) -> Host {
        Host(Kind::Real(host))
    }

    /// The node's name, such as `broker-1`.
    pub fn name(&self) -> Name {
        on_host!(self, host => host.name())
    }

    /// How often the node was started before.
    pub fn incarnation(&self) -> u32 {
        on_host!(self, host => host.incarnation())
    }

    /// The `NodeStarted` of this process: the cause of what it does unasked.
    pub fn started(&self) -> EventId {
        on_host!(self, host => host.started())
    }

    /// The node's monotonic clock.
    pub fn now(&self) -> Time {
        on_host!(self, host => host.now())
    }

    /// The node's wall clock: milliseconds since the epoch. It can jump both ways.
    pub fn wall(&self) -> i64 {
        on_host!(self, host => host.wall())
    }

    /// Starts a task of this process. Dropping the [`Task`] leaves it running. A panic in it is recorded and ends the process.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + 'static) -> Task {
        Task(match &self.0 {
            Kind::Simulated(host) => TaskKind::Simulated(host.spawn(name, Box::pin(future))),
            Kind::Real(host) => TaskKind::Real(host.spawn(name, Box::pin(future))),
        })
    }

    /// Waits for `duration` on the node's own clock. Always yields at least once.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }

    /// Waits until `at` on the node's own clock. Always yields at least once.
    pub async fn sleep_until(&self, at: Time) {
        on_host!(self, host => host.sleep_until(at).await)
    }

    /// Runs `future` for at most `duration`. If both are due at once, the future wins.
    ///
    /// # Errors
    /// [`Elapsed`] if it was not done in time; it is dropped then.
    pub async fn timeout<F: Future>(&self, duration: Duration, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        let mut deadline = pin!(self.sleep(duration));
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            deadline.as_mut().poll(cx).map(|()| Err(Elapsed))
        })
        .await
    }

    /// Lets others run.
    pub async fn yield_now(&self) {
        let mut yielded = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Ends this process. The current task stops at its next await.
    pub fn exit(&self, cause: EventId) {
        on_host!(self, host => host.exit(cause))
    }

    /// Listens on a port of this node.
    ///
    /// # Errors
    /// `AddrInUse`; others on real sockets.
    pub async fn listen(&self, port: u16, framing: Framing) -> io::Result<Listener> {
        on_host!(self, host => host.listen(port, framing).await)
    }

    /// Connects. Without an answer it gives up after about 10 s, unless wrapped in [`Host::timeout`]. Cancel-safe.
    ///
    /// # Errors
    /// Why there is no connection; also recorded as `ConnectFailed`.
    pub async fn connect(&self, to: Address, framing: Framing, cause: EventId) -> Result<Connection, ConnectFailure> {
        on_host!(self, host => host.connect(to, framing, cause).await)
    }

    /// The node's disk.
    pub fn disk(&self) -> Disk {
        on_host!(self, host => host.disk())
    }

    /// A stream of random numbers, named by the node, its incarnation and `stream`.
    pub fn entropy(&self, stream: &str) -> Entropy {
        on_host!(self, host => host.entropy(stream))
    }

    /// Whether to take a rare but legal path here, for once: true with a probability of a quarter where the run has
    /// switched `mark` on, and recorded then; never on the real host. (FoundationDB's buggify: marks are switched on per
    /// run, so that each run exaggerates other things.)
    pub fn buggify(&self, mark: &'static str, cause: EventId) -> bool {
        on_host!(self, host => host.buggify(mark, cause))
    }

    /// Dawdles for up to `most` where the run has switched `mark` on; see [`Host::buggify`].
    pub async fn dawdle(&self, mark: &'static str, most: Duration, cause: EventId) {
        if self.buggify(mark, cause) {
            let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
            let mut entropy = self.entropy(&format!("dawdle/{mark}/{}", cause.0));
            self.sleep(Duration::from_nanos(entropy.below(nanos))).await;
        }
    }

    /// Records that `kind` happened here because of `cause`. From a dead process nothing is recorded and `cause` returned.
    pub fn emit(&self, cause: EventId, kind: EventKind) -> EventId {
        on_host!(self, host => host.emit(cause, kind))
    }

    /// Whether the trace keeps records' texts.
    pub fn wants_text(&self) -> bool {
        on_host!(self, host => host.wants_text())
    }
}

/// A task that was started. Dropping it leaves the task running.
pub struct Task(TaskKind);

enum TaskKind {
    Simulated(sim::SimTask),
    Real(real::RealTask),
}

impl Task {
    /// Drops the task's future soon; it runs no further. Without effect on one that is done.
    pub fn cancel(&self) {
        match &self.0 {
            TaskKind::Simulated(task) => task.cancel(),
            TaskKind::Real(task) => task.cancel(),
        }
    }
}
