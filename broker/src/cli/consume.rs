//! `odeon consume`: records to lines.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use odeon_client::{
    Client, ClientError, ConsumedRecord, Consumer, ConsumerConfig, GroupConfig, Isolation,
    OffsetReset, OffsetSpec, Start,
};
use odeon_kernel::{Clock, SystemClock};
use odeon_model::TopicPartition;

use super::format::{FORMAT_HELP, Format, write_json};
use super::output::{self, Output};
use super::signal::Interrupts;
use super::when::{PLACE_HELP, Place};
use super::{ClusterArgs, Failure};

/// How long a poll waits: an end that was reached is noticed this soon.
const POLL: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(super) struct ConsumeArgs {
    /// The topics.
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true, help = from_help())]
    from: Option<Place>,
    /// Read as a member of this group: its members share the partitions, and go on where the group
    /// has been.
    #[arg(long, short = 'g', value_name = "GROUP")]
    group: Option<String>,
    /// Read only these partitions.
    #[arg(
        long,
        short = 'p',
        value_name = "NUMBER,...",
        value_delimiter = ',',
        conflicts_with = "group"
    )]
    partitions: Vec<i32>,
    /// Stop after so many records.
    #[arg(long, short = 'n', value_name = "COUNT")]
    max: Option<u64>,
    /// Stop at what was the end when this command began.
    #[arg(long, short = 'e')]
    until_end: bool,
    /// Leave out records of transactions that are not committed.
    #[arg(long)]
    committed: bool,
    #[arg(long, value_name = "PATTERN", default_value = "%s\\n", conflicts_with = "json", help = format_help())]
    format: Format,
    /// Print each record as a line of JSON.
    #[arg(long)]
    json: bool,
}

fn from_help() -> String {
    format!(
        "Where to begin: {PLACE_HELP} [default: end]. In a group, where to begin without a \
         committed offset: `beginning` or `end`"
    )
}

fn format_help() -> String {
    format!("How to print a record: {FORMAT_HELP}")
}

pub(super) async fn run(args: ConsumeArgs) -> Result<(), Failure> {
    let mut interrupts = Interrupts::new()?;
    let clock = SystemClock::new();
    let set_up = async {
        let client = args.cluster.connect().await?;
        let reader = Reader::new(&args, &client).await?;
        Ok::<_, Failure>((client, reader))
    };
    let (_client, mut reader) = tokio::select! {
        result = set_up => result?,
        _ = interrupts.next() => return Err(Failure::interrupted()),
    };
    let started = clock.monotonic();
    let result = tokio::select! {
        result = reader.read(&args) => result,
        // The usual way to stop reading a topic that goes on.
        _ = interrupts.next() => Ok(()),
    };
    reader.bar.finish_and_clear();
    reader.out.flush()?;
    let took = clock.monotonic().saturating_sub(started);
    let (count, bytes) = (reader.count, reader.bytes);
    let closed = tokio::select! {
        closed = reader.consumer.close() => closed.map_err(Failure::from),
        _ = interrupts.next() => Err(Failure::interrupted()),
    };
    result?;
    eprintln!("{}", output::summary(count, bytes, took));
    closed
}

struct Reader {
    consumer: Consumer,
    /// Where each partition is to end; found at the start, or when a group's assignment is known.
    ends: Option<BTreeMap<TopicPartition, i64>>,
    left: u64,
    count: u64,
    bytes: u64,
    out: Output,
    bar: indicatif::ProgressBar,
}

