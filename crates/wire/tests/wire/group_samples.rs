//! Samples of what consumer groups say.

use odradek_wire::kafka::messages::*;
use odradek_wire::kafka::{Api, Request, Response};

use super::admin_samples;
use super::samples::{When, bytes, text, topic};

fn group() -> GroupId {
    GroupId(text("mail"))
}

pub fn request(api: Api, version: i16) -> Request {
    match api {
        Api::OffsetCommit => offset_commit_request(version).into(),
        Api::OffsetFetch => offset_fetch_request(version).into(),
        Api::JoinGroup => JoinGroupRequest::default()
            .with_group_id(group())
            .with_session_timeout_ms(45_000)
            .when(version >= 1, |request| request.with_rebalance_timeout_ms(300_000))
            .with_member_id(text("mail-1"))
            .when(version >= 5, |request| request.with_group_instance_id(Some(text("instance-1"))))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![
                join_group_request::JoinGroupRequestProtocol::default()
                    .with_name(text("range"))
                    .with_metadata(bytes(b"subscription")),
            ])
            .when(version >= 8, |request| request.with_reason(Some(text("it asked"))))
            .into(),
        Api::Heartbeat => HeartbeatRequest::default()
            .with_group_id(group())
            .with_generation_id(7)
            .with_member_id(text("mail-1"))
            .when(version >= 3, |request| request.with_group_instance_id(Some(text("instance-1"))))
            .into(),
        Api::LeaveGroup => LeaveGroupRequest::default()
            .with_group_id(group())
            .when(version <= 2, |request| request.with_member_id(text("mail-1")))
            .when(version >= 3, |request| {
                request.with_members(vec![
                    leave_group_request::MemberIdentity::default()
                        .with_member_id(text("mail-1"))
                        .with_group_instance_id(Some(text("instance-1")))
                        .when(version >= 5, |member| member.with_reason(Some(text("it ends")))),
                ])
            })
            .into(),
        Api::SyncGroup => SyncGroupRequest::default()
            .with_group_id(group())
            .with_generation_id(7)
            .with_member_id(text("mail-1"))
            .when(version >= 3, |request| request.with_group_instance_id(Some(text("instance-1"))))
            .when(version >= 5, |request| {
                request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")))
            })
            .with_assignments(vec![
                sync_group_request::SyncGroupRequestAssignment::default()
                    .with_member_id(text("mail-1"))
                    .with_assignment(bytes(b"assignment")),
            ])
            .into(),
        Api::DescribeGroups => DescribeGroupsRequest::default()
            .with_groups(vec![group()])
            .when(version >= 3, |request| request.with_include_authorized_operations(true))
            .into(),
        Api::ListGroups => ListGroupsRequest::default()
            .when(version >= 4, |request| request.with_states_filter(vec![text("Stable")]))
            .when(version >= 5, |request| request.with_types_filter(vec![text("classic")]))
            .into(),
        Api::DeleteGroups => DeleteGroupsRequest::default().with_groups_names(vec![group()]).into(),
        Api::OffsetDelete => OffsetDeleteRequest::default()
            .with_group_id(group())
            .with_topics(vec![
                offset_delete_request::OffsetDeleteRequestTopic::default().with_name(topic()).with_partitions(vec![
                    offset_delete_request::OffsetDeleteRequestPartition::default().with_partition_index(1),
                ]),
            ])
            .into(),
        other => admin_samples::request(other, version),
    }
}

fn offset_commit_request(version: i16) -> OffsetCommitRequest {
    let partition = offset_commit_request::OffsetCommitRequestPartition::default()
        .with_partition_index(1)
        .with_committed_offset(42)
        .when(version >= 6, |partition| partition.with_committed_leader_epoch(3))
        .with_committed_metadata(Some(text("note")));
    OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(7)
        .with_member_id(text("mail-1"))
        .when(version >= 7, |request| request.with_group_instance_id(Some(text("instance-1"))))
        .when(version <= 4, |request| request.with_retention_time_ms(60_000))
        .with_topics(vec![
            offset_commit_request::OffsetCommitRequestTopic::default()
                .with_name(topic())
                .with_partitions(vec![partition]),
        ])
}

fn offset_fetch_request(version: i16) -> OffsetFetchRequest {
    let topics = vec![
        offset_fetch_request::OffsetFetchRequestTopic::default().with_name(topic()).with_partition_indexes(vec![0, 1]),
    ];
    let group_topics = vec![
        offset_fetch_request::OffsetFetchRequestTopics::default().with_name(topic()).with_partition_indexes(vec![0, 1]),
    ];
    OffsetFetchRequest::default()
        .when(version <= 7, |request| request.with_group_id(group()).with_topics(Some(topics)))
        .when(version >= 8, |request| {
            request.with_groups(vec![
                offset_fetch_request::OffsetFetchRequestGroup::default()
                    .with_group_id(group())
                    .when(version >= 9, |group| group.with_member_id(Some(text("mail-1"))).with_member_epoch(7))
                    .with_topics(Some(group_topics)),
            ])
        })
        .when(version >= 7, |request| request.with_require_stable(true))
}

