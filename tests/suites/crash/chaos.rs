//! Three nodes whose processes are killed, stopped still, ended in order, and killed all at once, under
//! the same load and the same judge as a single node.

use std::thread::sleep;
use std::time::{Duration, Instant};

use odeon_kernel::Rng;
use odeon_tests::process::ClusterProcess;

use super::kills::acked_beyond;
use super::load::Load;
use super::number;

const PARTITIONS: u32 = 6;
const SETTINGS: &[(&str, &str)] = &[
    ("min.insync.replicas", "2"),
    ("log.retention.check.interval.ms", "400"),
    ("log.initial.task.delay.ms", "100"),
    ("log.flush.offset.checkpoint.interval.ms", "700"),
];

/// Numbers of a run, for the report.
#[derive(Debug, Default)]
struct Tally {
    rounds: u64,
    kills: u64,
    pauses: u64,
    stops: u64,
    blackouts: u64,
    /// The longest that no record at all was acknowledged after a fault, clients' back-off included.
    longest_silence: Duration,
}

#[test]
fn a_cluster_in_chaos_loses_and_doubles_nothing_that_was_acknowledged() {
    let (rounds, seed) = (
        number("ODEON_CHAOS_ROUNDS", 4),
        number("ODEON_CHAOS_SEED", 1),
    );
    let (rng, begun) = (Rng::from_seed(seed), Instant::now());
    let mut cluster = ClusterProcess::start(3, SETTINGS);
    let retention_bytes = if rounds < 20 { 130_000 } else { 2_000_000 };
    let mut load = Load::start(&cluster.bootstrap(), PARTITIONS, 3, retention_bytes);
    let (mut tally, mut acked) = (Tally::default(), 0);
    while tally.rounds < rounds {
        acked_beyond(&mut load, acked);
        sleep(Duration::from_millis(rng.below(1_500)));
        assert_eq!(load.count("faults"), 0, "{:?}", load.ask("finish"));
        // A short run has one round of each kind.
        let kind = if rounds < 20 {
            tally.rounds % 4
        } else {
            rng.below(8)
        };
        hurt(&mut cluster, &rng, kind, &mut tally);
        let since = Instant::now();
        let before = load.count("acked");
        acked = acked_beyond(&mut load, before);
        tally.longest_silence = tally.longest_silence.max(since.elapsed());
        cluster.start_all();
        tally.rounds += 1;
        if tally.rounds.is_multiple_of(10) {
            eprintln!(
                "{tally:?} after {:?}: {}",
                begun.elapsed(),
                load.ask("status")
            );
        }
    }
    let report = load.ask("finish");
    eprintln!("{tally:?} in {:?}, seed {seed}: {report}", begun.elapsed());
    for node in cluster.nodes() {
        assert!(
            !node.log().contains("panicked"),
            "node {} panicked",
            node.id()
        );
    }
    assert_eq!(report["fault_count"], 0, "{report}");
    assert_eq!(
        report["missed_plants"],
        serde_json::json!([]),
        "the judge is blind"
    );
    assert_eq!(report["produced"], report["acked"], "{report}");
}

/// Does something to one node or to all, and leaves a dead one dead.
fn hurt(cluster: &mut ClusterProcess, rng: &Rng, kind: u64, tally: &mut Tally) {
    let victim = 1 + rng.below(3) as i32;
    let node = cluster.node(victim);
    match kind {
        0 | 4 | 5 => {
            node.kill();
            tally.kills += 1;
        }
        1 | 6 => {
            node.signal("STOP");
            sleep(Duration::from_millis(200 + rng.below(4_000)));
            node.signal("CONT");
            tally.pauses += 1;
        }
        2 | 7 => {
            assert!(node.stop("TERM").0.success(), "a stop in order");
            tally.stops += 1;
        }
        _ => {
            for id in 1..=3 {
                cluster.node(id).kill();
            }
            cluster.start_all();
            tally.blackouts += 1;
        }
    }
}
