use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use odeon_kernel::sim::Bug;

use super::counts::Counts;
use super::{Outcome, Plant, run};

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The seeds of this run: a few, or as many as `cargo xtask sim` asks for.
fn seeds() -> std::ops::Range<u64> {
    let from = number("ODEON_SIM_FROM", 0);
    from..from + number("ODEON_SIM_SEEDS", 3)
}

/// Writes a kept history down, for whoever wants to know how it came.
fn write_history(seed: u64, history: &[String]) {
    if !history.is_empty() {
        let file = format!("{}/cluster-{seed}.txt", env!("CARGO_TARGET_TMPDIR"));
        #[expect(clippy::disallowed_methods, reason = "a real file")]
        std::fs::write(&file, history.join("\n")).unwrap();
        println!("the history is in {file}");
    }
}

/// Runs seeds on as many threads as asked for, and says how it gets on.
fn run_all(seeds: std::ops::Range<u64>) -> BTreeMap<u64, Outcome> {
    let (next, done) = (AtomicU64::new(seeds.start), Mutex::new(BTreeMap::new()));
    let count = seeds.end - seeds.start;
    #[expect(clippy::disallowed_methods, reason = "the rate that a person sees")]
    let since = Instant::now();
    let worker = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let outcome = run(seed, number("ODEON_SIM_HISTORY", 0) > 0, None);
            write_history(seed, &outcome.history);
            if let Err(what) = &outcome.result {
                println!("seed {seed}: {what}");
            }
            if count <= 10 {
                println!("seed {seed}: {:?}", outcome.counts);
            }
            let mut done = done.lock().unwrap();
            done.insert(seed, outcome);
            if done.len() % 20 == 0 {
                let rate = done.len() as f64 / since.elapsed().as_secs_f64();
                println!("{} of {count} seeds, {rate:.2} a second", done.len());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..number("ODEON_SIM_JOBS", 1) {
            scope.spawn(worker);
        }
    });
    done.into_inner().unwrap()
}

/// What each seed must have had, and what must have happened in any hundred of them.
fn check_counts(outcomes: &BTreeMap<u64, Outcome>) {
    for (seed, outcome) in outcomes {
        let counts = &outcome.counts;
        let is_enough = counts.operations >= 500 && counts.faults >= 5 && counts.seconds >= 60;
        assert!(is_enough, "too little happened in seed {seed}: {counts:?}");
    }
    let all: Vec<Counts> = outcomes.values().map(|outcome| outcome.counts).collect();
    for hundred in all.windows(100) {
        let counts = sum(hundred);
        assert!(!counts.lacks_something(), "{counts:?}");
    }
}

fn sum(all: &[Counts]) -> Counts {
    all.iter().fold(Counts::default(), |mut sum, counts| {
        sum += *counts;
        sum
    })
}

#[test]
fn clusters_keep_what_they_promise_whatever_breaks() {
    let outcomes = run_all(seeds());
    let all: Vec<Counts> = outcomes.values().map(|outcome| outcome.counts).collect();
    println!("{:?}", sum(&all));
    let wrong = outcomes.iter().filter(|(_, o)| o.result.is_err());
    let wrong: Vec<u64> = wrong.map(|(seed, _)| *seed).collect();
    assert!(
        wrong.is_empty(),
        "seeds {wrong:?} are wrong: run one again with cargo xtask sim --seeds 1 --from {}",
        wrong[0]
    );
    check_counts(&outcomes);
}

