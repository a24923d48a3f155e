//! JoinGroup and SyncGroup, and what members tell each other in them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use trace::{Name, Partition};
use wire::kafka::consumer_protocol::{decode_assignment, decode_subscription, encode_assignment, encode_subscription};
use wire::kafka::messages::consumer_protocol_assignment::TopicPartition as AssignedTopic;
use wire::kafka::messages::consumer_protocol_subscription::TopicPartition as OwnedTopic;
use wire::kafka::messages::join_group_request::JoinGroupRequestProtocol;
use wire::kafka::messages::join_group_response::JoinGroupResponseMember;
use wire::kafka::messages::leave_group_request::MemberIdentity;
use wire::kafka::messages::sync_group_request::SyncGroupRequestAssignment;
use wire::kafka::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, SyncGroupRequest,
};
use wire::kafka::{ErrorCode, GroupId, Request, StrBytes};

use super::assignor::{Assignment, Member, Strategy};
use super::membership::{Joined, Membership, Refusal};
use crate::config::GroupConfig;
use crate::network::topic_name;

const PROTOCOL_TYPE: &str = "consumer";

pub(super) fn text(name: Name) -> StrBytes {
    StrBytes::from_static_str(name.as_str())
}

pub(super) fn group_id(config: &GroupConfig) -> GroupId {
    GroupId(text(config.id))
}

/// An id that may be missing: on the wire that is an empty one.
pub(super) fn member_id(member: Option<Name>) -> StrBytes {
    member.map_or_else(StrBytes::default, text)
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

pub(super) fn join_request(config: &GroupConfig, core: &Membership, rack: Option<Name>) -> Request {
    let protocol = |strategy: &Strategy| {
        let metadata = encode_subscription(&subscription(core, *strategy, rack));
        JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str(strategy.name()))
            .with_metadata(metadata)
    };
    JoinGroupRequest::default()
        .with_group_id(group_id(config))
        .with_session_timeout_ms(millis(config.session_timeout))
        .with_rebalance_timeout_ms(millis(config.max_poll_interval))
        .with_member_id(member_id(core.member()))
        .with_group_instance_id(config.instance.map(text))
        .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
        .with_protocols(config.strategies.iter().map(protocol).collect())
        .into()
}

fn subscription(core: &Membership, strategy: Strategy, rack: Option<Name>) -> ConsumerProtocolSubscription {
    let (assigned, generation) = core.assigned();
    let owned = by_topic(core.owned())
        .into_iter()
        .map(|(topic, partitions)| OwnedTopic::default().with_topic(topic_name(topic)).with_partitions(partitions));
    let user_data = match strategy {
        Strategy::Range | Strategy::RoundRobin => None,
        Strategy::Sticky => Some(sticky_data(assigned, generation)),
        Strategy::CooperativeSticky => Some(Bytes::copy_from_slice(&generation.to_be_bytes())),
    };
    ConsumerProtocolSubscription::default()
        .with_topics(core.topics().iter().map(|topic| text(*topic)).collect())
        .with_owned_partitions(owned.collect())
        .with_generation_id(generation)
        .with_user_data(user_data)
        .with_rack_id(rack.map(text))
}

fn by_topic<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> BTreeMap<Name, Vec<i32>> {
    let mut topics: BTreeMap<Name, Vec<i32>> = BTreeMap::new();
    partitions.into_iter().for_each(|partition| topics.entry(partition.topic).or_default().push(partition.index));
    topics
}

/// Kafka's `StickyAssignorUserData`, version 1: the sticky assignor is eager, so that its members own nothing when they join, and go by
/// what they had.
fn sticky_data(assigned: &BTreeSet<Partition>, generation: i32) -> Bytes {
    let topics = by_topic(assigned);
    let mut bytes = BytesMut::new();
    bytes.put_i32(topics.len() as i32);
    for (topic, partitions) in topics {
        bytes.put_i16(topic.as_str().len() as i16);
        bytes.put_slice(topic.as_str().as_bytes());
        bytes.put_i32(partitions.len() as i32);
        partitions.into_iter().for_each(|index| bytes.put_i32(index));
    }
    bytes.put_i32(generation);
    bytes.freeze()
}

/// None if the bytes are something else; without a generation (version 0) it is -1.
fn read_sticky_data(mut bytes: Bytes) -> Option<(Vec<Partition>, i32)> {
    let mut owned = Vec::new();
    for _ in 0..bytes.try_get_i32().ok()? {
        let length = usize::from(bytes.try_get_u16().ok()?);
        if bytes.len() < length {
            return None;
        }
        let topic = Name::new(std::str::from_utf8(&bytes.split_to(length)).ok()?);
        for _ in 0..bytes.try_get_i32().ok()? {
            owned.push(Partition { topic, index: bytes.try_get_i32().ok()? });
        }
    }
    Some((owned, bytes.try_get_i32().unwrap_or(-1)))
}

