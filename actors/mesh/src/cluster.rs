//! Nodes in processes of their own, connected by `ractor_cluster`.
//!
//! ```text
//! cluster.rs     the mesh: calls, services, who is told of links
//! handshake.rs   who is at the other end of a connection
//! peer.rs        a LinkSupervisor per node: dials, settles, notices ends;  peer/state.rs decides
//! link.rs        one connection;  stream.rs  its bytes
//! options.rs     settings and errors
//! gate.rs        the one actor that other nodes address
//! server.rs      the node server, hidden, and its events
//! ```
//!
//! The node server carries bytes between actors and knows neither back-off nor bounds nor silence:
//! connections are made and settled here and handed to it one per node; budgets, deadlines and
//! sizes are kept before a message reaches it. Its own listener sits unused on a loopback port.
//!
//! Everything runs on the runtime that [`ClusterMesh::start`] is awaited on. Because the actor
//! library's registries are process-wide, a process has one mesh in its whole life.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::clock::timeout;
use odeon_kernel::supervisor::{
    Backoff, ChildSpec, Restart, RootExit, Supervisor, SupervisorHandle, SupervisorOptions,
};
use odeon_kernel::{Rng, SharedClock, Slot, watch};
use odeon_model::NodeId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::services::Services;
use crate::{CallFuture, Handler, Incarnation, LinkEvent, LinkEvents, Mesh, MeshError};

mod accept;
mod call;
mod gate;
mod handshake;
mod link;
mod options;
mod peer;
mod server;
mod stream;
#[cfg(test)]
mod tests;

pub use handshake::PREAMBLE;
use link::{Link, lock};
pub use options::{ClusterError, ClusterOptions, LinkStatus, Secret};
use peer::PeerMessage;

/// A node's end of a mesh between processes. Clones are the same; the last one to go stops it.
#[derive(Clone)]
pub struct ClusterMesh {
    inner: Arc<Inner>,
    _stops: Arc<Stops>,
}

/// Stops the mesh when nobody holds it any more.
struct Stops(SupervisorHandle);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.stop();
    }
}

pub(crate) struct Inner {
    options: ClusterOptions,
    clock: SharedClock,
    rng: Rng,
    cluster: Mutex<String>,
    services: Services,
    /// The links that are up.
    links: Mutex<BTreeMap<NodeId, Arc<Link>>>,
    /// All links that may carry messages.
    numbers: Mutex<HashMap<u64, Arc<Link>>>,
    peers: Mutex<BTreeMap<NodeId, Peer>>,
    listeners: Mutex<Vec<mpsc::UnboundedSender<LinkEvent>>>,
    handshakes: Arc<Semaphore>,
    /// The nodes that a test has cut off.
    cut: watch::Sender<Vec<NodeId>>,
    server: Slot<ractor_cluster::NodeServerMessage>,
    supervisor: SupervisorHandle,
    runtime: tokio::runtime::Handle,
    over: watch::Sender<Option<RootExit>>,
}

struct Peer {
    actor: Slot<PeerMessage>,
    /// Where it is reached; kept for the restarts of its supervisor.
    address: Arc<Mutex<Option<String>>>,
}

static STARTED: AtomicBool = AtomicBool::new(false);

