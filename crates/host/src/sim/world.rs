//! The world: nodes, network, disks, clocks and the event stream, seen from outside.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use madsim::task::JoinHandle;
use trace::{Event, EventId, EventKind, Name, Recorder, StopReason};

use super::clock::NodeClock;
use super::heap::{Deadline, Heap};
use super::node::{self, Node};
use super::{ClockSetting, DiskFault, DiskView, Finished, HoldRule, Keep, Latency, WorldOptions};
use super::{disk, net};
use crate::panic::catch_poll;
use crate::{Entropy, Host, LocalBoxFuture, Time};

/// Among so many orders of scheduling a reseeded world chooses.
const RESEED_SKIPS: u64 = 1 << 14;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Inner>>> = const { RefCell::new(None) };
}

/// Gives `f` this thread's world.
pub(super) fn current<T>(f: impl FnOnce(&Inner) -> T) -> Option<T> {
    CURRENT.with_borrow(|world| world.as_ref().map(|world| f(world)))
}

pub(super) fn enter(world: &Rc<Inner>) {
    CURRENT.set(Some(world.clone()));
}

pub(super) fn leave() {
    drop(CURRENT.take());
}

/// A panic in one of the world's own tasks, on its way to the run's end.
#[derive(Default)]
pub(super) struct Failure {
    message: RefCell<Option<String>>,
    waker: RefCell<Option<Waker>>,
}

impl Failure {
    fn report(&self, message: String) {
        self.message.borrow_mut().get_or_insert(message);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub fn set_waker(&self, waker: &Waker) {
        self.waker.replace(Some(waker.clone()));
    }

    pub fn take(&self) -> Option<String> {
        self.message.take()
    }
}

pub(super) struct Inner {
    pub options: WorldOptions,
    pub handle: madsim::runtime::Handle,
    pub heap: Heap,
    pub recorder: RefCell<Recorder>,
    pub net: net::Net,
    pub failure: Failure,
    nodes: RefCell<BTreeMap<Name, Rc<Node>>>,
    judge: RefCell<Vec<Waker>>,
    spawned: RefCell<VecDeque<LocalBoxFuture<()>>>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
    finished: Cell<bool>,
    /// Buggify marks fire no more.
    calm: Cell<bool>,
    name: Name,
}

impl Inner {
    /// Must be called inside of madsim's runtime.
    pub fn new(options: WorldOptions) -> Inner {
        Inner {
            handle: madsim::runtime::Handle::current(),
            heap: Heap::new(madsim::time::TimeHandle::current()),
            recorder: RefCell::new(Recorder::new(options.trace)),
            net: net::Net::new(&options),
            failure: Failure::default(),
            nodes: RefCell::default(),
            judge: RefCell::default(),
            spawned: RefCell::default(),
            tasks: RefCell::default(),
            finished: Cell::new(false),
            calm: Cell::new(options.buggify.is_empty()),
            name: Name::new("world"),
            options,
        }
    }

    pub fn record(&self, node: Name, cause: EventId, kind: EventKind) -> EventId {
        if self.finished.get() {
            return cause;
        }
        let id = self.recorder.borrow_mut().record(self.heap.now(), node, cause, kind);
        if !self.judge.borrow().is_empty() {
            for waker in self.judge.take() {
                waker.wake();
            }
        }
        id
    }

    pub fn is_marked(&self, mark: &str) -> bool {
        !self.calm.get() && self.options.buggify.iter().any(|on| on.as_str() == mark)
    }

    pub fn find(&self, name: Name) -> Option<Rc<Node>> {
        self.nodes.borrow().get(&name).cloned()
    }

    pub fn node(&self, name: Name) -> Rc<Node> {
        self.find(name).unwrap_or_else(|| panic!("no node {name}"))
    }

