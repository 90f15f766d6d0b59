//! Logs that move to another directory while they are used.

use std::sync::Mutex;

use odeon_kernel::sim::DiskOp;

use super::*;

const RECORDS: i64 = 120;

/// Two directories on a simulated disk.
struct Two {
    disk: SimDisk,
    manager: LogManager,
}

impl Two {
    fn on(disk: SimDisk) -> Result<Self> {
        let config = ManagerConfig {
            dirs: vec!["/a".into(), "/b".into()],
            node_id: 1,
            cluster_id: Some("cluster".to_owned()),
            defaults: LogConfig {
                file_delete_delay_ms: 0,
                ..small_segments()
            },
            max_open_files: 50,
        };
        let rng = Arc::new(Rng::from_seed(1));
        let manager = LogManager::open(config, Arc::new(disk.clone()), clock(), rng)?;
        let summary = manager.load_all()?;
        match summary.failed.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(Self { disk, manager }),
        }
    }

    /// With a log of some records in `/a`.
    fn filled() -> (Self, Log, LogWriter) {
        let two = Self::on(SimDisk::new(clock())).unwrap();
        two.manager.prefer(&partition(), Path::new("/a")).unwrap();
        let config = LogConfig {
            file_delete_delay_ms: 0,
            ..small_segments()
        };
        let log = two.manager.create(&partition(), TOPIC_ID, config).unwrap();
        let mut writer = log.take_lease(lease(1)).unwrap();
        for n in 0..RECORDS / 2 {
            append(&mut writer, idempotent(0, (n * 2) as i32, 2));
        }
        (two, log, writer)
    }

    fn begin(&self) -> bool {
        self.manager
            .begin_move(&partition(), Path::new("/b"))
            .unwrap()
    }

    /// One step of a few hundred bytes.
    fn step(&self) -> MoveStep {
        self.manager.advance_move(&partition(), 500).unwrap()
    }

    fn finish(&self) {
        let mut steps = 0;
        while self.step() != MoveStep::Done {
            steps += 1;
            assert!(steps < 1_000, "it never ends");
        }
    }

    fn folders(&self, dir: &str) -> Vec<String> {
        use odeon_kernel::Disk;
        let entries = self.disk.read_dir(Path::new(dir)).unwrap();
        let folders = entries.into_iter().filter(|entry| entry.is_dir);
        folders.map(|entry| entry.name).collect()
    }
}

