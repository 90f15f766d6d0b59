//! Agreement between nodes: Raft over opaque bytes, for one voter or many.
//!
//! A [`Quorum`] keeps a log that a majority of voters agrees on, and feeds its committed entries
//! to a [`StateMachine`] on every replica, in the same order. What the entries mean is not known
//! here. This is the only room that names the Raft library, and nothing else is in it: the
//! library's generic core is compiled with every change of this crate.
//!
//! ```text
//! propose ─► Proposer ─► one batch at a time ─► Raft engine ─► log store, its own writer thread:
//!               ▲                                   │          one write, one sync for all queued
//!               └─ index, once applied ◄─ StateMachine::apply ◄─ committed
//! ```
//!
//! What is promised:
//! - A proposal that succeeded is on the disks of a majority and was applied here.
//! - Proposals of one [`Proposer`] are in the log in their order, without gaps.
//! - An entry is applied only if it was appended in the term it was decided in.
//! - A broken log is refused, never cut where it had been durable; a failed write ends the
//!   replica ([`Quorum::failed`]), and is never tried again.
//! - Nothing is purged that a durable snapshot does not cover.
//!
//! Terms are what Kafka calls leader epochs; each start of a leader begins a new one.

pub mod bootstrap;
mod config;
mod heard;
mod machine;
mod members;
mod network;
mod propose;
mod quorum;
mod role;
mod runtime;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;
mod types;

pub use config::{Limits, MAX_ENTRY_BYTES, QuorumConfig, StartError, Timers, Voter};
pub use machine::{SnapshotJob, StateMachine};
pub use members::MemberError;
pub use network::{CallError, CallFuture, Handler, MeshPeers, NoPeers, Peers};
pub use propose::{ProposeError, Proposed, Proposer};
pub use quorum::{Quorum, ReadError};
pub use role::{QuorumRole, QuorumStatus, ReplicaProgress};
pub use types::ReplicaId;

/// The Raft engine with our types.
pub(crate) type Raft = openraft::Raft<types::Types, machine::Machine>;
