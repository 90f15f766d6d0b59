//! Who leads: when a leader asks for another ISR, when somebody asks for an election, when brokers
//! come and go.

use std::sync::Arc;

use odeon_kernel::sim::{Bug, is_planted};
use odeon_metadata::{ELIGIBLE_LEADER_REPLICAS_FEATURE, directory};
use odeon_metadata::{LeaderRecoveryState, MetadataImage, NO_LEADER, PartitionImage, TopicImage};
use odeon_model::{ErrorCode, NodeId, PartitionId, Uuid};
use odeon_schema::metadata::PartitionChangeRecord;

use super::partitions::{PartitionChange, Reach, SAME_LEADER};
use super::reassignments::Assignment;
use super::{Decisions, Draft};
use crate::controller::message::{
    AlterPartition, AlteredPartition, Election, ElectionResult, PartitionAlteration, Refusal,
};

/// What happened to a broker.
#[derive(Debug, Clone, Copy)]
pub(super) enum BrokerChange<'a> {
    /// It leads nothing and leaves every ISR that has others.
    Leaves {
        /// The broker.
        id: NodeId,
        /// What it may have lost.
        loss: Loss<'a>,
    },
    /// It may lead from now on.
    Joins(NodeId),
    /// Some of its directories failed.
    LosesDirectories(NodeId, &'a [Uuid]),
}

/// What a broker that left may have lost of the partitions it holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Loss<'a> {
    /// What was not synced: its process ended without closing the logs.
    pub(super) unsynced: bool,
    /// All but what is in these directories.
    pub(super) all_but: Option<&'a [Uuid]>,
}

impl Decisions {
    /// AlterPartition. Kafka: `ReplicationControlManager.alterPartition`.
    pub(in crate::controller) fn alter_partition(
        &self,
        draft: &mut Draft,
        request: &AlterPartition,
    ) -> Result<Vec<Result<AlteredPartition, ErrorCode>>, Refusal> {
        self.check_broker_epoch(&draft.image, request.broker_id, request.broker_epoch)?;
        Ok(request
            .partitions
            .iter()
            .map(|alteration| self.alter_one(draft, request.broker_id, alteration))
            .collect())
    }

    fn alter_one(
        &self,
        draft: &mut Draft,
        leader: NodeId,
        alteration: &PartitionAlteration,
    ) -> Result<AlteredPartition, ErrorCode> {
        let image = &draft.image;
        let topic = image
            .topic_by_id(alteration.topic_id)
            .ok_or(ErrorCode::UnknownTopicId)?;
        let current = topic
            .partition(alteration.partition)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        check_alteration(image, current, leader, alteration)?;
        let recovery = if alteration.recovering {
            LeaderRecoveryState::Recovering
        } else {
            LeaderRecoveryState::Recovered
        };
        let change = PartitionChange {
            target_isr: alteration.new_isr.iter().map(|(id, _)| *id).collect(),
            recovery: Some(recovery),
            lost: &alteration.lost,
            ..self.change_of(image, topic, alteration.partition, current)
        };
        let epoch = current.leader_epoch;
        // Where nothing changes, the partition's epoch does: earlier alterations of this leader, which
        // may still be on their way, come too late.
        let mut record = change.build().unwrap_or_else(|| unchanged(alteration));
        if alteration.resigns && alteration.new_isr.iter().any(|(id, _)| *id == leader) {
            record.leader = leader;
        }
        draft.push(record);
        let after = draft
            .image
            .partition_by_id(alteration.topic_id, alteration.partition)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if after.leader_epoch != epoch {
            // It gave way, was about to stop and asked out of its own ISR, or completed a reassignment.
            return Err(ErrorCode::NewLeaderElected);
        }
        Ok(AlteredPartition {
            leader_id: after.leader,
            leader_epoch: after.leader_epoch,
            isr: after.isr.clone(),
            partition_epoch: after.partition_epoch,
            recovering: after.leader_recovery_state == LeaderRecoveryState::Recovering,
        })
    }

    /// ElectLeaders. `None` means all partitions; then those that need no election are left out.
    pub(in crate::controller) fn elect_leaders(
        &self,
        draft: &mut Draft,
        election: Election,
        partitions: Option<Vec<(String, PartitionId)>>,
    ) -> Vec<ElectionResult> {
        let all = partitions.is_none();
        let wanted = partitions.unwrap_or_else(|| {
            let topics = draft.image.topics();
            topics
                .flat_map(|topic| {
                    topic
                        .partitions
                        .keys()
                        .map(|p| (topic.name.to_string(), *p))
                })
                .collect()
        });
        let mut results = Vec::with_capacity(if all { 0 } else { wanted.len() });
        for (topic, partition) in wanted {
            let outcome = self.elect_one(draft, election, &topic, partition);
            let (error, message) = match outcome {
                Ok(()) => (ErrorCode::None, None),
                Err(refusal) => (refusal.code, refusal.message),
            };
            if !all || error != ErrorCode::ElectionNotNeeded {
                results.push(ElectionResult {
                    topic,
                    partition,
                    error,
                    message,
                });
            }
        }
        results
    }