impl ClusterMesh {
    /// Starts this process's mesh on the current runtime. It reaches nobody before it
    /// [learns](Mesh::learn) of others, and nobody reaches it before connections are handed to
    /// [`accept`](Self::accept).
    ///
    /// # Errors
    /// [`ClusterError::OneNodeOnly`] from the second time on.
    pub async fn start(clock: SharedClock, options: ClusterOptions) -> Result<Self, ClusterError> {
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(ClusterError::OneNodeOnly);
        }
        let supervisor = SupervisorHandle::new(clock.clone());
        let inner = Arc::new(Inner {
            rng: Rng::from_entropy(),
            cluster: Mutex::default(),
            services: Services::default(),
            links: Mutex::default(),
            numbers: Mutex::default(),
            peers: Mutex::default(),
            listeners: Mutex::default(),
            handshakes: Arc::new(Semaphore::new(options.max_handshakes)),
            cut: watch::Sender::new(Vec::new()),
            server: Slot::new(clock.clone()),
            supervisor: supervisor.clone(),
            runtime: tokio::runtime::Handle::current(),
            over: watch::Sender::new(None),
            options,
            clock: clock.clone(),
        });
        // A node server that ends takes the mesh along: its numbers would start over.
        let gate = {
            let inner = Arc::clone(&inner);
            let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
            ChildSpec::actor(
                "Gate",
                Restart::Permanent,
                &Slot::new(clock.clone()),
                move || (gate::Gate, Arc::clone(&inner)),
            )
            .backoff(backoff)
        };
        let children = vec![gate, server::spec(&inner)];
        let mesh = SupervisorOptions::new("Mesh", clock).intensity(0, Duration::from_secs(60));
        let mut root = Supervisor::start_root_as(supervisor.clone(), mesh, children)
            .await
            .map_err(|error| ClusterError::Failed(error.to_string()))?;
        server::subscribe(&inner)?;
        let here = Arc::clone(&inner);
        odeon_kernel::spawn(async move {
            let exit = root.ended().await;
            here.over.send_replace(Some(exit));
        });
        let _stops = Arc::new(Stops(supervisor));
        Ok(Self { inner, _stops })
    }

    /// Says which cluster this node belongs to: nodes of others are refused from now on.
    pub fn set_cluster_id(&self, cluster_id: &str) {
        cluster_id.clone_into(&mut lock(&self.inner.cluster));
    }

    /// Takes over a connection that began with the [`PREAMBLE`], which has been read. Returns at
    /// once.
    pub fn accept(&self, stream: TcpStream) {
        accept::accept(&self.inner, stream);
    }

    /// Accepts connections from `listener` that begin with the preamble, for ever. For a node
    /// without any other listener.
    pub async fn serve(&self, listener: TcpListener) {
        accept::serve(&self.inner, listener).await;
    }

    /// Waits until the mesh has ended. Its node must end then, too. Cancel safe.
    pub async fn ended(&self) -> RootExit {
        let mut over = self.inner.over.subscribe();
        let exit = over
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|exit| exit.clone());
        exit.unwrap_or(RootExit::Stopped)
    }

    /// The links that are up, by node.
    pub fn status(&self) -> Vec<LinkStatus> {
        let links = lock(&self.inner.links);
        let status = |link: &Arc<Link>| {
            let (read_bytes, written_bytes) = link.traffic();
            LinkStatus {
                node: link.peer,
                incarnation: link.life,
                seen: link.seen.load(Ordering::Relaxed),
                read_bytes,
                written_bytes,
            }
        };
        links.values().map(status).collect()
    }

    /// The supervisor of its actors.
    pub fn supervisor(&self) -> &SupervisorHandle {
        &self.inner.supervisor
    }

    /// For tests: from now on nothing passes between this node and `nodes`, silently, as in a
    /// network that loses everything. An empty list repairs it. Each side must be told.
    pub fn cut_off(&self, nodes: &[NodeId]) {
        self.inner.cut.send_replace(nodes.to_vec());
        for link in lock(&self.inner.numbers).values() {
            link.stall(nodes.contains(&link.peer));
        }
    }
}

impl fmt::Debug for ClusterMesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterMesh")
            .field("node", &self.inner.options.node)
            .field("incarnation", &self.inner.options.incarnation)
            .finish_non_exhaustive()
    }
}

impl Mesh for ClusterMesh {
    fn node_id(&self) -> NodeId {
        self.inner.options.node
    }

    fn incarnation(&self) -> Incarnation {
        self.inner.options.incarnation
    }

