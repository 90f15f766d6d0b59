//! `cargo xtask wire`: a differential test against Kafka's own classes.
//!
//! The crates' tests write samples of every message in every version to a file; a small Java
//! program has Kafka's jars read each and write it again, and compares.

use std::fs;
use std::process::Command;

use crate::codegen::fetch;
use crate::sh::{self, Result};

/// The crates whose `wire` tests write a corpus.
const CRATES: [&str; 2] = ["odeon-schema", "odeon-protocol"];

pub(crate) fn run() -> Result<()> {
    let folder = sh::target().join("wire");
    fs::create_dir_all(&folder)?;
    let mut jars = Vec::new();
    for artifact in fetch::ARTIFACTS {
        jars.push(fetch::jar(artifact)?);
    }
    jars.push(folder.clone());
    let class_path = std::env::join_paths(jars)?;
    let mut javac = Command::new("javac");
    javac.arg("-cp").arg(&class_path).arg("-d").arg(&folder);
    sh::run(javac.arg(sh::root().join("tests/differential/WireCheck.java")))?;

    let mut java = Command::new("java");
    java.arg("-cp").arg(&class_path).arg("WireCheck");
    for name in CRATES {
        let corpus = folder.join(name);
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(sh::root())
            .env("ODEON_WIRE_CORPUS", &corpus);
        cargo.args(["test", "--quiet", "--package", name, "--test", "wire", "--"]);
        sh::run(cargo.args(["--ignored", "--exact", "the_corpus_is_written"]))?;
        java.arg(corpus);
    }
    sh::run(&mut java)
}
