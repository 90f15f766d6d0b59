//! How followers get what their leaders have: a pull over the mesh, batched by node.
//!
//! ```text
//! node of the followers                               node of the leaders
//! PartitionFollower --position-->  ReplicaFetcher
//!                                   |--replica-fetch---> ReplicaServer    waits until there is something
//!                                   |<--- records -----   |  session: where each follower is
//! PartitionFollower <--fetched----  |                     |--report--> PartitionLeader
//!                                   |--replica-progress-> |            while a fetch waits
//! ```
//!
//! - One [`fetcher`] for each node that leads partitions followed here, one fetch of it at a time.
//! - Only what changed is sent: the [`server`] keeps a session that knows where each follower is.
//!   A lost answer costs a new session, which says everything again.
//! - A partition that was sent is not sent again before its follower says how far it got.
//! - A view rings the queues of those who follow it, so that an idle partition costs nothing.

pub mod fetcher;
pub mod server;
mod session;
pub(crate) mod subscription;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

use odeon_model::{PartitionId, TopicId};

/// Which partition.
pub type Key = (TopicId, PartitionId);
