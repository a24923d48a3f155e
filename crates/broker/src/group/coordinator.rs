//! The groups that this broker coordinates, by partition of `__consumer_offsets`; and how a group's decisions are done.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use host::Time;
use tokio::sync::{Notify, oneshot};
use trace::{EventId, GroupState, Partition};
use wire::kafka::ErrorCode;

use super::classic::Group;
use super::offsets::Committed;
use super::records::partition_for;
use super::requests::{Join, Sync};
use super::turn::{Effect, JoinAnswer, Rules, SyncAnswer, Ticket, Turn};
use super::{OFFSETS_TOPIC, store};
use crate::broker::Broker;
use crate::config::Settings;
use crate::flaws::Flaws;

/// The groups of one partition of `__consumer_offsets`.
pub(super) struct Shard {
    /// The leader epoch that is obeyed.
    pub leader_epoch: i32,
    /// Which load fills it: an older one that still runs is of no interest.
    pub load: u64,
    /// Whether everything has been read.
    pub loaded: bool,
    pub groups: BTreeMap<String, Group>,
}

/// A committed offset and whose it is.
type Left = (String, Partition, Committed);

type Waiting<T> = RefCell<BTreeMap<Ticket, oneshot::Sender<(T, EventId)>>>;

/// A broker's group coordinator.
pub struct GroupCoordinator {
    pub(super) rules: Rules,
    partitions: i32,
    pub(super) shards: RefCell<BTreeMap<i32, Shard>>,
    /// Offsets that an earlier coordinatorship left behind: none, but for a flaw.
    pub(super) stale: RefCell<BTreeMap<i32, Vec<Left>>>,
    joining: Waiting<JoinAnswer>,
    syncing: Waiting<SyncAnswer>,
    tickets: Cell<Ticket>,
    loads: Cell<u64>,
    /// Notified when a group is due before the time that the timer waits for.
    pub(super) earlier: Notify,
    pub(super) next_due: Cell<Time>,
}

impl GroupCoordinator {
    /// It coordinates nothing yet.
    pub fn new(settings: &Settings, flaws: Flaws) -> GroupCoordinator {
        GroupCoordinator {
            rules: Rules::new(settings, flaws),
            partitions: i32::try_from(settings.offsets_topic_num_partitions).unwrap_or(i32::MAX),
            shards: RefCell::default(),
            stale: RefCell::default(),
            joining: Waiting::default(),
            syncing: Waiting::default(),
            tickets: Cell::new(0),
            loads: Cell::new(0),
            earlier: Notify::new(),
            next_due: Cell::new(Time::NEVER),
        }
    }

    /// The partition of `__consumer_offsets` that a group belongs to.
    pub fn partition_for(&self, group: &str) -> Partition {
        Partition::new(OFFSETS_TOPIC, partition_for(group, self.partitions))
    }

    /// The index of that partition, if this broker coordinates it.
    ///
    /// # Errors
    /// `NOT_COORDINATOR`, `COORDINATOR_LOAD_IN_PROGRESS`.
    pub fn shard_of(&self, group: &str) -> Result<i32, ErrorCode> {
        let index = partition_for(group, self.partitions);
        match self.shards.borrow().get(&index) {
            None => Err(ErrorCode::NotCoordinator),
            Some(shard) if !shard.loaded => Err(ErrorCode::CoordinatorLoadInProgress),
            Some(_) => Ok(index),
        }
    }

    /// Whether a partition is being loaded.
    pub fn is_loading(&self) -> bool {
        self.shards.borrow().values().any(|shard| !shard.loaded)
    }

    /// Looks at a group.
    ///
    /// # Errors
    /// As [`GroupCoordinator::shard_of`].
    pub fn look<T>(&self, group: &str, at: impl FnOnce(Option<&Group>) -> T) -> Result<T, ErrorCode> {
        let index = self.shard_of(group)?;
        let shards = self.shards.borrow();
        Ok(at(shards.get(&index).and_then(|shard| shard.groups.get(group))))
    }

    /// Looks at all groups of loaded partitions.
    pub fn look_at_all<T>(&self, mut at: impl FnMut(&str, &Group) -> T) -> Vec<T> {
        let shards = self.shards.borrow();
        let loaded = shards.values().filter(|shard| shard.loaded);
        loaded.flat_map(|shard| &shard.groups).map(|(name, group)| at(name, group)).collect()
    }

    pub(super) fn next_load(&self) -> u64 {
        self.loads.set(self.loads.get() + 1);
        self.loads.get()
    }

    /// Creates a group unless there is one.
    pub fn ensure(&self, index: i32, name: &str) {
        if let Some(shard) = self.shards.borrow_mut().get_mut(&index)
            && !shard.groups.contains_key(name)
        {
            shard.groups.insert(name.to_owned(), Group::new(name));
        }
    }

    fn ticket(&self) -> Ticket {
        self.tickets.set(self.tickets.get() + 1);
        self.tickets.get()
    }

    fn answer<T>(waiting: &Waiting<T>, ticket: Ticket, answer: T, cause: EventId) {
        if let Some(sender) = waiting.borrow_mut().remove(&ticket) {
            // Its receiver waits in the handler, which runs to its end.
            let _ = sender.send((answer, cause));
        }
    }
}

