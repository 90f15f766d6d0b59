//! A whole node: opens the directories, binds the sockets, builds the supervision tree.
//!
//! ```text
//! Node                        rest_for_one
//! |- Ground                   one_for_one
//! |  |- Mesh                  connects nodes; its end is the node's end; absent in a lone node
//! |  |- Storage               upkeep of the log directories
//! |  `- Quorum                watches the Raft engine; its end is the node's end
//! |- Roles                    one_for_one
//! |  |- ClusterController
//! |  |- Replicas              a PartitionLeader per partition led here
//! |  |- Coordinators          a GroupCoordinator per led partition of __consumer_offsets
//! |  `- BrokerActor
//! `- Edge                     one_for_one with back-off
//!    |- Gateway LISTENER ...
//!    `- Console
//! ```
//!
//! Two runtimes: `system`, one thread, for the quorum, the controller and the heartbeats, so that
//! nothing else can stall them; and the caller's for everything else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use odeon_actors::broker::BrokerStatus;
use odeon_actors::node::NodeHandle;
use odeon_actors::partition::RoutingTable;
use odeon_gateway::context::Peer;
use odeon_gateway::{AllowAll, Authorizer, GatewayState, Listening, connection};
use odeon_kernel::supervisor::{RootExit, RootSupervisor, SupervisorHandle};
use odeon_kernel::{Rng, Seams, SharedClock, SharedDisk, Watch, watch};
use odeon_log::LogError;
use odeon_metadata::MetadataImage;
use odeon_model::Uuid;
use odeon_model::config::BrokerConfig;
use odeon_quorum::StartError;
use tokio::io::{AsyncRead, AsyncWrite};

mod adopt;
mod find;
mod mesh;
mod open;
mod stop;
mod tree;

pub use adopt::{AdoptError, AdoptedTopic, TopicAdoption};
pub use mesh::MeshSource;

/// How long a node waits for its quorum and its registration.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The settings, from a `server.properties` or the defaults.
    pub config: BrokerConfig,
    /// Whether clients are served; without, no socket is opened.
    pub serves: bool,
    /// Where the console listens; `None` for no console.
    pub console: Option<(String, u16)>,
    /// Whether every request is logged, for finding out what a client asks.
    pub request_log: bool,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// How it reaches the cluster's other nodes.
    pub mesh: MeshSource,
}

