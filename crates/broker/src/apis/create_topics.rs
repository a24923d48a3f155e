//! CreateTopics: the controller's broker stores the assignment; the controller does the rest when it sees the znode.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use trace::EventId;
use uuid::Uuid;
use wire::kafka::messages::create_topics_request::CreatableTopic;
use wire::kafka::messages::create_topics_response::CreatableTopicResult;
use wire::kafka::messages::{CreateTopicsRequest, CreateTopicsResponse};
use wire::kafka::{ErrorCode, StrBytes};
use zookeeper::{CreateMode, Op, ZkError};

use super::{Context, Reply, find_coordinator};
use crate::broker::Broker;
use crate::config::TopicSettings;
use crate::controller::placement;
use crate::group::OFFSETS_TOPIC;
use crate::util::is_legal_topic;
use crate::znodes::{self, Content, TopicAssignment, TopicConfig};

/// What became of one topic.
type Outcome = Result<Created, (ErrorCode, String)>;

struct Created {
    id: Uuid,
    partitions: usize,
    replication: usize,
}

/// Creates topics, and waits until their leaders are known here.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: CreateTopicsRequest) -> Reply {
    let mut cause = context.cause;
    let mut outcomes = Vec::new();
    let mut left = MAXIMUM_PARTITIONS;
    for topic in &request.topics {
        let twice = request.topics.iter().filter(|other| other.name == topic.name).count() > 1;
        let outcome = if !broker.controls() {
            Err((ErrorCode::NotController, "this broker is not the controller".to_owned()))
        } else if twice {
            Err((ErrorCode::InvalidRequest, "the topic is named twice".to_owned()))
        } else {
            create(broker, topic, request.validate_only, left, &mut cause).await
        };
        left -= outcome.as_ref().map_or(0, |created| created.partitions);
        outcomes.push(outcome);
    }
    if !request.validate_only {
        cause = await_leaders(broker, &request, &mut outcomes, cause).await;
    }
    let results = request.topics.iter().zip(outcomes).map(|(topic, outcome)| respond(context, topic, outcome));
    (CreateTopicsResponse::default().with_topics(results.collect()).into(), cause)
}

/// Creates a topic, unless it has more partitions than the request has `left`.
async fn create(
    broker: &Broker,
    topic: &CreatableTopic,
    validate_only: bool,
    left: usize,
    cause: &mut EventId,
) -> Outcome {
    let name = topic.name.as_str();
    if !is_legal_topic(name) {
        return Err((ErrorCode::InvalidTopic, "the name is illegal".to_owned()));
    }
    let settings = settings(broker, topic)?;
    within_limit(usize::try_from(topic.num_partitions).unwrap_or(0).max(topic.assignments.len()), left)?;
    let partitions = assignment(broker, topic)?;
    within_limit(partitions.len(), left)?;
    let created = Created {
        id: broker.new_id("topic-ids"),
        partitions: partitions.len(),
        replication: partitions.values().next().map_or(0, Vec::len),
    };
    if validate_only {
        return Ok(created);
    }
    match store(broker, name, created.id, partitions, settings, *cause).await {
        Ok(stored) => {
            *cause = stored;
            Ok(created)
        }
        Err(ZkError::NodeExists) => Err((ErrorCode::TopicAlreadyExists, format!("topic {name} exists"))),
        Err(error) => Err((ErrorCode::UnknownServerError, format!("ZooKeeper: {error:?}"))),
    }
}

fn settings(broker: &Broker, topic: &CreatableTopic) -> Result<BTreeMap<String, String>, (ErrorCode, String)> {
    let mut settings = BTreeMap::new();
    for config in &topic.configs {
        if let Some(value) = &config.value {
            settings.insert(config.name.to_string(), value.to_string());
        }
    }
    match TopicSettings::parse(&broker.settings, &settings) {
        Ok(_) => Ok(settings),
        Err(error) => Err((ErrorCode::InvalidConfig, error.to_string())),
    }
}

