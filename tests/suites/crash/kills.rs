//! SIGKILL under load: idempotent acks=all producers, segments that roll, retention that deletes.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::Bytes;
use odeon_kernel::Rng;
use odeon_records::split_batches;
use odeon_tests::process::NodeProcess;

use super::load::{Load, Shape};
use super::number;

const SETTINGS: &[(&str, &str)] = &[
    ("log.retention.check.interval.ms", "400"),
    ("log.initial.task.delay.ms", "100"),
    ("log.flush.offset.checkpoint.interval.ms", "700"),
];

/// Numbers of a run, for the report.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    in_flight: u64,
    while_starting: u64,
    slowest_start: Duration,
}

#[test]
fn sigkill_under_load_loses_and_doubles_nothing_that_was_acknowledged() {
    let (kills, seed) = (
        number("ODEON_CRASH_KILLS", 4),
        number("ODEON_CRASH_SEED", 1),
    );
    let (rng, begun) = (Rng::from_seed(seed), Instant::now());
    let mut node = NodeProcess::start(SETTINGS);
    // In a long run the reader shall see nearly all before it goes; and what it takes to count the
    // batches that a kill hits, librdkafka's log in Python, is not for every day.
    let is_long = kills >= 20;
    let shape = Shape {
        retention_bytes: if is_long { 2_000_000 } else { 130_000 },
        torn: is_long,
        ..Shape::ONE_NODE
    };
    let mut load = Load::start(&node.address().to_string(), shape);
    let (mut tally, mut torn, mut acked) = (Tally::default(), 0, 0);
    while tally.kills < kills {
        if !is_long {
            // Each of a few kills has to fall on clients that are back.
            acked = acked_beyond(&mut load, acked, || ());
        }
        sleep(Duration::from_millis(50 + rng.below(1_450)));
        assert_eq!(load.count("faults"), 0, "{:?}", load.ask("finish"));
        node.kill();
        tally.kills += 1;
        // Now and then it dies again on its way up, in the middle of the recovery.
        if rng.below(5) == 0 {
            node.launch();
            sleep(Duration::from_millis(rng.below(400)));
            node.kill();
            tally.while_starting += 1;
        }
        tally.slowest_start = tally.slowest_start.max(node.start_again());
        if is_long {
            let torn_before = std::mem::replace(&mut torn, load.count("torn"));
            tally.in_flight += u64::from(torn > torn_before);
        }
        if tally.kills.is_multiple_of(25) {
            eprintln!(
                "{tally:?} after {:?}: {}",
                begun.elapsed(),
                load.ask("status")
            );
        }
    }
    let waiting = Instant::now();
    while load.ask("deleted")["deleted"] == 0 && waiting.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(50));
    }
    let report = load.finish();
    eprintln!("{tally:?} in {:?}, seed {seed}: {report}", begun.elapsed());
    let log = node.log();
    assert!(!log.contains("panicked"), "the node's log has a panic");
    let deleted = report["deleted"].as_u64().expect("a count");
    assert!(deleted > 0, "retention was not active: {report}");
    // The first kills after a start may come before the clients are back.
    assert!(
        !is_long || tally.in_flight >= kills * 9 / 10,
        "kills with batches in flight: {tally:?}"
    );
    assert!(node.stop("TERM").0.success());
}

/// Waits until more than `acked` records are acknowledged; how many are by then.
pub(super) fn acked_beyond(load: &mut Load, acked: u64, mut meanwhile: impl FnMut()) -> u64 {
    let waiting = Instant::now();
    loop {
        let now = load.count("acked");
        if now > acked {
            return now;
        }
        assert!(
            waiting.elapsed() < Duration::from_secs(60),
            "nothing is acknowledged after a restart: {}",
            load.ask("status")
        );
        meanwhile();
        sleep(Duration::from_millis(5));
    }
}

/// The log file that partition `index` appends to.
fn active_segment(node: &NodeProcess, index: u32) -> PathBuf {
    let folder = node.data().join(format!("kills-{index}"));
    let files = std::fs::read_dir(folder).expect("the partition has a folder");
    let logs = files.map(|file| file.expect("a name").path());
    let mut logs: Vec<PathBuf> = logs
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .filter(|path| path.metadata().is_ok_and(|meta| meta.len() > 0))
        .collect();
    logs.sort();
    logs.pop().expect("the partition has records")
}

/// The start and the bytes of the last batch of a segment, and the offset behind it.
fn last_batch(bytes: &[u8]) -> (usize, Bytes, i64) {
    let batches = split_batches(Bytes::copy_from_slice(bytes));
    let (header, batch) = batches
        .map(|batch| batch.expect("whole batches"))
        .last()
        .expect("one");
    (bytes.len() - batch.len(), batch, header.last_offset() + 1)
}

#[test]
fn a_node_that_loses_or_doubles_acknowledged_records_is_found_out() {
    let mut node = NodeProcess::start(SETTINGS);
    let shape = Shape {
        partitions: 3,
        retention_bytes: 10_000_000,
        ..Shape::ONE_NODE
    };
    let mut load = Load::start(&node.address().to_string(), shape);
    while load.count("acked") < 600 {
        sleep(Duration::from_millis(20));
    }
    load.ask("pause");
    node.kill();
    // What a page cache without fsync does when the power goes.
    let shortened = active_segment(&node, 0);
    let bytes = std::fs::read(&shortened).expect("the log is readable");
    std::fs::write(&shortened, &bytes[..last_batch(&bytes).0]).expect("it is writable");
    // What a broker without sequences does with a batch that is sent again.
    let doubled = active_segment(&node, 1);
    let mut bytes = std::fs::read(&doubled).expect("the log is readable");
    let (_, batch, next) = last_batch(&bytes);
    let at = bytes.len();
    bytes.extend_from_slice(&batch);
    bytes[at..at + 8].copy_from_slice(&next.to_be_bytes());
    std::fs::write(&doubled, bytes).expect("it is writable");
    node.start_again();
    let report = load.ask("finish");
    let faults = report["faults"].as_array().expect("a list");
    let found = |partition: &str, what: &str| {
        let mut texts = faults.iter().filter_map(|fault| fault.as_str());
        texts.any(|text| text.starts_with(partition) && text.contains(what))
    };
    assert!(
        found("0/", "was acknowledged, the end is there"),
        "{report}"
    );
    assert!(found("1/", "is there twice"), "{report}");
    assert!(!found("2/", ""), "{report}");
}
