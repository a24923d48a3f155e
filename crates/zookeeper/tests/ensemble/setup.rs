//! A world with an ensemble and clients, and what tests ask of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use host::sim::{self, World, WorldOptions};
use host::{Address, LocalBoxFuture};
use trace::{Event, EventId, EventKind, Mode, Name, ZabRole};
use zookeeper::{Client, ClientEvent, CreateMode, MemberConfig, Op, run_member};

use crate::judge::judge;

/// No event in particular: the test itself wants it.
pub const CAUSE: EventId = EventId::ROOT;
/// The session timeout of the tests' clients.
pub const TIMEOUT_MS: u32 = 6000;
pub const SECOND: u64 = 1_000_000_000;

/// An ensemble in a world.
#[derive(Clone)]
pub struct Ensemble {
    pub world: World,
    pub members: Vec<Name>,
    events: Rc<RefCell<Vec<Event>>>,
}

/// Runs `test` in a world with `members` members that have been started; then judges what happened.
pub fn with_ensemble<F>(members: u32, seed: u64, test: impl FnOnce(Ensemble) -> F + Send + 'static) -> Vec<Event>
where
    F: Future<Output = ()> + 'static,
{
    with_snapshots(members, seed, 10_000, test)
}

/// The same with another number of transactions between snapshots.
pub fn with_snapshots<F>(
    members: u32,
    seed: u64,
    snap_count: u32,
    test: impl FnOnce(Ensemble) -> F + Send + 'static,
) -> Vec<Event>
where
    F: Future<Output = ()> + 'static,
{
    let options = WorldOptions { seed, schedule_seed: seed, trace: Mode::Full, ..WorldOptions::default() };
    let run = move |world: World| -> LocalBoxFuture<Vec<Event>> {
        Box::pin(async move {
            let ensemble = Ensemble::start(world.clone(), members, snap_count);
            test(ensemble).await;
            world.finish().events
        })
    };
    let events = sim::run(options, run).expect("the test holds");
    judge(&events);
    events
}

impl Ensemble {
    fn start(world: World, members: u32, snap_count: u32) -> Ensemble {
        let names: BTreeMap<u32, Name> = (1..=members).map(|id| (id, Name::new(&format!("zk-{id}")))).collect();
        for (id, name) in &names {
            let config = MemberConfig { snap_count, ..MemberConfig::new(*id, names.clone()) };
            world.add_node(*name, move |host| Box::pin(run_member(host, config.clone())));
            world.start(*name, CAUSE);
        }
        Ensemble { world, members: names.into_values().collect(), events: Rc::default() }
    }

    /// Starts a node with a client of all members.
    pub async fn client(&self, node: &str) -> Client {
        let slot: Rc<RefCell<Option<Client>>> = Rc::default();
        let (filled, servers) = (Rc::clone(&slot), self.members.clone());
        self.world.add_node(node, move |host| {
            let servers = servers.iter().map(|member| Address::new(*member, 2181)).collect();
            *filled.borrow_mut() = Some(Client::connect(host, servers, TIMEOUT_MS));
            Box::pin(std::future::pending())
        });
        self.world.start(node, CAUSE);
        while slot.borrow().is_none() {
            self.sleep(0.001).await;
        }
        slot.take().expect("just filled")
    }

    pub async fn sleep(&self, seconds: f64) {
        self.world.sleep((seconds * 1e9) as u64).await;
    }

    pub fn now(&self) -> f64 {
        self.world.now_ns() as f64 / 1e9
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        let mut fresh = Vec::new();
        self.world.take_events(&mut fresh);
        self.events.borrow_mut().extend(fresh);
        self.events.borrow().clone()
    }

    /// Each running member's last role.
    pub fn roles(&self) -> BTreeMap<Name, (ZabRole, u32)> {
        let mut roles = BTreeMap::new();
        for event in self.events() {
            match event.kind {
                EventKind::ZabRoleChanged { role, epoch } => drop(roles.insert(event.node, (role, epoch))),
                EventKind::NodeStopped { .. } => drop(roles.remove(&event.node)),
                _ => {}
            }
        }
        roles
    }

    /// The established leader, as soon as there is one that a majority of all members follows or is.
    pub async fn leader(&self) -> Name {
        for _ in 0..600 {
            let roles = self.roles();
            let leader =
                roles.iter().filter(|(_, (role, _))| *role == ZabRole::Leading).max_by_key(|(_, (_, epoch))| *epoch);
            if let Some((leader, (_, epoch))) = leader {
                let with = roles.values().filter(|(role, of)| *role != ZabRole::Looking && of == epoch).count();
                if with > self.members.len() / 2 {
                    return *leader;
                }
            }
            self.sleep(0.1).await;
        }
        panic!("no leader in a minute: {:?}", self.roles());
    }

    /// The members that are not `leader`.
    pub fn others(&self, leader: Name) -> Vec<Name> {
        self.members.iter().copied().filter(|member| *member != leader).collect()
    }

    /// Begins a fault that cuts all links between the two groups, both ways.
    pub fn cut(&self, name: &str, from: &[Name], to: &[Name]) -> EventId {
        let pairs = from.iter().flat_map(|from| to.iter().flat_map(|to| [(*from, *to), (*to, *from)]));
        self.cut_links(name, &pairs.collect::<Vec<_>>())
    }

    /// Begins a fault that cuts these links, one way.
    pub fn cut_links(&self, name: &str, links: &[(Name, Name)]) -> EventId {
        let (fault, kind) = (Name::new(name), Name::new("partition"));
        let fault = self.world.emit(CAUSE, EventKind::FaultBegan { fault, kind, target: Name::new("links") });
        self.world.cut(fault, links);
        fault
    }
}

/// Creates a znode and returns its path.
pub async fn create(client: &Client, path: &str, mode: CreateMode) -> String {
    client.create(CAUSE, path, Bytes::from_static(b"x"), mode).await.expect("creates").value.path
}

/// The operation that does the same.
pub fn creation(path: &str, mode: CreateMode) -> Op {
    Op::Create { path: path.into(), data: Bytes::new(), mode }
}

/// The next event that `wanted` knows.
pub async fn next<T>(client: &Client, wanted: impl Fn(&ClientEvent) -> Option<T>) -> T {
    loop {
        let event = client.next_event().await;
        if let Some(wanted) = wanted(&event) {
            return wanted;
        }
    }
}

/// The next session, and whether it is new.
pub async fn connected(client: &Client) -> (u64, bool) {
    next(client, |event| match event {
        ClientEvent::Connected { session, new, .. } => Some((*session, *new)),
        _ => None,
    })
    .await
}
