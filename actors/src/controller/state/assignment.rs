//! Replicas as a client assigned them, and the partitions that they make.

use std::collections::{BTreeMap, HashSet};

use odeon_metadata::{LeaderRecoveryState, MetadataImage, PartitionImage, directory};
use odeon_model::{ErrorCode, NodeId, PartitionId, Uuid};

use crate::controller::message::{NewTopic, Refusal};

/// The replicas of each partition as the client assigned them.
pub(super) fn manual(image: &MetadataImage, topic: &NewTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
    let counted = |what| {
        let message = format!("With assigned replicas, {what} must be -1.");
        Err(Refusal::new(ErrorCode::InvalidRequest, message))
    };
    if topic.replication_factor != -1 {
        return counted("replication factor");
    }
    if topic.num_partitions != -1 {
        return counted("numPartitions");
    }
    let invalid = |message: String| Refusal::new(ErrorCode::InvalidReplicaAssignment, message);
    let mut by_index: BTreeMap<PartitionId, &Vec<NodeId>> = BTreeMap::new();
    let mut factor = None;
    for (index, replicas) in &topic.assignments {
        if by_index.insert(*index, replicas).is_some() {
            return Err(invalid(format!(
                "Replicas are assigned twice to partition {index}"
            )));
        }
        check_assignment(image, replicas, factor)?;
        factor = Some(replicas.len());
    }
    if !by_index.keys().copied().eq((0..).take(by_index.len())) {
        return Err(invalid(
            "The assigned partitions must be numbered from 0 without a gap".into(),
        ));
    }
    Ok(by_index.into_values().cloned().collect())
}

pub(super) fn check_assignment(
    image: &MetadataImage,
    replicas: &[NodeId],
    factor: Option<usize>,
) -> Result<(), Refusal> {
    let invalid = |what: String| {
        let message = format!("The assignment names {what}");
        Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message))
    };
    if replicas.is_empty() {
        return invalid("no replica for a partition.".to_owned());
    }
    let mut seen = HashSet::new();
    for id in replicas {
        if image.broker(*id).is_none() {
            return invalid(format!("broker {id}, which is not registered."));
        }
        if !seen.insert(*id) {
            return invalid(format!("broker {id} twice for a partition."));
        }
    }
    match factor {
        Some(factor) if factor != replicas.len() => invalid(format!(
            "{} replica(s) for a partition, the others have {factor}.",
            replicas.len()
        )),
        _ => Ok(()),
    }
}

/// New partitions: the live replicas are in sync, the first of them leads.
pub(super) fn new_partitions(
    image: &MetadataImage,
    assignments: &[Vec<NodeId>],
) -> Result<Vec<PartitionImage>, Refusal> {
    let new = |(index, replicas): (usize, &Vec<NodeId>)| {
        let isr: Vec<NodeId> = replicas
            .iter()
            .copied()
            .filter(|id| image.is_active(*id))
            .collect();
        let Some(leader) = isr.first().copied() else {
            let message = format!("No broker that was assigned to partition {index} is live.");
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        };
        Ok(PartitionImage {
            replicas: replicas.clone(),
            directories: replicas
                .iter()
                .map(|id| default_directory(image, *id))
                .collect(),
            isr,
            leader,
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: 0,
            partition_epoch: 0,
            ..PartitionImage::default()
        })
    };
    assignments.iter().enumerate().map(new).collect()
}

/// A broker with one directory has no choice.
pub(super) fn default_directory(image: &MetadataImage, id: NodeId) -> Uuid {
    match image.broker(id).map(|broker| &broker.log_dirs[..]) {
        Some([only]) => *only,
        _ => directory::UNASSIGNED,
    }
}
