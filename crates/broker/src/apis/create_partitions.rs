//! CreatePartitions: a topic grows. The controller's broker places the new partitions; the controller stores them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use host::Time;
use tokio::sync::oneshot;
use trace::{EventId, Name};
use wire::kafka::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use wire::kafka::messages::create_partitions_response::CreatePartitionsTopicResult;
use wire::kafka::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use wire::kafka::{ErrorCode, StrBytes};

use super::{Context, Refused, Reply, create_topics};
use crate::broker::Broker;
use crate::controller::{Event, placement};
use crate::util::is_legal_topic;

/// Grows topics, and waits until the new partitions' leaders are known here.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &CreatePartitionsRequest) -> Reply {
    let mut cause = context.cause;
    let deadline = broker.host.now() + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let mut results = Vec::new();
    let mut left = create_topics::MAXIMUM_PARTITIONS;
    for topic in &request.topics {
        let twice = request.topics.iter().filter(|other| other.name == topic.name).count() > 1;
        let outcome = if !broker.controls() {
            Err(Refused::new(ErrorCode::NotController, "this broker is not the controller"))
        } else if twice {
            Err(Refused::new(ErrorCode::InvalidRequest, "the topic is named twice"))
        } else {
            let added = added(broker, topic, left);
            left -= added.as_ref().map_or(0, BTreeMap::len);
            match added {
                Ok(added) if !request.validate_only => grow(broker, topic, added, deadline, &mut cause).await,
                checked => checked.map(drop),
            }
        };
        let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
        results.push(match outcome {
            Ok(()) => result,
            Err(Refused { error, message }) => {
                result.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(message)))
            }
        });
    }
    (CreatePartitionsResponse::default().with_results(results).into(), cause)
}

/// The replicas of the partitions that are to come, if they are no more than the request has `left`.
fn added(broker: &Broker, topic: &CreatePartitionsTopic, left: usize) -> Result<BTreeMap<i32, Vec<i32>>, Refused> {
    let name = topic.name.as_str();
    let cache = broker.metadata.borrow();
    let unknown = || Refused::new(ErrorCode::UnknownTopicOrPartition, format!("there is no topic {name}"));
    let view = Some(name).filter(|name| is_legal_topic(name)).and_then(|name| cache.topic(name)).ok_or_else(unknown)?;
    let existing = view.partitions.len();
    let count = usize::try_from(topic.count).unwrap_or(0);
    let wrong = |message: String| Err(Refused::new(ErrorCode::InvalidPartitions, message));
    if count <= existing {
        return wrong(format!("topic {name} has {existing} partitions: {} are no more", topic.count));
    }
    create_topics::within_limit(count - existing, left).map_err(|(error, message)| Refused::new(error, message))?;
    let first = view.partitions.values().next().ok_or_else(unknown)?;
    let brokers: Vec<i32> = cache.alive().keys().copied().collect();
    let replicas = match &topic.assignments {
        Some(manual) => checked(manual, count - existing, first.replicas.len(), &brokers)?,
        None => {
            // As Kafka continues: from the place of the first partition's preferred leader.
            let start = brokers.iter().position(|id| first.replicas.first() == Some(id)).unwrap_or(0);
            let factor = first.replicas.len();
            let mut placed = placement::place(&brokers, count, factor, start, start).map_err(|_| {
                let message = format!("replication factor {factor} with {} brokers", brokers.len());
                Refused::new(ErrorCode::InvalidReplicationFactor, message)
            })?;
            placed.split_off(existing)
        }
    };
    Ok(replicas.into_iter().enumerate().map(|(place, replicas)| ((existing + place) as i32, replicas)).collect())
}

/// A manual assignment, if it can be used.
fn checked(
    manual: &[CreatePartitionsAssignment],
    wanted: usize,
    factor: usize,
    alive: &[i32],
) -> Result<Vec<Vec<i32>>, Refused> {
    let invalid = |message: String| Err(Refused::new(ErrorCode::InvalidReplicaAssignment, message));
    if manual.len() != wanted {
        return invalid(format!("{} assignments for {wanted} new partitions", manual.len()));
    }
    let mut all = Vec::new();
    for assignment in manual {
        let replicas: Vec<i32> = assignment.broker_ids.iter().map(|id| id.0).collect();
        let mut distinct = replicas.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() != replicas.len() || replicas.len() != factor {
            return invalid(format!("each new partition needs {factor} distinct brokers"));
        }
        if let Some(unknown) = replicas.iter().find(|id| !alive.contains(id)) {
            return invalid(format!("broker {unknown} is unknown"));
        }
        all.push(replicas);
    }
    Ok(all)
}

async fn grow(
    broker: &Rc<Broker>,
    topic: &CreatePartitionsTopic,
    added: BTreeMap<i32, Vec<i32>>,
    deadline: Time,
    cause: &mut EventId,
) -> Result<(), Refused> {
    let late = || Refused::new(ErrorCode::RequestTimedOut, "leaders are not elected yet");
    let (answer, stored) = oneshot::channel();
    let name = Name::new(topic.name.as_str());
    broker.tell_controller(Event::AddPartitions { topic: name, added, answer, cause: *cause });
    let stored = broker.host.timeout(deadline - broker.host.now(), stored).await.map_err(|_| late())?;
    // An event that nobody handles is dropped: this broker is not the controller any more.
    *cause = stored.unwrap_or(Err(ErrorCode::NotController)).map_err(|error| Refused::new(error, "not stored"))?;
    while !create_topics::has_leaders(broker, name.as_str(), usize::try_from(topic.count).unwrap_or(0)) {
        let changed = broker.host.timeout(deadline - broker.host.now(), broker.metadata_changed.notified());
        changed.await.map_err(|_| late())?;
        *cause = broker.metadata_cause.get();
    }
    Ok(())
}
