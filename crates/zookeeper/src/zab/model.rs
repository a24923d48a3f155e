//! Zab against a hostile world in memory: links that break and lose what was on the way, power losses between any two effects,
//! disks that keep any prefix of what was not fsynced, votes that vanish.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;
use trace::{EventId, ZabRole};

use super::{Config, Durable, Effect, Entry, History, LinkId, Message, Zab};
use crate::Nanos;
use crate::election::Notification;
use crate::types::Zxid;

const CAUSE: EventId = EventId::ROOT;
const MILLISECOND: Nanos = 1_000_000;
const TICK: Nanos = 2000 * MILLISECOND;

/// splitmix64
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A member's disk: a snapshot (how many transactions it covers), a log of which a prefix is durable, two epochs.
#[derive(Default)]
struct Disk {
    accepted: u32,
    current: u32,
    snapshot: (Zxid, usize),
    log: Vec<Entry>,
    durable: usize,
    /// An fsync under way: up to which zxid, and how many entries. It counts for nothing once the log is replaced.
    syncing: Option<(Zxid, usize)>,
}

impl Disk {
    fn replaced(&mut self) {
        self.durable = self.log.len();
        self.syncing = None;
    }
}

#[derive(Default)]
struct Node {
    zab: Option<Zab>,
    disk: Disk,
    /// How many transactions its state holds.
    delivered: usize,
    next_link: LinkId,
}

/// One end of a connection: the node and its own number for it.
type End = (u32, LinkId);

struct Connection {
    ends: [End; 2],
    /// To the end of the same index.
    queues: [VecDeque<Message>; 2],
    /// An end that has closed, or whose process died.
    closed: [bool; 2],
}

struct World {
    random: Random,
    now: Nanos,
    nodes: BTreeMap<u32, Node>,
    connections: Vec<Connection>,
    votes: BTreeMap<(u32, u32), Notification>,
    connecting: Vec<(u32, u32, u64)>,
    /// The total order, as far as anybody has delivered it.
    committed: Vec<Entry>,
    leaders: BTreeMap<u32, u32>,
    proposals: u64,
    crash_permille: u64,
    /// What the run went through.
    seen: Seen,
}

#[derive(Default, Debug)]
struct Seen {
    truncations: usize,
    snapshots: usize,
    lost: usize,
    crashes: usize,
}

impl World {
    fn new(members: u32, seed: u64, crash_permille: u64) -> World {
        let mut world = World {
            random: Random(seed),
            now: 0,
            nodes: (1..=members).map(|id| (id, Node::default())).collect(),
            connections: Vec::new(),
            votes: BTreeMap::new(),
            connecting: Vec::new(),
            committed: Vec::new(),
            leaders: BTreeMap::new(),
            proposals: 0,
            crash_permille,
            seen: Seen::default(),
        };
        (1..=members).for_each(|id| world.start(id));
        world
    }

    fn start(&mut self, id: u32) {
        let members = self.nodes.keys().copied().collect();
        let node = self.nodes.get_mut(&id).expect("a member");
        if node.zab.is_some() {
            return;
        }
        let disk = &mut node.disk;
        disk.durable = disk.log.len();
        node.delivered = disk.snapshot.1;
        let config = Config { me: id, members, tick: TICK, init_limit: 10, sync_limit: 5 };
        let history = History::new(disk.snapshot.0, disk.log.iter().cloned());
        let durable = Durable { accepted_epoch: disk.accepted, current_epoch: disk.current, history };
        node.zab = Some(Zab::new(config, durable, self.now, CAUSE));
        self.perform(id);
    }

    fn crash(&mut self, id: u32, power_loss: bool) {
        let node = self.nodes.get_mut(&id).expect("a member");
        node.zab = None;
        node.disk.syncing = None;
        self.seen.crashes += 1;
        if power_loss {
            let unsynced = (node.disk.log.len() - node.disk.durable) as u64;
            let kept = self.random.below(unsynced + 1);
            self.seen.lost += (unsynced - kept) as usize;
            node.disk.log.truncate(node.disk.durable + kept as usize);
        }
        for connection in &mut self.connections {
            for side in 0..2 {
                if connection.ends[side].0 == id {
                    connection.closed[side] = true;
                }
            }
        }
        self.votes.retain(|(from, _), _| *from != id);
        self.connecting.retain(|(from, ..)| *from != id);
    }

