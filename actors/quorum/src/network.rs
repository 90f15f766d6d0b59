//! Messages between the replicas of a quorum.
//!
//! Every message says which cluster and which replica it is for, so that a node which came back
//! with an empty disk, or another cluster's node at an old address, refuses it. Nothing relies on
//! a message to arrive, to arrive once, or to arrive in order.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

mod client;
mod hello;
mod mesh;
mod server;
mod wire;

pub(crate) use client::Network;
pub(crate) use hello::{answer_with, ask, inquire};
pub use mesh::MeshPeers;
pub(crate) use server::Server;
pub(crate) use wire::{Answer, Inquiry, Question, Standing};

/// The future of a call.
pub type CallFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A call to another node was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no answer from node {to}: {why}")]
pub struct CallError {
    /// The node that was called.
    pub to: i32,
    /// What went wrong.
    pub why: String,
    /// The deadline passed: the node may have acted.
    pub timed_out: bool,
}

/// Answers what other replicas send: a request in, a reply out.
pub type Handler = Arc<dyn Fn(Bytes) -> CallFuture<Bytes> + Send + Sync>;

/// How a quorum reaches the nodes of its other replicas. Messages are at most 512 KiB.
pub trait Peers: Send + Sync + Debug + 'static {
    /// Sends a request to a node's [`Handler`] and waits for the reply, at most until `deadline`.
    fn call(
        &self,
        to: i32,
        request: Bytes,
        deadline: Duration,
    ) -> CallFuture<Result<Bytes, CallError>>;

    /// Has requests that reach this node answered by `handler`, from now on.
    fn serve(&self, handler: Handler);

    /// Hears where a node is reached, as the quorum's members know it.
    fn learn(&self, node: i32, endpoint: &str) {
        let _ = (node, endpoint);
    }

    /// Has nothing answered any more: the replica has ended.
    fn retire(&self);
}

/// For a quorum of one voter: there is nobody to reach.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPeers;

impl Peers for NoPeers {
    fn call(&self, to: i32, _: Bytes, _: Duration) -> CallFuture<Result<Bytes, CallError>> {
        let error = CallError {
            to,
            why: "there are no peers".into(),
            timed_out: false,
        };
        Box::pin(std::future::ready(Err(error)))
    }

    fn serve(&self, _: Handler) {}

    fn retire(&self) {}
}
