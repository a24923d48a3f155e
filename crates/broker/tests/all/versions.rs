//! Every API at every version that is advertised: it is answered, and the answer fits the version. (A response with a field
//! that its version lacks cannot be encoded; the server then closes the connection, which these tests do not forgive.)

use wire::kafka::messages::alter_configs_request as alter;
use wire::kafka::messages::create_partitions_request::CreatePartitionsTopic;
use wire::kafka::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use wire::kafka::messages::delete_topics_request::DeleteTopicState;
use wire::kafka::messages::describe_configs_request::DescribeConfigsResource;
use wire::kafka::messages::fetch_request::{FetchPartition, FetchTopic};
use wire::kafka::messages::incremental_alter_configs_request as incremental;
use wire::kafka::messages::join_group_request::JoinGroupRequestProtocol;
use wire::kafka::messages::leave_group_request::MemberIdentity;
use wire::kafka::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use wire::kafka::messages::metadata_request::MetadataRequestTopic;
use wire::kafka::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use wire::kafka::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use wire::kafka::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use wire::kafka::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use wire::kafka::messages::produce_request::{PartitionProduceData, TopicProduceData};
use wire::kafka::messages::*;
use wire::kafka::{Api, Request, Response, versions};

use crate::samples;
use crate::support::*;

const SETTINGS: &[(&str, &str)] = &[
    ("offsets.topic.num.partitions", "1"),
    ("offsets.topic.replication.factor", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
];

#[test]
fn every_request_with_every_field_set_is_answered_at_every_version() {
    simulate(70, async |world| {
        let mut cluster = prepared(world).await;
        // Brokers' own requests come last: what they say of leaders would be obeyed.
        let (control, others): (Vec<_>, Vec<_>) =
            samples::all_versions().partition(|(api, _)| matches!(api.key(), 4..=7));
        for (api, version) in others.into_iter().chain(control) {
            cluster.answered(version, samples::request(api, version)).await;
        }
    });
}

#[test]
fn what_clients_ask_is_answered_at_every_version() {
    simulate(71, async |world| {
        let mut cluster = prepared(world).await;
        for range in versions::table() {
            for version in range.versions() {
                for request in requests(&mut cluster, range.api, version).await {
                    cluster.answered(version, request).await;
                }
            }
        }
    });
}

#[test]
fn a_group_lives_and_ends_at_every_version() {
    simulate(72, async |world| {
        let mut cluster = prepared(world).await;
        for version in Api::JoinGroup.range().versions() {
            live_and_end(&mut cluster, version).await;
        }
    });
}

/// A cluster of one, with four partitions of `orders`, some records, and a coordinator.
async fn prepared(world: host::sim::World) -> Cluster {
    let mut cluster = Cluster::start(world, 1, SETTINGS).await;
    cluster.create_topic(4, 1, &[]).await;
    cluster.produce(1, -1, &["a", "b"]).await.unwrap();
    cluster
        .until("a coordinator", async |cluster| {
            let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("mail")]);
            match cluster.call(1, 4, request).await {
                Some(Response::FindCoordinator(response)) => response.coordinators[0].error_code == 0,
                _ => false,
            }
        })
        .await;
    cluster
}

impl Cluster {
    async fn answered(&mut self, version: i16, request: impl Into<Request>) -> Response {
        let request = request.into();
        let asked = format!("{:?} version {version}: {request:?}", request.api());
        let answer = self.call(1, version, request).await;
        answer.unwrap_or_else(|| panic!("no answer to {asked}"))
    }
}

