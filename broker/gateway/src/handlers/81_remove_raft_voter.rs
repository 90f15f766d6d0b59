//! RemoveRaftVoter (key 81).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the only one (KIP-853) |
//!
//! Any node takes it to the leader. Deviations: none known.

use std::ops::RangeInclusive;

use odeon_protocol::messages::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};

use super::voters::{Voter, change};
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=0;

/// Takes a replica's vote.
pub async fn handle(
    context: &RequestContext,
    request: RemoveRaftVoterRequest,
) -> RemoveRaftVoterResponse {
    let voter = Voter {
        cluster_id: request.cluster_id,
        node_id: request.voter_id,
        directory_id: request.voter_directory_id,
        has_address: true,
    };
    let (error_code, error_message) = change(context, voter, false).await;
    RemoveRaftVoterResponse {
        error_code,
        error_message,
        ..Default::default()
    }
}