    /// Starts what was spawned: here, in the driver's poll, madsim's current node is the main one, whoever called spawn.
    pub fn start_spawned(&self) {
        while let Some(future) = { self.spawned.borrow_mut().pop_front() } {
            let mut tasks = self.tasks.borrow_mut();
            tasks.retain(|task| !task.is_finished());
            tasks.push(madsim::task::spawn_local(future));
        }
    }

    /// Takes the world apart: wakers hold tasks, tasks hold the world, and the world holds the wakers. madsim drops the futures
    /// of what is killed and aborted here before its `block_on` returns.
    pub fn end(&self) {
        self.finished.set(true);
        for node in self.nodes.take().values() {
            let process = node.process.borrow().clone();
            if let (Some(process), Some(id)) = (process, node.id()) {
                process.bury();
                self.handle.kill(id);
            }
            node.clear();
            node.disk.borrow().clear();
        }
        for task in self.tasks.take() {
            task.abort();
        }
        self.heap.clear();
        self.net.clear();
        drop((self.spawned.take(), self.judge.take(), self.failure.waker.take()));
    }
}

/// The omniscient side of a run: starts and stops nodes, injects faults, sees every event. Cheap to clone.
#[derive(Clone)]
pub struct World(pub(super) Rc<Inner>);

impl World {
    /// Simulated time since the start of the run, in nanoseconds. No node's clock shows it.
    pub fn now_ns(&self) -> u64 {
        self.0.heap.now()
    }

    /// Waits for `ns` nanoseconds of simulated time.
    pub async fn sleep(&self, ns: u64) {
        self.sleep_until(self.now_ns().saturating_add(ns)).await;
    }

    /// Waits until `ns` nanoseconds after the start of the run.
    pub async fn sleep_until(&self, ns: u64) {
        Deadline::new(self.0.clone(), ns).await;
    }

    /// Starts a task of the world itself: no node's death ends it. A panic in it ends the run.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let world = self.0.clone();
        let mut future: LocalBoxFuture<()> = Box::pin(future);
        let guarded = poll_fn(move |cx| match catch_poll(future.as_mut(), cx) {
            Ok(poll) => poll,
            Err(message) => {
                world.failure.report(message);
                Poll::Ready(())
            }
        });
        self.0.spawned.borrow_mut().push_back(Box::pin(guarded));
        self.0.heap.wake_driver();
    }

    /// Adds a node that is down. `boot` is its process's main function: when it returns, the process exits.
    ///
    /// # Panics
    /// If there is a node with that name.
    pub fn add_node(&self, name: impl Into<Name>, boot: impl Fn(Host) -> LocalBoxFuture<()> + 'static) {
        let name = name.into();
        let options = &self.0.options;
        // Clocks that start at different values find code that compares them across nodes.
        let start = 1 + Entropy::new(options.seed, &["clock", name.as_str()]).below(1000);
        let clock = NodeClock::new(Time::from_millis(start * 1000), options.start_wall_ms);
        let disk = disk::SimDisk::new(&self.0, name, 0);
        let node = Rc::new(Node::new(name, Rc::new(boot), clock, disk));
        let previous = self.0.nodes.borrow_mut().insert(name, node);
        assert!(previous.is_none(), "two nodes are called {name}");
    }

    /// Starts a node; returns its `NodeStarted`.
    ///
    /// # Panics
    /// If it is up, or unknown (as with every call that names a node).
    pub fn start(&self, name: impl Into<Name>, cause: EventId) -> EventId {
        node::start(&self.0, &self.0.node(name.into()), cause)
    }

    /// Kills a node's process; its page cache stays and its kernel closes its connections. Returns its `NodeStopped`, or
    /// `cause` if it was down.
    pub fn kill(&self, name: impl Into<Name>, cause: EventId) -> EventId {
        let process = self.0.node(name.into()).process.borrow().clone();
        process.map_or(cause, |process| process.stop(cause, StopReason::Crash))
    }

