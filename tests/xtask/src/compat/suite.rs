//! Running one suite, and reading its lines as they come.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::broker::Broker;
use crate::sh::{self, Result};

/// A suite that takes longer has failed.
const LIMIT_SECONDS: &str = "1500";

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// One test of a suite.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    /// What the suite said about it.
    pub(crate) output: String,
    /// What the node logged since the test before it ended.
    pub(crate) requests: String,
}

impl Test {
    pub(crate) fn passed(&self) -> bool {
        self.outcome == Outcome::Passed
    }
}

/// A suite's tests, in the order in which they ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) tests: Vec<Test>,
}

/// Runs a suite against a broker; its lines are shown, and kept below `home`.
pub(crate) fn run(suite: &str, broker: &Broker, home: &Path, only: &[String]) -> Result<Run> {
    let started = Instant::now();
    println!("== {suite} on {} ({})", broker.name, broker.bootstrap);
    let mut command = Command::new("timeout");
    command.args(["-k", "20", LIMIT_SECONDS, "bash"]);
    command.arg(sh::root().join("tests/compat").join(suite).join("run.sh"));
    command.args(only);
    command.env("BOOTSTRAP", &broker.bootstrap);
    command.env("COMPAT_TMP", home);
    command.envs(broker.environment.iter().map(|(key, value)| (key, value)));
    if let Some(data) = &broker.data {
        command.env("LOGDIR", data);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("the suite has no output")?;
    let mut kept = File::create(home.join(format!("{suite}.out")))?;
    let mut log = Log::open(broker.log.as_deref())?;
    let mut tests: Vec<Test> = Vec::new();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        writeln!(kept, "{line}")?;
        match (parse(&line), tests.last_mut()) {
            (Some(mut test), _) => {
                let again = tests
                    .iter()
                    .filter(|other| base(other) == test.name)
                    .count();
                if again > 0 {
                    test.name = format!("{} #{}", test.name, again + 1);
                }
                test.requests = log.new_text()?;
                tests.push(test);
            }
            (None, Some(test)) if line.starts_with("  | ") => test.output += &line,
            _ => {}
        }
    }
    let status = child.wait()?;
    println!("== {suite}: {status}, {} s", started.elapsed().as_secs());
    if tests.is_empty() {
        return Err(format!("{suite} ran no test").into());
    }
    Ok(Run { tests })
}

fn base(test: &Test) -> &str {
    test.name
        .rsplit_once(" #")
        .filter(|(_, number)| number.parse::<u32>().is_ok())
        .map_or(test.name.as_str(), |(name, _)| name)
}

fn parse(line: &str) -> Option<Test> {
    let (word, rest) = line.split_once(' ')?;
    let outcome = match word {
        "ok" => Outcome::Passed,
        "FAIL" => Outcome::Failed,
        "skip" => Outcome::Skipped,
        _ => return None,
    };
    let (name, output) = rest.split_once('\t').unwrap_or((rest, ""));
    Some(Test {
        name: name.trim().to_owned(),
        outcome,
        output: output.to_owned(),
        requests: String::new(),
    })
}

/// A node's log, read piece by piece.
struct Log(Option<File>);

impl Log {
    fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let mut file = fs::File::open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self(Some(file)))
    }

    fn new_text(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.0 {
            file.read_to_end(&mut bytes)?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
