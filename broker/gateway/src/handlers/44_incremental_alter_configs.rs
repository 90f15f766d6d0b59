//! IncrementalAlterConfigs (key 44).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served (KIP-339) |
//! | 1 | flexible |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::controller::ConfigOperation;
use odeon_model::ErrorCode;
use odeon_model::config::AlterOp;
use odeon_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use odeon_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use odeon_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::configs::{Asked, alter};
use crate::context::RequestContext;
use crate::response::brief;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=1;

/// Sets, deletes, appends to and subtracts from settings.
pub async fn handle(
    context: &RequestContext,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let asked = request.resources.into_iter().map(|resource| Asked {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        operations: operations(resource.configs),
    });
    let answers = alter(context, asked.collect(), false, request.validate_only).await;
    let responses = answers
        .into_iter()
        .map(|answer| AlterConfigsResourceResponse {
            error_code: answer.code.code(),
            error_message: answer.message.map(brief),
            resource_type: answer.resource_type,
            resource_name: answer.resource_name,
            ..Default::default()
        });
    IncrementalAlterConfigsResponse {
        responses: responses.collect(),
        ..Default::default()
    }
}

fn operations(configs: Vec<AlterableConfig>) -> Result<Vec<ConfigOperation>, (ErrorCode, String)> {
    let invalid = |message: String| (ErrorCode::InvalidRequest, message);
    let mut operations = Vec::with_capacity(configs.len());
    for config in configs {
        let op = AlterOp::from_code(config.config_operation).ok_or_else(|| {
            invalid(format!(
                "Unknown operation {} for {}",
                config.config_operation, config.name
            ))
        })?;
        if op != AlterOp::Delete && config.value.is_none() {
            return Err(invalid(format!(
                "Null value not supported for: {}",
                config.name
            )));
        }
        operations.push(ConfigOperation {
            op,
            name: config.name,
            value: config.value,
        });
    }
    Ok(operations)
}