    fn call(
        &self,
        to: NodeId,
        service: &'static str,
        request: Bytes,
        deadline: Duration,
    ) -> CallFuture {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let clock = Arc::clone(&inner.clock);
            let answer = call::call(&inner, to, service, request, deadline);
            let answer = timeout(clock.as_ref(), deadline, answer).await;
            answer.unwrap_or(Err(MeshError::DeadlineExceeded))
        })
    }

    fn register(&self, service: &'static str, handler: Handler) {
        self.inner.services.register(service, handler);
    }

    fn unregister(&self, service: &'static str) {
        self.inner.services.unregister(service);
    }

    fn links(&self) -> LinkEvents {
        let (sender, receiver) = mpsc::unbounded_channel();
        // In this order: whoever tells holds the listeners.
        let mut listeners = lock(&self.inner.listeners);
        for link in lock(&self.inner.links).values() {
            let _ = sender.send(LinkEvent::Up(link.peer, link.life));
        }
        listeners.retain(|listener| !listener.is_closed());
        listeners.push(sender);
        receiver
    }

    fn learn(&self, node: NodeId, address: &str) {
        if node == self.inner.options.node {
            return;
        }
        let peer = self.inner.peer(node);
        let known = lock(&peer.address).replace(address.to_owned());
        if known.as_deref() != Some(address) {
            let _ = peer.actor.cast(PeerMessage::Learned(address.to_owned()));
        }
    }
}

impl Inner {
    fn link_to(&self, node: NodeId) -> Option<Arc<Link>> {
        lock(&self.links).get(&node).cloned()
    }

    fn link_by_number(&self, number: u64) -> Option<Arc<Link>> {
        lock(&self.numbers).get(&number).cloned()
    }

    fn is_cut_off(&self, node: NodeId) -> bool {
        self.cut.borrow().contains(&node)
    }

    /// The supervisor of the link to a node; it is started if it is the first time.
    fn peer(self: &Arc<Self>, node: NodeId) -> Peer {
        let mut peers = lock(&self.peers);
        let new = || {
            let peer = Peer {
                actor: Slot::new(self.clock.clone()),
                address: Arc::default(),
            };
            let spec = peer::spec(self, node, &peer);
            let supervisor = self.supervisor.clone();
            // Actors live on the runtime that they are started on.
            self.runtime.spawn(async move {
                if let Err(error) = supervisor.add_child(spec).await {
                    tracing::warn!(node, %error, "no supervisor for a link");
                }
            });
            peer
        };
        let peer = peers.entry(node).or_insert_with(new);
        Peer {
            actor: peer.actor.clone(),
            address: Arc::clone(&peer.address),
        }
    }

    /// Tells what has become of a link, and makes it so.
    fn tell(&self, event: LinkEvent, link: Option<&Arc<Link>>) {
        let mut listeners = lock(&self.listeners);
        match (event, link) {
            (LinkEvent::Up(node, _), Some(link)) => {
                lock(&self.links).insert(node, Arc::clone(link));
            }
            (LinkEvent::Down(node, _), _) => {
                lock(&self.links).remove(&node);
            }
            _ => {}
        }
        match event {
            LinkEvent::Up(node, _) => tracing::info!(node, "linked"),
            LinkEvent::Down(node, _) => tracing::info!(node, "the link is lost"),
            LinkEvent::Dead(node, _) => tracing::info!(node, "the process is proved to be gone"),
        }
        listeners.retain(|listener| listener.send(event).is_ok());
    }

    /// Runs a service of this node.
    async fn handle(
        &self,
        from: NodeId,
        service: &str,
        request: Bytes,
    ) -> Result<Bytes, MeshError> {
        let reply = self.services.run(from, service, request).await?;
        self.check_size(&reply)?;
        Ok(reply)
    }

    fn check_size(&self, message: &Bytes) -> Result<(), MeshError> {
        let (bytes, max_bytes) = (message.len(), self.options.max_message_bytes);
        if bytes > max_bytes {
            Err(MeshError::TooLarge { bytes, max_bytes })
        } else {
            Ok(())
        }
    }
}
