//! The command line, as a person uses it.

// Clocks and threads of a test are real.
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use odeon_tests::process::{NodeProcess, binary};
use serde_json::Value;

/// Runs the binary to its end with this input.
pub fn odeon(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(binary())
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A command that fails early does not read all of it.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// A node and the client commands against it.
struct Shell {
    node: NodeProcess,
    bootstrap: String,
}

impl Shell {
    fn new() -> Self {
        let node = NodeProcess::start(&[]);
        let bootstrap = node.address().to_string();
        Self { node, bootstrap }
    }

    fn run(&self, line: &str, input: &str) -> Output {
        let mut arguments: Vec<_> = line.split_whitespace().collect();
        arguments.extend(["-b", &self.bootstrap]);
        odeon(&arguments, input)
    }

    /// What a command that must succeed prints.
    fn ok(&self, line: &str, input: &str) -> String {
        let output = self.run(line, input);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that must fail says.
    fn fails(&self, line: &str, code: i32) -> String {
        let output = self.run(line, "");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}: {errors}");
        errors
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line, "")).unwrap()
    }
}

fn lines(count: usize) -> String {
    (0..count).map(|number| format!("{number}\n")).collect()
}

fn sorted(text: &str) -> Vec<usize> {
    let mut numbers: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn topics_records_and_groups_from_the_command_line() {
    let shell = Shell::new();
    shell.ok(
        "topic create a b --partitions 3 --config retention.ms=1000000",
        "",
    );
    assert!(
        shell
            .fails("topic create a", 1)
            .contains("TOPIC_ALREADY_EXISTS")
    );
    shell.ok("topic create a --if-not-exists", "");
    shell.ok(
        "topic alter a --partitions 4 --set cleanup.policy=compact --unset retention.ms",
        "",
    );
    let described = shell.json("topic describe a --json");
    assert_eq!(described[0]["partitions"].as_array().unwrap().len(), 4);
    assert_eq!(
        described[0]["configs"],
        serde_json::json!({"cleanup.policy": "compact"})
    );
    let listed = shell.json("topic list --json");
    let names: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["topic"])
        .collect();
    assert_eq!(names, ["a", "b"]);

    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        shell.ok(&format!("produce b -z {codec}"), &lines(2_000));
    }
    let all = shell.ok("consume b --from beginning --until-end", "");
    let expected: Vec<_> = (0..2_000).flat_map(|number| [number; 5]).collect();
    assert_eq!(sorted(&all), expected);

    let first = shell.ok("consume b -g readers --from beginning -n 1234", "");
    let rest = shell.ok("consume b -g readers --from beginning --until-end", "");
    assert_eq!(
        sorted(&(first + &rest)),
        expected,
        "a group goes on where it was"
    );
    let group = shell.json("group describe readers --json");
    let offsets = group["offsets"].as_array().unwrap();
    assert!(offsets.iter().all(|one| one["lag"] == 0), "{group}");
    shell.ok("group reset-offsets readers --to -1 --execute", "");
    let again = shell.ok("consume b -g readers --until-end", "");
    assert_eq!(again.lines().count(), offsets.len());
    shell.ok("group delete readers", "");
    assert!(
        shell
            .fails("group describe readers", 1)
            .contains("GROUP_ID_NOT_FOUND")
    );
    shell.ok("topic delete a b", "");
    assert!(shell.fails("topic delete a", 1).contains("UNKNOWN_TOPIC"));
}

#[test]
fn keys_headers_and_formats_come_back() {
    let shell = Shell::new();
    shell.ok("topic create t --partitions 1", "");
    shell.ok(
        "produce t -K : --header h=1 --null-value -",
        "k:v\nno key\nk:-\n",
    );
    let format = "consume t --from 0 -n 3 --format";
    let mut arguments: Vec<_> = format.split_whitespace().collect();
    arguments.extend([r"%t/%p@%o[%k]=%s (%S) %h\n", "-b", &shell.bootstrap]);
    let output = odeon(&arguments, "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text,
        "t/0@0[k]=v (1) h=1\nt/0@1[]=no key (6) h=1\nt/0@2[k]= (-1) h=1\n"
    );
    let json = shell.ok("consume t --from -1 --until-end --json", "");
    let record: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&record["offset"], &record["value"]),
        (&Value::from(2), &Value::Null)
    );
    let late = shell.ok("consume t --from 2200-01-01 --until-end", "");
    assert_eq!(late, "");
}

#[test]
fn errors_are_clear_and_have_their_exit_codes() {
    let shell = Shell::new();
    shell.fails("topic create t --partitions 0", 2);
    shell.fails("consume t --group g --from 7", 2);
    assert!(
        shell
            .fails("consume missing --timeout 1", 1)
            .contains("UNKNOWN_TOPIC")
    );
    shell.ok("topic create t --partitions 2", "");
    assert!(shell.fails("consume t -p 5", 2).contains("no partition 5"));
    let long = shell.run(
        "produce t --max-record-bytes 10",
        "0123456789\n0123456789a\n",
    );
    assert_eq!(long.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&long.stderr).contains("line 2"));
    let nobody = odeon(&["topic", "list", "-b", "127.0.0.1:1"], "");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("127.0.0.1:1"));
    for line in [
        "--set num.partitions=x",
        "--config /does/not/exist",
        "--listen x:y",
    ] {
        let arguments: Vec<_> = line.split_whitespace().collect();
        assert_eq!(odeon(&arguments, "").status.code(), Some(2), "{line}");
    }
}

