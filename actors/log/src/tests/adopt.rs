//! Partitions that another process wrote are taken over, and strays are kept.

use super::*;

/// A log in a directory of its own: epochs 2 and 5, several segments, a producer with a sequence.
fn written() -> Bed {
    let bed = Bed::new();
    let log = bed.create(small_segments());
    let mut writer = log.take_lease(lease(2)).unwrap();
    writer.begin_epoch().unwrap();
    for sequence in 0..30 {
        append(&mut writer, idempotent(0, sequence * 2, 2));
        append(&mut writer, batch(3));
    }
    writer = log.take_lease(lease(5)).unwrap();
    writer.begin_epoch().unwrap();
    append(&mut writer, idempotent(0, 60, 2));
    writer.delete_records(40, i64::MAX).unwrap();
    bed
}

fn disk() -> SharedDisk {
    Arc::new(RealDisk)
}

fn find(path: &Path) -> LogSource {
    let mut found = LogSource::find(&disk(), path).unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn adoption(source: &LogSource, moves: bool) -> Result<Adoption> {
    let mut bytes = 0;
    let report = source.check(&disk(), &mut |more| bytes += more)?;
    assert_eq!(bytes, source.size_bytes, "all of it was looked at");
    Ok(Adoption {
        report,
        partition: TopicPartition::new("taken", 7),
        topic_id: source.topic_id.unwrap(),
        source: source.clone(),
        moves,
    })
}

/// The name, length and bytes of every file in a folder.
#[expect(clippy::disallowed_methods, reason = "a look behind the log's back")]
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = list(folder);
    files.sort();
    let read = |path: PathBuf| (path.clone(), std::fs::read(path).unwrap());
    files.into_iter().map(read).collect()
}

