//! `cargo xtask adopt`: directories that Apache Kafka wrote are taken over, after a clean stop and
//! after a kill, and Kafka's own tool reads what became of them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::compat::broker::{Broker, kafka_jars};
use crate::compat::odeon;
use crate::sh::{self, Result};

/// Records of each codec.
const RECORDS: usize = 20_000;
/// How long Kafka may take to compact.
const COMPACTION: Duration = Duration::from_secs(60);

/// Runs both ways; fails at the first thing that is not as it was.
pub(crate) fn run() -> Result<()> {
    let home = sh::target().join("compat");
    fs::create_dir_all(&home)?;
    let home = home.canonicalize()?;
    for killed in [false, true] {
        let rounds = Round {
            binary: odeon("dev")?,
            home: home.clone(),
            killed,
        };
        rounds.run()?;
    }
    Ok(())
}

struct Round {
    binary: PathBuf,
    home: PathBuf,
    killed: bool,
}

/// What clients see of a broker.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    plain: BTreeSet<String>,
    compacted: BTreeSet<String>,
    group: serde_json::Value,
}

impl Round {
    fn run(&self) -> Result<()> {
        let kafka = Broker::kafka(&self.home)?;
        let source = kafka.data.clone().ok_or("Kafka has a directory")?;
        self.fill(&kafka.bootstrap, &source)?;
        let before = self.see(&kafka.bootstrap)?;
        let data = self.home.join("adopted");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let refused = self.adopt(&source, &data)?;
        let says = String::from_utf8_lossy(&refused.stderr);
        if refused.status.success() || !says.contains("in use by another process") {
            return Err(format!("taken from a running Kafka: {says}").into());
        }
        if self.killed {
            kafka.kill();
            tear(&source)?;
        } else {
            kafka.stop();
        }
        print!("{}", self.output(self.adopt(&source, &data)?)?);
        let node = Broker::odeon_on(&self.binary, &self.home, "adopted", Some(&data), 1)?;
        let after = self.see(&node.bootstrap)?;
        same("plain", &before.plain, &after.plain)?;
        same("compacted", &before.compacted, &after.compacted)?;
        if before.group != after.group {
            return Err(format!("the group was {} and is {}", before.group, after.group).into());
        }
        self.go_on(&node.bootstrap, after.plain.len())?;
        if let Some(fault) = node.stop() {
            return Err(fault.into());
        }
        let read = self.read_by_kafka(&data)?;
        println!(
            "adopt: {} and {} records equal, the group goes on, Kafka reads {read} segments ({})",
            after.plain.len(),
            after.compacted.len(),
            if self.killed { "killed" } else { "stopped" }
        );
        Ok(())
    }

