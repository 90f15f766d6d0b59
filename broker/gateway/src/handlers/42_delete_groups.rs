//! DeleteGroups (key 42).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served |
//! | 2 | flexible |
//! | 3 | error messages (KIP-1043) |
//!
//! Deviations: none known.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use odeon_model::ErrorCode;
use odeon_protocol::messages::delete_groups_response::DeletableGroupResult;
use odeon_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::groups;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=3;

/// Forgets groups that have no members.
pub async fn handle(
    context: &RequestContext,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    let mut seen = HashSet::new();
    for group_id in request.groups_names {
        // A group that is named twice is answered once.
        if !seen.insert(group_id.clone()) {
            continue;
        }
        let code = match groups::coordinator(context, Operation::Delete, &group_id) {
            Ok(coordinator) => match coordinator.delete(vec![group_id.clone()]).await {
                Ok(deleted) => deleted
                    .first()
                    .map_or(ErrorCode::GroupIdNotFound, |(_, code)| *code),
                Err(code) => code,
            },
            Err(code) => code,
        };
        results.push(DeletableGroupResult {
            group_id,
            error_code: code.code(),
            error_message: code.is_error().then(|| code.message().to_owned()),
            ..Default::default()
        });
    }
    DeleteGroupsResponse {
        results,
        ..Default::default()
    }
}
