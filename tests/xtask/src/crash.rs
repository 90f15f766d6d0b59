//! `cargo xtask crash`, `cargo xtask chaos`, `cargo xtask steady` and `cargo xtask powercut`: the crash
//! suites, with larger numbers.

use std::process::Command;

use crate::sh::{self, Result};

/// Runs `kills` SIGKILLs under load. The suite judges; this only sets its number.
pub(crate) fn kills(kills: u32, seed: u64) -> Result<()> {
    let mut cargo = test("odeon-tests", "crash::kills::sigkill");
    cargo
        .env("ODEON_CRASH_KILLS", kills.to_string())
        .env("ODEON_CRASH_SEED", seed.to_string());
    sh::run(&mut cargo)
}

/// Runs `rounds` faults of a cluster under load, those that take rights included: it says what the
/// machine does not allow. The suite judges; this only sets its number.
pub(crate) fn chaos(rounds: u32, seed: u64) -> Result<()> {
    let mut cargo = test("odeon-tests", "crash::chaos");
    cargo
        .env("ODEON_CHAOS_ALL", "1")
        .env("ODEON_CHAOS_ROUNDS", rounds.to_string())
        .env("ODEON_CHAOS_SEED", seed.to_string());
    sh::run(&mut cargo)
}

/// Puts a cluster under full load for so many minutes, also while disks block.
pub(crate) fn steady(minutes: u64, blocked_disk: bool) -> Result<()> {
    let mut cargo = test("odeon-tests", "crash::steady");
    cargo
        .env("ODEON_STEADY_SECONDS", (60 * minutes).to_string())
        .env("ODEON_STEADY_BLOCKS", u8::from(blocked_disk).to_string());
    sh::run(&mut cargo)
}

/// Cuts the power under the log, the checkpoints and the Raft store, `seeds` times each, and under
/// a whole node as often; each suite prints what it saw.
pub(crate) fn power(seeds: u64) -> Result<()> {
    for (package, suite) in [
        ("odeon-log", "power"),
        ("odeon-quorum", "power"),
        ("odeon-tests", "crash::power"),
        ("odeon-tests", "sim::tests"),
    ] {
        let mut cargo = test(package, suite);
        sh::run(cargo.env("ODEON_POWER_SEEDS", seeds.to_string()))?;
    }
    Ok(())
}

fn test(package: &str, name: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--quiet", "--package", package, name])
        .args(["--", "--nocapture"]);
    cargo.current_dir(sh::root());
    cargo
}
