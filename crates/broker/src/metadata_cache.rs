//! What this broker answers Metadata requests with: what the controller told it last.

use std::collections::{BTreeMap, BTreeSet};

use host::Address;
use trace::{Name, Partition};
use uuid::Uuid;
use wire::control::{LeaderAndIsrLiveLeader, UpdateMetadataRequest};

/// A broker as clients see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Where it is reached.
    pub address: Address,
    /// Its rack.
    pub rack: Option<String>,
}

/// A partition as clients see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionView {
    /// The leader's broker id, or -1.
    pub leader: i32,
    /// The leader epoch.
    pub leader_epoch: i32,
    /// The in-sync replicas.
    pub isr: Vec<i32>,
    /// All replicas, preferred leader first.
    pub replicas: Vec<i32>,
    /// Replicas on dead brokers.
    pub offline: Vec<i32>,
}

/// A topic as clients see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicView {
    /// Its name.
    pub name: Name,
    /// Its id.
    pub id: Uuid,
    /// Its partitions.
    pub partitions: BTreeMap<i32, PartitionView>,
}

/// The cluster as the controller last described it.
#[derive(Clone, Debug, Default)]
pub struct MetadataCache {
    controller: Option<i32>,
    alive: BTreeMap<i32, Node>,
    addresses: BTreeMap<i32, Address>,
    topics: BTreeMap<String, TopicView>,
}

impl MetadataCache {
    /// The controller's broker id, if known.
    pub fn controller(&self) -> Option<i32> {
        self.controller
    }

    /// Live brokers.
    pub fn alive(&self) -> &BTreeMap<i32, Node> {
        &self.alive
    }

    /// Whether the broker is alive, as far as the controller has said.
    pub fn is_alive(&self, broker: i32) -> bool {
        self.alive.contains_key(&broker)
    }

    /// Where a broker is, or was last, reached.
    pub fn address(&self, broker: i32) -> Option<Address> {
        self.addresses.get(&broker).copied()
    }

    /// All topics by name.
    pub fn topics(&self) -> &BTreeMap<String, TopicView> {
        &self.topics
    }

    /// A topic.
    pub fn topic(&self, name: &str) -> Option<&TopicView> {
        self.topics.get(name)
    }

    /// The topic with this id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&TopicView> {
        self.topics.values().find(|topic| topic.id == id)
    }

    /// A partition.
    pub fn partition(&self, topic: &str, index: i32) -> Option<&PartitionView> {
        self.topics.get(topic)?.partitions.get(&index)
    }

    /// Remembers where leaders are reached: a LeaderAndIsr may come before the metadata.
    pub fn learn_addresses(&mut self, leaders: &[LeaderAndIsrLiveLeader]) {
        for leader in leaders {
            if let Ok(port) = u16::try_from(leader.port) {
                self.addresses.insert(leader.broker_id, Address::new(leader.host_name.as_str(), port));
            }
        }
    }

    /// Applies the controller's word; returns the partitions that went away because their topic is being deleted.
    pub fn update(&mut self, request: &UpdateMetadataRequest) -> BTreeSet<Partition> {
        self.controller = Some(request.controller_id).filter(|id| *id >= 0);
        self.alive.clear();
        for broker in &request.live_brokers {
            let Some(endpoint) = broker.endpoints.first() else { continue };
            let Ok(port) = u16::try_from(endpoint.port) else { continue };
            let address = Address::new(endpoint.host.as_str(), port);
            self.addresses.insert(broker.id, address);
            let rack = broker.rack.as_ref().map(|rack| rack.to_string());
            self.alive.insert(broker.id, Node { address, rack });
        }
        let mut gone = BTreeSet::new();
        for topic in &request.topic_states {
            let name = topic.topic_name.as_str();
            for state in &topic.partition_states {
                if state.leader == crate::controller::LEADER_DURING_DELETE {
                    gone.insert(Partition::new(name, state.partition_index));
                    self.remove(name, state.partition_index);
                    continue;
                }
                let view = PartitionView {
                    leader: state.leader,
                    leader_epoch: state.leader_epoch,
                    isr: state.isr.clone(),
                    replicas: state.replicas.clone(),
                    offline: state.offline_replicas.clone(),
                };
                let entry = self.topics.entry(name.to_owned());
                let new = || TopicView { name: Name::new(name), id: topic.topic_id, partitions: BTreeMap::new() };
                let topic = {
                    let id = topic.topic_id;
                    let it = entry.or_insert_with(new);
                    it.id = id;
                    it
                };
                topic.partitions.insert(state.partition_index, view);
            }
        }
        gone
    }

    fn remove(&mut self, topic: &str, index: i32) {
        if let Some(view) = self.topics.get_mut(topic) {
            view.partitions.remove(&index);
            if view.partitions.is_empty() {
                self.topics.remove(topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::control::{
        UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState, UpdateMetadataTopicState,
    };
    use wire::kafka::{StrBytes, TopicName};

    fn request(live: &[i32], leader: i32) -> UpdateMetadataRequest {
        let endpoint =
            UpdateMetadataEndpoint { port: 9092, host: StrBytes::from_static_str("b"), ..Default::default() };
        UpdateMetadataRequest {
            controller_id: 2,
            live_brokers: live
                .iter()
                .map(|id| UpdateMetadataBroker { id: *id, endpoints: vec![endpoint.clone()], rack: None })
                .collect(),
            topic_states: vec![UpdateMetadataTopicState {
                topic_name: TopicName(StrBytes::from_static_str("orders")),
                topic_id: Uuid::from_u128(5),
                partition_states: vec![UpdateMetadataPartitionState { leader, isr: vec![1], ..Default::default() }],
            }],
            ..Default::default()
        }
    }

    #[test]
    fn the_last_word_of_the_controller_counts() {
        let mut cache = MetadataCache::default();
        assert_eq!(cache.update(&request(&[1, 2], 1)), BTreeSet::new());
        assert_eq!((cache.controller(), cache.is_alive(1)), (Some(2), true));
        assert_eq!(cache.partition("orders", 0).unwrap().leader, 1);
        cache.update(&request(&[2], -1));
        assert_eq!((cache.is_alive(1), cache.partition("orders", 0).unwrap().leader), (false, -1));
        assert!(cache.address(1).is_some(), "a dead broker may still be asked");
        assert_eq!(cache.topic_by_id(Uuid::from_u128(5)).unwrap().name, Name::new("orders"));
    }

    #[test]
    fn a_topic_being_deleted_disappears() {
        let mut cache = MetadataCache::default();
        cache.update(&request(&[1], 1));
        let gone = cache.update(&request(&[1], crate::controller::LEADER_DURING_DELETE));
        assert_eq!(gone, BTreeSet::from([Partition::new("orders", 0)]));
        assert!(cache.topic("orders").is_none());
    }
}
