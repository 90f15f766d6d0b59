//! ListGroups (key 16).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served |
//! | 3 | flexible |
//! | 4 | filter by state (KIP-518) |
//! | 5 | filter by type (KIP-848) |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::group::message::ListFilter;
use odeon_protocol::messages::list_groups_response::ListedGroup;
use odeon_protocol::messages::{ListGroupsRequest, ListGroupsResponse};

use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=5;

/// Lists the groups of the coordinators that run here.
pub async fn handle(context: &RequestContext, request: ListGroupsRequest) -> ListGroupsResponse {
    let filter = ListFilter {
        states: request.states_filter,
        types: request.types_filter,
    };
    let all = context.allows_cluster(Operation::Describe);
    let mut response = ListGroupsResponse::default();
    for (_, coordinator) in context.node().groups.all() {
        let listed = match coordinator.list(filter.clone()).await {
            Ok(listed) => listed,
            Err(code) => {
                response.error_code = code.code();
                continue;
            }
        };
        let seen = listed
            .into_iter()
            .filter(|group| all || context.allows_group(Operation::Describe, &group.group_id));
        response.groups.extend(seen.map(|group| ListedGroup {
            group_id: group.group_id,
            protocol_type: group.protocol_type,
            group_state: group.state.name().to_owned(),
            group_type: group.group_type.to_owned(),
            ..Default::default()
        }));
    }
    response
}
