//! The messages themselves, which only the controller and its handle see.

use std::time::Duration;

use odeon_model::{BrokerEpoch, ErrorCode, NodeId, PartitionId, Uuid};
use odeon_quorum::{Proposed, QuorumRole};
use ractor::RpcReplyPort;
use serde::{Deserialize, Serialize};

use super::message::{
    AlterConfigs, AlterPartition, AlteredPartition, AssignDirectories, BrokerHeartbeat,
    BrokerRegistration, ConfigResult, Election, ElectionResult, FeatureUpdate, FeatureUpdateResult,
    HeartbeatReply, NewPartitions, NewTopic, ProducerIdBlock, Reassignment, Refusal, TopicCreation,
    TopicRef, TopicResult,
};
use crate::shell::Ticket;

/// What a ClusterController understands. Others send through
/// [`ControllerHandle`](super::ControllerHandle).
#[derive(Debug)]
pub struct ControllerMsg(pub(super) Message);

impl ractor::Message for ControllerMsg {}

/// The vocabulary.
#[derive(Debug)]
pub(super) enum Message {
    /// Decide something and answer.
    Decide(Command, Reply),
    /// The quorum's leader, term or readiness changed.
    RoleChanged(QuorumRole),
    /// Everything that came before is applied: activation may go on.
    CaughtUp {
        /// The activation that asked.
        session: u64,
        /// Up to where.
        outcome: Proposed,
    },
    /// Write what was decided since the last write.
    Flush,
    /// What became of a batch.
    Written {
        /// The activation that wrote it.
        session: u64,
        /// The batch.
        ticket: Ticket,
        /// Where it lies.
        outcome: Proposed,
    },
    /// Look for silent brokers.
    Tick,
    /// Try again to become active.
    Reactivate,
}

/// Where an answer goes.
pub(super) type Reply = RpcReplyPort<Result<Decided, Refusal>>;

/// What can be decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Command {
    /// Create topics.
    CreateTopics {
        topics: Vec<NewTopic>,
        validate_only: bool,
    },
    /// Delete topics.
    DeleteTopics { topics: Vec<TopicRef> },
    /// Add partitions.
    CreatePartitions {
        topics: Vec<NewPartitions>,
        validate_only: bool,
    },
    /// Change configurations.
    AlterConfigs(AlterConfigs),
    /// Register a broker.
    RegisterBroker(Box<BrokerRegistration>),
    /// A broker lives.
    BrokerHeartbeat(BrokerHeartbeat),
    /// A broker's process is gone.
    BrokerDied { id: NodeId, incarnation_id: Uuid },
    /// Forget a broker.
    UnregisterBroker { id: NodeId },
    /// Change ISRs.
    AlterPartition(AlterPartition),
    /// Note where a broker's replicas are.
    AssignDirectories(AssignDirectories),
    /// Elect leaders.
    ElectLeaders {
        election: Election,
        partitions: Option<Vec<(String, PartitionId)>>,
    },
    /// Move replicas.
    Reassign {
        partitions: Vec<Reassignment>,
        allow_replication_factor_change: bool,
    },
    /// Give producer ids to a broker.
    AllocateProducerIds {
        broker_id: NodeId,
        broker_epoch: BrokerEpoch,
    },
    /// Set feature levels.
    UpdateFeatures {
        updates: Vec<FeatureUpdate>,
        validate_only: bool,
    },
}

/// What a decision answers, by kind; which command gets which, its method of the handle says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// There is nothing to say.
    Done,
    /// What became of new topics.
    Created(Vec<TopicCreation>),
    /// What became of topics.
    Topics(Vec<TopicResult>),
    /// What became of configurations.
    Configs(Vec<ConfigResult>),
    /// The epoch of a registration.
    Registered(BrokerEpoch),
    /// What a heartbeat is answered.
    Heartbeat(HeartbeatReply),
    /// Whether a dead broker was unfenced.
    Died(bool),
    /// What became of ISRs.
    Partitions(Vec<Result<AlteredPartition, ErrorCode>>),
    /// What became of elections.
    Elections(Vec<ElectionResult>),
    /// What became of reassignments.
    Reassignments(Vec<Result<(), Refusal>>),
    /// Producer ids.
    ProducerIds(ProducerIdBlock),
    /// What became of features.
    Features(Vec<FeatureUpdateResult>),
}

/// An outcome that is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decided {
    /// What was decided.
    pub(super) outcome: Outcome,
    /// A node that has applied the metadata up to here sees it.
    pub(super) index: u64,
}

