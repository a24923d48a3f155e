//! The world that a runner sees, simulated or real: one body of code sets up a cluster, injects faults and judges in both.

use std::future::Future;
use std::io;

use trace::{Event, EventId, EventKind, Name};

use crate::sim::{ClockSetting, DiskFault, Finished, HoldRule, Keep, Latency};
use crate::{Entropy, Entry, Host, LocalBoxFuture, real, sim};

/// The omniscient side of a run: starts and stops nodes, injects faults, sees every event. Cheap to clone.
///
/// What only a simulated world can do panics in a real one: whoever runs a plan for real leaves such faults out before.
#[derive(Clone)]
pub struct World(Kind);

#[derive(Clone)]
enum Kind {
    Simulated(sim::World),
    Real(real::RealWorld),
}

impl From<sim::World> for World {
    fn from(world: sim::World) -> World {
        World(Kind::Simulated(world))
    }
}

impl From<real::RealWorld> for World {
    fn from(world: real::RealWorld) -> World {
        World(Kind::Real(world))
    }
}

macro_rules! on_world {
    ($self:ident, $world:ident => $call:expr) => {
        match &$self.0 {
            Kind::Simulated($world) => $call,
            Kind::Real($world) => $call,
        }
    };
}

impl World {
    /// The simulated world, for what no real one can do.
    fn simulated(&self, what: &str) -> &sim::World {
        match &self.0 {
            Kind::Simulated(world) => world,
            Kind::Real(_) => panic!("a real world cannot {what}"),
        }
    }

    /// Time since the start of the run, in nanoseconds. No node's clock shows it.
    pub fn now_ns(&self) -> u64 {
        on_world!(self, world => world.now_ns())
    }

    /// Waits for `ns` nanoseconds.
    pub async fn sleep(&self, ns: u64) {
        on_world!(self, world => world.sleep(ns).await)
    }

    /// Waits until `ns` nanoseconds after the start of the run.
    pub async fn sleep_until(&self, ns: u64) {
        on_world!(self, world => world.sleep_until(ns).await)
    }

