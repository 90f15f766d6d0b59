//! What a broker costs beside its rates: to start, to recover, to hold many partitions.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Bench;
use super::gate;
use super::load;
use super::stats::{Spread, resident_mb, short};
use crate::nodes::{Make, Nodes};
use crate::sh::{self, Result};

/// Pages are given back and compilers at rest by then.
pub(super) const IDLE: Duration = Duration::from_secs(8);
const PARTITIONS: u32 = 5_000;
/// Of 1 KiB: 2 GB.
const RECORDS: u32 = 2_000_000;

/// What is measured, its unit, and what is demanded of Odeon's median; Kafka's is only shown.
const MEASURES: [(&str, &str, Option<f64>); 9] = [
    ("first start to first acknowledgement", "ms", Some(100.0)),
    ("restart to first acknowledgement", "ms", Some(100.0)),
    ("memory, idle", "MB", Some(20.0)),
    (
        "kill -9 with 2 GB, restart to first acknowledgement",
        "ms",
        Some(1000.0),
    ),
    (
        "5,000 partitions, a record acknowledged in each",
        "ms",
        Some(3000.0),
    ),
    ("5,000 partitions, disk", "MB", Some(100.0)),
    ("5,000 partitions, memory", "MB", None),
    ("5,000 partitions, clean stop", "ms", None),
    (
        "5,000 partitions, restart to a record in each",
        "ms",
        Some(3000.0),
    ),
];

/// Measures, prints a table, and says how many demands were missed.
pub(crate) fn measure(bench: &Bench) -> Result<usize> {
    let [kafka, odeon] = bench.makes();
    let runs = |make: &Make, count: usize| -> Result<Vec<[f64; 9]>> {
        let rounds = (1..=count).map(|round| {
            eprintln!(
                "{}: starts, recovery, partitions, {round} of {count}",
                make.name()
            );
            one_round(bench, make)
        });
        rounds.collect()
    };
    let (kafkas, ours) = (runs(&kafka, 1)?, runs(&odeon, bench.pairs.min(3))?);
    println!("| | Odeon | Apache Kafka | ratio |\n|---|---|---|---|");
    let mut missed = 0;
    let mut verdicts = Vec::new();
    for (at, (name, unit, limit)) in MEASURES.iter().enumerate() {
        let of = |runs: &[[f64; 9]]| Spread::of(runs.iter().map(|run| run[at]));
        let (Some(kafka), Some(odeon)) = (of(&kafkas), of(&ours)) else {
            continue;
        };
        let ratio = short(odeon.median / kafka.median);
        let kafka = short(kafka.median);
        println!("| {name}, {unit} | {odeon} | {kafka} | **{ratio}** |");
        if let Some(limit) = limit {
            let holds = odeon.median <= *limit;
            missed += usize::from(!holds);
            verdicts.push(gate::verdict(
                holds,
                name,
                unit,
                odeon.median,
                "at most",
                *limit,
            ));
        }
    }
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    Ok(missed)
}

/// In the order of `MEASURES`.
fn one_round(bench: &Bench, make: &Make) -> Result<[f64; 9]> {
    let nodes = Nodes::prepare(&bench.home, make, 1)?;
    let fresh_ms = start(bench, &nodes, "first")?;
    sleep(IDLE);
    let idle_mb = resident_mb(&nodes.pids());
    stop(&nodes)?;
    let again_ms = start(bench, &nodes, "first")?;

    let records = RECORDS.to_string();
    load::create(bench, &nodes, make, "large", 1)?;
    let arguments = ["produce", "--topic", "large", "--size-bytes", "1024"];
    let limits = [
        "--records",
        &records,
        "--seconds",
        "60",
        "-X",
        "batch.size=262144",
    ];
    let arguments: Vec<String> = arguments
        .iter()
        .chain(&limits)
        .map(ToString::to_string)
        .collect();
    load::run(bench, &nodes, &arguments, None)?;
    signal(&nodes, "-KILL")?;
    let recovered_ms = start(bench, &nodes, "large")?;
    signal(&nodes, "-KILL")?;

    // In a folder of their own: a sync would wait for what is left of the 2 GB.
    drop(nodes);
    let nodes = Nodes::start(&bench.home, make, 1)?;

    let began = Instant::now();
    load::create(bench, &nodes, make, "many", PARTITIONS)?;
    first(bench, &nodes, "many")?;
    let created_ms = millis(began.elapsed());
    let disk_mb = used_mb(&nodes.data(1), "many")?;
    let many_mb = resident_mb(&nodes.pids());
    let stop_ms = stop(&nodes)?;
    let many_ms = start(bench, &nodes, "many")?;
    Ok([
        fresh_ms,
        again_ms,
        idle_mb,
        recovered_ms,
        created_ms,
        disk_mb,
        many_mb,
        stop_ms,
        many_ms,
    ])
}

/// Milliseconds from the start of the process to an acknowledgement in each of the topic's partitions.
pub(super) fn start(bench: &Bench, nodes: &Nodes, topic: &str) -> Result<f64> {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let mut started = nodes.start_command(1).spawn()?;
    let ended = first(bench, nodes, topic)?;
    if !started.wait()?.success() {
        return Err("the node did not start".into());
    }
    Ok((ended - unix) * 1e3)
}

/// A record in each partition; when the last was acknowledged, in seconds since 1970.
pub(super) fn first(bench: &Bench, nodes: &Nodes, topic: &str) -> Result<f64> {
    let arguments = ["first", "--topic", topic].map(str::to_owned);
    Ok(load::figures(bench, nodes, &arguments)?.ended_unix_s)
}

/// Stops the node as a person would; in milliseconds.
pub(super) fn stop(nodes: &Nodes) -> Result<f64> {
    let began = Instant::now();
    signal(nodes, "-TERM")?;
    Ok(millis(began.elapsed()))
}

/// Sends a signal that ends the node, and waits for its end.
pub(super) fn signal(nodes: &Nodes, signal: &str) -> Result<()> {
    for pid in nodes.pids() {
        sh::run(Command::new("kill").args([signal, &pid.to_string()]))?;
        let process = format!("/proc/{pid}");
        while Path::new(&process).exists() {
            sleep(Duration::from_millis(2));
        }
    }
    Ok(())
}

/// Blocks that a topic's partitions take on the disk, in 10^6 bytes.
fn used_mb(data: &Path, topic: &str) -> Result<f64> {
    let prefix = format!("{topic}-");
    let mut blocks = 0;
    for partition in fs::read_dir(data)? {
        let partition = partition?;
        if partition.file_name().to_string_lossy().starts_with(&prefix) {
            blocks += partition.metadata()?.blocks();
            for file in fs::read_dir(partition.path())? {
                blocks += file?.metadata()?.blocks();
            }
        }
    }
    Ok(blocks as f64 * 512.0 / 1e6)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
