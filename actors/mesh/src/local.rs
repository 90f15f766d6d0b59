//! Nodes of one process, with faults on demand.
//!
//! Messages pass as bytes and in tasks of their own, so that nothing works here by accident that
//! would not work between processes. Faults are set per direction: a request passes the link from
//! caller to callee, its reply the other one.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use odeon_kernel::{ByteBudget, Rng, SharedClock, watch};
use odeon_model::NodeId;
use tokio::sync::{Semaphore, mpsc};

use crate::services::Services;
use crate::{Incarnation, LinkEvent, MAX_MESSAGE_BYTES};

mod links;
mod node;
#[cfg(test)]
mod tests;

pub use node::LocalMesh;

/// The settings of a [`LocalNetwork`].
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The largest request or reply.
    pub max_message_bytes: usize,
    /// Bytes outstanding on a link, per direction; a larger message travels alone.
    pub link_budget_bytes: u64,
    /// Calls under way from one node to another; more wait.
    pub max_calls_per_link: usize,
    /// How long a message takes at most where nothing is wrong.
    pub latency_max: Duration,
    /// Decides about drops and delays.
    pub seed: u64,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            max_message_bytes: MAX_MESSAGE_BYTES,
            link_budget_bytes: 1 << 20,
            max_calls_per_link: 4096,
            latency_max: Duration::ZERO,
            seed: 0,
        }
    }
}

/// How a link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Both ends know: calls fail at once, those under way included.
    Known,
    /// Messages disappear; callers hear nothing until their deadline.
    Silent,
}

/// What is wrong with one direction of a link.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LinkFault {
    /// Whether nothing passes.
    pub cut: Option<Cut>,
    /// Every message takes at least this long.
    pub delay: Duration,
    /// And up to this much longer, so that messages overtake each other.
    pub jitter: Duration,
    /// The part of the messages that disappear, from 0 to 1.
    pub drop_probability: f64,
}

/// A network for any number of nodes of this process. Clones are the same network.
#[derive(Clone)]
pub struct LocalNetwork {
    inner: Arc<Inner>,
}

struct Inner {
    clock: SharedClock,
    options: LocalOptions,
    rng: Rng,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    nodes: HashMap<NodeId, Arc<Node>>,
    links: HashMap<(NodeId, NodeId), Arc<Link>>,
    last_incarnation: Incarnation,
    sights: links::Sights,
}

/// One life of a node.
struct Node {
    id: NodeId,
    incarnation: Incarnation,
    services: Services,
    /// Turns true when this life is over.
    down: watch::Sender<bool>,
    /// Who wants to hear of links.
    listeners: Mutex<Vec<mpsc::UnboundedSender<LinkEvent>>>,
}

/// One direction between two nodes.
struct Link {
    fault: Mutex<LinkFault>,
    /// Counts known cuts: who waits for a message from this link need wait no longer.
    breaks: watch::Sender<u64>,
    bytes: ByteBudget,
    calls: Arc<Semaphore>,
}

/// Whether, and when, a message arrives.
enum Passage {
    After(Duration),
    Lost,
    Refused,
}

impl LocalNetwork {
    /// A network with the default settings.
    pub fn new(clock: SharedClock) -> Self {
        Self::with_options(clock, LocalOptions::default())
    }

    /// A network with these settings.
    pub fn with_options(clock: SharedClock, options: LocalOptions) -> Self {
        let rng = Rng::from_seed(options.seed);
        let state = Mutex::default();
        Self {
            inner: Arc::new(Inner {
                clock,
                options,
                rng,
                state,
            }),
        }
    }

    /// Starts a node: a new life, without services. An earlier life of the same id ends.
    pub fn node(&self, id: NodeId) -> LocalMesh {
        let incarnation = {
            let mut state = self.inner.lock();
            state.last_incarnation += 1;
            state.last_incarnation
        };
        self.node_as(id, incarnation)
    }

    /// As [`LocalNetwork::node`], with an incarnation that the caller knows to be new.
    pub fn node_as(&self, id: NodeId, incarnation: Incarnation) -> LocalMesh {
        let node = Arc::new(Node {
            id,
            incarnation,
            services: Services::default(),
            down: watch::Sender::new(false),
            listeners: Mutex::default(),
        });
        let earlier = self.inner.lock().nodes.insert(id, Arc::clone(&node));
        if let Some(earlier) = earlier {
            earlier.end();
        }
        self.inner.look_around();
        LocalMesh::new(Arc::clone(&self.inner), node)
    }

