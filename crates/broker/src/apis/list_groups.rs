//! ListGroups: the groups that this broker coordinates.

use wire::kafka::messages::list_groups_response::ListedGroup;
use wire::kafka::messages::{ListGroupsRequest, ListGroupsResponse};
use wire::kafka::{ErrorCode, GroupId, StrBytes};

use super::describe_groups::state_name;
use crate::broker::Broker;

/// The type of groups of the classic protocol (KIP-848).
const CLASSIC: &str = "classic";

/// Answers with all groups in the states and of the types asked for.
pub fn handle(broker: &Broker, request: &ListGroupsRequest) -> ListGroupsResponse {
    let among = |filter: &[StrBytes], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let listed = broker.groups.look_at_all(|name, group| {
        let state = state_name(group.state());
        let wanted = among(&request.states_filter, state) && among(&request.types_filter, CLASSIC);
        wanted.then(|| {
            ListedGroup::default()
                .with_group_id(GroupId(StrBytes::from_string(name.to_owned())))
                .with_protocol_type(StrBytes::from_string(group.protocol_type().unwrap_or_default().to_owned()))
                .with_group_state(StrBytes::from_static_str(state))
                .with_group_type(StrBytes::from_static_str(CLASSIC))
        })
    });
    // What is being loaded is missing.
    let error = if broker.groups.is_loading() { ErrorCode::CoordinatorLoadInProgress } else { ErrorCode::None };
    ListGroupsResponse::default().with_error_code(error.code()).with_groups(listed.into_iter().flatten().collect())
}
