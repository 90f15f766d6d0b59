//! A node's end of the mesh.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use odeon_gateway::Takeover;
use odeon_kernel::supervisor::RootExit;
use odeon_kernel::{SharedClock, SharedDisk, TaskGuard, Watch};
use odeon_mesh::{
    ClusterMesh, ClusterOptions, LocalNetwork, Mesh, PREAMBLE, Secret, incarnation_of,
};
use odeon_metadata::MetadataImage;
use odeon_model::Uuid;
use odeon_model::config::BrokerConfig;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::net::TcpStream;

use super::NodeError;
use super::open::Bound;

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

impl MeshSource {
    /// What a node's settings ask for when it is all that its process does: a cluster as soon as
    /// they name other nodes or a secret to share with some.
    pub fn of_process(config: &BrokerConfig) -> Self {
        let quorum = &config.quorum;
        // A controller's only bootstrap server is itself: so Kafka's file for one node has it.
        let others = quorum.voters.iter().any(|voter| voter.id != config.node_id)
            || quorum.bootstrap_servers.len() > 1
            || !(config.roles.controller && config.roles.broker);
        let secret = [SECRET, SECRET_FILE];
        if others
            || secret
                .iter()
                .any(|key| config.properties.contains_key(*key))
        {
            Self::Cluster
        } else {
            Self::Alone
        }
    }
}

const SECRET: &str = "odeon.cluster.secret";
const SECRET_FILE: &str = "odeon.cluster.secret.file";

/// A node in the mesh.
pub(super) struct Joined {
    pub(super) mesh: Arc<dyn Mesh>,
    /// The same, when it connects processes.
    pub(super) cluster: Option<ClusterMesh>,
}

/// What a node enters the mesh with.
pub(super) struct Entry<'a> {
    pub(super) config: &'a BrokerConfig,
    pub(super) incarnation_id: Uuid,
    pub(super) clock: &'a SharedClock,
    pub(super) disk: &'a SharedDisk,
    pub(super) system: &'a tokio::runtime::Handle,
    pub(super) bound: &'a mut [Bound],
}

/// Enters the mesh as the life that the incarnation id names.
pub(super) async fn join(source: MeshSource, entry: Entry<'_>) -> Result<Joined, NodeError> {
    let incarnation = incarnation_of(entry.incarnation_id);
    let (node, clock) = (entry.config.node_id, entry.clock.clone());
    let network = match source {
        MeshSource::Alone => LocalNetwork::new(clock),
        MeshSource::Local(network) => network,
        MeshSource::Cluster => {
            let secret = secret(entry.config, entry.disk)?;
            let addresses: Vec<_> = entry
                .bound
                .iter()
                .map(|one| one.listening.address())
                .collect();
            check_secret(secret.as_deref(), &addresses)?;
            let secret = Secret::new(secret.unwrap_or_default().as_bytes());
            let options = ClusterOptions::new(node, incarnation, secret);
            let started = entry.system.spawn(ClusterMesh::start(clock, options)).await;
            let started = started.map_err(|error| NodeError::Failed(error.to_string()))?;
            let mesh = started.map_err(|error| NodeError::Failed(error.to_string()))?;
            share(&mesh, entry)?;
            return Ok(Joined {
                mesh: Arc::new(mesh.clone()),
                cluster: Some(mesh),
            });
        }
    };
    Ok(Joined {
        mesh: Arc::new(network.node_as(node, incarnation)),
        cluster: None,
    })
}

/// The cluster's secret, from the settings or the file they name.
fn secret(config: &BrokerConfig, disk: &SharedDisk) -> Result<Option<String>, NodeError> {
    let refuse = |text: String| Err(NodeError::Unsupported(text));
    let set = |key: &str| config.properties.get(key).cloned();
    match (set(SECRET), set(SECRET_FILE)) {
        (Some(_), Some(_)) => refuse(format!("only one of {SECRET} and {SECRET_FILE} may be set")),
        (Some(text), None) => Ok(Some(text)),
        (None, Some(file)) => match disk.read(file.as_ref()) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
            Err(error) => refuse(format!("{SECRET_FILE}: cannot read {file}: {error}")),
        },
        (None, None) => Ok(None),
    }
}

