//! StopReplica: the controller takes partitions from this broker.

use std::rc::Rc;

use trace::EventId;
use wire::control::{StopReplicaPartitionError, StopReplicaPartitionState, StopReplicaRequest, StopReplicaResponse};
use wire::kafka::{Api, ErrorCode};

use super::{Context, admit};
use crate::broker::Broker;
use crate::group::{OFFSETS_TOPIC, loading};

/// Obeys, unless the request is from the past; for single partitions: unless their leader epoch is (KIP-570).
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &StopReplicaRequest) -> StopReplicaResponse {
    let admitted = admit(broker, context, Api::StopReplica.key(), request.controller_epoch, request.broker_epoch).await;
    let event = match admitted {
        Ok(event) => event,
        Err(error) => return StopReplicaResponse { error_code: error.code(), ..Default::default() },
    };
    let mut partition_errors = Vec::new();
    for topic in &request.topic_states {
        for state in &topic.partition_states {
            let stopped = stop(broker, topic.topic_name.as_str(), state, event);
            partition_errors.push(StopReplicaPartitionError {
                topic_name: topic.topic_name.clone(),
                partition_index: state.partition_index,
                error_code: crate::util::code(&stopped),
            });
        }
    }
    StopReplicaResponse { error_code: 0, partition_errors }
}

fn stop(broker: &Rc<Broker>, topic: &str, state: &StopReplicaPartitionState, cause: EventId) -> Result<(), ErrorCode> {
    let Some(replica) = broker.replicas.find(topic, state.partition_index) else { return Ok(()) };
    // Negative epochs come with deletions and from controllers that know none: they pass.
    if state.leader_epoch >= 0 && state.leader_epoch < replica.leader_epoch() {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    broker.fetchers.remove(replica.partition);
    if topic == OFFSETS_TOPIC {
        loading::resigned(broker, state.partition_index, replica.leader_epoch(), cause);
    }
    broker.replicas.stop(replica.partition, state.delete_partition, cause)
}
