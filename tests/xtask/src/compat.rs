//! `cargo xtask compat`: other people's clients and test suites against a node.
//!
//! A suite is a directory of `tests/compat` with a `run.sh`; what it needs is fetched through the
//! ordinary package registries below `target/compat`. Three files say what is right:
//!
//! | file | holds | written by |
//! |---|---|---|
//! | `kafka.txt` | the tests that pass on Apache Kafka | `--kafka` |
//! | `allow.txt` | the tests that must pass on Odeon | `--record` |
//! | `FINDINGS.md` | the tests that do not, the feature that is not served, what shows it | people |
//!
//! Every test of `kafka.txt` passes on Odeon, or is excused by a finding that still holds: the
//! feature's APIs are not advertised, and the test's own output or the node's request log of that
//! test shows that it is the reason.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::sh::{self, Result};

pub(crate) mod broker;
mod findings;
mod suite;
mod verdict;

use broker::Broker;
use verdict::Row;

/// The suites that fit into a few minutes and give the same verdict every time.
const QUICK: &[&str] = &[
    "kcat",
    "confluent-kafka",
    "kafka-python",
    "kafkajs",
    "admin-tools",
];

/// What `cargo xtask compat` understands.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The suites, by the names of their directories in tests/compat; `quick` for those that CI
    /// runs, `mainjob` for the main job on real input; all suites when none is named
    clients: Vec<String>,
    /// A broker that runs already, instead of a node of our own
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// Run the suites on Apache Kafka too, and write kafka.txt
    #[arg(long)]
    kafka: bool,
    /// Run the suites on Apache Kafka and on nothing else, and write kafka.txt
    #[arg(long)]
    only_kafka: bool,
    /// Run the suites against so many nodes of ours, three for instance
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// Write what passed on Odeon to allow.txt
    #[arg(long)]
    record: bool,
    /// Hand these to the suites' run.sh, which use them to choose among their tests; nothing is
    /// judged or written then
    #[arg(last = true)]
    only: Vec<String>,
}

/// Runs suites, prints a table, and fails when a test fails that no finding excuses.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let home = sh::target().join("compat");
    fs::create_dir_all(&home)?;
    let home = home.canonicalize()?;
    if arguments.clients.iter().any(|name| name == "mainjob") {
        return main_job(&home);
    }
    let suites = suites(&arguments.clients)?;
    if arguments.kafka || arguments.only_kafka {
        for name in &suites {
            let kafka = Broker::kafka(&home)?;
            let run = suite::run(name, &kafka, &home, &arguments.only)?;
            if arguments.only.is_empty() {
                let passed = run.tests.iter().filter(|test| test.passed());
                verdict::write_names(name, "kafka.txt", passed.map(|test| &*test.name))?;
            }
        }
        if arguments.only_kafka {
            return Ok(());
        }
    }
    let mut rows = Vec::new();
    for name in &suites {
        let node = match &arguments.bootstrap {
            Some(address) => Broker::running(address),
            None => Broker::odeon(&odeon("dev")?, &home, name, usize::from(arguments.nodes))?,
        };
        let run = suite::run(name, &node, &home, &arguments.only)?;
        if !arguments.only.is_empty() {
            continue;
        }
        if arguments.record {
            let passed = run.tests.iter().filter(|test| test.passed());
            verdict::write_names(name, "allow.txt", passed.map(|test| &*test.name))?;
        }
        let mut row = verdict::judge(name, &run, &node.advertised()?)?;
        row.faults.extend(node.stop());
        rows.push(row);
    }
    report(&rows)
}

fn report(rows: &[Row]) -> Result<()> {
    let faults: usize = rows.iter().map(|row| row.faults.len()).sum();
    for row in rows.iter().filter(|row| !row.faults.is_empty()) {
        println!("\n{}:", row.client);
        row.faults.iter().for_each(|fault| println!("  {fault}"));
    }
    if !rows.is_empty() {
        print!("\n{}", verdict::table(rows));
        let (passed, excused) = rows.iter().fold((0, 0), |(passed, excused), row| {
            (passed + row.passed, excused + row.excused)
        });
        println!("compat: {passed} passed, {faults} failed, {excused} skipped");
    }
    match faults {
        0 => Ok(()),
        some => Err(format!("compat: {some} faults that no finding excuses").into()),
    }
}

/// The named suites, or all there are.
fn suites(named: &[String]) -> Result<Vec<String>> {
    let home = sh::root().join("tests/compat");
    let mut all = Vec::new();
    for entry in fs::read_dir(&home)? {
        let entry = entry?;
        if entry.path().join("run.sh").exists() {
            all.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    all.sort();
    if named.is_empty() {
        return Ok(all);
    }
    let mut chosen = Vec::new();
    for name in named {
        match name.as_str() {
            "quick" => chosen.extend(QUICK.iter().map(ToString::to_string)),
            _ if all.contains(name) => chosen.push(name.clone()),
            _ => return Err(format!("no suite {name}; there are {}", all.join(", ")).into()),
        }
    }
    Ok(chosen)
}

/// The node's binary: built with that profile, unless `ODEON_BINARY` names one.
pub(crate) fn odeon(profile: &str) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("ODEON_BINARY") {
        return Ok(PathBuf::from(given));
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(sh::root());
    cargo.args([
        "build",
        "--quiet",
        "--package",
        "odeon",
        "--profile",
        profile,
    ]);
    sh::run(&mut cargo)?;
    // The one profile whose directory has another name.
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(sh::target().canonicalize()?.join(folder).join("odeon"))
}

fn main_job(home: &std::path::Path) -> Result<()> {
    let mut job = Command::new("bash");
    job.arg(sh::root().join("tests/compat/mainjob/mainjob.sh"));
    job.env("ODEON", odeon("dev")?).env("COMPAT_TMP", home);
    sh::run(&mut job)
}