/// Whoever knows the secret is a node of the cluster: without one, only this machine may connect.
fn check_secret(secret: Option<&str>, addresses: &[SocketAddr]) -> Result<(), NodeError> {
    let min = Secret::MIN_BYTES;
    let refuse = |text: String| Err(NodeError::Unsupported(text));
    match secret {
        Some(secret) if secret.len() < min => refuse(format!(
            "{SECRET} has {} bytes: it must have at least {min}",
            secret.len()
        )),
        None if !addresses.iter().all(|address| is_loopback(address.ip())) => refuse(format!(
            "the nodes of a cluster that listens beyond this machine need a common {SECRET} of at \
             least {min} bytes (or {SECRET_FILE}), for example what `openssl rand -hex 32` prints"
        )),
        _ => Ok(()),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Lets other nodes in where they look for this one: at the controllers' listeners and the one
/// between brokers.
fn share(mesh: &ClusterMesh, entry: Entry<'_>) -> Result<(), NodeError> {
    let network = &entry.config.network;
    for bound in entry.bound {
        let name = &bound.listener.name;
        if network.controller_listener_names.contains(name)
            || network.inter_broker_listener_name == *name
        {
            let takeover = Arc::new(MeshDoor(mesh.clone()));
            let shared = bound.listening.share(takeover, entry.clock.clone());
            shared.map_err(|error| NodeError::Failed(format!("listener {name}: {error}")))?;
        }
    }
    Ok(())
}

#[derive(Debug)]
struct MeshDoor(ClusterMesh);

impl Takeover for MeshDoor {
    fn preamble(&self) -> [u8; 8] {
        PREAMBLE
    }

    fn take(&self, stream: TcpStream) {
        self.0.accept(stream);
    }
}

/// Ends the node when the mesh ends, and tells the mesh where brokers are reached.
#[derive(Debug)]
pub(super) struct MeshGuard;

/// What a [`MeshGuard`] is started with.
#[derive(Debug, Clone)]
pub(super) struct MeshGuardArguments {
    pub(super) mesh: ClusterMesh,
    pub(super) config: Arc<BrokerConfig>,
    pub(super) image: Watch<MetadataImage>,
}

/// The mesh has ended.
#[derive(Debug)]
pub(super) struct MeshEnded(RootExit);

impl ractor::Message for MeshEnded {}

#[ractor::async_trait]
impl Actor for MeshGuard {
    type Msg = MeshEnded;
    type State = [TaskGuard<()>; 2];
    type Arguments = MeshGuardArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<MeshEnded>,
        arguments: MeshGuardArguments,
    ) -> Result<[TaskGuard<()>; 2], ActorProcessingErr> {
        let mesh = arguments.mesh.clone();
        let watches = TaskGuard::spawn(async move {
            let exit = mesh.ended().await;
            let _ = myself.cast(MeshEnded(exit));
        });
        Ok([watches, TaskGuard::spawn(teach(arguments))])
    }

    async fn handle(
        &self,
        _: ActorRef<MeshEnded>,
        MeshEnded(exit): MeshEnded,
        _: &mut [TaskGuard<()>; 2],
    ) -> Result<(), ActorProcessingErr> {
        Err(format!("the mesh has ended: {exit:?}").into())
    }
}

/// Passes on what brokers register. Voters are reached where the settings say.
async fn teach(arguments: MeshGuardArguments) {
    let MeshGuardArguments {
        mesh,
        config,
        mut image,
    } = arguments;
    let voters = &config.quorum.voters;
    loop {
        let now = image.get();
        for broker in now.brokers() {
            let endpoint = broker.endpoint(&config.network.inter_broker_listener_name);
            if let Some(endpoint) = endpoint
                && !voters.iter().any(|voter| voter.id == broker.id)
            {
                mesh.learn(broker.id, &format!("{}:{}", endpoint.host, endpoint.port));
            }
        }
        if image.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_connect_without_a_secret() {
        let local = ["127.0.0.1:9093", "[::1]:9092", "[::ffff:127.0.0.1]:9092"];
        let local = local.map(|address| address.parse().unwrap());
        let outside = ["0.0.0.0:9092", "10.0.0.1:9092", "[::]:9092"];
        assert!(check_secret(None, &local).is_ok());
        assert!(check_secret(Some("sixteen bytes ok"), &local).is_ok());
        for address in outside.map(|address| address.parse().unwrap()) {
            let refused = check_secret(None, &[local[0], address]).unwrap_err();
            assert!(refused.to_string().contains(SECRET), "{refused}");
            assert!(check_secret(Some("sixteen bytes ok"), &[address]).is_ok());
            let refused = check_secret(Some("fifteen bytes.."), &[address]).unwrap_err();
            assert!(refused.to_string().contains("15 bytes"), "{refused}");
        }
    }
}
