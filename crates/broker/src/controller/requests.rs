//! What the controller tells which broker: decisions gathered into control requests, as few as possible.

use std::collections::{BTreeMap, BTreeSet};

use trace::{Name, Partition};
use uuid::Uuid;
use wire::control::{
    LeaderAndIsrLiveLeader, LeaderAndIsrPartitionState, LeaderAndIsrRequest, LeaderAndIsrTopicState,
    StopReplicaPartitionState, StopReplicaRequest, StopReplicaTopicState, UpdateMetadataBroker, UpdateMetadataEndpoint,
    UpdateMetadataPartitionState, UpdateMetadataRequest, UpdateMetadataTopicState,
};
use wire::kafka::{Request, StrBytes, TopicName};

use super::context::Context;

/// Stands for the leader of a partition whose topic is being deleted.
pub const LEADER_DURING_DELETE: i32 = -2;

/// Requests being gathered.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    leader_and_isr: BTreeMap<i32, BTreeMap<Partition, bool>>,
    update_metadata: BTreeMap<i32, BTreeSet<Partition>>,
    stop_replica: BTreeMap<i32, BTreeMap<Partition, bool>>,
}

impl Batch {
    /// Tells the partition's registered replicas its leadership, and every broker its metadata.
    pub fn leadership(&mut self, context: &Context, partition: Partition, is_new: bool) {
        for broker in context.live_replicas(partition) {
            *self.leader_and_isr.entry(broker).or_default().entry(partition).or_default() |= is_new;
        }
        self.metadata(context, [partition]);
    }

    /// Tells one replica its leadership.
    pub fn leadership_to(&mut self, broker: i32, partition: Partition) {
        self.leader_and_isr.entry(broker).or_default().entry(partition).or_default();
    }

    /// Tells every broker the live brokers, and the metadata of these partitions.
    pub fn metadata(&mut self, context: &Context, partitions: impl IntoIterator<Item = Partition>) {
        let partitions: Vec<Partition> = partitions.into_iter().collect();
        for broker in context.brokers.keys() {
            self.metadata_to(*broker, partitions.iter().copied());
        }
    }

    /// Tells one broker the live brokers, and the metadata of these partitions.
    pub fn metadata_to(&mut self, broker: i32, partitions: impl IntoIterator<Item = Partition>) {
        self.update_metadata.entry(broker).or_default().extend(partitions);
    }

    /// Stops a replica, and deletes it if so asked.
    pub fn stop(&mut self, broker: i32, partition: Partition, delete: bool) {
        *self.stop_replica.entry(broker).or_default().entry(partition).or_default() |= delete;
    }

    /// The requests by broker id, in the order Kafka sends them: LeaderAndIsr, UpdateMetadata, StopReplica. Brokers that
    /// are not registered get none.
    pub fn build(self, context: &Context, controller: i32) -> Vec<(i32, Request)> {
        let mut requests = Vec::new();
        for (broker, partitions) in self.leader_and_isr {
            if let Some(epoch) = broker_epoch(context, broker) {
                let request = leader_and_isr(context, controller, epoch, &partitions);
                requests.push((broker, request.into()));
            }
        }
        for (broker, partitions) in self.update_metadata {
            if let Some(epoch) = broker_epoch(context, broker) {
                requests.push((broker, update_metadata(context, controller, epoch, &partitions).into()));
            }
        }
        for (broker, partitions) in self.stop_replica {
            if let Some(epoch) = broker_epoch(context, broker) {
                requests.push((broker, stop_replica(context, controller, epoch, &partitions).into()));
            }
        }
        requests
    }
}

fn broker_epoch(context: &Context, broker: i32) -> Option<i64> {
    context.brokers.get(&broker).map(|broker| broker.epoch)
}

fn text(text: impl ToString) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn topic_name(topic: Name) -> TopicName {
    TopicName(StrBytes::from_static_str(topic.as_str()))
}

fn topic_id(context: &Context, topic: Name) -> Uuid {
    context.topics.get(&topic).map_or(Uuid::nil(), |topic| topic.id)
}

/// Partition states by topic, in order.
fn by_topic<S>(states: impl Iterator<Item = (Partition, S)>) -> Vec<(Name, Vec<S>)> {
    let mut topics: BTreeMap<Name, Vec<S>> = BTreeMap::new();
    for (partition, state) in states {
        topics.entry(partition.topic).or_default().push(state);
    }
    topics.into_iter().collect()
}

fn leader_and_isr(
    context: &Context,
    controller: i32,
    broker_epoch: i64,
    partitions: &BTreeMap<Partition, bool>,
) -> LeaderAndIsrRequest {
    let mut leaders = BTreeSet::new();
    let states = partitions.iter().filter_map(|(partition, is_new)| {
        let stored = context.leadership.get(partition)?;
        leaders.insert(stored.leader);
        let state = LeaderAndIsrPartitionState {
            partition_index: partition.index,
            controller_epoch: stored.controller_epoch,
            leader: stored.leader,
            leader_epoch: stored.leader_epoch,
            isr: stored.isr.clone(),
            partition_epoch: stored.partition_epoch,
            replicas: context.replicas(*partition).to_vec(),
            is_new: *is_new,
            ..Default::default()
        };
        Some((*partition, state))
    });
    let topic_states = by_topic(states)
        .into_iter()
        .map(|(topic, partition_states)| LeaderAndIsrTopicState {
            topic_name: topic_name(topic),
            topic_id: topic_id(context, topic),
            partition_states,
        })
        .collect();
    let live = leaders.iter().filter_map(|id| context.brokers.get(id).map(|broker| (*id, broker.address)));
    LeaderAndIsrRequest {
        controller_id: controller,
        controller_epoch: context.epoch,
        broker_epoch,
        topic_states,
        live_leaders: live
            .map(|(broker_id, address)| LeaderAndIsrLiveLeader {
                broker_id,
                host_name: text(address.host),
                port: i32::from(address.port),
            })
            .collect(),
        ..Default::default()
    }
}