#[test]
fn the_same_seed_gives_the_same_history_of_a_whole_cluster() {
    let seed = number("ODEON_SIM_FROM", 7);
    // Which events the log's macros pass on depends on the process's other threads.
    let done = |history: Vec<String>| -> Vec<String> {
        let is_log = |line: &String| {
            line.trim_start_matches(char::is_numeric)
                .starts_with(" log ")
        };
        history.into_iter().filter(|line| !is_log(line)).collect()
    };
    let one = done(run(seed, true, None).history);
    let other = done(run(seed, true, None).history);
    assert!(one.len() > 1_000, "{}", one.len());
    let lines = one.len().max(other.len());
    if let Some(at) = (0..lines).find(|at| one.get(*at) != other.get(*at)) {
        let from = at.saturating_sub(5);
        let show =
            |lines: &[String]| lines[from.min(lines.len())..lines.len().min(at + 3)].join("\n  ");
        let (one, other) = (show(&one), show(&other));
        panic!("seed {seed} gives two histories, from line {at}:\n  {one}\nand\n  {other}");
    }
}

/// How many seeds a planted bug may take to be found.
const SEEDS_TO_FIND: u64 = 60;

/// Runs seeds from the one that has found it on, until what is planted is found.
fn finds(planted: Plant, from: u64) {
    let from = number("ODEON_SIM_FROM", from);
    for seed in from..from + number("ODEON_SIM_FIND", SEEDS_TO_FIND) {
        if let Err(what) = run(seed, false, Some(planted)).result {
            println!("{planted:?}: seed {seed} finds {what}");
            return;
        }
    }
    panic!("{planted:?} is not found");
}

#[test]
#[ignore = "quick with optimizations only: cargo xtask sim --bugs"]
fn a_watermark_that_counts_unsynced_followers_is_found() {
    finds(Plant::Bug(Bug::UnsyncedFollowers), 1);
}

#[test]
fn cutting_to_the_watermark_is_found() {
    finds(Plant::Bug(Bug::CutToWatermark), 0);
}

#[test]
#[ignore = "quick with optimizations only: cargo xtask sim --bugs"]
fn an_isr_of_any_epoch_is_found() {
    finds(Plant::Bug(Bug::UncheckedEpochs), 0);
}

#[test]
fn acknowledging_before_the_sync_is_found() {
    finds(Plant::Bug(Bug::EarlyAcknowledgement), 0);
}

#[test]
#[ignore = "quick with optimizations only: cargo xtask sim --bugs"]
fn a_leader_that_serves_before_its_first_entry_is_found() {
    finds(Plant::Bug(Bug::EagerLeader), 0);
}

#[test]
fn producers_that_are_forgotten_are_found() {
    finds(Plant::Bug(Bug::ForgottenProducers), 0);
}

#[test]
#[ignore = "quick with optimizations only: cargo xtask sim --bugs"]
fn a_leader_whose_lease_nobody_checks_is_found() {
    finds(Plant::Bug(Bug::UncheckedLease), 13);
}

#[test]
#[ignore = "quick with optimizations only: cargo xtask sim --bugs"]
fn a_coordinator_that_answers_early_is_found() {
    finds(Plant::Bug(Bug::EarlyCommit), 1);
}

#[test]
#[ignore = "quick with optimizations only: cargo xtask sim --bugs"]
fn a_leader_that_its_supervisor_restarts_in_its_epoch_after_a_cut_is_found() {
    finds(Plant::Bug(Bug::RestartAfterCut), 0);
}

#[test]
#[ignore = "quick with optimizations only: cargo xtask sim --bugs"]
fn a_new_process_in_its_predecessors_epochs_is_found() {
    finds(Plant::Bug(Bug::KeptEpoch), 0);
}

#[test]
#[ignore = "quick with optimizations only: cargo xtask sim --bugs"]
fn a_replica_that_is_not_heard_is_found() {
    finds(Plant::Bug(Bug::UnheardReplica), 9);
}

#[test]
#[ignore = "quick with optimizations only: cargo xtask sim --bugs"]
fn a_leader_that_acknowledges_while_it_is_deposed_by_its_own_alteration_is_found() {
    finds(Plant::Bug(Bug::RevertedIsr), 374);
}

#[test]
#[ignore = "quick with optimizations only: cargo xtask sim --bugs"]
fn a_disk_that_does_not_sync_is_found() {
    finds(Plant::IgnoredSyncs, 0);
}
