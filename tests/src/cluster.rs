//! Several nodes in this process: over a local mesh, on disks in memory, on real or simulated time.
//!
//! ```ignore
//! let cluster = TestCluster::start(3).await;
//! let orders = cluster.create_topic("orders", 1, 3).await;
//! let offset = orders.produce(0, "a").await;
//! cluster.kill(orders.leader(0).await);
//! assert_eq!(orders.fetch(0, offset).await, ["a"]);
//! ```
//!
//! | module | what |
//! |---|---|
//! | `machine` | disk, clock and the lives of a node |
//! | `client` | real frames over streams in memory, to any node |
//! | `ops` | what clients do: topics, records, commits, with retries |
//! | `topic` | a topic for tests of five lines |

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use odeon::{MeshSource, Node, NodeOptions};
use odeon_kernel::sim::{Pace, SimClock, SimDisk};
use odeon_kernel::{Blocking, Rng, Seams, SharedClock, SystemClock, TaskGuard, spawn};
use odeon_mesh::{Cut, LinkFault, LocalNetwork, LocalOptions};
use odeon_metadata::MetadataImage;
use odeon_model::NodeId;
use odeon_model::config::BrokerConfig;
use tokio::io::DuplexStream;

mod client;
mod history;
mod machine;
pub mod ops;
mod topic;

pub use client::{ClusterClient, Lost};
pub use history::History;
pub use machine::NodeClock;
pub use topic::TestTopic;

use machine::Machine;

/// How long a node may take to start, and a cluster to come to what a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a cluster is started.
#[derive(Clone)]
pub struct ClusterBuilder {
    nodes: NodeId,
    /// The nodes up to this one vote; the others are only brokers.
    voters: NodeId,
    properties: BTreeMap<String, String>,
    clock: SharedClock,
    rng: Arc<Rng>,
    simulated: bool,
    latency_max: Duration,
    history: Option<History>,
}

impl ClusterBuilder {
    /// A cluster of `nodes` nodes, numbered from 1, each broker and voter, on real time.
    pub fn new(nodes: NodeId) -> Self {
        let copies = nodes.min(3).to_string();
        let properties = [
            ("controller.listener.names", "CONTROLLER"),
            ("log.dirs", "/data"),
            ("offsets.topic.num.partitions", "3"),
            ("offsets.topic.replication.factor", &copies),
            ("group.initial.rebalance.delay.ms", "0"),
        ];
        let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self {
            nodes,
            voters: nodes,
            properties: properties.into(),
            clock: Arc::new(SystemClock::new()),
            rng: Arc::new(Rng::from_entropy()),
            simulated: false,
            latency_max: Duration::ZERO,
            history: None,
        }
    }

    /// Everything on this thread and in simulated time; to be started inside
    /// [`run`](odeon_kernel::sim::run).
    #[must_use]
    pub fn simulated(mut self, clock: &SimClock, rng: &Arc<Rng>) -> Self {
        self.clock = Arc::new(clock.clone());
        self.rng = rng.clone();
        self.simulated = true;
        self
    }

    /// Lets only the first so many nodes vote; the others are only brokers.
    #[must_use]
    pub fn voters(mut self, voters: NodeId) -> Self {
        self.voters = voters;
        self
    }

    /// Lets every message between nodes take up to so long.
    #[must_use]
    pub fn latency(mut self, latency_max: Duration) -> Self {
        self.latency_max = latency_max;
        self
    }

    /// Notes in a history what clients ask and hear, and what is done on disks.
    #[must_use]
    pub fn watched(mut self, history: History) -> Self {
        self.history = Some(history);
        self
    }

    /// Sets a property of every node.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.properties.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Starts all nodes.
    ///
    /// # Panics
    /// One does not start.
    pub async fn start(self) -> TestCluster {
        let cluster = self.build();
        let boots: Vec<_> = cluster
            .ids()
            .map(|id| spawn(cluster.clone().boot(id)))
            .collect();
        for boot in boots {
            boot.await
                .expect("a boot does not panic")
                .expect("the node starts");
        }
        cluster
    }

    /// The machines, all of them off.
    pub fn build(self) -> TestCluster {
        let options = LocalOptions {
            seed: self.rng.next_u64(),
            latency_max: self.latency_max,
            ..LocalOptions::default()
        };
        let network = LocalNetwork::with_options(self.clock.clone(), options);
        let machines = (1..=self.nodes).map(|id| (id, Machine::new(&self.clock)));
        let machines: BTreeMap<NodeId, Machine> = machines.collect();
        if let Some(history) = self.history.clone().filter(History::is_kept) {
            for (id, machine) in &machines {
                machine.watch(*id, history.clone());
            }
        }
        let cluster = TestCluster {
            inner: Arc::new(Inner {
                builder: self,
                network,
                machines,
            }),
        };
        for id in cluster.ids() {
            cluster.slow_disk(id, None);
        }
        cluster
    }
}

impl fmt::Debug for ClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterBuilder")
            .field("nodes", &self.nodes)
            .field("simulated", &self.simulated)
            .finish_non_exhaustive()
    }
}

