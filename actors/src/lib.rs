//! The cast: who does what in a node.
//!
//! | module | actor | state it owns |
//! |---|---|---|
//! | [`controller`] | ClusterController | what the metadata should be |
//! | [`broker`] | BrokerActor | this node's registration and replicas |
//! | [`partition`] | PartitionLeader | a partition's log end, acknowledgements, high watermark |
//! | [`group`] | GroupCoordinator | members, assignments, committed offsets |
//! | [`coordinators`] | - | which coordinators run here, and their logs |
//! | [`mover`] | Mover | moves of replicas between log directories |
//! | [`storage`] | Storage | the upkeep of the log directories |
//! | [`quorum_guard`] | QuorumGuard | the Raft engine's place in the tree |
//!
//! Nothing here knows HTTP, a Kafka request or an API version.

pub mod broker;
pub mod controller;
pub mod coordinators;
pub mod group;
pub mod mover;
pub mod node;
pub mod partition;
pub mod producer_ids;
pub mod quorum_guard;
pub mod quota;
pub mod settings;
pub mod shell;
pub mod storage;
