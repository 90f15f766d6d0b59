//! The messages themselves, which only the controller and its handle see.

use std::time::Duration;

use odeon_model::{BrokerEpoch, ErrorCode, NodeId, PartitionId, Uuid};
use odeon_quorum::{Proposed, QuorumRole};
use ractor::RpcReplyPort;

use super::message::{
    AlterConfigs, AlterPartition, AlteredPartition, BrokerHeartbeat, BrokerRegistration,
    ConfigResult, Election, ElectionResult, FeatureUpdate, FeatureUpdateResult, HeartbeatReply,
    NewPartitions, NewTopic, ProducerIdBlock, Refusal, TopicCreation, TopicRef, TopicResult,
};
use crate::shell::Ticket;

/// Where an answer goes.
pub(super) type Reply<T> = RpcReplyPort<Result<T, Refusal>>;

/// What a ClusterController understands. Others send through
/// [`ControllerHandle`](super::ControllerHandle).
#[derive(Debug)]
pub struct ControllerMsg(pub(super) Message);

impl ractor::Message for ControllerMsg {}

/// The vocabulary.
#[derive(Debug)]
pub(super) enum Message {
    /// Decide something and answer.
    Decide(Command),
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

/// What can be decided, with the port of the answer.
#[derive(Debug)]
pub(super) enum Command {
    /// Create topics.
    CreateTopics {
        topics: Vec<NewTopic>,
        validate_only: bool,
        reply: Reply<Vec<TopicCreation>>,
    },
    /// Delete topics.
    DeleteTopics {
        topics: Vec<TopicRef>,
        reply: Reply<Vec<TopicResult>>,
    },
    /// Add partitions.
    CreatePartitions {
        topics: Vec<NewPartitions>,
        validate_only: bool,
        reply: Reply<Vec<TopicResult>>,
    },
    /// Change configurations.
    AlterConfigs {
        request: AlterConfigs,
        reply: Reply<Vec<ConfigResult>>,
    },
    /// Register a broker.
    RegisterBroker {
        request: Box<BrokerRegistration>,
        reply: Reply<BrokerEpoch>,
    },
    /// A broker lives.
    BrokerHeartbeat {
        request: BrokerHeartbeat,
        reply: Reply<HeartbeatReply>,
    },
    /// A broker's process is gone.
    BrokerDied {
        id: NodeId,
        incarnation_id: Uuid,
        reply: Reply<bool>,
    },
    /// Forget a broker.
    UnregisterBroker { id: NodeId, reply: Reply<()> },
    /// Change ISRs.
    AlterPartition {
        request: AlterPartition,
        reply: Reply<Vec<Result<AlteredPartition, ErrorCode>>>,
    },
    /// Elect leaders.
    ElectLeaders {
        election: Election,
        partitions: Option<Vec<(String, PartitionId)>>,
        reply: Reply<Vec<ElectionResult>>,
    },
    /// Give producer ids away, to this node's own broker if none is named.
    AllocateProducerIds {
        broker: Option<(NodeId, BrokerEpoch)>,
        reply: Reply<ProducerIdBlock>,
    },
    /// Set feature levels.
    UpdateFeatures {
        updates: Vec<FeatureUpdate>,
        validate_only: bool,
        reply: Reply<Vec<FeatureUpdateResult>>,
    },
}

/// What a decision may know besides the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Now {
    /// Monotonic time.
    pub(super) monotonic: Duration,
    /// The index of the last committed entry.
    pub(super) committed_index: u64,
}
