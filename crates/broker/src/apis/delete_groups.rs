//! DeleteGroups: empty groups are forgotten with all their offsets.

use std::rc::Rc;

use trace::EventId;
use wire::kafka::ErrorCode;
use wire::kafka::messages::delete_groups_response::DeletableGroupResult;
use wire::kafka::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::group::coordinator::{decide, forget_in_log};
use crate::util::code;

/// Answers for each group.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &DeleteGroupsRequest) -> Reply {
    let mut cause = context.cause;
    let mut results = Vec::new();
    for group in &request.groups_names {
        let result = delete(broker, group, &mut cause).await;
        let answer = DeletableGroupResult::default().with_group_id(group.clone());
        results.push(answer.with_error_code(code(&result)));
    }
    (DeleteGroupsResponse::default().with_results(results).into(), cause)
}

async fn delete(broker: &Rc<Broker>, group: &str, cause: &mut EventId) -> Result<(), ErrorCode> {
    let index = broker.groups.shard_of(group)?;
    let decided = decide(broker, index, group, *cause, |group, turn| group.delete(turn));
    let (partitions, event) = decided.ok_or(ErrorCode::GroupIdNotFound)?;
    *cause = event;
    forget_in_log(broker, index, group, &partitions?, event).await
}
