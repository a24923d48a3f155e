//! The real host: one thread a node, with a current-thread tokio runtime, real sockets, files and clocks. Tasks of a node
//! interleave only where they await, as in simulation.

mod disk;
mod door;
mod limits;
mod net;
mod recorder;
mod wires;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, LocalSet};
use trace::{ConnectFailure, EventId, EventKind, Name, StopReason};

use crate::network::ListenerKind;
use crate::panic::{catch, catch_poll, install_hook};
use crate::{Address, Connection, Entropy, Framing, Host, LocalBoxFuture, Time};
use door::Door;

pub(crate) use disk::{Disk, File};
pub use limits::Limits;
pub(crate) use net::{Listener, Receiver, Sender};
pub use recorder::SharedRecorder;
pub use world::{DiskView, RealWorld, WorldOptions, run};

/// Which socket address a node's port has: to listen on, and for others to connect to.
pub type Addresses = BTreeMap<Address, SocketAddr>;

/// A node on real sockets and files.
#[derive(Clone)]
pub struct NodeOptions {
    /// Its name.
    pub name: Name,
    /// How often it was started before.
    pub incarnation: u32,
    /// Where its disk's root is; created if missing.
    pub data: PathBuf,
    /// The sockets of all nodes. Hosts that are not in here are looked up as IP addresses or host names, and ports of this node
    /// that are not are bound on loopback.
    pub addresses: Arc<Addresses>,
    /// Where events go.
    pub recorder: Option<SharedRecorder>,
    /// Seeds the streams of random numbers; `None` asks the operating system.
    pub seed: Option<u64>,
    /// What those who connect to it are allowed.
    pub limits: Limits,
}

/// How a node's process ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// Its main function returned, or it called [`Host::exit`].
    Exited,
    /// It was asked to by [`Stopper::stop`].
    Stopped,
    /// A task panicked.
    Panicked(String),
    /// It could not start.
    Failed(String),
}

/// Ends a node from any thread, as a crash would.
#[derive(Clone, Debug, Default)]
pub struct Stopper(Arc<Notify>);

impl Stopper {
    /// Ends the node soon.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

/// Runs a node on this thread until its process ends. `boot` is its main function.
pub fn run_node(options: NodeOptions, stopper: &Stopper, boot: impl FnOnce(Host) -> LocalBoxFuture<()>) -> End {
    install_hook();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let prepared = std::fs::create_dir_all(&options.data).and(runtime);
    let runtime = match prepared {
        Ok(runtime) => runtime,
        Err(error) => return End::Failed(format!("{}: {error}", options.data.display())),
    };
    let process = Process::start(options, None, EventId::ROOT);
    let tasks = LocalSet::new();
    let main = process.clone();
    tasks.block_on(&runtime, async {
        let host = Host::real(RealHost(process.clone()));
        let future = match catch(|| boot(host)) {
            Ok(future) => future,
            Err(message) => return process.panicked(message),
        };
        process.spawn(Box::pin(async move {
            future.await;
            main.end(EventId::ROOT, StopReason::Exit, End::Exited);
        }));
        tokio::select! {
            biased;
            () = process.ended.notified() => {}
            () = stopper.0.notified() => {
                process.end(EventId::ROOT, StopReason::Crash, End::Stopped);
            }
        }
    });
    drop(tasks);
    process.result.take().unwrap_or(End::Exited)
}

/// A node on a thread of its own.
pub struct NodeThread {
    /// Ends it.
    pub stopper: Stopper,
    thread: JoinHandle<End>,
}

impl NodeThread {
    /// Starts a thread that runs a node.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start(
        options: NodeOptions,
        boot: impl FnOnce(Host) -> LocalBoxFuture<()> + Send + 'static,
    ) -> io::Result<NodeThread> {
        let stopper = Stopper::default();
        let own = stopper.clone();
        let builder = std::thread::Builder::new().name(options.name.as_str().into());
        let thread = builder.spawn(move || run_node(options, &own, boot))?;
        Ok(NodeThread { stopper, thread })
    }

