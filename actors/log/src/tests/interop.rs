//! Exchange with Apache Kafka's files. Run by hand with `--ignored`; each test names its variable.

use std::path::PathBuf;

use super::*;

fn variable(name: &str) -> PathBuf {
    std::env::var_os(name)
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{name} is not set"))
}

/// `ODEON_LOG_OUT`: a new directory, to be read by `kafka-dump-log --deep-iteration`.
#[test]
#[ignore = "needs ODEON_LOG_OUT"]
fn write_a_directory_for_kafkas_tools() {
    let dir = variable("ODEON_LOG_OUT");
    let manager = manager(&dir);
    let config = LogConfig {
        segment_bytes: 200_000,
        ..LogConfig::default()
    };
    let log = manager.create(&partition(), TOPIC_ID, config).unwrap();
    let mut writer = log.take_lease(lease(1)).unwrap();
    writer.begin_epoch().unwrap();
    for n in 0..500i64 {
        let times: Vec<i64> = (0..20)
            .map(|k| 1_700_000_000_000 + n * 100 + (k * 7) % 13)
            .collect();
        append(&mut writer, batch_at(&times, 50));
        append(&mut writer, idempotent(0, n as i32 * 3, 3));
        if n == 250 {
            writer = log.take_lease(lease(4)).unwrap();
            writer.begin_epoch().unwrap();
        }
    }
    assert_eq!(manager.shutdown(-1), 1);
}

/// `KAFKA_LOG_DIR`: a copy of a log directory that Apache Kafka wrote, after a clean stop or a kill.
#[test]
#[ignore = "needs KAFKA_LOG_DIR"]
fn a_directory_of_apache_kafka_is_taken_over() {
    let dir = variable("KAFKA_LOG_DIR");
    let disk: odeon_kernel::disk::SharedDisk = Arc::new(RealDisk);
    let meta = MetaProperties::read(&disk, &dir).unwrap().unwrap();
    let open = || {
        let config = ManagerConfig {
            dirs: vec![dir.clone()],
            node_id: meta.node_id,
            cluster_id: meta.cluster_id.clone(),
            defaults: LogConfig::default(),
            max_open_files: 100,
        };
        let rng = Arc::new(Rng::from_entropy());
        let manager = LogManager::open(config, disk.clone(), clock(), rng).unwrap();
        println!("{:?}", manager.load_all().unwrap());
        manager
    };
    for round in 0..3 {
        let manager = open();
        let mut logs = manager.logs();
        logs.sort_by(|a, b| a.partition().cmp(b.partition()));
        for log in &logs {
            let reader = log.reader();
            let start = log.view().log_start();
            let batches = read_from(&reader, start);
            let records: i64 = batches.iter().map(|(_, count)| i64::from(*count)).sum();
            let (end, max) = (
                log.view().log_end(),
                reader.max_timestamp(i64::MAX).unwrap(),
            );
            println!(
                "{} {start}..{end} {records} records, {:?}, newest {max:?}, {:?}",
                log.partition(),
                log.topic_id(),
                reader.latest_epoch()
            );
            assert_eq!(records, end - start);
            let mut writer = log.take_lease(lease(100 + round)).unwrap();
            println!("{:?}", writer.producers().unwrap());
            append(&mut writer, batch(1));
        }
        if round != 1 {
            assert_eq!(manager.shutdown(-1), 1);
        }
    }
}
