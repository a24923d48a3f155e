//! LeaveGroup: members go, or are removed by an administrator.

use std::rc::Rc;

use trace::EventId;
use wire::kafka::ErrorCode;
use wire::kafka::messages::leave_group_response::MemberResponse;
use wire::kafka::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::group::coordinator::decide;
use crate::group::requests::Leave;
use crate::util::code;

/// Answers for each member.
pub fn handle(broker: &Rc<Broker>, context: Context, request: &LeaveGroupRequest) -> Reply {
    let mut cause = context.cause;
    let leaving: Vec<Leave> = if context.version >= 3 {
        let leave = |it: &wire::kafka::messages::leave_group_request::MemberIdentity| Leave {
            member: it.member_id.to_string(),
            instance: it.group_instance_id.as_ref().map(ToString::to_string),
        };
        request.members.iter().map(leave).collect()
    } else {
        vec![Leave { member: request.member_id.to_string(), instance: None }]
    };
    let result = leave(broker, &request.group_id, &leaving, &mut cause);
    let response = LeaveGroupResponse::default();
    let response = match result {
        Err(error) => response.with_error_code(error.code()),
        Ok(results) if context.version < 3 => response.with_error_code(results.first().map_or(0, code)),
        Ok(results) => {
            let members = request.members.iter().zip(&results).map(|(it, result)| {
                MemberResponse::default()
                    .with_member_id(it.member_id.clone())
                    .with_group_instance_id(it.group_instance_id.clone())
                    .with_error_code(code(result))
            });
            response.with_members(members.collect())
        }
    };
    (response.into(), cause)
}

fn leave(
    broker: &Rc<Broker>,
    group: &str,
    leaving: &[Leave],
    cause: &mut EventId,
) -> Result<Vec<Result<(), ErrorCode>>, ErrorCode> {
    if group.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let index = broker.groups.shard_of(group)?;
    let mut results = Vec::new();
    for member in leaving {
        let result = match decide(broker, index, group, *cause, |group, turn| group.leave(member, turn)) {
            None => Err(ErrorCode::UnknownMemberId),
            Some((result, event)) => {
                *cause = event;
                result
            }
        };
        results.push(result);
    }
    Ok(results)
}