    /// Takes the power from a node's machine, running or not: `keep` of its unsynced data survives, its connections are
    /// forgotten without a word, and it answers nothing until it is started again. Returns its `NodeStopped`, or `cause` if
    /// it was down.
    pub fn power_loss(&self, name: impl Into<Name>, cause: EventId, keep: Keep) -> EventId {
        let node = self.0.node(name.into());
        let process = node.process.borrow().clone();
        let stopped = process.map_or(cause, |process| process.stop(cause, StopReason::PowerLoss));
        node.powered.set(false);
        net::machine_died(&self.0, &node, stopped);
        let lost = node.disk.borrow().power_loss(keep);
        self.0.record(node.name, stopped, lost);
        stopped
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
        let node = self.0.node(name);
        let Some(id) = node.id().filter(|_| node.is_up() && node.paused.get() != pause) else {
            return cause;
        };
        node.paused.set(pause);
        if pause {
            self.0.handle.pause(id);
            self.0.record(name, cause, EventKind::NodePaused)
        } else {
            let resumed = self.0.record(name, cause, EventKind::NodeResumed);
            self.0.handle.resume(id);
            resumed
        }
    }

    /// Whether a node's process runs (or is paused).
    pub fn is_up(&self, name: impl Into<Name>) -> bool {
        self.0.node(name.into()).is_up()
    }

    /// Whether a node's process is paused.
    pub fn is_paused(&self, name: impl Into<Name>) -> bool {
        self.0.node(name.into()).paused.get()
    }

    /// All nodes, sorted by name.
    pub fn nodes(&self) -> Vec<Name> {
        self.0.nodes.borrow().keys().copied().collect()
    }

    /// Records an event of the world itself (node `world`).
    pub fn emit(&self, cause: EventId, kind: EventKind) -> EventId {
        self.0.record(self.0.name, cause, kind)
    }

