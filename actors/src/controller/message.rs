//! What the controller is asked, and what it answers.
//!
//! Commands are lists, because Kafka's requests are; each element has its own answer, in the order
//! of the request.

use odeon_metadata::{ConfigResource, Endpoint, FeatureRange};
use odeon_model::config::{AlterOp, ConfigMap};
use odeon_model::{
    BrokerEpoch, ErrorCode, LeaderEpoch, NodeId, PartitionId, ProducerId, TopicId, Uuid,
};
use serde::{Deserialize, Serialize};

/// Why something was refused: Kafka's code, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{}: {}", .code.name(), .message.as_deref().unwrap_or(.code.message()))]
pub struct Refusal {
    /// Kafka's error code.
    pub code: ErrorCode,
    /// What is wrong, if more can be said than the code says.
    pub message: Option<String>,
}

impl Refusal {
    /// A refusal that says what is wrong.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
        }
    }
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; -1 for the default, or with `assignments`.
    pub num_partitions: i32,
    /// How many replicas; -1 for the default, or with `assignments`.
    pub replication_factor: i16,
    /// The brokers of each partition, the preferred leader first; empty to let the controller
    /// choose.
    pub assignments: Vec<(PartitionId, Vec<NodeId>)>,
    /// Its configuration.
    pub configs: Vec<(String, Option<String>)>,
    /// What its partitions bring with them, if their logs are there already.
    pub origin: Option<TopicOrigin>,
    /// The id it shall have, if it brings none: to ask twice under one id makes one topic.
    pub topic_id: Option<TopicId>,
}

/// What the partitions of an adopted topic were elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicOrigin {
    /// The id that their folders say.
    pub topic_id: TopicId,
    /// The newest leader epoch in each partition's log, -1 for none; the first of a new leader is
    /// the one after it.
    pub latest_epochs: Vec<LeaderEpoch>,
}

/// How a topic that a node needs for itself is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternalTopic {
    /// How many partitions.
    pub num_partitions: i32,
    /// How many replicas.
    pub replication_factor: i16,
    /// Its configuration.
    pub configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic that comes to be because somebody asked for it: with the cluster's defaults, or as
    /// an internal topic wants it.
    pub fn automatic(name: &str, internal: Option<InternalTopic>) -> Self {
        let mut topic = Self {
            name: name.to_owned(),
            num_partitions: -1,
            replication_factor: -1,
            ..Self::default()
        };
        if let Some(internal) = internal {
            topic.num_partitions = internal.num_partitions;
            topic.replication_factor = internal.replication_factor;
            topic.configs = internal
                .configs
                .into_iter()
                .map(|(k, v)| (k, Some(v)))
                .collect();
        }
        topic
    }
}

/// What became of a [`NewTopic`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicCreation {
    /// Its name.
    pub name: String,
    /// Its id; zero if it was not created. With `validate_only`, an id that is not kept.
    pub topic_id: TopicId,
    /// [`ErrorCode::None`], or why not.
    pub error: ErrorCode,
    /// What is wrong.
    pub message: Option<String>,
    /// How many partitions it has; -1 if it was not created.
    pub num_partitions: i32,
    /// How many replicas the first partition has; -1 if it was not created.
    pub replication_factor: i16,
    /// What is set on it itself; empty if it was not created.
    pub configs: ConfigMap,
}

/// Which topic is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TopicRef {
    /// By name.
    Name(String),
    /// By id.
    Id(TopicId),
}

/// What became of one topic in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicResult {
    /// Its name, if it is known.
    pub name: Option<String>,
    /// Its id; zero if it is not known.
    pub topic_id: TopicId,
    /// [`ErrorCode::None`], or why not.
    pub error: ErrorCode,
    /// What is wrong.
    pub message: Option<String>,
}

/// More partitions for a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPartitions {
    /// The topic's name.
    pub name: String,
    /// How many partitions it shall have in all.
    pub count: i32,
    /// The brokers of each additional partition; `None` to let the controller choose.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

/// One operation on one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigOperation {
    /// What to do.
    pub op: AlterOp,
    /// With which key.
    pub name: String,
    /// With which value; a deletion has none.
    pub value: Option<String>,
}

/// Operations on one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigAlteration {
    /// Whose configuration.
    pub resource: ConfigResource,
    /// What to do; all or nothing.
    pub operations: Vec<ConfigOperation>,
}

/// A change of configurations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterConfigs {
    /// What to do with which resource.
    pub resources: Vec<ConfigAlteration>,
    /// Whether the keys that are not named go back to their defaults (Kafka's older AlterConfigs).
    pub replace_all: bool,
    /// Whether only to say what would happen.
    pub validate_only: bool,
}

/// What became of the alteration of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigResult {
    /// Whose configuration.
    pub resource: ConfigResource,
    /// [`ErrorCode::None`], or why not.
    pub error: ErrorCode,
    /// What is wrong.
    pub message: Option<String>,
}

