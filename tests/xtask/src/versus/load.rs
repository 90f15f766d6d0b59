//! One run of the load program against one cluster, and what it cost there.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::Bench;
use super::profile::Recorder;
use super::stats::{cpu_s, machine_s, resident_mb};
use crate::nodes::{Make, Nodes};
use crate::sh::{self, Result};

/// What the load program says.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Figures {
    pub(crate) records: u64,
    pub(crate) failed: u64,
    pub(crate) size_bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) client_cpu_s: f64,
    pub(crate) ended_unix_s: f64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) p999_ms: Option<f64>,
}

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) figures: Figures,
    pub(crate) broker_cpu_s: f64,
    pub(crate) resident_mb: f64,
    /// Processors that neither the brokers nor the client used.
    pub(crate) others_cores: f64,
}

impl Sample {
    pub(crate) fn rate_mb_s(&self) -> f64 {
        self.figures.size_bytes as f64 / 1e6 / self.figures.seconds
    }

    pub(crate) fn cpu_s_gb(&self) -> f64 {
        self.broker_cpu_s / (self.figures.size_bytes as f64 / 1e9)
    }
}

/// Loads a cluster to the end of the load; with `record`, perf watches the brokers meanwhile and
/// writes a file with that beginning.
pub(crate) fn run(
    bench: &Bench,
    nodes: &Nodes,
    arguments: &[String],
    record: Option<&Path>,
) -> Result<Sample> {
    let pids = nodes.pids();
    let recorder = record.map(|start| Recorder::start(start, &arguments[0], &pids));
    let recorder = recorder.transpose()?;
    let (broker, machine) = (cpu_s(&pids), machine_s());
    let figures = figures(bench, nodes, arguments);
    let broker_cpu_s = cpu_s(&pids) - broker;
    let machine = machine_s() - machine;
    if let Some(recorder) = recorder {
        recorder.stop()?;
    }
    let figures = figures?;
    let others = machine - broker_cpu_s - figures.client_cpu_s;
    Ok(Sample {
        broker_cpu_s,
        resident_mb: resident_mb(&pids),
        others_cores: (others / figures.seconds).max(0.0),
        figures,
    })
}

/// Runs the load program to its end.
///
/// # Errors
/// It fails, or a record does.
pub(crate) fn figures(bench: &Bench, nodes: &Nodes, arguments: &[String]) -> Result<Figures> {
    let mut command = command(bench, nodes, arguments);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", output.status).into());
    }
    let figures: Figures = serde_json::from_slice(&output.stdout)?;
    if figures.failed > 0 || figures.records == 0 {
        return Err(format!("{command:?}: {figures:?}").into());
    }
    Ok(figures)
}

/// The load program against a cluster; the first argument is the load's name.
pub(crate) fn command(bench: &Bench, nodes: &Nodes, arguments: &[String]) -> Command {
    let mut command = Command::new(&bench.load);
    command.arg(&arguments[0]);
    command.args(["--bootstrap", &nodes.addresses]);
    command.args(&arguments[1..]).stdin(Stdio::null());
    command
}

/// Creates or deletes a topic, on either cluster, through our own command line.
pub(crate) fn topic(bench: &Bench, nodes: &Nodes, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(&bench.odeon);
    command.arg("topic").args(arguments);
    command.args(["--bootstrap", &nodes.addresses]);
    sh::run(command.stdout(Stdio::null()))
}

/// Our topic's setting for Kafka's habit.
pub(crate) const PAGE_CACHE: &str = "odeon.acks.durability=page-cache";

/// What one request may create in Apache Kafka is bounded.
const CREATED_AT_ONCE: u32 = 5_000;

/// Creates a topic with Kafka's habit: acknowledged from the page cache.
pub(crate) fn create(
    bench: &Bench,
    nodes: &Nodes,
    make: &Make,
    name: &str,
    partitions: u32,
) -> Result<()> {
    let mut made = partitions.min(CREATED_AT_ONCE);
    let first = made.to_string();
    let mut arguments = vec![
        "create",
        name,
        "--timeout",
        TIMEOUT_S,
        "--partitions",
        &first,
    ];
    if let Make::Odeon(_) = make {
        arguments.extend(["--config", PAGE_CACHE]);
    }
    topic(bench, nodes, &arguments)?;
    while made < partitions {
        made = partitions.min(made + CREATED_AT_ONCE);
        let grown = made.to_string();
        let arguments = [
            "alter",
            name,
            "--timeout",
            TIMEOUT_S,
            "--partitions",
            &grown,
        ];
        topic(bench, nodes, &arguments)?;
    }
    Ok(())
}

/// What creates thousands of partitions takes its time in Apache Kafka.
pub(crate) const TIMEOUT_S: &str = "300";

/// More than a run writes.
const WARM_BYTES: u64 = 2_000_000_000;

/// Writes and removes a file: its memory is free, and the host has not taken it back yet.
pub(crate) fn warm_memory(bench: &Bench) -> Result<()> {
    let path = bench.home.join("warm");
    let mut file = File::create(&path)?;
    let piece = vec![0; 1 << 20];
    for _ in 0..WARM_BYTES.div_ceil(1 << 20) {
        file.write_all(&piece)?;
    }
    drop(file);
    Ok(fs::remove_file(path)?)
}
