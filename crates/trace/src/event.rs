//! One event, and the small values that events are made of.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{EventKind, Name};

/// The place of an event in its run, from 1. [`EventId::ROOT`] stands for the start of the run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl EventId {
    /// The cause of what nothing caused: the run itself.
    pub const ROOT: EventId = EventId(0);
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Something that happened, when, where and why. At most 80 bytes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the run.
    pub id: EventId,
    /// Simulated time (on real sockets: time since the start), in nanoseconds.
    pub at: u64,
    /// The node it happened on; the world itself (faults, phases, violations) has the name `world`.
    pub node: Name,
    /// The event that made it happen: the frame received, the fault begun; for a timeout, the request it waited for.
    pub cause: EventId,
    /// What happened.
    pub kind: EventKind,
}

/// A topic's partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic's name.
    pub topic: Name,
    /// The partition's index, from 0.
    pub index: i32,
}

impl Partition {
    /// Partition `index` of `topic`.
    pub fn new(topic: &str, index: i32) -> Partition {
        Partition { topic: Name::new(topic), index }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.index)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Partition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Partition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Partition, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Partition;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a partition: TOPIC/INDEX")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Partition, E> {
                let parts = text.rsplit_once('/');
                let parsed = parts.and_then(|(topic, index)| Some(Partition::new(topic, index.parse().ok()?)));
                parsed.ok_or_else(|| E::custom(format!("`{text}` is no partition: want TOPIC/INDEX")))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Up to 8 broker ids (1 to 255) in order: replicas, preferred leader first, or an ISR.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BrokerList([u8; 8]);

impl BrokerList {
    /// How many brokers a list can hold; scenarios with a larger replication factor are refused.
    pub const CAPACITY: usize = 8;

    /// The list of `ids`.
    ///
    /// # Panics
    /// If there are more than [`BrokerList::CAPACITY`] or one is outside 1 to 255: a scenario checks both.
    pub fn new(ids: impl IntoIterator<Item = i32>) -> BrokerList {
        let mut list = BrokerList::default();
        for (place, id) in ids.into_iter().enumerate() {
            assert!(place < Self::CAPACITY, "more than {} brokers in a list", Self::CAPACITY);
            assert!((1..=255).contains(&id), "broker id {id} outside 1..=255");
            list.0[place] = id as u8;
        }
        list
    }

    /// The ids in order.
    pub fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        self.0.iter().take_while(|id| **id != 0).map(|id| i32::from(*id))
    }

    /// Whether `id` is in the list.
    pub fn contains(&self, id: i32) -> bool {
        self.iter().any(|member| member == id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// The same brokers in ascending order, for comparing sets.
    pub fn sorted(&self) -> BrokerList {
        let mut ids: Vec<i32> = self.iter().collect();
        ids.sort_unstable();
        BrokerList::new(ids)
    }
}

impl fmt::Display for BrokerList {
    /// `123`, or `9,10,11` where an id has two digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.iter().any(|id| id > 9) { "," } else { "" };
        let ids: Vec<String> = self.iter().map(|id| id.to_string()).collect();
        f.pad(&ids.join(separator))
    }
}

impl fmt::Debug for BrokerList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for BrokerList {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for BrokerList {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<BrokerList, D::Error> {
        let ids = Vec::<i32>::deserialize(deserializer)?;
        let fits = ids.len() <= Self::CAPACITY && ids.iter().all(|id| (1..=255).contains(id));
        if !fits {
            return Err(serde::de::Error::custom("a broker list holds at most 8 ids from 1 to 255"));
        }
        Ok(BrokerList::new(ids))
    }
}

/// The name of the broker with this id: `broker-1`.
pub fn broker_name(id: i32) -> Name {
    Name::new(&format!("broker-{id}"))
}

/// The id of the broker with this name, if it is one.
pub fn broker_id(node: Name) -> Option<i32> {
    node.as_str().strip_prefix("broker-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_takes_at_most_80_bytes() {
        assert!(std::mem::size_of::<Event>() <= 80, "{} bytes", std::mem::size_of::<Event>());
    }

    #[test]
    fn broker_lists_read_as_digits_while_ids_have_one() {
        assert_eq!(BrokerList::new([1, 2, 3]).to_string(), "123");
        assert_eq!(BrokerList::new([9, 10]).to_string(), "9,10");
        assert_eq!(BrokerList::new([3, 1, 2]).sorted(), BrokerList::new([1, 2, 3]));
    }
}
