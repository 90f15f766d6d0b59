//! `cargo xtask versus`: Apache Kafka and Odeon in turn on this machine, loaded by the same native
//! client, as a table of ratios; `--gate` judges them.
//!
//! How it keeps from fooling itself: both run all the while and are loaded one after the other, five
//! times, in alternating order; Kafka's compiler is warm first; before each produce run a file larger
//! than the run is written and removed, so that neither pays for memory the host has taken back;
//! and what others took of the processors meanwhile stands beside the figures.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;

use crate::compat::broker::{fresh, kafka_jars};
use crate::compat::odeon;
use crate::nodes::Make;
use crate::sh::{self, Result};

mod curves;
mod gate;
mod idle;
mod load;
mod ops;
pub(crate) mod profile;
mod rival;
mod rivals;
mod rows;
mod soak;
mod stats;
mod table;

use rows::{ROWS, Row};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only rows whose name has this in it
    row: Option<String>,
    /// The rows that are judged, and the judgement; fails if one falls short
    #[arg(long)]
    gate: bool,
    /// Starts, recovery and thousands of partitions only
    #[arg(long, conflicts_with = "row")]
    ops: bool,
    /// What a record costs over up to 50,000 partitions and 5,000 connections only
    #[arg(long, conflicts_with_all = ["row", "ops", "gate"])]
    curves: bool,
    /// Only what thousands of idle connections, groups, topics and partitions cost
    #[arg(long, conflicts_with_all = ["row", "ops", "gate", "curves"])]
    idle: bool,
    /// Only one node of ours, at half of what it bears, for so many minutes
    #[arg(long, value_name = "MINUTES", conflicts_with_all = ["row", "ops", "gate", "curves", "idle"])]
    soak: Option<f64>,
    /// Name the rows instead
    #[arg(long)]
    list: bool,
    /// How often each is measured on both
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// How long a producer is measured
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
}

/// What the measurements need.
#[derive(Debug)]
struct Bench {
    /// The load program.
    load: PathBuf,
    /// Our node and command line.
    odeon: PathBuf,
    /// Apache Kafka's.
    jars: PathBuf,
    /// Where data goes, on the disk that is measured.
    home: PathBuf,
    pairs: usize,
    seconds: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let wanted = |row: &&Row| {
        let named = arguments.row.as_ref();
        named.is_none_or(|part| row.name.contains(part.as_str()))
            && (!arguments.gate || row.is_judged())
    };
    let rows: Vec<&Row> = ROWS.iter().filter(wanted).collect();
    if rows.is_empty() {
        return Err("no row has that in its name; --list names them".into());
    }
    if arguments.list {
        rows.iter().for_each(|row| println!("{}", row.name));
        return Ok(());
    }
    let bench = prepare(arguments.pairs.max(1), arguments.seconds)?;
    let measured = measure(arguments, &bench, &rows);
    if measured.is_ok() {
        fs::remove_dir_all(&bench.home)?;
    }
    measured
}

fn measure(arguments: &Arguments, bench: &Bench, rows: &[&Row]) -> Result<()> {
    if arguments.curves {
        return curves::measure(bench);
    }
    if arguments.idle {
        return idle::measure(bench);
    }
    if let Some(minutes) = arguments.soak {
        return soak::run(bench, minutes);
    }
    let mut lines = Vec::new();
    let sizes: &[usize] = if arguments.ops { &[] } else { &[1, 3] };
    for &nodes in sizes {
        let rows = rows.iter().copied().filter(|row| row.nodes == nodes);
        let rows: Vec<&Row> = rows.collect();
        if !rows.is_empty() {
            lines.extend(rivals::measure(bench, nodes, &rows)?);
        }
    }
    if !lines.is_empty() {
        println!("{}", table::markdown(&lines));
        picture(bench, "chart", &table::json(&lines))?;
    }
    let mut missed = gate::judge(&lines);
    if arguments.row.is_none() {
        missed += ops::measure(bench)?;
    }
    match missed {
        0 => Ok(()),
        _ if !arguments.gate => Ok(()),
        _ => Err(format!("{missed} figures fall short").into()),
    }
}

/// Leaves figures as a picture, drawn by the load program's command of that name.
fn picture(bench: &Bench, name: &str, figures: &serde_json::Value) -> Result<()> {
    let picture = bench.home.with_file_name(format!("{name}.svg"));
    let mut chart = Command::new(&bench.load);
    chart.arg(name).stdin(Stdio::piped());
    let mut chart = chart.stdout(File::create(&picture)?).spawn()?;
    if let Some(mut stdin) = chart.stdin.take() {
        stdin.write_all(figures.to_string().as_bytes())?;
    }
    if !chart.wait()?.success() {
        return Err(format!("the {name} were not drawn").into());
    }
    println!("{}", picture.display());
    Ok(())
}

/// Builds and fetches all of it.
fn prepare(pairs: usize, seconds: f64) -> Result<Bench> {
    let home = sh::target().join("versus");
    let jars = kafka_jars(&sh::target().join("compat"))?;
    let odeon = odeon("release")?;
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--target-dir"])
        .arg(&home);
    sh::run(cargo.current_dir(sh::root().join("tests/bench/versus")))?;
    Ok(Bench {
        load: home.join("release/odeon-versus"),
        odeon,
        jars,
        home: fresh(&home.join("data"))?,
        pairs,
        seconds,
    })
}

impl Bench {
    /// Kafka first: it has to get warm.
    fn makes(&self) -> [Make; 2] {
        [
            Make::Kafka(self.jars.clone()),
            Make::Odeon(self.odeon.clone()),
        ]
    }
}
