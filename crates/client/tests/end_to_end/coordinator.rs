//! The fake cluster's group coordinator: one group, no sessions, every request believed that names the right generation.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use host::{Host, Time};
use trace::Partition;
use wire::kafka::messages::find_coordinator_response::Coordinator;
use wire::kafka::messages::join_group_response::JoinGroupResponseMember;
use wire::kafka::messages::leave_group_response::MemberResponse;
use wire::kafka::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use wire::kafka::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use wire::kafka::messages::*;
use wire::kafka::{ErrorCode, Response, StrBytes};

use crate::fake::{Fake, PORT};

const TICK: Duration = Duration::from_millis(5);

#[derive(Default, PartialEq, Eq, Clone, Copy, Debug)]
pub enum Stage {
    #[default]
    Empty,
    Preparing(Time),
    Completing,
    Stable,
}

#[derive(Default)]
pub struct Group {
    /// Which broker coordinates; 0 for broker 1.
    pub broker: i32,
    pub stage: Stage,
    pub generation: i32,
    pub members: BTreeMap<String, Member>,
    pub offsets: BTreeMap<Partition, (i64, i32)>,
    /// How often each offset was committed.
    pub commits: Vec<(Partition, i64)>,
    pub heartbeats: u32,
    pub left: Vec<String>,
    ids: u32,
}

#[derive(Default)]
pub struct Member {
    protocols: Vec<(StrBytes, Bytes)>,
    instance: Option<StrBytes>,
    rejoined: bool,
    assignment: Bytes,
}

impl Group {
    fn check(&self, member: &str, generation: i32) -> ErrorCode {
        if !self.members.contains_key(member) {
            ErrorCode::UnknownMemberId
        } else if generation != self.generation {
            ErrorCode::IllegalGeneration
        } else {
            ErrorCode::None
        }
    }

    /// Everybody has to join again, within five seconds.
    pub fn rebalance(&mut self, now: Time) {
        self.stage = Stage::Preparing(now + Duration::from_secs(5));
    }

    fn advance(&mut self, now: Time) {
        let Stage::Preparing(ends) = self.stage else { return };
        if self.members.values().all(|member| member.rejoined) || now >= ends {
            self.members.retain(|_, member| std::mem::take(&mut member.rejoined));
            self.generation += 1;
            self.stage = Stage::Completing;
        }
    }
}

impl Fake {
    pub fn with_group<T>(&self, look: impl FnOnce(&mut Group) -> T) -> T {
        look(&mut self.0.borrow_mut().group)
    }

    pub fn find_coordinator(&self, request: &FindCoordinatorRequest, refused: Option<ErrorCode>) -> Response {
        let broker = self.with_group(|group| group.broker.max(1));
        let coordinator = Coordinator::default()
            .with_key(request.coordinator_keys[0].clone())
            .with_node_id(broker.into())
            .with_host(StrBytes::from_string(format!("broker-{broker}")))
            .with_port(i32::from(PORT))
            .with_error_code(refused.unwrap_or_default().code());
        FindCoordinatorResponse::default().with_coordinators(vec![coordinator]).into()
    }

    pub async fn join(&self, host: &Host, request: JoinGroupRequest, refused: Option<ErrorCode>) -> Response {
        let answer = JoinGroupResponse::default();
        if let Some(error) = refused {
            return answer.with_error_code(error.code()).with_member_id(request.member_id).into();
        }
        let mut id = request.member_id.to_string();
        if id.is_empty() {
            id = self.with_group(|group| {
                group.ids += 1;
                format!("m-{}", group.ids)
            });
            if request.group_instance_id.is_none() {
                let error = ErrorCode::MemberIdRequired.code();
                return answer.with_error_code(error).with_member_id(StrBytes::from_string(id)).into();
            }
        }
        let round = self.with_group(|group| {
            group.members.retain(|_, member| member.instance.is_none() || member.instance != request.group_instance_id);
            let protocols = request.protocols.iter().map(|it| (it.name.clone(), it.metadata.clone())).collect();
            let instance = request.group_instance_id.clone();
            group.members.insert(id.clone(), Member { protocols, instance, rejoined: true, assignment: Bytes::new() });
            if !matches!(group.stage, Stage::Preparing(_)) {
                group.rebalance(host.now());
            }
            group.generation + 1
        });
        loop {
            let done = self.with_group(|group| {
                group.advance(host.now());
                group.generation >= round
            });
            if done {
                break;
            }
            host.sleep(TICK).await;
        }
        self.with_group(|group| {
            let (leader, first) = group.members.first_key_value().unwrap();
            let protocol = first.protocols[0].0.clone();
            let metadata = |member: &Member| member.protocols.iter().find(|it| it.0 == protocol).unwrap().1.clone();
            let members = group.members.iter().filter(|_| *leader == id).map(|(id, member)| {
                JoinGroupResponseMember::default()
                    .with_member_id(StrBytes::from_string(id.clone()))
                    .with_group_instance_id(member.instance.clone())
                    .with_metadata(metadata(member))
            });
            answer
                .with_generation_id(group.generation)
                .with_protocol_type(Some(StrBytes::from_static_str("consumer")))
                .with_protocol_name(Some(protocol.clone()))
                .with_leader(StrBytes::from_string(leader.clone()))
                .with_members(members.collect())
                .with_member_id(StrBytes::from_string(id.clone()))
                .into()
        })
    }

