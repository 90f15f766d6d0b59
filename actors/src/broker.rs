//! BrokerActor: makes what runs on this node equal to what the metadata image wants.
//!
//! - **Supervised by** `Roles`; permanent. A restart starts over from the image and finds the replicas
//!   that still run.
//! - **Owns** the broker's registration (incarnation, broker epoch) and the list of local replicas.
//! - **Receives** only its own messages: a changed image, the heartbeat timer, answers of the controller.
//! - **Changes** the children of `Replicas` and `Coordinators`, and the routing table.
//!
//! The metadata image is the wanted state, the running actors are the actual state: creation,
//! deletion, failover and reassignment are this one comparison ([`reconcile`]).

mod actor;
pub mod reconcile;
#[cfg(test)]
mod tests;

pub use actor::{BrokerActor, BrokerArguments, BrokerMsg, BrokerState, BrokerStatus};
