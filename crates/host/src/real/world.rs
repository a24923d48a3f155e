//! A world of real nodes, seen from outside: the counterpart of [`sim::World`](crate::sim::World) on real sockets, files and time.
//!
//! One thread runs all nodes, so that what they share with the world (a plan, a ledger) may be as in simulation.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::LocalSet;
use trace::{Event, EventId, EventKind, Mode, Name, Recorder, StopReason};

use super::door::Door;
use super::{Addresses, End, Limits, NodeOptions, Process, RealHost, SharedRecorder};
use crate::panic::{catch, catch_poll, install_hook, message};
use crate::sim::{Finished, Latency, Panic};
use crate::{Entropy, Entry, Host, LocalBoxFuture};

type Boot = dyn Fn(Host) -> LocalBoxFuture<()>;

/// A new world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorldOptions {
    /// Seeds every named stream. What the operating system decides, it does not seed.
    pub seed: u64,
    /// How much of the event stream is kept.
    pub trace: Mode,
    /// Where every node has a folder of its name for its files.
    pub data: PathBuf,
}

/// A machine. It outlives its processes.
struct Node {
    boot: Rc<Boot>,
    process: RefCell<Option<Rc<Process>>>,
    starts: Cell<u32>,
}

impl Node {
    fn running(&self) -> Option<Rc<Process>> {
        self.process.borrow().clone().filter(|process| !process.is_dead())
    }
}

struct Inner {
    options: WorldOptions,
    start: Instant,
    recorder: SharedRecorder,
    door: Rc<Door>,
    nodes: RefCell<BTreeMap<Name, Rc<Node>>>,
    addresses: Arc<Addresses>,
    kept: RefCell<VecDeque<Event>>,
    count: Cell<u64>,
    /// The panic of one of the world's own tasks.
    failure: RefCell<Option<String>>,
    failed: Notify,
    name: Name,
}

/// The omniscient side of a run on real sockets: starts and stops nodes, injects faults, sees every event. Cheap to clone.
#[derive(Clone)]
pub struct RealWorld(Rc<Inner>);

/// Runs `main` in a new world and returns what it returns. The run ends with it; what else goes on then is dropped.
///
/// # Errors
/// The panic of `main` or of another task of the world (nodes' panics are findings, not errors), or that the operating system
/// gave no thread or runtime.
pub fn run<T: Send + 'static>(
    options: WorldOptions,
    main: impl FnOnce(RealWorld) -> LocalBoxFuture<T> + Send + 'static,
) -> Result<T, Panic> {
    install_hook();
    // A fresh OS thread: neither its locals nor a runtime that it may be in are anybody else's.
    let thread = std::thread::Builder::new().name("real-world".into()).spawn(move || in_thread(options, main));
    let thread = thread.map_err(|error| Panic { message: format!("cannot start a thread: {error}") })?;
    match thread.join() {
        Ok(result) => result.map_err(|message| Panic { message }),
        Err(payload) => Err(Panic { message: message(payload.as_ref()) }),
    }
}

fn in_thread<T: 'static>(
    options: WorldOptions,
    main: impl FnOnce(RealWorld) -> LocalBoxFuture<T> + 'static,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    let world = RealWorld::new(options);
    let tasks = LocalSet::new();
    let result = tasks.block_on(&runtime, async {
        let main = catch(|| main(world.clone()))?;
        tokio::select! {
            biased;
            () = world.0.failed.notified() => Err(world.0.failure.take().unwrap_or_default()),
            result = caught(main) => result,
        }
    });
    world.end();
    drop(tasks);
    result
}

/// A future's output, or its panic.
async fn caught<T>(mut future: LocalBoxFuture<T>) -> Result<T, String> {
    poll_fn(|cx| match catch_poll(future.as_mut(), cx) {
        Ok(poll) => poll.map(Ok),
        Err(message) => Poll::Ready(Err(message)),
    })
    .await
}

