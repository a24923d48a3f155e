//! How a broker becomes the coordinator of a partition's groups, by reading it from its start to its end, and how it
//! ceases to be.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use host::Time;
use trace::{EventId, EventKind, Partition};
use wire::batch::{Record, batches, records};
use wire::codec::Malformed;
use wire::kafka::ErrorCode;

use super::OFFSETS_TOPIC;
use super::classic::Group;
use super::coordinator::{Shard, perform};
use super::offsets::Committed;
use super::records::{GroupValue, Key, OffsetValue};
use super::timers::{run_group_timers, run_offset_expiration};
use super::turn::Turn;
use crate::broker::Broker;
use crate::flaws::Flaw;
use crate::replica_manager::Replica;
use crate::util::is_legal_topic;

/// What a partition of `__consumer_offsets` says, read so far.
#[derive(Default)]
struct Contents {
    groups: BTreeMap<String, GroupValue>,
    offsets: BTreeMap<(String, Partition), Committed>,
}

impl Contents {
    fn apply(&mut self, record: Record) -> Result<(), Malformed> {
        let Some(key) = record.key.map(Key::decode).transpose()?.flatten() else { return Ok(()) };
        match (key, record.value) {
            (Key::Group { group }, None) => {
                self.groups.remove(&group);
            }
            (Key::Group { group }, Some(value)) => {
                self.groups.insert(group, GroupValue::decode(value)?);
            }
            (Key::Offset { topic, .. }, _) if !is_legal_topic(&topic) => {}
            (Key::Offset { group, topic, partition }, value) => {
                let key = (group, Partition::new(&topic, partition));
                match value {
                    None => self.offsets.remove(&key),
                    Some(value) => {
                        let value = OffsetValue::decode(value)?;
                        self.offsets.insert(key, Committed { value, at: record.offset })
                    }
                };
            }
        }
        Ok(())
    }

    fn groups(self, now: Time) -> BTreeMap<String, Group> {
        let restore = |(name, value): (String, GroupValue)| {
            let group = Group::restore(&name, value, now);
            (name, group)
        };
        let mut groups: BTreeMap<String, Group> = self.groups.into_iter().map(restore).collect();
        for ((name, partition), committed) in self.offsets {
            let group = groups.entry(name).or_insert_with_key(|name| Group::new(name));
            group.offsets.put(partition, committed);
        }
        groups
    }
}

/// The broker leads a partition of `__consumer_offsets` from here on.
pub fn elected(broker: &Rc<Broker>, replica: &Rc<Replica>, cause: EventId) {
    let (groups, index, leader_epoch) = (&broker.groups, replica.partition.index, replica.leader_epoch());
    let led_in = groups.shards.borrow().get(&index).map(|shard| shard.leader_epoch);
    match led_in {
        // It led in the epoch before: what it knows is still so.
        Some(before) if leader_epoch <= before + 1 => {
            groups.shards.borrow_mut().get_mut(&index).expect("just seen").leader_epoch = leader_epoch;
            return;
        }
        // Others led in between, and nobody told it.
        Some(_) => resigned(broker, index, leader_epoch, cause),
        None => {}
    }
    let mut shards = groups.shards.borrow_mut();
    let load = groups.next_load();
    // A broker that coordinates nothing needs no timers.
    if load == 1 {
        broker.host.spawn("group-timers", run_group_timers(broker.clone()));
        broker.host.spawn("offset-expiration", run_offset_expiration(broker.clone()));
    }
    shards.insert(index, Shard { leader_epoch, load, loaded: false, groups: BTreeMap::new() });
    broker.host.spawn("group-load", run_load(broker.clone(), replica.clone(), load, cause));
}

/// The broker leads a partition of `__consumer_offsets` no more: who waits is told.
pub fn resigned(broker: &Rc<Broker>, index: i32, leader_epoch: i32, cause: EventId) {
    let Some(shard) = broker.groups.shards.borrow_mut().remove(&index) else { return };
    if !shard.loaded {
        return;
    }
    let partition = Partition::new(OFFSETS_TOPIC, index);
    let unloaded = broker.host.emit(cause, EventKind::CoordinatorUnloaded { partition, leader_epoch });
    let mut left = Vec::new();
    for (name, mut group) in shard.groups {
        let mut turn = Turn::new(&broker.groups.rules, broker.host.now(), broker.host.wall());
        group.unload(&mut turn);
        perform(broker, index, shard.load, &name, turn.effects, unloaded);
        let offsets = group.offsets.all().iter();
        left.extend(offsets.map(|(partition, committed)| (name.clone(), *partition, committed.clone())));
    }
    if broker.flaws.has(Flaw::LoadStaleCache) {
        broker.groups.stale.borrow_mut().insert(index, left);
    }
}

