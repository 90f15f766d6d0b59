//! What a node opens before any actor runs: sockets, log directories, the quorum.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use odeon_actors::controller::ImageStateMachine;
use odeon_gateway::Listening;
use odeon_kernel::{Blocking, Rng, SharedClock, SharedDisk, Watch};
use odeon_log::{LogConfig, LogManager, ManagerConfig};
use odeon_mesh::Mesh;
use odeon_metadata::MetadataImage;
use odeon_model::Uuid;
use odeon_model::config::{BrokerConfig, HostPort, Listener};
use odeon_quorum::bootstrap::{self, Applicant};
use odeon_quorum::{MeshPeers, Quorum, QuorumConfig};

use super::{MeshSource, NodeError};
use crate::defaults::is_every_interface;

/// Files kept open at once, whatever the system would allow.
const OPEN_FILES: usize = 10_000;

/// A listener and its socket.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) listener: Listener,
    pub(super) listening: Listening,
}

/// Refuses what this version does not do, instead of doing something else.
pub(super) fn check_supported(config: &BrokerConfig, mesh: &MeshSource) -> Result<(), NodeError> {
    let refuse = |text: String| Err(NodeError::Unsupported(text));
    let quorum = &config.quorum;
    let is_lost = quorum.voters.is_empty() && quorum.bootstrap_servers.is_empty();
    if is_lost && (!config.roles.controller || quorum.auto_join) {
        return refuse(
            "controller.quorum.voters or controller.quorum.bootstrap.servers must name voters: a \
             node finds its cluster by them"
                .into(),
        );
    }
    let mut voters = quorum.voters.iter();
    if matches!(mesh, MeshSource::Alone) && voters.any(|voter| voter.id != config.node_id) {
        return refuse("controller.quorum.voters names other nodes: this one is alone".into());
    }
    for listener in &config.network.listeners {
        if listener.protocol.uses_tls() || listener.protocol.uses_sasl() {
            return refuse(format!(
                "listener {} uses {}: this version speaks PLAINTEXT",
                listener.name,
                listener.protocol.name()
            ));
        }
    }
    Ok(())
}

/// The listeners that clients use. The controllers' listener is bound with the mesh.
pub(super) fn client_listeners(config: &BrokerConfig) -> impl Iterator<Item = &Listener> {
    let network = &config.network;
    let listeners = network.listeners.iter();
    listeners.filter(|listener| !network.controller_listener_names.contains(&listener.name))
}

/// Binds every listener, controllers' included: a taken port is found before anything is opened.
pub(super) async fn bind(config: &BrokerConfig) -> Result<Vec<Bound>, NodeError> {
    let mut bound = Vec::new();
    for listener in &config.network.listeners {
        let listening = bind_one(&listener.name, &listener.host, listener.port).await?;
        bound.push(Bound {
            listener: listener.clone(),
            listening,
        });
    }
    Ok(bound)
}

pub(super) async fn bind_one(name: &str, host: &str, port: u16) -> Result<Listening, NodeError> {
    Listening::bind(host, port)
        .await
        .map_err(|source| NodeError::Listen {
            address: format!("{host}:{port}"),
            listener: name.to_owned(),
            source,
        })
}

/// Opens and loads the log directories. Blocks.
pub(super) fn logs(
    config: &BrokerConfig,
    disk: &SharedDisk,
    clock: SharedClock,
    rng: Arc<Rng>,
) -> Result<Arc<LogManager>, NodeError> {
    let dirs: Vec<PathBuf> = config.log_dirs.iter().map(PathBuf::from).collect();
    let manager = LogManager::open(
        ManagerConfig {
            dirs,
            node_id: config.node_id,
            cluster_id: None,
            defaults: LogConfig::default(),
            max_open_files: OPEN_FILES,
        },
        disk.clone(),
        clock,
        rng,
    )?;
    let loaded = manager.load_all()?;
    for (partition, error) in &loaded.failed {
        tracing::error!(%partition, %error, "a log could not be loaded");
    }
    for (partition, report) in &loaded.recovered {
        tracing::info!(%partition, ?report, "a log was recovered");
    }
    tracing::info!(
        logs = loaded.loaded,
        unclean_dirs = loaded.unclean_dirs,
        "logs are loaded"
    );
    Ok(Arc::new(manager))
}

/// What the quorum is opened with.
pub(super) struct QuorumParts {
    pub(super) config: Arc<BrokerConfig>,
    pub(super) disk: SharedDisk,
    pub(super) clock: SharedClock,
    pub(super) rng: Arc<Rng>,
    pub(super) blocking: Blocking,
    pub(super) logs: Arc<LogManager>,
    pub(super) mesh: Arc<dyn Mesh>,
}

/// What opening the quorum gives.
pub(super) struct Opened {
    pub(super) cluster_id: Arc<str>,
    pub(super) quorum: Quorum,
    pub(super) image: Watch<MetadataImage>,
}

