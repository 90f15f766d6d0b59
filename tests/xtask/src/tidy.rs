//! `cargo xtask tidy`: the invariants of ARCHITECTURE.md as a check.
//!
//! | check | why |
//! |---|---|
//! | crate arrows | a room uses only the rooms below it |
//! | owners | every file lies in a room; nothing new at the top |
//! | seams | one crate names the Raft library, one the cluster library; no `mod.rs` |
//! | biased | no `select!` of a node draws lots: the same seed gives the same history |
//! | handlers | `NN_api.rs`, opening with its version table |
//! | sizes | a file is read in one sitting |
//! | words | nothing names the machine that it was written on |

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// For each crate, the crates of this workspace it may use (outside tests).
const ARROWS: &[(&str, &[&str])] = &[
    ("odeon-model", &[]),
    ("odeon-schema", &["model"]),
    ("odeon-protocol", &["schema", "model"]),
    ("odeon-records", &["model"]),
    ("odeon-kernel", &["model"]),
    ("odeon-mesh", &["kernel", "model"]),
    ("odeon-log", &["kernel", "records", "schema", "model"]),
    ("odeon-metadata", &["schema", "model"]),
    ("odeon-quorum", &["kernel", "mesh", "model"]),
    (
        "odeon-actors",
        &[
            "quorum", "metadata", "log", "mesh", "records", "kernel", "schema", "model",
        ],
    ),
    (
        "odeon-client",
        &["protocol", "records", "kernel", "schema", "model"],
    ),
    (
        "odeon-gateway",
        &[
            "actors", "metadata", "log", "protocol", "records", "kernel", "schema", "model",
        ],
    ),
    (
        "odeon-console",
        &["actors", "metadata", "client", "kernel", "model"],
    ),
];

/// Crates that only one room may name.
const SEAMS: &[(&str, &str)] = &[
    ("openraft", "actors/quorum/"),
    ("ractor_cluster", "actors/mesh/"),
    ("rustix", "actors/kernel/"),
    ("clap", "broker/src/"),
    ("actix_web", "broker/console/"),
];

/// What may lie at the top.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    "clippy.toml",
    "deny.toml",
    "rustfmt.toml",
    "rust-toolchain.toml",
    "actors",
    "broker",
    "client",
    "examples",
    "tests",
];

/// Words that would tie the project to a machine.
const MACHINE_WORDS: &[&str] = &["/work/", "../shared", ".library", "/root/"];

const LINES_MAX: usize = 450;
const COLUMNS_MAX: usize = 120;

/// Checks everything and lists every fault found.
pub(crate) fn run() -> Result<(), String> {
    let files = tracked_files()?;
    let mut faults = Vec::new();
    arrows(&mut faults)?;
    for file in &files {
        owner(file, &mut faults);
        let Ok(text) = fs::read_to_string(file) else {
            continue;
        };
        let name = file.to_string_lossy().into_owned();
        words(&name, &text, &mut faults);
        if name.ends_with(".rs") {
            seams(&name, &text, &mut faults);
            biased(&name, &text, &mut faults);
            handler(&name, &text, &mut faults);
            sizes(&name, &text, &mut faults);
        }
    }
    if faults.is_empty() {
        println!("tidy: {} files in order", files.len());
        return Ok(());
    }
    Err(format!(
        "{} faults\n  {}",
        faults.len(),
        faults.join("\n  ")
    ))
}

fn tracked_files() -> Result<Vec<PathBuf>, String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()
        .map_err(|error| format!("git ls-files: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text
        .lines()
        .map(PathBuf::from)
        .filter(|path| path.exists())
        .collect())
}

fn arrows(faults: &mut Vec<String>) -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = allowed.get(name) else {
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let Some(room) = used.strip_prefix("odeon-") else {
                continue;
            };
            if dependency["kind"].is_null() && !allowed.contains(&room) {
                faults.push(format!("{name} may not use {used}"));
            }
        }
    }
    Ok(())
}

fn owner(file: &Path, faults: &mut Vec<String>) {
    let Some(first) = file.components().next() else {
        return;
    };
    let first = first.as_os_str().to_string_lossy();
    if !first.starts_with('.') && !TOP.contains(&&*first) {
        faults.push(format!(
            "{}: no room at the top for '{first}'",
            file.display()
        ));
    }
    if file.file_name().is_some_and(|name| name == "mod.rs") {
        faults.push(format!(
            "{}: a module is foo.rs beside foo/, never mod.rs",
            file.display()
        ));
    }
}

fn words(name: &str, text: &str, faults: &mut Vec<String>) {
    if name == "tests/xtask/src/tidy.rs" {
        return;
    }
    for word in MACHINE_WORDS {
        if text.contains(word) {
            faults.push(format!("{name}: names '{word}'"));
        }
    }
}

fn seams(name: &str, text: &str, faults: &mut Vec<String>) {
    if name.starts_with("tests/") {
        return;
    }
    for (library, room) in SEAMS {
        let named = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains(&format!("{library}::")) || code.contains(&format!("use {library}"))
        });
        if named && !name.starts_with(room) {
            faults.push(format!("{name}: only {room} may name {library}"));
        }
    }
}

fn biased(name: &str, text: &str, faults: &mut Vec<String>) {
    let rooms = ["actors/", "broker/gateway/", "broker/src/node"];
    if !rooms.iter().any(|room| name.starts_with(room)) {
        return;
    }
    let next = text.lines().skip(1);
    let unfair = text
        .lines()
        .zip(next)
        .position(|(line, next)| line.contains("select! {") && next.trim() != "biased;");
    if let Some(number) = unfair {
        faults.push(format!("{name}:{}: select! without biased", number + 1));
    }
}

fn handler(name: &str, text: &str, faults: &mut Vec<String>) {
    let Some(file) = name.strip_prefix("broker/gateway/src/handlers/") else {
        return;
    };
    let numbered = file
        .as_bytes()
        .first_chunk()
        .is_some_and(|[a, b]| a.is_ascii_digit() && b.is_ascii_digit());
    if numbered
        && !text
            .lines()
            .take(20)
            .any(|line| line.starts_with("//! | version |"))
    {
        faults.push(format!("{name}: opens with a table of its versions"));
    }
}

fn sizes(name: &str, text: &str, faults: &mut Vec<String>) {
    let generated = text.starts_with("//! Generated") || text.starts_with("// Generated");
    let table = name.contains("/config/") || name.ends_with("error_code.rs");
    let test = name.contains("/tests") || name.starts_with("tests/");
    if generated || table || test {
        return;
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!(
            "{name}: {lines} lines, more than one sitting ({LINES_MAX})"
        ));
    }
    if let Some(number) = text
        .lines()
        .position(|line| line.chars().count() > COLUMNS_MAX)
    {
        faults.push(format!(
            "{name}:{}: longer than {COLUMNS_MAX} columns",
            number + 1
        ));
    }
}