    pub async fn sync(&self, host: &Host, request: SyncGroupRequest, refused: Option<ErrorCode>) -> Response {
        let id = request.member_id.to_string();
        let answer = |error: ErrorCode, assignment: Bytes| -> Response {
            SyncGroupResponse::default().with_error_code(error.code()).with_assignment(assignment).into()
        };
        loop {
            let found = self.with_group(|group| {
                let error = refused.unwrap_or(group.check(&id, request.generation_id));
                if !error.is_none() {
                    return Some(answer(error, Bytes::new()));
                }
                if group.stage == Stage::Completing && !request.assignments.is_empty() {
                    for assignment in &request.assignments {
                        group.members.get_mut(assignment.member_id.as_str()).unwrap().assignment =
                            assignment.assignment.clone();
                    }
                    group.stage = Stage::Stable;
                }
                match group.stage {
                    Stage::Stable => Some(answer(ErrorCode::None, group.members[&id].assignment.clone())),
                    Stage::Completing => None,
                    _ => Some(answer(ErrorCode::RebalanceInProgress, Bytes::new())),
                }
            });
            if let Some(response) = found {
                return response;
            }
            host.sleep(TICK).await;
        }
    }

    pub fn heartbeat(&self, request: &HeartbeatRequest, refused: Option<ErrorCode>) -> Response {
        let error = self.with_group(|group| {
            group.heartbeats += 1;
            match group.check(&request.member_id, request.generation_id) {
                ErrorCode::None if matches!(group.stage, Stage::Preparing(_)) => ErrorCode::RebalanceInProgress,
                error => error,
            }
        });
        HeartbeatResponse::default().with_error_code(refused.unwrap_or(error).code()).into()
    }

    pub fn leave(&self, host: &Host, request: &LeaveGroupRequest) -> Response {
        let members = request.members.iter().map(|member| {
            self.with_group(|group| {
                group.members.remove(member.member_id.as_str());
                group.left.push(member.member_id.to_string());
                group.rebalance(host.now());
            });
            MemberResponse::default().with_member_id(member.member_id.clone())
        });
        LeaveGroupResponse::default().with_members(members.collect()).into()
    }

    pub fn commit(&self, request: &OffsetCommitRequest, refused: Option<ErrorCode>) -> Response {
        let generation = request.generation_id_or_member_epoch;
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|commit| {
                let error = self.with_group(|group| {
                    let checked =
                        if generation < 0 { ErrorCode::None } else { group.check(&request.member_id, generation) };
                    let error = refused.unwrap_or(checked);
                    if error.is_none() {
                        let partition = Partition::new(topic.name.as_str(), commit.partition_index);
                        group.offsets.insert(partition, (commit.committed_offset, commit.committed_leader_epoch));
                        group.commits.push((partition, commit.committed_offset));
                    }
                    error
                });
                OffsetCommitResponsePartition::default()
                    .with_partition_index(commit.partition_index)
                    .with_error_code(error.code())
            });
            OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
        });
        OffsetCommitResponse::default().with_topics(topics.collect()).into()
    }

    pub fn offsets(&self, request: &OffsetFetchRequest, refused: Option<ErrorCode>) -> Response {
        let asked = &request.groups[0];
        let topics = asked.topics.iter().flatten().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                let at = Partition::new(topic.name.as_str(), *index);
                let (offset, epoch) = self.with_group(|group| group.offsets.get(&at).copied().unwrap_or((-1, -1)));
                OffsetFetchResponsePartitions::default()
                    .with_partition_index(*index)
                    .with_committed_offset(offset)
                    .with_committed_leader_epoch(epoch)
            });
            OffsetFetchResponseTopics::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
        });
        let group = OffsetFetchResponseGroup::default()
            .with_group_id(asked.group_id.clone())
            .with_topics(topics.collect())
            .with_error_code(refused.unwrap_or_default().code());
        OffsetFetchResponse::default().with_groups(vec![group]).into()
    }
}
