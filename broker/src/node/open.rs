//! What a node opens before any actor runs: sockets, log directories, the quorum.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use odeon_actors::controller::ImageStateMachine;
use odeon_gateway::Listening;
use odeon_kernel::{Blocking, Rng, SharedClock, SharedDisk, Watch};
use odeon_log::{LogConfig, LogManager, ManagerConfig, MetaProperties};
use odeon_mesh::Mesh;
use odeon_metadata::MetadataImage;
use odeon_model::Uuid;
use odeon_model::config::{BrokerConfig, Listener};
use odeon_quorum::{MeshPeers, Quorum, QuorumConfig, Voter};

use super::NodeError;

/// Files kept open at once, whatever the system would allow.
const OPEN_FILES: usize = 10_000;

/// A listener and its socket.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) listener: Listener,
    pub(super) listening: Listening,
}

/// Refuses what this version does not do, instead of doing something else.
pub(super) fn check_supported(config: &BrokerConfig) -> Result<(), NodeError> {
    let refuse = |text: String| Err(NodeError::Unsupported(text));
    if !(config.roles.broker && config.roles.controller) {
        return refuse("process.roles must be broker,controller: one node has both roles".into());
    }
    if config
        .quorum
        .voters
        .iter()
        .any(|voter| voter.id != config.node_id)
    {
        return refuse(
            "controller.quorum.voters names other nodes: this version runs one node".into(),
        );
    }
    for listener in client_listeners(config) {
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

/// Opens and loads the log directories; an empty one is formatted. Blocks.
pub(super) fn logs(
    config: &BrokerConfig,
    disk: &SharedDisk,
    clock: SharedClock,
    rng: Arc<Rng>,
) -> Result<(Arc<LogManager>, Arc<str>), NodeError> {
    let dirs: Vec<PathBuf> = config.log_dirs.iter().map(PathBuf::from).collect();
    let cluster_id = find_cluster_id(disk, &dirs)?
        .unwrap_or_else(|| Uuid::from_random(rng.bytes16()).to_string());
    let manager = LogManager::open(
        ManagerConfig {
            dirs,
            node_id: config.node_id,
            cluster_id: cluster_id.clone(),
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
    Ok((Arc::new(manager), cluster_id.into()))
}

/// The cluster that the directories belong to, if any of them was formatted.
fn find_cluster_id(disk: &SharedDisk, dirs: &[PathBuf]) -> Result<Option<String>, NodeError> {
    for dir in dirs {
        if let Some(meta) = MetaProperties::read(disk, dir)? {
            return Ok(Some(meta.cluster_id));
        }
    }
    Ok(None)
}

/// What the quorum is opened with.
pub(super) struct QuorumParts {
    pub(super) config: Arc<BrokerConfig>,
    pub(super) cluster_id: Arc<str>,
    pub(super) disk: SharedDisk,
    pub(super) clock: SharedClock,
    pub(super) blocking: Blocking,
    pub(super) logs: Arc<LogManager>,
    pub(super) mesh: Arc<dyn Mesh>,
}

/// Opens the quorum on the runtime that it shall live on.
pub(super) async fn quorum_on(
    runtime: &tokio::runtime::Handle,
    parts: QuorumParts,
) -> Result<(Quorum, Watch<MetadataImage>), NodeError> {
    let opened = runtime.spawn(quorum(parts)).await;
    opened.map_err(|error| NodeError::Failed(error.to_string()))?
}

async fn quorum(parts: QuorumParts) -> Result<(Quorum, Watch<MetadataImage>), NodeError> {
    let config = &parts.config;
    let metadata_dir = Path::new(&config.metadata_log_dir);
    let directory_id = parts
        .logs
        .directories()
        .find(|dir| dir.path() == metadata_dir)
        .map_or(Uuid::ZERO, |dir| dir.id());
    let (machine, image) = ImageStateMachine::new(parts.cluster_id.clone());
    let voter = Voter {
        node_id: config.node_id,
        directory_id,
        endpoint: String::new(),
    };
    let mut quorum = QuorumConfig::new(
        config.node_id,
        directory_id,
        parts.cluster_id.to_string(),
        vec![voter],
        metadata_dir.join("__cluster_metadata-0"),
        parts.disk.clone(),
        parts.clock.clone(),
        Arc::new(MeshPeers(parts.mesh.clone())),
        Box::new(machine),
    );
    quorum.blocking = parts.blocking;
    quorum.limits.snapshot_bytes = u64::try_from(config.quorum.max_record_bytes_between_snapshots)
        .unwrap_or(quorum.limits.snapshot_bytes);
    Ok((Quorum::start(quorum).await?, image))
}
