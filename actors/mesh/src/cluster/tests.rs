//! Each node of a test is a process of its own: a process can be one node only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use odeon_kernel::{SharedClock, SystemClock};
use odeon_model::NodeId;

use super::link::lock;
use crate::contract::{Change, Testbed};
use crate::{Incarnation, Mesh};

mod control;
mod hostile;
mod process;
mod proxy;

use proxy::{Proxy, SECRET};

/// Three nodes in three processes.
struct Bed {
    clock: SharedClock,
    nodes: Mutex<BTreeMap<NodeId, Arc<Proxy>>>,
    /// Pairs, the lower id first.
    cuts: Mutex<BTreeSet<(NodeId, NodeId)>>,
    lives: Mutex<Incarnation>,
}

impl Bed {
    async fn new() -> Self {
        let bed = Self {
            clock: Arc::new(SystemClock::new()),
            nodes: Mutex::default(),
            cuts: Mutex::default(),
            lives: Mutex::new(0),
        };
        for node in 1..=3 {
            bed.start(node, "127.0.0.1:0").await;
        }
        bed.all_linked().await;
        bed
    }

    async fn start(&self, node: NodeId, at: &str) -> Arc<Proxy> {
        let life = {
            let mut lives = lock(&self.lives);
            *lives += 1;
            *lives
        };
        let new = Arc::new(Proxy::start(node, life, at, SECRET).await);
        lock(&self.nodes).insert(node, Arc::clone(&new));
        for other in self.all() {
            new.meet(&other);
        }
        new
    }

    fn all(&self) -> Vec<Arc<Proxy>> {
        lock(&self.nodes).values().cloned().collect()
    }

    fn node(&self, node: NodeId) -> Arc<Proxy> {
        Arc::clone(&lock(&self.nodes)[&node])
    }

    fn is_cut(&self, a: NodeId, b: NodeId) -> bool {
        lock(&self.cuts).contains(&(a.min(b), a.max(b)))
    }

    async fn all_linked(&self) {
        for one in self.all() {
            for other in self.all() {
                if one.node_id() != other.node_id() && !self.is_cut(one.node_id(), other.node_id())
                {
                    one.linked(other.node_id(), other.incarnation()).await;
                }
            }
        }
    }

    async fn tell_cuts(&self, a: NodeId, b: NodeId) {
        for node in [a, b] {
            let others = (1..=3).filter(|other| self.is_cut(node, *other)).collect();
            self.node(node).cut_off(others).await;
        }
    }
}

impl Testbed for Bed {
    fn clock(&self) -> SharedClock {
        self.clock.clone()
    }

    fn mesh(&self, node: NodeId) -> Arc<dyn Mesh> {
        self.node(node)
    }

    fn cut(&self, a: NodeId, b: NodeId) -> Change<'_, ()> {
        Box::pin(async move {
            lock(&self.cuts).insert((a.min(b), a.max(b)));
            self.tell_cuts(a, b).await;
        })
    }

    fn heal(&self, a: NodeId, b: NodeId) -> Change<'_, ()> {
        Box::pin(async move {
            lock(&self.cuts).remove(&(a.min(b), a.max(b)));
            self.tell_cuts(a, b).await;
            self.node(a).reaches(b).await;
            self.node(b).reaches(a).await;
        })
    }

    fn crash(&self, node: NodeId) -> Change<'_, ()> {
        Box::pin(async move { self.node(node).kill().await })
    }

    fn restart(&self, node: NodeId) -> Change<'_, Arc<dyn Mesh>> {
        Box::pin(async move {
            let address = self.node(node).address.clone();
            lock(&self.nodes).remove(&node);
            let new: Arc<dyn Mesh> = self.start(node, &address).await;
            self.all_linked().await;
            new
        })
    }
}

crate::mesh_contract!(Bed::new());