/// Lets a group decide, and does what it decided. Returns what `how` returned and the last event of it, or none if there
/// is no such group.
pub fn decide<T>(
    broker: &Rc<Broker>,
    index: i32,
    name: &str,
    cause: EventId,
    how: impl FnOnce(&mut Group, &mut Turn) -> T,
) -> Option<(T, EventId)> {
    let (result, effects, load) = {
        let mut shards = broker.groups.shards.borrow_mut();
        let shard = shards.get_mut(&index)?;
        let group = shard.groups.get_mut(name)?;
        let mut turn = Turn::new(&broker.groups.rules, broker.host.now(), broker.host.wall());
        let result = how(group, &mut turn);
        if group.deadline().is_some_and(|due| due < broker.groups.next_due.get()) {
            broker.groups.earlier.notify_one();
        }
        (result, turn.effects, shard.load)
    };
    let happened = effects.iter().any(|effect| matches!(effect, Effect::Emit(_)));
    let event = perform(broker, index, load, name, effects, cause);
    if happened && let Some(shard) = broker.groups.shards.borrow_mut().get_mut(&index) {
        shard.groups.entry(name.to_owned()).and_modify(|group| group.last_event = event);
    }
    Some((result, event))
}

/// Does what a group decided; returns the last event of it.
pub(super) fn perform(
    broker: &Rc<Broker>,
    index: i32,
    load: u64,
    name: &str,
    effects: Vec<Effect>,
    cause: EventId,
) -> EventId {
    let mut cause = cause;
    for effect in effects {
        match effect {
            Effect::Emit(kind) => cause = broker.host.emit(cause, kind),
            Effect::Joined(ticket, answer) => {
                GroupCoordinator::answer(&broker.groups.joining, ticket, answer, cause);
            }
            Effect::Synced(ticket, answer) => {
                GroupCoordinator::answer(&broker.groups.syncing, ticket, answer, cause);
            }
            Effect::Store(value, then) => {
                let write = store::store_group(broker.clone(), index, load, name.to_owned(), value, then, cause);
                broker.host.spawn("group-store", write);
            }
        }
    }
    cause
}

/// Handles a JoinGroup, waiting for the rebalance it is part of.
pub async fn join(broker: &Rc<Broker>, name: &str, mut join: Join, cause: EventId) -> (JoinAnswer, EventId) {
    let refused = |error, member: &str| (JoinAnswer::refused(member, error), cause);
    let index = match broker.groups.shard_of(name) {
        Ok(index) => index,
        Err(error) => return refused(error, &join.member),
    };
    if join.member.is_empty() {
        broker.groups.ensure(index, name);
    }
    let (sender, receiver) = oneshot::channel();
    let (ticket, member) = (broker.groups.ticket(), join.member.clone());
    broker.groups.joining.borrow_mut().insert(ticket, sender);
    join.ticket = ticket;
    if decide(broker, index, name, cause, |group, turn| group.join(join, turn)).is_none() {
        broker.groups.joining.borrow_mut().remove(&ticket);
        return refused(ErrorCode::UnknownMemberId, &member);
    }
    receiver.await.expect("a group answers every JoinGroup")
}

/// Handles a SyncGroup, waiting for the leader's.
pub async fn sync(broker: &Rc<Broker>, name: &str, mut sync: Sync, cause: EventId) -> (SyncAnswer, EventId) {
    let refused = |error| (SyncAnswer::refused(error), cause);
    let index = match broker.groups.shard_of(name) {
        Ok(index) => index,
        // The group may have to join again anyway: its generation could not be finished here.
        Err(ErrorCode::CoordinatorLoadInProgress) => return refused(ErrorCode::RebalanceInProgress),
        Err(error) => return refused(error),
    };
    let (sender, receiver) = oneshot::channel();
    let ticket = broker.groups.ticket();
    broker.groups.syncing.borrow_mut().insert(ticket, sender);
    sync.ticket = ticket;
    if decide(broker, index, name, cause, |group, turn| group.sync(sync, turn)).is_none() {
        broker.groups.syncing.borrow_mut().remove(&ticket);
        return refused(ErrorCode::UnknownMemberId);
    }
    receiver.await.expect("a group answers every SyncGroup")
}

/// Takes a group that died out of the table, and forgets offsets and group in the log. (No acknowledgement is waited for,
/// as in Kafka: a tombstone that is lost is written again when the next coordinator cleans up.)
pub async fn forget_in_log(
    broker: &Rc<Broker>,
    index: i32,
    name: &str,
    partitions: &[Partition],
    cause: EventId,
) -> Result<(), ErrorCode> {
    let dead = {
        let mut shards = broker.groups.shards.borrow_mut();
        let Some(shard) = shards.get_mut(&index) else { return Err(ErrorCode::NotCoordinator) };
        let dead = shard.groups.get(name).filter(|group| group.state() == GroupState::Dead).map(Group::generation);
        if dead.is_some() {
            shard.groups.remove(name);
        }
        dead
    };
    // A group that never had members has no record.
    let group = dead.is_some_and(|generation| generation > 0);
    store::write_tombstones(broker, index, name, partitions, group, cause).await
}
