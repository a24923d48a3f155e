//! FindCoordinator: a group's coordinator leads the group's partition of `__consumer_offsets`. There are no transaction
//! coordinators yet.

use std::collections::BTreeMap;
use std::rc::Rc;

use trace::EventId;
use wire::kafka::messages::find_coordinator_response::Coordinator;
use wire::kafka::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::kafka::{BrokerId, ErrorCode, StrBytes};

use super::{Context, create_topics};
use crate::broker::Broker;
use crate::group::OFFSETS_TOPIC;

/// The kind of key that stands for a group.
const GROUP: i8 = 0;

/// Answers for each key asked. The first question after a group creates `__consumer_offsets`.
pub async fn handle(
    broker: &Rc<Broker>,
    context: Context,
    request: &FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if context.version < 4 {
        let found = find(broker, request.key_type, &request.key, context.cause).await;
        return FindCoordinatorResponse::default()
            .with_error_code(found.error_code)
            .with_node_id(found.node_id)
            .with_host(found.host)
            .with_port(found.port);
    }
    let mut coordinators = Vec::new();
    for key in &request.coordinator_keys {
        coordinators.push(find(broker, request.key_type, key, context.cause).await);
    }
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}

async fn find(broker: &Rc<Broker>, key_type: i8, key: &StrBytes, cause: EventId) -> Coordinator {
    let found = Coordinator::default().with_key(key.clone());
    let node = if key_type == GROUP { coordinator(broker, key, cause).await } else { None };
    match node {
        Some((id, address)) => found
            .with_node_id(BrokerId(id))
            .with_host(StrBytes::from_static_str(address.host.as_str()))
            .with_port(i32::from(address.port)),
        None => {
            let error = ErrorCode::CoordinatorNotAvailable.code();
            found.with_error_code(error).with_node_id(BrokerId(-1)).with_port(-1)
        }
    }
}

async fn coordinator(broker: &Rc<Broker>, group: &str, cause: EventId) -> Option<(i32, host::Address)> {
    if broker.metadata.borrow().topic(OFFSETS_TOPIC).is_none() {
        create_offsets_topic(broker, cause).await;
    }
    let partition = broker.groups.partition_for(group);
    let metadata = broker.metadata.borrow();
    let leader = metadata.partition(OFFSETS_TOPIC, partition.index)?.leader;
    Some((leader, metadata.alive().get(&leader)?.address))
}

/// Creates `__consumer_offsets`. If that fails, most likely because too few brokers are alive, the client asks again.
pub(super) async fn create_offsets_topic(broker: &Rc<Broker>, cause: EventId) -> ErrorCode {
    let settings = &broker.settings;
    let segment_bytes = settings.offsets_topic_segment_bytes.to_string();
    let own = [("cleanup.policy", "compact".to_owned()), ("segment.bytes", segment_bytes)];
    let own: BTreeMap<String, String> = own.map(|(name, value)| (name.to_owned(), value)).into();
    let (partitions, replication) = (settings.offsets_topic_num_partitions, settings.offsets_topic_replication_factor);
    create_topics::create_internally(broker, OFFSETS_TOPIC, partitions, replication, own, cause).await
}