    /// Does what a member decided; it may die anywhere in between.
    fn perform(&mut self, id: u32) {
        loop {
            let Some(zab) = &mut self.nodes.get_mut(&id).expect("a member").zab else { return };
            let effects = zab.take_effects();
            if effects.is_empty() {
                return;
            }
            for (_, effect) in effects {
                if self.crash_permille > 0 && self.random.below(1000) < self.crash_permille {
                    let power_loss = self.random.chance(50);
                    return self.crash(id, power_loss);
                }
                self.effect(id, effect);
            }
        }
    }

    fn effect(&mut self, id: u32, effect: Effect) {
        let node = self.nodes.get_mut(&id).expect("a member");
        let disk = &mut node.disk;
        match effect {
            Effect::Notify(to, vote) => drop(self.votes.insert((id, to), vote)),
            Effect::Connect(leader, attempt) => self.connecting.push((id, leader, attempt)),
            Effect::Send(link, message) => self.send((id, link), message),
            Effect::SendSnapshot(link) => {
                let zxid = node.zab.as_ref().expect("it acts").delivered();
                let state = Bytes::copy_from_slice(&(node.delivered as u64).to_be_bytes());
                self.send((id, link), Message::Snap { zxid, state });
            }
            Effect::Close(link) => {
                if let Some((connection, side)) = self.find((id, link)) {
                    self.connections[connection].closed[side] = true;
                }
            }
            Effect::AcceptEpoch(epoch) => disk.accepted = epoch,
            Effect::EnterEpoch(epoch) => disk.current = epoch,
            Effect::Append(entry) => disk.log.push(entry),
            Effect::Flush => disk.durable = disk.log.len(),
            Effect::Truncate(zxid) => {
                self.seen.truncations += 1;
                disk.log.retain(|entry| entry.zxid <= zxid);
                disk.replaced();
            }
            Effect::InstallSnapshot(zxid, state) => {
                let count = u64::from_be_bytes(state[..].try_into().expect("a count")) as usize;
                self.seen.snapshots += 1;
                assert_eq!(self.committed[count - 1].zxid, zxid, "a snapshot holds what is committed");
                disk.snapshot = (zxid, count);
                disk.log.clear();
                disk.replaced();
                node.delivered = count;
            }
            Effect::Deliver(entry) => {
                if let Some(committed) = self.committed.get(node.delivered) {
                    assert_eq!(*committed, entry, "member {id} delivers another transaction at {}", node.delivered);
                } else {
                    self.committed.push(entry);
                }
                node.delivered += 1;
            }
            Effect::Role(ZabRole::Leading, epoch) => {
                let leader = *self.leaders.entry(epoch).or_insert(id);
                assert_eq!(leader, id, "epoch {epoch} has two leaders");
            }
            Effect::Role(..) | Effect::Proposed(_) | Effect::Serve | Effect::StopServing => {}
            Effect::FromFollower(..) | Effect::FromLeader(Message::Sync { .. } | Message::Revalidate { .. }) => {}
            Effect::FromLeader(_) => {
                let link = node.zab.as_ref().and_then(Zab::any_leader_link);
                if let Some(link) = link {
                    self.send((id, link), Message::Ping { sessions: Vec::new() });
                }
            }
        }
    }

    fn find(&self, end: End) -> Option<(usize, usize)> {
        self.connections
            .iter()
            .enumerate()
            .find_map(|(index, connection)| (0..2).find(|side| connection.ends[*side] == end).map(|side| (index, side)))
    }

    fn send(&mut self, from: End, message: Message) {
        if let Some((connection, side)) = self.find(from)
            && !self.connections[connection].closed[side]
        {
            self.connections[connection].queues[1 - side].push_back(message);
        }
    }

