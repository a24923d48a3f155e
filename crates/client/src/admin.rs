//! Administration: topics, metadata, offsets.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use host::{Address, Host};
use tokio::sync::Notify;
use trace::{EventId, Name, Partition};
use wire::kafka::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use wire::kafka::messages::delete_topics_request::DeleteTopicState;
use wire::kafka::messages::metadata_request::MetadataRequestTopic;
use wire::kafka::messages::{CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, MetadataResponse};
use wire::kafka::{ErrorCode, Request, Response, StrBytes};

use crate::config::{ClientConfig, Isolation};
use crate::error::ClientError;
use crate::network::{Network, Reply, topic_name, until};
use crate::offsets::{OffsetSpec, list_offsets};

/// A topic to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTopic {
    /// Its name.
    pub name: Name,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas each.
    pub replication: i16,
    /// The brokers of each partition, preferred leader first, where the caller decides; else the controller places them.
    pub assignment: Option<Vec<Vec<i32>>>,
    /// Its own settings, by Kafka's names.
    pub configs: BTreeMap<String, String>,
}

/// The cluster, as one broker describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// Brokers and where they listen.
    pub brokers: BTreeMap<i32, Address>,
    /// The controller.
    pub controller: Option<i32>,
    /// The topics asked about that exist, with their partitions by index.
    pub topics: BTreeMap<Name, BTreeMap<i32, PartitionDescription>>,
    /// The answer's frame.
    pub cause: EventId,
}

/// A partition, as one broker describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionDescription {
    /// The leader's broker id.
    pub leader: Option<i32>,
    /// The leader epoch.
    pub leader_epoch: i32,
    /// Replicas, preferred leader first.
    pub replicas: Vec<i32>,
    /// In-sync replicas.
    pub isr: Vec<i32>,
}

/// What to do after an answer.
enum Verdict {
    Done,
    Again(Option<ClientError>),
    GiveUp(ClientError),
}

/// A Kafka administration client. Dropping it closes its connections.
pub struct Admin {
    network: Network,
}

impl Admin {
    /// Starts a client; it connects at once.
    pub fn new(host: Host, bootstrap: Vec<Address>, config: ClientConfig) -> Admin {
        // An administrator who asks about a topic does not want it created by asking.
        let config = ClientConfig { allow_auto_create_topics: false, ..config };
        Admin { network: Network::new(host, config, bootstrap, Rc::new(Notify::new())) }
    }

    /// Creates topics; returns the answer's frame. Retries until the controller has settled it; a topic that exists (perhaps by an
    /// attempt of which no answer came) counts as created. Errors that pass when brokers come up are retried as well.
    ///
    /// # Errors
    /// If the controller refuses for good, or nothing was settled after `timeout`.
    pub async fn create_topics(
        &self,
        cause: EventId,
        topics: &[NewTopic],
        timeout: Duration,
    ) -> Result<EventId, ClientError> {
        let request: Request = CreateTopicsRequest::default()
            .with_topics(topics.iter().map(creatable).collect())
            .with_timeout_ms(self.server_timeout())
            .into();
        self.ask_controller(cause, request, timeout, |response, _| {
            let Response::CreateTopics(response) = response else { return Verdict::Again(None) };
            let errors = response.topics.iter().map(|topic| (Name::new(topic.name.as_str()), topic.error_code));
            verdict(errors, |error| error == ErrorCode::TopicAlreadyExists)
        })
        .await
    }

    /// Deletes topics; returns the answer's frame. A topic that is gone after an attempt of which no answer came counts as deleted.
    ///
    /// # Errors
    /// If the controller refuses for good, or nothing was settled after `timeout`.
    pub async fn delete_topics(
        &self,
        cause: EventId,
        topics: &[Name],
        timeout: Duration,
    ) -> Result<EventId, ClientError> {
        let state = |topic: &Name| DeleteTopicState::default().with_name(Some(topic_name(*topic)));
        let request: Request = DeleteTopicsRequest::default()
            .with_topics(topics.iter().map(state).collect())
            .with_timeout_ms(self.server_timeout())
            .into();
        self.ask_controller(cause, request, timeout, |response, attempts| {
            let Response::DeleteTopics(response) = response else { return Verdict::Again(None) };
            let errors = response
                .responses
                .iter()
                .filter_map(|topic| Some((Name::new(topic.name.as_ref()?.as_str()), topic.error_code)));
            verdict(errors, |error| error == ErrorCode::UnknownTopicOrPartition && attempts > 1)
        })
        .await
    }

    /// Describes the cluster and these topics, as any one broker sees them.
    ///
    /// # Errors
    /// If no broker has answered after `timeout`.
    pub async fn describe(
        &self,
        cause: EventId,
        topics: &[Name],
        timeout: Duration,
    ) -> Result<Description, ClientError> {
        let topic = |name: &Name| MetadataRequestTopic::default().with_name(Some(topic_name(*name)));
        let request: Request = MetadataRequest::default()
            .with_topics(Some(topics.iter().map(topic).collect()))
            .with_allow_auto_topic_creation(false)
            .into();
        let asking = async {
            let mut failures = 0;
            loop {
                if let Some(node) = self.network.least_loaded()
                    && let Ok(reply) = self.network.call(node, cause, &request).await
                    && let Some(Response::Metadata(response)) = reply.response
                {
                    return Ok(description(&response, reply.cause));
                }
                failures += 1;
                self.back_off(failures).await;
            }
        };
        let deadline = self.network.host().now() + timeout;
        until(self.network.host(), deadline, asking).await.unwrap_or(Err(ClientError::TimedOut))
    }