/// Opens the quorum on the runtime that it shall live on.
pub(super) async fn quorum_on(
    runtime: &tokio::runtime::Handle,
    parts: QuorumParts,
) -> Result<Opened, NodeError> {
    let opened = runtime.spawn(quorum(parts)).await;
    opened.map_err(|error| NodeError::Failed(error.to_string()))?
}

/// The configured voters and their addresses; this node alone when none are named.
fn voters(config: &BrokerConfig) -> Vec<(i32, String)> {
    if config.quorum.voters.is_empty() {
        return vec![(config.node_id, own_endpoint(config))];
    }
    let voters = config.quorum.voters.iter();
    voters
        .map(|voter| (voter.id, voter.address.to_string()))
        .collect()
}

/// Where the other nodes reach this one: empty when its address does not say.
fn own_endpoint(config: &BrokerConfig) -> String {
    let voters = &config.quorum.voters;
    if let Some(own) = voters.iter().find(|voter| voter.id == config.node_id) {
        return own.address.to_string();
    }
    let network = &config.network;
    let (name, listeners) = match config.roles.controller {
        true => (
            network.controller_listener_names.first(),
            &network.listeners,
        ),
        false => (
            Some(&network.inter_broker_listener_name),
            &network.advertised_listeners,
        ),
    };
    let listener = listeners
        .iter()
        .find(|listener| Some(&listener.name) == name);
    let Some(listener) = listener.filter(|listener| listener.port != 0) else {
        return String::new();
    };
    let address = HostPort {
        host: match is_every_interface(&listener.host) {
            true => odeon_kernel::system::host_name(),
            false => listener.host.clone(),
        },
        port: listener.port,
    };
    address.to_string()
}

/// The id of the directory that holds the metadata log, and whether it is none of the log
/// directories.
async fn metadata_directory(parts: &QuorumParts) -> Result<(Uuid, bool), NodeError> {
    let path = PathBuf::from(&parts.config.metadata_log_dir);
    if let Some(listed) = parts.logs.directories().find(|dir| dir.path() == path) {
        // Whoever votes without a directory would vote again without it.
        return match listed.offline_reason() {
            None => Ok((listed.id(), false)),
            Some(reason) => Err(NodeError::Failed(reason)),
        };
    }
    let (disk, rng, node_id) = (parts.disk.clone(), parts.rng.clone(), parts.config.node_id);
    let cluster_id = parts.logs.cluster_id();
    let claim =
        move || odeon_log::claim_directory(&disk, &rng, node_id, cluster_id.as_deref(), &path);
    Ok((parts.blocking.run(claim).await?, true))
}

/// Finds or founds the cluster, makes the log directories its own, and starts the replica.
async fn quorum(parts: QuorumParts) -> Result<Opened, NodeError> {
    let config = &parts.config;
    let metadata_dir = Path::new(&config.metadata_log_dir);
    let (directory_id, is_apart) = metadata_directory(&parts).await?;
    let dir = metadata_dir.join("__cluster_metadata-0");
    let peers = Arc::new(MeshPeers(parts.mesh.clone()));
    let voters = voters(config);
    for (node, address) in voters.iter().filter(|(node, _)| *node != config.node_id) {
        parts.mesh.learn(*node, address);
    }
    let founding = bootstrap::agree(Applicant {
        node_id: config.node_id,
        directory_id,
        cluster_id: parts.logs.cluster_id(),
        voters,
        dir: dir.clone(),
        disk: parts.disk.clone(),
        clock: parts.clock.clone(),
        rng: parts.rng.clone(),
        peers: peers.clone(),
        blocking: parts.blocking,
    })
    .await?;
    let cluster_id: Arc<str> = founding.cluster_id.as_str().into();
    let (logs, joined) = (parts.logs.clone(), cluster_id.clone());
    let (disk, apart) = (
        parts.disk.clone(),
        is_apart.then(|| metadata_dir.to_owned()),
    );
    let join = move || {
        logs.join_cluster(&joined)?;
        apart.map_or(Ok(()), |dir| {
            odeon_log::join_directory(&disk, &dir, &joined)
        })
    };
    parts.blocking.run(join).await?;
    let (machine, image) = ImageStateMachine::new(cluster_id.clone());
    let mut quorum = QuorumConfig::new(
        config.node_id,
        directory_id,
        founding.cluster_id,
        founding.voters,
        dir,
        parts.disk.clone(),
        parts.clock.clone(),
        peers,
        Box::new(machine),
    );
    quorum.blocking = parts.blocking;
    quorum.contacts = config.quorum.voters.iter().map(|voter| voter.id).collect();
    quorum.endpoint = own_endpoint(config);
    quorum.auto_join = config.quorum.auto_join;
    quorum.limits.snapshot_bytes = u64::try_from(config.quorum.max_record_bytes_between_snapshots)
        .unwrap_or(quorum.limits.snapshot_bytes);
    let quorum = Quorum::start(quorum).await?;
    Ok(Opened {
        cluster_id,
        quorum,
        image,
    })
}
