//! Project commands: `cargo xtask <command>`.
// A developer's tool: it works on real files, and needs no simulated ones.
#![allow(clippy::disallowed_methods)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod adopt;
mod codegen;
mod compat;
mod counts;
mod crash;
mod failover;
mod fuzz;
mod nodes;
mod records;
mod sh;
mod sim;
mod tidy;
mod versus;
mod wire;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Project commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Generate the protocol's and the records' structs from Kafka's message schemas
    Codegen(codegen::Arguments),
    /// Let Kafka's own classes read and write what the generated structs write
    Wire,
    /// Let Kafka's own classes read our record batches, and judge good and bad ones as brokers do
    Records {
        /// Write what Kafka's classes write to client/records/fixtures instead
        #[arg(long)]
        fixtures: bool,
    },
    /// Run other people's clients and suites against a node, or against Apache Kafka
    Compat(compat::Arguments),
    /// Take over directories that Apache Kafka wrote, cleanly stopped and killed
    Adopt,
    /// Kill a node with SIGKILL under load, again and again; librdkafka judges what is left
    Crash {
        /// How often
        #[arg(long, default_value_t = 300)]
        kills: u32,
        /// Chooses the moments
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Kill, pause, stop, cut off and fill up the nodes of a cluster under load, one or all; librdkafka judges
    Chaos {
        /// How often
        #[arg(long, default_value_t = 100)]
        rounds: u32,
        /// Chooses whom, how and when
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Put a cluster under full load: nobody may be elected or fenced
    Steady {
        /// How long
        #[arg(long, default_value_t = 30)]
        minutes: u64,
        /// Have a disk block each write for two seconds, each node's in turn, again and again; takes root
        #[arg(long)]
        blocked_disk: bool,
    },
    /// Kill the leader of many partitions, again and again: how long do writes wait?
    Failover(failover::Arguments),
    /// Cut the power under log, checkpoints, Raft store and a whole node, on simulated disks
    Powercut {
        /// How many runs of each
        #[arg(long, default_value_t = 2000)]
        seeds: u64,
    },
    /// Simulate clusters of three to five nodes under faults, each from a seed
    Sim(sim::Arguments),
    /// Let libFuzzer look for bytes that break a decoder, a log's recovery or a connection
    Fuzz(fuzz::Arguments),
    /// Load Apache Kafka and Odeon in turn with the same client, and compare
    Versus(versus::Arguments),
    /// Draw where the processor time of a row of `versus` goes; needs perf
    Profile(versus::profile::Arguments),
    /// Count the instructions of a produce and of a fetch, and compare with what is kept
    Counts(counts::Arguments),
    /// Check the invariants of ARCHITECTURE.md
    Tidy,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Codegen(arguments) => codegen::run(&arguments),
        Command::Wire => wire::run(),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Records { fixtures } => records::run(fixtures),
        Command::Compat(arguments) => compat::run(&arguments),
        Command::Adopt => adopt::run(),
        Command::Crash { kills, seed } => crash::kills(kills, seed),
        Command::Chaos { rounds, seed } => crash::chaos(rounds, seed),
        Command::Steady {
            minutes,
            blocked_disk,
        } => crash::steady(minutes, blocked_disk),
        Command::Failover(arguments) => failover::run(&arguments),
        Command::Powercut { seeds } => crash::power(seeds),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::Versus(arguments) => versus::run(&arguments),
        Command::Profile(arguments) => versus::profile::run(&arguments),
        Command::Counts(arguments) => counts::run(&arguments),
        Command::Tidy => tidy::run().map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
