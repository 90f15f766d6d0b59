//! Replicas move to other brokers (KIP-455): new ones are added first, and when all of them are in
//! sync the old ones go. Kafka: `PartitionReassignmentReplicas`, `PartitionReassignmentRevert`.

use odeon_metadata::{MetadataImage, PartitionImage, TopicImage};
use odeon_model::{ErrorCode, NodeId, Uuid};

use super::assignment::{check_assignment, default_directory};
use super::partitions::Reach;
use super::{Decisions, Draft};
use crate::controller::message::{Reassignment, Refusal};

/// Who holds a partition, and who comes and goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// All replicas with their directories: those to be first, then those that will go.
    pub(super) replicas: Vec<(NodeId, Uuid)>,
    /// Those that must be in sync before any goes.
    pub(super) adding: Vec<NodeId>,
    /// Those that will go.
    pub(super) removing: Vec<NodeId>,
}

impl Assignment {
    /// As it is.
    pub(super) fn of(partition: &PartitionImage) -> Self {
        let ids = partition.replicas.iter().copied();
        Self {
            replicas: ids.zip(partition.directories.iter().copied()).collect(),
            adding: partition.adding_replicas.clone(),
            removing: partition.removing_replicas.clone(),
        }
    }

    /// On the way from what is to `target`.
    fn towards(image: &MetadataImage, partition: &PartitionImage, target: &[NodeId]) -> Self {
        let current = Self::of(partition);
        let directory = |id: NodeId| {
            let known = partition.directory(id);
            known.unwrap_or_else(|| default_directory(image, id))
        };
        let mut replicas: Vec<(NodeId, Uuid)> =
            target.iter().map(|id| (*id, directory(*id))).collect();
        let leaving = current
            .replicas
            .iter()
            .filter(|(id, _)| !target.contains(id));
        let leaving: Vec<(NodeId, Uuid)> = leaving.copied().collect();
        let removing = leaving.iter().map(|(id, _)| *id).collect();
        replicas.extend(leaving);
        let is_new = |id: &&NodeId| !partition.replicas.contains(id);
        let adding = target.iter().filter(is_new).copied();
        // What was on its way already still is.
        let awaited = |id: &&NodeId| partition.adding_replicas.contains(id);
        let still = target.iter().filter(awaited).copied();
        Self {
            replicas,
            adding: still.chain(adding).collect(),
            removing,
        }
    }

    /// The ids of the replicas.
    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.replicas.iter().map(|(id, _)| *id)
    }

    pub(super) fn contains(&self, id: NodeId) -> bool {
        self.ids().any(|replica| replica == id)
    }

    /// Ends the reassignment if `isr` allows it: everybody who was added is in sync, and somebody
    /// in sync stays.
    pub(super) fn complete(&mut self, isr: &mut Vec<NodeId>) {
        if self.adding.is_empty() && self.removing.is_empty() {
            return;
        }
        let stays = |id: &NodeId| !self.removing.contains(id);
        let is_ready = self.adding.iter().all(|id| isr.contains(id)) && isr.iter().any(stays);
        if is_ready {
            isr.retain(|id| !self.removing.contains(id));
            self.replicas.retain(|(id, _)| !self.removing.contains(id));
            self.adding.clear();
            self.removing.clear();
        }
    }
}

/// A reassignment taken back: who was added goes, at once.
struct Revert {
    assignment: Assignment,
    isr: Vec<NodeId>,
    /// Nobody in sync was there before: the first one that was leads, whatever it lacks.
    is_unclean: bool,
}

impl Revert {
    fn of(partition: &PartitionImage) -> Option<Self> {
        let was_there = |id: &NodeId| !partition.adding_replicas.contains(id);
        let mut assignment = Assignment::of(partition);
        assignment.replicas.retain(|(id, _)| was_there(id));
        assignment.adding.clear();
        assignment.removing.clear();
        let first = assignment.ids().next()?;
        let isr = partition.isr.iter().copied();
        let mut isr: Vec<NodeId> = isr.filter(was_there).collect();
        let is_unclean = isr.is_empty() && !partition.elr.iter().any(was_there);
        if is_unclean {
            isr.push(first);
        }
        Some(Self {
            assignment,
            isr,
            is_unclean,
        })
    }
}

impl Decisions {
    /// AlterPartitionReassignments: one outcome for each, in the order of the request.
    pub(in crate::controller) fn alter_reassignments(
        &self,
        draft: &mut Draft,
        requests: &[Reassignment],
        allow_replication_factor_change: bool,
    ) -> Vec<Result<(), Refusal>> {
        requests
            .iter()
            .map(|request| self.reassign(draft, request, allow_replication_factor_change))
            .collect()
    }

    fn reassign(
        &self,
        draft: &mut Draft,
        request: &Reassignment,
        allow_replication_factor_change: bool,
    ) -> Result<(), Refusal> {
        let image = &draft.image;
        let (name, index) = (&*request.topic, request.partition);
        let unknown = |message: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, message);
        let topic = image
            .topic(name)
            .ok_or_else(|| unknown(format!("There is no topic {name}.")))?;
        let current = topic
            .partition(index)
            .ok_or_else(|| unknown(format!("There is no partition {name}-{index}.")))?;
        let mut change = self.change_of(image, topic, index, current);
        match &request.replicas {
            Some(target) => {
                check_assignment(image, target, None)?;
                if !allow_replication_factor_change {
                    check_factor(current, target)?;
                }
                change.assignment = Assignment::towards(image, current, target);
            }
            None => {
                let revert = self.revert(image, topic, current)?;
                (change.assignment, change.target_isr) = (revert.assignment, revert.isr);
                if revert.is_unclean {
                    change.reach = Reach::Unclean;
                    change.recovery = Some(odeon_metadata::LeaderRecoveryState::Recovering);
                }
            }
        }
        if let Some(record) = change.build() {
            draft.push(record);
        }
        Ok(())
    }

    fn revert(
        &self,
        image: &MetadataImage,
        topic: &TopicImage,
        current: &PartitionImage,
    ) -> Result<Revert, Refusal> {
        if !current.is_reassigning() {
            return Err(ErrorCode::NoReassignmentInProgress.into());
        }
        let invalid = |message: &str| Refusal::new(ErrorCode::InvalidReplicaAssignment, message);
        let revert = Revert::of(current)
            .ok_or_else(|| invalid("No replica was there before the reassignment."))?;
        if revert.is_unclean && self.reach(image, &topic.name) != Reach::Unclean {
            return Err(invalid(
                "Nobody who was there before the reassignment is in sync: taking it back would \
                 require an unclean leader election.",
            ));
        }
        Ok(revert)
    }
}

/// Refuses another number of replicas than there will be anyway.
fn check_factor(current: &PartitionImage, target: &[NodeId]) -> Result<(), Refusal> {
    let replicas = current.replicas.iter();
    let stay = replicas.filter(|id| !current.removing_replicas.contains(id));
    let factor = stay.count();
    if target.len() == factor {
        return Ok(());
    }
    let message = format!(
        "The replication factor is {factor}, and {} replica(s) are named; a change of it is not \
         allowed by the request.",
        target.len()
    );
    Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message))
}