    /// Waits until the node has ended.
    pub fn join(self) -> End {
        self.thread.join().unwrap_or_else(|payload| End::Panicked(crate::panic::message(payload.as_ref())))
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

/// A node's process.
pub(crate) struct Process {
    options: NodeOptions,
    /// Which node is behind a socket.
    names: BTreeMap<SocketAddr, Name>,
    seed: u64,
    /// The monotonic clock's zero is one second before, so that no time is [`Time::ZERO`].
    start: Instant,
    started: Cell<EventId>,
    dead: Cell<bool>,
    ended: Notify,
    result: RefCell<Option<End>>,
    /// Where it is one node of a [`RealWorld`]: the world's door, and what stopping and pausing it from outside needs.
    door: Option<Rc<Door>>,
    tasks: RefCell<Vec<AbortHandle>>,
    paused: Cell<bool>,
    /// Tasks that woke up while it was paused.
    roused: RefCell<Vec<Waker>>,
}

impl Process {
    fn start(options: NodeOptions, door: Option<Rc<Door>>, cause: EventId) -> Rc<Process> {
        let seed = options.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        let names = options.addresses.iter().map(|(address, socket)| (*socket, address.host)).collect();
        let process = Rc::new(Process {
            names,
            seed,
            start: Instant::now(),
            started: Cell::new(EventId::ROOT),
            dead: Cell::new(false),
            ended: Notify::new(),
            result: RefCell::new(None),
            door,
            tasks: RefCell::default(),
            paused: Cell::new(false),
            roused: RefCell::default(),
            options,
        });
        let incarnation = process.options.incarnation;
        process.started.set(process.emit(cause, EventKind::NodeStarted { incarnation }));
        process
    }

    fn name(&self) -> Name {
        self.options.name
    }

    fn is_dead(&self) -> bool {
        self.dead.get()
    }

    fn emit(&self, cause: EventId, kind: EventKind) -> EventId {
        if let Some(door) = &self.door {
            door.recorded().notify_one();
        }
        match &self.options.recorder {
            Some(recorder) if !self.is_dead() => recorder.record(self.options.name, cause, kind),
            _ => cause,
        }
    }

    fn spawn(self: &Rc<Self>, future: LocalBoxFuture<()>) -> RealTask {
        if self.is_dead() {
            return RealTask(None);
        }
        let guarded = Guarded { process: self.clone(), kernel: false, future: Some(future) };
        let task = tokio::task::spawn_local(guarded).abort_handle();
        if self.door.is_some() {
            let mut tasks = self.tasks.borrow_mut();
            if tasks.len() == tasks.capacity() {
                tasks.retain(|task| !task.is_finished());
            }
            tasks.push(task.clone());
        }
        RealTask(Some(task))
    }

    /// Starts a task that does a kernel's work: in a world it goes on when the process is paused or has died.
    fn spawn_kernel(self: &Rc<Self>, future: LocalBoxFuture<()>) {
        let kernel = self.door.is_some();
        drop(tokio::task::spawn_local(Guarded { process: self.clone(), kernel, future: Some(future) }));
    }

    /// Stops its tasks where they stand, or lets them go on.
    fn set_paused(&self, paused: bool) {
        self.paused.set(paused);
        if !paused {
            self.roused.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Ends the process; returns its `NodeStopped`, or `cause` if it had ended before.
    fn end(&self, cause: EventId, reason: StopReason, end: End) -> EventId {
        let mut stopped = cause;
        if !self.is_dead() {
            stopped = self.emit(cause, EventKind::NodeStopped { reason });
            self.dead.set(true);
            self.result.replace(Some(end));
            self.ended.notify_one();
            if let Some(door) = &self.door {
                door.process_died(self);
                drop(self.roused.take());
                self.tasks.take().iter().for_each(AbortHandle::abort);
            }
        }
        stopped
    }

    fn panicked(&self, message: String) {
        let finding = self.emit(self.started.get(), EventKind::NodePanicked { message: Name::new(&message) });
        self.end(finding, StopReason::Panic, End::Panicked(message));
    }
}

/// A task's future: its panic is a finding, and the dead do not run.
struct Guarded {
    process: Rc<Process>,
    /// Whether it outlives and outruns its process.
    kernel: bool,
    future: Option<LocalBoxFuture<()>>,
}

impl Future for Guarded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let process = self.process.clone();
        let runs = self.kernel || !process.is_dead();
        if !self.kernel && process.paused.get() {
            process.roused.borrow_mut().push(cx.waker().clone());
            return Poll::Pending;
        }
        let Some(future) = self.future.as_mut().filter(|_| runs) else {
            return Poll::Pending;
        };
        catch_poll(future.as_mut(), cx).unwrap_or_else(|message| {
            process.panicked(message);
            Poll::Pending
        })
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let future = self.future.take();
        if let Err(message) = catch(|| drop(future)) {
            self.process.panicked(message);
        }
    }
}

/// The real side of a task.
pub(crate) struct RealTask(Option<AbortHandle>);

impl RealTask {
    pub fn cancel(&self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// The real side of [`Host`].
#[derive(Clone)]
pub(crate) struct RealHost(Rc<Process>);

impl RealHost {
    pub fn name(&self) -> Name {
        self.0.options.name
    }

    pub fn incarnation(&self) -> u32 {
        self.0.options.incarnation
    }

    pub fn started(&self) -> EventId {
        self.0.started.get()
    }

    pub fn now(&self) -> Time {
        Time::from_millis(1000) + self.0.start.elapsed()
    }

    pub fn wall(&self) -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    pub fn spawn(&self, _: &'static str, future: LocalBoxFuture<()>) -> RealTask {
        self.0.spawn(future)
    }

    pub async fn sleep_until(&self, at: Time) {
        tokio::task::yield_now().await;
        tokio::time::sleep(at - self.now()).await;
        if self.0.is_dead() {
            std::future::pending().await
        }
    }

    pub fn exit(&self, cause: EventId) {
        self.0.end(cause, StopReason::Exit, End::Exited);
    }

    pub async fn listen(&self, port: u16, framing: Framing) -> io::Result<crate::Listener> {
        if self.0.is_dead() {
            return std::future::pending().await;
        }
        Ok(crate::Listener(ListenerKind::Real(Listener::bind(&self.0, port, framing).await?)))
    }

    pub async fn connect(&self, to: Address, framing: Framing, cause: EventId) -> Result<Connection, ConnectFailure> {
        if self.0.is_dead() {
            return std::future::pending().await;
        }
        net::connect(&self.0, to, framing, cause).await
    }

    pub fn disk(&self) -> crate::Disk {
        crate::Disk(crate::disk::DiskKind::Real(Disk::new(self.0.clone())))
    }

    pub fn entropy(&self, stream: &str) -> Entropy {
        let incarnation = self.0.options.incarnation.to_string();
        Entropy::new(self.0.seed, &["node", self.0.options.name.as_str(), &incarnation, stream])
    }

    pub fn buggify(&self, _: &'static str, _: EventId) -> bool {
        false
    }

    pub fn emit(&self, cause: EventId, kind: EventKind) -> EventId {
        self.0.emit(cause, kind)
    }

    pub fn wants_text(&self) -> bool {
        self.0.options.recorder.as_ref().is_some_and(SharedRecorder::wants_text)
    }
}
