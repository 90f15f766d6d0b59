//! The nodes that suffer, ours or somebody else's, and what they suffer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use odeon_tests::process::{CLIENTS, ClusterProcess, Surroundings, Volume};

/// What becomes of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGSTOP: it answers nothing and closes nothing.
    Stop,
    /// Its links lose everything, and nobody is told. Only for nodes of ours.
    Cut,
}

impl Fault {
    /// As `ODEON_FAILOVER_FAULT` says; a kill if nothing does.
    ///
    /// # Panics
    /// There is no such fault.
    pub fn from_environment() -> Self {
        match std::env::var("ODEON_FAILOVER_FAULT").as_deref() {
            Err(_) | Ok("kill") => Self::Kill,
            Ok("stop") => Self::Stop,
            Ok("cut") => Self::Cut,
            Ok(other) => panic!("no fault: {other}"),
        }
    }

    /// How long a client waits for an answer: of one that is only silent, a time-out alone gets it
    /// away.
    pub fn request_timeout(self) -> Duration {
        match self {
            Self::Kill => Duration::from_secs(30),
            Self::Stop | Self::Cut => Duration::from_millis(500),
        }
    }
}

/// The nodes.
pub enum Nodes {
    Ours(ClusterProcess),
    /// Somebody else's: where they are, by id; files with their process ids, and a command that
    /// starts a node again, each with `{id}` in place of the id.
    Others {
        addresses: BTreeMap<i32, SocketAddr>,
        pid_file: String,
        restart: String,
    },
}

impl Nodes {
    /// Those that the environment names, or else three new ones of ours.
    ///
    /// # Panics
    /// They do not start, or the machine does not allow networks of their own where links are cut.
    pub fn from_environment(fault: Fault) -> Self {
        let get = |name: &str| std::env::var(name).ok();
        let Some(addresses) = get("ODEON_FAILOVER_ADDRESSES") else {
            // Failover at the defaults of three nodes.
            let settings = [("min.insync.replicas", "2")];
            let surroundings = Surroundings {
                network: fault == Fault::Cut,
                volume: Volume::Shared,
            };
            let nodes = ClusterProcess::start_in(surroundings, 3, &settings);
            return Self::Ours(nodes.expect("networks of their own"));
        };
        let addresses = addresses
            .split(',')
            .map(|one| one.parse().expect("an address"));
        Self::Others {
            addresses: (1..).zip(addresses).collect(),
            pid_file: get("ODEON_FAILOVER_PID_FILE").expect("a file with {id}"),
            restart: get("ODEON_FAILOVER_RESTART").expect("a command with {id}"),
        }
    }

    /// Where they are, by id.
    pub fn addresses(&self) -> BTreeMap<i32, SocketAddr> {
        match self {
            Self::Ours(cluster) => {
                let nodes = cluster.nodes().iter();
                nodes.map(|node| (node.id(), node.address())).collect()
            }
            Self::Others { addresses, .. } => addresses.clone(),
        }
    }

    /// Where clients connect first.
    pub fn bootstrap(&self) -> String {
        let addresses = self.addresses();
        let all: Vec<_> = addresses.values().map(ToString::to_string).collect();
        all.join(",")
    }

    /// Has a node suffer.
    pub fn hurt(&mut self, id: i32, fault: Fault) {
        match (fault, self) {
            (Fault::Kill, Self::Ours(cluster)) => cluster.node(id).kill(),
            (Fault::Kill, nodes) => nodes.signal(id, "KILL"),
            (Fault::Stop, nodes) => nodes.signal(id, "STOP"),
            (Fault::Cut, Self::Ours(cluster)) => {
                let network = cluster.network();
                for other in (CLIENTS..=3).filter(|other| *other != id) {
                    network.cut(id, other).expect("a cut");
                    network.cut(other, id).expect("a cut");
                }
            }
            (Fault::Cut, Self::Others { .. }) => panic!("links of others cannot be cut"),
        }
    }

    /// Makes good what was done to a node.
    pub fn mend(&mut self, id: i32, fault: Fault) {
        match (fault, self) {
            (Fault::Kill, Self::Ours(cluster)) => drop(cluster.node(id).start_again()),
            (Fault::Kill, Self::Others { restart, .. }) => {
                let command = restart.replace("{id}", &id.to_string());
                let started = Command::new("sh").args(["-c", &command]).status();
                assert!(started.is_ok_and(|status| status.success()), "{command}");
            }
            (Fault::Stop, nodes) => nodes.signal(id, "CONT"),
            (Fault::Cut, Self::Ours(cluster)) => cluster.network().heal().expect("links"),
            (Fault::Cut, Self::Others { .. }) => {}
        }
    }

    fn signal(&mut self, id: i32, signal: &str) {
        match self {
            Self::Ours(cluster) => cluster.node(id).signal(signal),
            Self::Others { pid_file, .. } => {
                let file = pid_file.replace("{id}", &id.to_string());
                let pid = std::fs::read_to_string(&file).expect("the node's process id");
                let mut kill = Command::new("kill");
                let sent = kill.args(["-s", signal, pid.trim()]).status();
                assert!(sent.is_ok_and(|sent| sent.success()), "{kill:?}");
            }
        }
    }
}
