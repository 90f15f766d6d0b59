//! The nodes of a cluster restarted in order, one after the other, under clients as they come.

use std::thread::sleep;
use std::time::{Duration, Instant};

use odeon_tests::process::ClusterProcess;

use super::load::{Load, Shape};

/// How often each node is restarted.
const TIMES: u32 = 2;

/// Waits until all replicas are in sync, as one does before the next node.
fn until_whole(cluster: &ClusterProcess) {
    let begun = Instant::now();
    loop {
        let status = cluster.says(&["cluster", "status"]);
        let partitions = &status["partitions"];
        if partitions["under_replicated"] == 0 && partitions["offline"] == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{status}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_rolling_restart_fails_no_record_of_producers_at_their_defaults() {
    let begun = Instant::now();
    let mut cluster = ClusterProcess::start(3, &[("min.insync.replicas", "2")]);
    let shape = Shape {
        partitions: 6,
        replicas: 3,
        retention_bytes: 100_000_000,
        rate: 1_500,
        torn: false,
        defaults: true,
        groups: 1,
    };
    let mut load = Load::start(&cluster.bootstrap(), shape);
    let (mut slowest_stop, mut slowest_start) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..TIMES {
        for id in 1..=3 {
            let before = load.count("acked");
            super::kills::acked_beyond(&mut load, before, || ());
            until_whole(&cluster);
            let (status, took) = cluster.node(id).stop("TERM");
            assert!(status.success(), "node {id}: {status}");
            slowest_stop = slowest_stop.max(took);
            slowest_start = slowest_start.max(cluster.node(id).start_again());
        }
    }
    let report = load.finish();
    eprintln!(
        "{} restarts in {:?}: slowest stop {slowest_stop:?}, slowest start {slowest_start:?}, \
         slowest record {} ms, {} records sent again: {report}",
        TIMES * 3,
        begun.elapsed(),
        report["slowest_ms"],
        report["resent"],
    );
    for node in cluster.nodes() {
        assert!(!node.log().contains("panicked"), "{}", node.log());
    }
}
