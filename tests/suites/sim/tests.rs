//! The claims, and the proofs that they could fail.

use std::path::Path;
use std::sync::Arc;

use odeon_kernel::sim::IgnoredSync;

use super::history::digest;
use super::known::Counts;
use super::{Bug, run};

/// A number that the environment may set, for longer runs.
fn number(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn power_cuts_under_a_whole_node_lose_nothing_acknowledged() {
    let first = number("ODEON_POWER_FIRST", 0);
    let mut counts = Counts::default();
    let (mut faults, mut sum) = (Vec::new(), 0);
    for seed in first..first + number("ODEON_POWER_SEEDS", 6) {
        let outcome = run(seed, None);
        if let Err(what) = outcome.result {
            let file = write_history(seed, &outcome.history);
            faults.push(format!("seed {seed}: {what}; its history is in {file}"));
            eprintln!("{faults:#?}");
        }
        sum = digest(format!("{sum} {}", outcome.history.join("\n")).as_bytes());
        counts += outcome.counts;
        if counts.runs % 100 == 0 {
            eprintln!("{counts:?}");
        }
    }
    // The same in every process that runs the same seeds.
    eprintln!("{counts:#?}, all histories: {sum:x}");
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(counts.acknowledged > counts.runs * 100, "{counts:?}");
    assert!(counts.checked > counts.runs * 100, "{counts:?}");
    assert!(counts.commits > counts.runs * 10, "{counts:?}");
}

/// Writes a history down, for whoever wants to know how it came.
fn write_history(seed: u64, history: &[String]) -> String {
    let file = format!("{}/sim-{seed}.txt", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&file, history.join("\n")).unwrap();
    file
}

/// Where two histories part.
fn difference(one: &[String], other: &[String]) -> Option<String> {
    let lines = one.len().max(other.len());
    let at = (0..lines).find(|at| one.get(*at) != other.get(*at))?;
    let from = at.saturating_sub(3);
    let show = |lines: &[String]| lines[from..lines.len().min(at + 3)].join("\n  ");
    let (one, other) = (show(one), show(other));
    Some(format!("line {at}:\n  {one}\nand\n  {other}"))
}

#[test]
fn the_same_seed_gives_the_same_history_of_a_whole_node() {
    for seed in 0..number("ODEON_POWER_TWICE", 2) {
        let (one, other) = (run(seed, None), run(seed, None));
        if let Some(what) = difference(&one.history, &other.history) {
            panic!("seed {seed} gives two histories, from {what}");
        }
        assert!(one.history.len() > 1_000, "{}", one.history.len());
    }
}

#[test]
fn a_step_that_depends_on_a_hash_order_is_noticed_as_two_histories() {
    let (one, other) = (run(1, Some(Bug::HashOrder)), run(1, Some(Bug::HashOrder)));
    assert!(difference(&one.history, &other.history).is_some());
}

/// How many seeds a planted bug may take to be found.
const SEEDS_TO_FIND: u64 = 60;

/// Looks for a seed whose run says one of these `words` about the bug.
fn find(place: &str, bug: IgnoredSync, of: fn(&str) -> bool, words: &[&str]) {
    let filter = Arc::new(move |path: &Path| of(&path.to_string_lossy()));
    let says = |what: &String| words.iter().any(|word| what.contains(word));
    let found = (0..SEEDS_TO_FIND).find_map(|seed| {
        let what = run(seed, Some(Bug::Sync(bug, filter.clone()))).result.err();
        Some((seed, what.filter(says)?))
    });
    eprintln!("{bug:?} in the {place}: {found:?}");
    assert!(found.is_some(), "{bug:?} in the {place} is not found");
}

const ALL: [IgnoredSync; 3] = [IgnoredSync::Files, IgnoredSync::Dirs, IgnoredSync::Renames];

#[test]
fn missing_syncs_are_found_in_the_log() {
    for bug in ALL {
        let of = |path: &str| path.contains("/orders-") || path.contains("/short-");
        find("log", bug, of, &["record"]);
    }
}

#[test]
fn missing_syncs_are_found_in_the_checkpoints() {
    let checkpoints = |path: &str| path.contains("-offset-checkpoint");
    find(
        "checkpoint",
        IgnoredSync::Files,
        checkpoints,
        &["was durable"],
    );
    find(
        "checkpoint",
        IgnoredSync::Renames,
        checkpoints,
        &["was durable"],
    );
    let directory = |path: &str| path == "/one" || path == "/two";
    find("checkpoint", IgnoredSync::Dirs, directory, &["was durable"]);
}

#[test]
fn missing_syncs_are_found_in_the_raft_store() {
    for bug in ALL {
        let of = |path: &str| path.contains("__cluster_metadata");
        find(
            "Raft store",
            bug,
            of,
            &["does not start", "quorum", "topic"],
        );
    }
}
