//! DescribeGroups (key 15).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served |
//! | 3 | authorised operations on request (KIP-430) |
//! | 4 | instance ids (KIP-345) |
//! | 5 | flexible |
//! | 6 | GROUP_ID_NOT_FOUND for a group that is not there; before, the state `Dead` |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::group::message;
use odeon_model::ErrorCode;
use odeon_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use odeon_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};

use super::groups;
use crate::authorizer::{Operation, ResourceKind};
use crate::context::RequestContext;
use crate::response::brief;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=6;

/// Describes groups.
pub async fn handle(
    context: &RequestContext,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut described = Vec::with_capacity(request.groups.len());
    for group_id in request.groups {
        let found = match groups::coordinator(context, Operation::Describe, &group_id) {
            Ok(coordinator) => coordinator.describe(vec![group_id.clone()]).await,
            Err(code) => Err(code),
        };
        let mut group = match found.map(|mut groups| groups.pop()) {
            Ok(Some(group)) => one(context, group),
            Ok(None) => refused(group_id.clone(), ErrorCode::GroupIdNotFound),
            Err(code) => refused(group_id.clone(), code),
        };
        if request.include_authorized_operations && group.error_code == 0 {
            group.authorized_operations =
                context.authorized_operations(ResourceKind::Group, &group_id);
        }
        described.push(group);
    }
    DescribeGroupsResponse {
        groups: described,
        ..Default::default()
    }
}

fn one(context: &RequestContext, group: message::DescribedGroup) -> DescribedGroup {
    let missing = group.error == ErrorCode::GroupIdNotFound;
    let shown = if missing && context.api_version < 6 {
        ErrorCode::None
    } else {
        group.error
    };
    DescribedGroup {
        error_code: shown.code(),
        error_message: (missing && context.api_version >= 6)
            .then(|| brief(format!("Group {} not found.", group.group_id))),
        group_id: group.group_id,
        group_state: group.state.name().to_owned(),
        protocol_type: group.protocol_type,
        protocol_data: group.protocol,
        members: group.members.into_iter().map(member).collect(),
        ..Default::default()
    }
}

fn member(member: message::DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember {
        member_id: member.member_id,
        group_instance_id: member.instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.metadata,
        member_assignment: member.assignment,
        ..Default::default()
    }
}

fn refused(group_id: String, code: ErrorCode) -> DescribedGroup {
    DescribedGroup {
        error_code: code.code(),
        group_id,
        ..Default::default()
    }
}