    /// Topics of every kind, and a group that has read a part.
    fn fill(&self, at: &str, data: &Path) -> Result<()> {
        self.ok("topic create plain -p 3 -c segment.bytes=1048576", at, "")?;
        let compacted = "topic create compacted -p 1 -c segment.bytes=1048576 \
             -c cleanup.policy=compact -c min.cleanable.dirty.ratio=0.01 -c delete.retention.ms=0";
        self.ok(compacted, at, "")?;
        let lines: String = (0..RECORDS)
            .map(|n| {
                format!(
                    "{}:value {n} of some length, so that segments fill\n",
                    n % 97
                )
            })
            .collect();
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let produce = |topic| format!("produce {topic} -K : --header from={codec} -z {codec}");
            self.ok(&produce("plain"), at, &lines)?;
            self.ok(&produce("compacted"), at, &lines)?;
        }
        self.ok("consume plain -g readers --from beginning -n 30000", at, "")?;
        let end = Instant::now() + COMPACTION;
        let first = data.join("compacted-0/00000000000000000000.log");
        while fs::metadata(&first)?.len() > 500_000 {
            if Instant::now() > end {
                return Err("Kafka did not compact".into());
            }
            sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    fn see(&self, at: &str) -> Result<Seen> {
        let all = |topic: &str| -> Result<BTreeSet<String>> {
            let line = format!("consume {topic} --from beginning --until-end --json");
            Ok(self.ok(&line, at, "")?.lines().map(str::to_owned).collect())
        };
        let group = self.ok("group describe readers --json", at, "")?;
        let group: serde_json::Value = serde_json::from_str(&group)?;
        Ok(Seen {
            plain: all("plain")?,
            compacted: all("compacted")?,
            group: group["offsets"].clone(),
        })
    }

    /// Appends go to the ends, and the group reads on.
    fn go_on(&self, at: &str, before: usize) -> Result<()> {
        let lines: String = (0..1_000).map(|n| format!("{n}:more\n")).collect();
        self.ok("produce plain -K :", at, &lines)?;
        let all = self.ok("consume plain --from beginning --until-end", at, "")?;
        let rest = self.ok("consume plain -g readers --until-end", at, "")?;
        let counts = (all.lines().count(), rest.lines().count());
        if counts != (before + 1_000, before + 1_000 - 30_000) {
            return Err(format!("after 1000 more there are {counts:?} of {before}").into());
        }
        Ok(())
    }

    fn adopt(&self, source: &Path, data: &Path) -> Result<Output> {
        let mut command = Command::new(&self.binary);
        command.args(["topic", "adopt", "--all"]).arg(source);
        Ok(command.arg("--data").arg(data).output()?)
    }

    fn ok(&self, line: &str, at: &str, input: &str) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(line.split_whitespace()).args(["-b", at]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().ok_or("a pipe")?;
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output()?;
        // A command that failed says so by itself.
        let _ = writer.join();
        self.output(output)
    }

    fn output(&self, output: Output) -> Result<String> {
        if output.status.success() {
            Ok(String::from_utf8(output.stdout)?)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into())
        }
    }

    /// Kafka's DumpLogSegments over every segment; how many.
    fn read_by_kafka(&self, data: &Path) -> Result<usize> {
        let jars = kafka_jars(&self.home)?;
        let mut files = Vec::new();
        for folder in fs::read_dir(data)?.map(|entry| entry.map(|entry| entry.path())) {
            let folder = folder?;
            let name = folder.to_string_lossy().into_owned();
            if !name.contains("/plain-") && !name.contains("/compacted-") {
                continue;
            }
            for file in fs::read_dir(folder)? {
                let file = file?.path();
                let kind = file.extension().unwrap_or_default();
                if ["log", "index", "timeindex", "snapshot"]
                    .iter()
                    .any(|one| kind == *one)
                {
                    files.push(file.display().to_string());
                }
            }
        }
        let mut java = Command::new("java");
        java.args(["-Xmx400m", "-cp"]).arg(jars.join("*"));
        java.arg("org.apache.kafka.tools.DumpLogSegments");
        java.args(["--deep-iteration", "--files"])
            .arg(files.join(","));
        let out = self.home.join("dump.txt");
        java.stdout(File::create(&out)?);
        sh::run(java.stderr(Stdio::inherit()))?;
        let text = fs::read_to_string(out)?;
        for bad in [
            "isvalid: false",
            "Mismatches in",
            "Indexed offset",
            "not found",
            "Exception",
        ] {
            if let Some(line) = text.lines().find(|line| line.contains(bad)) {
                return Err(format!("Kafka's tool: {line}").into());
            }
        }
        Ok(files.iter().filter(|file| file.ends_with(".log")).count())
    }
}

fn same(what: &str, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Result<()> {
    let missing = before.difference(after).next();
    let added = after.difference(before).next();
    if missing.is_some() || added.is_some() || before.is_empty() {
        let counts = (before.len(), after.len());
        return Err(format!("{what} {counts:?}: missing {missing:?}, added {added:?}").into());
    }
    Ok(())
}

/// Half a batch at the end of a segment, as a power cut or a full disk leaves it.
fn tear(data: &Path) -> Result<()> {
    let folder = data.join("plain-0");
    let mut logs: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    logs.retain(|path| path.extension().is_some_and(|kind| kind == "log"));
    let last = logs.iter().max().ok_or("there are segments")?;
    let mut head = vec![0; 90];
    File::open(logs.iter().min().ok_or("there are segments")?)?.read_exact(&mut head)?;
    File::options().append(true).open(last)?.write_all(&head)?;
    Ok(())
}
