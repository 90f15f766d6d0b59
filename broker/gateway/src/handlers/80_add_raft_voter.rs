//! AddRaftVoter (key 80).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served (KIP-853) |
//! | 1 | whether to answer before the change is committed (KIP-1186) |
//!
//! Any node takes it to the leader. Deviations: it is always answered once the change is committed;
//! the new voter's addresses are those with which it follows.

use std::ops::RangeInclusive;

use odeon_protocol::messages::{AddRaftVoterRequest, AddRaftVoterResponse};

use super::voters::{Voter, change};
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=1;

/// Gives a vote to a replica that follows.
pub async fn handle(
    context: &RequestContext,
    request: AddRaftVoterRequest,
) -> AddRaftVoterResponse {
    let voter = Voter {
        cluster_id: request.cluster_id,
        node_id: request.voter_id,
        directory_id: request.voter_directory_id,
        has_address: !request.listeners.is_empty(),
    };
    let (error_code, error_message) = change(context, voter, true).await;
    AddRaftVoterResponse {
        error_code,
        error_message,
        ..Default::default()
    }
}
