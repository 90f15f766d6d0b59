//! `odeon group`: list, describe, delete, reset-offsets.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand};
use odeon_client::{Admin, Client, CommittedOffset, DescribedGroup, Isolation, OffsetSpec};
use odeon_model::{ErrorCode, TopicPartition};
use serde_json::{Value, json};

use super::when::{PLACE_HELP, Place};
use super::{ClusterArgs, Failure, output};

#[derive(Debug, Subcommand)]
pub(super) enum GroupCommand {
    /// List groups.
    List(ListArgs),
    /// Show a group's members, offsets and lag.
    Describe(DescribeArgs),
    /// Delete groups without members, and their offsets.
    Delete(DeleteArgs),
    /// Set a group's committed offsets. Shows what would be done; --execute does it.
    ResetOffsets(ResetArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print the groups as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DescribeArgs {
    /// The group.
    group: String,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print the group as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The groups.
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Args)]
pub(super) struct ResetArgs {
    /// The group; it must have no members.
    group: String,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// A topic, or some of its partitions; may be given more than once [default: all that the group
    /// has offsets of].
    #[arg(long = "topic", short = 't', value_name = "TOPIC[:NUMBER,...]")]
    topics: Vec<String>,
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true, help = to_help())]
    to: Place,
    /// Do it.
    #[arg(long)]
    execute: bool,
    /// Print the offsets as JSON.
    #[arg(long)]
    json: bool,
}

fn to_help() -> String {
    format!("The new place: {PLACE_HELP}")
}

pub(super) async fn run(command: GroupCommand) -> Result<(), Failure> {
    match command {
        GroupCommand::List(args) => list(args).await,
        GroupCommand::Describe(args) => describe(args).await,
        GroupCommand::Delete(args) => delete(args).await,
        GroupCommand::ResetOffsets(args) => reset(args).await,
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let groups = args.cluster.connect().await?.admin().list_groups().await?;
    if args.json {
        let groups = groups.iter().map(|one| {
            json!({
                "group": one.group_id,
                "protocol_type": one.protocol_type,
                "state": one.state,
                "type": one.kind,
            })
        });
        return output::json(&groups.collect());
    }
    let rows: Vec<_> = groups
        .into_iter()
        .map(|one| vec![one.group_id, one.kind, one.state, one.protocol_type])
        .collect();
    output::table(&["GROUP", "TYPE", "STATE", "PROTOCOL"], &rows)
}

/// A partition of a group: who reads it, how far it is, how far it could be.
struct Share {
    partition: TopicPartition,
    committed: Option<i64>,
    end: Option<i64>,
    reader: Option<String>,
}

impl Share {
    fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed?).max(0))
    }
}