    fn with(&mut self, id: u32, act: impl FnOnce(&mut Zab, Nanos)) {
        let now = self.now;
        if let Some(zab) = &mut self.nodes.get_mut(&id).expect("a member").zab {
            act(zab, now);
            self.perform(id);
        }
    }

    fn connect(&mut self, index: usize, fails: bool) {
        let (from, to, attempt) = self.connecting.remove(index);
        if fails || self.nodes[&to].zab.is_none() {
            return self.with(from, |zab, now| zab.on_connect_failed(now, CAUSE, attempt));
        }
        let mut end = |id: u32| {
            let node = self.nodes.get_mut(&id).expect("a member");
            node.next_link += 1;
            (id, node.next_link)
        };
        let ends = [end(from), end(to)];
        self.connections.push(Connection { ends, queues: Default::default(), closed: [false; 2] });
        self.with(from, |zab, now| zab.on_connected(now, CAUSE, attempt, ends[0].1));
    }

    /// Delivers the next message to one side of a connection, or tells it that the other has closed.
    fn deliver(&mut self, index: usize, side: usize) {
        let connection = &mut self.connections[index];
        let (id, link) = connection.ends[side];
        if connection.closed[side] {
            connection.queues[side].clear();
        } else if let Some(message) = connection.queues[side].pop_front() {
            self.with(id, |zab, now| zab.on_message(now, CAUSE, link, message));
        } else if connection.closed[1 - side] {
            connection.closed[side] = true;
            self.with(id, |zab, now| zab.on_closed(now, CAUSE, link));
        }
        self.connections.retain(|connection| connection.closed != [true; 2]);
    }

    /// Begins an fsync, or ends the one under way.
    fn sync(&mut self, id: u32) {
        let disk = &mut self.nodes.get_mut(&id).expect("a member").disk;
        match disk.syncing.take() {
            None => disk.syncing = disk.log.last().map(|last| (last.zxid, disk.log.len())),
            Some((zxid, entries)) => {
                disk.durable = disk.durable.max(entries);
                self.with(id, |zab, now| zab.on_synced(now, CAUSE, zxid));
            }
        }
    }

    fn propose(&mut self, id: u32) {
        self.proposals += 1;
        let payload = Bytes::copy_from_slice(&self.proposals.to_be_bytes());
        self.with(id, |zab, now| {
            zab.propose(now, CAUSE, payload);
        });
    }

    fn snapshot(&mut self, id: u32) {
        let node = self.nodes.get_mut(&id).expect("a member");
        let Some(zab) = &mut node.zab else { return };
        let zxid = zab.delivered();
        zab.trim(zxid);
        let before = node.disk.log.len();
        node.disk.log.retain(|entry| entry.zxid > zxid);
        let covered = before - node.disk.log.len();
        node.disk.durable = node.disk.durable.saturating_sub(covered);
        if let Some((_, entries)) = &mut node.disk.syncing {
            *entries = entries.saturating_sub(covered);
        }
        node.disk.snapshot = (zxid, node.delivered);
    }

    fn member(&mut self) -> u32 {
        self.random.below(self.nodes.len() as u64) as u32 + 1
    }

    /// Moves one thing that is on its way, if there is any.
    fn move_something(&mut self, faults: bool) -> bool {
        let choices = self.votes.len() + self.connecting.len() + self.connections.len() * 2;
        if choices == 0 {
            return false;
        }
        let mut choice = self.random.below(choices as u64) as usize;
        if choice < self.votes.len() {
            let key = *self.votes.keys().nth(choice).expect("in range");
            let vote = self.votes.remove(&key).expect("in range");
            if !(faults && self.random.chance(5)) {
                self.with(key.1, |zab, now| zab.on_notification(now, CAUSE, vote));
            }
            return true;
        }
        choice -= self.votes.len();
        if choice < self.connecting.len() {
            let fails = faults && self.random.chance(10);
            self.connect(choice, fails);
            return true;
        }
        choice -= self.connecting.len();
        self.deliver(choice / 2, choice % 2);
        true
    }

    fn tick_all(&mut self, by: Nanos) {
        self.now += by;
        for id in 1..=self.nodes.len() as u32 {
            self.with(id, |zab, now| {
                if zab.deadline() <= now {
                    zab.tick(now);
                }
            });
        }
    }

