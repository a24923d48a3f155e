//! One message with every field set that its version has, for every API and version.

use bytes::Bytes;
use odradek_wire::batch::BatchBuilder;
use odradek_wire::control::*;
use odradek_wire::kafka::messages::*;
use odradek_wire::kafka::{Api, Request, Response, StrBytes, TopicName, versions};
use uuid::Uuid;

use super::group_samples;

/// Every version of every API that is served.
pub fn all_versions() -> impl Iterator<Item = (Api, i16)> {
    versions::table().flat_map(|range| range.versions().map(move |version| (range.api, version)))
}

/// Sets a field only at the versions that have it.
pub trait When: Sized {
    fn when(self, present: bool, set: impl FnOnce(Self) -> Self) -> Self {
        if present { set(self) } else { self }
    }
}
impl<T> When for T {}

pub fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

pub fn bytes(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

pub fn topic() -> TopicName {
    TopicName(text("orders"))
}

fn id() -> Uuid {
    Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0)
}

pub fn batch() -> Bytes {
    let mut builder = BatchBuilder::default();
    builder.producer(7, 1, 40);
    builder.append(1_000, Some(b"key"), Some(b"value"), &[("trace", Some(b"1"))]);
    builder.append(1_001, None, None, &[]);
    builder.build(0, -1)
}

pub fn request(api: Api, version: i16) -> Request {
    match api {
        Api::Produce => produce_request().into(),
        Api::Fetch => fetch_request(version).into(),
        Api::ListOffsets => list_offsets_request(version).into(),
        Api::Metadata => metadata_request(version).into(),
        Api::LeaderAndIsr => leader_and_isr_request().into(),
        Api::StopReplica => stop_replica_request().into(),
        Api::UpdateMetadata => update_metadata_request().into(),
        Api::ControlledShutdown => ControlledShutdownRequest { broker_id: 2, broker_epoch: 77 }.into(),
        Api::FindCoordinator => FindCoordinatorRequest::default()
            .when(version <= 3, |request| request.with_key(text("mail")))
            .when(version >= 1, |request| request.with_key_type(1))
            .when(version >= 4, |request| request.with_coordinator_keys(vec![text("mail"), text("billing")]))
            .into(),
        Api::ApiVersions => ApiVersionsRequest::default()
            .when(version >= 3, |request| {
                request.with_client_software_name(text("odradek")).with_client_software_version(text("0.1"))
            })
            .into(),
        Api::CreateTopics => create_topics_request().into(),
        Api::DeleteTopics => DeleteTopicsRequest::default()
            .with_timeout_ms(30_000)
            .when(version <= 5, |request| request.with_topic_names(vec![topic()]))
            .when(version >= 6, |request| {
                let by_id = delete_topics_request::DeleteTopicState::default().with_topic_id(id());
                request.with_topics(vec![by_id.clone().with_name(Some(topic())), by_id])
            })
            .into(),
        Api::InitProducerId => InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text("billing-0"))))
            .with_transaction_timeout_ms(60_000)
            .when(version >= 3, |request| request.with_producer_id(ProducerId(9)).with_producer_epoch(2))
            .into(),
        Api::OffsetForLeaderEpoch => offset_for_leader_epoch_request(version).into(),
        other => group_samples::request(other, version),
    }
}

pub fn response(api: Api, version: i16) -> Response {
    match api {
        Api::Produce => produce_response(version).into(),
        Api::Fetch => fetch_response(version).into(),
        Api::ListOffsets => list_offsets_response(version).into(),
        Api::Metadata => metadata_response(version).into(),
        Api::LeaderAndIsr => LeaderAndIsrResponse {
            error_code: 11,
            topics: vec![LeaderAndIsrTopicError {
                topic_id: id(),
                partition_errors: vec![LeaderAndIsrPartitionError { partition_index: 1, error_code: 6 }],
            }],
        }
        .into(),
        Api::StopReplica => StopReplicaResponse {
            error_code: 77,
            partition_errors: vec![StopReplicaPartitionError {
                topic_name: topic(),
                partition_index: 1,
                error_code: 74,
            }],
        }
        .into(),
        Api::UpdateMetadata => UpdateMetadataResponse { error_code: 11 }.into(),
        Api::ControlledShutdown => ControlledShutdownResponse {
            error_code: 41,
            remaining_partitions: vec![RemainingPartition { topic_name: topic(), partition_index: 2 }],
        }
        .into(),
        Api::FindCoordinator => find_coordinator_response(version).into(),
        Api::ApiVersions => api_versions_response(version).into(),
        Api::CreateTopics => create_topics_response(version).into(),
        Api::DeleteTopics => DeleteTopicsResponse::default()
            .with_throttle_time_ms(5)
            .with_responses(vec![
                delete_topics_response::DeletableTopicResult::default()
                    .with_name(Some(topic()))
                    .with_error_code(73)
                    .when(version >= 5, |result| result.with_error_message(Some(text("disabled"))))
                    .when(version >= 6, |result| result.with_topic_id(id())),
            ])
            .into(),
        Api::InitProducerId => InitProducerIdResponse::default()
            .with_throttle_time_ms(5)
            .with_error_code(51)
            .with_producer_id(ProducerId(9))
            .with_producer_epoch(3)
            .into(),
        Api::OffsetForLeaderEpoch => offset_for_leader_epoch_response().into(),
        other => group_samples::response(other, version),
    }
}

