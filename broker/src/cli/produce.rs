//! `odeon produce`: lines to records.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use odeon_client::{
    Acks, Codec, Compression, Delivery, Producer, ProducerConfig, Record, RecordHeader,
};
use odeon_kernel::{Clock, SystemClock};
use serde_json::json;

use super::input::Lines;
use super::signal::Interrupts;
use super::{ClusterArgs, Failure, format, output};

/// Records that may be on their way before the first must have arrived.
const MAX_PENDING: usize = 100_000;

/// Whose word to wait for.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum AcksArg {
    /// Nobody's.
    #[value(name = "0")]
    Zero,
    /// The leader's.
    #[value(name = "1")]
    One,
    /// That of all in-sync replicas.
    #[value(name = "all", alias = "-1")]
    All,
}

#[derive(Debug, Args)]
pub(super) struct ProduceArgs {
    /// The topic; it is created if the cluster does that.
    topic: String,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Read this file instead of standard input.
    #[arg(long, short = 'f', value_name = "FILE")]
    file: Option<PathBuf>,
    /// What separates key and value in a line; a line without it has no key. `\t` is a tab.
    #[arg(long, short = 'K', value_name = "TEXT", value_parser = parse_separator)]
    key_separator: Option<Separator>,
    /// The partition; otherwise the key decides, or the producer spreads records over all.
    #[arg(long, short = 'p', value_name = "NUMBER")]
    partition: Option<i32>,
    /// A header of every record; may be given more than once.
    #[arg(long = "header", short = 'H', value_name = "KEY=VALUE")]
    headers: Vec<String>,
    /// A value that stands for none, which deletes the key from a compacted topic.
    #[arg(long, value_name = "TEXT")]
    null_value: Option<String>,
    /// Whose word to wait for.
    #[arg(long, value_enum, default_value = "all")]
    acks: AcksArg,
    /// none, gzip, snappy, lz4 or zstd.
    #[arg(long, short = 'z', value_name = "CODEC", default_value = "none", value_parser = parse_codec)]
    compression: Compression,
    /// How long a batch waits for more records, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5)]
    linger_ms: u64,
    /// The size up to which records join a batch.
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024)]
    batch_bytes: usize,
    /// The longest record.
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    max_record_bytes: usize,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

/// At least one byte.
#[derive(Debug, Clone)]
struct Separator(Vec<u8>);

fn parse_separator(text: &str) -> Result<Separator, String> {
    let bytes = format::unescape(text)?;
    if bytes.is_empty() {
        return Err("the separator is empty".to_owned());
    }
    Ok(Separator(bytes))
}

fn parse_codec(text: &str) -> Result<Compression, String> {
    let unknown = || "it is none, gzip, snappy, lz4 or zstd".to_owned();
    Compression::from_name(text).ok_or_else(unknown)
}

/// What lines become.
struct Template {
    record: Record,
    separator: Option<Vec<u8>>,
    null_value: Option<Vec<u8>>,
}

impl Template {
    fn new(args: &ProduceArgs) -> Result<Self, Failure> {
        let mut record = Record::to(args.topic.as_str());
        record.partition = args.partition;
        for header in &args.headers {
            let (key, value) = header.split_once('=').ok_or_else(|| {
                Failure::usage(format!("'{header}' is not a header: KEY=VALUE is wanted"))
            })?;
            let (key, value) = (key.to_owned(), value.to_owned());
            record.headers.push(RecordHeader::new(key, value));
        }
        Ok(Self {
            record,
            separator: args.key_separator.clone().map(|separator| separator.0),
            null_value: args.null_value.clone().map(String::into_bytes),
        })
    }

