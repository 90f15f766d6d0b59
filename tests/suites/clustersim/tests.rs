use odeon_kernel::sim::Bug;

use super::counts::Counts;
use super::{Plant, run};

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

#[test]
fn clusters_keep_what_they_promise_whatever_breaks() {
    let mut counts = Counts::default();
    let mut wrong = Vec::new();
    for seed in seeds() {
        let outcome = run(seed, number("ODEON_SIM_HISTORY", 0) > 0, None);
        counts += outcome.counts;
        write_history(seed, &outcome.history);
        let each = number("ODEON_SIM_VERBOSE", 0) > 0;
        if each {
            println!("seed {seed}: {:?}", outcome.counts);
        }
        if let Err(what) = outcome.result {
            println!("seed {seed}: {what}");
            wrong.push(seed);
        }
    }
    println!("{counts:?}");
    assert!(
        wrong.is_empty(),
        "seeds {wrong:?} are wrong: run one again with ODEON_SIM_FROM={} ODEON_SIM_SEEDS=1",
        wrong[0]
    );
    assert!(counts.operations >= 500 * counts.runs, "{counts:?}");
    assert!(counts.faults >= 5 * counts.runs, "{counts:?}");
    if counts.runs >= 100 {
        let each = [
            counts.failovers,
            counts.truncations,
            counts.isr_changes,
            counts.elections,
            counts.restarts,
            counts.stale_refused,
        ];
        assert!(each.iter().all(|count| *count > 0), "{counts:?}");
    }
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
const SEEDS_TO_FIND: u64 = 40;

/// Runs seeds until what is planted is found.
fn finds(planted: Plant) {
    for seed in 0..number("ODEON_SIM_FIND", SEEDS_TO_FIND) {
        if let Err(what) = run(seed, false, Some(planted)).result {
            println!("{planted:?}: seed {seed} finds {what}");
            return;
        }
    }
    panic!("{planted:?} is not found");
}

#[test]
#[ignore = "minutes each: cargo xtask sim --bugs"]
fn a_watermark_that_counts_unsynced_followers_is_found() {
    finds(Plant::Bug(Bug::UnsyncedFollowers));
}

#[test]
#[ignore = "minutes each: cargo xtask sim --bugs"]
fn cutting_to_the_watermark_is_found() {
    finds(Plant::Bug(Bug::CutToWatermark));
}

#[test]
#[ignore = "minutes each: cargo xtask sim --bugs"]
fn an_isr_of_any_epoch_is_found() {
    finds(Plant::Bug(Bug::UncheckedEpochs));
}

#[test]
#[ignore = "minutes each: cargo xtask sim --bugs"]
fn producers_that_are_forgotten_are_found() {
    finds(Plant::Bug(Bug::ForgottenProducers));
}

#[test]
#[ignore = "minutes each: cargo xtask sim --bugs"]
fn a_coordinator_that_answers_early_is_found() {
    finds(Plant::Bug(Bug::EarlyCommit));
}

#[test]
#[ignore = "minutes each: cargo xtask sim --bugs"]
fn a_new_process_in_its_predecessors_epochs_is_found() {
    finds(Plant::Bug(Bug::KeptEpoch));
}

#[test]
#[ignore = "minutes each: cargo xtask sim --bugs"]
fn acknowledging_before_the_sync_is_found() {
    finds(Plant::IgnoredSyncs);
}
