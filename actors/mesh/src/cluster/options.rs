//! What a mesh between processes is started with, and why it does not start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use odeon_model::NodeId;
use sha2::Sha256;

use crate::{Incarnation, MAX_MESSAGE_BYTES};

/// What the nodes of a cluster know and nobody else. Never shown.
#[derive(Clone)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// The fewest bytes of a secret that keeps strangers out.
    pub const MIN_BYTES: usize = 16;

    /// A secret of these bytes. An empty one keeps nobody out.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    pub(super) fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.0).expect("a key of any length")
    }

    /// The node server's cookie.
    pub(super) fn cookie(&self) -> String {
        let mut mac = self.mac();
        mac.update(b"odeon mesh 1 cookie");
        let bytes = mac.finalize().into_bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The settings of a [`ClusterMesh`].
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// This node.
    pub node: NodeId,
    /// This life of it.
    pub incarnation: Incarnation,
    /// What proves that a node belongs to the cluster.
    pub secret: Secret,
    /// The largest request or reply.
    pub max_message_bytes: usize,
    /// Bulk bytes that a link's sender may have queued.
    pub link_budget_bytes: u64,
    /// Calls under way from this node to another; more wait.
    pub max_calls_per_link: usize,
    /// A link carries something in each direction at least so often.
    pub heartbeat: Duration,
    /// A link that is silent for so long is lost.
    pub idle_limit: Duration,
    /// How long a TCP connection, a handshake, and the node server's own each may take.
    pub handshake_limit: Duration,
    /// The first and the longest pause between dials.
    pub redial: (Duration, Duration),
    /// Connections whose handshake is under way; more are dropped.
    pub max_handshakes: usize,
}

impl ClusterOptions {
    /// The usual settings.
    pub fn new(node: NodeId, incarnation: Incarnation, secret: Secret) -> Self {
        Self {
            node,
            incarnation,
            secret,
            max_message_bytes: MAX_MESSAGE_BYTES,
            link_budget_bytes: 1 << 20,
            max_calls_per_link: 4096,
            heartbeat: Duration::from_millis(300),
            idle_limit: Duration::from_millis(1500),
            handshake_limit: Duration::from_secs(2),
            redial: (Duration::from_millis(20), Duration::from_secs(1)),
            max_handshakes: 64,
        }
    }
}

/// Why a mesh does not start.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// This process has, or has had, one.
    #[error("this process already has a node in a cluster: a process can be one node only")]
    OneNodeOnly,
    /// Its actors cannot start.
    #[error("the mesh cannot start: {0}")]
    Failed(String),
}

/// A link as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkStatus {
    /// The node at the other end.
    pub node: NodeId,
    /// Its life.
    pub incarnation: Incarnation,
    /// Whether the node has answered at the address that this one knows: only then does a refusal
    /// there prove that it is dead.
    pub seen: bool,
    /// Bytes received over it.
    pub read_bytes: u64,
    /// Bytes sent over it.
    pub written_bytes: u64,
}
