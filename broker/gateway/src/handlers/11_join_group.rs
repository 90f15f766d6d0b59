//! JoinGroup (key 11).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served: the rebalance takes as long as the session |
//! | 1 | rebalance time-out |
//! | 4 | a member without an id gets one first (KIP-394) |
//! | 5 | static members (KIP-345) |
//! | 6 | flexible |
//! | 7 | protocol type in the answer |
//! | 8 | reason (KIP-800) |
//! | 9 | skip assignment (KIP-814) |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::group::message::{JoinReply, JoinRequest};
use odeon_protocol::messages::join_group_response::JoinGroupResponseMember;
use odeon_protocol::messages::{JoinGroupRequest, JoinGroupResponse};

use super::groups;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=9;

/// Asks for a place in a group; answered when the rebalance is over.
pub async fn handle(context: &RequestContext, request: JoinGroupRequest) -> JoinGroupResponse {
    let version = context.api_version;
    let coordinator = match groups::coordinator(context, Operation::Read, &request.group_id) {
        Ok(coordinator) => coordinator,
        Err(code) => return response(version, JoinReply::refused(code, request.member_id)),
    };
    let rebalance_timeout_ms = if version == 0 {
        request.session_timeout_ms
    } else {
        request.rebalance_timeout_ms
    };
    let asked = JoinRequest {
        group_id: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        client_id: context.client_id.to_string(),
        client_host: format!("/{}", context.peer.host),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms,
        protocol_type: request.protocol_type,
        protocols: request
            .protocols
            .into_iter()
            .map(|p| (p.name, p.metadata))
            .collect(),
        reason: request.reason,
        require_known_member_id: version >= 4,
        supports_skip_assignment: version >= 9,
    };
    response(version, coordinator.join(asked).await)
}

fn response(version: i16, reply: JoinReply) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: reply.error.code(),
        generation_id: reply.generation,
        protocol_type: reply.protocol_type,
        protocol_name: if version < 7 {
            Some(reply.protocol.unwrap_or_default())
        } else {
            reply.protocol
        },
        leader: reply.leader,
        skip_assignment: reply.skip_assignment,
        member_id: reply.member_id,
        members: reply
            .members
            .into_iter()
            .map(|member| JoinGroupResponseMember {
                member_id: member.member_id,
                group_instance_id: member.instance_id,
                metadata: member.metadata,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}