fn produce_request() -> ProduceRequest {
    let partition = produce_request::PartitionProduceData::default().with_index(3).with_records(Some(batch()));
    let topic = produce_request::TopicProduceData::default().with_name(topic()).with_partition_data(vec![partition]);
    ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(text("billing-0"))))
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

fn produce_response(version: i16) -> ProduceResponse {
    use produce_response::*;
    let partition = PartitionProduceResponse::default()
        .with_index(3)
        .with_error_code(6)
        .with_base_offset(99)
        .with_log_append_time_ms(1_234)
        .when(version >= 5, |partition| partition.with_log_start_offset(12))
        .when(version >= 8, |partition| {
            let error = BatchIndexAndErrorMessage::default()
                .with_batch_index(1)
                .with_batch_index_error_message(Some(text("no key")));
            partition.with_record_errors(vec![error]).with_error_message(Some(text("invalid record")))
        })
        .when(version >= 10, |partition| {
            let leader = LeaderIdAndEpoch::default().with_leader_id(BrokerId(2)).with_leader_epoch(8);
            partition.with_current_leader(leader)
        });
    let node = NodeEndpoint::default().with_node_id(BrokerId(2)).with_host(text("localhost")).with_port(9092);
    ProduceResponse::default()
        .with_throttle_time_ms(5)
        .with_responses(vec![
            TopicProduceResponse::default().with_name(topic()).with_partition_responses(vec![partition]),
        ])
        .when(version >= 10, |response| response.with_node_endpoints(vec![node]))
}

fn fetch_request(version: i16) -> FetchRequest {
    use fetch_request::*;
    let partition = FetchPartition::default()
        .with_partition(3)
        .with_fetch_offset(99)
        .with_partition_max_bytes(1 << 20)
        .when(version >= 5, |partition| partition.with_log_start_offset(12))
        .when(version >= 9, |partition| partition.with_current_leader_epoch(8))
        .when(version >= 12, |partition| partition.with_last_fetched_epoch(7));
    FetchRequest::default()
        .with_replica_id(BrokerId(2))
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_isolation_level(1)
        .with_topics(vec![FetchTopic::default().with_topic(topic()).with_partitions(vec![partition])])
        .when(version >= 7, |request| {
            let forgotten = ForgottenTopic::default().with_topic(topic()).with_partitions(vec![1, 2]);
            request.with_session_id(1 << 30).with_session_epoch(4).with_forgotten_topics_data(vec![forgotten])
        })
        .when(version >= 11, |request| request.with_rack_id(text("a")))
        .when(version >= 12, |request| request.with_cluster_id(Some(text("cluster"))))
}

fn fetch_response(version: i16) -> FetchResponse {
    use fetch_response::*;
    // A broker cuts the last batch at the byte limit: what Fetch carries need not be whole.
    let records = [batch(), batch().slice(..70)].concat();
    let aborted = AbortedTransaction::default().with_producer_id(ProducerId(9)).with_first_offset(90);
    let partition = PartitionData::default()
        .with_partition_index(3)
        .with_error_code(1)
        .with_high_watermark(120)
        .with_last_stable_offset(110)
        .with_aborted_transactions(Some(vec![aborted]))
        .with_records(Some(records.into()))
        .when(version >= 5, |partition| partition.with_log_start_offset(12))
        .when(version >= 11, |partition| partition.with_preferred_read_replica(BrokerId(3)))
        .when(version >= 12, |partition| {
            partition
                .with_diverging_epoch(EpochEndOffset::default().with_epoch(6).with_end_offset(95))
                .with_current_leader(LeaderIdAndEpoch::default().with_leader_id(BrokerId(2)).with_leader_epoch(8))
        });
    FetchResponse::default()
        .with_throttle_time_ms(5)
        .with_responses(vec![FetchableTopicResponse::default().with_topic(topic()).with_partitions(vec![partition])])
        .when(version >= 7, |response| response.with_error_code(71).with_session_id(1 << 30))
}

fn list_offsets_request(version: i16) -> ListOffsetsRequest {
    use list_offsets_request::*;
    let partition = ListOffsetsPartition::default()
        .with_partition_index(3)
        .with_timestamp(-2)
        .when(version >= 4, |partition| partition.with_current_leader_epoch(8));
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![ListOffsetsTopic::default().with_name(topic()).with_partitions(vec![partition])])
        .when(version >= 2, |request| request.with_isolation_level(1))
}

