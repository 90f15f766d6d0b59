//! A partition: who holds it, who leads it, and the epochs that fence the rest.

use odeon_model::{LeaderEpoch, NodeId, PartitionId, TopicId, Uuid};
use odeon_schema::metadata::{PartitionChangeRecord, PartitionRecord};

/// The leader of a partition that has none.
pub const NO_LEADER: NodeId = -1;
/// In a change record: the leader stays.
const SAME_LEADER: NodeId = -2;

/// Directory ids with a meaning of their own. Kafka: `DirectoryId`.
pub mod directory {
    use odeon_model::Uuid;

    /// The broker picks the directory.
    pub const UNASSIGNED: Uuid = Uuid::ZERO;
    /// A directory that failed; which one is not known.
    pub const LOST: Uuid = Uuid::ONE;
}

/// Whether the leader may hold less than was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i8)]
pub enum LeaderRecoveryState {
    /// The leader came out of the ISR, or has recovered.
    #[default]
    Recovered = 0,
    /// An unclean election made it leader, and it has not recovered yet.
    Recovering = 1,
}

impl LeaderRecoveryState {
    /// The state for Kafka's number; -1 (no change) and unknown ones give `None`.
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Recovered),
            1 => Some(Self::Recovering),
            _ => None,
        }
    }

    /// Kafka's number.
    pub fn code(self) -> i8 {
        self as i8
    }
}

/// A partition. Kafka: `PartitionRegistration`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionImage {
    /// The replicas, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// The log directory of each replica, in the same order.
    pub directories: Vec<Uuid>,
    /// The in-sync replicas.
    pub isr: Vec<NodeId>,
    /// Replicas that a reassignment will take away.
    pub removing_replicas: Vec<NodeId>,
    /// Replicas that a reassignment brings.
    pub adding_replicas: Vec<NodeId>,
    /// Replicas outside the ISR that are known to hold all that was committed.
    pub elr: Vec<NodeId>,
    /// The last replicas that were in the ISR or eligible, when none is left.
    pub last_known_elr: Vec<NodeId>,
    /// The leader, or [`NO_LEADER`].
    pub leader: NodeId,
    /// Whether the leader still recovers from an unclean election.
    pub leader_recovery_state: LeaderRecoveryState,
    /// Counts the leaders.
    pub leader_epoch: LeaderEpoch,
    /// Counts the changes of this partition.
    pub partition_epoch: i32,
}

impl PartitionImage {
    /// Whether it has a leader.
    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    /// The replica that should lead when it can.
    pub fn preferred_leader(&self) -> Option<NodeId> {
        self.replicas.first().copied()
    }

    /// Whether a reassignment is under way.
    pub fn is_reassigning(&self) -> bool {
        !self.removing_replicas.is_empty() || !self.adding_replicas.is_empty()
    }

    /// The log directory of a replica; `None` if the broker is no replica.
    pub fn directory(&self, broker: NodeId) -> Option<Uuid> {
        let index = self
            .replicas
            .iter()
            .position(|replica| *replica == broker)?;
        self.directories.get(index).copied()
    }

    /// The partition that a record creates.
    pub fn from_record(record: &PartitionRecord) -> Self {
        let mut directories = record.directories.clone();
        directories.resize(record.replicas.len(), directory::UNASSIGNED);
        Self {
            replicas: record.replicas.clone(),
            directories,
            isr: record.isr.clone(),
            removing_replicas: record.removing_replicas.clone(),
            adding_replicas: record.adding_replicas.clone(),
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: record.leader,
            leader_recovery_state: LeaderRecoveryState::from_code(record.leader_recovery_state)
                .unwrap_or_default(),
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        }
    }

    /// The record that creates this partition.
    pub fn to_record(&self, topic_id: TopicId, partition_id: PartitionId) -> PartitionRecord {
        let unless_empty = |ids: &Vec<NodeId>| (!ids.is_empty()).then(|| ids.clone());
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing_replicas.clone(),
            adding_replicas: self.adding_replicas.clone(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state.code(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            eligible_leader_replicas: unless_empty(&self.elr),
            last_known_elr: unless_empty(&self.last_known_elr),
            ..Default::default()
        }
    }

    /// This partition after a change. Naming a leader raises the leader epoch, even when it is the
    /// same one; every change raises the partition epoch.
    pub fn merge(&self, change: &PartitionChangeRecord) -> Self {
        let mut next = self.clone();
        if let Some(replicas) = &change.replicas {
            next.directories = replicas
                .iter()
                .map(|replica| self.directory(*replica).unwrap_or(directory::UNASSIGNED))
                .collect();
            next.replicas.clone_from(replicas);
        }
        if let Some(directories) = &change.directories {
            next.directories.clone_from(directories);
            next.directories
                .resize(next.replicas.len(), directory::UNASSIGNED);
        }
        let lists = [
            (&mut next.isr, &change.isr),
            (&mut next.removing_replicas, &change.removing_replicas),
            (&mut next.adding_replicas, &change.adding_replicas),
            (&mut next.elr, &change.eligible_leader_replicas),
            (&mut next.last_known_elr, &change.last_known_elr),
        ];
        for (list, changed) in lists {
            if let Some(changed) = changed {
                list.clone_from(changed);
            }
        }
        if change.leader != SAME_LEADER {
            next.leader = change.leader;
            next.leader_epoch = self.leader_epoch.saturating_add(1);
        }
        if let Some(state) = LeaderRecoveryState::from_code(change.leader_recovery_state) {
            next.leader_recovery_state = state;
        }
        next.partition_epoch = self.partition_epoch.saturating_add(1);
        next
    }
}
