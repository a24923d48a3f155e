//! Samples of what administrators say.

use odradek_wire::kafka::messages::*;
use odradek_wire::kafka::{Api, Request, Response};

use super::samples::{When, text, topic};

const TOPIC: i8 = 2;

pub fn request(api: Api, version: i16) -> Request {
    match api {
        Api::DescribeConfigs => {
            let resource = describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text("orders"))
                .with_configuration_keys(Some(vec![text("retention.ms")]));
            DescribeConfigsRequest::default()
                .with_resources(vec![resource])
                .with_include_synonyms(true)
                .when(version >= 3, |request| request.with_include_documentation(true))
                .into()
        }
        Api::AlterConfigs => {
            use alter_configs_request::*;
            let config = AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("86400000")));
            let resource = AlterConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text("orders"))
                .with_configs(vec![config]);
            AlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true).into()
        }
        Api::IncrementalAlterConfigs => {
            use incremental_alter_configs_request::*;
            let config =
                AlterableConfig::default().with_name(text("retention.ms")).with_config_operation(1).with_value(None);
            let resource = AlterConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text("orders"))
                .with_configs(vec![config]);
            IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true).into()
        }
        Api::DescribeLogDirs => {
            let asked = describe_log_dirs_request::DescribableLogDirTopic::default()
                .with_topic(topic())
                .with_partitions(vec![3]);
            DescribeLogDirsRequest::default().with_topics(Some(vec![asked])).into()
        }
        Api::CreatePartitions => {
            use create_partitions_request::*;
            let assignment = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(1), BrokerId(2)]);
            let grown = CreatePartitionsTopic::default()
                .with_name(topic())
                .with_count(4)
                .with_assignments(Some(vec![assignment]));
            CreatePartitionsRequest::default()
                .with_topics(vec![grown])
                .with_timeout_ms(30_000)
                .with_validate_only(true)
                .into()
        }
        Api::DescribeCluster => DescribeClusterRequest::default()
            .with_include_cluster_authorized_operations(true)
            .when(version >= 1, |request| request.with_endpoint_type(2))
            .when(version >= 2, |request| request.with_include_fenced_brokers(true))
            .into(),
        other => panic!("no sample of {other:?}"),
    }
}

pub fn response(api: Api, version: i16) -> Response {
    match api {
        Api::DescribeConfigs => describe_configs_response(version).into(),
        Api::AlterConfigs => {
            let altered = alter_configs_response::AlterConfigsResourceResponse::default()
                .with_error_code(40)
                .with_error_message(Some(text("no number")))
                .with_resource_type(TOPIC)
                .with_resource_name(text("orders"));
            AlterConfigsResponse::default().with_throttle_time_ms(5).with_responses(vec![altered]).into()
        }
        Api::IncrementalAlterConfigs => {
            let altered = incremental_alter_configs_response::AlterConfigsResourceResponse::default()
                .with_error_code(40)
                .with_error_message(Some(text("no number")))
                .with_resource_type(TOPIC)
                .with_resource_name(text("orders"));
            IncrementalAlterConfigsResponse::default().with_throttle_time_ms(5).with_responses(vec![altered]).into()
        }
        Api::DescribeLogDirs => describe_log_dirs_response(version).into(),
        Api::CreatePartitions => {
            let grown = create_partitions_response::CreatePartitionsTopicResult::default()
                .with_name(topic())
                .with_error_code(37)
                .with_error_message(Some(text("it has more")));
            CreatePartitionsResponse::default().with_throttle_time_ms(5).with_results(vec![grown]).into()
        }
        Api::DescribeCluster => {
            let broker = describe_cluster_response::DescribeClusterBroker::default()
                .with_broker_id(BrokerId(2))
                .with_host(text("localhost"))
                .with_port(9092)
                .with_rack(Some(text("a")))
                .when(version >= 2, |broker| broker.with_is_fenced(true));
            DescribeClusterResponse::default()
                .with_throttle_time_ms(5)
                .with_error_code(114)
                .with_error_message(Some(text("brokers only")))
                .with_cluster_id(text("cluster"))
                .with_controller_id(BrokerId(1))
                .with_brokers(vec![broker])
                .with_cluster_authorized_operations(0x1f00)
                .when(version >= 1, |response| response.with_endpoint_type(2))
                .into()
        }
        other => panic!("no sample of {other:?}"),
    }
}

fn describe_configs_response(version: i16) -> DescribeConfigsResponse {
    use describe_configs_response::*;
    let synonym = DescribeConfigsSynonym::default()
        .with_name(text("log.retention.ms"))
        .with_value(Some(text("1000")))
        .with_source(4);
    let config = DescribeConfigsResourceResult::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("86400000")))
        .with_read_only(true)
        .with_config_source(1)
        .with_is_sensitive(true)
        .with_synonyms(vec![synonym])
        .when(version >= 3, |config| config.with_config_type(5).with_documentation(Some(text("how long"))));
    let described = DescribeConfigsResult::default()
        .with_error_code(3)
        .with_error_message(Some(text("unknown")))
        .with_resource_type(TOPIC)
        .with_resource_name(text("orders"))
        .with_configs(vec![config]);
    DescribeConfigsResponse::default().with_throttle_time_ms(5).with_results(vec![described])
}

fn describe_log_dirs_response(version: i16) -> DescribeLogDirsResponse {
    use describe_log_dirs_response::*;
    let partition = DescribeLogDirsPartition::default()
        .with_partition_index(3)
        .with_partition_size(4_096)
        .with_offset_lag(7)
        .with_is_future_key(true);
    let topics = vec![DescribeLogDirsTopic::default().with_name(topic()).with_partitions(vec![partition])];
    let directory = DescribeLogDirsResult::default()
        .with_error_code(56)
        .with_log_dir(text("/data"))
        .with_topics(topics)
        .when(version >= 4, |it| it.with_total_bytes(1 << 40).with_usable_bytes(1 << 39));
    DescribeLogDirsResponse::default()
        .with_throttle_time_ms(5)
        .with_results(vec![directory])
        .when(version >= 3, |response| response.with_error_code(31))
}
