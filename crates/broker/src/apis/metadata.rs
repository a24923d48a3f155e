//! Metadata: brokers, topics and leaders as the controller last told them; topics are created on demand.

use std::rc::Rc;

use uuid::Uuid;
use wire::kafka::messages::metadata_request::MetadataRequestTopic;
use wire::kafka::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use wire::kafka::messages::{MetadataRequest, MetadataResponse};
use wire::kafka::{BrokerId, ErrorCode, StrBytes};

use super::{Context, create_topics};
use crate::broker::Broker;
use crate::metadata_cache::{MetadataCache, PartitionView, TopicView};
use crate::util::{Authorized, is_internal, is_legal_topic, topic_name};

/// Answers from the cache.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &MetadataRequest) -> MetadataResponse {
    let mut topics = Vec::new();
    for asked in wanted(broker, context, request) {
        topics.push(topic(broker, context, request, asked).await);
    }
    let cache = broker.metadata.borrow();
    let brokers = cache.alive().iter().map(|(id, node)| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(*id))
            .with_host(StrBytes::from_static_str(node.address.host.as_str()))
            .with_port(i32::from(node.address.port))
            .with_rack(node.rack.clone().map(StrBytes::from_string))
    });
    let response = MetadataResponse::default()
        .with_brokers(brokers.collect())
        .with_cluster_id(broker.cluster_id.borrow().clone().map(StrBytes::from_string))
        .with_controller_id(BrokerId(cache.controller().unwrap_or(-1)))
        .with_topics(topics);
    if request.include_cluster_authorized_operations {
        return response.with_cluster_authorized_operations(Authorized::Cluster.operations());
    }
    response
}

/// What is asked for: a topic by name, or by id.
enum Wanted {
    Name(String),
    Id(Uuid),
}

fn wanted(broker: &Broker, context: Context, request: &MetadataRequest) -> Vec<Wanted> {
    // Version 0 has no null: there an empty list stands for all topics.
    let some = request.topics.as_ref().filter(|topics| context.version > 0 || !topics.is_empty());
    let Some(topics) = some else {
        return broker.metadata.borrow().topics().keys().cloned().map(Wanted::Name).collect();
    };
    let one = |topic: &MetadataRequestTopic| match &topic.name {
        Some(name) => Wanted::Name(name.to_string()),
        None => Wanted::Id(topic.topic_id),
    };
    topics.iter().map(one).collect()
}

async fn topic(
    broker: &Rc<Broker>,
    context: Context,
    request: &MetadataRequest,
    wanted: Wanted,
) -> MetadataResponseTopic {
    let name = {
        let cache = broker.metadata.borrow();
        let found = match &wanted {
            Wanted::Name(name) => cache.topic(name),
            Wanted::Id(id) => cache.topic_by_id(*id),
        };
        if let Some(view) = found {
            return known(context, request, &cache, view);
        }
        match wanted {
            Wanted::Name(name) => name,
            Wanted::Id(id) => return unknown(ErrorCode::UnknownTopicId).with_topic_id(id),
        }
    };
    let response = |error| unknown(error).with_name(Some(topic_name(&name)));
    if !is_legal_topic(&name) {
        return response(ErrorCode::InvalidTopic);
    }
    let wished = context.version < 4 || request.allow_auto_topic_creation;
    if !wished || !broker.settings.auto_create_topics_enable {
        return response(ErrorCode::UnknownTopicOrPartition);
    }
    response(create_topics::auto_create(broker, &name, context.cause).await)
}

fn unknown(error: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic::default().with_error_code(error.code())
}

fn known(
    context: Context,
    request: &MetadataRequest,
    cache: &MetadataCache,
    view: &TopicView,
) -> MetadataResponseTopic {
    let partitions = view.partitions.iter().map(|(index, it)| partition(context, cache, *index, it)).collect();
    let topic = MetadataResponseTopic::default()
        .with_name(Some(topic_name(view.name.as_str())))
        .with_topic_id(view.id)
        .with_is_internal(is_internal(view.name.as_str()))
        .with_partitions(partitions);
    if request.include_topic_authorized_operations {
        return topic.with_topic_authorized_operations(Authorized::Topic.operations());
    }
    topic
}

fn partition(context: Context, cache: &MetadataCache, index: i32, view: &PartitionView) -> MetadataResponsePartition {
    let ids = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect::<Vec<_>>();
    let led = cache.is_alive(view.leader);
    let error = if led { ErrorCode::None } else { ErrorCode::LeaderNotAvailable };
    let response = MetadataResponsePartition::default()
        .with_error_code(error.code())
        .with_partition_index(index)
        .with_leader_id(BrokerId(if led { view.leader } else { -1 }))
        .with_replica_nodes(ids(&view.replicas))
        .with_isr_nodes(ids(&view.isr))
        .with_offline_replicas(ids(&view.offline));
    if context.version >= 7 { response.with_leader_epoch(view.leader_epoch) } else { response }
}
