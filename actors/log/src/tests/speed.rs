//! Figures, by hand: `cargo test --release -p odeon-log speed -- --ignored --nocapture`.

use std::time::Duration;

use super::*;

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let clock = clock();
    let before = clock.monotonic();
    let result = work();
    let took: Duration = clock.monotonic() - before;
    println!("{what}: {took:?}");
    result
}

#[test]
#[ignore = "a measurement"]
fn speed_of_five_thousand_partitions() {
    let dir = tempfile::tempdir().unwrap();
    let count = 5000;
    let topic = |n| TopicPartition::new("t", n);
    let open = manager(dir.path());
    timed("create", || {
        for n in 0..count {
            open.create(&topic(n), TOPIC_ID, LogConfig::default())
                .unwrap();
        }
    });
    timed("append one batch each, synced", || {
        for log in open.logs() {
            let mut writer = log.take_lease(lease(0)).unwrap();
            append(&mut writer, idempotent(0, 0, 10));
        }
    });
    timed("checkpoint", || open.checkpoint());
    timed("clean stop", || assert_eq!(open.shutdown(-1), 1));
    drop(open);
    for what in ["after a clean stop", "after a kill"] {
        let open = manager(dir.path());
        let summary = timed(what, || open.load_all().unwrap());
        assert_eq!(summary.loaded, count as usize);
        println!("{} open files", open.open_files());
    }
}

#[test]
#[ignore = "a measurement"]
fn speed_of_appends_and_reads() {
    let bed = Bed::new();
    for (what, records, padding, rounds) in [
        ("1 MB", 900, 1024, 2000),
        ("64 KB", 60, 1024, 20_000),
        ("200 B", 1, 100, 200_000),
    ] {
        let partition = TopicPartition::new(format!("s{records}"), 0);
        let log = bed
            .manager()
            .create(&partition, TOPIC_ID, LogConfig::default())
            .unwrap();
        let mut writer = log.take_lease(lease(0)).unwrap();
        let batch = batch_at(&vec![1; records], padding);
        let bytes = batch.size_bytes() * rounds;
        timed(
            &format!("append {rounds} batches of {what}, {bytes} bytes"),
            || {
                for _ in 0..rounds {
                    writer.stage(batch.clone(), Origin::Client).unwrap();
                    writer.write().unwrap();
                }
            },
        );
        timed("sync", || sync(&mut writer));
        let reader = log.reader();
        timed("read all by 1 MiB", || {
            let mut offset = 0;
            while offset < log.view().log_end() {
                offset = reader
                    .read(offset, 1 << 20, i64::MAX, true)
                    .unwrap()
                    .next_offset;
            }
        });
        timed("10,000 random reads of one batch", || {
            let rng = Rng::from_seed(1);
            for _ in 0..10_000 {
                let offset = rng.below(log.view().log_end() as u64) as i64;
                reader.read(offset, 1, i64::MAX, true).unwrap();
            }
        });
    }
}
