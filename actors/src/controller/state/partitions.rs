//! A partition's next leader, ISR and eligible replicas. Kafka: `PartitionChangeBuilder`.
//!
//! With eligible leader replicas (KIP-966), a replica that leaves an ISR which is, or falls, below
//! `min.insync.replicas` still holds all that was committed: the high watermark does not move
//! while the ISR is that small. Such replicas may lead when the ISR has nobody left. Without them,
//! the last member of an ISR never leaves it.

use odeon_metadata::{LeaderRecoveryState, NO_LEADER, PartitionImage};
use odeon_model::{NodeId, PartitionId, TopicId};
use odeon_schema::metadata::PartitionChangeRecord;

use super::reassignments::Assignment;

/// In a change record: the leader stays.
pub(super) const SAME_LEADER: NodeId = -2;

/// How far an election may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To the first replica, if it holds everything; the present leader stays otherwise.
    Preferred,
    /// To any replica that holds everything.
    Online,
    /// To any live replica.
    Unclean,
}

/// A change in the making.
#[derive(Debug)]
pub(super) struct PartitionChange<'a, F> {
    pub(super) current: &'a PartitionImage,
    pub(super) topic_id: TopicId,
    pub(super) partition: PartitionId,
    /// Who shall hold it.
    pub(super) assignment: Assignment,
    /// The ISR to come to.
    pub(super) target_isr: Vec<NodeId>,
    pub(super) reach: Reach,
    /// Whether a broker may lead now.
    pub(super) may_lead: F,
    /// `min.insync.replicas`, with eligible leader replicas switched on.
    pub(super) elr_min_isr: Option<usize>,
    /// Replicas that lost what they had: no longer eligible.
    pub(super) lost: &'a [NodeId],
    /// The leader says that it has recovered, or still recovers.
    pub(super) recovery: Option<LeaderRecoveryState>,
}

struct Eligible {
    elr: Vec<NodeId>,
    last_known: Vec<NodeId>,
}

impl<F: Fn(NodeId) -> bool> PartitionChange<'_, F> {
    /// The record of the change, or `None` if nothing changes.
    pub(super) fn build(mut self) -> Option<PartitionChangeRecord> {
        let current = self.current;
        self.assignment.complete(&mut self.target_isr);
        let mut eligible = self.eligible();
        let mut isr = self.target_isr.clone();
        let mut recovery = self.recovery.unwrap_or(current.leader_recovery_state);
        let (leader, is_unclean) = self.elect(&eligible.elr);
        let mut change = PartitionChangeRecord {
            topic_id: self.topic_id,
            partition_id: self.partition,
            leader: SAME_LEADER,
            ..Default::default()
        };
        if leader != current.leader {
            change.leader = leader;
            if is_unclean {
                recovery = LeaderRecoveryState::Recovering;
            }
            if leader != NO_LEADER && !isr.contains(&leader) {
                // Elected from outside the ISR, which holds nobody that lives: it starts anew.
                isr = vec![leader];
                eligible.elr.retain(|replica| *replica != leader);
                if is_unclean {
                    eligible.elr.clear();
                }
                self.assignment.complete(&mut isr);
                let assignment = &self.assignment;
                eligible.elr.retain(|replica| assignment.contains(*replica));
            }
        }
        let replicas: Vec<NodeId> = self.assignment.ids().collect();
        let stays = |id: &NodeId| replicas.contains(id);
        if change.leader == SAME_LEADER && !current.replicas.iter().all(stays) {
            // A replica that goes must not be counted by a leader that does not know yet.
            change.leader = leader;
        }
        if leader != NO_LEADER {
            eligible.last_known.clear();
        } else if isr.is_empty() && current.leader != NO_LEADER {
            eligible.last_known = vec![current.leader];
        }
        if (self.elr_min_isr.is_some() || !isr.is_empty()) && isr != current.isr {
            change.isr = Some(isr);
        }
        if eligible.elr != current.elr {
            change.eligible_leader_replicas = Some(eligible.elr);
        }
        if eligible.last_known != current.last_known_elr {
            change.last_known_elr = Some(eligible.last_known);
        }
        self.assign(&mut change, replicas);
        if recovery != current.leader_recovery_state {
            change.leader_recovery_state = recovery.code();
        }
        let unchanged = PartitionChangeRecord {
            topic_id: self.topic_id,
            partition_id: self.partition,
            ..Default::default()
        };
        (change != unchanged).then_some(change)
    }

    fn assign(&self, change: &mut PartitionChangeRecord, replicas: Vec<NodeId>) {
        let (current, target) = (self.current, &self.assignment);
        if replicas != current.replicas {
            let directories = target.replicas.iter().map(|(_, directory)| *directory);
            change.directories = Some(directories.collect());
            change.replicas = Some(replicas);
        }
        if target.adding != current.adding_replicas {
            change.adding_replicas = Some(target.adding.clone());
        }
        if target.removing != current.removing_replicas {
            change.removing_replicas = Some(target.removing.clone());
        }
    }

    /// The eligible replicas outside the target ISR.
    fn eligible(&self) -> Eligible {
        let current = self.current;
        let kept = Eligible {
            elr: Vec::new(),
            last_known: current.last_known_elr.clone(),
        };
        let Some(min_isr) = self.elr_min_isr else {
            return kept;
        };
        if self.target_isr.len() >= min_isr.min(self.assignment.replicas.len()) {
            return kept;
        }
        let mut elr: Vec<NodeId> = Vec::new();
        for replica in current.elr.iter().chain(&current.isr) {
            let is_out = self.target_isr.contains(replica) || self.lost.contains(replica);
            if !is_out && !elr.contains(replica) && self.assignment.contains(*replica) {
                elr.push(*replica);
            }
        }
        Eligible { elr, ..kept }
    }

    /// The leader to be, and whether it may lack records.
    fn elect(&self, elr: &[NodeId]) -> (NodeId, bool) {
        let current = self.current;
        let isr = match (self.target_isr.is_empty(), self.elr_min_isr) {
            // The ISR will stay as it is.
            (true, None) => &current.isr,
            _ => &self.target_isr,
        };
        let holds_all = |id: NodeId| isr.contains(&id) || elr.contains(&id);
        let is_replica = |id: NodeId| self.assignment.contains(id);
        let valid = |id: NodeId| holds_all(id) && is_replica(id) && (self.may_lead)(id);
        if self.reach == Reach::Preferred
            && let Some(preferred) = self.assignment.ids().next().filter(|id| valid(*id))
        {
            return (preferred, false);
        }
        if current.leader != NO_LEADER && valid(current.leader) {
            return (current.leader, false);
        }
        let in_order = || self.assignment.ids();
        let online = in_order()
            .find(|id| isr.contains(id) && (self.may_lead)(*id))
            .or_else(|| in_order().find(|id| valid(*id)));
        if let Some(leader) = online {
            return (leader, false);
        }
        if self.elr_min_isr.is_some()
            && isr.is_empty()
            && elr.is_empty()
            && let [last] = current.last_known_elr[..]
            && is_replica(last)
            && (self.may_lead)(last)
        {
            // Nobody is known to hold everything; the last leader is the best guess there is.
            return (last, true);
        }
        if self.reach == Reach::Unclean
            && let Some(leader) = in_order().find(|id| (self.may_lead)(*id))
        {
            return (leader, true);
        }
        (NO_LEADER, false)
    }
}