    fn elect_one(
        &self,
        draft: &mut Draft,
        election: Election,
        name: &str,
        partition: PartitionId,
    ) -> Result<(), Refusal> {
        let image = &draft.image;
        let unknown = |what: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, what);
        let topic = image
            .topic(name)
            .ok_or_else(|| unknown(format!("There is no topic {name}")))?;
        let current = topic
            .partition(partition)
            .ok_or_else(|| unknown(format!("There is no partition {name}-{partition}")))?;
        let is_done = match election {
            Election::Preferred => current.preferred_leader() == Some(current.leader),
            Election::Unclean => current.has_leader(),
        };
        if is_done {
            return Err(ErrorCode::ElectionNotNeeded.into());
        }
        let reach = match election {
            Election::Preferred => Reach::Preferred,
            Election::Unclean => Reach::Unclean,
        };
        let record = self.change_for(image, topic, partition, current, reach);
        match (election, record) {
            (Election::Preferred, Some(record))
                if Some(record.leader) == current.preferred_leader() =>
            {
                draft.push(record);
                Ok(())
            }
            (Election::Unclean, Some(record)) if record.leader >= 0 => {
                draft.push(record);
                Ok(())
            }
            (Election::Preferred, _) => Err(ErrorCode::PreferredLeaderNotAvailable.into()),
            (Election::Unclean, _) => Err(ErrorCode::EligibleLeadersNotAvailable.into()),
        }
    }

    fn change_for(
        &self,
        image: &MetadataImage,
        topic: &TopicImage,
        partition: PartitionId,
        current: &PartitionImage,
        reach: Reach,
    ) -> Option<PartitionChangeRecord> {
        let change = self.change_of(image, topic, partition, current);
        PartitionChange { reach, ..change }.build()
    }

    /// The change that changes nothing yet.
    pub(super) fn change_of<'a>(
        &self,
        image: &'a MetadataImage,
        topic: &TopicImage,
        partition: PartitionId,
        current: &'a PartitionImage,
    ) -> PartitionChange<'a, impl Fn(NodeId) -> bool + use<'a>> {
        PartitionChange {
            current,
            topic_id: topic.id,
            partition,
            assignment: Assignment::of(current),
            target_isr: current.isr.clone(),
            reach: self.reach(image, &topic.name),
            may_lead: |id| image.is_active(id),
            elr_min_isr: self.elr_min_isr(image, &topic.name),
            lost: &[],
            recovery: None,
        }
    }

    /// Finds leaders and ISRs after a broker came or went. The draft's image must already show the
    /// broker's new registration.
    pub(super) fn follow_broker(&self, draft: &mut Draft, change: BrokerChange<'_>) {
        let image = draft.image.clone();
        for topic in image.topics() {
            let mut records = Vec::new();
            for (index, current) in &topic.partitions {
                records.extend(self.follow_one(&image, topic, *index, current, change));
            }
            records.into_iter().for_each(|record| draft.push(record));
        }
    }

    fn follow_one(
        &self,
        image: &MetadataImage,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
        current: &PartitionImage,
        change: BrokerChange<'_>,
    ) -> Option<PartitionChangeRecord> {
        let (removed, loss) = match change {
            BrokerChange::Joins(id) => {
                let waits = !current.has_leader() && current.replicas.contains(&id);
                return waits.then(|| {
                    let reach = self.reach(image, &topic.name);
                    self.change_for(image, topic, partition, current, reach)
                })?;
            }
            BrokerChange::Leaves { id, loss } => (id, loss),
            BrokerChange::LosesDirectories(id, lost) => {
                let directory = current.directory(id)?;
                if !lost.contains(&directory) {
                    return None;
                }
                (id, Loss::default())
            }
        };
        let is_lost = self.is_lost(image, &topic.name, current.directory(removed), loss);
        let concerned = current.isr.contains(&removed)
            || current.leader == removed
            || is_lost && current.elr.contains(&removed);
        if !concerned {
            return None;
        }
        let lost = [removed];
        PartitionChange {
            current,
            topic_id: topic.id,
            partition,
            assignment: Assignment::of(current),
            target_isr: current
                .isr
                .iter()
                .copied()
                .filter(|id| *id != removed)
                .collect(),
            reach: self.reach(image, &topic.name),
            may_lead: |id| id != removed && image.is_active(id),
            elr_min_isr: self.elr_min_isr(image, &topic.name),
            lost: if is_lost { &lost } else { &[] },
            recovery: None,
        }
        .build()
    }

    /// Whether a broker may lack what it had acknowledged of a topic. What was acknowledged is on
    /// disk, unless the topic settles for the page cache.
    fn is_lost(
        &self,
        image: &MetadataImage,
        topic: &str,
        held_in: Option<Uuid>,
        loss: Loss<'_>,
    ) -> bool {
        let known = held_in.filter(|id| ![directory::UNASSIGNED, directory::LOST].contains(id));
        let is_gone = |kept: &[Uuid]| match known {
            Some(id) => !kept.contains(&id),
            None => kept.is_empty(),
        };
        let settles_for_memory = || {
            let value = self.topic_value(image, topic, "odeon.acks.durability");
            value.is_some_and(|value| value.to_string() == "page-cache")
        };
        loss.all_but.is_some_and(is_gone) || loss.unsynced && settles_for_memory()
    }

    /// Whether a topic's own settings let any replica lead.
    pub(super) fn reach(&self, image: &MetadataImage, topic: &str) -> Reach {
        let unclean = self.topic_value(image, topic, "unclean.leader.election.enable");
        match unclean.and_then(|value| value.as_bool()) {
            Some(true) => Reach::Unclean,
            _ => Reach::Online,
        }
    }

    fn elr_min_isr(&self, image: &MetadataImage, topic: &str) -> Option<usize> {
        if image.feature(ELIGIBLE_LEADER_REPLICAS_FEATURE) < 1 {
            return None;
        }
        let min = self.topic_value(image, topic, "min.insync.replicas");
        Some(
            min.and_then(|v| v.as_i64())
                .and_then(|v| usize::try_from(v).ok())
                .unwrap_or(1),
        )
    }
}