impl NodeOptions {
    /// A node by itself, without a console, without a request log, where everybody may do
    /// everything.
    pub fn new(config: BrokerConfig) -> Self {
        Self {
            config,
            serves: true,
            console: None,
            request_log: false,
            authorizer: Arc::new(AllowAll),
            mesh: MeshSource::Alone,
        }
    }
}

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({listener}): {source}")]
    Listen {
        /// Host and port.
        address: String,
        /// The listener's name.
        listener: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A setting asks for something this node does not do.
    #[error("{0}")]
    Unsupported(String),
    /// A log directory cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The metadata quorum cannot start.
    #[error("the metadata quorum cannot start: {0}")]
    Quorum(#[from] StartError),
    /// The system runtime cannot start.
    #[error("a thread cannot start: {0}")]
    Runtime(std::io::Error),
    /// The actors cannot start, or ended.
    #[error("the node failed: {0}")]
    Failed(String),
    /// The node did not become ready in time.
    #[error("the node was not ready within {} s", READY_LIMIT.as_secs())]
    NotReady,
}

/// A running node. Dropping it stops it without order; [`Node::stop`] is the right way.
#[derive(Debug)]
pub struct Node {
    handle: NodeHandle,
    gateway: Arc<GatewayState>,
    root: RootSupervisor,
    listeners: Vec<(String, SocketAddr)>,
    console: Option<SocketAddr>,
    data_dirs: Vec<PathBuf>,
    status: Watch<BrokerStatus>,
    stopping: Arc<watch::Sender<bool>>,
    disk: SharedDisk,
    rng: Arc<Rng>,
    system: SystemRuntime,
}

/// The runtime of the parts that nothing may stall.
#[derive(Debug)]
struct SystemRuntime {
    handle: tokio::runtime::Handle,
    runtime: Option<tokio::runtime::Runtime>,
}

impl SystemRuntime {
    /// The runtime given, or one of its own.
    fn start(given: Option<tokio::runtime::Handle>) -> Result<Self, NodeError> {
        if let Some(handle) = given {
            let runtime = None;
            return Ok(Self { handle, runtime });
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("odeon-system")
            .on_thread_start(odeon_kernel::system::prefer_this_thread)
            .enable_all()
            .build()
            .map_err(NodeError::Runtime)?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for SystemRuntime {
    fn drop(&mut self) {
        // A runtime must not be waited for inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Node {
    /// Starts a node and returns once it serves: registered, unfenced, every listener open.
    ///
    /// # Errors
    /// See [`NodeError`]; nothing keeps running then.
    pub async fn start(options: NodeOptions) -> Result<Self, NodeError> {
        odeon_kernel::system::raise_descriptor_limit();
        open::check_supported(&options.config, &options.mesh)?;
        let bound = if options.serves {
            open::bind(&options.config).await?
        } else {
            Vec::new()
        };
        let console = match &options.console {
            Some((host, port)) => Some(open::bind_one("console", host, *port).await?),
            None => None,
        };
        Self::grow(options, Seams::real(), bound, console).await
    }

    /// Starts a node that listens nowhere, on the disk, the clock and the runtime given; clients
    /// come through [`Node::serve`]. For a simulation, or a service that accepts by itself.
    ///
    /// # Errors
    /// See [`NodeError`]; nothing keeps running then.
    pub async fn start_on(seams: Seams, options: NodeOptions) -> Result<Self, NodeError> {
        open::check_supported(&options.config, &options.mesh)?;
        Self::grow(options, seams, Vec::new(), None).await
    }

    async fn grow(
        options: NodeOptions,
        seams: Seams,
        mut bound: Vec<open::Bound>,
        console: Option<Listening>,
    ) -> Result<Self, NodeError> {
        let Seams {
            disk,
            clock,
            rng,
            blocking,
            system,
        } = seams;
        let started = clock.monotonic();
        let mut config = options.config;
        if find::must_ask(&config) {
            config.quorum.voters = find::voters(&config, &clock).await;
        }
        let config = Arc::new(config);
        let system = SystemRuntime::start(system)?;
        // The process's life in the cluster and in the mesh are one.
        let incarnation_id = Uuid::from_random(rng.bytes16());
        let entry = mesh::Entry {
            config: &config,
            incarnation_id,
            clock: &clock,
            disk: &disk,
            system: &system.handle,
            bound: &mut bound,
        };
        let mesh::Joined { mesh, cluster } = mesh::join(options.mesh, entry).await?;
        let data_dirs: Vec<PathBuf> = config.log_dirs.iter().map(PathBuf::from).collect();
        let logs = {
            let (config, clock, rng) = (config.clone(), clock.clone(), rng.clone());
            let disk = disk.clone();
            blocking
                .run(move || open::logs(&config, &disk, clock, rng))
                .await?
        };
        let parts = open::QuorumParts {
            config: config.clone(),
            disk: disk.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            blocking,
            logs: logs.clone(),
            mesh: mesh.clone(),
        };
        let open::Opened {
            cluster_id,
            quorum,
            image,
        } = open::quorum_on(&system.handle, parts).await?;
        if let Some(cluster) = &cluster {
            cluster.set_cluster_id(&cluster_id);
        }
        let routing = Arc::new(RoutingTable::default());
        let tree = tree::Ingredients {
            config: config.clone(),
            cluster_id: cluster_id.clone(),
            incarnation_id,
            clock: clock.clone(),
            rng: rng.clone(),
            blocking,
            logs,
            image,
            quorum,
            mesh,
            cluster,
            routing,
            bound,
            console,
            request_log: options.request_log,
            authorizer: options.authorizer,
            system: system.handle.clone(),
        };
        let grown = tree::grow(tree).await?;
        let node = Self {
            handle: grown.handle,
            gateway: grown.gateway,
            root: grown.root,
            listeners: grown.listeners,
            console: grown.console,
            data_dirs,
            status: grown.status,
            stopping: grown.stopping,
            disk,
            rng,
            system,
        };
        node.until_ready(&clock).await?;
        tracing::info!(
            node_id = config.node_id,
            cluster_id = &*cluster_id,
            elapsed_ms = (clock.monotonic() - started).as_millis(),
            "node is ready"
        );
        Ok(node)
    }

    /// Serves one client on a stream that was accepted elsewhere, as the first listener would,
    /// until the client goes. Dropping the future ends the connection.
    pub fn serve<S>(&self, stream: S, host: &str) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let config = &self.handle.config;
        let listener = open::client_listeners(config).next();
        let peer = Peer {
            principal: "User:ANONYMOUS".to_owned(),
            host: host.to_owned(),
            listener: Arc::from(listener.map_or("", |listener| &*listener.name)),
            security_protocol: Arc::from(listener.map_or("", |listener| listener.protocol.name())),
        };
        let limits = tree::connection_limits(config);
        connection::serve(stream, self.gateway.clone(), peer, limits)
    }

    async fn until_ready(&self, clock: &SharedClock) -> Result<(), NodeError> {
        let (mut status, mut image) = (self.status.clone(), self.handle.image.clone());
        let own = self.handle.node_id;
        let is_broker = self.handle.config.roles.broker;
        let ready = async {
            if !is_broker {
                // A controller serves as soon as it has heard from the leader, or leads.
                return image
                    .wait_for(|image| image.position().index > 0)
                    .await
                    .map(drop);
            }
            let epoch = status
                .wait_for(|status| status.unfenced)
                .await?
                .broker_epoch;
            // Others may have decided it, and this node learns of it later.
            let shown = |image: &MetadataImage| {
                let broker = image.broker(own);
                broker.is_some_and(|broker| broker.epoch >= epoch && !broker.fenced)
            };
            image.wait_for(shown).await.map(drop)
        };
        tokio::select! {
            biased;
            ready = ready => {
                ready.map_err(|_| NodeError::Failed("the broker actor ended".to_owned()))
            }
            () = clock.sleep(READY_LIMIT) => Err(NodeError::NotReady),
        }
    }

    /// The listeners by name, with the ports really bound.
    pub fn listeners(&self) -> Vec<(String, SocketAddr)> {
        self.listeners.clone()
    }

    /// Where the console listens.
    pub fn console(&self) -> Option<SocketAddr> {
        self.console
    }

    /// The log directories.
    pub fn data_dirs(&self) -> Vec<PathBuf> {
        self.data_dirs.clone()
    }

    /// The node's views and handles.
    pub fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// What the connections share: the authorizer, the request counters.
    pub fn gateway(&self) -> &Arc<GatewayState> {
        &self.gateway
    }

    /// The top of the supervision tree.
    pub fn supervisor(&self) -> &SupervisorHandle {
        self.root.handle()
    }

    /// Waits until the node ended by itself. Cancel safe.
    ///
    /// # Errors
    /// [`NodeError::Failed`] with the reason, always unless it was stopped.
    pub async fn ended(&mut self) -> Result<(), NodeError> {
        match self.root.ended().await {
            RootExit::Stopped => Ok(()),
            RootExit::Failed(reason) => Err(NodeError::Failed(reason)),
        }
    }

    /// Stops in order: what this broker leads is handed over to others, and so is the lead of the
    /// quorum; then end edge, roles, then the log directories are closed cleanly, then the quorum.
    /// How many log directories were left clean.
    pub async fn stop(self) -> usize {
        stop::hand_over(&self.handle, &self.stopping, &self.status).await;
        self.handle.quorum.resign().await;
        self.abandon().await
    }

    /// As [`Node::stop`], but without handing anything over: for a node that nobody can reach.
    pub async fn abandon(self) -> usize {
        let Self {
            handle,
            root,
            status,
            system,
            ..
        } = self;
        let exit = root.shutdown().await;
        tracing::debug!(?exit, "the tree has stopped");
        let logs = handle.logs.clone();
        let broker_epoch = status.get().broker_epoch;
        let clean = handle
            .blocking
            .run(move || logs.shutdown(broker_epoch))
            .await;
        handle.quorum.shutdown().await;
        drop(system);
        tracing::info!(clean_directories = clean, "node has stopped");
        clean
    }
}