impl Reader {
    async fn new(args: &ConsumeArgs, client: &Client) -> Result<Self, Failure> {
        let config = ConsumerConfig {
            isolation: if args.committed {
                Isolation::ReadCommitted
            } else {
                Isolation::ReadUncommitted
            },
            reset: reset(args)?,
            ..Default::default()
        };
        let mut consumer = client.consumer(config);
        let mut ends = None;
        match &args.group {
            Some(group) => consumer.subscribe(GroupConfig::new(group, args.topics.clone())),
            None => {
                consumer.assign(starts(args, client).await?);
                if args.until_end {
                    ends = Some(consumer.end_offsets().await?);
                }
            }
        }
        Ok(Self {
            consumer,
            ends,
            left: args.max.unwrap_or(u64::MAX),
            count: 0,
            bytes: 0,
            out: Output::new(),
            // Lines that scroll by are progress enough.
            bar: if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
                indicatif::ProgressBar::hidden()
            } else {
                output::progress(None)
            },
        })
    }

    async fn read(&mut self, args: &ConsumeArgs) -> Result<(), Failure> {
        let mut text = Vec::new();
        while self.left > 0 && !self.out.is_closed() && !self.is_at_end() {
            let records = self.consumer.poll(POLL).await?;
            if args.until_end && args.group.is_some() {
                self.find_ends_of_assignment().await?;
            }
            for record in &records {
                if !self.is_wanted(record) {
                    continue;
                }
                if self.left == 0 {
                    // This one and those behind it stay for the group's next member.
                    self.consumer
                        .seek(&record.partition, Start::At(record.offset));
                    break;
                }
                self.left -= 1;
                self.count += 1;
                let value = record.value.as_ref().map_or(0, |value| value.len() as u64);
                self.bytes += value;
                self.bar.inc(value);
                text.clear();
                if args.json {
                    write_json(record, &mut text);
                } else {
                    args.format.write(record, &mut text);
                }
                self.out.write(&text)?;
            }
            self.bar.set_message(format!("{} records", self.count));
            self.out.flush()?;
        }
        Ok(())
    }

    fn is_wanted(&self, record: &ConsumedRecord) -> bool {
        let end = self
            .ends
            .as_ref()
            .and_then(|ends| ends.get(&record.partition));
        end.is_none_or(|end| record.offset < *end)
    }

    fn is_at_end(&self) -> bool {
        let Some(ends) = &self.ends else { return false };
        ends.iter().all(|(partition, end)| {
            let position = self.consumer.position(partition);
            *end == 0 || position.is_some_and(|position| position >= *end)
        })
    }

    /// A group's member knows after its first poll what it reads; a rebalance changes it.
    async fn find_ends_of_assignment(&mut self) -> Result<(), ClientError> {
        let assigned = self.consumer.assignment();
        let known = self.ends.as_ref();
        if known.is_none_or(|ends| !ends.keys().eq(assigned.iter())) {
            self.ends = Some(self.consumer.end_offsets().await?);
        }
        Ok(())
    }
}

fn reset(args: &ConsumeArgs) -> Result<OffsetReset, Failure> {
    match (args.from, &args.group) {
        (Some(Place::Beginning), _) => Ok(OffsetReset::Earliest),
        (None | Some(Place::End), _) => Ok(OffsetReset::Latest),
        (Some(_), None) => Ok(OffsetReset::Earliest),
        (Some(_), Some(_)) => Err(Failure::usage(
            "in a group, --from is `beginning` or `end`, and only for partitions without a \
             committed offset",
        )
        .hint("`odeon group reset-offsets` sets a group's offsets.")),
    }
}

/// Where each partition begins.
async fn starts(
    args: &ConsumeArgs,
    client: &Client,
) -> Result<Vec<(TopicPartition, Start)>, Failure> {
    let from = args.from.unwrap_or(Place::End);
    let mut partitions = Vec::new();
    for name in &args.topics {
        let topic = client.topic(name, false).await?;
        for index in &args.partitions {
            if topic.partition(*index).is_none() {
                let count = topic.partitions.len();
                let message = format!("topic '{name}' has no partition {index}; it has {count}");
                return Err(Failure::usage(message));
            }
        }
        let indexes = topic.partitions.iter().map(|one| one.index);
        let wanted = |index: &i32| args.partitions.is_empty() || args.partitions.contains(index);
        let wanted = indexes.filter(wanted);
        partitions.extend(wanted.map(|index| TopicPartition::new(name.as_str(), index)));
    }
    if let Place::BeforeEnd(count) = from {
        return before_end(client, partitions, count).await;
    }
    let start = match from.spec() {
        Some(spec) => Start::Find(spec),
        None => match from {
            Place::Offset(offset) => Start::At(offset),
            _ => Start::Find(OffsetSpec::Latest),
        },
    };
    Ok(partitions
        .into_iter()
        .map(|partition| (partition, start))
        .collect())
}

async fn before_end(
    client: &Client,
    partitions: Vec<TopicPartition>,
    count: i64,
) -> Result<Vec<(TopicPartition, Start)>, Failure> {
    let admin = client.admin();
    let ask = |spec| partitions.iter().map(|one| (one.clone(), spec)).collect();
    let isolation = Isolation::default();
    let ends = admin
        .list_offsets(&ask(OffsetSpec::Latest), isolation)
        .await?;
    let begins = admin
        .list_offsets(&ask(OffsetSpec::Earliest), isolation)
        .await?;
    let starts = partitions.into_iter().map(|partition| {
        let offset = |found: &BTreeMap<_, Option<odeon_client::FoundOffset>>| {
            found
                .get(&partition)
                .copied()
                .flatten()
                .map_or(0, |found| found.offset)
        };
        let start = offset(&ends).saturating_sub(count).max(offset(&begins));
        (partition, Start::At(start))
    });
    Ok(starts.collect())
}