    /// Ends a node's life as `kill -9` does: its handlers stop where they are, calls from and to
    /// it fail.
    pub fn crash(&self, id: NodeId) {
        let node = self.inner.lock().nodes.remove(&id);
        if let Some(node) = node {
            node.end();
        }
        self.inner.look_around();
    }

    /// Sets what is wrong with the direction `from` → `to`.
    pub fn set_fault(&self, from: NodeId, to: NodeId, fault: LinkFault) {
        let link = self.inner.link(from, to);
        *link.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        if fault.cut == Some(Cut::Known) {
            link.breaks.send_modify(|breaks| *breaks += 1);
        }
        self.inner.look_around();
    }

    /// Cuts both directions between two nodes.
    pub fn cut(&self, a: NodeId, b: NodeId, cut: Cut) {
        let fault = LinkFault {
            cut: Some(cut),
            ..LinkFault::default()
        };
        self.set_fault(a, b, fault);
        self.set_fault(b, a, fault);
    }

    /// Cuts a node off from all others that run now.
    pub fn isolate(&self, id: NodeId, cut: Cut) {
        for other in self.nodes().into_iter().filter(|other| *other != id) {
            self.cut(id, other, cut);
        }
    }

    /// Repairs both directions between two nodes.
    pub fn heal(&self, a: NodeId, b: NodeId) {
        self.set_fault(a, b, LinkFault::default());
        self.set_fault(b, a, LinkFault::default());
    }

    /// Repairs everything but crashed nodes.
    pub fn heal_all(&self) {
        let links: Vec<_> = self.inner.lock().links.values().cloned().collect();
        for link in links {
            *link.fault.lock().unwrap_or_else(PoisonError::into_inner) = LinkFault::default();
        }
        self.inner.look_around();
    }

    /// The nodes that run, in order.
    pub fn nodes(&self) -> Vec<NodeId> {
        let mut nodes: Vec<_> = self.inner.lock().nodes.keys().copied().collect();
        nodes.sort_unstable();
        nodes
    }
}

impl fmt::Debug for LocalNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalNetwork")
            .field("nodes", &self.nodes())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self, id: NodeId) -> Option<Arc<Node>> {
        self.lock().nodes.get(&id).cloned()
    }

    fn link(&self, from: NodeId, to: NodeId) -> Arc<Link> {
        let new = || {
            Arc::new(Link {
                fault: Mutex::default(),
                breaks: watch::Sender::new(0),
                bytes: ByteBudget::new(self.options.link_budget_bytes),
                calls: Arc::new(Semaphore::new(self.options.max_calls_per_link)),
            })
        };
        Arc::clone(self.lock().links.entry((from, to)).or_insert_with(new))
    }

    /// What becomes of a message that is put on a link now.
    fn passage(&self, link: &Link) -> Passage {
        let fault = *link.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match fault.cut {
            Some(Cut::Known) => return Passage::Refused,
            Some(Cut::Silent) => return Passage::Lost,
            None => {}
        }
        if fault.drop_probability > 0.0 && self.chance() < fault.drop_probability {
            return Passage::Lost;
        }
        let jitter = match fault.jitter.max(self.options.latency_max) {
            Duration::ZERO => Duration::ZERO,
            jitter => jitter.mul_f64(self.chance()),
        };
        Passage::After(fault.delay + jitter)
    }

    fn chance(&self) -> f64 {
        self.rng.below(1 << 32) as f64 / (1u64 << 32) as f64
    }
}

impl Node {
    fn end(&self) {
        self.down.send_replace(true);
        self.services.clear();
    }

    fn is_down(&self) -> bool {
        *self.down.borrow()
    }

    /// Completes when this life is over.
    async fn ended(&self) {
        // The sender is `self`: it cannot be gone.
        drop(self.down.subscribe().wait_for(|down| *down).await);
    }
}

impl Link {
    /// Completes at the next known cut after this call.
    fn broken(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut breaks = self.breaks.subscribe();
        async move {
            let _ = breaks.changed().await;
        }
    }
}
