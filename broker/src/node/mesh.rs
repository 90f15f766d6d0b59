//! A node's end of the mesh.

use std::sync::Arc;

use odeon_kernel::SharedClock;
use odeon_mesh::{LocalNetwork, Mesh, incarnation_of};
use odeon_model::Uuid;
use odeon_model::config::BrokerConfig;

use super::NodeError;

/// How a node reaches the cluster's other nodes.
#[derive(Debug, Clone, Default)]
pub enum MeshSource {
    /// There are no others.
    #[default]
    Alone,
    /// They are in this process.
    Local(LocalNetwork),
    /// They are processes of their own, reached at the addresses of the settings.
    Cluster,
}

/// Enters the mesh as the life that the incarnation id names.
pub(super) fn join(
    source: MeshSource,
    config: &BrokerConfig,
    incarnation_id: Uuid,
    clock: &SharedClock,
) -> Result<Arc<dyn Mesh>, NodeError> {
    let incarnation = incarnation_of(incarnation_id);
    match source {
        MeshSource::Alone => {
            let network = LocalNetwork::new(clock.clone());
            Ok(Arc::new(network.node_as(config.node_id, incarnation)))
        }
        MeshSource::Local(network) => Ok(Arc::new(network.node_as(config.node_id, incarnation))),
        MeshSource::Cluster => Err(NodeError::Unsupported(
            "nodes in other processes cannot be reached yet".into(),
        )),
    }
}
