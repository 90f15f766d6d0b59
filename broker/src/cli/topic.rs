//! `odeon topic`: create, list, describe, alter, delete.

use clap::{Args, Subcommand};
use odeon_client::{Admin, ConfigChange, ConfigEntry, NewTopic, Topic};
use odeon_model::ErrorCode;
use serde_json::{Value, json};

use super::{ClusterArgs, Failure, output};

mod adopt;

#[derive(Debug, Subcommand)]
pub(super) enum TopicCommand {
    /// Create topics.
    Create(CreateArgs),
    /// List topics.
    List(ListArgs),
    /// Show partitions, leaders, replicas and configs of topics.
    Describe(DescribeArgs),
    /// Add partitions to a topic, or change its configs.
    Alter(AlterArgs),
    /// Delete topics and all their records.
    Delete(DeleteArgs),
    /// Take over topics from directories of Apache Kafka.
    Adopt(adopt::AdoptArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The topics' names.
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The number of partitions [default: the broker's num.partitions].
    #[arg(long, short = 'p', value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// The number of replicas [default: the broker's default.replication.factor].
    #[arg(long, short = 'r', value_name = "COUNT", value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// A config of the topics; may be given more than once.
    #[arg(long = "config", short = 'c', value_name = "KEY=VALUE", value_parser = parse_pair)]
    configs: Vec<(String, String)>,
    /// A topic that is there already is no error.
    #[arg(long)]
    if_not_exists: bool,
    /// Only check whether the topics could be created.
    #[arg(long)]
    validate_only: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The cluster's own topics too.
    #[arg(long)]
    internal: bool,
    /// Print the topics as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DescribeArgs {
    /// The topics' names.
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Inherited configs too, not only those that are set on the topic.
    #[arg(long)]
    all_configs: bool,
    /// Print the topics as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct AlterArgs {
    /// The topic's name.
    #[arg(value_name = "TOPIC")]
    name: String,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The new number of partitions; it can only grow.
    #[arg(long, short = 'p', value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// A config to be set; may be given more than once.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    set: Vec<(String, String)>,
    /// A config to go back to its default; may be given more than once.
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The topics' names.
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// A topic that is not there is no error.
    #[arg(long)]
    if_exists: bool,
}

/// Reads `KEY=VALUE`.
pub(super) fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is wanted")?;
    if key.trim().is_empty() {
        return Err("KEY=VALUE is wanted".to_owned());
    }
    Ok((key.trim().to_owned(), value.to_owned()))
}

pub(super) async fn run(command: TopicCommand) -> Result<(), Failure> {
    match command {
        TopicCommand::Create(args) => create(args).await,
        TopicCommand::List(args) => list(args).await,
        TopicCommand::Describe(args) => describe(args).await,
        TopicCommand::Alter(args) => alter(args).await,
        TopicCommand::Delete(args) => delete(args).await,
        TopicCommand::Adopt(args) => adopt::run(args).await,
    }
}

async fn create(args: CreateArgs) -> Result<(), Failure> {
    let admin = args.cluster.connect().await?.admin();
    let topics = args.names.iter().map(|name| NewTopic {
        partitions: args.partitions,
        replication_factor: args.replication_factor,
        configs: args.configs.clone(),
        ..NewTopic::named(name)
    });
    let topics: Vec<_> = topics.collect();
    let results = admin.create_topics(&topics, args.validate_only).await?;
    let mut failure = None;
    let mut created = Vec::new();
    for (name, result) in results {
        match result {
            Ok(topic) => {
                let counts = (topic.partitions, topic.replication_factor);
                if args.json {
                    created.push(json!({
                        "topic": name,
                        "id": topic.id.to_string(),
                        "partitions": counts.0,
                        "replication_factor": counts.1,
                    }));
                } else {
                    let verb = if args.validate_only {
                        "could be created"
                    } else {
                        "created"
                    };
                    output::line(&format!("{name}: {verb}, {}", shown(counts)))?;
                }
            }
            Err(error)
                if args.if_not_exists && error.code() == Some(ErrorCode::TopicAlreadyExists) =>
            {
                if !args.json {
                    output::line(&format!("{name}: exists already"))?;
                }
            }
            Err(error) => failure = last(failure, error.into()),
        }
    }
    if args.json {
        output::json(&Value::Array(created))?;
    }
    failure.map_or(Ok(()), Err)
}

fn shown((partitions, replicas): (i32, i16)) -> String {
    let plural = |count: i32| if count == 1 { "" } else { "s" };
    format!(
        "{partitions} partition{}, {replicas} replica{}",
        plural(partitions),
        plural(i32::from(replicas))
    )
}

/// Reports all failures but the last, which ends the command.
fn last(before: Option<Failure>, failure: Failure) -> Option<Failure> {
    if let Some(before) = before {
        let _ = before.report();
    }
    Some(failure)
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let admin = args.cluster.connect().await?.admin();
    let topics = admin.cluster().await?.topics();
    let topics: Vec<_> = topics
        .into_iter()
        .filter(|topic| args.internal || !topic.internal)
        .collect();
    if args.json {
        let topics = topics.iter().map(|topic| {
            json!({
                "topic": &*topic.name,
                "id": topic.id.to_string(),
                "partitions": topic.partitions.len(),
                "replication_factor": replication_factor(topic),
                "internal": topic.internal,
            })
        });
        return output::json(&topics.collect());
    }
    let rows: Vec<_> = topics
        .iter()
        .map(|topic| {
            vec![
                topic.name.to_string(),
                topic.partitions.len().to_string(),
                replication_factor(topic).to_string(),
            ]
        })
        .collect();
    output::table(&["TOPIC", "PARTITIONS", "REPLICAS"], &rows)
}

fn replication_factor(topic: &Topic) -> usize {
    topic.partitions.first().map_or(0, |one| one.replicas.len())
}

async fn describe(args: DescribeArgs) -> Result<(), Failure> {
    let admin = args.cluster.connect().await?.admin();
    let names: Vec<_> = args.names.iter().map(String::as_str).collect();
    let mut failure = None;
    let mut described = Vec::new();
    for (_, result) in admin.describe_topics(&names).await? {
        match result {
            Ok(topic) => {
                let mut configs = admin.topic_configs(&topic.name).await?;
                configs.retain(|config| args.all_configs || config.is_set);
                if args.json {
                    described.push(to_json(&topic, &configs));
                } else {
                    print(&topic, &configs)?;
                }
            }
            Err(error) => failure = last(failure, error.into()),
        }
    }
    if args.json {
        output::json(&Value::Array(described))?;
    }
    failure.map_or(Ok(()), Err)
}

fn to_json(topic: &Topic, configs: &[ConfigEntry]) -> Value {
    let partitions = topic.partitions.iter().map(|one| {
        json!({
            "partition": one.index,
            "leader": one.leader,
            "leader_epoch": one.leader_epoch,
            "replicas": one.replicas,
            "isr": one.isr,
            "offline": one.offline_replicas,
        })
    });
    let configs = configs
        .iter()
        .map(|one| (one.name.clone(), json!(one.value)));
    json!({
        "topic": &*topic.name,
        "id": topic.id.to_string(),
        "internal": topic.internal,
        "partitions": partitions.collect::<Vec<_>>(),
        "configs": configs.collect::<serde_json::Map<_, _>>(),
    })
}

fn print(topic: &Topic, configs: &[ConfigEntry]) -> Result<(), Failure> {
    let counts = (
        i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
        i16::try_from(replication_factor(topic)).unwrap_or(i16::MAX),
    );
    output::line(&format!("{} ({}): {}", topic.name, topic.id, shown(counts)))?;
    for config in configs {
        let value = match &config.value {
            _ if config.is_sensitive => "[hidden]",
            Some(value) => value,
            None => "",
        };
        output::line(&format!("  {} = {value}", config.name))?;
    }
    let list = |ids: &[i32]| {
        ids.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    let rows: Vec<_> = topic
        .partitions
        .iter()
        .map(|one| {
            vec![
                format!("  {}", one.index),
                one.leader.map_or("none".to_owned(), |id| id.to_string()),
                one.leader_epoch.to_string(),
                list(&one.replicas),
                list(&one.isr),
            ]
        })
        .collect();
    output::table(
        &["  PARTITION", "LEADER", "EPOCH", "REPLICAS", "IN SYNC"],
        &rows,
    )
}

async fn alter(args: AlterArgs) -> Result<(), Failure> {
    let sets = args.set.into_iter();
    let mut changes: Vec<_> = sets
        .map(|(key, value)| ConfigChange::Set(key, value))
        .collect();
    changes.extend(args.unset.into_iter().map(ConfigChange::Unset));
    if changes.is_empty() && args.partitions.is_none() {
        return Err(Failure::usage(
            "nothing to change: --partitions, --set or --unset is wanted",
        ));
    }
    let admin: Admin = args.cluster.connect().await?.admin();
    if !changes.is_empty() {
        admin.alter_topic_configs(&args.name, &changes).await?;
    }
    if let Some(count) = args.partitions {
        admin.create_partitions(&args.name, count).await?;
    }
    output::line(&format!("{}: changed", args.name))
}

async fn delete(args: DeleteArgs) -> Result<(), Failure> {
    let admin = args.cluster.connect().await?.admin();
    let names: Vec<_> = args.names.iter().map(String::as_str).collect();
    let mut failure = None;
    for (name, result) in admin.delete_topics(&names).await? {
        match result {
            Ok(()) => output::line(&format!("{name}: deleted"))?,
            Err(error)
                if args.if_exists && error.code() == Some(ErrorCode::UnknownTopicOrPartition) =>
            {
                output::line(&format!("{name}: does not exist"))?;
            }
            Err(error) => failure = last(failure, error.into()),
        }
    }
    failure.map_or(Ok(()), Err)
}
