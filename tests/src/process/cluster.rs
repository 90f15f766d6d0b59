//! Nodes of one cluster, each a process of its own, on the loopback or on a network of their own.

use std::io;
use std::time::{Duration, Instant};

use super::volume::Mount;
use super::{Network, NodeProcess, Place, Volume, free_ports};

/// What the nodes of a cluster live on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings {
    /// Each node has a network namespace of its own, and links that can be cut.
    pub network: bool,
    /// What each node's log directory is on.
    pub volume: Volume,
}

impl Surroundings {
    /// The loopback and the disk of all; needs no rights.
    pub const SHARED: Self = Self {
        network: false,
        volume: Volume::Shared,
    };

    /// What of these this machine allows, and why not the rest.
    pub fn allowed(self) -> (Self, Vec<String>) {
        let (mut allowed, mut refused) = (self, Vec::new());
        if self.network
            && let Err(why) = Network::new(1)
        {
            refused.push(format!("networks of their own: {why}"));
            allowed.network = false;
        }
        let home = tempfile::TempDir::with_prefix("odeon-volume-").expect("a temporary directory");
        if let Err(why) = Mount::new(self.volume, &home.path().join("data")) {
            refused.push(format!("{:?} volumes: {why}", self.volume));
            allowed.volume = Volume::Shared;
        }
        (allowed, refused)
    }
}

/// A cluster whose nodes are all controllers and brokers, with the ids from 1 on. Dropping it kills
/// them.
#[derive(Debug)]
pub struct ClusterProcess {
    nodes: Vec<NodeProcess>,
    /// Dropped after the nodes that are on it.
    network: Option<Network>,
}

impl ClusterProcess {
    /// Starts `nodes` nodes at once and waits until all serve. Internal topics have a replica on
    /// each, up to three.
    ///
    /// # Panics
    /// They do not start.
    pub fn start(nodes: i32, settings: &[(&str, &str)]) -> Self {
        Self::start_in(Surroundings::SHARED, nodes, settings).expect("it needs no rights")
    }

    /// The same in these surroundings.
    ///
    /// # Errors
    /// This machine does not allow them.
    ///
    /// # Panics
    /// They do not start.
    pub fn start_in(
        surroundings: Surroundings,
        nodes: i32,
        settings: &[(&str, &str)],
    ) -> io::Result<Self> {
        let network = match surroundings.network {
            true => Some(Network::new(nodes)?),
            false => None,
        };
        let place = |id| match &network {
            None => Place::LOOPBACK,
            Some(network) => Place {
                host: network.address(id),
                namespace: Some(network.namespace(id)),
            },
        };
        let places: Vec<_> = (1..=nodes)
            .map(|id| (id, place(id), free_ports()))
            .collect();
        let voter = |(id, place, ports): &(i32, Place, [u16; 2])| {
            format!("{id}@{}:{}", place.host, ports[1])
        };
        let voters = places.iter().map(voter).collect::<Vec<_>>().join(",");
        let replicas = nodes.min(3).to_string();
        let mut all = vec![
            ("offsets.topic.replication.factor", &*replicas),
            ("group.initial.rebalance.delay.ms", "0"),
        ];
        if network.is_some() {
            all.push(("odeon.cluster.secret", "known to the nodes of a test only"));
        }
        all.extend_from_slice(settings);
        let prepare = |(id, place, ports)| -> io::Result<NodeProcess> {
            let mut node = NodeProcess::prepare(id, place, ports, voters.clone(), &all);
            node.mount = Mount::new(surroundings.volume, &node.data())?;
            Ok(node)
        };
        let nodes = places.into_iter().map(prepare).collect::<io::Result<_>>()?;
        let mut cluster = Self { nodes, network };
        cluster.start_all();
        Ok(cluster)
    }

    /// The network of their own.
    ///
    /// # Panics
    /// They have none.
    pub fn network(&self) -> &Network {
        self.network
            .as_ref()
            .expect("they have a network of their own")
    }

    /// Starts all nodes that do not run and waits until they serve; how long that took.
    ///
    /// # Panics
    /// They do not start.
    pub fn start_all(&mut self) -> Duration {
        let begun = Instant::now();
        let stopped = || |node: &&mut NodeProcess| !node.runs();
        let mut launched = Vec::new();
        for node in self.nodes.iter_mut().filter(stopped()) {
            node.launch();
            launched.push(node);
        }
        for node in launched {
            node.until_ready();
        }
        begun.elapsed()
    }

    /// A node.
    ///
    /// # Panics
    /// There is none of this id.
    pub fn node(&mut self, id: i32) -> &mut NodeProcess {
        let node = self.nodes.iter_mut().find(|node| node.id() == id);
        node.expect("a node of the cluster")
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> &[NodeProcess] {
        &self.nodes
    }

    /// Where clients connect first: all nodes.
    pub fn bootstrap(&self) -> String {
        let addresses = self.nodes.iter().map(|node| node.address().to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    /// What a command of the binary says of this cluster as JSON.
    ///
    /// # Panics
    /// It fails.
    pub fn says(&self, command: &[&str]) -> serde_json::Value {
        super::says(&self.bootstrap(), command).unwrap_or_else(|said| panic!("{said}"))
    }
}