/// What a JoinGroup response says.
pub(super) fn joined(response: &JoinGroupResponse, strategies: &[Strategy]) -> Result<Joined, Refusal> {
    let member = Name::new(&response.member_id);
    let refusal = |error| Refusal { error, member: Some(member) };
    let error = ErrorCode::from_code(response.error_code);
    if !error.is_none() {
        return Err(refusal(error));
    }
    let strategy = response.protocol_name.as_ref().and_then(|name| name.parse().ok());
    let Some(strategy) = strategy.filter(|strategy| strategies.contains(strategy)) else {
        return Err(refusal(ErrorCode::InconsistentGroupProtocol));
    };
    let leads = response.leader == response.member_id;
    let members: Option<Vec<Member>> = response.members.iter().map(|member| read_member(member, strategy)).collect();
    let members = members.ok_or(refusal(ErrorCode::InconsistentGroupProtocol))?;
    Ok(Joined { member, generation: response.generation_id, strategy, leads, members })
}

fn read_member(member: &JoinGroupResponseMember, strategy: Strategy) -> Option<Member> {
    let subscription = decode_subscription(member.metadata.clone()).ok()?;
    let (owned, generation) = if strategy == Strategy::Sticky {
        subscription.user_data.and_then(read_sticky_data).unwrap_or((Vec::new(), -1))
    } else {
        let owned = subscription.owned_partitions.iter().flat_map(|topic| {
            let name = Name::new(topic.topic.as_str());
            topic.partitions.iter().map(move |index| Partition { topic: name, index: *index })
        });
        (owned.collect(), subscription.generation_id)
    };
    Some(Member {
        id: Name::new(&member.member_id),
        instance: member.group_instance_id.as_ref().map(|instance| Name::new(instance)),
        topics: subscription.topics.iter().map(|topic| Name::new(topic)).collect(),
        owned,
        generation,
    })
}

pub(super) fn sync_request(config: &GroupConfig, core: &Membership, assignment: &Assignment) -> Request {
    let assigned = |(member, partitions): (&Name, &BTreeSet<Partition>)| {
        let topics = by_topic(partitions).into_iter().map(|(topic, partitions)| {
            AssignedTopic::default().with_topic(topic_name(topic)).with_partitions(partitions)
        });
        let assignment = ConsumerProtocolAssignment::default().with_assigned_partitions(topics.collect());
        SyncGroupRequestAssignment::default()
            .with_member_id(text(*member))
            .with_assignment(encode_assignment(&assignment))
    };
    SyncGroupRequest::default()
        .with_group_id(group_id(config))
        .with_generation_id(core.generation())
        .with_member_id(member_id(core.member()))
        .with_group_instance_id(config.instance.map(text))
        .with_protocol_type(Some(StrBytes::from_static_str(PROTOCOL_TYPE)))
        .with_protocol_name(Some(StrBytes::from_static_str(core.strategy().name())))
        .with_assignments(assignment.iter().map(assigned).collect())
        .into()
}

/// The partitions in a SyncGroup response.
pub(super) fn assigned(bytes: Bytes) -> Result<BTreeSet<Partition>, ErrorCode> {
    let assignment = decode_assignment(bytes).map_err(|_| ErrorCode::InconsistentGroupProtocol)?;
    let topics = assignment.assigned_partitions.iter();
    Ok(topics
        .flat_map(|topic| {
            let name = Name::new(topic.topic.as_str());
            topic.partitions.iter().map(move |index| Partition { topic: name, index: *index })
        })
        .collect())
}

pub(super) fn heartbeat_request(config: &GroupConfig, core: &Membership) -> Request {
    HeartbeatRequest::default()
        .with_group_id(group_id(config))
        .with_generation_id(core.generation())
        .with_member_id(member_id(core.member()))
        .with_group_instance_id(config.instance.map(text))
        .into()
}

pub(super) fn leave_request(config: &GroupConfig, member: Name, reason: &'static str) -> Request {
    let identity =
        MemberIdentity::default().with_member_id(text(member)).with_reason(Some(StrBytes::from_static_str(reason)));
    LeaveGroupRequest::default().with_group_id(group_id(config)).with_members(vec![identity]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sticky_user_data_is_read_back() {
        let assigned = BTreeSet::from([Partition::new("a", 0), Partition::new("a", 2), Partition::new("b", 1)]);
        let bytes = sticky_data(&assigned, 7);
        assert_eq!(read_sticky_data(bytes.clone()), Some((assigned.into_iter().collect(), 7)));
        assert_eq!(read_sticky_data(bytes.slice(..bytes.len() - 9)), None);
        assert_eq!(read_sticky_data(bytes.slice(..bytes.len() - 4)).unwrap().1, -1, "version 0 has no generation");
    }
}
