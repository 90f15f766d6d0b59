//! A leader whose process is proved to be over: its lease protects nobody any more, and nobody
//! waits for the end of it.
//!
//! The other voters stand for election one after the other, in the order of their ids, so that they
//! do not split the votes. It is the election of a lead that was handed over, by the one that can
//! no longer do it.

use std::time::Duration;

use openraft::raft::TransferLeaderRequest;

use super::Quorum;
use crate::types::ReplicaId;

/// How long each voter has, to be elected and heard of, before the next one stands: at first, and
/// twice as long in each round, because votes are synced to disks that may be busy.
const TURN: Duration = Duration::from_millis(150);
/// How often each stands; after that the election time-outs decide.
const ROUNDS: u32 = 3;

impl Quorum {
    /// Tells that the process of a node is proved to be over. If it led the quorum as far as this
    /// replica knows, this one stands for election as soon as it is its turn, unless another is
    /// elected first. Returns when there is a leader, or it has been tried enough. Cancel safe.
    pub async fn node_died(&self, node_id: i32) {
        let own = self.shared.parts.own;
        let metrics = self.shared.members.metrics();
        let leader = metrics.current_leader.map(|leader| leader.node_id);
        let voters = metrics.membership_config.voter_ids();
        let Some((turn, turns)) = turn(voters, own, node_id).filter(|_| leader == Some(node_id))
        else {
            return;
        };
        let clock = &self.shared.parts.clock;
        for round in 0..ROUNDS {
            let each = TURN * (1 << round);
            clock.sleep(each * turn).await;
            let metrics = self.shared.members.metrics();
            let leader = metrics.current_leader.map(|leader| leader.node_id);
            if leader.is_some_and(|leader| leader != node_id) {
                return;
            }
            tracing::info!(dead = node_id, "stands for election, the leader is gone");
            let request = TransferLeaderRequest::new(metrics.vote, own, None);
            let raft = &self.shared.parts.raft;
            if raft.handle_transfer_leader(request).await.is_err() {
                return;
            }
            clock.sleep(each * (turns - turn)).await;
        }
    }
}

/// How many voters stand before this one, and how many there are without the dead node; `None`
/// without a vote.
fn turn(voters: impl Iterator<Item = ReplicaId>, own: ReplicaId, dead: i32) -> Option<(u32, u32)> {
    let mut living: Vec<ReplicaId> = voters.filter(|voter| voter.node_id != dead).collect();
    living.sort_unstable();
    let before = living.iter().position(|voter| *voter == own)?;
    Some((
        u32::try_from(before).ok()?,
        u32::try_from(living.len()).ok()?,
    ))
}
