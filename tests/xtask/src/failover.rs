//! `cargo xtask failover`: the failover suite with larger numbers, in release mode.

use std::process::Command;

use clap::Args;

use crate::sh::{self, Result};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How often
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// Partitions that the victim leads
    #[arg(long, default_value_t = 1000)]
    partitions: u32,
    /// Stop the victim (SIGSTOP) instead of killing it
    #[arg(long)]
    stop: bool,
    /// Another broker's three nodes, the ids 1 to 3: their addresses
    #[arg(long, value_name = "HOST:PORT,...", requires_all = ["pid_file", "restart"])]
    addresses: Option<String>,
    /// A file with a node's process id, `{id}` standing for the node's
    #[arg(long)]
    pid_file: Option<String>,
    /// A command that starts a node again and waits for it, `{id}` standing for the node's
    #[arg(long)]
    restart: Option<String>,
}

/// Measures; the suite prints the table.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--quiet", "--release", "--package", "odeon-tests"])
        .args(["failover::", "--", "--nocapture"])
        .env("ODEON_FAILOVER_ROUNDS", arguments.rounds.to_string())
        .env(
            "ODEON_FAILOVER_PARTITIONS",
            arguments.partitions.to_string(),
        );
    if arguments.stop {
        cargo.env("ODEON_FAILOVER_SIGNAL", "STOP");
    }
    let others = [
        ("ODEON_FAILOVER_ADDRESSES", &arguments.addresses),
        ("ODEON_FAILOVER_PID_FILE", &arguments.pid_file),
        ("ODEON_FAILOVER_RESTART", &arguments.restart),
    ];
    for (name, value) in others {
        if let Some(value) = value {
            cargo.env(name, value);
        }
    }
    sh::run(cargo.current_dir(sh::root()))
}
