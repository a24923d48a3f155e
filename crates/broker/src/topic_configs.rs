//! Topics' own settings while the broker runs: read and written in ZooKeeper, applied to replicas, made known.
//!
//! Kafka's brokers watch `/config/changes`, where whoever alters settings leaves a note. Ours keep no such watch, which every
//! simulated cluster would pay for with frames at each start: a broker applies what it reads when it is asked to describe
//! a topic's settings, and the broker that altered them asks all others to, until each has answered or is gone.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use trace::{EventId, Name};
use wire::kafka::messages::DescribeConfigsRequest;
use wire::kafka::messages::describe_configs_request::DescribeConfigsResource;
use wire::kafka::{ErrorCode, Request, StrBytes};
use zookeeper::{CreateMode, ZkError};

use crate::apis::Refused;
use crate::broker::Broker;
use crate::config::{TopicSettings, milliseconds};
use crate::controller;
use crate::replica_manager::start_cleaner;
use crate::rpc::Rpc;
use crate::util::is_legal_topic;
use crate::znodes::{self, Content, TopicConfig};

/// The resource type that stands for topics.
pub const TOPIC: i8 = 2;
/// The resource type that stands for brokers.
pub const BROKER: i8 = 4;

/// A topic's own settings by their names.
pub type Own = BTreeMap<String, String>;

/// Reads a topic's own settings, and applies them if they are not what is known.
///
/// # Errors
/// If there is no such topic, or ZooKeeper does not answer.
pub async fn read(broker: &Rc<Broker>, topic: &str, cause: EventId) -> Result<Own, Refused> {
    check_topic(broker, topic)?;
    let (own, _, cause) = stored(broker, topic, cause).await?;
    apply(broker, topic, &own, cause);
    Ok(own)
}

/// Changes a topic's own settings by `edit`, unless they only are to be checked; applies them here and tells the others.
///
/// # Errors
/// If there is no such topic, `edit` refuses, the settings are invalid, or ZooKeeper does not answer.
pub async fn change(
    broker: &Rc<Broker>,
    topic: &str,
    edit: impl Fn(&mut Own) -> Result<(), Refused>,
    only_check: bool,
    cause: EventId,
) -> Result<EventId, Refused> {
    check_topic(broker, topic)?;
    loop {
        let (mut own, version, cause) = stored(broker, topic, cause).await?;
        edit(&mut own)?;
        TopicSettings::parse(&broker.settings, &own)
            .map_err(|error| Refused::new(ErrorCode::InvalidConfig, error.to_string()))?;
        if only_check {
            return Ok(cause);
        }
        let (path, data) = (znodes::topic_config(topic), TopicConfig { version: 1, config: own.clone() }.encode());
        let written = match version {
            Some(version) => broker.zookeeper.set_data(cause, &path, data, version).await.map(|it| it.cause),
            None => broker.zookeeper.create(cause, &path, data, CreateMode::Persistent).await.map(|it| it.cause),
        };
        match written {
            Ok(cause) => {
                apply(broker, topic, &own, cause);
                announce(broker, topic, cause);
                return Ok(cause);
            }
            // Somebody else was faster: again, from what is stored now.
            Err(ZkError::BadVersion | ZkError::NodeExists | ZkError::NoNode) => {}
            Err(error) => return Err(unreachable_zookeeper(error)),
        }
    }
}

fn check_topic(broker: &Broker, topic: &str) -> Result<(), Refused> {
    if !is_legal_topic(topic) {
        return Err(Refused::new(ErrorCode::InvalidTopic, "the name is illegal"));
    }
    match broker.metadata.borrow().topic(topic) {
        Some(_) => Ok(()),
        None => Err(Refused::new(ErrorCode::UnknownTopicOrPartition, format!("there is no topic {topic}"))),
    }
}

/// A topic's own settings as they are stored, and the version of their node if there is one.
async fn stored(broker: &Broker, topic: &str, cause: EventId) -> Result<(Own, Option<i32>, EventId), Refused> {
    match broker.zookeeper.get_data(cause, &znodes::topic_config(topic), false).await {
        Ok(reply) => {
            let (data, stat) = reply.value;
            let own = TopicConfig::decode(&data).map(|it| it.config).unwrap_or_default();
            Ok((own, Some(stat.version), reply.cause))
        }
        Err(ZkError::NoNode) => Ok((Own::new(), None, cause)),
        Err(error) => Err(unreachable_zookeeper(error)),
    }
}

fn unreachable_zookeeper(error: ZkError) -> Refused {
    Refused::new(ErrorCode::UnknownServerError, format!("ZooKeeper: {error:?}"))
}

/// From now on the topic's replicas here obey these settings; what cannot be parsed counts as the defaults, as at start.
fn apply(broker: &Rc<Broker>, topic: &str, own: &Own, cause: EventId) {
    let parsed = TopicSettings::parse(&broker.settings, own).unwrap_or_else(|_| broker.settings.topic_defaults());
    if *broker.topic_settings(topic) == parsed {
        return;
    }
    let settings = Rc::new(parsed);
    broker.remember_topic_settings(topic, settings.clone());
    for replica in broker.replicas.all().into_iter().filter(|it| it.partition.topic.as_str() == topic) {
        broker.replicas.configure(&replica, settings.clone());
        // A smaller min.insync.replicas may be all that acks=all waited for.
        broker.replicas.advance(&replica, cause);
    }
    start_cleaner(broker);
    broker.tell_controller(controller::Event::SettingsChanged { topic: Name::new(topic), cause });
}

/// Asks every other broker to look at the topic's settings.
fn announce(broker: &Rc<Broker>, topic: &str, cause: EventId) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(StrBytes::from_string(topic.to_owned()))
        .with_configuration_keys(Some(Vec::new()));
    let request: Request = DescribeConfigsRequest::default().with_resources(vec![resource]).into();
    let others: Vec<i32> = broker.metadata.borrow().alive().keys().copied().filter(|id| *id != broker.id).collect();
    for id in others {
        broker.host.spawn("config-announcer", tell(broker.clone(), id, request.clone(), cause));
    }
}

/// Asks one broker, until it answers or is gone: who starts anew reads all settings by itself.
async fn tell(broker: Rc<Broker>, id: i32, request: Request, cause: EventId) {
    const RETRY: Duration = Duration::from_millis(500);
    let timeout = milliseconds(broker.settings.controller_socket_timeout_ms);
    loop {
        let address = broker.metadata.borrow().alive().get(&id).map(|node| node.address);
        let Some(address) = address else { return };
        let mut rpc = Rpc::new(broker.host.clone(), format!("broker-{}", broker.id), address);
        if rpc.call(cause, &request, timeout).await.is_ok() {
            return;
        }
        broker.host.sleep(RETRY).await;
    }
}
