//! AlterConfigs: all of a topic's own settings are replaced.

use std::rc::Rc;

use wire::kafka::messages::alter_configs_request::AlterConfigsResource;
use wire::kafka::messages::alter_configs_response::AlterConfigsResourceResponse;
use wire::kafka::messages::{AlterConfigsRequest, AlterConfigsResponse};
use wire::kafka::{ErrorCode, StrBytes};

use super::{Context, Refused, Reply};
use crate::broker::Broker;
use crate::topic_configs::{self, BROKER, Own, TOPIC};

/// Changes each resource, unless they only are to be checked.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &AlterConfigsRequest) -> Reply {
    let mut cause = context.cause;
    let mut responses = Vec::new();
    for resource in &request.resources {
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        let replace = |own: &mut Own| replace(own, resource);
        let (kind, name) = (resource.resource_type, resource.resource_name.as_str());
        responses.push(match alter(broker, kind, name, replace, request.validate_only, &mut cause, context).await {
            Ok(()) => response,
            Err(Refused { error, message }) => {
                response.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(message)))
            }
        });
    }
    (AlterConfigsResponse::default().with_responses(responses).into(), cause)
}

fn replace(own: &mut Own, resource: &AlterConfigsResource) -> Result<(), Refused> {
    own.clear();
    for config in &resource.configs {
        let Some(value) = &config.value else {
            return Err(Refused::new(ErrorCode::InvalidRequest, format!("{} has no value", config.name)));
        };
        own.insert(config.name.to_string(), value.to_string());
    }
    Ok(())
}

/// Changes one resource's settings: those of topics can be changed, those of brokers are read at their start only.
pub(super) async fn alter(
    broker: &Rc<Broker>,
    resource_type: i8,
    name: &str,
    edit: impl Fn(&mut Own) -> Result<(), Refused>,
    only_check: bool,
    cause: &mut trace::EventId,
    context: Context,
) -> Result<(), Refused> {
    match resource_type {
        TOPIC => {
            *cause = topic_configs::change(broker, name, edit, only_check, context.cause).await?;
            Ok(())
        }
        BROKER => Err(Refused::new(ErrorCode::InvalidRequest, "a broker's settings cannot be changed while it runs")),
        other => {
            Err(Refused::new(ErrorCode::InvalidRequest, format!("resources of type {other} have no settings here")))
        }
    }
}
