//! `odeon node`: list nodes, take the load off one, take one out, kill an actor.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand};
use odeon_client::{Admin, Partition, Placement, Topic};
use odeon_kernel::{Clock, SystemClock};
use odeon_model::NodeId;
use serde_json::json;

use super::cluster::Status;
use super::{ClusterArgs, Failure, output};

mod kill;
#[cfg(test)]
mod tests;

#[derive(Debug, Subcommand)]
pub(super) enum NodeCommand {
    /// List the nodes and what each of them holds.
    List(ListArgs),
    /// Let a node lead nothing, so that it can be stopped without anybody noticing. It stays the
    /// last choice of the partitions that it holds until their replicas are placed anew.
    Drain(MoveArgs),
    /// Move all replicas off a node, and forget it once it is stopped.
    Decommission(MoveArgs),
    /// Kill an actor of a node where it stands, to see what its supervisor makes of it. For
    /// developers: the node must be started with `--set odeon.developer.kill.actors=true`.
    KillActor(kill::KillActorArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print the nodes as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct MoveArgs {
    /// The node's id.
    #[arg(value_name = "NODE")]
    node: NodeId,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// How often a move is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Partitions that are moved at a time.
const AT_ONCE: usize = 100;

pub(super) async fn run(command: NodeCommand) -> Result<(), Failure> {
    match command {
        NodeCommand::List(args) => {
            let status = Status::ask(&args.cluster.connect().await?.admin()).await?;
            if args.json {
                output::json(&status.nodes_json())
            } else {
                status.print_nodes()
            }
        }
        NodeCommand::Drain(args) => drain(args).await,
        NodeCommand::Decommission(args) => decommission(args).await,
        NodeCommand::KillActor(args) => kill::run(args).await,
    }
}

async fn drain(args: MoveArgs) -> Result<(), Failure> {
    let admin = args.cluster.connect().await?.admin();
    known(&admin, args.node).await?;
    let wanted = last_choice(&topics(&admin).await?, args.node);
    let count = wanted.len();
    admin_places(&admin, &wanted).await?;
    let names: Vec<_> = wanted
        .into_iter()
        .map(|one| (one.topic, one.partition))
        .collect();
    if !names.is_empty() {
        admin.elect_preferred(&names).await?;
    }
    let left = leads(&topics(&admin).await?, args.node);
    if args.json {
        output::json(&json!({"node": args.node, "moved": count, "still_leads": left}))?;
    } else {
        let node = args.node;
        output::line(&format!(
            "node {node}: {count} partitions changed, it leads {left}"
        ))?;
    }
    match left {
        0 => Ok(()),
        left => Err(Failure::new(format!(
            "node {} still leads {left} partitions: no other replica of them is in sync",
            args.node
        ))),
    }
}

async fn decommission(args: MoveArgs) -> Result<(), Failure> {
    let admin = args.cluster.connect().await?.admin();
    let fenced = known(&admin, args.node).await?;
    let live = admin.brokers().await?.into_iter();
    let live = live.filter(|one| !one.fenced && one.broker.id != args.node);
    let live: Vec<NodeId> = live.map(|one| one.broker.id).collect();
    let wanted = without(&topics(&admin).await?, args.node, &live).map_err(Failure::new)?;
    let count = wanted.len();
    let bar = output::partitions(count);
    for (index, some) in wanted.chunks(AT_ONCE).enumerate() {
        admin_places(&admin, some).await?;
        loop {
            let left = held(&topics(&admin).await?, args.node, some);
            bar.set_position((index * AT_ONCE + some.len() - left) as u64);
            if left == 0 {
                break;
            }
            SystemClock::new().sleep(LOOK).await;
        }
    }
    bar.finish_and_clear();
    if fenced {
        admin.unregister_broker(args.node).await?;
    }
    if args.json {
        let result = json!({"node": args.node, "moved": count, "forgotten": fenced});
        return output::json(&result);
    }
    let node = args.node;
    output::line(&format!(
        "node {node}: {count} partitions moved to other nodes"
    ))?;
    output::line(&if fenced {
        format!("node {node} is forgotten")
    } else {
        format!("Stop node {node}, then run this again: it will be forgotten.")
    })
}

/// Whether the node is fenced; a failure when there is none.
async fn known(admin: &Admin, node: NodeId) -> Result<bool, Failure> {
    let brokers = admin.brokers().await?;
    let found = brokers.iter().find(|one| one.broker.id == node);
    let found = found.ok_or_else(|| Failure::new(format!("there is no node {node}")))?;
    Ok(found.fenced)
}

async fn topics(admin: &Admin) -> Result<Vec<std::sync::Arc<Topic>>, Failure> {
    Ok(admin.cluster().await?.topics())
}

async fn admin_places(admin: &Admin, placements: &[Placement]) -> Result<(), Failure> {
    if !placements.is_empty() {
        admin.place(placements).await?;
    }
    Ok(())
}

type Topics = [std::sync::Arc<Topic>];

fn partitions(topics: &Topics) -> impl Iterator<Item = (&Topic, &Partition)> {
    topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |one| (&**topic, one)))
}

fn leads(topics: &Topics, node: NodeId) -> usize {
    let led = partitions(topics).filter(|(_, one)| one.leader == Some(node));
    led.count()
}

/// How many of these partitions still have a replica on the node.
fn held(topics: &Topics, node: NodeId, moved: &[Placement]) -> usize {
    let holds = |one: &&Placement| {
        let topic = topics.iter().find(|topic| *topic.name == *one.topic);
        let partition = topic.and_then(|topic| topic.partition(one.partition));
        partition.is_some_and(|partition| partition.replicas.contains(&node))
    };
    moved.iter().filter(holds).count()
}

/// The partitions that have the node as their first choice and others besides, with it as the last.
fn last_choice(topics: &Topics, node: NodeId) -> Vec<Placement> {
    let first = partitions(topics).filter(|(_, one)| {
        one.replicas.len() > 1 && (one.replicas.first() == Some(&node) || one.leader == Some(node))
    });
    let placed = first.map(|(topic, one)| {
        let others = one.replicas.iter().filter(|replica| **replica != node);
        // The preferred one must be able to lead.
        let (able, unable): (Vec<_>, Vec<_>) = others.partition(|other| one.isr.contains(other));
        Placement {
            topic: topic.name.to_string(),
            partition: one.index,
            replicas: able
                .into_iter()
                .chain(unable)
                .copied()
                .chain([node])
                .collect(),
        }
    });
    placed.collect()
}

/// The partitions that have a replica on the node, with the live node in its place that holds the
/// fewest.
fn without(topics: &Topics, node: NodeId, live: &[NodeId]) -> Result<Vec<Placement>, String> {
    let mut held: BTreeMap<NodeId, usize> = live.iter().map(|node| (*node, 0)).collect();
    for (_, partition) in partitions(topics) {
        for replica in &partition.replicas {
            if let Some(count) = held.get_mut(replica) {
                *count += 1;
            }
        }
    }
    let mut placed = Vec::new();
    for (topic, partition) in partitions(topics).filter(|(_, one)| one.replicas.contains(&node)) {
        let free = held
            .iter()
            .filter(|(id, _)| !partition.replicas.contains(id));
        let Some(next) = free
            .min_by_key(|(id, count)| (**count, **id))
            .map(|(id, _)| *id)
        else {
            return Err(format!(
                "{}-{} has {} replicas, and no other live node is left for the one on node {node}",
                topic.name,
                partition.index,
                partition.replicas.len()
            ));
        };
        *held.entry(next).or_default() += 1;
        let replicas = partition.replicas.iter();
        let swap = |replica: &NodeId| if *replica == node { next } else { *replica };
        placed.push(Placement {
            topic: topic.name.to_string(),
            partition: partition.index,
            replicas: replicas.map(swap).collect(),
        });
    }
    Ok(placed)
}
