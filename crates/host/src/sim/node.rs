//! Nodes, and the process (incarnation) that runs on one.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use madsim::task::{JoinHandle, NodeId};
use trace::{EventId, EventKind, Name, StopReason};

use super::clock::NodeClock;
use super::task::{Guarded, SimTask, TaskState, is_current};
use super::world::Inner;
use super::{disk, net};
use crate::{Entropy, Host, LocalBoxFuture};

type Boot = dyn Fn(Host) -> LocalBoxFuture<()>;
/// A task spawned from outside of its node, on its way to the root task.
type Spawned = (Rc<RefCell<Option<LocalBoxFuture<()>>>>, Rc<RefCell<Option<JoinHandle<()>>>>);

/// A machine. It outlives its processes.
pub(super) struct Node {
    pub name: Name,
    boot: RefCell<Option<Rc<Boot>>>,
    /// madsim's node, from the first start on.
    id: Cell<Option<NodeId>>,
    pub process: RefCell<Option<Rc<Process>>>,
    starts: Cell<u32>,
    pub paused: Cell<bool>,
    /// A machine without power answers nothing.
    pub powered: Cell<bool>,
    /// The `NodeStopped` of the last process: the cause of refused connections.
    pub stopped: Cell<EventId>,
    pub clock: RefCell<NodeClock>,
    pub disk: RefCell<Rc<disk::SimDisk>>,
    pub listeners: RefCell<BTreeMap<u16, Rc<net::Listening>>>,
}

impl Node {
    pub fn new(name: Name, boot: Rc<Boot>, clock: NodeClock, disk: Rc<disk::SimDisk>) -> Node {
        Node {
            name,
            boot: RefCell::new(Some(boot)),
            id: Cell::new(None),
            process: RefCell::new(None),
            starts: Cell::new(0),
            paused: Cell::new(false),
            powered: Cell::new(true),
            stopped: Cell::new(EventId::ROOT),
            clock: RefCell::new(clock),
            disk: RefCell::new(disk),
            listeners: RefCell::default(),
        }
    }

    pub fn is_up(&self) -> bool {
        self.process.borrow().is_some()
    }

    pub fn id(&self) -> Option<NodeId> {
        self.id.get()
    }

    /// Forgets what keeps the world alive.
    pub fn clear(&self) {
        drop((self.boot.take(), self.process.take(), self.listeners.take()));
    }
}

/// One incarnation of a node's process. Once dead, it stays dead.
pub(crate) struct Process {
    pub(super) world: Rc<Inner>,
    pub(super) node: Rc<Node>,
    pub(super) incarnation: u32,
    /// Its `NodeStarted`.
    pub(super) started: EventId,
    dead: Cell<bool>,
    spawned: RefCell<VecDeque<Spawned>>,
    root: RefCell<Option<Waker>>,
    /// What decides whether buggify marks fire, by mark.
    marks: RefCell<BTreeMap<&'static str, Entropy>>,
}

impl Process {
    pub fn is_dead(&self) -> bool {
        self.dead.get()
    }

    /// Whether an active buggify mark fires this time.
    pub fn flips(&self, mark: &'static str) -> bool {
        let mut marks = self.marks.borrow_mut();
        let entropy = marks.entry(mark).or_insert_with(|| {
            let (seed, incarnation) = (self.world.options.seed, self.incarnation.to_string());
            Entropy::new(seed, &["buggify", self.node.name.as_str(), &incarnation, mark])
        });
        entropy.below(4) == 0
    }

    pub fn emit(&self, cause: EventId, kind: EventKind) -> EventId {
        if self.is_dead() {
            return cause;
        }
        self.world.record(self.node.name, cause, kind)
    }

    pub fn spawn(self: &Rc<Self>, future: LocalBoxFuture<()>) -> SimTask {
        if self.is_dead() {
            return SimTask(TaskState::Never);
        }
        if is_current(self) {
            return SimTask(TaskState::Running(madsim::task::spawn_local(Guarded::new(self.clone(), future))));
        }
        let future = Rc::new(RefCell::new(Some(future)));
        let handle = Rc::new(RefCell::new(None));
        self.spawned.borrow_mut().push_back((future.clone(), handle.clone()));
        if let Some(root) = &*self.root.borrow() {
            root.wake_by_ref();
        }
        SimTask(TaskState::Waiting(future, handle))
    }

