//! Kafka's jars through Maven, and the schemas inside them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::KAFKA_VERSION;
use crate::sh::{self, Result};

/// The jars that have schemas, and the classes made from them.
pub(crate) const ARTIFACTS: [&str; 7] = [
    "kafka-clients",
    "kafka-group-coordinator",
    "kafka-transaction-coordinator",
    "kafka-share-coordinator",
    "kafka-storage",
    "kafka-metadata",
    "kafka-raft",
];

/// Fetches the jars and unpacks their schemas; gives the folder.
pub(super) fn schemas() -> Result<PathBuf> {
    let folder = sh::target().join("kafka-schemas").join(KAFKA_VERSION);
    fs::create_dir_all(&folder)?;
    for artifact in ARTIFACTS {
        let jar = jar(artifact)?;
        let unpacked = folder.join(artifact);
        fs::create_dir_all(&unpacked)?;
        let mut unzip = Command::new("unzip");
        unzip
            .arg("-qo")
            .arg(jar)
            .arg("*.json")
            .arg("-d")
            .arg(unpacked);
        sh::run(&mut unzip)?;
    }
    Ok(folder)
}

/// Fetches one of Kafka's jars, alone, unless it is there.
pub(crate) fn jar(artifact: &str) -> Result<PathBuf> {
    let jars = sh::target().join("kafka-jars");
    let path = jars.join(format!("{artifact}-{KAFKA_VERSION}.jar"));
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(&jars)?;
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "dependency:copy"]);
    maven.arg(format!(
        "-Dartifact=org.apache.kafka:{artifact}:{KAFKA_VERSION}"
    ));
    maven.arg(format!("-DoutputDirectory={}", jars.display()));
    sh::run(&mut maven)?;
    Ok(path)
}