fn list_offsets_response(version: i16) -> ListOffsetsResponse {
    use list_offsets_response::*;
    let partition = ListOffsetsPartitionResponse::default()
        .with_partition_index(3)
        .with_error_code(78)
        .with_timestamp(1_234)
        .with_offset(99)
        .when(version >= 4, |partition| partition.with_leader_epoch(8));
    ListOffsetsResponse::default()
        .with_topics(vec![ListOffsetsTopicResponse::default().with_name(topic()).with_partitions(vec![partition])])
        .when(version >= 2, |response| response.with_throttle_time_ms(5))
}

fn metadata_request(version: i16) -> MetadataRequest {
    let named = metadata_request::MetadataRequestTopic::default().with_name(Some(topic()));
    let by_id = metadata_request::MetadataRequestTopic::default().with_topic_id(id()).with_name(None);
    MetadataRequest::default()
        .with_topics(Some(if version >= 10 { vec![named, by_id] } else { vec![named] }))
        .when(version >= 4, |request| request.with_allow_auto_topic_creation(false))
        .when(version >= 8, |request| request.with_include_topic_authorized_operations(true))
        .when((8..=10).contains(&version), |request| request.with_include_cluster_authorized_operations(true))
}

fn metadata_response(version: i16) -> MetadataResponse {
    use metadata_response::*;
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(1))
        .with_host(text("localhost"))
        .with_port(9092)
        .when(version >= 1, |broker| broker.with_rack(Some(text("a"))));
    let partition = MetadataResponsePartition::default()
        .with_error_code(5)
        .with_partition_index(3)
        .with_leader_id(BrokerId(-1))
        .with_replica_nodes(vec![BrokerId(1), BrokerId(2), BrokerId(3)])
        .with_isr_nodes(vec![BrokerId(2)])
        .when(version >= 5, |partition| partition.with_offline_replicas(vec![BrokerId(1)]))
        .when(version >= 7, |partition| partition.with_leader_epoch(8));
    let topic = MetadataResponseTopic::default()
        .with_error_code(3)
        .with_name(Some(topic()))
        .with_partitions(vec![partition])
        .when(version >= 1, |topic| topic.with_is_internal(true))
        .when(version >= 8, |topic| topic.with_topic_authorized_operations(0x0df8))
        .when(version >= 10, |topic| topic.with_topic_id(id()));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_topics(vec![topic])
        .when(version >= 1, |response| response.with_controller_id(BrokerId(2)))
        .when(version >= 2, |response| response.with_cluster_id(Some(text("cluster"))))
        .when(version >= 3, |response| response.with_throttle_time_ms(5))
        .when((8..=10).contains(&version), |response| response.with_cluster_authorized_operations(0x0af8))
}

fn find_coordinator_response(version: i16) -> FindCoordinatorResponse {
    let coordinator = find_coordinator_response::Coordinator::default()
        .with_key(text("mail"))
        .with_node_id(BrokerId(2))
        .with_host(text("localhost"))
        .with_port(9092)
        .with_error_code(15)
        .with_error_message(Some(text("not yet")));
    FindCoordinatorResponse::default()
        .when(version >= 1, |response| response.with_throttle_time_ms(5))
        .when((1..=3).contains(&version), |response| response.with_error_message(Some(text("not yet"))))
        .when(version <= 3, |response| {
            response.with_error_code(15).with_node_id(BrokerId(2)).with_host(text("localhost")).with_port(9092)
        })
        .when(version >= 4, |response| response.with_coordinators(vec![coordinator]))
}

fn api_versions_response(version: i16) -> ApiVersionsResponse {
    let feature = api_versions_response::SupportedFeatureKey::default()
        .with_name(text("metadata.version"))
        .with_min_version(1)
        .with_max_version(9);
    let finalized = api_versions_response::FinalizedFeatureKey::default()
        .with_name(text("metadata.version"))
        .with_min_version_level(1)
        .with_max_version_level(9);
    ApiVersionsResponse::default()
        .with_api_keys(versions::advertised(true))
        .when(version >= 1, |response| response.with_throttle_time_ms(5))
        .when(version >= 3, |response| {
            response
                .with_supported_features(vec![feature])
                .with_finalized_features_epoch(4)
                .with_finalized_features(vec![finalized])
                .with_zk_migration_ready(true)
        })
}