/// Requests of an API that find something, and some that do not.
async fn requests(cluster: &mut Cluster, api: Api, version: i16) -> Vec<Request> {
    match api {
        Api::Produce => vec![produce(TOPIC, 1).into(), produce(TOPIC, -1).into(), produce("missing", 1).into()],
        Api::Fetch => {
            vec![fetch(version, TOPIC, 0).into(), fetch(version, TOPIC, 99).into(), fetch(version, "no", 0).into()]
        }
        Api::ListOffsets => [-1, -2, -3, -9, 0, i64::MAX].map(|timestamp| list_offsets(timestamp).into()).into(),
        Api::Metadata => metadata(cluster, version).await,
        Api::FindCoordinator => find_coordinator(version),
        Api::OffsetForLeaderEpoch => [TOPIC, "missing"].map(|topic| offset_for_leader_epoch(topic).into()).into(),
        Api::InitProducerId => [None, Some(""), Some("billing")]
            .map(|id| {
                InitProducerIdRequest::default().with_transactional_id(id.map(|id| TransactionalId(text(id)))).into()
            })
            .into(),
        Api::CreateTopics => create_topics(version),
        Api::DeleteTopics => delete_topics(cluster, version).await,
        Api::CreatePartitions => ["missing", TOPIC]
            .map(|name| {
                let count = 5 + i32::from(version);
                let topic = CreatePartitionsTopic::default()
                    .with_name(topic_name(name))
                    .with_count(count)
                    .with_assignments(None);
                CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000).into()
            })
            .into(),
        Api::DescribeConfigs => describe_configs(),
        Api::AlterConfigs => [("2", TOPIC), ("2", "missing"), ("4", "1"), ("9", "")]
            .map(|(kind, name)| {
                let config = alter::AlterableConfig::default()
                    .with_name(text("retention.ms"))
                    .with_value(Some(text("86400000")));
                let resource = alter::AlterConfigsResource::default()
                    .with_resource_type(kind.parse().unwrap())
                    .with_resource_name(text(name))
                    .with_configs(vec![config]);
                AlterConfigsRequest::default().with_resources(vec![resource]).into()
            })
            .into(),
        Api::IncrementalAlterConfigs => [("retention.ms", "86400000"), ("retention.ms", "soon"), ("no.such", "1")]
            .map(|(name, value)| {
                let config =
                    incremental::AlterableConfig::default().with_name(text(name)).with_value(Some(text(value)));
                let resource = incremental::AlterConfigsResource::default()
                    .with_resource_type(2)
                    .with_resource_name(text(TOPIC))
                    .with_configs(vec![config]);
                IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).into()
            })
            .into(),
        Api::DescribeLogDirs => vec![DescribeLogDirsRequest::default().with_topics(None).into()],
        Api::DescribeCluster => vec![DescribeClusterRequest::default().into()],
        Api::ApiVersions => vec![ApiVersionsRequest::default().into()],
        // Of groups another test speaks; of brokers' own requests the samples.
        _ => Vec::new(),
    }
}

fn produce(topic: &str, acks: i16) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch(&["c"])));
    let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1_000).with_topic_data(vec![topic])
}

fn fetch(version: i16, topic: &str, from: i64) -> FetchRequest {
    let partition = FetchPartition::default().with_fetch_offset(from).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
    let request = FetchRequest::default().with_replica_id(BrokerId(-1)).with_min_bytes(1).with_max_bytes(1 << 20);
    let request = request.with_topics(vec![topic]);
    // A client that would like a session: it is answered without one.
    if version >= 7 { request.with_session_id(0).with_session_epoch(0) } else { request }
}

fn list_offsets(timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
}

async fn metadata(cluster: &mut Cluster, version: i16) -> Vec<Request> {
    let of = |topics: Option<Vec<MetadataRequestTopic>>| MetadataRequest::default().with_topics(topics);
    let named = |name: &str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    let created = format!("created-{version}");
    let mut requests = vec![
        of(Some(Vec::new())),
        of(Some(vec![named(TOPIC), named(&created), named("a/b")])),
        // By now it exists.
        of(Some(vec![named(&created)])),
    ];
    if version >= 1 {
        requests.push(of(None));
    }
    if version >= 4 {
        requests.push(of(Some(vec![named("missing")])).with_allow_auto_topic_creation(false));
    }
    if version >= 10 {
        let id = cluster.metadata(1, &[TOPIC]).await.unwrap().topics[0].topic_id;
        let by_id = |id| MetadataRequestTopic::default().with_name(None).with_topic_id(id);
        requests.push(of(Some(vec![by_id(id)])));
        // Version 11 and before cannot say that a topic has no name.
        if version >= 12 {
            requests.push(of(Some(vec![by_id(uuid::Uuid::from_u128(7))])));
        }
    }
    requests.into_iter().map(Request::from).collect()
}

