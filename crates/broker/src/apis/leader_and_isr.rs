//! LeaderAndIsr: the controller tells this broker which partitions it leads and follows.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use trace::{EventId, Name, Partition};
use uuid::Uuid;
use wire::control::{
    LeaderAndIsrPartitionError, LeaderAndIsrPartitionState, LeaderAndIsrRequest, LeaderAndIsrResponse,
    LeaderAndIsrTopicError,
};
use wire::kafka::{Api, ErrorCode};

use super::{Context, admit};
use crate::broker::Broker;
use crate::fetcher::Stage;
use crate::group::{OFFSETS_TOPIC, loading};
use crate::replica::{Assignment, Transition, transition};
use crate::replica_manager::{Replica, start_cleaner};
use crate::util::is_legal_topic;

/// Obeys, unless the request is from the past. All that must wait comes first: no other control request can come between
/// one partition's change and the next.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &LeaderAndIsrRequest) -> LeaderAndIsrResponse {
    for topic in &request.topic_states {
        broker.load_topic_settings(topic.topic_name.as_str(), context.cause).await;
    }
    let admitted =
        admit(broker, context, Api::LeaderAndIsr.key(), request.controller_epoch, request.broker_epoch).await;
    let event = match admitted {
        Ok(event) => event,
        Err(error) => return LeaderAndIsrResponse { error_code: error.code(), ..Default::default() },
    };
    broker.host.dawdle("broker/applies-late", Duration::from_millis(500), event).await;
    broker.metadata.borrow_mut().learn_addresses(&request.live_leaders);
    let replicas = create_new(broker, request, event).await;
    start_cleaner(broker);
    if broker.fence.borrow().controller_epoch() > request.controller_epoch {
        let error_code = ErrorCode::StaleControllerEpoch.code();
        return LeaderAndIsrResponse { error_code, ..Default::default() };
    }
    let topics = request.topic_states.iter().map(|topic| {
        let errors = topic.partition_states.iter().map(|state| {
            let replica = replicas.get(&(topic.topic_name.as_str(), state.partition_index));
            let applied = apply(broker, state, replica, topic.topic_id, event);
            LeaderAndIsrPartitionError {
                partition_index: state.partition_index,
                error_code: crate::util::code(&applied),
            }
        });
        LeaderAndIsrTopicError { topic_id: topic.topic_id, partition_errors: errors.collect() }
    });
    LeaderAndIsrResponse { error_code: 0, topics: topics.collect() }
}

/// The replicas of all partitions named that this broker is to have, created where they are new.
async fn create_new<'a>(
    broker: &Rc<Broker>,
    request: &'a LeaderAndIsrRequest,
    cause: EventId,
) -> BTreeMap<(&'a str, i32), Rc<Replica>> {
    let mut replicas = BTreeMap::new();
    for topic in &request.topic_states {
        let name = topic.topic_name.as_str();
        for state in &topic.partition_states {
            if !state.replicas.contains(&broker.id) || state.partition_index < 0 || !is_legal_topic(name) {
                continue;
            }
            let partition = Partition { topic: Name::new(name), index: state.partition_index };
            let settings = broker.topic_settings(name);
            match broker.replicas.ensure(partition, topic.topic_id, settings).await {
                Ok(replica) => {
                    replicas.insert((name, state.partition_index), replica);
                }
                Err(_) => broker.replicas.halt(cause),
            }
        }
    }
    replicas
}

fn apply(
    broker: &Rc<Broker>,
    state: &LeaderAndIsrPartitionState,
    replica: Option<&Rc<Replica>>,
    topic_id: Uuid,
    cause: EventId,
) -> Result<(), ErrorCode> {
    let by = Assignment {
        controller_epoch: state.controller_epoch,
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        isr: state.isr.clone(),
        partition_epoch: state.partition_epoch,
        replicas: state.replicas.clone(),
    };
    let replica = replica.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let known = replica.topic_id.get();
    if !known.is_nil() && !topic_id.is_nil() && known != topic_id {
        return Err(ErrorCode::InconsistentTopicId);
    }
    let become_ = transition(broker.id, replica.leader_epoch(), &by)?;
    let same_leader = replica.follows(by.leader, replica.leader_epoch());
    broker.fetchers.remove(replica.partition);
    match become_ {
        Transition::Lead => {
            broker.replicas.become_leader(replica, &by, cause)?;
            if replica.partition.topic.as_str() == OFFSETS_TOPIC {
                loading::elected(broker, replica, replica.became.get());
            }
            Ok(())
        }
        Transition::Follow(leader) => {
            let event = broker.replicas.become_follower(replica, &by, cause);
            if replica.partition.topic.as_str() == OFFSETS_TOPIC {
                loading::resigned(broker, replica.partition.index, by.leader_epoch, event);
            }
            let address = broker.metadata.borrow().address(leader);
            if let Some(address) = address {
                let stage = Stage::first(broker, replica, same_leader);
                broker.fetchers.add(broker, leader, address, replica.clone(), stage, event);
            }
            Ok(())
        }
    }
}