impl RealWorld {
    fn new(options: WorldOptions) -> RealWorld {
        // Texts are asked for by `Mode::Full`; the events are kept here.
        let start = Instant::now();
        RealWorld(Rc::new(Inner {
            recorder: SharedRecorder::new(if options.trace == Mode::Full { Mode::Full } else { Mode::None }),
            door: Door::new(Entropy::new(options.seed, &["world", "latency"])),
            start,
            nodes: RefCell::default(),
            addresses: Arc::default(),
            kept: RefCell::default(),
            count: Cell::new(0),
            failure: RefCell::default(),
            failed: Notify::new(),
            name: Name::new("world"),
            options,
        }))
    }

    /// Ends every process, so that nothing of it has an effect while it is taken apart.
    fn end(&self) {
        for node in std::mem::take(&mut *self.0.nodes.borrow_mut()).into_values() {
            if let Some(process) = node.running() {
                process.end(EventId::ROOT, StopReason::Crash, End::Stopped);
            }
        }
    }

    fn node(&self, name: Name) -> Rc<Node> {
        self.0.nodes.borrow().get(&name).cloned().unwrap_or_else(|| panic!("no node {name}"))
    }

    /// Time since the start of the run, in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        crate::clock::nanos(self.0.start.elapsed())
    }

    /// Waits for `ns` nanoseconds.
    pub async fn sleep(&self, ns: u64) {
        self.sleep_until(self.now_ns().saturating_add(ns)).await;
    }

    /// Waits until `ns` nanoseconds after the start of the run.
    pub async fn sleep_until(&self, ns: u64) {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_nanos(ns.saturating_sub(self.now_ns()))).await;
    }

    /// Starts a task of the world itself: no node's death ends it. A panic in it ends the run.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let world = self.0.clone();
        drop(tokio::task::spawn_local(async move {
            if let Err(message) = caught(Box::pin(future)).await {
                world.failure.borrow_mut().get_or_insert(message);
                world.failed.notify_one();
            }
        }));
    }

    /// Adds a node that is down. `boot` is its process's main function: when it returns, the process exits.
    ///
    /// # Panics
    /// If there is a node with that name.
    pub fn add_node(&self, name: impl Into<Name>, boot: impl Fn(Host) -> LocalBoxFuture<()> + 'static) {
        let name = name.into();
        let node = Node { boot: Rc::new(boot), process: RefCell::new(None), starts: Cell::new(0) };
        let previous = self.0.nodes.borrow_mut().insert(name, Rc::new(node));
        assert!(previous.is_none(), "two nodes are called {name}");
    }

    fn folder(&self, name: Name) -> PathBuf {
        self.0.options.data.join(name.as_str())
    }

    /// Starts a node; returns its `NodeStarted`.
    ///
    /// # Panics
    /// If it is up, or unknown (as with every call that names a node), or its folder cannot be created.
    pub fn start(&self, name: impl Into<Name>, cause: EventId) -> EventId {
        let name = name.into();
        let node = self.node(name);
        assert!(node.running().is_none(), "{name} is up already");
        let data = self.folder(name);
        std::fs::create_dir_all(&data).unwrap_or_else(|error| panic!("cannot create {}: {error}", data.display()));
        let options = NodeOptions {
            name,
            incarnation: node.starts.replace(node.starts.get() + 1),
            data,
            addresses: self.0.addresses.clone(),
            recorder: Some(self.0.recorder.clone()),
            limits: Limits::default(),
            seed: Some(self.0.options.seed),
        };
        let process = Process::start(options, Some(self.0.door.clone()), cause);
        node.process.replace(Some(process.clone()));
        let (main, boot, started) = (process.clone(), node.boot.clone(), process.started.get());
        process.spawn(Box::pin(async move {
            boot(Host::real(RealHost(main.clone()))).await;
            main.end(started, StopReason::Exit, End::Exited);
        }));
        started
    }

    /// Kills a node's process; its files stay and its kernel closes its connections. Returns its `NodeStopped`, or `cause` if
    /// it was down.
    pub fn kill(&self, name: impl Into<Name>, cause: EventId) -> EventId {
        let process = self.node(name.into()).running();
        process.map_or(cause, |process| process.end(cause, StopReason::Crash, End::Stopped))
    }

    /// Stops a node's process where it stands; its kernel goes on receiving and acknowledging. Without effect if it is down.
    pub fn pause(&self, name: impl Into<Name>, cause: EventId) -> EventId {
        self.set_paused(name.into(), cause, true)
    }

    /// Lets a paused process go on. Without effect if it is not paused.
    pub fn resume(&self, name: impl Into<Name>, cause: EventId) -> EventId {
        self.set_paused(name.into(), cause, false)
    }

    fn set_paused(&self, name: Name, cause: EventId, pause: bool) -> EventId {
        let Some(process) = self.node(name).running().filter(|process| process.paused.get() != pause) else {
            return cause;
        };
        let event = process.emit(cause, if pause { EventKind::NodePaused } else { EventKind::NodeResumed });
        process.set_paused(pause);
        event
    }

    /// Whether a node's process runs (or is paused).
    pub fn is_up(&self, name: impl Into<Name>) -> bool {
        self.node(name.into()).running().is_some()
    }

    /// Whether a node's process is paused.
    pub fn is_paused(&self, name: impl Into<Name>) -> bool {
        self.node(name.into()).running().is_some_and(|process| process.paused.get())
    }

    /// All nodes, sorted by name.
    pub fn nodes(&self) -> Vec<Name> {
        self.0.nodes.borrow().keys().copied().collect()
    }

    /// Records an event of the world itself (node `world`).
    pub fn emit(&self, cause: EventId, kind: EventKind) -> EventId {
        let event = self.0.recorder.record(self.0.name, cause, kind);
        self.0.door.recorded().notify_one();
        event
    }

    /// Waits until there may be events that [`RealWorld::take_events`] has not given out.
    pub async fn changed(&self) {
        self.0.door.recorded().notified().await;
    }

    /// Moves the events since the last call into `into`, which is cleared first.
    pub fn take_events(&self, into: &mut Vec<Event>) {
        self.0.recorder.take_events(into);
        self.0.count.set(self.0.count.get() + into.len() as u64);
        if self.0.options.trace == Mode::None {
            return;
        }
        let mut kept = self.0.kept.borrow_mut();
        kept.extend(into.iter().cloned());
        if self.0.options.trace == Mode::Ring {
            let surplus = kept.len().saturating_sub(Recorder::RING);
            kept.drain(..surplus);
        }
    }

    /// A stream of random numbers, named by the seed and `stream`: the same as in simulation.
    pub fn entropy(&self, stream: &str) -> Entropy {
        Entropy::new(self.0.options.seed, &["world", stream])
    }

    /// Cuts directed links: what is sent from the first to the second node waits until they are healed, and arrives in order.
    /// Established connections break by themselves after a while of unacknowledged data.
    pub fn cut(&self, fault: EventId, links: &[(Name, Name)]) {
        self.0.door.cut(fault, links);
    }

    /// Gives directed links a latency on top of the operating system's. Of several the latest counts.
    pub fn slow(&self, fault: EventId, links: &[(Name, Name)], latency: Latency) {
        self.0.door.slow(fault, links, latency);
    }

    /// Removes every network fault of that event.
    pub fn heal(&self, fault: EventId) {
        self.0.door.heal(fault);
    }

    /// Resets the connections between the nodes of `from` and those of `to`, whoever opened them. Returns how many there were.
    pub fn reset_connections(&self, fault: EventId, from: &[Name], to: &[Name]) -> usize {
        self.0.door.reset(fault, from, to)
    }

    /// How many frames, connection attempts and acknowledgements a network fault has hit, also after it was healed.
    pub fn links_hit(&self, fault: EventId) -> u64 {
        self.0.door.hits(fault)
    }

    /// A node's files, to look at.
    pub fn disk(&self, name: impl Into<Name>) -> DiskView {
        DiskView(self.folder(name.into()))
    }

    /// Ends the event stream. There is no fingerprint: it is 0.
    pub fn finish(self) -> Finished {
        self.take_events(&mut Vec::new());
        Finished { events: self.0.kept.take().into(), event_count: self.0.count.get(), fingerprint: 0 }
    }
}

/// A node's files as the end-of-run checks see them, past its process.
pub struct DiskView(PathBuf);

impl DiskView {
    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        super::disk::entries(&self.0.join(dir))
    }

    /// A file's content.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.0.join(path))
    }
}