    /// The offsets that `spec` asks for.
    ///
    /// # Errors
    /// If they are not known after `timeout`, or a broker refuses.
    pub async fn list_offsets(
        &self,
        cause: EventId,
        partitions: &[Partition],
        spec: OffsetSpec,
        timeout: Duration,
    ) -> Result<BTreeMap<Partition, i64>, ClientError> {
        let deadline = self.network.host().now() + timeout;
        list_offsets(&self.network, cause, partitions, spec, Isolation::ReadUncommitted, deadline).await
    }

    /// How long a broker may take before it answers.
    fn server_timeout(&self) -> i32 {
        i32::try_from(self.network.config().request_timeout.as_millis()).unwrap_or(i32::MAX)
    }

    async fn back_off(&self, failures: u32) {
        let wait = self.network.config().retry().after(failures, self.network.random());
        self.network.host().sleep(wait).await;
    }

    /// Asks the controller until `judge`, given an answer and the number of attempts, is content.
    async fn ask_controller(
        &self,
        cause: EventId,
        request: Request,
        timeout: Duration,
        judge: impl Fn(&Response, u32) -> Verdict,
    ) -> Result<EventId, ClientError> {
        let mut last = ClientError::TimedOut;
        let asking = async {
            let mut attempts = 0;
            let mut cause = cause;
            loop {
                let controller = self.network.with_metadata(|metadata| metadata.controller());
                if let Some(controller) = controller {
                    attempts += 1;
                    match self.network.call(controller, cause, &request).await {
                        Ok(Reply { response: Some(response), cause: answer }) => {
                            cause = answer;
                            match judge(&response, attempts) {
                                Verdict::Done => return Ok(answer),
                                Verdict::GiveUp(error) => return Err(error),
                                Verdict::Again(error) => last = error.unwrap_or(last),
                            }
                        }
                        Ok(Reply { cause: answer, .. }) => cause = answer,
                        Err(failure) => cause = failure.cause,
                    }
                    self.network.with_metadata(|metadata| metadata.forget_controller());
                }
                self.network.request_refresh(cause);
                self.back_off(attempts.max(1)).await;
            }
        };
        let deadline = self.network.host().now() + timeout;
        match until(self.network.host(), deadline, asking).await {
            Some(result) => result,
            None => Err(last),
        }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.network.close();
    }
}

/// Done if every topic has no error or a welcome one; the first of the others decides.
fn verdict(errors: impl Iterator<Item = (Name, i16)>, is_welcome: impl Fn(ErrorCode) -> bool) -> Verdict {
    for (topic, code) in errors {
        let error = ErrorCode::from_code(code);
        if error.is_none() || is_welcome(error) {
            continue;
        }
        // Too few brokers are registered yet.
        let passes =
            error.retriable() || matches!(error, ErrorCode::InvalidReplicationFactor | ErrorCode::BrokerNotAvailable);
        let error = ClientError::Topic { topic, error };
        return if passes { Verdict::Again(Some(error)) } else { Verdict::GiveUp(error) };
    }
    Verdict::Done
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let config = |(name, value): (&String, &String)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_value(Some(StrBytes::from_string(value.clone())))
    };
    let creatable = CreatableTopic::default()
        .with_name(topic_name(topic.name))
        .with_configs(topic.configs.iter().map(config).collect());
    let Some(assignment) = &topic.assignment else {
        return creatable.with_num_partitions(topic.partitions).with_replication_factor(topic.replication);
    };
    // With a manual assignment Kafka demands -1 for both counts.
    let assigned = |(index, replicas): (usize, &Vec<i32>)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(index as i32)
            .with_broker_ids(replicas.iter().map(|id| (*id).into()).collect())
    };
    creatable
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(assignment.iter().enumerate().map(assigned).collect())
}

fn description(response: &MetadataResponse, cause: EventId) -> Description {
    let mut topics = BTreeMap::new();
    for topic in response.topics.iter().filter(|topic| topic.error_code == 0) {
        let Some(name) = &topic.name else { continue };
        let partitions = topic.partitions.iter().map(|partition| {
            let described = PartitionDescription {
                leader: Some(partition.leader_id.0).filter(|id| *id >= 0),
                leader_epoch: partition.leader_epoch,
                replicas: partition.replica_nodes.iter().map(|id| id.0).collect(),
                isr: partition.isr_nodes.iter().map(|id| id.0).collect(),
            };
            (partition.partition_index, described)
        });
        topics.insert(Name::new(name.as_str()), partitions.collect());
    }
    let brokers = response.brokers.iter().filter_map(|broker| {
        Some((broker.node_id.0, Address::new(broker.host.as_str(), u16::try_from(broker.port).ok()?)))
    });
    let controller = Some(response.controller_id.0).filter(|id| *id >= 0);
    Description { brokers: brokers.collect(), controller, topics, cause }
}
