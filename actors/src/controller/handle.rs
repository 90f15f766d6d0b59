//! What others hold of the controller.

use std::time::Duration;

use odeon_kernel::Slot;
use odeon_model::{BrokerEpoch, ErrorCode, NodeId, PartitionId, Uuid};

use super::link::{ControllerLink, Courier};
use super::message::{
    AlterConfigs, AlterPartition, AlteredPartition, AssignDirectories, BrokerHeartbeat,
    BrokerRegistration, ConfigResult, Election, ElectionResult, FeatureUpdate, FeatureUpdateResult,
    HeartbeatReply, NewPartitions, NewTopic, ProducerIdBlock, Reassignment, Refusal, TopicCreation,
    TopicRef, TopicResult,
};
use super::vocabulary::{Command, ControllerMsg, Outcome};

/// Takes the outcome of a kind out of what was decided.
macro_rules! expect {
    ($self:ident, $command:expr, $kind:path) => {
        match $self.courier.deliver($command).await? {
            $kind(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    };
}

/// A handle to the cluster's controller, wherever it is. Cheap to clone; it survives the actor's
/// restarts and its moves to other nodes.
///
/// All methods: an answer comes when what it says is committed and applied on this node (a node
/// that lags behind for seconds is not waited for). They are cancel safe in that the command goes
/// on. While there is no controller they look for one for a while. Besides what the command itself
/// may be refused for, they fail with
/// - [`ErrorCode::NotController`]: there is none; nothing was done;
/// - [`ErrorCode::RequestTimedOut`]: it is not known whether it was done.
#[derive(Debug, Clone)]
pub struct ControllerHandle {
    courier: Courier,
}

impl ControllerHandle {
    /// A handle to the active controller: the one that the slot holds while this node leads the
    /// quorum, and otherwise the leader's.
    pub fn new(slot: Slot<ControllerMsg>, link: ControllerLink) -> Self {
        Self {
            courier: Courier::new(slot, link),
        }
    }

    /// The same handle, but one that looks for a controller for so long only.
    #[must_use]
    pub fn patient_for(&self, patience: Duration) -> Self {
        let mut handle = self.clone();
        handle.courier.patience = patience;
        handle
    }

    /// Where this node's controller publishes its incarnations.
    pub fn slot(&self) -> &Slot<ControllerMsg> {
        &self.courier.slot
    }

    /// Creates topics. The answers are in the order of the request. A controller that dies meanwhile
    /// is outlived: its successor is asked for the same topics, under the same ids.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn create_topics(
        &self,
        mut topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Result<Vec<TopicCreation>, Refusal> {
        for topic in &mut topics {
            topic.topic_id = Some(Uuid::from_random(self.courier.link.rng.bytes16()));
        }
        let command = Command::CreateTopics {
            topics,
            validate_only,
        };
        expect!(self, command, Outcome::Created)
    }

    /// Deletes topics. The answers are in the order of the request.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn delete_topics(&self, topics: Vec<TopicRef>) -> Result<Vec<TopicResult>, Refusal> {
        expect!(self, Command::DeleteTopics { topics }, Outcome::Topics)
    }

    /// Adds partitions to topics. The answers are in the order of the request.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn create_partitions(
        &self,
        topics: Vec<NewPartitions>,
        validate_only: bool,
    ) -> Result<Vec<TopicResult>, Refusal> {
        let command = Command::CreatePartitions {
            topics,
            validate_only,
        };
        expect!(self, command, Outcome::Topics)
    }

    /// Changes configurations. The answers are in the order of the request.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn alter_configs(&self, request: AlterConfigs) -> Result<Vec<ConfigResult>, Refusal> {
        expect!(self, Command::AlterConfigs(request), Outcome::Configs)
    }

    /// Registers a broker and answers its epoch. The same incarnation may ask again.
    ///
    /// # Errors
    /// See [`ControllerHandle`]; and [`ErrorCode::DuplicateBrokerRegistration`] while another
    /// process with that id lives, [`ErrorCode::InconsistentClusterId`],
    /// [`ErrorCode::UnsupportedVersion`] and [`ErrorCode::InvalidRegistration`].
    pub async fn register_broker(
        &self,
        request: BrokerRegistration,
    ) -> Result<BrokerEpoch, Refusal> {
        let command = Command::RegisterBroker(Box::new(request));
        expect!(self, command, Outcome::Registered)
    }

    /// Says that a broker lives, and what it wants.
    ///
    /// # Errors
    /// See [`ControllerHandle`]; and [`ErrorCode::StaleBrokerEpoch`]: register again.
    pub async fn broker_heartbeat(
        &self,
        request: BrokerHeartbeat,
    ) -> Result<HeartbeatReply, Refusal> {
        expect!(self, Command::BrokerHeartbeat(request), Outcome::Heartbeat)
    }

    /// Tells that a broker's process is proved to be gone. It is fenced at once, unless another
    /// incarnation has registered since. Answers whether it was unfenced.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn broker_died(&self, id: NodeId, incarnation_id: Uuid) -> Result<bool, Refusal> {
        let command = Command::BrokerDied { id, incarnation_id };
        expect!(self, command, Outcome::Died)
    }

    /// Forgets a broker for good.
    ///
    /// # Errors
    /// See [`ControllerHandle`]; and [`ErrorCode::BrokerIdNotRegistered`].
    pub async fn unregister_broker(&self, id: NodeId) -> Result<(), Refusal> {
        let command = Command::UnregisterBroker { id };
        self.courier.deliver(command).await.map(drop)
    }

    /// Changes the ISR of partitions that a broker leads. The answers are in the order of the
    /// request.
    ///
    /// # Errors
    /// See [`ControllerHandle`]; and [`ErrorCode::StaleBrokerEpoch`].
    pub async fn alter_partition(
        &self,
        request: AlterPartition,
    ) -> Result<Vec<Result<AlteredPartition, ErrorCode>>, Refusal> {
        expect!(self, Command::AlterPartition(request), Outcome::Partitions)
    }

    /// Notes in which log directories a broker's replicas are.
    ///
    /// # Errors
    /// See [`ControllerHandle`]; and [`ErrorCode::StaleBrokerEpoch`].
    pub async fn assign_directories(&self, request: AssignDirectories) -> Result<(), Refusal> {
        let command = Command::AssignDirectories(request);
        self.courier.deliver(command).await.map(drop)
    }

    /// Elects leaders; with `None` for all partitions that need it, and the answers are those.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn elect_leaders(
        &self,
        election: Election,
        partitions: Option<Vec<(String, PartitionId)>>,
    ) -> Result<Vec<ElectionResult>, Refusal> {
        let command = Command::ElectLeaders {
            election,
            partitions,
        };
        expect!(self, command, Outcome::Elections)
    }

    /// Moves replicas, or takes moves back. The answers are in the order of the request; a move is
    /// complete when the image says so.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn reassign(
        &self,
        partitions: Vec<Reassignment>,
        allow_replication_factor_change: bool,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        let command = Command::Reassign {
            partitions,
            allow_replication_factor_change,
        };
        expect!(self, command, Outcome::Reassignments)
    }

    /// Gives this node's own broker a block of producer ids that nobody else ever gets.
    ///
    /// # Errors
    /// See [`ControllerHandle`]; and [`ErrorCode::StaleBrokerEpoch`] before it has registered.
    pub async fn allocate_producer_ids(&self) -> Result<ProducerIdBlock, Refusal> {
        let link = &self.courier.link;
        let broker_id = link.mesh.node_id();
        let broker_epoch = link
            .image
            .get()
            .broker(broker_id)
            .map_or(-1, |own| own.epoch);
        let command = Command::AllocateProducerIds {
            broker_id,
            broker_epoch,
        };
        expect!(self, command, Outcome::ProducerIds)
    }

    /// Sets feature levels, all or none. The answers are in the order of the request.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn update_features(
        &self,
        updates: Vec<FeatureUpdate>,
        validate_only: bool,
    ) -> Result<Vec<FeatureUpdateResult>, Refusal> {
        let command = Command::UpdateFeatures {
            updates,
            validate_only,
        };
        expect!(self, command, Outcome::Features)
    }
}

fn unexpected(outcome: &Outcome) -> Refusal {
    tracing::error!(?outcome, "the controller answered something else");
    ErrorCode::UnknownServerError.into()
}