fn find_coordinator(version: i16) -> Vec<Request> {
    let kinds = if version >= 1 { 0..=2 } else { 0..=0 };
    kinds
        .map(|kind| {
            let request = FindCoordinatorRequest::default().with_key_type(kind);
            let keys = || vec![text("mail"), text("billing")];
            if version >= 4 { request.with_coordinator_keys(keys()) } else { request.with_key(text("mail")) }.into()
        })
        .collect()
}

fn offset_for_leader_epoch(topic: &str) -> OffsetForLeaderEpochRequest {
    let partition = OffsetForLeaderPartition::default().with_partition(0).with_leader_epoch(0);
    let topic = OffsetForLeaderTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
    OffsetForLeaderEpochRequest::default().with_topics(vec![topic])
}

fn create_topics(version: i16) -> Vec<Request> {
    let topic = |name: &str| {
        CreatableTopic::default().with_name(topic_name(name)).with_num_partitions(1).with_replication_factor(1)
    };
    let of = |topics: Vec<CreatableTopic>| CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(10_000);
    let bad = CreatableTopicConfig::default().with_name(text("no.such")).with_value(Some(text("1")));
    vec![
        of(vec![topic(&format!("made-{version}"))]).into(),
        of(vec![topic(TOPIC), topic("a/b"), topic("bad").with_configs(vec![bad])]).into(),
        of(vec![topic("checked").with_replication_factor(9), topic("twice"), topic("twice")]).into(),
        of(vec![topic("checked")]).with_validate_only(true).into(),
    ]
}

async fn delete_topics(cluster: &mut Cluster, version: i16) -> Vec<Request> {
    for name in [format!("gone-{version}"), format!("gone-by-id-{version}")] {
        let topic = CreatableTopic::default().with_name(topic_name(&name)).with_num_partitions(1);
        let topic = topic.with_replication_factor(1);
        cluster.answered(7, CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000)).await;
    }
    let of = || DeleteTopicsRequest::default().with_timeout_ms(10_000);
    if version < 6 {
        let names = [&format!("gone-{version}"), "missing"].map(topic_name).to_vec();
        return vec![of().with_topic_names(names).into()];
    }
    let by_id = cluster.metadata(1, &[&format!("gone-by-id-{version}")]).await.unwrap().topics[0].topic_id;
    let state = DeleteTopicState::default;
    let topics = vec![
        state().with_name(Some(topic_name(&format!("gone-{version}")))),
        state().with_name(None).with_topic_id(by_id),
        state().with_name(None).with_topic_id(uuid::Uuid::from_u128(7)),
    ];
    vec![of().with_topics(topics).into()]
}

fn describe_configs() -> Vec<Request> {
    [(2, TOPIC), (2, "missing"), (2, "a/b"), (4, "1"), (4, "2"), (4, ""), (8, "1")]
        .map(|(kind, name)| {
            let resource = DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_configuration_keys(None);
            DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true).into()
        })
        .into()
}

