//! FindCoordinator: there are no group and transaction coordinators yet, so none is available.

use wire::kafka::messages::find_coordinator_response::Coordinator;
use wire::kafka::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::kafka::{BrokerId, ErrorCode};

use super::Context;

/// Answers `COORDINATOR_NOT_AVAILABLE`, for each key asked.
pub fn handle(context: Context, request: &FindCoordinatorRequest) -> FindCoordinatorResponse {
    let error = ErrorCode::CoordinatorNotAvailable.code();
    if context.version < 4 {
        return FindCoordinatorResponse::default().with_error_code(error).with_node_id(BrokerId(-1)).with_port(-1);
    }
    let unavailable = |key: &wire::kafka::StrBytes| {
        Coordinator::default().with_key(key.clone()).with_error_code(error).with_node_id(BrokerId(-1)).with_port(-1)
    };
    FindCoordinatorResponse::default().with_coordinators(request.coordinator_keys.iter().map(unavailable).collect())
}
