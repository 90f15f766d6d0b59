//! Heartbeat (key 12).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served |
//! | 3 | static members (KIP-345) |
//! | 4 | flexible |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::group::message;
use odeon_model::ErrorCode;
use odeon_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::groups;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=4;

/// A member says that it lives.
pub async fn handle(context: &RequestContext, request: HeartbeatRequest) -> HeartbeatResponse {
    let error = match groups::coordinator(context, Operation::Read, &request.group_id) {
        Ok(coordinator) => {
            let asked = message::HeartbeatRequest {
                group_id: request.group_id,
                member_id: request.member_id,
                instance_id: request.group_instance_id,
                generation: request.generation_id,
            };
            match coordinator.heartbeat(asked).await {
                // A coordinator that reads its log cannot know better: the member stays.
                ErrorCode::CoordinatorLoadInProgress => ErrorCode::None,
                error => error,
            }
        }
        Err(code) => code,
    };
    HeartbeatResponse {
        error_code: error.code(),
        ..Default::default()
    }
}