/// A bare node in a directory of its own, and what it said when it was ready.
fn bare_node(directory: &Path, arguments: &[&str]) -> (Child, String) {
    let mut child = Command::new(binary())
        .args(["--listen", "127.0.0.1:0"])
        .args(arguments)
        .current_dir(directory)
        .env_remove("RUST_LOG")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    while !line.contains("Try:") && !line.starts_with('{') {
        let read = stdout.read_line(&mut line).unwrap();
        assert!(read > 0, "the node ended: {:?}", child.wait());
        if line.starts_with('{') {
            break;
        }
    }
    (child, line)
}

fn signal(child: &Child, name: &str) {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).arg(child.id().to_string());
    assert!(kill.status().unwrap().success());
}

#[test]
fn a_bare_node_sets_itself_up_says_where_it_is_and_stops_when_told() {
    let home = tempfile::tempdir().unwrap();
    let (mut child, text) = bare_node(home.path(), &[]);
    for part in [
        "listening",
        "(PLAINTEXT)",
        "console",
        "odeon-data",
        "fsync",
        "Try:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    signal(&child, "TERM");
    assert!(child.wait().unwrap().success());
    assert!(home.path().join("odeon-data/meta.properties").exists());

    let (mut child, text) = bare_node(home.path(), &["--json", "--console", "off"]);
    let ready: Value = serde_json::from_str(&text).unwrap();
    assert!(
        ready["console"].is_null() && ready["pid"] == child.id(),
        "{ready}"
    );
    let bootstrap = ready["listeners"]["PLAINTEXT"].as_str().unwrap();
    let output = odeon(&["produce", "auto", "-b", bootstrap, "--json"], "hello\n");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let begun = Instant::now();
    signal(&child, "INT");
    assert!(child.wait().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_actor_is_killed_by_its_path_where_the_node_allows_it() {
    let home = tempfile::tempdir().unwrap();
    let start = |settings: &[&str]| {
        let (child, text) = bare_node(home.path(), &[&["--json"], settings].concat());
        let ready: Value = serde_json::from_str(&text).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            child,
            text(&ready["console"]),
            text(&ready["listeners"]["PLAINTEXT"]),
        )
    };
    let kill = |console: &str, path: &str| {
        let output = odeon(&["node", "kill-actor", path, "--console", console], "");
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(told).unwrap())
    };
    let (mut child, console, _) = start(&[]);
    let (code, told) = kill(&console, "Roles/ClusterController");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("odeon.developer.kill.actors"), "{told}");
    signal(&child, "TERM");
    assert!(child.wait().unwrap().success());

    let (mut child, console, bootstrap) = start(&["--set", "odeon.developer.kill.actors=true"]);
    let run = |line: &str| {
        let mut arguments: Vec<_> = line.split_whitespace().collect();
        arguments.extend(["-b", &bootstrap]);
        let output = odeon(&arguments, "a\n");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    let restarts = || {
        let status: Value = serde_json::from_str(&run("cluster status --json")).unwrap();
        assert_eq!(
            status["actor_restarts"],
            status["nodes"][0]["actor_restarts"]
        );
        status["actor_restarts"].as_u64().unwrap()
    };
    run("topic create t --partitions 1");
    let before = restarts();
    let (code, told) = kill(&console, "Roles/Broker/Replicas/t-1");
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("no actor 't-1' in Replicas, which has t-0"),
        "{told}"
    );
    assert_eq!(restarts(), before);
    for path in ["Roles/Broker/Replicas/t-0", "Roles/ClusterController"] {
        let (code, told) = kill(&console, path);
        assert_eq!((code, told), (Some(0), format!("killed {path}\n")));
    }
    run("produce t");
    assert_eq!(restarts(), before + 2);
    let text = run("cluster status");
    assert!(
        text.contains(&format!("{} restarted", before + 2)),
        "{text}"
    );
    signal(&child, "TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_consumer_stops_at_ctrl_c_with_all_it_read_committed() {
    let shell = Shell::new();
    shell.ok("topic create t --partitions 1", "");
    shell.ok("produce t", &lines(100));
    let mut consumer = Command::new(binary())
        .args([
            "consume",
            "t",
            "-g",
            "g",
            "--from",
            "beginning",
            "-b",
            &shell.bootstrap,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(consumer.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim() != "99" {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0);
    }
    signal(&consumer, "INT");
    assert!(consumer.wait().unwrap().success());
    let group = shell.json("group describe g --json");
    assert_eq!(group["offsets"][0]["offset"], 100);
    assert_eq!(group["members"], serde_json::json!([]));
}

#[test]
fn what_produce_has_read_is_written_once_and_in_order_though_the_node_dies() {
    let mut shell = Shell::new();
    shell.ok("topic create t --partitions 3", "");
    let mut producer = Command::new(binary())
        .args(["produce", "t", "-K", ":", "--json", "-b", &shell.bootstrap])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = producer.stdin.take().unwrap();
    let count = 60_000;
    let feeder = std::thread::spawn(move || {
        for number in 0..count {
            writeln!(stdin, "{}:{number}", number % 7).unwrap();
            if number % 1_000 == 0 {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(200));
        shell.node.kill();
        shell.node.start_again();
    }
    feeder.join().unwrap();
    let output = producer.wait_with_output().unwrap();
    assert!(output.status.success());
    let all = shell.ok("consume t --from beginning --until-end", "");
    let mut last = [None; 7];
    for line in all.lines() {
        let number: usize = line.parse().unwrap();
        let before = last[number % 7].replace(number);
        let expected = before.map_or(number % 7, |before| before + 7);
        assert_eq!(number, expected, "the next of its key, once");
    }
    assert_eq!(all.lines().count(), count);
}
