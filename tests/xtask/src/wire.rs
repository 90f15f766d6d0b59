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

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Leave the samples of requests and responses as seeds for the fuzz targets
    #[arg(long)]
    seeds: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
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
        if arguments.seeds {
            write_seeds(&fs::read_to_string(&corpus)?)?;
        }
        java.arg(corpus);
    }
    sh::run(&mut java)
}

/// One file for each sample: the API's key, the version and the body.
fn write_seeds(corpus: &str) -> Result<()> {
    for (index, line) in corpus.lines().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        let [
            _,
            category @ ("request" | "response"),
            _,
            key,
            version,
            body,
        ] = words[..]
        else {
            continue;
        };
        let folder = sh::root()
            .join("tests/fuzz/corpus")
            .join(format!("{category}_decode"));
        fs::create_dir_all(&folder)?;
        let mut seed = key.parse::<i16>()?.to_be_bytes().to_vec();
        seed.extend(version.parse::<i16>()?.to_be_bytes());
        for digits in (0..body.len()).step_by(2) {
            seed.push(u8::from_str_radix(&body[digits..digits + 2], 16)?);
        }
        fs::write(folder.join(format!("seed-{index}")), seed)?;
    }
    Ok(())
}