fn assignment(broker: &Broker, topic: &CreatableTopic) -> Result<BTreeMap<i32, Vec<i32>>, (ErrorCode, String)> {
    let invalid = |message: &str| Err((ErrorCode::InvalidReplicaAssignment, message.to_owned()));
    if topic.assignments.is_empty() {
        let wanted = |asked: i64, default: i64| if asked == -1 { default } else { asked };
        let partitions = wanted(i64::from(topic.num_partitions), broker.settings.num_partitions);
        let replication = wanted(i64::from(topic.replication_factor), broker.settings.default_replication_factor);
        return place(broker, partitions, replication);
    }
    let brokers = broker.metadata.borrow();
    let mut assignment = BTreeMap::new();
    for manual in &topic.assignments {
        let replicas: Vec<i32> = manual.broker_ids.iter().map(|id| id.0).collect();
        let mut distinct = replicas.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if replicas.is_empty() || distinct.len() != replicas.len() {
            return invalid("replicas must be distinct brokers");
        }
        if !replicas.iter().all(|id| brokers.is_alive(*id)) {
            return invalid("a replica's broker is unknown");
        }
        assignment.insert(manual.partition_index, replicas);
    }
    let consecutive = assignment.keys().copied().eq(0..assignment.len() as i32);
    if !consecutive || assignment.len() != topic.assignments.len() {
        return invalid("partitions must be numbered from 0 on");
    }
    Ok(assignment)
}

/// How many partitions one request may create: KRaft's limit, so that no single frame fills the memory.
pub(super) const MAXIMUM_PARTITIONS: usize = 10_000;

/// Whether a request that may create `left` more partitions may create so many.
pub(super) fn within_limit(partitions: usize, left: usize) -> Result<(), (ErrorCode, String)> {
    if partitions > left {
        let message = format!("a request creates at most {MAXIMUM_PARTITIONS} partitions");
        return Err((ErrorCode::PolicyViolation, message));
    }
    Ok(())
}

fn place(broker: &Broker, partitions: i64, replication: i64) -> Result<BTreeMap<i32, Vec<i32>>, (ErrorCode, String)> {
    let count = usize::try_from(partitions).ok().filter(|count| *count > 0);
    let Some(count) = count else {
        return Err((ErrorCode::InvalidPartitions, format!("{partitions} partitions")));
    };
    let brokers: Vec<i32> = broker.metadata.borrow().alive().keys().copied().collect();
    let (start, shift) = broker.draw_placement(brokers.len());
    let factor = usize::try_from(replication).unwrap_or(0);
    let placed = placement::place(&brokers, count, factor, start, shift).map_err(|_| {
        let message = format!("replication factor {replication} with {} brokers", brokers.len());
        (ErrorCode::InvalidReplicationFactor, message)
    })?;
    Ok(placed.into_iter().enumerate().map(|(index, replicas)| (index as i32, replicas)).collect())
}

/// Stores settings and assignment, in this order: who sees the topic can read its settings.
async fn store(
    broker: &Broker,
    name: &str,
    id: Uuid,
    partitions: BTreeMap<i32, Vec<i32>>,
    settings: BTreeMap<String, String>,
    cause: EventId,
) -> Result<EventId, ZkError> {
    let config = TopicConfig { version: 1, config: settings }.encode();
    let path = znodes::topic_config(name);
    let exists = broker.zookeeper.exists(cause, &znodes::topic(name), false).await?;
    if exists.value.is_some() {
        return Err(ZkError::NodeExists);
    }
    let configured = match broker.zookeeper.create(cause, &path, config.clone(), CreateMode::Persistent).await {
        Ok(reply) => reply.cause,
        Err(ZkError::NodeExists) => broker.zookeeper.set_data(cause, &path, config, -1).await?.cause,
        Err(error) => return Err(error),
    };
    let (adding_replicas, removing_replicas) = (BTreeMap::new(), BTreeMap::new());
    let topic = TopicAssignment { version: 3, topic_id: id, partitions, adding_replicas, removing_replicas };
    let create = Op::Create { path: znodes::topic(name), data: topic.encode(), mode: CreateMode::Persistent };
    match broker.zookeeper.multi(configured, vec![create]).await {
        Ok(reply) => Ok(reply.cause),
        Err(ZkError::Multi { error, .. }) => Err(ZkError::Refused(error)),
        Err(error) => Err(error),
    }
}

