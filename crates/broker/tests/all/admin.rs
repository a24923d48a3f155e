//! What administrators ask: the cluster described, topics that grow, settings that change while all runs.

use wire::kafka::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use wire::kafka::messages::create_topics_request::CreatableTopic;
use wire::kafka::messages::describe_configs_request::DescribeConfigsResource;
use wire::kafka::messages::describe_configs_response::DescribeConfigsResourceResult;
use wire::kafka::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use wire::kafka::messages::produce_request::{PartitionProduceData, TopicProduceData};
use wire::kafka::messages::*;
use wire::kafka::{ErrorCode, Response};

use crate::support::*;

impl Cluster {
    async fn controller(&self) -> i32 {
        self.metadata(1, &[]).await.expect("broker 1 answers").controller_id.0
    }

    async fn grow(&self, at: i32, count: i32, assignments: Option<Vec<Vec<i32>>>) -> ErrorCode {
        let assignments = assignments.map(|all| {
            let one = |ids: Vec<i32>| {
                CreatePartitionsAssignment::default().with_broker_ids(ids.into_iter().map(BrokerId).collect())
            };
            all.into_iter().map(one).collect()
        });
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(TOPIC))
            .with_count(count)
            .with_assignments(assignments);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(20_000);
        match self.call(at, 3, request).await {
            Some(Response::CreatePartitions(response)) => ErrorCode::from_code(response.results[0].error_code),
            other => panic!("{other:?}"),
        }
    }

    /// Leaders of all partitions of the topic, as broker `at` tells them.
    async fn leaders(&self, at: i32) -> Vec<i32> {
        let mut metadata = self.metadata(at, &[TOPIC]).await.expect("it answers");
        let mut partitions = metadata.topics.remove(0).partitions;
        partitions.sort_by_key(|it| it.partition_index);
        partitions.iter().map(|it| it.leader_id.0).collect()
    }

    async fn produce_to(&self, at: i32, index: i32) -> ErrorCode {
        let partition = PartitionProduceData::default().with_index(index).with_records(Some(batch(&["x"])));
        let topic = TopicProduceData::default().with_name(topic_name(TOPIC)).with_partition_data(vec![partition]);
        let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic]);
        match self.call(at, 9, request).await {
            Some(Response::Produce(response)) => {
                ErrorCode::from_code(response.responses[0].partition_responses[0].error_code)
            }
            other => panic!("{other:?}"),
        }
    }

    async fn describe_configs(
        &self,
        at: i32,
        kind: i8,
        name: &str,
    ) -> Result<Vec<DescribeConfigsResourceResult>, ErrorCode> {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        match self.call(at, 4, request).await {
            Some(Response::DescribeConfigs(mut response)) => {
                let result = response.results.remove(0);
                match ErrorCode::from_code(result.error_code) {
                    ErrorCode::None => Ok(result.configs),
                    error => Err(error),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    /// A topic's setting and its source.
    async fn setting(&self, at: i32, name: &str) -> (String, i8) {
        let all = self.describe_configs(at, 2, TOPIC).await.expect("it is described");
        let found = all.into_iter().find(|it| it.name.as_str() == name).expect("there is such a setting");
        (found.value.expect("it has a value").to_string(), found.config_source)
    }

    async fn set(&self, at: i32, name: &str, value: Option<&str>, validate_only: bool) -> ErrorCode {
        let config = AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(if value.is_some() { 0 } else { 1 })
            .with_value(value.map(text));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(TOPIC))
            .with_configs(vec![config]);
        let request =
            IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(validate_only);
        match self.call(at, 1, request).await {
            Some(Response::IncrementalAlterConfigs(response)) => ErrorCode::from_code(response.responses[0].error_code),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_cluster_is_described_by_any_broker() {
    simulate(80, async |world| {
        let cluster = Cluster::start(world, 3, &[]).await;
        let controller = cluster.controller().await;
        for id in 1..=3 {
            let Some(Response::DescribeCluster(response)) =
                cluster.call(id, 1, DescribeClusterRequest::default()).await
            else {
                panic!("no answer")
            };
            let ids: Vec<i32> = response.brokers.iter().map(|it| it.broker_id.0).collect();
            assert_eq!((ids, response.controller_id.0, response.cluster_id.len()), (vec![1, 2, 3], controller, 22));
        }
        let controllers = DescribeClusterRequest::default().with_endpoint_type(2);
        let Some(Response::DescribeCluster(refused)) = cluster.call(1, 1, controllers).await else {
            panic!("no answer")
        };
        assert_eq!(refused.error_code, ErrorCode::MismatchedEndpointType.code());
    });
}

#[test]
fn a_topic_grows_and_its_new_partitions_can_be_written() {
    simulate(81, async |world| {
        let mut cluster = Cluster::start(world, 3, &[]).await;
        cluster.create_topic(2, 3, &[]).await;
        let controller = cluster.controller().await;
        assert_eq!(cluster.grow(controller, 6, None).await, ErrorCode::None);
        let leaders = cluster.leaders(controller).await;
        assert_eq!(leaders.len(), 6);
        for id in 1..=3 {
            cluster.until("every broker knows", async |cluster| cluster.leaders(id).await == leaders).await;
            assert!(leaders.contains(&id), "leaders are spread: {leaders:?}");
        }
        for (index, leader) in leaders.iter().enumerate() {
            assert_eq!(cluster.produce_to(*leader, index as i32).await, ErrorCode::None);
        }
        // Whoever becomes the controller next knows them too.
        let killed = cluster.world.kill(name(controller), ROOT);
        let witness = others(controller)[0];
        cluster
            .until("all partitions are led without it", async |cluster| {
                let leaders = cluster.leaders(witness).await;
                leaders.len() == 6 && leaders.iter().all(|id| *id > 0 && *id != controller)
            })
            .await;
        cluster.world.start(name(controller), killed);
    });
}

#[test]
fn a_topic_does_not_shrink_and_grows_by_the_controller_only() {
    simulate(82, async |world| {
        let mut cluster = Cluster::start(world, 2, &[]).await;
        let controller = cluster.controller().await;
        assert_eq!(cluster.grow(controller, 2, None).await, ErrorCode::UnknownTopicOrPartition);
        cluster.create_topic(2, 1, &[]).await;
        let other = 3 - controller;
        for (at, count, assignments, expected) in [
            (other, 3, None, ErrorCode::NotController),
            (controller, 2, None, ErrorCode::InvalidPartitions),
            (controller, -1, None, ErrorCode::InvalidPartitions),
            (controller, 1_000_000, None, ErrorCode::PolicyViolation),
            (controller, 4, Some(vec![vec![1]]), ErrorCode::InvalidReplicaAssignment),
            (controller, 3, Some(vec![vec![1, 2]]), ErrorCode::InvalidReplicaAssignment),
            (controller, 3, Some(vec![vec![9]]), ErrorCode::InvalidReplicaAssignment),
        ] {
            assert_eq!(cluster.grow(at, count, assignments.clone()).await, expected, "{count} {assignments:?}");
        }
        assert_eq!(cluster.leaders(controller).await.len(), 2);
        assert_eq!(cluster.grow(controller, 3, Some(vec![vec![other]])).await, ErrorCode::None);
        assert_eq!(cluster.leaders(controller).await[2], other);
    });
}

#[test]
fn settings_are_described_with_where_they_come_from() {
    simulate(83, async |world| {
        let mut cluster = Cluster::start(world, 1, &[("log.retention.hours", "2")]).await;
        cluster.create_topic(1, 1, &[("segment.bytes", "4096")]).await;
        assert_eq!(cluster.setting(1, "segment.bytes").await, ("4096".to_owned(), 1));
        assert_eq!(cluster.setting(1, "retention.ms").await, ("7200000".to_owned(), 4));
        assert_eq!(cluster.setting(1, "cleanup.policy").await, ("delete".to_owned(), 5));
        let own = cluster.describe_configs(1, 4, "1").await.unwrap();
        let hours = own.iter().find(|it| it.name.as_str() == "log.retention.hours").unwrap();
        assert_eq!((hours.value.as_deref(), hours.config_source, hours.read_only), (Some("2"), 4, true));
        assert_eq!(cluster.describe_configs(1, 4, "2").await, Err(ErrorCode::InvalidRequest));
        assert_eq!(cluster.describe_configs(1, 2, "missing").await, Err(ErrorCode::UnknownTopicOrPartition));
    });
}

#[test]
fn a_changed_setting_is_obeyed_by_every_broker_without_a_restart() {
    simulate(84, async |world| {
        let mut cluster = Cluster::start(world, 3, &[]).await;
        cluster.create_topic(3, 1, &[]).await;
        let leaders = cluster.leaders(1).await;
        assert_eq!(cluster.set(1, "max.message.bytes", Some("no"), false).await, ErrorCode::InvalidConfig);
        assert_eq!(cluster.set(1, "max.message.bytes", Some("10"), true).await, ErrorCode::None);
        for (index, leader) in leaders.iter().enumerate() {
            assert_eq!(cluster.produce_to(*leader, index as i32).await, ErrorCode::None, "it was only checked");
        }
        assert_eq!(cluster.set(2, "max.message.bytes", Some("10"), false).await, ErrorCode::None);
        for (index, leader) in leaders.iter().enumerate() {
            cluster
                .until("the leader obeys", async |cluster| {
                    cluster.produce_to(*leader, index as i32).await == ErrorCode::MessageTooLarge
                })
                .await;
        }
        assert_eq!(cluster.setting(3, "max.message.bytes").await, ("10".to_owned(), 1));
        assert_eq!(cluster.set(3, "max.message.bytes", None, false).await, ErrorCode::None);
        for (index, leader) in leaders.iter().enumerate() {
            cluster
                .until("the leader obeys again", async |cluster| {
                    cluster.produce_to(*leader, index as i32).await == ErrorCode::None
                })
                .await;
        }
    });
}

#[test]
fn a_smaller_min_insync_replicas_lets_writes_pass() {
    const SETTINGS: &[(&str, &str)] = &[("replica.lag.time.max.ms", "3000"), ("zookeeper.session.timeout.ms", "6000")];
    simulate(85, async |world| {
        let mut cluster = Cluster::start(world, 2, SETTINGS).await;
        cluster.create_topic_on(&[1, 2]).await;
        cluster.await_partition(1, Some(1), &[1, 2]).await;
        assert_eq!(cluster.set(1, "min.insync.replicas", Some("2"), false).await, ErrorCode::None);
        cluster.world.kill("broker-2", ROOT);
        cluster.await_partition(1, Some(1), &[1]).await;
        assert_eq!(cluster.produce(1, -1, &["a"]).await, Err(ErrorCode::NotEnoughReplicas));
        assert_eq!(cluster.set(1, "min.insync.replicas", Some("1"), false).await, ErrorCode::None);
        assert_eq!(cluster.produce(1, -1, &["a"]).await, Ok(0));
    });
}

#[test]
fn one_request_cannot_create_more_partitions_than_a_broker_bears() {
    simulate(86, async |world| {
        let cluster = Cluster::start(world, 1, &[]).await;
        let topic = |name: &str, partitions| {
            CreatableTopic::default()
                .with_name(topic_name(name))
                .with_num_partitions(partitions)
                .with_replication_factor(1)
        };
        let topics = vec![topic("a", 6_000), topic("b", 6_000), topic("c", i32::MAX), topic("d", 4_000)];
        let request =
            CreateTopicsRequest::default().with_topics(topics).with_validate_only(true).with_timeout_ms(10_000);
        let Some(Response::CreateTopics(response)) = cluster.call(1, 7, request).await else { panic!("no answer") };
        let errors: Vec<_> = response.topics.iter().map(|it| ErrorCode::from_code(it.error_code)).collect();
        let (created, refused) = (ErrorCode::None, ErrorCode::PolicyViolation);
        assert_eq!(errors, [created, refused, refused, created]);
    });
}