fn update_metadata(
    context: &Context,
    controller: i32,
    broker_epoch: i64,
    partitions: &BTreeSet<Partition>,
) -> UpdateMetadataRequest {
    let states = partitions.iter().filter_map(|partition| {
        let stored = context.leadership.get(partition)?;
        let replicas = context.replicas(*partition).to_vec();
        let deleting = context.deleting.contains(&partition.topic);
        let state = UpdateMetadataPartitionState {
            partition_index: partition.index,
            controller_epoch: stored.controller_epoch,
            leader: if deleting { LEADER_DURING_DELETE } else { stored.leader },
            leader_epoch: stored.leader_epoch,
            isr: stored.isr.clone(),
            zk_version: stored.partition_epoch,
            offline_replicas: replicas.iter().copied().filter(|id| !context.brokers.contains_key(id)).collect(),
            replicas,
        };
        Some((*partition, state))
    });
    let topic_states = by_topic(states)
        .into_iter()
        .map(|(topic, partition_states)| UpdateMetadataTopicState {
            topic_name: topic_name(topic),
            topic_id: topic_id(context, topic),
            partition_states,
        })
        .collect();
    let live_brokers = context.brokers.iter().map(|(id, broker)| UpdateMetadataBroker {
        id: *id,
        endpoints: vec![UpdateMetadataEndpoint {
            port: i32::from(broker.address.port),
            host: text(broker.address.host),
            listener: StrBytes::from_static_str("PLAINTEXT"),
            security_protocol: 0,
        }],
        rack: broker.rack.as_ref().map(text),
    });
    UpdateMetadataRequest {
        controller_id: controller,
        controller_epoch: context.epoch,
        broker_epoch,
        topic_states,
        live_brokers: live_brokers.collect(),
        ..Default::default()
    }
}

fn stop_replica(
    context: &Context,
    controller: i32,
    broker_epoch: i64,
    partitions: &BTreeMap<Partition, bool>,
) -> StopReplicaRequest {
    let states = partitions.iter().map(|(partition, delete)| {
        let deleting = context.deleting.contains(&partition.topic);
        let epoch = context.leadership.get(partition).map_or(-1, |stored| stored.leader_epoch);
        let state = StopReplicaPartitionState {
            partition_index: partition.index,
            leader_epoch: if deleting { LEADER_DURING_DELETE } else { epoch },
            delete_partition: *delete,
        };
        (*partition, state)
    });
    let topic_states = by_topic(states)
        .into_iter()
        .map(|(topic, partition_states)| StopReplicaTopicState { topic_name: topic_name(topic), partition_states })
        .collect();
    StopReplicaRequest {
        controller_id: controller,
        controller_epoch: context.epoch,
        broker_epoch,
        topic_states,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::context::{LiveBroker, Topic};
    use crate::controller::election::LeaderAndIsr;
    use host::Address;

    fn context() -> Context {
        let mut context = Context { epoch: 7, ..Context::default() };
        for id in [1, 2] {
            let address = Address::new(format!("broker-{id}").as_str(), 9092);
            context.brokers.insert(id, LiveBroker { address, epoch: 100 + i64::from(id), rack: None });
        }
        let replicas = BTreeMap::from([(0, vec![1, 2, 3]), (1, vec![2, 3])]);
        context.topics.insert(Name::new("orders"), Topic { id: Uuid::from_u128(9), replicas, unclean: false });
        let stored =
            LeaderAndIsr { leader: 1, leader_epoch: 4, isr: vec![1, 2], controller_epoch: 6, partition_epoch: 8 };
        context.leadership.insert(Partition::new("orders", 0), stored);
        context
    }

    #[test]
    fn a_decision_is_told_to_live_replicas_and_its_metadata_to_all() {
        let context = context();
        let mut batch = Batch::default();
        batch.leadership(&context, Partition::new("orders", 0), true);
        let requests = batch.build(&context, 1);
        let told: Vec<(i32, &str)> = requests.iter().map(|(broker, request)| (*broker, request.api().name())).collect();
        assert_eq!(told, [(1, "LeaderAndIsr"), (2, "LeaderAndIsr"), (1, "UpdateMetadata"), (2, "UpdateMetadata")]);
        let (_, Request::LeaderAndIsr(request)) = &requests[1] else { panic!("{requests:?}") };
        assert_eq!((request.controller_epoch, request.broker_epoch), (7, 102));
        let state = &request.topic_states[0].partition_states[0];
        assert_eq!((state.leader, state.leader_epoch, state.partition_epoch, state.is_new), (1, 4, 8, true));
        assert_eq!(request.live_leaders[0].broker_id, 1);
        let (_, Request::UpdateMetadata(request)) = &requests[2] else { panic!("{requests:?}") };
        assert_eq!(request.topic_states[0].partition_states[0].offline_replicas, [3]);
        assert_eq!(request.live_brokers.len(), 2);
    }

    #[test]
    fn partitions_without_leadership_and_dead_brokers_are_left_out() {
        let context = context();
        let mut batch = Batch::default();
        batch.leadership_to(3, Partition::new("orders", 0));
        batch.metadata_to(1, [Partition::new("orders", 1)]);
        let requests = batch.build(&context, 1);
        assert_eq!(requests.len(), 1);
        let Request::UpdateMetadata(request) = &requests[0].1 else { panic!("{requests:?}") };
        assert!(request.topic_states.is_empty());
    }
}