/// Waits until each created topic has all its leaders in the metadata cache, or the request's time is up.
async fn await_leaders(
    broker: &Rc<Broker>,
    request: &CreateTopicsRequest,
    outcomes: &mut [Outcome],
    cause: EventId,
) -> EventId {
    let deadline = broker.host.now() + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let mut cause = cause;
    loop {
        let ready = |(topic, outcome): (&CreatableTopic, &Outcome)| {
            outcome.as_ref().map_or(true, |created| has_leaders(broker, topic.name.as_str(), created.partitions))
        };
        let mut unready: Vec<usize> = Vec::new();
        for (place, pair) in request.topics.iter().zip(outcomes.iter()).enumerate() {
            if !ready(pair) {
                unready.push(place);
            }
        }
        if unready.is_empty() {
            return cause;
        }
        match broker.host.timeout(deadline - broker.host.now(), broker.metadata_changed.notified()).await {
            Ok(()) => cause = broker.metadata_cause.get(),
            Err(_elapsed) => {
                for place in unready {
                    outcomes[place] = Err((ErrorCode::RequestTimedOut, "leaders are not elected yet".to_owned()));
                }
                return cause;
            }
        }
    }
}

/// Whether so many partitions have a leader in the metadata cache.
pub(super) fn has_leaders(broker: &Broker, topic: &str, partitions: usize) -> bool {
    let cache = broker.metadata.borrow();
    let led = |view: &crate::metadata_cache::TopicView| view.partitions.values().filter(|it| it.leader >= 0).count();
    cache.topic(topic).is_some_and(|view| led(view) >= partitions)
}

fn respond(context: Context, topic: &CreatableTopic, outcome: Outcome) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(topic.name.clone());
    match outcome {
        Ok(created) if context.version >= 5 => result
            .with_topic_id(created.id)
            .with_num_partitions(created.partitions as i32)
            .with_replication_factor(created.replication as i16)
            .with_configs(Some(Vec::new())),
        Ok(_) => result,
        Err((error, message)) => {
            result.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(message)))
        }
    }
}

/// Creates a topic that a client asked about, with the broker's defaults. The client is told to ask again.
pub async fn auto_create(broker: &Rc<Broker>, name: &str, cause: EventId) -> ErrorCode {
    if name == OFFSETS_TOPIC {
        return find_coordinator::create_offsets_topic(broker, cause).await;
    }
    let settings = &broker.settings;
    let (partitions, replication) = (settings.num_partitions, settings.default_replication_factor);
    create_internally(broker, name, partitions, replication, BTreeMap::new(), cause).await
}

/// Creates a topic that no CreateTopics asked for; `LEADER_NOT_AVAILABLE` if it is under way.
pub(super) async fn create_internally(
    broker: &Rc<Broker>,
    name: &str,
    partitions: i64,
    replication: i64,
    settings: BTreeMap<String, String>,
    cause: EventId,
) -> ErrorCode {
    let Ok(partitions) = place(broker, partitions, replication) else {
        return ErrorCode::InvalidReplicationFactor;
    };
    let id = broker.new_id("topic-ids");
    match store(broker, name, id, partitions, settings, cause).await {
        Ok(_) | Err(ZkError::NodeExists) => ErrorCode::LeaderNotAvailable,
        Err(_) => ErrorCode::UnknownTopicOrPartition,
    }
}