    fn record(&self, mut line: Vec<u8>) -> Record {
        let mut record = self.record.clone();
        if let Some(separator) = &self.separator
            && let Some(at) = find(&line, separator)
        {
            let value = line.split_off(at + separator.len());
            line.truncate(at);
            record = record.key(line);
            line = value;
        }
        if self.null_value.as_ref() == Some(&line) {
            return record;
        }
        record.value(line)
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// Records on their way, in the order of their lines.
struct Run {
    pending: VecDeque<Delivery>,
    sent: u64,
    bytes: u64,
    written: u64,
    bar: ProgressBar,
}

impl Run {
    /// Looks at what has arrived; waits while too much is on its way, or with `all` for everything.
    async fn settle(&mut self, all: bool) -> Result<(), Failure> {
        while let Some(first) = self.pending.front_mut() {
            let outcome = match first.now() {
                Some(outcome) => outcome,
                None if all || self.pending.len() > MAX_PENDING => match self.pending.front_mut() {
                    Some(first) => first.wait().await,
                    None => return Ok(()),
                },
                None => break,
            };
            let line = self.written + 1;
            outcome.map_err(|error| {
                Failure::new(format!("line {line}: {error}"))
                    .hint(format!("{} records before it are written.", line - 1))
            })?;
            self.written += 1;
            self.pending.pop_front();
        }
        self.bar.set_message(format!("{} records", self.written));
        Ok(())
    }
}

pub(super) async fn run(args: ProduceArgs) -> Result<(), Failure> {
    let template = Template::new(&args)?;
    let mut lines = Lines::open(args.file.as_deref(), args.max_record_bytes)?;
    let mut interrupts = Interrupts::new()?;
    let clock = SystemClock::new();
    let client = tokio::select! {
        client = args.cluster.connect() => client?,
        _ = interrupts.next() => return Err(Failure::interrupted()),
    };
    let producer = client.producer(config(&args))?;
    let started = clock.monotonic();
    let mut run = Run {
        pending: VecDeque::new(),
        sent: 0,
        bytes: 0,
        written: 0,
        bar: output::progress(lines.size_bytes()),
    };
    let interrupted = tokio::select! {
        result = pump(&producer, &template, &mut lines, &mut run) => {
            result?;
            false
        }
        _ = interrupts.next() => true,
    };
    // What was read is sent, also after Ctrl-C; a second one gives it up.
    tokio::select! {
        () = producer.flush() => {}
        _ = interrupts.next() => return Err(Failure::interrupted()),
    }
    let settled = run.settle(true).await;
    run.bar.finish_and_clear();
    settled?;
    let took = clock.monotonic().saturating_sub(started);
    if args.json {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        output::json(&json!({
            "topic": args.topic,
            "records": run.written,
            "bytes": run.bytes,
            "took_ms": took_ms,
        }))?;
    } else {
        eprintln!("{}", output::summary(run.written, run.bytes, took));
    }
    producer.close().await;
    if interrupted {
        Err(Failure::interrupted())
    } else {
        Ok(())
    }
}

async fn pump(
    producer: &Producer,
    template: &Template,
    lines: &mut Lines,
    run: &mut Run,
) -> Result<(), Failure> {
    loop {
        let burst = lines.next().await?;
        for line in burst.lines {
            let bytes = line.len() as u64;
            let record = template.record(line);
            let number = run.sent + 1;
            let delivery = producer
                .enqueue(record)
                .await
                .map_err(|error| Failure::new(format!("line {number}: {error}")))?;
            run.pending.push_back(delivery);
            run.sent += 1;
            run.bytes += bytes;
            run.bar.inc(bytes + 1);
        }
        run.settle(false).await?;
        if burst.is_last {
            return Ok(());
        }
    }
}

fn config(args: &ProduceArgs) -> ProducerConfig {
    let timeout = Duration::from_secs(args.cluster.timeout);
    // A record's key, headers and framing come on top of its line.
    let largest = args.max_record_bytes.saturating_add(64 * 1024);
    ProducerConfig {
        acks: match args.acks {
            AcksArg::Zero => Acks::None,
            AcksArg::One => Acks::Leader,
            AcksArg::All => Acks::All,
        },
        compression: Codec::from(args.compression),
        linger: Duration::from_millis(args.linger_ms),
        batch_bytes: args.batch_bytes.max(1),
        max_request_bytes: largest.max(args.batch_bytes),
        buffer_bytes: (64 * 1024 * 1024).max(largest),
        request_timeout: timeout,
        delivery_timeout: timeout.max(Duration::from_secs(120)),
        max_block: timeout.max(Duration::from_secs(120)),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(separator: Option<&str>, null_value: Option<&str>) -> Template {
        Template {
            record: Record::to("t"),
            separator: separator.map(|text| text.as_bytes().to_vec()),
            null_value: null_value.map(|text| text.as_bytes().to_vec()),
        }
    }

    fn parts(template: &Template, line: &str) -> (Option<String>, Option<String>) {
        let record = template.record(line.as_bytes().to_vec());
        let text = |bytes: Option<bytes::Bytes>| {
            bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        };
        (text(record.key), text(record.value))
    }

    #[test]
    fn a_line_is_a_value_and_with_a_separator_a_key_as_well() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts(&template(None, None), "a:b"), (None, some("a:b")));
        let template = template(Some("::"), Some("NULL"));
        assert_eq!(parts(&template, "a::b::c"), (some("a"), some("b::c")));
        assert_eq!(parts(&template, "a"), (None, some("a")));
        assert_eq!(parts(&template, "::b"), (some(""), some("b")));
        assert_eq!(parts(&template, "a::NULL"), (some("a"), None));
    }
}
