//! `cargo xtask failover`: the failover suite with larger numbers, in release mode, with a Java
//! producer beside it; and the same against Apache Kafka.

use std::process::Command;

use clap::{Args, ValueEnum};

use crate::compat::broker::{fresh, kafka_jars};
use crate::nodes::{Make, Nodes};
use crate::sh::{self, Result};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How often the leader is killed, where it is the active controller too, and where it is not
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// Partitions that the victim leads
    #[arg(long, default_value_t = 1000)]
    partitions: u32,
    /// What the victim suffers, one after the other
    #[arg(long, value_enum, default_values_t = [Fault::Kill])]
    fault: Vec<Fault>,
    /// Rounds of the same against three nodes of Apache Kafka, which are fetched first; no links of
    /// theirs are cut
    #[arg(long, value_name = "ROUNDS", default_value_t = 0)]
    kafka: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// SIGKILL
    Kill,
    /// SIGSTOP
    Stop,
    /// A silent cut of all its links; takes root
    Cut,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Cut => "cut",
        }
    }
}

/// Measures; the suite prints the tables.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let home = sh::root().join("target/compat");
    let jars = kafka_jars(&home)?;
    let java = format!("{}/*", jars.display());
    for fault in &arguments.fault {
        // The active controller is among the victims, or it is the node to spare.
        for spare in ["3", "1"] {
            eprintln!("Odeon, {}", fault.name());
            let mut suite = suite(*fault, arguments.rounds, arguments.partitions);
            suite.env("ODEON_FAILOVER_SPARE", spare);
            if *fault == Fault::Kill {
                suite.env("ODEON_FAILOVER_JAVA", &java);
            }
            sh::run(&mut suite)?;
        }
    }
    let faults = arguments.fault.iter().filter(|one| **one != Fault::Cut);
    for fault in faults.filter(|_| arguments.kafka > 0) {
        eprintln!("Apache Kafka, {}", fault.name());
        let kafka = Nodes::start(
            &fresh(&home.join("failover"))?,
            &Make::Kafka(jars.clone()),
            3,
        )?;
        let mut suite = suite(*fault, arguments.kafka, arguments.partitions);
        suite
            .env("ODEON_FAILOVER_ADDRESSES", &kafka.addresses)
            .env("ODEON_FAILOVER_PID_FILE", kafka.pid_file("{id}"))
            .env("ODEON_FAILOVER_RESTART", kafka.start_line("{id}"))
            .env("ODEON_FAILOVER_JAVA", &java);
        sh::run(&mut suite)?;
    }
    Ok(())
}

fn suite(fault: Fault, rounds: u32, partitions: u32) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--quiet", "--release", "--package", "odeon-tests"])
        .args(["failover::", "--", "--nocapture"])
        .env("ODEON_FAILOVER_FAULT", fault.name())
        .env("ODEON_FAILOVER_ROUNDS", rounds.to_string())
        .env("ODEON_FAILOVER_PARTITIONS", partitions.to_string());
    cargo.current_dir(sh::root());
    cargo
}
