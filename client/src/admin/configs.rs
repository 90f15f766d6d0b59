//! Configs of topics.

use odeon_protocol::messages::describe_configs_request::DescribeConfigsResource;
use odeon_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use odeon_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::Admin;
use crate::ClientError;
use crate::error::check;

/// A topic, as the kind of a resource.
const TOPIC: i8 = 2;
/// A value that is set on the topic itself, as the source of a config.
const SET_ON_TOPIC: i8 = 1;

/// A config as the cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its key.
    pub name: String,
    /// Its value; none for a secret.
    pub value: Option<String>,
    /// Whether it is set on the resource itself, not inherited.
    pub is_set: bool,
    /// Whether it is never shown.
    pub is_sensitive: bool,
    /// What it does, as far as the broker tells.
    pub documentation: Option<String>,
}

/// A change of one config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// The key gets this value.
    Set(String, String),
    /// The key goes back to its default.
    Unset(String),
    /// The entries are added to the key's list.
    Append(String, String),
    /// The entries are taken out of the key's list.
    Subtract(String, String),
}

impl ConfigChange {
    fn entry(&self) -> AlterableConfig {
        let (name, config_operation, value) = match self {
            Self::Set(name, value) => (name, 0, Some(value)),
            Self::Unset(name) => (name, 1, None),
            Self::Append(name, value) => (name, 2, Some(value)),
            Self::Subtract(name, value) => (name, 3, Some(value)),
        };
        AlterableConfig {
            name: name.clone(),
            config_operation,
            value: value.cloned(),
            ..Default::default()
        }
    }
}

impl Admin {
    /// All configs of a topic, by name.
    ///
    /// # Errors
    /// The cluster refuses or does not answer.
    pub async fn topic_configs(&self, topic: &str) -> Result<Vec<ConfigEntry>, ClientError> {
        let request = DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type: TOPIC,
                resource_name: topic.to_owned(),
                configuration_keys: None,
                ..Default::default()
            }],
            ..Default::default()
        };
        let response = self.client.call_any(&request).await?;
        let mut entries = Vec::new();
        for result in response.results {
            let what = || format!("describe the configs of topic '{topic}'");
            check(what, result.error_code, result.error_message.as_ref())?;
            entries.extend(result.configs.into_iter().map(|config| ConfigEntry {
                name: config.name,
                value: config.value,
                is_set: config.config_source == SET_ON_TOPIC,
                is_sensitive: config.is_sensitive,
                documentation: config.documentation,
            }));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Changes configs of a topic, all or none.
    ///
    /// # Errors
    /// The cluster refuses or does not answer.
    pub async fn alter_topic_configs(
        &self,
        topic: &str,
        changes: &[ConfigChange],
    ) -> Result<(), ClientError> {
        let request = IncrementalAlterConfigsRequest {
            resources: vec![AlterConfigsResource {
                resource_type: TOPIC,
                resource_name: topic.to_owned(),
                configs: changes.iter().map(ConfigChange::entry).collect(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let response = self.client.call_any(&request).await?;
        for result in response.responses {
            let what = || format!("change the configs of topic '{topic}'");
            check(what, result.error_code, result.error_message.as_ref())?;
        }
        Ok(())
    }
}
