//! SyncGroup: the leader says who owns what; the others wait to hear it.

use std::rc::Rc;

use wire::kafka::messages::{SyncGroupRequest, SyncGroupResponse};
use wire::kafka::{ErrorCode, StrBytes};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::group::coordinator;
use crate::group::requests::Sync;
use crate::group::turn::SyncAnswer;

/// Answers with the member's assignment.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: SyncGroupRequest) -> Reply {
    let group = request.group_id.to_string();
    // From version 5 on a member says what it believes the protocol to be.
    if context.version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        let refused = SyncAnswer::refused(ErrorCode::InconsistentGroupProtocol);
        return (respond(refused).into(), context.cause);
    }
    if group.is_empty() {
        return (respond(SyncAnswer::refused(ErrorCode::InvalidGroupId)).into(), context.cause);
    }
    let sync = Sync {
        ticket: 0,
        member: request.member_id.to_string(),
        instance: request.group_instance_id.map(|it| it.to_string()),
        generation: request.generation_id,
        protocol_type: request.protocol_type.map(|it| it.to_string()),
        protocol: request.protocol_name.map(|it| it.to_string()),
        assignments: request.assignments.into_iter().map(|it| (it.member_id.to_string(), it.assignment)).collect(),
    };
    let (answer, cause) = coordinator::sync(broker, &group, sync, context.cause).await;
    (respond(answer).into(), cause)
}

fn respond(answer: SyncAnswer) -> SyncGroupResponse {
    SyncGroupResponse::default()
        .with_error_code(answer.error.code())
        .with_protocol_type(answer.protocol_type.map(StrBytes::from_string))
        .with_protocol_name(answer.protocol.map(StrBytes::from_string))
        .with_assignment(answer.assignment)
}
