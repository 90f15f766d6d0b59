//! An hour of one of our nodes at half of what it bears: latencies and memory over time, while
//! segments roll, retention deletes, and for a third of the time a slow consumer reads what is cold.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::Bench;
use super::load::{self, Figures};
use super::stats::{Spread, cpu_s, resident_mb, short};
use crate::nodes::{Make, Nodes};
use crate::sh::Result;

const TOPIC: &str = "soak";
const PARTITIONS: u32 = 12;
/// 24 GB in all: retention starts after a minute or two, and what is oldest is cold.
const CONFIGS: [&str; 3] = [
    "segment.bytes=134217728",
    "retention.bytes=2147483648",
    load::PAGE_CACHE,
];
const SIZE_BYTES: &str = "1024";
/// Of a producer as most are set.
const SETTINGS: [&str; 4] = ["-X", "linger.ms=5", "-X", "batch.size=65536"];
/// How long the most it bears is looked for.
const MOST_SECONDS: f64 = 60.0;
const SPAN_SECONDS: f64 = 10.0;
/// What the slow consumer takes, in MB a second.
const SLOW_MB: &str = "20";

/// Ten seconds.
#[derive(Debug, Clone)]
struct Span {
    figures: Figures,
    resident_mb: f64,
    cores: f64,
    /// Whether somebody reads cold data.
    reads: bool,
}

/// Runs it, prints a table of its thirds, and leaves a picture.
pub(crate) fn run(bench: &Bench, minutes: f64) -> Result<()> {
    let nodes = Nodes::start(&bench.home, &Make::Odeon(bench.odeon.clone()), 1)?;
    let partitions = PARTITIONS.to_string();
    let mut create = vec!["create", TOPIC, "--partitions", &partitions];
    create.extend(CONFIGS.iter().flat_map(|config| ["--config", *config]));
    load::topic(bench, &nodes, &create)?;
    let most = load::figures(bench, &nodes, &produce(MOST_SECONDS, None))?;
    let most = most.records as f64 / most.seconds;
    eprintln!("{} records/s at most", short(most));
    // Anew, so that retention starts within the run.
    load::topic(bench, &nodes, &["delete", TOPIC])?;
    load::topic(bench, &nodes, &create)?;
    let spans = load_for(bench, &nodes, minutes * 60.0, most / 2.0)?;
    println!(
        "| | MB/s | p50 ms | p99 ms | p99.9 ms | memory MB | cores |\n|---|---|---|---|---|---|---|"
    );
    let third = spans.len().div_ceil(3).max(1);
    let names = ["first third", "second, cold data read beside", "last third"];
    for (name, spans) in names.into_iter().zip(spans.chunks(third)) {
        println!("{}", line(name, spans));
    }
    draw(bench, &spans)
}

fn produce(seconds: f64, rate: Option<f64>) -> Vec<String> {
    let seconds = seconds.to_string();
    let mut arguments = vec!["produce", "--topic", TOPIC, "--size-bytes", SIZE_BYTES];
    arguments.extend(["--seconds", &seconds, "-X", "acks=all"]);
    arguments.extend(SETTINGS);
    let rate = rate.map(|rate| rate.to_string());
    let every = SPAN_SECONDS.to_string();
    if let Some(rate) = &rate {
        arguments.extend(["--rate", rate, "--every", &every]);
    }
    arguments.into_iter().map(str::to_owned).collect()
}

/// Produces at a rate; in the second third a consumer follows from the beginning.
fn load_for(bench: &Bench, nodes: &Nodes, seconds: f64, rate: f64) -> Result<Vec<Span>> {
    let mut producer = load::command(bench, nodes, &produce(seconds, Some(rate)))
        .stdout(Stdio::piped())
        .spawn()?;
    let said = producer.stdout.take().ok_or("it has a pipe")?;
    let pids = nodes.pids();
    let mut spans: Vec<Span> = Vec::new();
    let mut reader: Option<Child> = None;
    let (mut at, mut cpu) = (0.0, cpu_s(&pids));
    for line in BufReader::new(said).lines() {
        let figures: Figures = serde_json::from_str(&line?)?;
        // The last line is of the whole run.
        if figures.seconds > SPAN_SECONDS * 2.0 {
            break;
        }
        at += figures.seconds;
        let now = cpu_s(&pids);
        let span = Span {
            resident_mb: resident_mb(&pids),
            cores: (now - cpu) / figures.seconds,
            reads: reader.is_some(),
            figures,
        };
        cpu = now;
        eprintln!("{} s: {}", short(at), line_of(&span));
        spans.push(span);
        let is_second = (seconds / 3.0..seconds * 2.0 / 3.0).contains(&at);
        if is_second && reader.is_none() {
            let length = (seconds / 3.0).to_string();
            let mut arguments = vec!["consume", "--topic", TOPIC, "--rate", SLOW_MB];
            arguments.extend(["--seconds", &length, "-X", "auto.offset.reset=earliest"]);
            let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
            reader = Some(
                load::command(bench, nodes, &arguments)
                    .stdout(Stdio::piped())
                    .spawn()?,
            );
        }
        if !is_second && let Some(mut reader) = reader.take() {
            let _ = reader.kill();
            reader.wait()?;
        }
    }
    match producer.wait()? {
        status if status.success() => Ok(spans),
        status => Err(format!("the producer: {status}").into()),
    }
}

type Of = fn(&Span) -> f64;

/// What a span says, in the order of the table.
const FIGURES: [Of; 6] = [
    |span| span.figures.size_bytes as f64 / 1e6 / span.figures.seconds,
    |span| span.figures.p50_ms.unwrap_or(f64::NAN),
    |span| span.figures.p99_ms.unwrap_or(f64::NAN),
    |span| span.figures.p999_ms.unwrap_or(f64::NAN),
    |span| span.resident_mb,
    |span| span.cores,
];

/// Medians with their spread.
fn line(name: &str, spans: &[Span]) -> String {
    let cells = FIGURES.map(|of| {
        let spread = Spread::of(spans.iter().map(of));
        spread.map_or(String::new(), |spread| spread.to_string())
    });
    format!("| {name} | {} |", cells.join(" | "))
}

fn line_of(span: &Span) -> String {
    let cells = FIGURES.map(|of| short(of(span)));
    cells.join(", ")
}

/// Leaves the run as a picture.
fn draw(bench: &Bench, spans: &[Span]) -> Result<()> {
    let mut at = 0.0;
    let points = spans.iter().map(|span| {
        at += span.figures.seconds;
        let Figures {
            p50_ms,
            p99_ms,
            p999_ms,
            ..
        } = span.figures;
        json!({
            "minute": at / 60.0,
            "latencies_ms": [p50_ms, p99_ms, p999_ms],
            "resident_mb": span.resident_mb,
            "reads": span.reads,
        })
    });
    super::picture(bench, "soak", &Value::from_iter(points))
}
