//! Connections between nodes of one operating system process. Both ends share the connection's number, know each other by
//! name, and what arrives has what was sent as its cause, as in simulation. To others a peer is an IP address.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use trace::{EventId, Name};

/// Frames under way that are remembered; beyond, the other end is not in this process and will never ask.
const MOST_UNDER_WAY: usize = 65_536;

static LAST_CONNECTION: AtomicU32 = AtomicU32::new(0);

/// A number for a connection.
pub(super) fn next_connection() -> u32 {
    LAST_CONNECTION.fetch_add(1, Ordering::Relaxed) + 1
}

/// The ports of the connecting and of the accepting end.
type Ports = (u16, u16);

/// All connections that nodes of this process have opened.
#[derive(Clone, Default)]
pub(super) struct Wires(Arc<Mutex<BTreeMap<Ports, Arc<Wire>>>>);

/// What both ends of a connection know.
pub(super) struct Wire {
    pub connection: u32,
    /// The node that connected, and why.
    pub connector: Name,
    pub cause: EventId,
    /// The `FrameSent` events of frames under way; `None` once nobody asks for them.
    under_way: [Mutex<Option<VecDeque<EventId>>>; 2],
}

/// An end's hold on its wire; the connecting one's keeps it findable.
pub(super) struct Hold {
    pub wire: Arc<Wire>,
    registered: Option<(Wires, Ports)>,
}

impl Wires {
    /// Registers a connection that `connector` is about to open.
    pub fn open(&self, from: u16, to: u16, connector: Name, cause: EventId) -> Hold {
        let under_way = [const { Some(VecDeque::new()) }; 2].map(Mutex::new);
        let wire = Arc::new(Wire { connection: next_connection(), connector, cause, under_way });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((from, to), wire.clone());
        Hold { wire, registered: Some((self.clone(), (from, to))) }
    }

    /// The connection that was accepted, if a node of this process opened it.
    pub fn find(&self, peer: SocketAddr, own: SocketAddr) -> Option<Hold> {
        // From this machine to itself, both ends have the same address.
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wire = all.get(&(peer.port(), own.port())).filter(|_| peer.ip() == own.ip())?;
        Some(Hold { wire: wire.clone(), registered: None })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some((wires, ports)) = &self.registered {
            let mut all = wires.0.lock().unwrap_or_else(PoisonError::into_inner);
            // The port may be another connection's by now.
            if all.get(ports).is_some_and(|wire| Arc::ptr_eq(wire, &self.wire)) {
                all.remove(ports);
            }
        }
    }
}

impl Wire {
    /// A frame is sent, by the connecting end or the other.
    pub fn sent(&self, by_connector: bool, event: EventId) {
        let mut under_way = self.under_way[usize::from(by_connector)].lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *under_way {
            Some(events) if events.len() < MOST_UNDER_WAY => events.push_back(event),
            _ => *under_way = None,
        }
    }

    /// The event that sent the frame which arrived, if it is known.
    pub fn arrived(&self, from_connector: bool) -> EventId {
        let mut under_way = self.under_way[usize::from(from_connector)].lock().unwrap_or_else(PoisonError::into_inner);
        under_way.as_mut().and_then(VecDeque::pop_front).unwrap_or(EventId::ROOT)
    }
}