#[expect(clippy::disallowed_methods, reason = "damage behind the log's back")]
fn change(path: &Path, work: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    work(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// What was written by [`written`] is in the log, and the log goes on as if it had always been here.
fn check_taken(log: &Log, end: i64) {
    let reader = log.reader();
    assert_eq!((log.view().log_start(), log.view().log_end()), (40, end));
    let records: i64 = read_from(&reader, 40).iter().map(|b| i64::from(b.1)).sum();
    assert!((end - 40..end - 40 + 3).contains(&records), "{records}");
    assert_eq!(reader.epoch_at(60), Some(2));
    let mut writer = log.take_lease(lease(6)).unwrap();
    writer.begin_epoch().unwrap();
    let repeated = writer.stage(idempotent(0, 58, 2), Origin::Client).unwrap();
    assert!(repeated.duplicate, "a retry is known");
    let next = append(&mut writer, idempotent(0, 62, 1));
    assert_eq!(next.base_offset, end);
    assert_eq!(reader.epoch_at(end), Some(6));
}

#[test]
fn a_cleanly_closed_partition_is_copied_and_goes_on() {
    let mut source = written();
    assert_eq!(source.manager().shutdown(-1), 1);
    source.manager = None;
    let before = content(&source.folder());
    let mut target = Bed::new();
    let found = find(source.dir.path());
    let adopted = adoption(&found, false).unwrap();
    assert_eq!(adopted.report.latest_epoch, Some(5));
    assert_eq!(adopted.report.torn_bytes, 0);
    let taken = target.manager().adopt(&adopted, &mut |_| ()).unwrap();
    check_taken(&taken.log, 152);
    assert_eq!(taken.log.topic_id(), TOPIC_ID);
    target.manager().keep(taken).unwrap();
    assert_eq!(content(&source.folder()), before, "the source is untouched");
    let again = target.manager().adopt(&adopted, &mut |_| ());
    assert!(matches!(again, Err(LogError::Exists { .. })));
    let summary = target.load();
    assert_eq!((summary.loaded, summary.failed.len()), (1, 0));
    let log = target.manager().get(&TopicPartition::new("taken", 7));
    assert_eq!(log.unwrap().view().log_end(), 153);
    let names = list(target.dir.path());
    let is_left = |path: &PathBuf| path.to_string_lossy().ends_with("-delete");
    assert!(!names.iter().any(is_left), "{names:?}");
}

#[test]
fn a_killed_writers_unfinished_end_is_dropped_and_indexes_are_made_anew() {
    let mut source = written();
    source.manager = None;
    let last = source.files(".log").pop().unwrap();
    change(&source.folder().join(last), |bytes| {
        let torn = bytes[..70].to_vec();
        bytes.extend(torn);
    });
    for name in source.files("index") {
        change(&source.folder().join(name), |bytes| bytes.fill(0xff));
    }
    let target = Bed::new();
    let adopted = adoption(&find(&source.folder()), false).unwrap();
    assert_eq!(adopted.report.torn_bytes, 70);
    let taken = target.manager().adopt(&adopted, &mut |_| ()).unwrap();
    check_taken_without_start(&taken.log);
}

/// A killed process may not have written where its log starts.
fn check_taken_without_start(log: &Log) {
    let first = log.view().log_start();
    let batches = read_from(&log.reader(), first);
    let records: i64 = batches.iter().map(|b| i64::from(b.1)).sum();
    assert_eq!(records, 152 - first);
    let found = log.reader().read(100, 1, i64::MAX, true).unwrap();
    assert!(found.next_offset > 100, "by the new index");
}

#[test]
fn damage_is_refused_and_nothing_is_taken() {
    let mut source = written();
    assert_eq!(source.manager().shutdown(-1), 1);
    source.manager = None;
    let found = find(source.dir.path());
    let files = source.files(".log");
    for at in [0, files.len() - 1] {
        let path = source.folder().join(&files[at]);
        change(&path, |bytes| bytes[65] ^= 1);
        let refused = adoption(&found, false);
        match refused {
            Err(LogError::Corrupt { path: named, .. }) => assert_eq!(named, path),
            other => panic!("{other:?}"),
        }
        change(&path, |bytes| bytes[65] ^= 1);
    }
    // Its end goes behind the check's back.
    let adopted = adoption(&found, false).unwrap();
    let last = source.folder().join(&files[files.len() - 1]);
    change(&last, |bytes| bytes.truncate(70));
    let target = Bed::new();
    let before = list(target.dir.path()).len();
    let refused = target.manager().adopt(&adopted, &mut |_| ());
    assert!(matches!(refused, Err(LogError::Corrupt { .. })));
    assert_eq!(list(target.dir.path()).len(), before);
}

#[test]
fn a_directory_in_use_is_refused() {
    let source = written();
    let found = find(source.dir.path());
    let refused = found.lock(&disk());
    assert!(matches!(refused, Err(LogError::Locked { .. })));
}

#[test]
fn a_moved_partition_is_gone_from_its_place_and_can_be_given_back() {
    let mut source = written();
    assert_eq!(source.manager().shutdown(-1), 1);
    source.manager = None;
    let target = Bed::new();
    let adopted = adoption(&find(source.dir.path()), true).unwrap();
    let taken = target.manager().adopt(&adopted, &mut |_| ()).unwrap();
    assert!(list(source.dir.path()).iter().all(|path| !path.is_dir()));
    assert_eq!(taken.log.view().log_end(), 152);
    target.manager().give_back(taken).unwrap();
    assert!(target.manager().logs().is_empty());
    let summary = source.load();
    assert_eq!((summary.loaded, summary.failed.len()), (1, 0));
    let log = source.manager().get(&partition()).unwrap();
    assert_eq!((log.view().log_start(), log.view().log_end()), (40, 152));
}

#[test]
fn a_stray_is_kept_through_restarts_and_can_be_taken_back() {
    let mut bed = written();
    let stray = bed.manager().set_aside(&partition()).unwrap();
    assert!(bed.manager().get(&partition()).is_none());
    let name = stray.file_name().unwrap().to_string_lossy().into_owned();
    assert!(
        name.starts_with("orders-3.") && name.ends_with("-stray"),
        "{name}"
    );
    let refused = bed.manager().set_aside(&partition());
    assert!(matches!(refused, Err(LogError::NoSuchLog { .. })));
    let summary = bed.load();
    assert_eq!((summary.loaded, summary.failed.len()), (0, 0));
    bed.manager().run_deletions();
    assert!(stray.is_dir());
    let mut adopted = adoption(&find(&stray), true).unwrap();
    adopted.partition = partition();
    let taken = bed.manager().adopt(&adopted, &mut |_| ()).unwrap();
    assert_eq!(taken.log.view().log_end(), 152);
    bed.manager().keep(taken).unwrap();
    assert!(!stray.exists());
}
