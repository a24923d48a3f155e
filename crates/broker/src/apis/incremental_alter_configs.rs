//! IncrementalAlterConfigs: single settings of a topic are set, deleted, or changed as lists (KIP-339).

use std::rc::Rc;

use wire::kafka::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use wire::kafka::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use wire::kafka::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use wire::kafka::{ErrorCode, StrBytes};

use super::alter_configs::alter;
use super::{Context, Refused, Reply};
use crate::broker::Broker;
use crate::topic_configs::Own;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// The settings that are lists.
const LISTS: &[&str] = &["cleanup.policy"];

/// Changes each resource, unless they only are to be checked.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &IncrementalAlterConfigsRequest) -> Reply {
    let mut cause = context.cause;
    let mut responses = Vec::new();
    for resource in &request.resources {
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        let inherited = broker.settings.topic_defaults();
        let edit = |own: &mut Own| edit(own, resource, |name| inherited.get(name));
        let (kind, name) = (resource.resource_type, resource.resource_name.as_str());
        responses.push(match alter(broker, kind, name, edit, request.validate_only, &mut cause, context).await {
            Ok(()) => response,
            Err(Refused { error, message }) => {
                response.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(message)))
            }
        });
    }
    (IncrementalAlterConfigsResponse::default().with_responses(responses).into(), cause)
}

fn edit(
    own: &mut Own,
    resource: &AlterConfigsResource,
    inherited: impl Fn(&str) -> Option<String>,
) -> Result<(), Refused> {
    for (place, config) in resource.configs.iter().enumerate() {
        if resource.configs[..place].iter().any(|other| other.name == config.name) {
            return Err(Refused::new(ErrorCode::InvalidRequest, format!("{} is named twice", config.name)));
        }
        edit_one(own, config, &inherited)?;
    }
    Ok(())
}

fn edit_one(
    own: &mut Own,
    config: &AlterableConfig,
    inherited: impl Fn(&str) -> Option<String>,
) -> Result<(), Refused> {
    let name = config.name.as_str();
    let value = config.value.as_ref().map(ToString::to_string);
    let needed = || {
        let missing = Refused::new(ErrorCode::InvalidRequest, format!("{name} has no value"));
        value.clone().ok_or(missing)
    };
    match config.config_operation {
        SET => {
            own.insert(name.to_owned(), needed()?);
        }
        DELETE => {
            own.remove(name);
        }
        APPEND | SUBTRACT if !LISTS.contains(&name) => {
            return Err(Refused::new(ErrorCode::InvalidConfig, format!("{name} is not a list")));
        }
        operation @ (APPEND | SUBTRACT) => {
            let present = own.get(name).cloned().or_else(|| inherited(name)).unwrap_or_default();
            let changed =
                if operation == APPEND { joined(&present, &needed()?) } else { without(&present, &needed()?) };
            own.insert(name.to_owned(), changed);
        }
        other => return Err(Refused::new(ErrorCode::InvalidRequest, format!("there is no operation {other}"))),
    }
    Ok(())
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn joined(list: &str, more: &str) -> String {
    let mut all: Vec<&str> = items(list).collect();
    for item in items(more) {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    all.join(",")
}

fn without(list: &str, less: &str) -> String {
    items(list).filter(|item| !items(less).any(|other| other == *item)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(own: &[(&str, &str)], operations: &[(&'static str, i8, Option<&'static str>)]) -> Result<Own, ErrorCode> {
        let mut own: Own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let configs = operations.iter().map(|(name, operation, value)| {
            AlterableConfig::default()
                .with_name(StrBytes::from_static_str(name))
                .with_config_operation(*operation)
                .with_value(value.map(StrBytes::from_static_str))
        });
        let resource = AlterConfigsResource::default().with_configs(configs.collect());
        edit(&mut own, &resource, |_| Some("delete".to_owned())).map_err(|refused| refused.error)?;
        Ok(own)
    }

    #[test]
    fn settings_are_set_and_deleted_one_by_one() {
        let own = edited(&[("a", "1"), ("b", "2")], &[("a", DELETE, None), ("c", SET, Some("3"))]).unwrap();
        let expected = [("b", "2"), ("c", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(own, Own::from(expected));
    }

    #[test]
    fn lists_grow_and_shrink_from_what_is_inherited() {
        let policy = |own, operations: &[_]| edited(own, operations).map(|own| own["cleanup.policy"].clone());
        assert_eq!(policy(&[], &[("cleanup.policy", APPEND, Some("compact"))]).unwrap(), "delete,compact");
        let both = &[("cleanup.policy", "delete, compact")];
        assert_eq!(policy(both, &[("cleanup.policy", SUBTRACT, Some("delete"))]).unwrap(), "compact");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (operation, error) in [
            (("a", SET, None), ErrorCode::InvalidRequest),
            (("a", 9, Some("1")), ErrorCode::InvalidRequest),
            (("retention.ms", APPEND, Some("1")), ErrorCode::InvalidConfig),
        ] {
            assert_eq!(edited(&[], &[operation]), Err(error), "{operation:?}");
        }
        assert_eq!(edited(&[], &[("a", SET, Some("1")), ("a", DELETE, None)]), Err(ErrorCode::InvalidRequest));
    }
}
