//! `cargo xtask sim`: many simulated clusters, or known bugs that a few must find.

use std::process::Command;

use crate::sh::{self, Result};

/// What to simulate.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds; a single one also writes down all that happens
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many at once; by default as many as there are cores
    #[arg(long)]
    jobs: Option<usize>,
    /// Put known bugs back instead, and see that each is found
    #[arg(long)]
    bugs: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = arguments.jobs.unwrap_or(cores).max(1);
    match arguments.bugs {
        true => sh::run(
            test("_found")
                .arg("--include-ignored")
                .args(["--test-threads", &jobs.to_string()]),
        ),
        false => {
            let mut cargo = test("clustersim::tests::clusters");
            cargo
                .env("ODEON_SIM_SEEDS", arguments.seeds.to_string())
                .env("ODEON_SIM_FROM", arguments.from.to_string())
                .env("ODEON_SIM_JOBS", jobs.to_string())
                // One seed is run to be looked at.
                .env(
                    "ODEON_SIM_HISTORY",
                    u8::from(arguments.seeds == 1).to_string(),
                );
            sh::run(&mut cargo)
        }
    }
}

fn test(name: &str) -> Command {
    let mut cargo = program();
    cargo.args([name, "--", "--nocapture"]);
    cargo
}

/// Builds and runs the simulations' program: optimized, and with the debug assertions that planted bugs
/// need.
pub(crate) fn program() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--quiet", "--profile", "sim"]).args([
        "--package",
        "odeon-tests",
        "--test",
        "simulated",
    ]);
    cargo.current_dir(sh::root());
    cargo
}
