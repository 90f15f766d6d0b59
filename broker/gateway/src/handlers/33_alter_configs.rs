//! AlterConfigs (key 33): replaces all settings of a resource. Clients use IncrementalAlterConfigs.
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served |
//! | 2 | flexible |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::controller::ConfigOperation;
use odeon_model::config::AlterOp;
use odeon_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use odeon_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::configs::{Asked, alter};
use crate::context::RequestContext;
use crate::response::brief;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=2;

/// Replaces settings.
pub async fn handle(
    context: &RequestContext,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let asked = request.resources.into_iter().map(|resource| Asked {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        operations: Ok(resource
            .configs
            .into_iter()
            .map(|config| ConfigOperation {
                op: AlterOp::Set,
                name: config.name,
                value: config.value,
            })
            .collect()),
    });
    let answers = alter(context, asked.collect(), true, request.validate_only).await;
    let responses = answers
        .into_iter()
        .map(|answer| AlterConfigsResourceResponse {
            error_code: answer.code.code(),
            error_message: answer.message.map(brief),
            resource_type: answer.resource_type,
            resource_name: answer.resource_name,
            ..Default::default()
        });
    AlterConfigsResponse {
        responses: responses.collect(),
        ..Default::default()
    }
}