    /// Starts what was spawned from outside; the rest of the root task's life.
    async fn start_spawned(self: Rc<Self>) {
        poll_fn(|cx| {
            self.root.replace(Some(cx.waker().clone()));
            while let Some((future, handle)) = { self.spawned.borrow_mut().pop_front() } {
                if let Some(future) = future.take() {
                    let guarded = Guarded::new(self.clone(), future);
                    handle.replace(Some(madsim::task::spawn_local(guarded)));
                }
            }
            Poll::<()>::Pending
        })
        .await;
    }

    /// The run is over: nothing has an effect any more.
    pub fn bury(&self) {
        self.dead.set(true);
        drop((self.spawned.take(), self.root.take()));
    }

    /// A task panicked: a finding, and the end of the process.
    pub fn panicked(self: &Rc<Self>, message: &str) {
        if self.is_dead() {
            return;
        }
        let message = Name::new(message);
        let finding = self.emit(self.started, EventKind::NodePanicked { message });
        self.stop(finding, StopReason::Panic);
    }

    /// Ends the process; returns its `NodeStopped`.
    pub fn stop(self: &Rc<Self>, cause: EventId, reason: StopReason) -> EventId {
        if self.is_dead() {
            return cause;
        }
        let stopped = self.emit(cause, EventKind::NodeStopped { reason });
        self.dead.set(true);
        let node = &self.node;
        node.stopped.set(stopped);
        node.paused.set(false);
        node.process.take();
        node.powered.set(reason != StopReason::PowerLoss);
        let listeners = node.listeners.take();
        net::process_died(self, stopped, reason == StopReason::PowerLoss);
        drop((listeners, self.spawned.take(), self.root.take()));
        // Last, and with nothing borrowed: killing a paused node drops its futures in here.
        self.world.handle.kill(node.id.get().expect("a started node has an id"));
        stopped
    }
}

/// Starts a node that is down.
pub(super) fn start(world: &Rc<Inner>, node: &Rc<Node>, cause: EventId) -> EventId {
    assert!(!node.is_up(), "{} is up already", node.name);
    let incarnation = node.starts.replace(node.starts.get() + 1);
    let started = world.record(node.name, cause, EventKind::NodeStarted { incarnation });
    node.powered.set(true);
    let process = Rc::new(Process {
        world: world.clone(),
        node: node.clone(),
        incarnation,
        started,
        dead: Cell::new(false),
        spawned: RefCell::default(),
        root: RefCell::default(),
        marks: RefCell::default(),
    });
    node.process.replace(Some(process));
    match node.id.get() {
        Some(id) => world.handle.restart(id),
        None => {
            let name = node.name;
            // Send + Sync as madsim asks: the world is fetched from the thread.
            let builder = world.handle.create_node().name(name.as_str()).init(move || root(name));
            node.id.set(Some(builder.build().id()));
        }
    }
    started
}

/// The root task of a node's new process. It starts `boot` as a task of its own, since it must outlive it: its own return would
/// be an exit that madsim does behind our back.
fn root(name: Name) -> impl Future<Output = ()> + 'static {
    let process = super::world::current(|world| world.node(name).process.borrow().clone()).flatten();
    async move {
        let Some(process) = process else { return std::future::pending().await };
        let starter = process.clone();
        Guarded::new(
            process,
            Box::pin(async move {
                let Some(boot) = starter.node.boot.borrow().clone() else { return };
                let main = starter.clone();
                drop(starter.spawn(Box::pin(async move {
                    boot(Host::simulated(super::SimHost(main.clone()))).await;
                    main.stop(main.started, StopReason::Exit);
                })));
                starter.start_spawned().await;
            }),
        )
        .await;
    }
}
