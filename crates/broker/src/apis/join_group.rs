//! JoinGroup: a member asks for its place in the next generation, and waits for it.

use std::rc::Rc;
use std::time::Duration;

use wire::kafka::messages::join_group_response::JoinGroupResponseMember;
use wire::kafka::messages::{JoinGroupRequest, JoinGroupResponse};
use wire::kafka::{ErrorCode, StrBytes};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::group::coordinator;
use crate::group::records::LONGEST_TEXT;
use crate::group::requests::Join;
use crate::group::turn::JoinAnswer;

/// Answers when the group's rebalance is complete.
pub async fn handle(broker: &Rc<Broker>, context: Context, client_id: &str, request: JoinGroupRequest) -> Reply {
    let group = request.group_id.to_string();
    let settings = &broker.settings;
    let session = i64::from(request.session_timeout_ms);
    let allowed = settings.group_min_session_timeout_ms..=settings.group_max_session_timeout_ms;
    let refused = |error| {
        let answer = JoinAnswer::refused(&request.member_id, error);
        (respond(context, answer).into(), context.cause)
    };
    if group.is_empty() {
        return refused(ErrorCode::InvalidGroupId);
    }
    if is_excessive(client_id, &request) {
        return refused(ErrorCode::InvalidRequest);
    }
    // A broker that does not coordinate the group says so first.
    if let Err(error) = broker.groups.shard_of(&group) {
        return refused(error);
    }
    if !allowed.contains(&session) {
        return refused(ErrorCode::InvalidSessionTimeout);
    }
    let join = join(broker, context, client_id, request);
    let (answer, cause) = coordinator::join(broker, &group, join, context.cause).await;
    (respond(context, answer).into(), cause)
}

/// Whether a text is too long for the group's record.
fn is_excessive(client_id: &str, request: &JoinGroupRequest) -> bool {
    let names = request.protocols.iter().map(|it| it.name.len());
    let instance = request.group_instance_id.as_ref().map_or(0, |it| it.len());
    let others = [request.group_id.len(), request.protocol_type.len(), instance, client_id.len()];
    names.chain(others).any(|length| length > LONGEST_TEXT)
}

fn join(broker: &Broker, context: Context, client_id: &str, request: JoinGroupRequest) -> Join {
    let milliseconds = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    // Version 0 has one timeout for both.
    let rebalance = if context.version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
    let instance = request.group_instance_id.map(|it| it.to_string());
    let new_id = if request.member_id.is_empty() {
        let stem = instance.as_deref().unwrap_or(client_id);
        format!("{stem}-{}", broker.new_id("member-ids"))
    } else {
        String::new()
    };
    Join {
        ticket: 0,
        member: request.member_id.to_string(),
        new_id,
        needs_id: context.version >= 4 && instance.is_none(),
        instance,
        client_id: client_id.to_string(),
        client_host: context.peer.to_string(),
        session_timeout: milliseconds(request.session_timeout_ms),
        rebalance_timeout: milliseconds(rebalance),
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.into_iter().map(|it| (it.name.to_string(), it.metadata)).collect(),
        can_skip: context.version >= 9,
    }
}

fn respond(context: Context, answer: JoinAnswer) -> JoinGroupResponse {
    let text = StrBytes::from_string;
    let member = |it: crate::group::turn::JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(text(it.id))
            .with_group_instance_id(it.instance.map(text))
            .with_metadata(it.metadata)
    };
    // Before version 7 the protocol cannot be null.
    let protocol = answer.protocol.map(text);
    let protocol = if context.version >= 7 { protocol } else { protocol.or_else(|| Some(StrBytes::default())) };
    JoinGroupResponse::default()
        .with_error_code(answer.error.code())
        .with_generation_id(answer.generation)
        .with_protocol_type(answer.protocol_type.map(text))
        .with_protocol_name(protocol)
        .with_leader(text(answer.leader))
        .with_skip_assignment(answer.skip_assignment)
        .with_member_id(text(answer.member))
        .with_members(answer.members.into_iter().map(member).collect())
}
