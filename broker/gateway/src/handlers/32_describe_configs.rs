//! DescribeConfigs (key 32).
//!
//! | version | what it brought |
//! |---|---|
//! | 1 | the oldest served: synonyms, source |
//! | 3 | type and documentation |
//! | 4 | flexible |
//!
//! Deviations: levels of loggers and client metrics subscriptions are not there, so those kinds of
//! resources are refused with INVALID_REQUEST.

use std::ops::RangeInclusive;

use odeon_actors::settings::{config_map, dynamic_layers};
use odeon_metadata::{ConfigResource, ConfigResourceType, MetadataImage};
use odeon_model::ErrorCode;
use odeon_model::config::{
    BrokerLayers, DescribedConfig, describe_broker, describe_broker_defaults, describe_group,
    describe_topic,
};
use odeon_protocol::messages::describe_configs_request::DescribeConfigsResource;
use odeon_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use odeon_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;
use crate::response::brief;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 1..=4;

/// Describes the settings of topics, brokers and groups.
pub async fn handle(
    context: &RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let image = context.node().image.get();
    let (synonyms, docs) = (request.include_synonyms, request.include_documentation);
    let results = request.resources.into_iter().map(|resource| {
        let described = describe(context, &image, &resource);
        let (error, message, configs) = match described {
            Ok(configs) => (ErrorCode::None, None, configs),
            Err((code, message)) => (code, Some(brief(message)), Vec::new()),
        };
        let wanted = |config: &DescribedConfig| {
            let keys = resource.configuration_keys.as_ref();
            keys.is_none_or(|keys| keys.is_empty() || keys.iter().any(|key| *key == *config.name))
        };
        DescribeConfigsResult {
            error_code: error.code(),
            error_message: message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs: configs
                .into_iter()
                .filter(wanted)
                .map(|config| entry(config, synonyms, docs))
                .collect(),
            ..Default::default()
        }
    });
    DescribeConfigsResponse {
        results: results.collect(),
        ..Default::default()
    }
}

fn entry(config: DescribedConfig, synonyms: bool, docs: bool) -> DescribeConfigsResourceResult {
    let config_type = config.type_code();
    DescribeConfigsResourceResult {
        name: config.name.to_string(),
        value: config.value,
        read_only: config.read_only,
        config_source: config.source.code(),
        is_sensitive: config.is_sensitive,
        synonyms: config
            .synonyms
            .into_iter()
            .filter(|_| synonyms)
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name.to_string(),
                value: synonym.value,
                source: synonym.source.code(),
                ..Default::default()
            })
            .collect(),
        config_type,
        documentation: config
            .documentation
            .filter(|_| docs)
            .map(|text| text.to_string()),
        ..Default::default()
    }
}

type Described = Result<Vec<DescribedConfig>, (ErrorCode, String)>;

fn describe(
    context: &RequestContext,
    image: &MetadataImage,
    resource: &DescribeConfigsResource,
) -> Described {
    let node = context.node();
    let name = resource.resource_name.as_str();
    let refuse = |code: ErrorCode| Err((code, code.message().to_owned()));
    let (dynamic_broker, dynamic_default) = dynamic_layers(image, node.node_id);
    let layers = BrokerLayers {
        dynamic_broker: &dynamic_broker,
        dynamic_default: &dynamic_default,
        statics: &node.properties,
    };
    match ConfigResourceType::from_code(resource.resource_type) {
        Some(ConfigResourceType::Topic) => {
            if !context.allows_topic(Operation::DescribeConfigs, name) {
                return refuse(ErrorCode::TopicAuthorizationFailed);
            }
            if let Err(code) = odeon_actors::controller::check_topic_name(name) {
                return refuse(code);
            }
            if image.topic(name).is_none() {
                return refuse(ErrorCode::UnknownTopicOrPartition);
            }
            let own = config_map(image.config(&ConfigResource::topic(name)));
            Ok(describe_topic(&own, layers))
        }
        Some(ConfigResourceType::Broker) => {
            if !context.allows_cluster(Operation::DescribeConfigs) {
                return refuse(ErrorCode::ClusterAuthorizationFailed);
            }
            if name.is_empty() {
                return Ok(describe_broker_defaults(&dynamic_default));
            }
            if name.parse() != Ok(node.node_id) {
                let message = format!(
                    "Unexpected broker id, expected {} or empty string, but received {name}",
                    node.node_id
                );
                return Err((ErrorCode::InvalidRequest, message));
            }
            Ok(describe_broker(layers))
        }
        Some(ConfigResourceType::Group) => {
            if !context.allows(Operation::DescribeConfigs, Resource::group(name)) {
                return refuse(ErrorCode::GroupAuthorizationFailed);
            }
            if name.is_empty() {
                return Err((
                    ErrorCode::InvalidRequest,
                    "Group name must not be empty".to_owned(),
                ));
            }
            let own = config_map(image.config(&ConfigResource::group(name)));
            Ok(describe_group(&own, layers))
        }
        _ => {
            let message = format!("Unsupported resource type: {}", resource.resource_type);
            Err((ErrorCode::InvalidRequest, message))
        }
    }
}
