//! What is only there costs: connections, groups, topics, partitions, and how long a broker that has
//! them takes to stop and to start.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Bench;
use super::load;
use super::ops::{self, IDLE};
use super::stats::{cpu_s, resident_mb, short};
use crate::nodes::{Make, Nodes};
use crate::sh::Result;

/// How long the processor time of what idles is watched.
const WATCHED: Duration = Duration::from_secs(10);
const CONNECTIONS: u32 = 5_000;
const GROUPS: u32 = 1_000;
const TOPICS: u32 = 1_000;
/// Of one topic each.
const PARTITIONS: [u32; 2] = [5_000, 50_000];

/// What a broker needs to do nothing.
#[derive(Debug, Clone, Copy)]
struct Rest {
    resident_mb: f64,
    cpu_ms_s: f64,
}

/// A line of one side: its name, and what is said of it.
type Line = (String, String);

/// Measures both, one after the other, and prints a table.
pub(crate) fn measure(bench: &Bench) -> Result<()> {
    let mut columns = Vec::new();
    for make in bench.makes() {
        let mut lines = Vec::new();
        if let Err(error) = one(bench, &make, &mut lines) {
            eprintln!("{} gets no further: {error}", make.name());
        }
        columns.push(lines);
    }
    let [kafka, odeon] = &columns[..] else {
        unreachable!("there are two");
    };
    println!("| | Odeon | Apache Kafka |\n|---|---|---|");
    for (at, (name, ours)) in odeon.iter().enumerate() {
        let theirs = kafka.get(at).map_or("-", |(_, said)| said);
        println!("| {name} | {ours} | {theirs} |");
    }
    Ok(())
}

/// Adds one kind after the other to a broker.
fn one(bench: &Bench, make: &Make, lines: &mut Vec<Line>) -> Result<()> {
    let nodes = Nodes::start(&bench.home, make, 1)?;
    let mut say = |name: String, said: String| {
        eprintln!("{}: {name}: {said}", make.name());
        lines.push((name, said));
    };
    let mut before = rest(&nodes);
    let (memory, cpu) = (short(before.resident_mb), short(before.cpu_ms_s));
    say("nothing".into(), format!("{memory} MB, {cpu} ms/s"));
    load::create(bench, &nodes, make, "idle", 1)?;

    let connections = Idle::start(bench, &nodes, "--connections", CONNECTIONS)?;
    let after = rest(&nodes);
    say(
        format!("{CONNECTIONS} connections"),
        each(before, after, CONNECTIONS),
    );
    connections.end()?;
    before = rest(&nodes);

    Idle::start(bench, &nodes, "--groups", GROUPS)?.end()?;
    let after = rest(&nodes);
    say(format!("{GROUPS} groups"), each(before, after, GROUPS));
    before = after;

    topics(bench, &nodes)?;
    let after = rest(&nodes);
    say(format!("{TOPICS} topics"), each(before, after, TOPICS));
    before = after;

    for partitions in PARTITIONS {
        let topic = format!("of-{partitions}");
        let began = Instant::now();
        load::create(bench, &nodes, make, &topic, partitions)?;
        ops::first(bench, &nodes, &topic)?;
        let created = short(began.elapsed().as_secs_f64());
        let after = rest(&nodes);
        let name = format!("{partitions} partitions, a record in each");
        say(
            name,
            format!("{}, in {created} s", each(before, after, partitions)),
        );
        let stopped = ops::stop(&nodes)? / 1e3;
        let started = ops::start(bench, &nodes, &topic)? / 1e3;
        ops::signal(&nodes, "-KILL")?;
        let recovered = ops::start(bench, &nodes, &topic)? / 1e3;
        let [stopped, started, recovered] = [stopped, started, recovered].map(short);
        say(
            format!(
                "{partitions} partitions: stop; start, and start after kill -9, to a record in each"
            ),
            format!("{stopped} s; {started} s, {recovered} s"),
        );
        before = rest(&nodes);
    }
    Ok(())
}

/// What one of them adds.
fn each(before: Rest, after: Rest, count: u32) -> String {
    let count = f64::from(count);
    let kb = (after.resident_mb - before.resident_mb) * 1e3 / count;
    let us = (after.cpu_ms_s - before.cpu_ms_s) * 1e3 / count;
    format!("{} KB and {} us/s each", short(kb), short(us))
}

fn rest(nodes: &Nodes) -> Rest {
    let pids = nodes.pids();
    sleep(IDLE);
    let before = cpu_s(&pids);
    sleep(WATCHED);
    Rest {
        resident_mb: resident_mb(&pids),
        cpu_ms_s: (cpu_s(&pids) - before) * 1e3 / WATCHED.as_secs_f64(),
    }
}

fn topics(bench: &Bench, nodes: &Nodes) -> Result<()> {
    let names: Vec<String> = (0..TOPICS)
        .map(|topic| format!("one-of-many-{topic}"))
        .collect();
    let mut arguments = vec!["create", "--timeout", load::TIMEOUT_S, "--partitions", "1"];
    arguments.extend(names.iter().map(String::as_str));
    load::topic(bench, nodes, &arguments)
}

/// The load program, while it keeps something there.
struct Idle {
    process: Child,
    stdin: ChildStdin,
}

impl Idle {
    fn start(bench: &Bench, nodes: &Nodes, what: &str, count: u32) -> Result<Self> {
        let mut command = Command::new(&bench.load);
        command.args(["idle", "--bootstrap", &nodes.addresses, "--topic", "idle"]);
        command.args([what, &count.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let (stdin, stdout) = stdin.zip(stdout).ok_or("it has pipes")?;
        let mut said = String::new();
        BufReader::new(stdout).read_line(&mut said)?;
        match said.trim() {
            "ready" => Ok(Self { process, stdin }),
            _ => Err(format!("{command:?}: {}", process.wait()?).into()),
        }
    }

    fn end(self) -> Result<()> {
        let Self { mut process, stdin } = self;
        drop(stdin);
        match process.wait()? {
            status if status.success() => Ok(()),
            status => Err(format!("the load program: {status}").into()),
        }
    }
}
