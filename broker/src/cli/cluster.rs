//! `odeon cluster`: how the cluster is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use odeon_client::{Admin, ClientError, QuorumReplica, QuorumState, RegisteredBroker, Topic};
use odeon_kernel::{Clock, SystemClock, TaskGuard};
use odeon_model::NodeId;
use serde_json::{Value, json};

use super::{ClusterArgs, Failure, output};

#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    /// Show nodes, leaders, what is under-replicated, and how far the metadata quorum is.
    Status(StatusArgs),
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print the status as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: ClusterCommand) -> Result<(), Failure> {
    let ClusterCommand::Status(args) = command;
    let client = args.cluster.connect().await?;
    let status = Status::ask(&client.admin()).await?;
    if args.json {
        output::json(&status.to_json())
    } else {
        output::line(&status.heading())?;
        status.print_nodes()
    }
}

/// What a cluster looks like from outside.
#[derive(Debug)]
pub(super) struct Status {
    cluster_id: String,
    brokers: Vec<RegisteredBroker>,
    quorum: QuorumState,
    topics: Vec<Arc<Topic>>,
    /// How often actors of those nodes that answer were restarted.
    restarts: BTreeMap<NodeId, u64>,
    now_ms: i64,
}

/// How long a node may take to say how often its actors were restarted.
const RESTARTS_LIMIT: Duration = Duration::from_secs(1);

/// Partitions of a node, or of all.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    replicas: usize,
    leads: usize,
    out_of_sync: usize,
}

impl Status {
    pub(super) async fn ask(admin: &Admin) -> Result<Self, ClientError> {
        let cluster = admin.cluster().await?;
        let brokers = admin.brokers().await?;
        Ok(Self {
            cluster_id: cluster.id.clone().unwrap_or_default(),
            restarts: restarts(admin, &brokers).await,
            brokers,
            quorum: admin.quorum().await?,
            topics: cluster.topics(),
            now_ms: SystemClock::new().now_ms(),
        })
    }

    /// Actors restarted on all nodes that answered.
    fn restarts(&self) -> u64 {
        self.restarts.values().sum()
    }

    fn partitions(&self) -> impl Iterator<Item = &odeon_client::Partition> {
        self.topics.iter().flat_map(|topic| &topic.partitions)
    }

    fn counts(&self) -> BTreeMap<NodeId, Counts> {
        let mut counts: BTreeMap<NodeId, Counts> = BTreeMap::new();
        for partition in self.partitions() {
            if let Some(leader) = partition.leader {
                counts.entry(leader).or_default().leads += 1;
            }
            for replica in &partition.replicas {
                let count = counts.entry(*replica).or_default();
                count.replicas += 1;
                count.out_of_sync += usize::from(!partition.isr.contains(replica));
            }
        }
        counts
    }

    fn offline(&self) -> usize {
        self.partitions().filter(|one| one.leader.is_none()).count()
    }

    fn under_replicated(&self) -> usize {
        let under = |one: &&odeon_client::Partition| one.isr.len() < one.replicas.len();
        self.partitions().filter(under).count()
    }

    fn voter(&self, node: NodeId) -> Option<&QuorumReplica> {
        self.quorum.voters.iter().find(|voter| voter.node == node)
    }

    /// Every node that is known, by id.
    fn nodes(&self) -> Vec<NodeId> {
        let brokers = self.brokers.iter().map(|one| one.broker.id);
        let voters = self.quorum.voters.iter().map(|voter| voter.node);
        let mut nodes: Vec<_> = brokers.chain(voters).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    fn broker(&self, node: NodeId) -> Option<&RegisteredBroker> {
        self.brokers.iter().find(|one| one.broker.id == node)
    }

    fn roles(&self, node: NodeId) -> Vec<&'static str> {
        let roles = [
            (self.broker(node).is_some(), "broker"),
            (self.quorum.leader == node, "active controller"),
            (
                self.quorum.leader != node && self.voter(node).is_some(),
                "controller",
            ),
        ];
        let roles = roles.into_iter();
        roles.filter(|(is, _)| *is).map(|(_, role)| role).collect()
    }

