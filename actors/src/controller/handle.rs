//! What others hold of the controller.

use std::time::Duration;

use odeon_kernel::{Slot, SlotError};
use odeon_model::{BrokerEpoch, ErrorCode, NodeId, PartitionId, Uuid};

use super::message::{
    AlterConfigs, AlterPartition, AlteredPartition, BrokerHeartbeat, BrokerRegistration,
    ConfigResult, Election, ElectionResult, FeatureUpdate, FeatureUpdateResult, HeartbeatReply,
    NewPartitions, NewTopic, ProducerIdBlock, Refusal, TopicCreation, TopicRef, TopicResult,
};
use super::vocabulary::{Command, ControllerMsg, Message, Reply};

/// How long a caller waits for an answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// A handle to the cluster's controller. Cheap to clone; it survives the actor's restarts.
///
/// All methods: an answer comes when what it says is committed and applied on this node. They are
/// cancel safe in that the command goes on. Besides what the command itself may be refused for,
/// they fail with
/// - [`ErrorCode::NotController`]: this node does not lead the quorum; nothing was done;
/// - [`ErrorCode::RequestTimedOut`]: it is not known whether it was done.
#[derive(Debug, Clone)]
pub struct ControllerHandle {
    slot: Slot<ControllerMsg>,
}

impl ControllerHandle {
    /// A handle to whichever controller the slot holds.
    pub fn new(slot: Slot<ControllerMsg>) -> Self {
        Self { slot }
    }

    /// Where the actor's incarnations are published.
    pub fn slot(&self) -> &Slot<ControllerMsg> {
        &self.slot
    }

    /// Creates topics. The answers are in the order of the request.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Result<Vec<TopicCreation>, Refusal> {
        self.ask(|reply| Command::CreateTopics {
            topics,
            validate_only,
            reply,
        })
        .await
    }

    /// Deletes topics. The answers are in the order of the request.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn delete_topics(&self, topics: Vec<TopicRef>) -> Result<Vec<TopicResult>, Refusal> {
        self.ask(|reply| Command::DeleteTopics { topics, reply })
            .await
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
        self.ask(|reply| Command::CreatePartitions {
            topics,
            validate_only,
            reply,
        })
        .await
    }

    /// Changes configurations. The answers are in the order of the request.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn alter_configs(&self, request: AlterConfigs) -> Result<Vec<ConfigResult>, Refusal> {
        self.ask(|reply| Command::AlterConfigs { request, reply })
            .await
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
        self.ask(|reply| Command::RegisterBroker {
            request: Box::new(request),
            reply,
        })
        .await
    }

    /// Says that a broker lives, and what it wants.
    ///
    /// # Errors
    /// See [`ControllerHandle`]; and [`ErrorCode::StaleBrokerEpoch`]: register again.
    pub async fn broker_heartbeat(
        &self,
        request: BrokerHeartbeat,
    ) -> Result<HeartbeatReply, Refusal> {
        self.ask(|reply| Command::BrokerHeartbeat { request, reply })
            .await
    }

    /// Tells that a broker's process is proved to be gone. It is fenced at once, unless another
    /// incarnation has registered since. Answers whether it was unfenced.
    ///
    /// # Errors
    /// See [`ControllerHandle`].
    pub async fn broker_died(&self, id: NodeId, incarnation_id: Uuid) -> Result<bool, Refusal> {
        self.ask(|reply| Command::BrokerDied {
            id,
            incarnation_id,
            reply,
        })
        .await
    }

    /// Forgets a broker for good.
    ///
    /// # Errors
    /// See [`ControllerHandle`]; and [`ErrorCode::BrokerIdNotRegistered`].
    pub async fn unregister_broker(&self, id: NodeId) -> Result<(), Refusal> {
        self.ask(|reply| Command::UnregisterBroker { id, reply })
            .await
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
        self.ask(|reply| Command::AlterPartition { request, reply })
            .await
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
        self.ask(|reply| Command::ElectLeaders {
            election,
            partitions,
            reply,
        })
        .await
    }

    /// Gives this node's own broker a block of producer ids that nobody else ever gets.
    ///
    /// # Errors
    /// See [`ControllerHandle`]; and [`ErrorCode::StaleBrokerEpoch`] before it has registered.
    pub async fn allocate_producer_ids(&self) -> Result<ProducerIdBlock, Refusal> {
        self.ask(|reply| Command::AllocateProducerIds {
            broker: None,
            reply,
        })
        .await
    }

    /// Gives another broker a block of producer ids that nobody else ever gets.
    ///
    /// # Errors
    /// See [`ControllerHandle`]; and [`ErrorCode::StaleBrokerEpoch`].
    pub async fn allocate_producer_ids_for(
        &self,
        broker_id: NodeId,
        broker_epoch: BrokerEpoch,
    ) -> Result<ProducerIdBlock, Refusal> {
        let broker = Some((broker_id, broker_epoch));
        self.ask(|reply| Command::AllocateProducerIds { broker, reply })
            .await
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
        self.ask(|reply| Command::UpdateFeatures {
            updates,
            validate_only,
            reply,
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        build: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Refusal> {
        let message = |port| ControllerMsg(Message::Decide(build(port)));
        match self.slot.call(message, DEADLINE).await {
            Ok(answer) => answer,
            Err(SlotError::Unavailable) => Err(Refusal::new(
                ErrorCode::NotController,
                "The controller of this node is not running",
            )),
            Err(SlotError::NoReply | SlotError::DeadlineExceeded) => Err(Refusal::new(
                ErrorCode::RequestTimedOut,
                "The controller did not answer; it is not known whether the request was executed",
            )),
        }
    }
}
