//! What a handler knows about its request, and what all connections of a node share.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use odeon_actors::node::NodeHandle;
use odeon_kernel::budget::ByteBudget;

use crate::authorizer::{Authorizer, Operation, Requester, Resource, ResourceKind, operations_of};
use crate::hooks::{Quotas, RequestMetrics};
use crate::pace::Pace;
use crate::session::FetchSessions;

/// What all connections of a node share.
#[derive(Debug)]
pub struct GatewayState {
    /// The node's actors and views.
    pub node: NodeHandle,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// Who must wait how long.
    pub quotas: Arc<dyn Quotas>,
    /// Request counters.
    pub metrics: RequestMetrics,
    /// Incremental fetch sessions.
    pub fetch_sessions: FetchSessions,
    /// The node-wide budget of request bytes in flight.
    pub budget: ByteBudget,
    /// How fast connections may come.
    pub pace: Mutex<Pace>,
    /// Log every request with its API, version, client and outcome (at info level).
    pub request_log: bool,
}

/// What is known of a connection, shared by its requests.
#[derive(Debug)]
pub struct Peer {
    /// `User:NAME`.
    pub principal: String,
    /// The client's address without its port.
    pub host: String,
    /// The listener's name, `PLAINTEXT` by default.
    pub listener: Arc<str>,
    /// The listener's security protocol.
    pub security_protocol: Arc<str>,
}

/// What a handler knows about its request. Cheap to make, one a request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// What all connections share.
    pub gateway: Arc<GatewayState>,
    /// Who asks, and through which listener.
    pub peer: Arc<Peer>,
    /// The client's own name, may be empty.
    pub client_id: Arc<str>,
    /// The request's API version.
    pub api_version: i16,
    /// The request's correlation id.
    pub correlation_id: i32,
    /// When the request arrived, monotonic.
    pub arrived: Duration,
    /// The frame's size in bytes.
    pub request_bytes: u64,
    /// What an answer should hold at most, if what is left comes with the next.
    pub worthwhile_bytes: usize,
}

impl RequestContext {
    /// The node's actors and views.
    pub fn node(&self) -> &NodeHandle {
        &self.gateway.node
    }

    /// Who asks.
    pub fn requester(&self) -> Requester<'_> {
        Requester {
            principal: &self.peer.principal,
            host: &self.peer.host,
        }
    }

    /// Whether the requester may do `operation` to `resource`.
    pub fn allows(&self, operation: Operation, resource: Resource<'_>) -> bool {
        self.gateway
            .authorizer
            .allows(self.requester(), operation, resource)
    }

    /// Whether the requester may do `operation` to the topic `name`.
    pub fn allows_topic(&self, operation: Operation, name: &str) -> bool {
        self.allows(operation, Resource::topic(name))
    }

    /// Whether the requester may do `operation` to the group `name`.
    pub fn allows_group(&self, operation: Operation, name: &str) -> bool {
        self.allows(operation, Resource::group(name))
    }

    /// Whether the requester may do `operation` to the cluster.
    pub fn allows_cluster(&self, operation: Operation) -> bool {
        self.allows(operation, Resource::CLUSTER)
    }

    /// The bit field of all operations the requester may do to a resource (KIP-430).
    pub fn authorized_operations(&self, kind: ResourceKind, name: &str) -> i32 {
        operations_of(kind)
            .iter()
            .filter(|operation| self.allows(**operation, Resource { kind, name }))
            .fold(0, |bits, operation| bits | (1 << (*operation as i32)))
    }

    /// Wall-clock time in milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.node().clock.now_ms()
    }
}