/// A broker introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerRegistration {
    /// Its node id.
    pub broker_id: NodeId,
    /// The cluster that it believes to belong to.
    pub cluster_id: String,
    /// Which start of the process it is.
    pub incarnation_id: Uuid,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// What it supports.
    pub features: Vec<FeatureRange>,
    /// Where it stands.
    pub rack: Option<String>,
    /// Its log directories.
    pub log_dirs: Vec<Uuid>,
    /// The epoch under which it last stopped cleanly; -1 if it did not.
    pub previous_broker_epoch: BrokerEpoch,
}

/// A broker says that it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerHeartbeat {
    /// Its node id.
    pub broker_id: NodeId,
    /// The epoch of its registration.
    pub broker_epoch: BrokerEpoch,
    /// The index of the last metadata entry that it applied.
    pub metadata_index: u64,
    /// Whether it wants to be, or stay, fenced.
    pub want_fence: bool,
    /// Whether it wants to stop once its leaders have moved.
    pub want_shutdown: bool,
    /// Its log directories that failed.
    pub offline_log_dirs: Vec<Uuid>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeartbeatReply {
    /// Whether it has applied its own registration.
    pub is_caught_up: bool,
    /// Whether it is fenced.
    pub is_fenced: bool,
    /// Whether it may stop now.
    pub should_shut_down: bool,
}

/// A leader asks for another ISR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionAlteration {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: PartitionId,
    /// The epoch that it leads in.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch that the request starts from.
    pub partition_epoch: i32,
    /// The ISR it wants: brokers with the epoch under which they fetch, -1 if that is not known.
    pub new_isr: Vec<(NodeId, BrokerEpoch)>,
    /// Replicas that lost what they had, the leader itself perhaps: they are not eligible to lead.
    #[serde(default)]
    pub lost: Vec<NodeId>,
    /// The leader cannot go on in this epoch: a member of the new ISR shall lead, or the leader itself in
    /// a new epoch if it is one.
    #[serde(default)]
    pub resigns: bool,
    /// Whether an uncleanly elected leader is still recovering.
    pub recovering: bool,
}

/// Changes of partitions that one broker leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterPartition {
    /// The leader's node id.
    pub broker_id: NodeId,
    /// The epoch of its registration.
    pub broker_epoch: BrokerEpoch,
    /// What it asks for.
    pub partitions: Vec<PartitionAlteration>,
}

/// A broker says in which of its log directories replicas are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignDirectories {
    /// The broker's node id.
    pub broker_id: NodeId,
    /// The epoch of its registration.
    pub broker_epoch: BrokerEpoch,
    /// Which replica is in which directory.
    pub replicas: Vec<(TopicId, PartitionId, Uuid)>,
}

/// A partition as it is after an accepted alteration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlteredPartition {
    /// The leader.
    pub leader_id: NodeId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// The ISR.
    pub isr: Vec<NodeId>,
    /// The partition epoch.
    pub partition_epoch: i32,
    /// Whether the leader is still recovering.
    pub recovering: bool,
}

/// Where a partition's replicas shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reassignment {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: PartitionId,
    /// The replicas to come to, the preferred leader first; `None` to take a reassignment back.
    pub replicas: Option<Vec<NodeId>>,
}

/// How a leader is elected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(i8)]
pub enum Election {
    /// The first replica, if it is in sync.
    Preferred = 0,
    /// Any live replica, at the price of records.
    Unclean = 1,
}

/// What became of an election.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectionResult {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: PartitionId,
    /// [`ErrorCode::None`], or why not.
    pub error: ErrorCode,
    /// What is wrong.
    pub message: Option<String>,
}

/// Producer ids that nobody else gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerIdBlock {
    /// The first id.
    pub first: ProducerId,
    /// How many.
    pub len: i32,
}

/// Which way a feature may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(i8)]
pub enum UpdateType {
    /// Up.
    Upgrade = 1,
    /// Down, if nothing is lost.
    SafeDowngrade = 2,
    /// Down, whatever is lost.
    UnsafeDowngrade = 3,
}

impl UpdateType {
    /// The type for Kafka's number, if there is one.
    pub fn from_code(code: i8) -> Option<Self> {
        [Self::Upgrade, Self::SafeDowngrade, Self::UnsafeDowngrade]
            .into_iter()
            .find(|update| *update as i8 == code)
    }
}

/// A feature's new level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureUpdate {
    /// The feature.
    pub name: String,
    /// The level; 0 to switch it off.
    pub level: i16,
    /// Which way it may move.
    pub update: UpdateType,
}

/// What became of a [`FeatureUpdate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureUpdateResult {
    /// The feature.
    pub name: String,
    /// [`ErrorCode::None`], or why not.
    pub error: ErrorCode,
    /// What is wrong.
    pub message: Option<String>,
}
