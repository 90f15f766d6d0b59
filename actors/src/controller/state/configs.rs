//! IncrementalAlterConfigs and AlterConfigs. Kafka: `ConfigurationControlManager`.

use std::collections::HashSet;

use odeon_metadata::{ConfigResource, ConfigResourceType, MetadataImage};
use odeon_model::ErrorCode;
use odeon_model::config::{
    ConfigDef, ConfigMap, apply_incremental, find_broker_or_listener, find_group, find_topic,
    validate_dynamic_broker, validate_group, validate_topic,
};
use odeon_schema::metadata::ConfigRecord;

use super::topics::require_topic;
use super::{Decisions, Draft};
use crate::controller::message::{AlterConfigs, ConfigAlteration, ConfigResult, Refusal};

/// The longest key.
const MAX_NAME_BYTES: usize = 249;
/// The most keys that a resource may have set, and that a request may change at a resource.
const MAX_KEYS: usize = 1_000;
/// The longest value.
const MAX_VALUE_BYTES: usize = odeon_model::config::MAX_VALUE_BYTES;

impl Decisions {
    /// Changes configurations; each resource for itself.
    pub(in crate::controller) fn alter_configs(
        &self,
        draft: &mut Draft,
        request: AlterConfigs,
    ) -> Vec<ConfigResult> {
        let mut seen = HashSet::new();
        let twice: HashSet<ConfigResource> = request
            .resources
            .iter()
            .filter(|alteration| !seen.insert(&alteration.resource))
            .map(|alteration| alteration.resource.clone())
            .collect();
        let mut results = Vec::with_capacity(request.resources.len());
        for alteration in request.resources {
            let outcome = if twice.contains(&alteration.resource) {
                let message = "The resource is named more than once.";
                Err(Refusal::new(ErrorCode::InvalidRequest, message))
            } else {
                self.proposed(&draft.image, &alteration, request.replace_all)
            };
            let (error, message) = match outcome {
                Ok(proposed) => {
                    if !request.validate_only {
                        write(draft, &alteration.resource, &proposed);
                    }
                    (ErrorCode::None, None)
                }
                Err(refusal) => (refusal.code, refusal.message),
            };
            results.push(ConfigResult {
                resource: alteration.resource,
                error,
                message,
            });
        }
        results
    }

    /// What the resource would have set, if that is legal.
    fn proposed(
        &self,
        image: &MetadataImage,
        alteration: &ConfigAlteration,
        replace_all: bool,
    ) -> Result<ConfigMap, Refusal> {
        let resource = &alteration.resource;
        check_resource(image, resource)?;
        if alteration.operations.len() > MAX_KEYS {
            let message = format!("More than {MAX_KEYS} configs cannot be changed at once");
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        let mut names = HashSet::new();
        if !alteration
            .operations
            .iter()
            .all(|operation| names.insert(&operation.name))
        {
            let message = "A config is named more than once";
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        let existing = image.config_map(resource);
        let mut proposed = if replace_all {
            ConfigMap::new()
        } else {
            existing.clone()
        };
        for operation in &alteration.operations {
            let name = &operation.name;
            if name.len() > MAX_NAME_BYTES {
                let message = format!("The name of a config exceeds {MAX_NAME_BYTES} bytes");
                return Err(Refusal::new(ErrorCode::InvalidConfig, message));
            }
            let altered = apply_incremental(
                operation.op,
                name,
                definition(resource.kind, name),
                existing.get(name).map(String::as_str),
                operation.value.as_deref(),
            );
            match altered.map_err(|error| Refusal::new(error.code, error.message))? {
                Some(value) => proposed.insert(name.clone(), value),
                None => proposed.remove(name),
            };
        }
        check_size(&proposed)?;
        self.validate(image, resource, &existing, &proposed)?;
        if let Some(policy) = &self.settings.alter_config_policy {
            policy
                .check(resource, &proposed)
                .map_err(|reason| Refusal::new(ErrorCode::PolicyViolation, reason))?;
        }
        Ok(proposed)
    }

    fn validate(
        &self,
        image: &MetadataImage,
        resource: &ConfigResource,
        existing: &ConfigMap,
        proposed: &ConfigMap,
    ) -> Result<(), Refusal> {
        let outcome = self.with_layers(image, |layers| match resource.kind {
            ConfigResourceType::Topic => validate_topic(existing, proposed, layers),
            ConfigResourceType::Group => validate_group(proposed, layers),
            _ => validate_dynamic_broker(proposed, !resource.name.is_empty()),
        });
        outcome.map_err(|error| Refusal::new(error.code, error.message))
    }
}

fn definition(kind: ConfigResourceType, name: &str) -> Option<&'static ConfigDef> {
    match kind {
        ConfigResourceType::Topic => find_topic(name),
        ConfigResourceType::Group => find_group(name),
        _ => find_broker_or_listener(name),
    }
}

/// Refuses resources that do not exist, or whose configuration is not the cluster's to keep.
fn check_resource(image: &MetadataImage, resource: &ConfigResource) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let name = &resource.name;
    match resource.kind {
        ConfigResourceType::Topic => require_topic(image, resource),
        ConfigResourceType::Broker if name.is_empty() => Ok(()),
        ConfigResourceType::Broker => match name.parse::<i32>() {
            Err(_) => invalid(format!("'{name}' is not a broker's id")),
            Ok(id) if image.broker(id).is_none() => {
                let message = format!("Broker {id} is not registered");
                Err(Refusal::new(ErrorCode::BrokerIdNotRegistered, message))
            }
            // "007" would be a second resource for broker 7.
            Ok(id) if id.to_string() != **name => invalid(format!("'{name}' is not a broker's id")),
            Ok(_) => Ok(()),
        },
        ConfigResourceType::Group if name.is_empty() => {
            invalid("There is no default for all groups: name one.".to_owned())
        }
        ConfigResourceType::Group if name.len() > MAX_VALUE_BYTES => {
            invalid("The group id is too long".to_owned())
        }
        ConfigResourceType::Group => Ok(()),
        ConfigResourceType::BrokerLogger => {
            invalid("Loggers are changed on their broker, not in the cluster".to_owned())
        }
        ConfigResourceType::ClientMetrics => {
            invalid("Client metrics subscriptions are not supported".to_owned())
        }
    }
}

/// Bounds what one resource keeps, and with it the records.
pub(super) fn check_size(configs: &ConfigMap) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidConfig, message));
    if configs.len() > MAX_KEYS {
        return invalid(format!("More than {MAX_KEYS} configs cannot be set"));
    }
    if let Some((name, _)) = configs
        .iter()
        .find(|(_, value)| value.len() > MAX_VALUE_BYTES)
    {
        return invalid(format!(
            "The value of {name} exceeds {MAX_VALUE_BYTES} bytes"
        ));
    }
    Ok(())
}

/// The records from what is set to what shall be.
fn write(draft: &mut Draft, resource: &ConfigResource, proposed: &ConfigMap) {
    let existing = draft.image.config_map(resource);
    let record = |name: &String, value: Option<&String>| ConfigRecord {
        resource_type: resource.kind.code(),
        resource_name: resource.name.to_string(),
        name: name.clone(),
        value: value.cloned(),
        ..Default::default()
    };
    for name in existing.keys().filter(|name| !proposed.contains_key(*name)) {
        draft.push(record(name, None));
    }
    for (name, value) in proposed
        .iter()
        .filter(|(name, value)| existing.get(*name) != Some(*value))
    {
        draft.push(record(name, Some(value)));
    }
}