fn check(log: &Log, records: i64) {
    assert_eq!(log.view().log_end(), records);
    let found = read_from(&log.reader(), log.view().log_start());
    let expected: Vec<_> = (0..records / 2).map(|n| (n * 2, 2)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_log_moves_under_its_writer_and_its_readers() {
    let (two, log, mut writer) = Two::filled();
    assert!(two.begin());
    assert!(!two.begin(), "it is on its way");
    let reader = log.reader();
    let mut written = RECORDS;
    // The writer is faster than the copy at first.
    for _ in 0..10 {
        assert!(matches!(two.step(), MoveStep::Copied(_)));
        append(&mut writer, idempotent(0, written as i32, 2));
        written += 2;
    }
    let moves = two.manager.moves();
    let future = &moves[0].future;
    assert!(future.view().log_end() > 0 && future.view().log_end() < written);
    while !matches!(two.step(), MoveStep::Waits | MoveStep::Done) {}
    assert_eq!(two.folders("/b"), ["orders-3"]);
    check(&log, written);
    check(&writer.log(), written);
    assert_eq!(read_from(&reader, 0).len() as i64, written / 2);
    assert_eq!(log.directory().path(), Path::new("/b"));
    let home = vec![(partition(), log.directory().id())];
    assert_eq!(two.manager.new_homes(), home);
    two.manager.homes_told(&[(partition(), Uuid::ZERO)]);
    assert_eq!(two.manager.new_homes(), home);
    two.manager.homes_told(&home);
    assert!(two.manager.new_homes().is_empty());
    assert!(two.manager.moves().is_empty());
    append(&mut writer, idempotent(0, written as i32, 2));
    let again = writer.stage(idempotent(0, written as i32, 2), Origin::Client);
    assert!(again.unwrap().duplicate, "producers are known as before");
    two.manager.run_deletions();
    assert!(two.folders("/a").is_empty());
    assert_eq!(two.step(), MoveStep::Gone);
    drop((writer, reader, log));
    let Two { disk, manager } = two;
    assert_eq!(manager.shutdown(-1), 2);
    drop(manager);
    disk.kill_process();
    let two = Two::on(disk).unwrap();
    let log = two.manager.get(&partition()).unwrap();
    assert_eq!(log.directory().path(), Path::new("/b"));
    check(&log, written + 2);
}

#[test]
fn what_is_staged_holds_a_move_up_and_a_sync_under_way_publishes_what_the_move_synced() {
    let (two, log, mut writer) = Two::filled();
    two.begin();
    writer
        .stage(idempotent(0, RECORDS as i32, 2), Origin::Client)
        .unwrap();
    while two.step() != MoveStep::Waits {}
    assert_eq!(two.step(), MoveStep::Waits);
    writer.write().unwrap();
    let job = writer.sync_job().unwrap().unwrap();
    two.finish();
    assert_eq!(writer.complete_sync(job.run()).unwrap(), RECORDS + 2);
    assert_eq!(log.view().flushed(), RECORDS + 2);
    check(&log, RECORDS + 2);
}

#[test]
fn a_copy_begins_anew_when_the_log_was_cut_or_its_head_went() {
    let (two, log, mut writer) = Two::filled();
    two.begin();
    for _ in 0..4 {
        two.step();
    }
    writer.truncate_to(10).unwrap();
    two.step();
    let mut writer = log.take_lease(lease(2)).unwrap();
    writer.begin_epoch().unwrap();
    for n in 5..60 {
        append(&mut writer, idempotent(0, n * 2, 2));
    }
    two.step();
    // Within a batch.
    writer.delete_records(111, RECORDS).unwrap();
    two.finish();
    assert_eq!(log.view().log_start(), 111);
    assert_eq!(read_from(&log.reader(), 111)[0], (110, 2));
    assert_eq!(log.view().log_end(), RECORDS);
}

#[test]
fn a_move_ends_with_its_log_and_when_it_goes_back() {
    let (two, log, _writer) = Two::filled();
    two.begin();
    two.step();
    let home = Path::new("/a");
    assert!(!two.manager.begin_move(&partition(), home).unwrap());
    assert!(two.manager.moves().is_empty());
    two.manager.run_deletions();
    assert!(two.folders("/b").is_empty());
    two.begin();
    two.step();
    two.manager.delete(log.partition()).unwrap();
    assert_eq!(two.step(), MoveStep::Gone);
    two.manager.run_deletions();
    assert!(two.folders("/a").is_empty() && two.folders("/b").is_empty());
    let nowhere = two.manager.begin_move(&partition(), Path::new("/c"));
    assert!(matches!(nowhere, Err(LogError::NoSuchDirectory { .. })));
    let missing = two.manager.begin_move(&partition(), home);
    assert!(matches!(missing, Err(LogError::NoSuchLog { .. })));
}

#[test]
fn a_power_cut_at_any_operation_of_a_move_loses_nothing_and_the_move_goes_on() {
    let (two, log, writer) = Two::filled();
    let states: Arc<Mutex<Vec<SimDisk>>> = Arc::default();
    let (kept, disk) = (states.clone(), two.disk.clone());
    two.disk.set_hook(Arc::new(move |op: DiskOp, _: &Path| {
        if !matches!(op, DiskOp::Read | DiskOp::ReadDir) {
            let fork = disk.fork();
            fork.clear_faults();
            kept.lock().unwrap().push(fork);
        }
        Ok(())
    }));
    two.begin();
    two.finish();
    two.manager.run_deletions();
    two.disk.clear_faults();
    check(&log, RECORDS);
    drop((two, log, writer));
    let states = std::mem::take(&mut *states.lock().unwrap());
    assert!(states.len() > 50, "{}", states.len());
    let mut resumed = 0;
    for (n, disk) in states.into_iter().enumerate() {
        for seed in 0..4 {
            let disk = disk.fork();
            match seed {
                0 => disk.kill_process(),
                _ => disk.power_cut(seed),
            }
            let two = Two::on(disk).unwrap_or_else(|error| panic!("{n}/{seed}: {error}"));
            let log = two.manager.get(&partition());
            let log = log.unwrap_or_else(|| panic!("{n}/{seed}: the log is lost"));
            check(&log, RECORDS);
            if two.manager.moves().is_empty() {
                continue;
            }
            resumed += 1;
            two.finish();
            check(&log, RECORDS);
            assert_eq!(log.directory().path(), Path::new("/b"));
        }
    }
    assert!(resumed > 20, "{resumed}");
}
