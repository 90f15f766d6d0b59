//! Crash proofs: what was acknowledged outlives the process, and the machine's power.
//!
//! | module | what dies | who judges |
//! |---|---|---|
//! | `kills` | the process, by SIGKILL, under load | librdkafka (`crash/load.py`) |
//! | `chaos` | the processes of a cluster, one or all, or they stand still, hear nothing, have no room | the same, and groups |
//! | `rolling` | the processes of a cluster in turn, in order | the same |
//! | `steady` | nobody, under full load and with disks that block | the cluster's own metadata and logs |
//! | `restart` | the process, right after an acknowledgement, or in order | one connection |
//! | `power` | the machine: unsynced sectors, lengths, names | a model of what was promised |
//!
//! `cargo xtask crash`, `cargo xtask chaos` and `cargo xtask powercut` run the same with larger numbers.

// Clocks and files of other processes are real.
#![allow(clippy::disallowed_methods)]

mod chaos;
mod kills;
mod load;
mod power;
mod restart;
mod rolling;
mod steady;

/// A number that the environment may set, for longer runs.
fn number(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(otherwise, |text| text.parse().expect("a number"))
}
