//! BrokerActor: makes what runs on this node equal to what the metadata image wants.
//!
//! - **Supervised by** `Roles`; permanent. A restart starts over from the image and finds the replicas
//!   that still run.
//! - **Owns** the broker's registration (incarnation, broker epoch) and the list of local replicas.
//! - **Receives** only its own message: reconcile, because the image changed or something failed before.
//! - **Runs** the session with the controller ([`session`]) beside it.
//! - **Changes** the children of `Replicas` and `Coordinators`, and the routing table.
//!
//! The metadata image is the wanted state, the running actors are the actual state: creation,
//! deletion, failover and reassignment are this one comparison ([`reconcile`]).

mod actor;
mod directories;
mod logs;
pub mod reconcile;
mod session;
#[cfg(test)]
mod tests;

pub use actor::{BrokerActor, BrokerArguments, BrokerMsg, BrokerState, BrokerStatus};
