//! Directories that another process wrote are taken over, and strays are kept.

// Processes are real, and so are their files.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::Command;

use odeon_tests::process::NodeProcess;

use crate::cli::odeon;

/// Runs a command that must succeed; its output.
fn ok(line: &str, more: &[&str], input: &str) -> String {
    let arguments: Vec<_> = line
        .split_whitespace()
        .chain(more.iter().copied())
        .collect();
    let output = odeon(&arguments, input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail; what it says.
fn fails(line: &str, more: &[&str]) -> String {
    let arguments: Vec<_> = line
        .split_whitespace()
        .chain(more.iter().copied())
        .collect();
    let output = odeon(&arguments, "");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{line}: {errors}");
    errors
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// All records of a topic, offsets, timestamps, keys and headers included.
fn records(node: &NodeProcess, topic: &str) -> Vec<String> {
    let line = format!("consume {topic} --from beginning --until-end --json");
    let text = ok(&line, &["-b", &node.address().to_string()], "");
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn lines(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("{}:{n}\n", n % 7)).collect()
}

fn offsets(node: &NodeProcess) -> serde_json::Value {
    let bootstrap = node.address().to_string();
    let text = ok("group describe readers --json", &["-b", &bootstrap], "");
    let group: serde_json::Value = serde_json::from_str(&text).unwrap();
    group["offsets"].clone()
}

#[test]
fn a_topic_of_another_log_directory_is_served_with_its_records_and_its_groups() {
    let mut old = NodeProcess::start(&[("log.segment.bytes", "1048576")]);
    let at = old.address().to_string();
    ok("topic create orders --partitions 2", &["-b", &at], "");
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let line = format!("produce orders -K : --header h=1 -z {codec}");
        ok(&line, &["-b", &at], &lines(0, 3_000));
    }
    let read = "consume orders -g readers --from beginning -n 4000";
    ok(read, &["-b", &at], "");
    let (before, committed) = (records(&old, "orders"), offsets(&old));
    let source = old.data();

    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let adopt = "topic adopt -t orders -t __consumer_offsets";
    let arguments = [path(&source), "--data", path(&data)];
    let running = fails(adopt, &arguments);
    assert!(running.contains("in use by another process"), "{running}");
    old.kill();
    let checked = ok(&format!("{adopt} --validate-only"), &arguments, "");
    assert!(
        checked.contains("orders: could be adopted, 2 partitions"),
        "{checked}"
    );
    let adopted = ok(adopt, &arguments, "");
    assert!(
        adopted.contains("orders: adopted, 2 partitions"),
        "{adopted}"
    );
    let again = fails(adopt, &arguments);
    assert!(again.contains("TOPIC_ALREADY_EXISTS"), "{again}");

    let new = NodeProcess::start(&[("log.dirs", path(&data))]);
    let at = new.address().to_string();
    assert_eq!(records(&new, "orders"), before);
    assert_eq!(offsets(&new), committed);
    ok("produce orders -K :", &["-b", &at], &lines(0, 100));
    let after = records(&new, "orders");
    assert_eq!(after.len(), before.len() + 100);
    let rest = ok("consume orders -g readers --until-end", &["-b", &at], "");
    assert_eq!(rest.lines().count(), after.len() - 4_000);
}

/// The folders in a log directory whose names end so.
fn folders(data: &Path, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect()
}

fn copy(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    assert!(copy.arg("-r").args([from, to]).status().unwrap().success());
}

#[test]
fn logs_that_no_topic_claims_are_set_aside_and_kept_until_they_are_taken_back() {
    let mut node = NodeProcess::start(&[]);
    let at = node.address().to_string();
    ok("topic create orders --partitions 1", &["-b", &at], "");
    ok("produce orders -K :", &["-b", &at], &lines(0, 500));
    let before = records(&node, "orders");
    node.stop("TERM");
    // One that the cluster never knew, and one of an older topic of a name that is used again.
    let data = node.data();
    copy(&data.join("orders-0"), &data.join("ghost-0"));
    copy(&data.join("orders-0"), &node.home().join("kept"));
    node.start_again();
    // What is served is led, and strays go before anything is led.
    assert_eq!(records(&node, "orders"), before);
    let ghosts = folders(&data, "-stray");
    assert_eq!(ghosts.len(), 1, "{ghosts:?}");
    assert!(node.log().contains("ghost-0."), "it is said where it is");
    ok("topic delete orders", &["-b", &at], "");
    ok("topic create orders --partitions 1", &["-b", &at], "");
    ok("produce orders", &["-b", &at], "new\n");
    node.stop("TERM");
    std::fs::remove_dir_all(data.join("orders-0")).unwrap();
    copy(&node.home().join("kept"), &data.join("orders-0"));
    node.start_again();
    assert_eq!(records(&node, "orders").len(), 0, "not the older topic's");
    assert_eq!(folders(&data, "-stray").len(), 2);
    node.stop("TERM");

    let ghost = path(&ghosts[0]);
    ok("topic adopt --move", &[ghost, "--data", path(&data)], "");
    assert_eq!(folders(&data, "-stray").len(), 1);
    node.start_again();
    let ghost: Vec<_> = before
        .iter()
        .map(|line| line.replace("\"orders\"", "\"ghost\""))
        .collect();
    assert_eq!(records(&node, "ghost"), ghost);
}

#[test]
fn files_are_shown_as_they_are_and_damage_ends_with_an_error() {
    let mut node = NodeProcess::start(&[]);
    let at = node.address().to_string();
    ok("topic create orders --partitions 1", &["-b", &at], "");
    ok(
        "produce orders -K : -z zstd",
        &["-b", &at],
        "k:first\nk:second\n",
    );
    ok(
        "consume orders -g readers --from beginning -n 2",
        &["-b", &at],
        "",
    );
    node.stop("TERM");
    let folder = node.data().join("orders-0");
    let text = ok("dump-log --deep", &[path(&folder)], "");
    assert!(text.contains("compresscodec: zstd"), "{text}");
    assert!(text.contains("key: k payload: second"), "{text}");
    assert!(text.contains("topicId: "), "{text}");
    let groups = folders(&node.data(), "");
    let groups = groups
        .iter()
        .filter(|folder| path(folder).contains("__consumer_offsets-"));
    let said: String = groups
        .map(|folder| ok("dump-log --offsets-decoder", &[path(folder)], ""))
        .collect();
    assert!(said.contains("group=readers orders-0: offset=2"), "{said}");

    let segment = folder.join("00000000000000000000.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = fails("dump-log", &[path(&folder)]);
    assert!(damaged.contains("1 fault in"), "{damaged}");
    let unknown = fails("dump-log", &[path(&node.home().join("node.log"))]);
    assert!(unknown.contains("is no file of a partition"), "{unknown}");
}
