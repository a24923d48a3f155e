//! DescribeGroups: a group's state and members.

use trace::GroupState;
use wire::kafka::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use wire::kafka::messages::{DescribeGroupsRequest, DescribeGroupsResponse};
use wire::kafka::{ErrorCode, GroupId, StrBytes};

use crate::broker::Broker;
use crate::group::Group;
use crate::group::member::Member;
use crate::util::Authorized;

/// Answers for each group; one that does not exist is dead.
pub fn handle(broker: &Broker, request: &DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = request.groups.iter().map(|name| {
        let described = broker.groups.look(name, |group| describe(name, group));
        match described {
            Ok(group) if request.include_authorized_operations => {
                group.with_authorized_operations(Authorized::Group.operations())
            }
            Ok(group) => group,
            Err(error) => DescribedGroup::default().with_group_id(name.clone()).with_error_code(ErrorCode::code(error)),
        }
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

/// Kafka's name of a state.
pub(super) fn state_name(state: GroupState) -> &'static str {
    match state {
        GroupState::Empty => "Empty",
        GroupState::PreparingRebalance => "PreparingRebalance",
        GroupState::CompletingRebalance => "CompletingRebalance",
        GroupState::Stable => "Stable",
        GroupState::Dead => "Dead",
    }
}

fn describe(name: &GroupId, group: Option<&Group>) -> DescribedGroup {
    let text = |text: Option<&str>| StrBytes::from_string(text.unwrap_or_default().to_owned());
    let state = group.map_or(GroupState::Dead, Group::state);
    let described = DescribedGroup::default()
        .with_group_id(name.clone())
        .with_group_state(StrBytes::from_static_str(state_name(state)));
    let Some(group) = group else { return described };
    // Only a stable group's members have agreed on a protocol and own something.
    let protocol = group.protocol().filter(|_| state == GroupState::Stable);
    let members = group.members().map(|member| describe_member(member, protocol)).collect();
    described.with_protocol_type(text(group.protocol_type())).with_protocol_data(text(protocol)).with_members(members)
}

fn describe_member(member: &Member, protocol: Option<&str>) -> DescribedGroupMember {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let described = DescribedGroupMember::default()
        .with_member_id(text(&member.id))
        .with_group_instance_id(member.instance.as_deref().map(text))
        .with_client_id(text(&member.client_id))
        .with_client_host(text(&member.client_host));
    let Some(protocol) = protocol else { return described };
    described
        .with_member_metadata(member.metadata(protocol).cloned().unwrap_or_default())
        .with_member_assignment(member.assignment.clone())
}
