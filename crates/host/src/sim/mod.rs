//! The simulated host: a world of nodes on madsim's executor and virtual time, with a network, disks and clocks of our own.
//!
//! madsim 0.2.34 gives the executor, virtual time, kill, restart and pause of nodes, and the interception of std's time and
//! entropy. Its TCP, endpoints and file system are not used: a partitioned TCP connection never breaks there, unsynced data
//! survives, nothing is per link, and no clock is skewed.

mod clock;
pub(crate) mod disk;
mod heap;
mod latency;
pub(crate) mod net;
mod node;
mod options;
mod run;
mod task;
mod world;

use std::io;
use std::rc::Rc;

use trace::{ConnectFailure, EventId, EventKind, Name, StopReason};

use crate::disk::DiskKind;
use crate::network::ListenerKind;
use crate::{Address, Connection, Disk, Entropy, Framing, Listener, LocalBoxFuture, Time};
use heap::Deadline;
use node::Process;

pub use disk::DiskView;
pub(crate) use latency::Table as LatencyTable;
pub use options::{ClockSetting, DiskFault, Finished, HoldRule, Keep, Latency, Panic, WorldOptions};
pub use run::run;
pub(crate) use task::SimTask;
pub use world::World;

/// The simulated side of [`crate::Host`].
#[derive(Clone)]
pub(crate) struct SimHost(Rc<Process>);

impl SimHost {
    pub fn name(&self) -> Name {
        self.0.node.name
    }

    pub fn incarnation(&self) -> u32 {
        self.0.incarnation
    }

    pub fn started(&self) -> EventId {
        self.0.started
    }

    pub fn now(&self) -> Time {
        self.0.node.clock.borrow().now(self.0.world.heap.now())
    }

    pub fn wall(&self) -> i64 {
        self.0.node.clock.borrow().wall(self.0.world.heap.now())
    }

    pub fn spawn(&self, _: &'static str, future: LocalBoxFuture<()>) -> SimTask {
        self.0.spawn(future)
    }

    pub async fn sleep_until(&self, at: Time) {
        let due = self.0.node.clock.borrow().true_time(at);
        Deadline::new(self.0.world.clone(), due).await;
        if self.0.is_dead() {
            std::future::pending().await
        }
    }

    pub fn exit(&self, cause: EventId) {
        self.0.stop(cause, StopReason::Exit);
    }

    pub async fn listen(&self, port: u16, framing: Framing) -> io::Result<Listener> {
        if self.0.is_dead() {
            return std::future::pending().await;
        }
        net::Listener::new(&self.0, port, framing).map(|listener| Listener(ListenerKind::Simulated(listener)))
    }

    pub async fn connect(&self, to: Address, framing: Framing, cause: EventId) -> Result<Connection, ConnectFailure> {
        net::connect(&self.0, to, framing, cause).await
    }

    pub fn disk(&self) -> Disk {
        let disk = self.0.node.disk.borrow().clone();
        Disk(DiskKind::Simulated(disk::DiskHandle::new(self.0.clone(), disk)))
    }

    pub fn entropy(&self, stream: &str) -> Entropy {
        let incarnation = self.0.incarnation.to_string();
        Entropy::new(self.0.world.options.seed, &["node", self.0.node.name.as_str(), &incarnation, stream])
    }

    pub fn buggify(&self, mark: &'static str, cause: EventId) -> bool {
        let fires = !self.0.is_dead() && self.0.world.is_marked(mark) && self.0.flips(mark);
        if fires {
            self.0.emit(cause, EventKind::Mark { mark: Name::new(mark) });
        }
        fires
    }

    pub fn emit(&self, cause: EventId, kind: EventKind) -> EventId {
        self.0.emit(cause, kind)
    }

    pub fn wants_text(&self) -> bool {
        self.0.world.recorder.borrow().wants_text()
    }
}
