//! `cargo xtask profile ROW`: where a row's processor time goes, as a flame graph for each of its loads.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use clap::Args;

use super::rival::Rival;
use super::rows::ROWS;
use super::table;
use crate::sh::{self, Result};

/// Samples a second: not in step with anything that ticks.
const FREQUENCY: &str = "997";
/// Of the stack, with each sample: deep enough for a runtime, an actor and a handler.
const STACK_BYTES: u32 = 16_384;
/// How many functions are named.
const TOP: usize = 25;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A row of `versus`, or enough of its name
    row: String,
    /// Apache Kafka's instead; it shows kernel and JVM, not Java's functions
    #[arg(long)]
    kafka: bool,
    /// How long a producer runs
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

/// perf, watching processes.
#[derive(Debug)]
pub(super) struct Recorder {
    perf: Child,
}

impl Recorder {
    /// Writes to `START.LOAD.perf`.
    pub(super) fn start(start: &Path, load: &str, pids: &[u32]) -> Result<Self> {
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        let mut perf = Command::new("perf");
        perf.args(["record", "--quiet", "--event", "cpu-clock"]);
        perf.args(["--freq", FREQUENCY, "--call-graph"]);
        perf.arg(format!("dwarf,{STACK_BYTES}"));
        perf.arg("--output").arg(
            start
                .with_added_extension(load)
                .with_added_extension("perf"),
        );
        perf.args(["--pid", &pids.join(",")]).stdin(Stdio::null());
        let perf = perf.spawn().map_err(|error| format!("perf: {error}"))?;
        Ok(Self { perf })
    }

    /// Lets it write the rest.
    pub(super) fn stop(mut self) -> Result<()> {
        let pid = self.perf.id().to_string();
        sh::run(Command::new("kill").args(["-INT", &pid]))?;
        // perf passes the signal on as its own end.
        self.perf.wait()?;
        Ok(())
    }
}

/// Runs the row twice, watched the second time.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let found = |row: &&super::Row| row.name.contains(&arguments.row);
    let exact = ROWS.iter().find(|row| row.name == arguments.row);
    let row = exact.or_else(|| ROWS.iter().find(found));
    let row = row.ok_or("no row has that in its name; `versus --list` names them")?;
    let bench = super::prepare(1, arguments.seconds)?;
    let [kafka, odeon] = bench.makes();
    let make = if arguments.kafka { kafka } else { odeon };
    let mut rival = Rival::start(&bench, make, row.nodes)?;
    let load = row.load.without_rate();
    rival.run(row, &load, None, None)?;
    let start = sh::target()
        .join("versus")
        .join(row.name.replace([' ', ','], "-"));
    let samples = rival.run(row, &load, None, Some(&start))?;
    for (sample, (kind, _)) in samples.iter().zip(load.lines()) {
        eprintln!("{kind}, {}: {}", row.name, table::sample(sample));
    }
    for kind in ["produce", "consume", "latency"] {
        let data = start
            .with_added_extension(kind)
            .with_added_extension("perf");
        if data.exists() {
            draw(&bench.load, &data, row.name)?;
        }
    }
    Ok(())
}

/// Names the functions that take most by themselves, and draws the flame graph.
fn draw(load: &Path, data: &Path, title: &str) -> Result<()> {
    let mut report = Command::new("perf");
    report.args([
        "report",
        "--stdio",
        "--no-children",
        "--no-inline",
        "--call-graph",
        "none",
    ]);
    report
        .args([
            "--percent-limit",
            "0.3",
            "--fields",
            "overhead,symbol",
            "--input",
        ])
        .arg(data);
    let report = report.stderr(Stdio::null()).output()?;
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    let lines = report
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .take(TOP)
        .for_each(|line| println!("{}", line.trim_end()));
    let stacks = data.with_extension("stacks");
    let mut script = Command::new("perf");
    script.args(["script", "--no-inline", "--input"]).arg(data);
    sh::run(script.stderr(Stdio::null()).stdout(File::create(&stacks)?))?;
    let picture: PathBuf = data.with_extension("svg");
    let mut flame = Command::new(load);
    flame
        .args(["flame", "--title", title])
        .stdin(File::open(&stacks)?);
    sh::run(flame.stdout(File::create(&picture)?))?;
    fs::remove_file(stacks)?;
    fs::remove_file(data)?;
    println!("{}", picture.display());
    Ok(())
}