    /// Starts a task of the world itself: no node's death ends it. A panic in it ends the run.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        on_world!(self, world => world.spawn(future))
    }

    /// Adds a node that is down. `boot` is its process's main function: when it returns, the process exits.
    ///
    /// # Panics
    /// If there is a node with that name.
    pub fn add_node(&self, name: impl Into<Name>, boot: impl Fn(Host) -> LocalBoxFuture<()> + 'static) {
        on_world!(self, world => world.add_node(name, boot))
    }

    /// Starts a node; returns its `NodeStarted`.
    ///
    /// # Panics
    /// If it is up, or unknown (as with every call that names a node).
    pub fn start(&self, name: impl Into<Name>, cause: EventId) -> EventId {
        on_world!(self, world => world.start(name, cause))
    }

    /// Kills a node's process; what it wrote stays and its kernel closes its connections. Returns its `NodeStopped`, or
    /// `cause` if it was down.
    pub fn kill(&self, name: impl Into<Name>, cause: EventId) -> EventId {
        on_world!(self, world => world.kill(name, cause))
    }

    /// Takes the power from a node's machine; see [`sim::World::power_loss`].
    pub fn power_loss(&self, name: impl Into<Name>, cause: EventId, keep: Keep) -> EventId {
        self.simulated("take a machine's power").power_loss(name, cause, keep)
    }

    /// Stops a node's process where it stands; its kernel goes on receiving and acknowledging. Without effect if it is down.
    pub fn pause(&self, name: impl Into<Name>, cause: EventId) -> EventId {
        on_world!(self, world => world.pause(name, cause))
    }

    /// Lets a paused process go on. Without effect if it is not paused.
    pub fn resume(&self, name: impl Into<Name>, cause: EventId) -> EventId {
        on_world!(self, world => world.resume(name, cause))
    }

    /// Whether a node's process runs (or is paused).
    pub fn is_up(&self, name: impl Into<Name>) -> bool {
        on_world!(self, world => world.is_up(name))
    }

    /// Whether a node's process is paused.
    pub fn is_paused(&self, name: impl Into<Name>) -> bool {
        on_world!(self, world => world.is_paused(name))
    }

    /// All nodes, sorted by name.
    pub fn nodes(&self) -> Vec<Name> {
        on_world!(self, world => world.nodes())
    }

    /// Records an event of the world itself (node `world`).
    pub fn emit(&self, cause: EventId, kind: EventKind) -> EventId {
        on_world!(self, world => world.emit(cause, kind))
    }

    /// Waits until there may be events that [`World::take_events`] has not given out.
    pub async fn changed(&self) {
        on_world!(self, world => world.changed().await)
    }

    /// Moves the events since the last call into `into`, which is cleared first.
    pub fn take_events(&self, into: &mut Vec<Event>) {
        on_world!(self, world => world.take_events(into))
    }

    /// From now on no buggify mark fires; a real world has none.
    pub fn calm(&self) {
        if let Kind::Simulated(world) = &self.0 {
            world.calm();
        }
    }

    /// A stream of random numbers, named by the seed and `stream`.
    pub fn entropy(&self, stream: &str) -> Entropy {
        on_world!(self, world => world.entropy(stream))
    }

    /// From here on all randomness is drawn anew, as `seed` decides.
    pub fn reseed(&self, seed: u64) {
        self.simulated("draw its randomness anew").reseed(seed);
    }

    /// Cuts directed links: from here on nothing that goes from the first to the second node arrives until it is healed.
    pub fn cut(&self, fault: EventId, links: &[(Name, Name)]) {
        on_world!(self, world => world.cut(fault, links))
    }

    /// Gives directed links another latency. Of several the latest counts.
    pub fn slow(&self, fault: EventId, links: &[(Name, Name)], latency: Latency) {
        on_world!(self, world => world.slow(fault, links, latency))
    }

    /// Lets directed links lose so many of a million frames.
    pub fn lossy(&self, fault: EventId, links: &[(Name, Name)], probability_ppm: u32) {
        self.simulated("lose frames").lossy(fault, links, probability_ppm);
    }

    /// Removes every network and disk fault of that event.
    pub fn heal(&self, fault: EventId) {
        on_world!(self, world => world.heal(fault))
    }

    /// Resets the connections between the nodes of `from` and those of `to`, whoever opened them. Returns how many there were.
    pub fn reset_connections(&self, fault: EventId, from: &[Name], to: &[Name]) -> usize {
        on_world!(self, world => world.reset_connections(fault, from, to))
    }

    /// Sets a rule that keeps a frame back; see [`sim::World::hold`].
    pub fn hold(&self, fault: EventId, rule: HoldRule) {
        self.simulated("hold a frame").hold(fault, rule);
    }

    /// Lets go on what a hold rule keeps back, and removes the rule.
    pub fn release(&self, fault: EventId) {
        self.simulated("hold a frame").release(fault);
    }

    /// Whether a hold rule has caught its frame.
    pub fn hold_hit(&self, fault: EventId) -> bool {
        self.simulated("hold a frame").hold_hit(fault)
    }

    /// How many frames, connection attempts and acknowledgements a network fault has hit, also after it was healed.
    pub fn links_hit(&self, fault: EventId) -> u64 {
        on_world!(self, world => world.links_hit(fault))
    }

    /// Puts a fault on a node's disk.
    pub fn disk_fault(&self, fault: EventId, node: impl Into<Name>, what: DiskFault) {
        self.simulated("harm a disk").disk_fault(fault, node, what);
    }

    /// How many operations of its disk a disk fault has hit, also after it was healed.
    pub fn disk_hit(&self, fault: EventId, node: impl Into<Name>) -> u64 {
        self.simulated("harm a disk").disk_hit(fault, node)
    }

    /// Puts an empty disk into a node.
    pub fn replace_disk(&self, node: impl Into<Name>) {
        self.simulated("replace a disk").replace_disk(node);
    }

    /// A node's disk, to look at.
    pub fn disk(&self, node: impl Into<Name>) -> DiskView {
        DiskView(match &self.0 {
            Kind::Simulated(world) => View::Simulated(world.disk(node)),
            Kind::Real(world) => View::Real(world.disk(node)),
        })
    }

    /// Sets a node's clock.
    pub fn set_clock(&self, node: impl Into<Name>, setting: ClockSetting) {
        self.simulated("set a clock").set_clock(node, setting);
    }

    /// Lets a node's wall clock jump.
    pub fn jump_clock(&self, node: impl Into<Name>, by_ns: i64) {
        self.simulated("set a clock").jump_clock(node, by_ns);
    }

    /// Ends the event stream.
    pub fn finish(self) -> Finished {
        match self.0 {
            Kind::Simulated(world) => world.finish(),
            Kind::Real(world) => world.finish(),
        }
    }
}

/// A node's disk, to look at only, past its process.
pub struct DiskView(View);

enum View {
    Simulated(sim::DiskView),
    Real(real::DiskView),
}

impl DiskView {
    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, others of the operating system.
    pub fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        match &self.0 {
            View::Simulated(disk) => disk.list(dir),
            View::Real(disk) => disk.list(dir),
        }
    }

    /// A file's content as it was written, whatever faults show.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory`, others of the operating system.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match &self.0 {
            View::Simulated(disk) => disk.read(path),
            View::Real(disk) => disk.read(path),
        }
    }
}