/// The record of no change of a partition.
fn unchanged(alteration: &PartitionAlteration) -> PartitionChangeRecord {
    PartitionChangeRecord {
        topic_id: alteration.topic_id,
        partition_id: alteration.partition,
        leader: SAME_LEADER,
        ..Default::default()
    }
}

/// Refuses an alteration that starts from something else than what is, or asks for what cannot be.
fn check_alteration(
    image: &MetadataImage,
    current: &PartitionImage,
    leader: NodeId,
    alteration: &PartitionAlteration,
) -> Result<(), ErrorCode> {
    if is_planted(Bug::UncheckedEpochs) {
        return Ok(());
    }
    if alteration.leader_epoch > current.leader_epoch
        || alteration.partition_epoch > current.partition_epoch
    {
        // The leader knows more than this controller: it is not the active one any more.
        return Err(ErrorCode::NotController);
    }
    if alteration.leader_epoch < current.leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if leader != current.leader {
        return Err(ErrorCode::InvalidRequest);
    }
    if alteration.partition_epoch < current.partition_epoch {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    let isr = &alteration.new_isr;
    let is_set = isr
        .iter()
        .enumerate()
        .all(|(n, (id, _))| !isr[..n].iter().any(|(i, _)| i == id));
    let gives_way = alteration.resigns || alteration.lost.contains(&leader);
    let resigns = gives_way && !isr.is_empty();
    let has_leader = leader == NO_LEADER || resigns || isr.iter().any(|(id, _)| *id == leader);
    let in_replicas = isr.iter().all(|(id, _)| current.replicas.contains(id));
    if !is_set || !has_leader || !in_replicas {
        return Err(ErrorCode::InvalidRequest);
    }
    if alteration.recovering && isr.len() > 1 {
        return Err(ErrorCode::InvalidRequest);
    }
    let was_recovering = current.leader_recovery_state == LeaderRecoveryState::Recovering;
    if alteration.recovering && !was_recovering {
        return Err(ErrorCode::InvalidRequest);
    }
    let ineligible = |(id, epoch): &(NodeId, i64)| {
        let Some(broker) = image.broker(*id) else {
            return true;
        };
        // Who is in the ISR already may stay until it is taken out.
        let joins = !current.isr.contains(id);
        joins && !broker.is_active() || *epoch != -1 && *epoch != broker.epoch
    };
    if isr.iter().any(ineligible) {
        return Err(ErrorCode::IneligibleReplica);
    }
    Ok(())
}