pub fn response(api: Api, version: i16) -> Response {
    match api {
        Api::OffsetCommit => OffsetCommitResponse::default()
            .when(version >= 3, |response| response.with_throttle_time_ms(5))
            .with_topics(vec![
                offset_commit_response::OffsetCommitResponseTopic::default().with_name(topic()).with_partitions(vec![
                    offset_commit_response::OffsetCommitResponsePartition::default()
                        .with_partition_index(1)
                        .with_error_code(22),
                ]),
            ])
            .into(),
        Api::OffsetFetch => offset_fetch_response(version).into(),
        Api::JoinGroup => JoinGroupResponse::default()
            .when(version >= 2, |response| response.with_throttle_time_ms(5))
            .with_error_code(79)
            .with_generation_id(7)
            .when(version >= 7, |response| response.with_protocol_type(Some(text("consumer"))))
            .with_protocol_name(Some(text("range")))
            .with_leader(text("mail-1"))
            .when(version >= 9, |response| response.with_skip_assignment(true))
            .with_member_id(text("mail-1"))
            .with_members(vec![
                join_group_response::JoinGroupResponseMember::default()
                    .with_member_id(text("mail-1"))
                    .when(version >= 5, |member| member.with_group_instance_id(Some(text("instance-1"))))
                    .with_metadata(bytes(b"subscription")),
            ])
            .into(),
        Api::Heartbeat => HeartbeatResponse::default()
            .when(version >= 1, |response| response.with_throttle_time_ms(5))
            .with_error_code(27)
            .into(),
        Api::LeaveGroup => LeaveGroupResponse::default()
            .when(version >= 1, |response| response.with_throttle_time_ms(5))
            .with_error_code(25)
            .when(version >= 3, |response| {
                response.with_members(vec![
                    leave_group_response::MemberResponse::default()
                        .with_member_id(text("mail-1"))
                        .with_group_instance_id(Some(text("instance-1")))
                        .with_error_code(25),
                ])
            })
            .into(),
        Api::SyncGroup => SyncGroupResponse::default()
            .when(version >= 1, |response| response.with_throttle_time_ms(5))
            .with_error_code(22)
            .when(version >= 5, |response| {
                response.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")))
            })
            .with_assignment(bytes(b"assignment"))
            .into(),
        Api::DescribeGroups => describe_groups_response(version).into(),
        Api::ListGroups => ListGroupsResponse::default()
            .when(version >= 1, |response| response.with_throttle_time_ms(5))
            .with_error_code(15)
            .with_groups(vec![
                list_groups_response::ListedGroup::default()
                    .with_group_id(group())
                    .with_protocol_type(text("consumer"))
                    .when(version >= 4, |group| group.with_group_state(text("Stable")))
                    .when(version >= 5, |group| group.with_group_type(text("classic"))),
            ])
            .into(),
        Api::DeleteGroups => DeleteGroupsResponse::default()
            .with_throttle_time_ms(5)
            .with_results(vec![
                delete_groups_response::DeletableGroupResult::default().with_group_id(group()).with_error_code(68),
            ])
            .into(),
        Api::OffsetDelete => OffsetDeleteResponse::default()
            .with_error_code(69)
            .with_throttle_time_ms(5)
            .with_topics(vec![
                offset_delete_response::OffsetDeleteResponseTopic::default().with_name(topic()).with_partitions(vec![
                    offset_delete_response::OffsetDeleteResponsePartition::default()
                        .with_partition_index(1)
                        .with_error_code(86),
                ]),
            ])
            .into(),
        other => admin_samples::response(other, version),
    }
}

fn offset_fetch_response(version: i16) -> OffsetFetchResponse {
    let partition = offset_fetch_response::OffsetFetchResponsePartition::default()
        .with_partition_index(1)
        .with_committed_offset(42)
        .when(version >= 5, |partition| partition.with_committed_leader_epoch(3))
        .with_metadata(Some(text("note")))
        .with_error_code(88);
    let in_group = offset_fetch_response::OffsetFetchResponsePartitions::default()
        .with_partition_index(1)
        .with_committed_offset(42)
        .with_committed_leader_epoch(3)
        .with_metadata(Some(text("note")))
        .with_error_code(88);
    OffsetFetchResponse::default()
        .when(version >= 3, |response| response.with_throttle_time_ms(5))
        .when(version <= 7, |response| {
            response.with_topics(vec![
                offset_fetch_response::OffsetFetchResponseTopic::default()
                    .with_name(topic())
                    .with_partitions(vec![partition]),
            ])
        })
        .when((2..=7).contains(&version), |response| response.with_error_code(14))
        .when(version >= 8, |response| {
            response.with_groups(vec![
                offset_fetch_response::OffsetFetchResponseGroup::default()
                    .with_group_id(group())
                    .with_topics(vec![
                        offset_fetch_response::OffsetFetchResponseTopics::default()
                            .with_name(topic())
                            .with_partitions(vec![in_group]),
                    ])
                    .with_error_code(14),
            ])
        })
}

fn describe_groups_response(version: i16) -> DescribeGroupsResponse {
    let member = describe_groups_response::DescribedGroupMember::default()
        .with_member_id(text("mail-1"))
        .when(version >= 4, |member| member.with_group_instance_id(Some(text("instance-1"))))
        .with_client_id(text("mail-service-0"))
        .with_client_host(text("/mail-service-0"))
        .with_member_metadata(bytes(b"subscription"))
        .with_member_assignment(bytes(b"assignment"));
    let described = describe_groups_response::DescribedGroup::default()
        .with_error_code(15)
        .with_group_id(group())
        .with_group_state(text("Stable"))
        .with_protocol_type(text("consumer"))
        .with_protocol_data(text("range"))
        .with_members(vec![member])
        .when(version >= 3, |group| group.with_authorized_operations(9));
    DescribeGroupsResponse::default()
        .when(version >= 1, |response| response.with_throttle_time_ms(5))
        .with_groups(vec![described])
}
