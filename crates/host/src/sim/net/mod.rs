//! SimNet: TCP as processes see it, with whole frames as segments.
//!
//! Kernels repeat what is lost, keep order, acknowledge, and give up after a while; processes see latency, back-pressure, FIN,
//! RST and timeouts. Everything obeys partitions.

mod connect;
mod connection;
mod link;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use trace::{CloseReason, EventId, FrameInfo, Name};

use super::latency::Table;
use super::node::{Node, Process};
use super::world::Inner;
use super::{HoldRule, Latency, WorldOptions};
pub(super) use connect::Listening;
pub(crate) use connect::{Listener, connect};
use connection::Connection;
pub(crate) use connection::End;
use link::Link;
pub(super) use link::LinkFault;

/// A node's connections to itself do not leave the machine.
const LOOPBACK: Latency = Latency { p50_ns: 20_000, p99_ns: 60_000 };

/// What the heap does for the network.
pub(super) struct Timer(What);

enum What {
    /// A frame arrives at the receiver's kernel.
    Arrive {
        connection: Rc<Connection>,
        sender: usize,
        place: u64,
        generation: u32,
    },
    /// The sender's kernel repeats what is not acknowledged.
    Retransmit {
        connection: Rc<Connection>,
        sender: usize,
    },
    /// The receiver has room again.
    Window {
        connection: Rc<Connection>,
        sender: usize,
    },
    /// An RST arrives.
    Reset {
        connection: Rc<Connection>,
        to: usize,
        cause: EventId,
    },
    Connect(connect::Step),
}

pub(super) fn fire(world: &Rc<Inner>, timer: Timer) {
    match timer.0 {
        What::Arrive { connection, sender, place, generation } => connection.arrive(world, sender, place, generation),
        What::Retransmit { connection, sender } => connection.retransmit(world, sender),
        What::Window { connection, sender } => connection.window_opened(world, sender),
        What::Reset { connection, to, cause } => connection.reset_arrives(world, to, cause),
        What::Connect(step) => connect::step(world, step),
    }
}

/// The network of a world.
pub(super) struct Net {
    seed: u64,
    latency: Rc<Table>,
    loopback: Rc<Table>,
    bandwidth: Option<u64>,
    links: RefCell<BTreeMap<(Name, Name), Rc<Link>>>,
    hits: RefCell<BTreeMap<EventId, u64>>,
    holds: RefCell<BTreeMap<EventId, Hold>>,
    /// Connections that a kernel still knows of.
    connections: RefCell<BTreeMap<u32, Rc<Connection>>>,
    last_connection: Cell<u32>,
    unknown_api: Name,
}

struct Hold {
    rule: HoldRule,
    seen: u64,
}

impl Net {
    pub fn new(options: &WorldOptions) -> Net {
        Net {
            seed: options.seed,
            latency: Rc::new(Table::new(options.latency)),
            loopback: Rc::new(Table::new(LOOPBACK)),
            bandwidth: options.bandwidth,
            links: RefCell::default(),
            hits: RefCell::default(),
            holds: RefCell::default(),
            connections: RefCell::default(),
            last_connection: Cell::new(0),
            unknown_api: Name::new("unknown"),
        }
    }

    fn link(&self, from: Name, to: Name) -> Rc<Link> {
        let mut links = self.links.borrow_mut();
        let link = links.entry((from, to)).or_insert_with(|| {
            let (latency, bandwidth) =
                if from == to { (&self.loopback, None) } else { (&self.latency, self.bandwidth) };
            Rc::new(Link::new(self.seed, from.as_str(), to.as_str(), latency.clone(), bandwidth))
        });
        link.clone()
    }

    pub fn add_fault(&self, id: EventId, links: &[(Name, Name)], fault: LinkFault) {
        // A node always reaches itself.
        for (from, to) in links.iter().filter(|(from, to)| from != to) {
            self.link(*from, *to).add_fault(id, fault.clone());
        }
    }

    pub fn heal(&self, id: EventId) {
        for link in self.links.borrow().values() {
            link.heal(id);
        }
    }

    fn hit(&self, fault: EventId) {
        *self.hits.borrow_mut().entry(fault).or_insert(0) += 1;
    }

    pub fn hits(&self, fault: EventId) -> u64 {
        self.hits.borrow().get(&fault).copied().unwrap_or(0)
    }

    pub fn hold(&self, fault: EventId, rule: HoldRule) {
        assert!(rule.nth > 0, "held frames are counted from 1");
        self.holds.borrow_mut().insert(fault, Hold { rule, seen: 0 });
    }

    /// The rule that catches this frame, if one does.
    fn caught(&self, from: Name, info: &FrameInfo) -> Option<EventId> {
        if self.holds.borrow().is_empty() {
            return None;
        }
        let mut caught = None;
        for (fault, Hold { rule, seen }) in self.holds.borrow_mut().iter_mut() {
            let same = rule.api == info.api && rule.response == info.response;
            if same && rule.from.contains(&from) && rule.to.contains(&info.peer) {
                *seen += 1;
                if *seen == rule.nth {
                    caught = Some(*fault);
                }
            }
        }
        caught.inspect(|fault| self.hit(*fault))
    }

    fn all(&self) -> Vec<Rc<Connection>> {
        self.connections.borrow().values().cloned().collect()
    }

    /// Forgets what keeps the world alive.
    pub fn clear(&self) {
        for connection in self.connections.take().into_values() {
            connection.clear();
        }
    }
}

/// A process died: its kernel closes its connections, unless the power is gone.
pub(super) fn process_died(process: &Rc<Process>, stopped: EventId, power_loss: bool) {
    for connection in process.world.net.all() {
        connection.process_died(process, stopped, power_loss);
    }
}

/// A machine lost its power: its kernel's connections, those of earlier processes too, are forgotten.
pub(super) fn machine_died(world: &Rc<Inner>, node: &Node, stopped: EventId) {
    for connection in world.net.all() {
        connection.machine_died(world, node.name, stopped);
    }
}

pub(super) fn reset_connections(world: &Rc<Inner>, fault: EventId, from: &[Name], to: &[Name]) -> usize {
    let mut count = 0;
    for connection in world.net.all() {
        let [a, b] = connection.names();
        let between = (from.contains(&a) && to.contains(&b)) || (from.contains(&b) && to.contains(&a));
        if between && connection.break_both(world, CloseReason::Reset, fault) {
            world.net.hit(fault);
            count += 1;
        }
    }
    count
}

pub(super) fn release(world: &Rc<Inner>, fault: EventId) {
    if world.net.holds.borrow_mut().remove(&fault).is_some() {
        for connection in world.net.all() {
            connection.release(world, fault);
        }
    }
}
