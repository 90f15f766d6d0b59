//! ClusterController: decides what the cluster's metadata becomes.
//!
//! - **Supervised by** `Roles`, on every controller-eligible node; permanent. It is active on the
//!   leader of the metadata quorum only; elsewhere it answers `NOT_CONTROLLER`.
//! - **Owns** the proposed image (what the metadata will be once everything it wrote is committed)
//!   and the heartbeat sessions of the brokers.
//! - **Receives** one message per public method of [`ControllerHandle`], from anyone on this node,
//!   and from brokers elsewhere through `link`.
//! - **Changes** the metadata log, through [`odeon_quorum::Quorum::propose`]. Decisions are taken in
//!   `state` without I/O; the actor only writes and answers.
//! - **A restart**, or a lost leadership, forgets the proposed image: callers get "perhaps", and it
//!   begins again from what is committed, after an entry of its own has been.

mod actor;
mod deaths;
mod dispatch;
mod handle;
mod link;
mod machine;
mod message;
mod state;
mod vocabulary;

pub use actor::{ClusterController, ControllerArguments, ControllerState};
pub use handle::ControllerHandle;
pub use link::{ControllerLink, serve};
pub use machine::ImageStateMachine;
pub use message::{
    AlterConfigs, AlterPartition, AlteredPartition, AssignDirectories, BrokerHeartbeat,
    BrokerRegistration, ConfigAlteration, ConfigOperation, ConfigResult, Election, ElectionResult,
    FeatureUpdate, FeatureUpdateResult, HeartbeatReply, InternalTopic, NewPartitions, NewTopic,
    PartitionAlteration, ProducerIdBlock, Reassignment, Refusal, TopicCreation, TopicOrigin,
    TopicRef, TopicResult, UpdateType,
};
pub use state::{
    AlterConfigPolicy, ControllerSettings, CreateTopicPolicy, MAX_PARTITIONS_PER_REQUEST,
    PRODUCER_ID_BLOCK, check_topic_name, topic_name_problem,
};
pub use vocabulary::ControllerMsg;

#[cfg(test)]
mod tests;
