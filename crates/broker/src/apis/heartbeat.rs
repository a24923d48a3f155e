//! Heartbeat: a member is there, and hears whether it must join again.

use std::rc::Rc;

use trace::EventId;
use wire::kafka::ErrorCode;
use wire::kafka::messages::{HeartbeatRequest, HeartbeatResponse};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::group::coordinator::decide;
use crate::util::code;

/// Answers at once.
pub fn handle(broker: &Rc<Broker>, context: Context, request: &HeartbeatRequest) -> Reply {
    let (result, cause) = match heartbeat(broker, context, request) {
        Ok((result, cause)) => (result, cause),
        Err(error) => (Err(error), context.cause),
    };
    (HeartbeatResponse::default().with_error_code(code(&result)).into(), cause)
}

type Heard = (Result<(), ErrorCode>, EventId);

fn heartbeat(broker: &Rc<Broker>, context: Context, request: &HeartbeatRequest) -> Result<Heard, ErrorCode> {
    let group = request.group_id.as_str();
    if group.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let index = match broker.groups.shard_of(group) {
        // Its session begins anew when the group is loaded.
        Err(ErrorCode::CoordinatorLoadInProgress) => return Ok((Ok(()), context.cause)),
        other => other?,
    };
    let instance = request.group_instance_id.as_deref();
    let heard = decide(broker, index, group, context.cause, |group, turn| {
        group.heartbeat(&request.member_id, instance, request.generation_id, turn)
    });
    heard.ok_or(ErrorCode::UnknownMemberId)
}
