//! LeaveGroup (key 13).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served: one member |
//! | 3 | many members, by member id or instance id (KIP-345) |
//! | 4 | flexible |
//! | 5 | reason (KIP-800) |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::group::message::{LeaveRequest, LeavingMember};
use odeon_protocol::messages::leave_group_response::MemberResponse;
use odeon_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::groups;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=5;

/// Members leave their group.
pub async fn handle(context: &RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let coordinator = match groups::coordinator(context, Operation::Read, &request.group_id) {
        Ok(coordinator) => coordinator,
        Err(code) => {
            return LeaveGroupResponse {
                error_code: code.code(),
                ..Default::default()
            };
        }
    };
    let one = context.api_version < 3;
    let members = if one {
        vec![LeavingMember {
            member_id: request.member_id,
            ..Default::default()
        }]
    } else {
        let member =
            |member: odeon_protocol::messages::leave_group_request::MemberIdentity| LeavingMember {
                member_id: member.member_id,
                instance_id: member.group_instance_id,
                reason: member.reason,
            };
        request.members.into_iter().map(member).collect()
    };
    let left = coordinator
        .leave(LeaveRequest {
            group_id: request.group_id,
            members,
        })
        .await;
    let left = match left {
        Ok(left) => left,
        Err(code) => {
            return LeaveGroupResponse {
                error_code: code.code(),
                ..Default::default()
            };
        }
    };
    if one {
        let error_code = left.first().map_or(0, |left| left.error.code());
        return LeaveGroupResponse {
            error_code,
            ..Default::default()
        };
    }
    let members = left.into_iter().map(|left| MemberResponse {
        member_id: left.member_id,
        group_instance_id: left.instance_id,
        error_code: left.error.code(),
        ..Default::default()
    });
    LeaveGroupResponse {
        members: members.collect(),
        ..Default::default()
    }
}
