use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use super::faulty::{Faults, FaultyDisk};
use super::*;

struct Dirs {
    root: tempfile::TempDir,
    faults: Arc<Mutex<Faults>>,
}

impl Dirs {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            faults: Arc::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn open(&self, dirs: &[&str], node_id: i32, cluster_id: &str) -> Result<LogManager> {
        self.open_in(dirs, node_id, Some(cluster_id))
    }

    fn open_in(&self, dirs: &[&str], node_id: i32, cluster: Option<&str>) -> Result<LogManager> {
        let config = ManagerConfig {
            dirs: dirs.iter().map(|name| self.path(name)).collect(),
            node_id,
            cluster_id: cluster.map(str::to_owned),
            defaults: LogConfig {
                file_delete_delay_ms: 0,
                ..LogConfig::default()
            },
            max_open_files: 50,
        };
        let disk = Arc::new(FaultyDisk {
            faults: self.faults.clone(),
        });
        LogManager::open(config, disk, clock(), Arc::new(Rng::from_entropy()))
    }

    fn fail_writes(&self, name: &str, kind: io::ErrorKind) {
        self.faults.lock().unwrap().writes = Some((self.path(name), kind));
    }
}

fn topic(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

#[test]
fn a_directory_is_used_by_one_process_of_its_node_and_cluster() {
    let dirs = Dirs::new();
    let manager = dirs.open(&["a"], 1, "c").unwrap();
    let locked = dirs.open(&["a"], 1, "c").unwrap_err();
    assert!(matches!(locked, LogError::Locked { .. }), "{locked}");
    drop(manager);
    for (node, cluster, what) in [(2, "c", "node.id"), (1, "d", "cluster.id")] {
        match dirs.open(&["a"], node, cluster) {
            Err(LogError::WrongOwner { key, .. }) => assert_eq!(key, what),
            other => panic!("{other:?}"),
        }
    }
    let meta = |name| {
        let disk: odeon_kernel::disk::SharedDisk = Arc::new(RealDisk);
        MetaProperties::read(&disk, &dirs.path(name))
            .unwrap()
            .unwrap()
    };
    let before = meta("a");
    let manager = dirs.open(&["a", "b"], 1, "c").unwrap();
    let ids: Vec<Uuid> = manager.directories().map(|dir| dir.id()).collect();
    assert_eq!(ids, [before.directory_id, meta("b").directory_id]);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_directory_has_its_id_before_its_node_joins_a_cluster() {
    let dirs = Dirs::new();
    let ids =
        |manager: &LogManager| -> Vec<Uuid> { manager.directories().map(|dir| dir.id()).collect() };
    let manager = dirs.open_in(&["a", "b"], 1, None).unwrap();
    assert_eq!(manager.cluster_id(), None);
    let before = ids(&manager);
    drop(manager);
    let manager = dirs.open_in(&["a", "b"], 1, None).unwrap();
    assert_eq!(ids(&manager), before);
    manager.join_cluster("c").unwrap();
    let other = manager.join_cluster("d").unwrap_err();
    assert!(
        matches!(
            other,
            LogError::WrongOwner {
                key: "cluster.id",
                ..
            }
        ),
        "{other}"
    );
    drop(manager);
    // A directory that comes later is the cluster's at once.
    let manager = dirs.open_in(&["z", "a", "b"], 1, None).unwrap();
    assert_eq!(manager.cluster_id().as_deref(), Some("c"));
    assert_eq!(ids(&manager)[1..], before);
    drop(manager);
    let other = dirs.open_in(&["z"], 1, Some("d")).unwrap_err();
    assert!(
        matches!(
            other,
            LogError::WrongOwner {
                key: "cluster.id",
                ..
            }
        ),
        "{other}"
    );
}

#[test]
fn the_epoch_of_a_clean_stop_is_known_at_the_next_start_and_only_then() {
    let dirs = Dirs::new();
    let manager = dirs.open(&["a", "b"], 1, "c").unwrap();
    assert_eq!(manager.previous_broker_epoch(), -1);
    assert_eq!(manager.shutdown(17), 2);
    drop(manager);
    let manager = dirs.open(&["a", "b"], 1, "c").unwrap();
    assert_eq!(manager.previous_broker_epoch(), 17);
    drop(manager);
    let manager = dirs.open(&["a", "b"], 1, "c").unwrap();
    assert_eq!(manager.previous_broker_epoch(), -1);
    manager.shutdown(18);
    drop(manager);
    // A directory that was not there then holds nothing of it.
    let manager = dirs.open(&["a", "b", "z"], 1, "c").unwrap();
    assert_eq!(manager.previous_broker_epoch(), -1);
}

#[test]
fn partitions_spread_over_the_directories_and_come_back() {
    let dirs = Dirs::new();
    let manager = dirs.open(&["a", "b", "c"], 1, "c").unwrap();
    for n in 0..9 {
        manager
            .create(&topic(n), TOPIC_ID, LogConfig::default())
            .unwrap();
    }
    for name in ["a", "b", "c"] {
        let count = list(&dirs.path(name))
            .iter()
            .filter(|path| path.is_dir())
            .count();
        assert_eq!(count, 3);
    }
    drop(manager);
    let manager = dirs.open(&["a", "b", "c"], 1, "c").unwrap();
    assert_eq!(manager.load_all().unwrap().loaded, 9);
    let again = manager
        .create(&topic(3), TOPIC_ID, LogConfig::default())
        .unwrap();
    assert_eq!(again.topic_id(), TOPIC_ID);
    let other = manager
        .create(&topic(3), Uuid::ONE, LogConfig::default())
        .unwrap_err();
    assert!(matches!(other, LogError::WrongTopicId { .. }), "{other}");
    let bad = manager.create(
        &TopicPartition::new("../x", 0),
        TOPIC_ID,
        LogConfig::default(),
    );
    assert!(matches!(bad.unwrap_err(), LogError::BadName { .. }));
}

#[test]
fn a_deleted_log_is_closed_at_once_and_gone_later() {
    let dirs = Dirs::new();
    let manager = dirs.open(&["a"], 1, "c").unwrap();
    let log = manager
        .create(&topic(0), TOPIC_ID, LogConfig::default())
        .unwrap();
    let mut writer = log.take_lease(lease(0)).unwrap();
    append(&mut writer, batch(3));
    writer.stage(batch(3), Origin::Client).unwrap();
    writer.write().unwrap();
    let job = writer.sync_job().unwrap().unwrap();
    manager.delete(&topic(0)).unwrap();
    assert!(matches!(
        writer.write().unwrap_err(),
        LogError::Closed { .. }
    ));
    assert!(matches!(
        log.reader().read(0, 9, 9, true).unwrap_err(),
        LogError::Closed { .. }
    ));
    assert!(manager.get(&topic(0)).is_none());
    // The name is free for another topic at once.
    manager
        .create(&topic(0), Uuid::ONE, LogConfig::default())
        .unwrap();
    assert_eq!(manager.run_deletions(), 0);
    std::thread::sleep(Duration::from_millis(1));
    let config = LogConfig {
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    };
    manager.get(&topic(0)).unwrap().set_config(config);
    manager.delete(&topic(0)).unwrap();
    assert_eq!(manager.run_deletions(), 1);
    // A sync that was under way harms nobody; after a restart the rest goes too.
    assert!(writer.complete_sync(job.run()).is_err());
    assert!(manager.directories().all(|dir| !dir.is_offline()));
    drop(manager);
    let manager = dirs.open(&["a"], 1, "c").unwrap();
    assert_eq!(manager.load_all().unwrap().loaded, 0);
    assert_eq!(manager.run_deletions(), 1);
    assert!(matches!(
        manager.delete(&topic(0)).unwrap_err(),
        LogError::NoSuchLog { .. }
    ));
}

#[test]
fn a_failing_directory_goes_offline_alone() {
    let dirs = Dirs::new();
    let manager = dirs.open(&["a", "b"], 1, "c").unwrap();
    let logs: Vec<Log> = (0..2)
        .map(|n| {
            manager
                .create(&topic(n), TOPIC_ID, LogConfig::default())
                .unwrap()
        })
        .collect();
    let mut writers: Vec<LogWriter> = logs
        .iter()
        .map(|log| log.take_lease(lease(0)).unwrap())
        .collect();
    for writer in &mut writers {
        append(writer, batch(1));
    }
    let broken = logs
        .iter()
        .position(|log| log.folder().starts_with(dirs.path("a")))
        .unwrap();
    dirs.faults.lock().unwrap().syncs = Some(dirs.path("a"));
    let writer = &mut writers[broken];
    writer.stage(batch(1), Origin::Client).unwrap();
    writer.write().unwrap();
    let done = writer.sync_job().unwrap().unwrap().run();
    assert!(matches!(
        writer.complete_sync(done).unwrap_err(),
        LogError::Io { .. }
    ));
    dirs.faults.lock().unwrap().syncs = None;
    // Never tried again, even though the disk would do it now.
    assert!(matches!(
        writer.sync_job().unwrap_err(),
        LogError::Offline { .. }
    ));
    assert!(matches!(
        writer.stage(batch(1), Origin::Client).unwrap_err(),
        LogError::Offline { .. }
    ));
    assert!(matches!(
        logs[broken].reader().read(0, 9, 9, true).unwrap_err(),
        LogError::Offline { .. }
    ));
    assert_eq!(logs[broken].view().flushed(), 1);
    append(&mut writers[1 - broken], batch(1));
    // New ones go to the other; only that one is clean afterwards.
    for n in 2..4 {
        let log = manager
            .create(&topic(n), TOPIC_ID, LogConfig::default())
            .unwrap();
        assert!(log.folder().starts_with(dirs.path("b")));
    }
    assert_eq!(manager.shutdown(7), 1);
    assert!(!dirs.path("a").join(".kafka_cleanshutdown").exists());
    assert!(dirs.path("b").join(".kafka_cleanshutdown").exists());
}

#[test]
fn a_full_disk_takes_back_the_write_and_goes_on_later() {
    let dirs = Dirs::new();
    let manager = dirs.open(&["a"], 1, "c").unwrap();
    let log = manager
        .create(&topic(0), TOPIC_ID, LogConfig::default())
        .unwrap();
    let mut writer = log.take_lease(lease(0)).unwrap();
    append(&mut writer, idempotent(0, 0, 2));
    dirs.fail_writes("a", io::ErrorKind::StorageFull);
    for _ in 0..3 {
        writer.stage(idempotent(0, 2, 2), Origin::Client).unwrap();
        writer.stage(idempotent(0, 4, 2), Origin::Client).unwrap();
        assert!(matches!(writer.write().unwrap_err(), LogError::Io { .. }));
        assert_eq!(log.view().log_end(), 2);
    }
    // What is there can still be made durable, and the checkpoints wait.
    let job = writer.sync_job().unwrap().expect("something to sync");
    assert_eq!(writer.complete_sync(job.run()).unwrap(), 2);
    manager.checkpoint();
    assert_eq!(log.directory().offline_reason(), None);
    dirs.faults.lock().unwrap().writes = None;
    assert_eq!(append(&mut writer, idempotent(0, 2, 2)).base_offset, 2);
    assert_eq!(read_from(&log.reader(), 0), [(0, 2), (2, 2)]);
    // Any other failure is the directory's end.
    dirs.fail_writes("a", io::ErrorKind::Other);
    writer.stage(batch(1), Origin::Client).unwrap();
    assert!(matches!(writer.write().unwrap_err(), LogError::Io { .. }));
    assert!(matches!(
        writer.stage(batch(1), Origin::Client).unwrap_err(),
        LogError::Offline { .. }
    ));
    assert!(matches!(
        manager
            .create(&topic(1), TOPIC_ID, LogConfig::default())
            .unwrap_err(),
        LogError::NoDirectory
    ));
}

#[test]
fn a_log_is_cut_on_a_full_disk_and_what_belongs_to_it_is_saved_later() {
    let dirs = Dirs::new();
    let manager = dirs.open(&["a"], 1, "c").unwrap();
    let log = manager
        .create(&topic(0), TOPIC_ID, LogConfig::default())
        .unwrap();
    for (epoch, sequence) in [(1, 0), (2, 2)] {
        let mut writer = log.take_lease(lease(epoch)).unwrap();
        writer.begin_epoch().unwrap();
        append(&mut writer, idempotent(0, sequence, 2));
    }
    let mut writer = log.take_lease(lease(3)).unwrap();
    dirs.fail_writes("a", io::ErrorKind::StorageFull);
    assert_eq!(writer.truncate_to(2).unwrap(), 2);
    assert_eq!(log.directory().offline_reason(), None);
    assert_eq!(log.reader().latest_epoch().unwrap().epoch, 1);
    dirs.faults.lock().unwrap().writes = None;
    writer.begin_epoch().unwrap();
    // The batch that was cut is none that was seen.
    assert!(!append(&mut writer, idempotent(0, 2, 3)).duplicate);
    manager.checkpoint();
    drop((writer, log, manager));
    let manager = dirs.open(&["a"], 1, "c").unwrap();
    manager.load_all().unwrap();
    let log = manager.get(&topic(0)).unwrap();
    assert_eq!(read_from(&log.reader(), 0), [(0, 2), (2, 3)]);
    let epochs = [0, 2].map(|offset| log.reader().epoch_at(offset));
    assert_eq!(epochs, [Some(1), Some(3)]);
}

#[test]
fn a_clean_start_reads_no_records() {
    let dirs = Dirs::new();
    let manager = dirs.open(&["a"], 1, "c").unwrap();
    for n in 0..20 {
        let log = manager
            .create(&topic(n), TOPIC_ID, LogConfig::default())
            .unwrap();
        let mut writer = log.take_lease(lease(0)).unwrap();
        for _ in 0..3 {
            append(&mut writer, batch_at(&[1], 100_000));
        }
        writer.roll().unwrap();
        append(&mut writer, batch(2));
    }
    assert_eq!(manager.shutdown(-1), 1);
    drop(manager);
    dirs.faults.lock().unwrap().reads.clear();
    let manager = dirs.open(&["a"], 1, "c").unwrap();
    let summary = manager.load_all().unwrap();
    assert_eq!(
        (
            summary.loaded,
            summary.unclean_dirs,
            summary.recovered.len()
        ),
        (20, 0, 0)
    );
    let reads = std::mem::take(&mut dirs.faults.lock().unwrap().reads);
    let of_logs = reads
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .count();
    // One header at the end of each last segment.
    assert_eq!(of_logs, 20);
    assert!(manager.logs().iter().all(|log| log.view().log_end() == 5));
    assert!(manager.open_files() <= 50);
    // The mark counts once.
    drop(manager);
    assert_eq!(
        dirs.open(&["a"], 1, "c")
            .unwrap()
            .load_all()
            .unwrap()
            .unclean_dirs,
        1
    );
}

#[test]
fn half_made_folders_and_strangers_are_left_out() {
    let dirs = Dirs::new();
    drop(dirs.open(&["a"], 1, "c").unwrap());
    for name in ["half-0", "__cluster_metadata-0", "raft", "x-future"] {
        std::fs::create_dir(dirs.path("a").join(name)).unwrap();
    }
    let manager = dirs.open(&["a"], 1, "c").unwrap();
    assert_eq!(manager.load_all().unwrap().loaded, 0);
    assert!(!dirs.path("a").join("half-0").exists());
    assert!(dirs.path("a").join("__cluster_metadata-0").exists());
}
