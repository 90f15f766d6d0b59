//! `cargo xtask records`: record batches against Kafka's own classes.
//!
//! Kafka reads what we write in every codec, and judges good and bad batches as its brokers do; a
//! small Java program compares. The other direction needs no Java: Kafka's batches lie in
//! `client/records/fixtures`, and are written anew with `--fixtures`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sh::{self, Result};

/// Runs both comparisons, or writes the fixtures.
pub(crate) fn run(fixtures: bool) -> Result<()> {
    let jars = jars()?;
    if fixtures {
        return check(&jars, "write", &sh::root().join("client/records/fixtures"));
    }
    let folder = sh::target().join("records");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(sh::root()).env("ODEON_OUT", &folder);
    cargo.args([
        "test",
        "--quiet",
        "--package",
        "odeon-records",
        "--test",
        "java",
    ]);
    sh::run(cargo.args(["--", "--include-ignored"]))?;
    check(&jars, "read", &folder)?;
    check(&jars, "judge", &folder.join("verdicts"))
}

/// Fetches Kafka's jars with all they need, through Maven, unless they are there.
fn jars() -> Result<PathBuf> {
    let folder = sh::target().join("kafka-runtime");
    if !folder.exists() {
        let mut maven = Command::new("mvn");
        maven.args([
            "-q",
            "-B",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            "-f",
        ]);
        maven.arg(sh::root().join("tests/differential/pom.xml"));
        maven.arg(format!("-DoutputDirectory={}", folder.display()));
        sh::run(&mut maven)?;
    }
    Ok(folder)
}

fn check(jars: &Path, mode: &str, path: &Path) -> Result<()> {
    let mut java = Command::new("java");
    java.arg("-cp").arg(jars.join("*"));
    java.arg(sh::root().join("tests/differential/RecordsCheck.java"));
    sh::run(java.arg(mode).arg(path))
}
