//! ControlledShutdown: a broker asks the controller to move its leaderships before it stops.

use std::rc::Rc;

use tokio::sync::oneshot;
use wire::control::{ControlledShutdownRequest, ControlledShutdownResponse, RemainingPartition};
use wire::kafka::ErrorCode;

use super::{Context, Reply};
use crate::broker::Broker;
use crate::controller::Event;
use crate::util::topic_name;

/// Puts the wish in the controller's queue and waits for what came of it.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &ControlledShutdownRequest) -> Reply {
    let (answer, answered) = oneshot::channel();
    let (id, epoch) = (request.broker_id, request.broker_epoch);
    broker.tell_controller(Event::Relieve { broker: id, broker_epoch: epoch, answer, cause: context.cause });
    let result = answered.await.unwrap_or(Err(ErrorCode::NotController));
    let response = match result {
        Err(error) => ControlledShutdownResponse { error_code: error.code(), ..Default::default() },
        Ok(remaining) => ControlledShutdownResponse {
            error_code: 0,
            remaining_partitions: remaining
                .into_iter()
                .map(|partition| RemainingPartition {
                    topic_name: topic_name(partition.topic.as_str()),
                    partition_index: partition.index,
                })
                .collect(),
        },
    };
    (response.into(), context.cause)
}
