//! UpdateMetadata: the controller tells this broker what to answer Metadata requests with.

use std::rc::Rc;

use wire::control::{UpdateMetadataRequest, UpdateMetadataResponse};
use wire::kafka::Api;

use super::{Context, admit};
use crate::broker::Broker;
use crate::group::timers;

/// Obeys, unless the request is from the past.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &UpdateMetadataRequest) -> UpdateMetadataResponse {
    let admitted =
        admit(broker, context, Api::UpdateMetadata.key(), request.controller_epoch, request.broker_epoch).await;
    match admitted {
        Err(error) => UpdateMetadataResponse { error_code: error.code() },
        Ok(event) => {
            let gone = broker.metadata.borrow_mut().update(request);
            // A topic of the same name may come with other settings.
            gone.iter().for_each(|partition| broker.forget_topic_settings(partition.topic.as_str()));
            if !gone.is_empty() {
                let gone = gone.into_iter().collect();
                broker.host.spawn("group-forget", timers::forget_partitions(broker.clone(), gone, event));
            }
            broker.metadata_cause.set(event);
            broker.metadata_changed.notify_waiters();
            UpdateMetadataResponse { error_code: 0 }
        }
    }
}