    fn state(&self, node: NodeId) -> &'static str {
        match self.broker(node) {
            Some(one) if one.fenced => "fenced",
            Some(_) => "alive",
            None => "-",
        }
    }

    /// Entries of the metadata log that a node lacks, as far as its leader knows.
    fn lag(&self, node: NodeId) -> Option<i64> {
        let quorum = &self.quorum;
        let mut replicas = quorum.voters.iter().chain(&quorum.observers);
        let replica = replicas.find(|replica| replica.node == node)?;
        let known = replica.log_end_offset >= 0;
        known.then(|| {
            quorum
                .high_watermark
                .saturating_sub(replica.log_end_offset)
                .max(0)
        })
    }

    /// How long ago a node had all metadata.
    fn behind_ms(&self, node: NodeId) -> Option<i64> {
        let quorum = &self.quorum;
        let mut replicas = quorum.voters.iter().chain(&quorum.observers);
        let replica = replicas.find(|replica| replica.node == node)?;
        let known = replica.last_caught_up_ms >= 0;
        known.then(|| self.now_ms.saturating_sub(replica.last_caught_up_ms).max(0))
    }

    fn heading(&self) -> String {
        let partitions = self.partitions().count();
        let (offline, under) = (self.offline(), self.under_replicated());
        let verdict = match (offline, under) {
            (0, 0) => "all in sync".to_owned(),
            (0, under) => format!("{under} under-replicated"),
            (offline, under) => format!("{offline} OFFLINE, {under} under-replicated"),
        };
        format!(
            "cluster {}\n  partitions  {partitions}, {verdict}\n  \
             metadata    led by node {} in epoch {}, committed up to {}\n  \
             actors      {} restarted\n",
            self.cluster_id,
            self.quorum.leader,
            self.quorum.leader_epoch,
            self.quorum.high_watermark,
            self.restarts()
        )
    }

    pub(super) fn print_nodes(&self) -> Result<(), Failure> {
        let counts = self.counts();
        let dash = || "-".to_owned();
        let row = |node: &NodeId| {
            let count = counts.get(node).copied().unwrap_or_default();
            let address = self.broker(*node).map(|one| one.broker.address.to_string());
            vec![
                node.to_string(),
                self.state(*node).to_owned(),
                address.unwrap_or_else(dash),
                self.roles(*node).join(", "),
                count.leads.to_string(),
                count.replicas.to_string(),
                count.out_of_sync.to_string(),
                self.lag(*node).map_or_else(dash, |lag| lag.to_string()),
                self.restarts.get(node).map_or_else(dash, u64::to_string),
            ]
        };
        let rows: Vec<_> = self.nodes().iter().map(row).collect();
        let heads = [
            "NODE",
            "STATE",
            "ADDRESS",
            "ROLES",
            "LEADS",
            "REPLICAS",
            "OUT OF SYNC",
            "METADATA LAG",
            "RESTARTS",
        ];
        output::table(&heads, &rows)
    }

    pub(super) fn nodes_json(&self) -> Value {
        let counts = self.counts();
        let nodes = self.nodes().into_iter().map(|node| {
            let count = counts.get(&node).copied().unwrap_or_default();
            let broker = self.broker(node);
            json!({
                "node": node,
                "state": self.state(node),
                "address": broker.map(|one| one.broker.address.to_string()),
                "rack": broker.and_then(|one| one.broker.rack.clone()),
                "roles": self.roles(node),
                "leads": count.leads,
                "replicas": count.replicas,
                "out_of_sync": count.out_of_sync,
                "metadata_lag": self.lag(node),
                "metadata_behind_ms": self.behind_ms(node),
                "actor_restarts": self.restarts.get(&node),
            })
        });
        nodes.collect()
    }

    fn to_json(&self) -> Value {
        let voters: Vec<_> = self.quorum.voters.iter().map(|voter| voter.node).collect();
        let observers = self.quorum.observers.iter();
        let observers: Vec<_> = observers.map(|observer| observer.node).collect();
        json!({
            "cluster_id": self.cluster_id,
            "partitions": {
                "all": self.partitions().count(),
                "offline": self.offline(),
                "under_replicated": self.under_replicated(),
            },
            "quorum": {
                "leader": self.quorum.leader,
                "leader_epoch": self.quorum.leader_epoch,
                "high_watermark": self.quorum.high_watermark,
                "voters": voters,
                "observers": observers,
            },
            "actor_restarts": self.restarts(),
            "nodes": self.nodes_json(),
        })
    }
}

/// Asks all nodes that are there at once.
async fn restarts(admin: &Admin, brokers: &[RegisteredBroker]) -> BTreeMap<NodeId, u64> {
    let there = brokers.iter().filter(|one| !one.fenced);
    let ask = |one: &RegisteredBroker| {
        let (admin, node) = (admin.clone(), one.broker.id);
        TaskGuard::spawn(async move { Some((node, admin.restarts(node, RESTARTS_LIMIT).await?)) })
    };
    let mut known = BTreeMap::new();
    for mut asked in there.map(ask).collect::<Vec<_>>() {
        known.extend(asked.join().await.flatten());
    }
    known
}
