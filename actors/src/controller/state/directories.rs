//! In which log directories replicas are (KIP-858).

use odeon_schema::metadata::PartitionChangeRecord;

use super::elections::BrokerChange;
use super::partitions::SAME_LEADER;
use super::{Decisions, Draft};
use crate::controller::message::{AssignDirectories, Refusal};

impl Decisions {
    /// AssignReplicasToDirs. What the broker does not hold any more is left out.
    /// Kafka: `ReplicationControlManager.handleAssignReplicasToDirs`.
    pub(in crate::controller) fn assign_directories(
        &self,
        draft: &mut Draft,
        request: &AssignDirectories,
    ) -> Result<(), Refusal> {
        let id = request.broker_id;
        self.check_broker_epoch(&draft.image, id, request.broker_epoch)?;
        let mut failed = Vec::new();
        for (topic_id, partition_id, directory) in request.replicas.iter().copied() {
            let Some(current) = draft.image.partition_by_id(topic_id, partition_id) else {
                continue;
            };
            if current.directory(id).is_none_or(|known| known == directory) {
                continue;
            }
            let held = current.replicas.iter().zip(&current.directories);
            let directories = held.map(|(replica, known)| match *replica == id {
                true => directory,
                false => *known,
            });
            let change = PartitionChangeRecord {
                topic_id,
                partition_id,
                leader: SAME_LEADER,
                directories: Some(directories.collect()),
                ..Default::default()
            };
            draft.push(change);
            let broker = draft.image.broker(id);
            if broker.is_some_and(|broker| !broker.log_dirs.contains(&directory)) {
                failed.push(directory);
            }
        }
        if !failed.is_empty() {
            // It failed before its broker could say what was in it.
            self.follow_broker(draft, BrokerChange::LosesDirectories(id, &failed));
        }
        Ok(())
    }
}
