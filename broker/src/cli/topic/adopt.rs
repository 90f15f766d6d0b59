//! `odeon topic adopt`: topics of Apache Kafka become topics of a node that is not running.
//!
//! Only a node writes its log directories, so the command is one for as long as it takes: it opens
//! no socket, takes the topics over, and stops. A node that runs keeps the directories locked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use odeon_actors::node::OFFSETS_TOPIC;
use odeon_kernel::{RealDisk, SharedDisk};
use odeon_log::{LogError, LogSource};
use serde_json::json;

use super::parse_pair;
use crate::cli::{Failure, output, start};
use crate::{AdoptError, AdoptedTopic, Node, NodeOptions, TopicAdoption};

const ADOPT_HELP: &str = "\
Examples:
  odeon topic adopt /var/kafka-logs/orders-0 /var/kafka-logs/orders-1 --data ./odeon-data
  odeon topic adopt /var/kafka-logs --topic orders --config retention.ms=-1
  odeon topic adopt /var/kafka-logs --all --move --server-config server.properties

The broker that wrote the directories, and the node that takes them over, must both be stopped.
Adopt __consumer_offsets too (or --all) and consumer groups go on where they were.
The settings of a topic are not in its directory: give them by --config.";

#[derive(Debug, Args)]
#[command(after_help = ADOPT_HELP)]
pub(in crate::cli) struct AdoptArgs {
    /// Directories of partitions (orders-0), or log directories that hold them.
    #[arg(required = true, value_name = "DIR")]
    sources: Vec<PathBuf>,
    /// Take this topic out of the log directories; may be given more than once.
    #[arg(long, short = 't', value_name = "TOPIC")]
    topic: Vec<String>,
    /// Take every topic, but for the state of transactions, share groups and the cluster itself.
    #[arg(long, conflicts_with = "topic")]
    all: bool,
    /// Give the topic another name.
    #[arg(long = "as", value_name = "TOPIC")]
    name: Option<String>,
    /// Move the directories instead of copying them.
    #[arg(long = "move")]
    moves: bool,
    /// A config of the topics; may be given more than once.
    #[arg(long = "config", short = 'c', value_name = "KEY=VALUE", value_parser = parse_pair)]
    configs: Vec<(String, String)>,
    /// Only check the directories, every batch of them.
    #[arg(long)]
    validate_only: bool,
    /// Where the node's data is (log.dirs) [default: ./odeon-data].
    #[arg(long, short = 'd', value_name = "DIR")]
    data: Option<String>,
    /// The node's server.properties, as given to `odeon start --config`.
    #[arg(long, value_name = "FILE")]
    server_config: Option<PathBuf>,
    /// Set a key of the node's configuration, as with `odeon start`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    set: Vec<(String, String)>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Topics that are not taken by `--all`: they mean nothing without the cluster they come from.
const NOT_ALL: [&str; 3] = [
    "__cluster_metadata",
    "__transaction_state",
    "__share_group_state",
];

type Found = BTreeMap<String, Vec<LogSource>>;

pub(super) async fn run(args: AdoptArgs) -> Result<(), Failure> {
    let found = find(&args)?;
    if args.name.is_some() && found.len() != 1 {
        return Err(Failure::usage("--as names one topic, and there are more"));
    }
    let config = start::node_config(
        args.server_config.clone(),
        args.data.clone(),
        args.set.clone(),
    )?;
    let options = NodeOptions {
        serves: false,
        ..NodeOptions::new(config)
    };
    let node = Box::pin(Node::start(options))
        .await
        .map_err(start::failed_start)?;
    let adopted = adopt_all(&node, &args, found).await;
    node.stop().await;
    adopted
}

/// The partitions that are meant, by topic.
fn find(args: &AdoptArgs) -> Result<Found, Failure> {
    let disk: SharedDisk = Arc::new(RealDisk);
    let mut found = Found::new();
    for path in &args.sources {
        let sources = LogSource::find(&disk, path).map_err(failed)?;
        // A partition's own directory says by itself what is meant.
        let is_one = matches!(&sources[..], [one] if one.folder.ends_with(path.file_name().unwrap_or_default()));
        for source in sources {
            let topic = &*source.partition.topic;
            let named = args.topic.iter().any(|name| name == topic);
            let wanted = if args.topic.is_empty() {
                is_one || (args.all && !NOT_ALL.contains(&topic))
            } else {
                named
            };
            if wanted {
                found.entry(topic.to_owned()).or_default().push(source);
            }
        }
    }
    if let Some(missing) = args.topic.iter().find(|name| !found.contains_key(*name)) {
        return Err(Failure::new(format!(
            "{missing} is in none of these directories"
        )));
    }
    if found.is_empty() {
        let failure = Failure::usage("these directories hold no partition that is meant");
        return Err(failure.hint("--topic NAME takes a topic out of a log directory, --all each."));
    }
    Ok(found)
}

async fn adopt_all(node: &Node, args: &AdoptArgs, found: Found) -> Result<(), Failure> {
    let mut results = Vec::new();
    for (topic, sources) in found {
        let name = args.name.clone().unwrap_or_else(|| topic.clone());
        let bytes: u64 = sources.iter().map(|source| source.size_bytes).sum();
        let passes = if args.validate_only { 1 } else { 3 };
        let bar = output::progress(Some(bytes * passes));
        bar.set_message(name.clone());
        let progress = {
            let bar = bar.clone();
            Arc::new(move |bytes| bar.inc(bytes))
        };
        let adoption = TopicAdoption {
            name: name.clone(),
            sources,
            configs: configs(args, &name),
            moves: args.moves,
            validate_only: args.validate_only,
        };
        let adopted = node.adopt(adoption, progress).await;
        bar.finish_and_clear();
        let adopted = adopted.map_err(|error| refused(&name, error))?;
        if args.json {
            results.push(to_json(&name, &adopted, bytes));
        } else {
            print(args, &name, &adopted, bytes)?;
        }
    }
    if args.json {
        output::json(&results.into())?;
    }
    Ok(())
}

/// Settings are for the people's topics: the cluster's own have theirs.
fn configs(args: &AdoptArgs, topic: &str) -> Vec<(String, String)> {
    if topic == OFFSETS_TOPIC {
        Vec::new()
    } else {
        args.configs.clone()
    }
}

fn to_json(name: &str, adopted: &AdoptedTopic, bytes: u64) -> serde_json::Value {
    let partitions = (0..)
        .zip(&adopted.partitions)
        .map(|(index, report): (i32, _)| {
            json!({
                "partition": index,
                "start": report.log_start,
                "end": report.log_end,
                "batches": report.batches,
                "torn_bytes": report.torn_bytes,
                "latest_epoch": report.latest_epoch,
            })
        });
    json!({
        "topic": name,
        "id": adopted.topic_id.to_string(),
        "bytes": bytes,
        "partitions": partitions.collect::<Vec<_>>(),
        "expired_segments": adopted.expired_segments,
    })
}

fn print(args: &AdoptArgs, name: &str, adopted: &AdoptedTopic, bytes: u64) -> Result<(), Failure> {
    let size = indicatif::HumanBytes(bytes);
    let count = adopted.partitions.len();
    let plural = if count == 1 { "" } else { "s" };
    let verb = if args.validate_only {
        "could be adopted"
    } else {
        "adopted"
    };
    output::line(&format!(
        "{name}: {verb}, {count} partition{plural}, {size}, id {}",
        adopted.topic_id
    ))?;
    for (index, report) in adopted.partitions.iter().enumerate() {
        if report.batches == 0 && report.torn_bytes == 0 {
            continue;
        }
        let mut text = format!(
            "  {index}: offsets {} to {}, {} batches sound",
            report.log_start, report.log_end, report.batches
        );
        if report.torn_bytes > 0 {
            let torn = report.torn_bytes;
            text.push_str(&format!(", {torn} unfinished bytes at the end dropped"));
        }
        output::line(&text)?;
    }
    if adopted.expired_segments > 0 {
        let count = adopted.expired_segments;
        output::line(&format!(
            "  note: retention.ms lets {count} old segments go at the next check; to keep them: \
             odeon topic alter {name} --set retention.ms=-1"
        ))?;
    }
    if adopted.was_compacted {
        output::line(&format!(
            "  note: it was compacted; to go on so: odeon topic alter {name} --set \
             cleanup.policy=compact"
        ))?;
    }
    for error in &adopted.left_behind {
        output::line(&format!("  note: the source is still there: {error}"))?;
    }
    Ok(())
}

fn refused(name: &str, error: AdoptError) -> Failure {
    match error {
        AdoptError::Log(error) => {
            let failure = failed(error);
            failure.prefix(name)
        }
        other => Failure::new(format!("{name}: {other}")),
    }
}

fn failed(error: LogError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        LogError::Locked { .. } => failure.hint("A broker runs on it: stop that one first."),
        LogError::Corrupt { .. } => {
            failure.hint("Nothing was taken over; `odeon dump-log FILE` shows what is there.")
        }
        LogError::Exists { .. } => {
            failure.hint("Its directory is there without a topic; the next start sets it aside.")
        }
        _ => failure,
    }
}
