//! DescribeConfigs: settings of topics and of this broker, and where each value comes from.

use std::rc::Rc;

use wire::kafka::messages::describe_configs_request::DescribeConfigsResource;
use wire::kafka::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use wire::kafka::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use wire::kafka::{ErrorCode, StrBytes};

use super::{Context, Refused, Reply};
use crate::broker::Broker;
use crate::config::{Settings, TopicSettings};
use crate::described::{Detail, of_broker, of_topic};
use crate::topic_configs::{self, BROKER, TOPIC};

/// Answers for each resource. What is read of a topic is applied here: see [`topic_configs`].
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &DescribeConfigsRequest) -> Reply {
    let detail = Detail { synonyms: request.include_synonyms, types: context.version >= 3 };
    let mut results = Vec::new();
    for resource in &request.resources {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        results.push(match describe(broker, context, resource, detail).await {
            Ok(configs) => result.with_configs(configs),
            Err(Refused { error, message }) => {
                result.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(message)))
            }
        });
    }
    (DescribeConfigsResponse::default().with_results(results).into(), context.cause)
}

async fn describe(
    broker: &Rc<Broker>,
    context: Context,
    resource: &DescribeConfigsResource,
    detail: Detail,
) -> Result<Vec<DescribeConfigsResourceResult>, Refused> {
    let keys = resource.configuration_keys.as_ref();
    let wanted = |name: &&&'static str| keys.is_none_or(|keys| keys.iter().any(|key| key.as_str() == **name));
    let (settings, configured) = (&broker.settings, &broker.configured);
    match resource.resource_type {
        TOPIC => {
            let own = topic_configs::read(broker, &resource.resource_name, context.cause).await?;
            let names = TopicSettings::NAMES.iter().filter(wanted);
            Ok(names.filter_map(|name| of_topic(settings, configured, &own, name, detail)).collect())
        }
        // The defaults of all brokers that can be changed while they run: there are none.
        BROKER if resource.resource_name.is_empty() => Ok(Vec::new()),
        BROKER if resource.resource_name.parse() == Ok(broker.id) => {
            let names = Settings::NAMES.iter().filter(wanted);
            Ok(names.filter_map(|name| of_broker(settings, configured, name, detail)).collect())
        }
        BROKER => {
            let message = format!("this is broker {}, not {}", broker.id, resource.resource_name);
            Err(Refused::new(ErrorCode::InvalidRequest, message))
        }
        other => {
            Err(Refused::new(ErrorCode::InvalidRequest, format!("resources of type {other} have no settings here")))
        }
    }
}
