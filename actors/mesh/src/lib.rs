//! Nodes talking to each other.
//!
//! A [`Mesh`] is one node's end of it: it calls services of other nodes by name and answers calls
//! to its own. Arguments and replies are bytes, also between nodes of one process, so that whatever
//! works in a test works between processes; [`encode`], [`decode`], [`call`] and [`serve`] put
//! types on top.
//!
//! What every implementation promises, and [`contract`] checks:
//! - A call ends at its deadline at the latest. Its error says whether the peer may have acted:
//!   see [`MeshError::may_have_acted`].
//! - A request is handled at most once. Nothing is promised about order.
//! - Dropping a call does not stop its handler.
//! - A handler that refuses or panics fails its own call and no other.
//! - Messages beyond the size limit are refused before they are sent, and do not harm the link.
//! - The bytes outstanding on a link are bounded; who wants to send more waits, within its
//!   deadline, and in the order of asking.
//! - A life that is over is told apart from a link that is lost: see [`LinkEvent`].
//!
//! [`LocalNetwork`] connects any number of nodes within one process, with faults on demand;
//! [`ClusterMesh`] connects processes.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon_model::{NodeId, Uuid};
use tokio::sync::mpsc;

pub mod cluster;
mod codec;
pub mod contract;
mod local;
mod services;

pub use cluster::{ClusterError, ClusterMesh, ClusterOptions, LinkStatus, PREAMBLE, Secret};
pub use codec::{CodecError, MAX_NESTING, call, decode, encode, payload, serve};
pub use local::{Cut, LinkFault, LocalMesh, LocalNetwork, LocalOptions};

/// The largest request or reply, unless configured otherwise: 1 MiB.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// A node's life: a restarted node has another one. Never 0.
pub type Incarnation = u64;

/// The life that a process with this incarnation id lives in the mesh.
pub fn incarnation_of(incarnation_id: Uuid) -> Incarnation {
    let first = incarnation_id.0.iter().take(8);
    let first = first.fold(0, |all, byte| all << 8 | u64::from(*byte));
    first.max(1)
}

/// What became of the link to another node's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEvent {
    /// That life can be reached.
    Up(NodeId, Incarnation),
    /// The link is lost. Whether that life goes on is not known.
    Down(NodeId, Incarnation),
    /// That life is proved to be over: its address refuses connections after the link was lost, or
    /// another life of the node answers there. Comes after `Down`.
    Dead(NodeId, Incarnation),
}

/// Link events as they happen, in order for each node.
pub type LinkEvents = mpsc::UnboundedReceiver<LinkEvent>;

/// The future of a call; it owns all it needs.
pub type CallFuture = Pin<Box<dyn Future<Output = Result<Bytes, MeshError>> + Send>>;

/// The future of an answer: the reply, or why the request is refused.
pub type AnswerFuture = Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>>;

/// Answers a service's requests. Called with the sender's node id, once per request, concurrently.
pub type Handler = Arc<dyn Fn(NodeId, Bytes) -> AnswerFuture + Send + Sync>;

/// Makes a [`Handler`] of an async function.
pub fn handler<F, A>(answer: F) -> Handler
where
    F: Fn(NodeId, Bytes) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Bytes, String>> + Send + 'static,
{
    Arc::new(move |from, request| Box::pin(answer(from, request)))
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeshError {
    /// There is no link to the node: nothing was sent.
    #[error("node {0} cannot be reached")]
    Unreachable(NodeId),
    /// The link broke, or the node ended, while the answer was awaited.
    #[error("the link to node {0} was lost")]
    LinkLost(NodeId),
    /// No answer came in time.
    #[error("no answer before the deadline")]
    DeadlineExceeded,
    /// The node does not offer this service.
    #[error("the node does not offer the service '{0}'")]
    UnknownService(String),
    /// The service refused the request, and says why.
    #[error("refused: {0}")]
    Refused(String),
    /// The service failed on the request; it may have done a part of it.
    #[error("the service failed: {0}")]
    Failed(String),
    /// The message is larger than a link carries.
    #[error("a message of {bytes} bytes is larger than {max_bytes}")]
    TooLarge {
        /// The message's size.
        bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
}

impl MeshError {
    /// Whether the peer may have acted on the request. A caller may then only repeat what is
    /// idempotent.
    pub fn may_have_acted(&self) -> bool {
        match self {
            Self::LinkLost(_) | Self::DeadlineExceeded | Self::Failed(_) => true,
            Self::Unreachable(_)
            | Self::UnknownService(_)
            | Self::Refused(_)
            | Self::TooLarge { .. } => false,
        }
    }
}

/// One node's end of the mesh.
pub trait Mesh: Send + Sync + Debug + 'static {
    /// This node.
    fn node_id(&self) -> NodeId;

    /// This node's life.
    fn incarnation(&self) -> Incarnation;

    /// Sends a request to a service of a node (this one is allowed) and waits for the reply, at
    /// most for `deadline`. To be awaited on a tokio runtime.
    ///
    /// Dropping the future forgets the reply; the request may be handled all the same. Nothing is
    /// sent before the first poll.
    ///
    /// The error is [`MeshError::TooLarge`] also when the reply was too large to be sent; the
    /// request was handled then.
    fn call(
        &self,
        to: NodeId,
        service: &'static str,
        request: Bytes,
        deadline: Duration,
    ) -> CallFuture;

    /// Answers requests to `service` by `handler` from now on, in place of an earlier handler.
    fn register(&self, service: &'static str, handler: Handler);

    /// Offers `service` no more. Requests under way are still answered.
    fn unregister(&self, service: &'static str);

    /// What becomes of the links from now on, beginning with an `Up` for each that is up.
    fn links(&self) -> LinkEvents;

    /// Says where a node is reached: `host:port`. A link to it is kept up from now on. Meshes that
    /// find their nodes by themselves ignore it.
    fn learn(&self, node: NodeId, address: &str);
}