/// The nodes and what they run on. Clones are the same cluster.
#[derive(Clone)]
pub struct TestCluster {
    inner: Arc<Inner>,
}

struct Inner {
    builder: ClusterBuilder,
    network: LocalNetwork,
    machines: BTreeMap<NodeId, Machine>,
}

impl fmt::Debug for TestCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCluster")
            .field("running", &self.running())
            .finish_non_exhaustive()
    }
}

impl TestCluster {
    /// A cluster of `nodes` nodes with the usual settings, on real time.
    pub async fn start(nodes: NodeId) -> Self {
        ClusterBuilder::new(nodes).start().await
    }

    /// All node ids.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        1..=self.inner.builder.nodes
    }

    /// The nodes that have started and were not killed.
    pub fn running(&self) -> Vec<NodeId> {
        let machines = self.inner.machines.iter();
        let running = machines.filter(|(_, machine)| machine.is_running());
        running.map(|(id, _)| *id).collect()
    }

    /// Notes something in the history, if one is kept.
    pub fn note(&self, what: impl FnOnce() -> String) {
        if let Some(history) = &self.inner.builder.history {
            history.note(what);
        }
    }

    /// Whether a node runs or starts.
    pub fn is_on(&self, id: NodeId) -> bool {
        self.machine(id).is_on()
    }

    /// Whether a node is being stopped in order.
    pub fn is_stopping(&self, id: NodeId) -> bool {
        self.is_on(id) && !self.machine(id).is_running()
    }

    /// Time.
    pub fn clock(&self) -> SharedClock {
        self.inner.builder.clock.clone()
    }

    /// The network, for faults that have no name here.
    pub fn network(&self) -> &LocalNetwork {
        &self.inner.network
    }

    /// A node's disk.
    pub fn disk(&self, id: NodeId) -> &SimDisk {
        self.machine(id).disk()
    }

    /// A node's clock, which may be told to jump.
    pub fn node_clock(&self, id: NodeId) -> &NodeClock {
        self.machine(id).clock()
    }

    /// Has a node's syncs and other blocking work take up to twice `delay_max` longer, or the usual
    /// time. Simulated clusters only.
    pub fn slow_disk(&self, id: NodeId, delay_max: Option<Duration>) {
        pace(id).set(delay_max);
    }

    fn machine(&self, id: NodeId) -> &Machine {
        self.inner.machines.get(&id).expect("there is such a node")
    }

    /// Looks at a node that runs.
    pub fn with_node<T>(&self, id: NodeId, look: impl FnOnce(&Node) -> T) -> Option<T> {
        self.machine(id).with_node(look)
    }

    /// What a running node knows of the cluster.
    pub fn image(&self, id: NodeId) -> Option<Arc<MetadataImage>> {
        self.with_node(id, |node| node.handle().image.get())
    }

    /// Starts a node that is off, on what its disk holds. Whether it came up before it was killed.
    ///
    /// # Errors
    /// Why it did not start.
    pub async fn boot(self, id: NodeId) -> Result<(), String> {
        let builder = &self.inner.builder;
        let machine = self.machine(id);
        let Some(life) = machine.begin() else {
            return Err("it is on already".to_owned());
        };
        let simulated = builder.simulated;
        let seams = Seams {
            disk: life.disk(),
            clock: Arc::new(machine.clock().clone()),
            rng: match simulated {
                true => builder.rng.clone(),
                false => Arc::new(Rng::from_entropy()),
            },
            blocking: match simulated {
                true => Blocking::Delayed(pace(id)),
                false => Blocking::Pool,
            },
            system: simulated.then(tokio::runtime::Handle::current),
        };
        let options = NodeOptions {
            mesh: MeshSource::Local(self.inner.network.clone()),
            ..NodeOptions::new(self.config(id))
        };
        // In a task of its own, which goes on when this life is over meanwhile.
        let start = spawn(Box::pin(Node::start_on(seams, options)));
        let started = life.or_end(start).await;
        match started {
            None => Err("killed while it started".to_owned()),
            Some(Ok(Ok(node))) => {
                machine.settle(&life, node);
                Ok(())
            }
            Some(Ok(Err(error))) => {
                self.fail(id, &life);
                Err(error.to_string())
            }
            Some(Err(error)) => {
                self.fail(id, &life);
                Err(error.to_string())
            }
        }
    }

    /// A life that did not come to anything is over, like a process that exits.
    fn fail(&self, id: NodeId, life: &machine::Life) {
        if self.machine(id).is(life) {
            self.kill(id);
        }
    }

    fn config(&self, id: NodeId) -> BrokerConfig {
        let mut properties = self.inner.builder.properties.clone();
        let voters = (1..=self.inner.builder.voters).map(|id| format!("{id}@node{id}:9093"));
        let voters: Vec<String> = voters.collect();
        let client = format!("PLAINTEXT://node{id}:9092");
        let (roles, listeners) = match id <= self.inner.builder.voters {
            true => (
                "broker,controller",
                format!("{client},CONTROLLER://node{id}:9093"),
            ),
            false => ("broker", client),
        };
        for (key, value) in [
            ("node.id", id.to_string()),
            ("process.roles", roles.to_owned()),
            ("controller.quorum.voters", voters.join(",")),
            ("listeners", listeners),
        ] {
            properties.insert(key.to_owned(), value);
        }
        let properties = properties.into_iter().collect();
        let (config, unknown) = BrokerConfig::from_properties(&properties).expect("a valid config");
        assert!(unknown.is_empty(), "unknown properties: {unknown:?}");
        config
    }

    /// Ends a node as `kill -9` does.
    pub fn kill(&self, id: NodeId) {
        self.end_life(id);
        self.disk(id).kill_process();
    }

    /// Takes a node's power away: what it had not synced is lost in part.
    pub fn power_cut(&self, id: NodeId) {
        self.end_life(id);
        self.disk(id).power_cut(self.inner.builder.rng.next_u64());
    }

    /// Takes a node's power away: what it had not synced is lost.
    pub fn power_cut_losing_all(&self, id: NodeId) {
        self.end_life(id);
        self.disk(id).power_cut_losing_all();
    }

    fn end_life(&self, id: NodeId) {
        let node = self.machine(id).end();
        self.inner.network.crash(id);
        if let Some(node) = node {
            // It has no disk, no network and no clients any more; what is left of it is cleared away.
            spawn(Box::pin(node.abandon()));
        }
    }

    /// Stops a node in order; how many of its directories were left clean.
    pub async fn stop(&self, id: NodeId) -> usize {
        let Some(node) = self.machine(id).release() else {
            return 0;
        };
        let clean = Box::pin(node.stop()).await;
        self.machine(id).end();
        self.inner.network.crash(id);
        self.disk(id).kill_process();
        clean
    }

    /// Starts a node again.
    ///
    /// # Panics
    /// It does not start.
    pub async fn restart(&self, id: NodeId) {
        let started = self.clone().boot(id).await;
        started.unwrap_or_else(|error| panic!("node {id}: {error}"));
    }

    /// Cuts a node off from all others, without either side being told.
    pub fn isolate(&self, id: NodeId) {
        for other in self.ids().filter(|other| *other != id) {
            self.cut(id, other);
        }
    }

    /// Cuts two nodes off from each other, without either being told.
    pub fn cut(&self, a: NodeId, b: NodeId) {
        self.inner.network.cut(a, b, Cut::Silent);
    }

    /// Sets what is wrong with the direction `from` to `to`.
    pub fn set_fault(&self, from: NodeId, to: NodeId, fault: LinkFault) {
        self.inner.network.set_fault(from, to, fault);
    }

    /// Repairs all links.
    pub fn heal(&self) {
        self.inner.network.heal_all();
    }

    /// A stream to a node that runs, as a client would have it.
    pub(crate) fn connect(&self, id: NodeId, name: &str) -> Option<DuplexStream> {
        let machine = self.machine(id);
        let (near, far) = tokio::io::duplex(256 << 10);
        let serving = machine.with_node(|node| node.serve(far, name))?;
        machine.keep(TaskGuard::spawn(serving));
        Some(near)
    }

    /// A client that talks to any node.
    pub fn client(&self, name: &str) -> ClusterClient {
        ClusterClient::new(self.clone(), name)
    }

    /// Waits until a node's view of the cluster is as wanted.
    ///
    /// # Panics
    /// It takes too long.
    pub async fn until(&self, what: &str, mut wanted: impl FnMut(&MetadataImage) -> bool) {
        let clock = self.clock();
        let until = clock.monotonic() + PATIENCE;
        loop {
            for id in self.running() {
                if self.image(id).is_some_and(|image| wanted(&image)) {
                    return;
                }
            }
            assert!(clock.monotonic() < until, "in vain: {what}");
            clock.sleep(Duration::from_millis(5)).await;
        }
    }

    /// The node that leads the metadata quorum, as most nodes that run say.
    pub fn controller(&self) -> Option<NodeId> {
        let roles = self
            .running()
            .into_iter()
            .filter_map(|id| self.with_node(id, |node| *node.handle().quorum.role().borrow()));
        roles
            .max_by_key(|role| role.term)
            .and_then(|role| role.leader)
    }

    /// The leader of a partition and its epoch, by the newest image.
    pub fn leader_of(&self, topic: &str, partition: i32) -> Option<(NodeId, i32)> {
        let images = self.running().into_iter().filter_map(|id| self.image(id));
        let newest = images.max_by_key(|image| image.position().index)?;
        let found = newest.partition(topic, partition)?;
        Some((found.leader, found.leader_epoch))
    }

    /// Creates a topic and waits until every partition is led and served.
    ///
    /// # Panics
    /// It takes too long.
    pub async fn create_topic(&self, name: &str, partitions: i32, copies: i16) -> TestTopic {
        TestTopic::create(self, name, partitions, copies, &[]).await
    }

    /// Stops all nodes in order, the last without handing anything over.
    pub async fn shutdown(self) {
        // Those that do not vote first: they need a controller to hand over to.
        for id in self.running().into_iter().rev() {
            self.stop(id).await;
        }
    }
}

/// The pace of a node's machine.
fn pace(id: NodeId) -> Pace {
    Pace::of(id.unsigned_abs())
}
