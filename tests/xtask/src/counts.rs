//! `cargo xtask counts`: how many instructions a request takes, from socket to socket, as callgrind
//! counts them. They do not depend on how busy the machine is, so they are kept in the repository
//! and compared.
//!
//! A path is walked once so often and once more often, by the same program: the difference is what
//! the requests took.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::sh::{self, Result};
use crate::sim;

/// What may differ: compilers and processors are not all alike.
const TOLERANCE: f64 = 0.05;
const ROUNDS: [u64; 2] = [100, 600];
const TEST: &str = "counted::a_path_is_walked_as_often_as_it_is_told";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Keep what was counted
    #[arg(long)]
    update: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    sh::need("valgrind")?;
    let kept = read(&file())?;
    let program = build()?;
    let mut counted = BTreeMap::new();
    let mut differ = Vec::new();
    println!("| path | instructions a request | kept | |\n|---|---|---|---|");
    for (path, before) in &kept {
        let [few, many] = [
            count(&program, path, ROUNDS[0])?,
            count(&program, path, ROUNDS[1])?,
        ];
        let each = many.saturating_sub(few) / (ROUNDS[1] - ROUNDS[0]);
        let change = each as f64 / (*before).max(1) as f64 - 1.0;
        println!("| {path} | {each} | {before} | {:+.1} % |", change * 100.0);
        if change.abs() > TOLERANCE {
            differ.push(path.as_str());
        }
        counted.insert(path.clone(), each);
    }
    if arguments.update {
        let mut text = String::new();
        for (path, each) in &counted {
            writeln!(text, "{path} {each}")?;
        }
        return Ok(fs::write(file(), text)?);
    }
    match differ.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "more than {:.0} % from what is kept: {}. Where that is meant, `cargo xtask counts --update` keeps it",
            TOLERANCE * 100.0,
            differ.join(", ")
        )
        .into()),
    }
}

/// A path and its count on each line.
fn file() -> PathBuf {
    sh::root().join("tests/suites/counted.txt")
}

fn read(file: &Path) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(file)?.lines() {
        let (path, count) = line.split_once(' ').ok_or("a line is a path and a count")?;
        counts.insert(path.to_owned(), count.parse()?);
    }
    Ok(counts)
}

/// The simulations' program, which also has the paths.
fn build() -> Result<PathBuf> {
    let mut cargo = sim::program();
    cargo.args(["--no-run", "--message-format", "json"]);
    let output = cargo.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut built = text.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let program = line["executable"].as_str().map(PathBuf::from);
        program.filter(|_| line["target"]["name"] == "simulated")
    });
    built
        .next_back()
        .ok_or_else(|| "the simulations were not built".into())
}

/// Instructions of a whole run.
fn count(program: &Path, path: &str, rounds: u64) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind
        .arg(program)
        .args(["--exact", TEST, "--ignored", "--test-threads", "1"]);
    valgrind
        .env("ODEON_PATH", path)
        .env("ODEON_PATH_ROUNDS", rounds.to_string());
    let output = valgrind
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    match collected {
        Some((_, count)) if output.status.success() => Ok(count.trim().parse()?),
        _ => Err(format!(
            "{path}: {}\n{said}",
            String::from_utf8_lossy(&output.stdout)
        )
        .into()),
    }
}