async fn run_load(broker: Rc<Broker>, replica: Rc<Replica>, load: u64, cause: EventId) {
    broker.host.dawdle("broker/coordinator-loads-late", Duration::from_secs(2), cause).await;
    let Some(contents) = read(&broker, &replica, load, cause).await else { return };
    let index = replica.partition.index;
    let mut groups = contents.groups(broker.host.now());
    for (name, partition, committed) in broker.groups.stale.borrow_mut().remove(&index).unwrap_or_default() {
        let group = groups.entry(name).or_insert_with_key(|name| Group::new(name));
        group.offsets.remove(partition);
        group.offsets.put(partition, committed);
    }
    let leader_epoch = replica.leader_epoch();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let loaded = EventKind::CoordinatorLoaded {
        partition: replica.partition,
        leader_epoch,
        groups: count(groups.len()),
        offsets: count(groups.values().map(|group| group.offsets.all().len()).sum()),
    };
    let loaded = broker.host.emit(cause, loaded);
    for group in groups.values_mut() {
        group.last_event = broker.host.emit(loaded, group.state_changed());
    }
    if let Some(shard) = broker.groups.shards.borrow_mut().get_mut(&index) {
        (shard.groups, shard.loaded) = (groups, true);
    }
    broker.groups.earlier.notify_one();
}

/// Reads a partition from its start to its end; none if nobody waits for it any more.
async fn read(broker: &Rc<Broker>, replica: &Rc<Replica>, load: u64, cause: EventId) -> Option<Contents> {
    let is_awaited = || {
        let shards = broker.groups.shards.borrow();
        shards.get(&replica.partition.index).is_some_and(|shard| shard.load == load)
    };
    let most = usize::try_from(broker.settings.offsets_load_buffer_size).unwrap_or(usize::MAX);
    let (mut contents, mut from) = (Contents::default(), 0);
    loop {
        // Others have their turn between two reads; the log may be another broker's then.
        broker.host.yield_now().await;
        if !is_awaited() {
            return None;
        }
        let (start, end) = (replica.log_start(), replica.log_end());
        from = from.max(start);
        if from >= end {
            return Some(contents);
        }
        let read = match replica.read(from, most, end, true) {
            Ok(read) => read,
            Err(ErrorCode::OffsetOutOfRange) => return Some(contents),
            Err(_) => {
                broker.replicas.halt(cause);
                return None;
            }
        };
        let Some(last) = read.batches.last() else { return Some(contents) };
        from = last.last_offset + 1;
        broker.host.disk().admit(read.bytes.len()).await;
        for batch in batches(read.bytes) {
            // A batch that cannot be read is left out, as Kafka does with records it does not understand.
            let data = batch.ok().filter(|batch| !batch.header.is_control());
            for record in data.and_then(|batch| records(&batch.bytes).ok()).unwrap_or_default() {
                let _ = contents.apply(record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use trace::GroupState;

    fn record(offset: i64, key: &Key, value: Option<Bytes>) -> Record {
        Record { offset, timestamp: 0, key: Some(key.encode()), value, headers: Vec::new() }
    }

    #[test]
    fn the_last_record_of_a_key_counts() {
        let group = |group: &str| Key::Group { group: group.to_owned() };
        let offset = |topic: &str| Key::Offset { group: "mail".to_owned(), topic: topic.to_owned(), partition: 0 };
        let value = |offset| {
            let (leader_epoch, metadata, commit_timestamp, expire_timestamp) = (-1, String::new(), 0, None);
            Some(OffsetValue { offset, leader_epoch, metadata, commit_timestamp, expire_timestamp }.encode())
        };
        let generation = |generation| Some(GroupValue { generation, ..GroupValue::default() }.encode());
        let mut contents = Contents::default();
        for (at, (key, value)) in [
            (offset("orders"), value(5)),
            (group("mail"), generation(1)),
            (group("gone"), generation(7)),
            (offset("orders"), value(9)),
            (offset("bills"), value(1)),
            (group("mail"), generation(2)),
            (group("gone"), None),
            (offset("bills"), None),
            (offset("no topic"), value(1)),
        ]
        .into_iter()
        .enumerate()
        {
            contents.apply(record(at as i64, &key, value)).unwrap();
        }
        let groups = contents.groups(Time::ZERO);
        assert_eq!(groups.keys().collect::<Vec<_>>(), ["mail"]);
        let mail = &groups["mail"];
        assert_eq!((mail.generation(), mail.state()), (2, GroupState::Empty));
        let offsets: Vec<(Partition, i64, i64)> =
            mail.offsets.all().iter().map(|(partition, it)| (*partition, it.value.offset, it.at)).collect();
        assert_eq!(offsets, [(Partition::new("orders", 0), 9, 3)]);
    }
}
