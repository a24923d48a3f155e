//! The network door of a world of real nodes: who listens where, and which links are cut or slow. Real sockets carry the frames;
//! the door only says when a connection's writer may hand them over.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use trace::{CloseReason, EventId, Name};

use super::Process;
use super::net::Shared;
use crate::sim::{Latency, LatencyTable};
use crate::{Address, Entropy};

/// How long data may wait for its acknowledgement before its connection breaks (TCP_USER_TIMEOUT), as in simulation.
const USER_TIMEOUT: Duration = Duration::from_secs(15);

type Link = (Name, Name);

/// What is wrong with a link.
enum Harm {
    Cut,
    Slow(LatencyTable),
}

struct Rule {
    fault: EventId,
    links: BTreeSet<Link>,
    harm: Harm,
}

/// The door that all nodes of a world share.
pub(super) struct Door {
    listening: RefCell<BTreeMap<Address, SocketAddr>>,
    connections: RefCell<Vec<Weak<Shared>>>,
    rules: RefCell<Vec<Rule>>,
    hits: RefCell<BTreeMap<EventId, u64>>,
    latencies: RefCell<Entropy>,
    /// The rules are others now.
    changed: Notify,
    /// An event was recorded.
    recorded: Notify,
}

impl Door {
    pub fn new(latencies: Entropy) -> Rc<Door> {
        Rc::new(Door {
            listening: RefCell::default(),
            connections: RefCell::default(),
            rules: RefCell::default(),
            hits: RefCell::default(),
            latencies: RefCell::new(latencies),
            changed: Notify::new(),
            recorded: Notify::new(),
        })
    }

    pub fn recorded(&self) -> &Notify {
        &self.recorded
    }

    /// `address` is reached at `socket` from here on.
    pub fn listen(&self, address: Address, socket: SocketAddr) {
        self.listening.borrow_mut().insert(address, socket);
    }

    /// Nobody is reached at `socket` any more.
    pub fn unlisten(&self, socket: SocketAddr) {
        self.listening.borrow_mut().retain(|_, own| *own != socket);
    }

    pub fn find(&self, address: Address) -> Option<SocketAddr> {
        self.listening.borrow().get(&address).copied()
    }

    /// One end of a connection was opened.
    pub fn opened(&self, end: &Rc<Shared>) {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|end| end.strong_count() > 0);
        connections.push(Rc::downgrade(end));
    }

    fn ends(&self) -> Vec<Rc<Shared>> {
        self.connections.borrow().iter().filter_map(Weak::upgrade).collect()
    }

    /// A process has ended: nobody reaches it, and its kernel closes its connections.
    pub fn process_died(&self, process: &Process) {
        self.listening.borrow_mut().retain(|address, _| address.host != process.name());
        self.ends().iter().filter(|end| end.is_of(process)).for_each(|end| end.close());
    }

    /// Resets the connections between two sets of nodes, whoever opened them. Returns how many there were.
    pub fn reset(&self, fault: EventId, from: &[Name], to: &[Name]) -> usize {
        let between = |a: Name, b: Name| from.contains(&a) && to.contains(&b);
        let ends = self.ends();
        let hit = ends.iter().filter(|end| {
            let (own, peer) = end.link();
            end.is_open() && (between(own, peer) || between(peer, own))
        });
        let mut count = 0;
        for end in hit {
            count += usize::from(end.connector());
            end.fail(fault, CloseReason::Reset);
        }
        count
    }

    fn add(&self, fault: EventId, links: &[Link], harm: Harm) {
        self.rules.borrow_mut().push(Rule { fault, links: links.iter().copied().collect(), harm });
        self.changed.notify_waiters();
    }

    pub fn cut(&self, fault: EventId, links: &[Link]) {
        self.add(fault, links, Harm::Cut);
    }

    pub fn slow(&self, fault: EventId, links: &[Link], latency: Latency) {
        self.add(fault, links, Harm::Slow(LatencyTable::new(latency)));
    }

    pub fn heal(&self, fault: EventId) {
        self.rules.borrow_mut().retain(|rule| rule.fault != fault);
        self.changed.notify_waiters();
    }

    pub fn hits(&self, fault: EventId) -> u64 {
        self.hits.borrow().get(&fault).copied().unwrap_or(0)
    }

    /// The faults that cut a link.
    fn cuts(&self, link: Link) -> Vec<EventId> {
        let rules = self.rules.borrow();
        let cuts = rules.iter().filter(|rule| matches!(rule.harm, Harm::Cut) && rule.links.contains(&link));
        cuts.map(|rule| rule.fault).collect()
    }

    fn hit(&self, faults: &[EventId]) {
        let mut hits = self.hits.borrow_mut();
        faults.iter().for_each(|fault| *hits.entry(*fault).or_default() += 1);
    }

    /// When what is sent over a link now may arrive; of several latencies the latest counts.
    pub fn due(&self, link: Link) -> Option<Instant> {
        let rules = self.rules.borrow();
        let (fault, table) = rules.iter().rev().find_map(|rule| match &rule.harm {
            Harm::Slow(table) if rule.links.contains(&link) => Some((rule.fault, table)),
            _ => None,
        })?;
        self.hit(&[fault]);
        Some(Instant::now() + Duration::from_nanos(table.draw(&mut self.latencies.borrow_mut())))
    }

    /// Waits until a link is not cut.
    pub async fn pass(&self, link: Link) {
        let mut seen = BTreeSet::new();
        loop {
            let changed = self.changed.notified();
            let cuts = self.cuts(link);
            if cuts.is_empty() {
                return;
            }
            // Each fault hits a frame once, however long it waits.
            let new: Vec<EventId> = cuts.into_iter().filter(|fault| seen.insert(*fault)).collect();
            self.hit(&new);
            changed.await;
        }
    }

    /// Waits as the handshake of a connection would: there, and back.
    pub async fn shake_hands(&self, from: Name, to: Name) {
        for link in [(from, to), (to, from)] {
            let due = self.due(link);
            self.pass(link).await;
            if let Some(due) = due {
                tokio::time::sleep_until(due).await;
            }
        }
    }

    /// Waits until a frame may go; false if that took too long and the connection is broken.
    pub async fn admit(&self, link: Link, due: Option<Instant>) -> bool {
        if let Some(due) = due {
            tokio::time::sleep_until(due).await;
        }
        tokio::time::timeout(USER_TIMEOUT, self.pass(link)).await.is_ok()
    }

    /// A frame goes out: where the way back is cut, it will not be acknowledged. `since` is how long that has been so.
    pub fn sent(&self, (from, to): Link, since: &Cell<Option<Instant>>) {
        let cuts = self.cuts((to, from));
        self.hit(&cuts);
        if !cuts.is_empty() && since.get().is_none() {
            since.set(Some(Instant::now()));
        }
    }

    /// Done when what was sent over a link has gone without acknowledgement for too long.
    pub async fn unacknowledged(&self, (from, to): Link, since: &Cell<Option<Instant>>) {
        loop {
            let changed = self.changed.notified();
            if self.cuts((to, from)).is_empty() {
                since.set(None);
            }
            let Some(first) = since.get() else { return pending().await };
            if tokio::time::timeout_at(first + USER_TIMEOUT, changed).await.is_err() {
                return;
            }
        }
    }
}
