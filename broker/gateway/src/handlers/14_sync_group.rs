//! SyncGroup (key 14).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served |
//! | 3 | static members (KIP-345) |
//! | 4 | flexible |
//! | 5 | protocol type and name, checked |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::group::message::{SyncReply, SyncRequest};
use odeon_model::ErrorCode;
use odeon_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::groups;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=5;

/// Gives a member its assignment; the leader brings everybody's.
pub async fn handle(context: &RequestContext, request: SyncGroupRequest) -> SyncGroupResponse {
    let named = request.protocol_type.is_some() && request.protocol_name.is_some();
    if context.api_version >= 5 && !named {
        return response(SyncReply::refused(ErrorCode::InconsistentGroupProtocol));
    }
    let coordinator = match groups::coordinator(context, Operation::Read, &request.group_id) {
        Ok(coordinator) => coordinator,
        Err(code) => return response(SyncReply::refused(code)),
    };
    let reply = coordinator.sync(SyncRequest {
        group_id: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id,
        protocol_type: request.protocol_type,
        protocol: request.protocol_name,
        assignments: request
            .assignments
            .into_iter()
            .map(|a| (a.member_id, a.assignment))
            .collect(),
    });
    let mut reply = reply.await;
    if reply.error == ErrorCode::CoordinatorLoadInProgress {
        // What was joined is not known any more: the member joins again (as Kafka answers).
        reply.error = ErrorCode::RebalanceInProgress;
    }
    response(reply)
}

fn response(reply: SyncReply) -> SyncGroupResponse {
    SyncGroupResponse {
        error_code: reply.error.code(),
        protocol_type: reply.protocol_type,
        protocol_name: reply.protocol,
        assignment: reply.assignment,
        ..Default::default()
    }
}
