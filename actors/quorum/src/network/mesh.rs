//! The way over the mesh.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon_mesh::{Mesh, MeshError};

use super::{CallError, CallFuture, Handler, Peers};

/// The service's name in the mesh.
const SERVICE: &str = "raft";

/// Reaches the nodes of other replicas over the mesh, as the service `raft`.
#[derive(Debug, Clone)]
pub struct MeshPeers(pub Arc<dyn Mesh>);

impl Peers for MeshPeers {
    fn call(
        &self,
        to: i32,
        request: Bytes,
        deadline: Duration,
    ) -> CallFuture<Result<Bytes, CallError>> {
        let call = self.0.call(to, SERVICE, request, deadline);
        Box::pin(async move {
            call.await.map_err(|error| CallError {
                to,
                timed_out: error == MeshError::DeadlineExceeded,
                why: error.to_string(),
            })
        })
    }

    fn serve(&self, handler: Handler) {
        let answer = odeon_mesh::handler(move |_, request| {
            let reply = handler(request);
            async move { Ok(reply.await) }
        });
        self.0.register(SERVICE, answer);
    }

    fn learn(&self, node: i32, endpoint: &str) {
        if node != self.0.node_id() && !endpoint.is_empty() {
            self.0.learn(node, endpoint);
        }
    }

    fn retire(&self) {
        self.0.unregister(SERVICE);
    }
}