    fn chaos(&mut self) {
        match self.random.below(1000) {
            0..650 => drop(self.move_something(true)),
            650..760 => {
                let id = self.member();
                self.sync(id);
            }
            760..860 => {
                let id = self.member();
                self.propose(id);
            }
            860..960 => {
                let by = self.random.below(120) * MILLISECOND;
                self.tick_all(by);
            }
            960..970 => {
                let id = self.member();
                self.snapshot(id);
            }
            970..980 => {
                let id = self.member();
                let power_loss = self.random.chance(70);
                if self.crash_permille > 0 {
                    self.crash(id, power_loss);
                }
            }
            980..996 => {
                let id = self.member();
                self.start(id);
            }
            996..999 => self.break_connection(),
            // A silence as long as the limits.
            _ => self.tick_all(3 * TICK),
        }
    }

    /// A connection breaks, with all that was on its way.
    fn break_connection(&mut self) {
        if self.connections.is_empty() {
            return;
        }
        let index = self.random.below(self.connections.len() as u64) as usize;
        let ends = self.connections[index].ends;
        self.connections.remove(index);
        for (id, link) in ends {
            self.with(id, |zab, now| zab.on_closed(now, CAUSE, link));
        }
    }

    /// Nothing fails any more: within half a minute a leader is established and everybody has everything.
    fn heal(&mut self) {
        self.crash_permille = 0;
        for id in 1..=self.nodes.len() as u32 {
            self.start(id);
        }
        let known = self.committed.len();
        for _ in 0..60_000 {
            for _ in 0..4 {
                self.move_something(false);
            }
            for id in 1..=self.nodes.len() as u32 {
                self.sync(id);
            }
            self.tick_all(5 * MILLISECOND);
            if self.committed.len() == known || self.random.chance(1) {
                let leader = self
                    .nodes
                    .iter()
                    .find(|(_, node)| node.zab.as_ref().is_some_and(|zab| zab.is_serving() && zab.is_leading()));
                if let Some(leader) = leader.map(|(id, _)| *id)
                    && self.random.chance(2)
                {
                    self.propose(leader);
                }
            }
            let all = self.nodes.values().all(|node| node.delivered == self.committed.len());
            if all
                && self.committed.len() > known
                && self.nodes.values().all(|node| node.zab.as_ref().is_some_and(Zab::is_serving))
            {
                return;
            }
        }
        let delivered: Vec<usize> = self.nodes.values().map(|node| node.delivered).collect();
        panic!("no progress after healing: {delivered:?} delivered of {} ({known} before)", self.committed.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn committed_transactions_form_one_order_and_none_is_lost(
        seed: u64,
        members in prop::sample::select(vec![1u32, 3, 3, 3, 5]),
        crash_permille in prop::sample::select(vec![0u64, 1, 5, 40]),
        steps in 200usize..4000,
    ) {
        let mut world = World::new(members, seed, crash_permille);
        for _ in 0..steps {
            world.chaos();
        }
        world.heal();
    }
}

/// A model that never meets trouble proves nothing.
#[test]
fn the_hostile_world_is_hostile() {
    let mut worlds: Vec<World> = (0..40).map(|seed| World::new(3, seed, 2)).collect();
    for world in &mut worlds {
        (0..3000).for_each(|_| world.chaos());
        world.heal();
    }
    let sum = |count: fn(&World) -> usize| worlds.iter().map(count).sum::<usize>();
    assert!(sum(|world| world.seen.truncations) > 20, "logs are cut");
    assert!(sum(|world| world.seen.snapshots) > 5, "snapshots are sent");
    assert!(sum(|world| world.seen.lost) > 20, "unsynced entries are lost");
    assert!(sum(|world| world.leaders.len()) > 100, "leaders change");
    assert!(sum(|world| world.committed.len()) > 500, "transactions are committed");
}

#[test]
fn a_quiet_ensemble_commits_what_is_proposed() {
    let mut world = World::new(3, 1, 0);
    world.heal();
    assert_eq!(world.leaders.len(), 1, "one election is enough");
}