/// A group with one member that commits, is looked at, and leaves, all at versions up to this.
async fn live_and_end(cluster: &mut Cluster, version: i16) {
    let group = GroupId(text(&format!("group-{version}")));
    let at = |api: Api| version.clamp(api.range().served_minimum, api.range().maximum);
    let (member, generation) = join(cluster, version, &group).await;
    let sync = SyncGroupRequest::default()
        .with_group_id(group.clone())
        .with_generation_id(generation)
        .with_member_id(member.clone());
    let named = |sync: SyncGroupRequest| {
        sync.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")))
    };
    let sync = if at(Api::SyncGroup) >= 5 { named(sync) } else { sync };
    let Response::SyncGroup(synced) = cluster.answered(at(Api::SyncGroup), sync).await else { panic!("not synced") };
    assert_eq!(synced.error_code, 0);
    let beat = HeartbeatRequest::default()
        .with_group_id(group.clone())
        .with_generation_id(generation)
        .with_member_id(member.clone());
    cluster.answered(at(Api::Heartbeat), beat).await;
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(1);
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(group.clone())
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(member.clone())
        .with_topics(vec![topic]);
    let Response::OffsetCommit(committed) = cluster.answered(at(Api::OffsetCommit), commit).await else {
        panic!("not committed")
    };
    assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    look(cluster, version, &group).await;
    let leave = LeaveGroupRequest::default().with_group_id(group.clone());
    let leave = if at(Api::LeaveGroup) >= 3 {
        leave.with_members(vec![MemberIdentity::default().with_member_id(member)])
    } else {
        leave.with_member_id(member)
    };
    cluster.answered(at(Api::LeaveGroup), leave).await;
    let partition = OffsetDeleteRequestPartition::default();
    let topic = OffsetDeleteRequestTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    let forget = OffsetDeleteRequest::default().with_group_id(group.clone()).with_topics(vec![topic]);
    cluster.answered(at(Api::OffsetDelete), forget).await;
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group, GroupId(text("nobody"))]);
    cluster.answered(at(Api::DeleteGroups), delete).await;
}

async fn join(cluster: &mut Cluster, version: i16, group: &GroupId) -> (wire::kafka::StrBytes, i32) {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
    let join = JoinGroupRequest::default()
        .with_group_id(group.clone())
        .with_session_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let join = if version >= 1 { join.with_rebalance_timeout_ms(10_000) } else { join };
    let Response::JoinGroup(mut joined) = cluster.answered(version, join.clone()).await else { panic!("not joined") };
    if version >= 4 {
        let again = join.with_member_id(joined.member_id.clone());
        let Response::JoinGroup(response) = cluster.answered(version, again).await else { panic!("not joined") };
        joined = response;
    }
    assert_eq!((joined.error_code, joined.members.len()), (0, 1), "version {version}");
    (joined.member_id, joined.generation_id)
}

async fn look(cluster: &mut Cluster, version: i16, group: &GroupId) {
    let nobody = || GroupId(text("nobody"));
    let at = |api: Api| version.clamp(api.range().served_minimum, api.range().maximum);
    if at(Api::OffsetFetch) >= 8 {
        let of = |group: GroupId, topics| OffsetFetchRequestGroup::default().with_group_id(group).with_topics(topics);
        let topic = OffsetFetchRequestTopics::default().with_name(topic_name(TOPIC)).with_partition_indexes(vec![0, 1]);
        let groups = vec![of(group.clone(), Some(vec![topic])), of(group.clone(), None), of(nobody(), None)];
        cluster.answered(at(Api::OffsetFetch), OffsetFetchRequest::default().with_groups(groups)).await;
    } else {
        let topic = OffsetFetchRequestTopic::default().with_name(topic_name(TOPIC)).with_partition_indexes(vec![0, 1]);
        let request = OffsetFetchRequest::default().with_group_id(group.clone());
        cluster.answered(at(Api::OffsetFetch), request.clone().with_topics(Some(vec![topic]))).await;
        if at(Api::OffsetFetch) >= 2 {
            cluster.answered(at(Api::OffsetFetch), request.with_topics(None)).await;
        }
    }
    let describe = DescribeGroupsRequest::default().with_groups(vec![group.clone(), nobody()]);
    cluster.answered(at(Api::DescribeGroups), describe).await;
    cluster.answered(at(Api::ListGroups), ListGroupsRequest::default()).await;
}