fn create_topics_request() -> CreateTopicsRequest {
    use create_topics_request::*;
    let assignment =
        CreatableReplicaAssignment::default().with_partition_index(0).with_broker_ids(vec![BrokerId(1), BrokerId(2)]);
    let config = CreatableTopicConfig::default().with_name(text("min.insync.replicas")).with_value(Some(text("2")));
    let creatable = CreatableTopic::default()
        .with_name(topic())
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(vec![assignment])
        .with_configs(vec![config, CreatableTopicConfig::default().with_name(text("cleanup.policy"))]);
    CreateTopicsRequest::default().with_topics(vec![creatable]).with_timeout_ms(30_000).with_validate_only(true)
}

fn create_topics_response(version: i16) -> CreateTopicsResponse {
    use create_topics_response::*;
    let config = CreatableTopicConfigs::default()
        .with_name(text("min.insync.replicas"))
        .with_value(Some(text("2")))
        .with_read_only(true)
        .with_config_source(1)
        .with_is_sensitive(true);
    let result = CreatableTopicResult::default()
        .with_name(topic())
        .with_error_code(36)
        .with_error_message(Some(text("it exists")))
        .when(version >= 5, |result| {
            result
                .with_topic_config_error_code(29)
                .with_num_partitions(3)
                .with_replication_factor(2)
                .with_configs(Some(vec![config]))
        })
        .when(version >= 7, |result| result.with_topic_id(id()));
    CreateTopicsResponse::default().with_throttle_time_ms(5).with_topics(vec![result])
}

fn offset_for_leader_epoch_request(version: i16) -> OffsetForLeaderEpochRequest {
    use offset_for_leader_epoch_request::*;
    let partition =
        OffsetForLeaderPartition::default().with_partition(3).with_current_leader_epoch(8).with_leader_epoch(7);
    OffsetForLeaderEpochRequest::default()
        .with_topics(vec![OffsetForLeaderTopic::default().with_topic(topic()).with_partitions(vec![partition])])
        .when(version >= 3, |request| request.with_replica_id(BrokerId(2)))
}

fn offset_for_leader_epoch_response() -> OffsetForLeaderEpochResponse {
    use offset_for_leader_epoch_response::*;
    let partition =
        EpochEndOffset::default().with_error_code(74).with_partition(3).with_leader_epoch(7).with_end_offset(95);
    OffsetForLeaderEpochResponse::default()
        .with_throttle_time_ms(5)
        .with_topics(vec![OffsetForLeaderTopicResult::default().with_topic(topic()).with_partitions(vec![partition])])
}

fn leader_and_isr_request() -> LeaderAndIsrRequest {
    LeaderAndIsrRequest {
        controller_id: 1,
        is_kraft_controller: false,
        controller_epoch: 5,
        broker_epoch: 1 << 33,
        request_type: 1,
        topic_states: vec![LeaderAndIsrTopicState {
            topic_name: topic(),
            topic_id: id(),
            partition_states: vec![LeaderAndIsrPartitionState {
                partition_index: 3,
                controller_epoch: 5,
                leader: 2,
                leader_epoch: 8,
                isr: vec![2, 3],
                partition_epoch: 14,
                replicas: vec![1, 2, 3],
                adding_replicas: vec![4],
                removing_replicas: vec![1],
                is_new: true,
                leader_recovery_state: 1,
            }],
        }],
        live_leaders: vec![LeaderAndIsrLiveLeader { broker_id: 2, host_name: text("localhost"), port: 9092 }],
    }
}

fn stop_replica_request() -> StopReplicaRequest {
    let partition = StopReplicaPartitionState { partition_index: 3, leader_epoch: -2, delete_partition: true };
    StopReplicaRequest {
        controller_id: 1,
        is_kraft_controller: true,
        controller_epoch: 5,
        broker_epoch: -1,
        topic_states: vec![StopReplicaTopicState { topic_name: topic(), partition_states: vec![partition] }],
    }
}

fn update_metadata_request() -> UpdateMetadataRequest {
    let endpoint = UpdateMetadataEndpoint {
        port: 9092,
        host: text("localhost"),
        listener: text("PLAINTEXT"),
        security_protocol: 0,
    };
    UpdateMetadataRequest {
        controller_id: 1,
        is_kraft_controller: false,
        request_type: 2,
        controller_epoch: 5,
        broker_epoch: 1 << 33,
        topic_states: vec![UpdateMetadataTopicState {
            topic_name: topic(),
            topic_id: id(),
            partition_states: vec![UpdateMetadataPartitionState {
                partition_index: 3,
                controller_epoch: 5,
                leader: -1,
                leader_epoch: 8,
                isr: vec![2],
                zk_version: 14,
                replicas: vec![1, 2, 3],
                offline_replicas: vec![1],
            }],
        }],
        live_brokers: vec![
            UpdateMetadataBroker { id: 2, endpoints: vec![endpoint.clone()], rack: Some(text("a")) },
            UpdateMetadataBroker { id: 3, endpoints: vec![endpoint], rack: None },
        ],
    }
}