async fn shares(
    admin: &Admin,
    group: &DescribedGroup,
    committed: &BTreeMap<TopicPartition, CommittedOffset>,
) -> Result<Vec<Share>, Failure> {
    let mut readers = BTreeMap::new();
    for member in &group.members {
        for partition in &member.assignment {
            readers.insert(partition.clone(), member.member_id.clone());
        }
    }
    let partitions: BTreeSet<_> = committed.keys().chain(readers.keys()).cloned().collect();
    let mut ends = BTreeMap::new();
    let topics: BTreeSet<_> = partitions.iter().map(|one| one.topic.clone()).collect();
    for topic in topics {
        let of_topic = partitions.iter().filter(|one| one.topic == topic);
        let wanted = of_topic
            .map(|one| (one.clone(), OffsetSpec::Latest))
            .collect();
        match admin.list_offsets(&wanted, Isolation::default()).await {
            Ok(found) => ends.extend(found),
            // Offsets outlive their topic for a while.
            Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let shares = partitions.into_iter().map(|partition| Share {
        committed: committed.get(&partition).map(|one| one.offset),
        end: ends
            .get(&partition)
            .copied()
            .flatten()
            .map(|found| found.offset),
        reader: readers.get(&partition).cloned(),
        partition,
    });
    Ok(shares.collect())
}

async fn describe(args: DescribeArgs) -> Result<(), Failure> {
    let admin = args.cluster.connect().await?.admin();
    let group = admin.describe_group(&args.group).await?;
    let committed = admin.group_offsets(&args.group).await?;
    let shares = shares(&admin, &group, &committed).await?;
    if args.json {
        return output::json(&to_json(&group, &shares));
    }
    let count = group.members.len();
    let plural = if count == 1 { "" } else { "s" };
    let assignor = if group.assignor.is_empty() {
        "none"
    } else {
        &group.assignor
    };
    output::line(&format!(
        "{}: {}, {count} member{plural}, assignor {assignor}",
        group.group_id, group.state
    ))?;
    if count > 0 {
        let rows: Vec<_> = group
            .members
            .iter()
            .map(|one| {
                vec![
                    format!("  {}", one.member_id),
                    one.client_id.clone(),
                    one.host.clone(),
                    one.assignment.len().to_string(),
                ]
            })
            .collect();
        output::table(&["  MEMBER", "CLIENT", "HOST", "PARTITIONS"], &rows)?;
    }
    let number = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    let rows: Vec<_> = shares
        .iter()
        .map(|one| {
            vec![
                format!("  {}", one.partition.topic),
                one.partition.partition.to_string(),
                number(one.committed),
                number(one.end),
                number(one.lag()),
                one.reader.clone().unwrap_or("-".to_owned()),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    output::table(
        &["  TOPIC", "PARTITION", "OFFSET", "END", "LAG", "MEMBER"],
        &rows,
    )
}

fn to_json(group: &DescribedGroup, shares: &[Share]) -> Value {
    let members = group.members.iter().map(|one| {
        json!({
            "member": one.member_id,
            "instance": one.instance_id,
            "client": one.client_id,
            "host": one.host,
        })
    });
    let offsets = shares.iter().map(|one| {
        json!({
            "topic": &*one.partition.topic,
            "partition": one.partition.partition,
            "offset": one.committed,
            "end": one.end,
            "lag": one.lag(),
            "member": one.reader,
        })
    });
    json!({
        "group": group.group_id,
        "state": group.state,
        "assignor": group.assignor,
        "members": members.collect::<Vec<_>>(),
        "offsets": offsets.collect::<Vec<_>>(),
    })
}

async fn delete(args: DeleteArgs) -> Result<(), Failure> {
    let admin = args.cluster.connect().await?.admin();
    let mut failure: Option<Failure> = None;
    for group in &args.groups {
        match admin.delete_group(group).await {
            Ok(()) => output::line(&format!("{group}: deleted"))?,
            Err(error) => {
                if let Some(before) = failure.take() {
                    let _ = before.report();
                }
                failure = Some(error.into());
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

async fn reset(args: ResetArgs) -> Result<(), Failure> {
    let client = args.cluster.connect().await?;
    let admin = client.admin();
    let committed = match admin.group_offsets(&args.group).await {
        // A group may be made by setting its first offsets.
        Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => BTreeMap::new(),
        result => result?,
    };
    let partitions = partitions(&client, &args.topics, &committed).await?;
    if partitions.is_empty() {
        let message = format!(
            "group '{}' has no offsets; name topics by --topic",
            args.group
        );
        return Err(Failure::usage(message));
    }
    let offsets = offsets_at(&admin, &partitions, args.to).await?;
    if args.execute {
        admin.alter_group_offsets(&args.group, &offsets).await?;
    }
    let old = |partition: &TopicPartition| committed.get(partition).map(|one| one.offset);
    if args.json {
        let offsets = offsets.iter().map(|(partition, offset)| {
            json!({
                "topic": &*partition.topic,
                "partition": partition.partition,
                "old_offset": old(partition),
                "new_offset": offset,
                "executed": args.execute,
            })
        });
        return output::json(&offsets.collect());
    }
    let rows: Vec<_> = offsets
        .iter()
        .map(|(partition, offset)| {
            vec![
                partition.topic.to_string(),
                partition.partition.to_string(),
                old(partition).map_or("-".to_owned(), |offset| offset.to_string()),
                offset.to_string(),
            ]
        })
        .collect();
    output::table(&["TOPIC", "PARTITION", "OLD", "NEW"], &rows)?;
    if !args.execute {
        eprintln!("Nothing was changed; --execute does it.");
    }
    Ok(())
}

/// The partitions that `--topic` names, or all that have offsets.
async fn partitions(
    client: &Client,
    topics: &[String],
    committed: &BTreeMap<TopicPartition, CommittedOffset>,
) -> Result<BTreeSet<TopicPartition>, Failure> {
    if topics.is_empty() {
        return Ok(committed.keys().cloned().collect());
    }
    let mut partitions = BTreeSet::new();
    for text in topics {
        let (name, numbers) = match text.split_once(':') {
            Some((name, numbers)) => (name, Some(numbers)),
            None => (text.as_str(), None),
        };
        let topic = client.topic(name, false).await?;
        let Some(numbers) = numbers else {
            let all = topic.partitions.iter();
            partitions.extend(all.map(|one| TopicPartition::new(name, one.index)));
            continue;
        };
        for number in numbers.split(',') {
            let index = number.trim().parse().ok();
            let found = index
                .and_then(|index| topic.partition(index))
                .ok_or_else(|| {
                    Failure::usage(format!("topic '{name}' has no partition '{number}'"))
                })?;
            partitions.insert(TopicPartition::new(name, found.index));
        }
    }
    Ok(partitions)
}

/// The offsets of a place; an offset outside the log becomes the nearest one inside.
async fn offsets_at(
    admin: &Admin,
    partitions: &BTreeSet<TopicPartition>,
    place: Place,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let ask = |spec| partitions.iter().map(|one| (one.clone(), spec)).collect();
    let isolation = Isolation::default();
    let begins = admin
        .list_offsets(&ask(OffsetSpec::Earliest), isolation)
        .await?;
    let ends = admin
        .list_offsets(&ask(OffsetSpec::Latest), isolation)
        .await?;
    let found = match place.spec() {
        Some(spec) => admin.list_offsets(&ask(spec), isolation).await?,
        None => BTreeMap::new(),
    };
    let offsets = partitions.iter().map(|partition| {
        let offset = |found: &BTreeMap<_, Option<odeon_client::FoundOffset>>| {
            found
                .get(partition)
                .copied()
                .flatten()
                .map(|found| found.offset)
        };
        let (begin, end) = (offset(&begins).unwrap_or(0), offset(&ends).unwrap_or(0));
        let wanted = match place {
            Place::Offset(offset) => offset,
            Place::BeforeEnd(count) => end.saturating_sub(count),
            // No record is that late: the end.
            _ => offset(&found).unwrap_or(end),
        };
        (partition.clone(), wanted.clamp(begin, end.max(begin)))
    });
    Ok(offsets.collect())
}
