//! Nodes of one cluster, each a process of its own on the loopback.

use std::time::{Duration, Instant};

use super::{NodeProcess, free_ports};

/// A cluster whose nodes are all controllers and brokers, with the ids from 1 on. Dropping it kills
/// them.
#[derive(Debug)]
pub struct ClusterProcess {
    nodes: Vec<NodeProcess>,
}

impl ClusterProcess {
    /// Starts `nodes` nodes at once and waits until all serve. Internal topics have a replica on
    /// each, up to three.
    ///
    /// # Panics
    /// They do not start.
    pub fn start(nodes: i32, settings: &[(&str, &str)]) -> Self {
        let ports: Vec<_> = (1..=nodes).map(|id| (id, free_ports())).collect();
        let voter = |(id, ports): &(i32, [u16; 2])| format!("{id}@127.0.0.1:{}", ports[1]);
        let voters = ports.iter().map(voter).collect::<Vec<_>>().join(",");
        let replicas = nodes.min(3).to_string();
        let mut all = vec![
            ("offsets.topic.replication.factor", &*replicas),
            ("group.initial.rebalance.delay.ms", "0"),
        ];
        all.extend_from_slice(settings);
        let prepare = |(id, ports)| NodeProcess::prepare(id, ports, voters.clone(), &all);
        let mut cluster = Self {
            nodes: ports.into_iter().map(prepare).collect(),
        };
        cluster.start_all();
        cluster
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
}
