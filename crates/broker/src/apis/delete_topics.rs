//! DeleteTopics: the controller's broker marks the topic in ZooKeeper; the controller does the rest.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use trace::EventId;
use uuid::Uuid;
use wire::kafka::messages::delete_topics_response::DeletableTopicResult;
use wire::kafka::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use wire::kafka::{ErrorCode, TopicName};
use zookeeper::{CreateMode, ZkError};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::znodes;

/// Deletes topics, and waits until they are gone from the metadata here.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: DeleteTopicsRequest) -> Reply {
    let mut cause = context.cause;
    let deadline = broker.host.now() + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), Uuid::nil()));
    let by_state = request.topics.iter().map(|state| (state.name.clone(), state.topic_id));
    let mut results = Vec::new();
    for (name, id) in by_name.chain(by_state) {
        let name = name.or_else(|| {
            let cache = broker.metadata.borrow();
            cache.topic_by_id(id).map(|topic| crate::util::topic_name(topic.name.as_str()))
        });
        let error = match &name {
            None => ErrorCode::UnknownTopicId,
            Some(name) => delete(broker, name, deadline, &mut cause).await,
        };
        let result = DeletableTopicResult::default().with_name(name).with_error_code(error.code());
        results.push(if context.version >= 6 { result.with_topic_id(id) } else { result });
    }
    (DeleteTopicsResponse::default().with_responses(results).into(), cause)
}

async fn delete(broker: &Rc<Broker>, name: &TopicName, deadline: host::Time, cause: &mut EventId) -> ErrorCode {
    let known = || broker.metadata.borrow().topic(name.as_str()).is_some();
    if !broker.controls() {
        return ErrorCode::NotController;
    }
    if !broker.settings.delete_topic_enable {
        return ErrorCode::TopicDeletionDisabled;
    }
    if !known() {
        return ErrorCode::UnknownTopicOrPartition;
    }
    let path = znodes::delete_topic(name.as_str());
    match broker.zookeeper.create(*cause, &path, Bytes::new(), CreateMode::Persistent).await {
        Ok(reply) => *cause = reply.cause,
        Err(ZkError::NodeExists) => {}
        Err(_) => return ErrorCode::UnknownServerError,
    }
    while known() {
        match broker.host.timeout(deadline - broker.host.now(), broker.metadata_changed.notified()).await {
            Ok(()) => *cause = broker.metadata_cause.get(),
            Err(_elapsed) => return ErrorCode::RequestTimedOut,
        }
    }
    ErrorCode::None
}
