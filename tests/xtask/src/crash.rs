//! `cargo xtask crash`, `cargo xtask chaos`, `cargo xtask steady` and `cargo xtask powercut`: the crash
//! suites, with larger numbers.

use std::process::Command;

use crate::sh::{self, Result};

/// Runs `kills` SIGKILLs under load. The suite judges; this only sets its number.
pub(crate) fn kills(kills: u32, seed: u64) -> Result<()> {
    let mut cargo = suite("crash::kills::sigkill");
    cargo
        .env("ODEON_CRASH_KILLS", kills.to_string())
        .env("ODEON_CRASH_SEED", seed.to_string());
    sh::run(&mut cargo)
}

/// Runs `rounds` faults of a cluster under load, those that take rights included: it says what the
/// machine does not allow. The suite judges; this only sets its number.
pub(crate) fn chaos(rounds: u32, seed: u64) -> Result<()> {
    let mut cargo = suite("crash::chaos");
    cargo
        .env("ODEON_CHAOS_ALL", "1")
        .env("ODEON_CHAOS_ROUNDS", rounds.to_string())
        .env("ODEON_CHAOS_SEED", seed.to_string());
    sh::run(&mut cargo)
}

/// Puts a cluster under full load for so many minutes, also while disks block.
pub(crate) fn steady(minutes: u64, blocked_disk: bool) -> Result<()> {
    let mut cargo = suite("crash::steady");
    cargo
        .env("ODEON_STEADY_SECONDS", (60 * minutes).to_string())
        .env("ODEON_STEADY_BLOCKS", u8::from(blocked_disk).to_string());
    sh::run(&mut cargo)
}

/// Cuts the power under the log, the checkpoints and the Raft store, `seeds` times each, and under
/// a whole node as often; each suite prints what it saw.
pub(crate) fn power(seeds: u64) -> Result<()> {
    for mut cargo in [
        test(&["--package", "odeon-log", "power"]),
        test(&["--package", "odeon-quorum", "power"]),
        suite("crash::power"),
        test(&["--package", "odeon-tests", "sim::tests"]),
    ] {
        sh::run(cargo.env("ODEON_POWER_SEEDS", seeds.to_string()))?;
    }
    Ok(())
}

/// Of the suites, with the artefacts of `cargo test --workspace`.
fn suite(name: &str) -> Command {
    test(&["--workspace", "--test", "suites", name])
}

fn test(what: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--quiet"]).args(what);
    cargo.args(["--", "--nocapture"]);
    cargo.current_dir(sh::root());
    cargo
}
