//! What changes of the voters have in common.

use odeon_actors::node::{MemberError, ReplicaId};
use odeon_model::{ErrorCode, NodeId, Uuid};

use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::response::brief;

/// A voter as a request names it.
pub(super) struct Voter {
    /// The cluster that the client means; `None` for whichever this is.
    pub(super) cluster_id: Option<String>,
    pub(super) node_id: NodeId,
    pub(super) directory_id: Uuid,
    pub(super) has_address: bool,
}

/// Adds or removes a voter; the error code and its message.
pub(super) async fn change(
    context: &RequestContext,
    voter: Voter,
    adds: bool,
) -> (i16, Option<String>) {
    let node = context.node();
    let (code, message) = if !context.allows_cluster(Operation::Alter) {
        (ErrorCode::ClusterAuthorizationFailed, None)
    } else if voter.cluster_id.is_some_and(|id| id != *node.cluster_id) {
        (ErrorCode::InconsistentClusterId, None)
    } else if voter.node_id < 0 || voter.directory_id.is_zero() {
        let message = "The request names no valid voter".to_owned();
        (ErrorCode::InvalidRequest, Some(message))
    } else if !voter.has_address {
        let message = "The request names no address of the voter".to_owned();
        (ErrorCode::InvalidRequest, Some(message))
    } else {
        let replica = ReplicaId {
            node_id: voter.node_id,
            directory_id: voter.directory_id,
        };
        let outcome = match adds {
            true => node.quorum.add_voter(replica).await,
            false => node.quorum.remove_voter(replica).await,
        };
        match outcome {
            Ok(()) => return (0, None),
            Err(error) => (code_of(&error), Some(error.to_string())),
        }
    };
    let message = message.unwrap_or_else(|| code.message().to_owned());
    (code.code(), Some(brief(message)))
}

fn code_of(error: &MemberError) -> ErrorCode {
    match error {
        MemberError::NoLeader { .. } => ErrorCode::NotLeaderOrFollower,
        MemberError::NotNow(_) => ErrorCode::RequestTimedOut,
        MemberError::DuplicateVoter(_) => ErrorCode::DuplicateVoter,
        MemberError::VoterNotFound(_) => ErrorCode::VoterNotFound,
        _ => ErrorCode::InvalidRequest,
    }
}
