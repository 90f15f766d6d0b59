//! Who votes, who leads: what others may ask of a replica besides its log.

use std::time::Duration;

use odeon_kernel::clock::timeout;

use super::{Quorum, ReadError};
use crate::members::MemberError;
use crate::network::{Answer, Question};
use crate::role::QuorumStatus;
use crate::types::ReplicaId;

/// How long a leader that stops waits for another to take over.
const HAND_OVER: Duration = Duration::from_secs(1);

impl Quorum {
    /// How far every replica is, as the leader knows it.
    ///
    /// # Errors
    /// [`MemberError::NoLeader`].
    pub async fn describe(&self) -> Result<QuorumStatus, MemberError> {
        match self.shared.members.ask(Question::Describe).await {
            Answer::Status(status) => Ok(status),
            Answer::No(error) => Err(error),
            Answer::Done => Err(MemberError::NoLeader { leader: None }),
        }
    }

    /// Gives a vote to a replica that follows and has caught up. Any node may ask for it.
    ///
    /// # Errors
    /// See [`MemberError`].
    pub async fn add_voter(&self, replica: ReplicaId) -> Result<(), MemberError> {
        self.change(Question::AddVoter { replica }).await
    }

    /// Takes a replica's vote; it goes on as an observer. Any node may ask for it.
    ///
    /// # Errors
    /// See [`MemberError`]. The last voter stays.
    pub async fn remove_voter(&self, replica: ReplicaId) -> Result<(), MemberError> {
        self.change(Question::RemoveVoter { replica }).await
    }

    async fn change(&self, question: Question) -> Result<(), MemberError> {
        match self.shared.members.ask(question).await {
            Answer::No(error) => Err(error),
            Answer::Done | Answer::Status(_) => Ok(()),
        }
    }

    /// Offers the lead to another voter, so that a planned stop costs no election time-out.
    /// Returns at once; watch [`Quorum::role`].
    ///
    /// # Errors
    /// When the replica has ended.
    pub async fn transfer_leader(&self, to: ReplicaId) -> Result<(), ReadError> {
        self.shared
            .parts
            .raft
            .trigger()
            .transfer_leader(to)
            .await
            .map_err(|_| ReadError::Stopped)
    }

    /// Offers the lead, if this node has it, to the voter that is furthest, and waits a little for it
    /// to be taken. Cancel safe.
    pub async fn resign(&self) {
        let own = self.shared.parts.own;
        if !self.shared.role.borrow().ready {
            return;
        }
        let status = self.status();
        let others = status
            .voters
            .iter()
            .filter(|voter| (voter.node_id, voter.directory_id) != (own.node_id, own.directory_id));
        let Some(heir) = others.max_by_key(|voter| voter.log_end_offset) else {
            return;
        };
        let heir = ReplicaId {
            node_id: heir.node_id,
            directory_id: heir.directory_id,
        };
        if self.transfer_leader(heir).await.is_err() {
            return;
        }
        let mut role = self.role();
        let taken = role.wait_for(|role| !role.ready && role.leader.is_some());
        let clock = &self.shared.parts.clock;
        if timeout(&**clock, HAND_OVER, taken).await.is_err() {
            tracing::warn!(%heir, "the lead of the quorum was not taken over");
        }
    }
}