impl Command {
    /// Whether doing it twice is as good as doing it once. A block of producer ids is given twice,
    /// and nobody misses the first; a registration, a heartbeat and an ISR carry epochs.
    pub(super) fn is_repeatable(&self) -> bool {
        match self {
            Self::RegisterBroker(_)
            | Self::BrokerHeartbeat(_)
            | Self::BrokerDied { .. }
            | Self::AlterPartition(_)
            | Self::AssignDirectories(_)
            | Self::AllocateProducerIds { .. }
            // Each topic with the id it shall have.
            | Self::CreateTopics { .. } => true,
            // To say twice where replicas shall be is as good as once; to take it back is not.
            Self::Reassign { partitions, .. } => {
                partitions.iter().all(|one| one.replicas.is_some())
            }
            Self::CreatePartitions { validate_only, .. }
            | Self::UpdateFeatures { validate_only, .. } => *validate_only,
            Self::AlterConfigs(request) => request.validate_only,
            Self::DeleteTopics { .. }
            | Self::UnregisterBroker { .. }
            | Self::ElectLeaders { .. } => false,
        }
    }

    /// How many elements it has that are decided one by one.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::CreateTopics { topics, .. } => topics.len(),
            Self::DeleteTopics { topics } => topics.len(),
            Self::CreatePartitions { topics, .. } => topics.len(),
            Self::AlterConfigs(request) => request.resources.len(),
            Self::AlterPartition(request) => request.partitions.len(),
            Self::AssignDirectories(request) => request.replicas.len(),
            Self::ElectLeaders { partitions, .. } => partitions.as_ref().map_or(1, Vec::len),
            Self::Reassign { partitions, .. } => partitions.len(),
            _ => 1,
        }
    }

    /// The broker that speaks, if the command is one that a broker says of itself.
    pub(super) fn speaker(&self) -> Option<NodeId> {
        match self {
            Self::RegisterBroker(request) => Some(request.broker_id),
            Self::BrokerHeartbeat(request) => Some(request.broker_id),
            Self::AlterPartition(request) => Some(request.broker_id),
            Self::AssignDirectories(request) => Some(request.broker_id),
            Self::AllocateProducerIds { broker_id, .. } => Some(*broker_id),
            _ => None,
        }
    }

    /// Halves a list whose elements are decided one by one. The second half, or `None` if there is
    /// nothing to halve.
    pub(super) fn split(&mut self) -> Option<Self> {
        match self {
            Self::CreateTopics {
                topics,
                validate_only,
            } => {
                let (topics, validate_only) = (halve(topics)?, *validate_only);
                Some(Self::CreateTopics {
                    topics,
                    validate_only,
                })
            }
            Self::DeleteTopics { topics } => {
                let topics = halve(topics)?;
                Some(Self::DeleteTopics { topics })
            }
            Self::CreatePartitions {
                topics,
                validate_only,
            } => {
                let (topics, validate_only) = (halve(topics)?, *validate_only);
                Some(Self::CreatePartitions {
                    topics,
                    validate_only,
                })
            }
            Self::AlterConfigs(request) => Some(Self::AlterConfigs(AlterConfigs {
                resources: halve(&mut request.resources)?,
                ..*request
            })),
            Self::AlterPartition(request) => Some(Self::AlterPartition(AlterPartition {
                partitions: halve(&mut request.partitions)?,
                ..*request
            })),
            Self::AssignDirectories(request) => Some(Self::AssignDirectories(AssignDirectories {
                replicas: halve(&mut request.replicas)?,
                ..*request
            })),
            Self::ElectLeaders {
                election,
                partitions,
            } => {
                let (election, partitions) = (*election, halve(partitions.as_mut()?)?);
                Some(Self::ElectLeaders {
                    election,
                    partitions: Some(partitions),
                })
            }
            Self::Reassign {
                partitions,
                allow_replication_factor_change,
            } => {
                let allow_replication_factor_change = *allow_replication_factor_change;
                let partitions = halve(partitions)?;
                Some(Self::Reassign {
                    partitions,
                    allow_replication_factor_change,
                })
            }
            _ => None,
        }
    }
}

impl Outcome {
    /// Puts the outcome of a list's second half behind the first's.
    pub(super) fn join(&mut self, second: Self) {
        match (self, second) {
            (Self::Created(first), Self::Created(second)) => first.extend(second),
            (Self::Topics(first), Self::Topics(second)) => first.extend(second),
            (Self::Configs(first), Self::Configs(second)) => first.extend(second),
            (Self::Partitions(first), Self::Partitions(second)) => first.extend(second),
            (Self::Elections(first), Self::Elections(second)) => first.extend(second),
            (Self::Reassignments(first), Self::Reassignments(second)) => first.extend(second),
            (Self::Done, Self::Done) => {}
            _ => debug_assert!(false, "only lists are halved"),
        }
    }
}

/// The second half of a list of two or more.
fn halve<T>(list: &mut Vec<T>) -> Option<Vec<T>> {
    (list.len() > 1).then(|| list.split_off(list.len() / 2))
}

/// What a decision may know besides the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Now {
    /// Monotonic time.
    pub(super) monotonic: Duration,
    /// The index of the last committed entry.
    pub(super) committed_index: u64,
}