    /// Waits until there are events that [`World::take_events`] has not given out.
    pub async fn changed(&self) {
        poll_fn(|cx| {
            if self.0.recorder.borrow().has_fresh() {
                return Poll::Ready(());
            }
            self.0.judge.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Moves the events since the last call into `into`, which is cleared first.
    pub fn take_events(&self, into: &mut Vec<Event>) {
        self.0.recorder.borrow_mut().take_fresh(into);
    }

    /// From now on no buggify mark fires: what must heal is left to heal.
    pub fn calm(&self) {
        self.0.calm.set(true);
    }

    /// A stream of random numbers, named by the seed and `stream`.
    pub fn entropy(&self, stream: &str) -> Entropy {
        Entropy::new(self.0.options.seed, &["world", stream])
    }

    /// From here on all randomness is drawn anew, as `seed` decides: every named stream, and the order of scheduling.
    pub fn reseed(&self, seed: u64) {
        crate::entropy::reseed(seed);
        // madsim's generator cannot be seeded in a run, but it can be led elsewhere: each number drawn here is one that
        // scheduling does not see.
        let skipped = self.entropy("reseed").below(RESEED_SKIPS);
        for _ in 0..=skipped {
            madsim::rand::random::<u64>();
        }
    }

    /// Cuts directed links: from here on nothing that goes from the first to the second node arrives. Established connections
    /// break by themselves after a while of unacknowledged data.
    pub fn cut(&self, fault: EventId, links: &[(Name, Name)]) {
        self.0.net.add_fault(fault, links, net::LinkFault::Cut);
    }

    /// Gives directed links another latency. Of several the latest counts.
    pub fn slow(&self, fault: EventId, links: &[(Name, Name)], latency: Latency) {
        self.0.net.add_fault(fault, links, net::LinkFault::slow(latency));
    }

    /// Lets directed links lose so many of a million frames: TCP repeats them later. Of several the worst counts.
    pub fn lossy(&self, fault: EventId, links: &[(Name, Name)], probability_ppm: u32) {
        self.0.net.add_fault(fault, links, net::LinkFault::Lossy(probability_ppm));
    }

    /// Limits directed links to so many bytes a second. Of several the least counts.
    pub fn limit_bandwidth(&self, fault: EventId, links: &[(Name, Name)], bytes_per_second: u64) {
        self.0.net.add_fault(fault, links, net::LinkFault::Bandwidth(bytes_per_second.max(1)));
    }

    /// Removes every network and disk fault of that event.
    pub fn heal(&self, fault: EventId) {
        self.0.net.heal(fault);
        self.release(fault);
        let disks: Vec<_> = self.0.nodes.borrow().values().map(|node| node.disk.borrow().clone()).collect();
        for disk in disks {
            disk.heal(&self.0, fault);
        }
    }

    /// Resets the connections between the nodes of `from` and those of `to`, whoever opened them. Returns how many there were.
    pub fn reset_connections(&self, fault: EventId, from: &[Name], to: &[Name]) -> usize {
        net::reset_connections(&self.0, fault, from, to)
    }

    /// Sets a rule that keeps a frame back until [`World::release`] or [`World::heal`].
    pub fn hold(&self, fault: EventId, rule: HoldRule) {
        self.0.net.hold(fault, rule);
    }

    /// Lets go on what a hold rule keeps back, and removes the rule.
    pub fn release(&self, fault: EventId) {
        net::release(&self.0, fault);
    }

    /// Whether a hold rule has caught its frame.
    pub fn hold_hit(&self, fault: EventId) -> bool {
        self.0.net.hits(fault) > 0
    }

    /// How many frames, connection attempts and acknowledgements a network fault has hit, also after it was healed.
    pub fn links_hit(&self, fault: EventId) -> u64 {
        self.0.net.hits(fault)
    }

    /// Puts a fault on a node's disk.
    pub fn disk_fault(&self, fault: EventId, node: impl Into<Name>, what: DiskFault) {
        let disk = self.0.node(node.into()).disk.borrow().clone();
        disk.add_fault(fault, what);
    }

    /// How many operations of its disk a disk fault has hit, also after it was healed.
    pub fn disk_hit(&self, fault: EventId, node: impl Into<Name>) -> u64 {
        self.0.node(node.into()).disk.borrow().hits(fault)
    }

    /// Puts an empty disk into a node.
    ///
    /// # Panics
    /// If the node is up.
    pub fn replace_disk(&self, node: impl Into<Name>) {
        let node = self.0.node(node.into());
        assert!(!node.is_up(), "{} is up: its disk cannot be replaced", node.name);
        let generation = node.disk.borrow().generation() + 1;
        node.disk.replace(disk::SimDisk::new(&self.0, node.name, generation));
    }

    /// A node's disk, to look at.
    pub fn disk(&self, node: impl Into<Name>) -> DiskView {
        DiskView::new(self.0.node(node.into()).disk.borrow().clone())
    }

    /// Sets a node's clock. Timers that run already keep the pace they were set with.
    pub fn set_clock(&self, node: impl Into<Name>, setting: ClockSetting) {
        self.0.node(node.into()).clock.borrow_mut().set(self.now_ns(), setting);
    }

    /// Lets a node's wall clock jump, forwards or backwards.
    pub fn jump_clock(&self, node: impl Into<Name>, by_ns: i64) {
        self.0.node(node.into()).clock.borrow_mut().jump(by_ns);
    }

    /// Ends the event stream. The fingerprint covers it, all disks, and the runtime's next random number.
    pub fn finish(self) -> Finished {
        self.0.finished.set(true);
        let mut recorder = self.0.recorder.take();
        for node in self.0.nodes.borrow().values() {
            recorder.fingerprint_mut().number(node.disk.borrow().hash());
        }
        recorder.fingerprint_mut().number(madsim::rand::random());
        let (event_count, fingerprint) = (recorder.count(), recorder.fingerprint_mut().finish());
        Finished { events: recorder.into_kept(), event_count, fingerprint }
    }
}
