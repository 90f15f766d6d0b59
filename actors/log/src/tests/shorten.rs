use std::time::Duration;

use super::*;

const NOW: Duration = Duration::from_secs(100);

/// Three batches of 10, one a segment, at the times 1000, 2000 and 3000.
fn three_segments(bed: &Bed, config: LogConfig) -> (Log, LogWriter) {
    let log = bed.create(config);
    let mut writer = log.take_lease(lease(0)).unwrap();
    for time in [1000, 2000, 3000] {
        append(&mut writer, batch_at(&[time; 10], 10));
        if time < 3000 {
            writer.roll().unwrap();
        }
    }
    (log, writer)
}

fn bases(log: &Log) -> Vec<i64> {
    log.reader()
        .segments()
        .iter()
        .map(|s| s.base_offset)
        .collect()
}

#[test]
fn old_segments_go_by_their_newest_record() {
    let bed = Bed::new();
    let config = LogConfig {
        retention_ms: 500,
        ..LogConfig::default()
    };
    let (log, mut writer) = three_segments(&bed, config);
    assert_eq!(writer.apply_retention(1500, NOW, 30).unwrap().segments, 0);
    let done = writer.apply_retention(2501, NOW, 30).unwrap();
    assert_eq!((done.segments, done.log_start), (2, 20));
    assert_eq!((bases(&log), log.view().log_start()), (vec![20], 20));
    assert!(matches!(
        log.reader().read(19, 1, 99, true).unwrap_err(),
        LogError::OffsetOutOfRange { log_start: 20, .. }
    ));
    assert_eq!(read_from(&log.reader(), 20), [(20, 10)]);
}

#[test]
fn the_active_segment_rolls_when_all_is_due_and_offsets_go_on() {
    let mut bed = Bed::new();
    let config = LogConfig {
        retention_ms: 500,
        ..LogConfig::default()
    };
    let (log, mut writer) = three_segments(&bed, config.clone());
    let done = writer.apply_retention(9999, NOW, 30).unwrap();
    assert_eq!((done.segments, done.log_start), (3, 30));
    assert_eq!(bases(&log), [30]);
    // Once more: an empty segment is never due.
    assert_eq!(writer.apply_retention(9999, NOW, 30).unwrap().segments, 0);
    for restart in [Bed::crash, Bed::restart] {
        let log = restart(&mut bed);
        assert_eq!((log.view().log_start(), log.view().log_end()), (30, 30));
    }
    let log = bed.crash();
    let mut writer = log.take_lease(lease(1)).unwrap();
    assert_eq!(append(&mut writer, batch(1)).base_offset, 30);
}

#[test]
fn nothing_above_the_high_watermark_goes() {
    let bed = Bed::new();
    let (log, mut writer) = three_segments(
        &bed,
        LogConfig {
            retention_ms: 0,
            ..LogConfig::default()
        },
    );
    assert_eq!(writer.apply_retention(99_999, NOW, 19).unwrap().segments, 1);
    assert_eq!(bases(&log), [10, 20]);
}

#[test]
fn the_oldest_segments_go_when_there_are_too_many_bytes() {
    let bed = Bed::new();
    let (log, mut writer) = three_segments(&bed, LogConfig::default());
    let size = log.reader().segments()[0].size_bytes as i64;
    let mut limit = |bytes| {
        log.set_config(LogConfig {
            retention_bytes: bytes,
            ..LogConfig::default()
        });
        writer.apply_retention(0, NOW, 30).unwrap().segments
    };
    assert_eq!(
        (limit(size * 3), limit(size * 2 + 1), limit(size * 2)),
        (0, 0, 1)
    );
    assert_eq!((limit(size - 1), limit(1)), (1, 0));
    assert_eq!((limit(0), bases(&log)), (1, vec![30]));
    let no_delete = LogConfig {
        retention_bytes: 0,
        delete: false,
        ..LogConfig::default()
    };
    log.set_config(no_delete);
    append(&mut writer, batch(1));
    assert_eq!(writer.apply_retention(99_999, NOW, 31).unwrap().segments, 0);
}

#[test]
fn removed_files_wait_and_then_go() {
    let bed = Bed::new();
    let config = LogConfig {
        retention_ms: 0,
        file_delete_delay_ms: 1000,
        ..LogConfig::default()
    };
    let (log, mut writer) = three_segments(&bed, config);
    let reader = log.reader();
    let early = log.shared.segments();
    writer.apply_retention(2500, NOW, 30).unwrap();
    assert_eq!(bed.files(".log.deleted").len(), 2);
    // A read that had begun goes on, although the file has another name by now.
    early[0].close();
    assert!(early[0].find(5).unwrap().is_some());
    assert_eq!(
        writer.next_deletion().unwrap(),
        Some(NOW + Duration::from_secs(1))
    );
    assert_eq!(writer.run_deletions(NOW).unwrap(), 0);
    assert_eq!(
        writer.run_deletions(NOW + Duration::from_secs(1)).unwrap(),
        2
    );
    assert_eq!(
        (bed.files(".deleted").len(), bed.files(".log").len()),
        (0, 1)
    );
    assert_eq!(read_from(&reader, 20), [(20, 10)]);
}

#[test]
fn deleted_records_stay_deleted() {
    let mut bed = Bed::new();
    let (log, mut writer) = three_segments(&bed, LogConfig::default());
    assert!(writer.delete_records(31, 30).is_err());
    assert_eq!(writer.delete_records(15, 30).unwrap(), 15);
    assert_eq!(writer.delete_records(3, 30).unwrap(), 15);
    assert!(log.reader().read(14, 1, 99, true).is_err());
    assert_eq!(read_from(&log.reader(), 15), [(10, 10), (20, 10)]);
    assert_eq!(writer.apply_retention(0, NOW, 30).unwrap().segments, 1);
    assert_eq!(log.view().log_start(), 15);
    bed.manager().checkpoint();
    assert_eq!(bed.crash().view().log_start(), 15);
    assert_eq!(bed.restart().view().log_start(), 15);
    let log = bed.crash();
    let mut writer = log.take_lease(lease(1)).unwrap();
    assert_eq!(writer.delete_records(30, 30).unwrap(), 30);
    assert_eq!(writer.apply_retention(0, NOW, 30).unwrap().segments, 2);
    assert_eq!((bases(&log), log.view().log_end()), (vec![30], 30));
}

#[test]
fn truncation_cuts_at_batches_and_forgets_what_was_behind() {
    let mut bed = Bed::new();
    let log = bed.create(small_segments());
    let mut writer = log.take_lease(lease(1)).unwrap();
    for n in 0..30 {
        append(&mut writer, idempotent(0, n * 2, 2));
        if n == 20 {
            writer = log.take_lease(lease(2)).unwrap();
        }
    }
    let segments = bases(&log).len();
    assert!(segments > 2);
    assert_eq!(writer.truncate_to(99).unwrap(), 60);
    assert_eq!(writer.truncate_to(43).unwrap(), 42);
    assert_eq!(writer.truncate_to(40).unwrap(), 40);
    let check = |log: &Log| {
        assert_eq!((log.view().log_end(), log.view().flushed()), (40, 40));
        assert_eq!(read_from(&log.reader(), 0).len(), 20);
        assert_eq!(log.reader().latest_epoch().map(|e| e.epoch), Some(1));
    };
    check(&log);
    let gap = writer
        .stage(idempotent(0, 42, 2), Origin::Client)
        .unwrap_err();
    assert!(
        matches!(gap, LogError::OutOfOrderSequence { current: 39, .. }),
        "{gap}"
    );
    check(&bed.crash());
    check(&bed.restart());
    let log = bed.crash();
    let mut writer = log.take_lease(lease(3)).unwrap();
    assert_eq!(append(&mut writer, idempotent(0, 40, 2)).base_offset, 40);
    assert_eq!(log.reader().end_offset_for_epoch(2), Some((1, 40)));
}

#[test]
fn a_follower_that_is_too_far_behind_starts_anew() {
    let mut bed = Bed::new();
    let (log, mut writer) = three_segments(&bed, LogConfig::default());
    writer.truncate_fully_and_start_at(1000).unwrap();
    let check = |log: &Log| {
        assert_eq!((log.view().log_start(), log.view().log_end()), (1000, 1000));
        assert_eq!(
            (bases(log), log.reader().latest_epoch()),
            (vec![1000], None)
        );
    };
    check(&log);
    check(&bed.crash());
    check(&bed.restart());
}

#[test]
fn a_sync_that_overlaps_a_truncation_publishes_nothing() {
    let bed = Bed::new();
    let (log, mut writer) = three_segments(&bed, LogConfig::default());
    writer.stage(batch(5), Origin::Client).unwrap();
    writer.write().unwrap();
    let job = writer.sync_job().unwrap().unwrap();
    assert!(writer.sync_job().unwrap().is_none());
    writer.truncate_to(20).unwrap();
    let done = job.run();
    writer.stage(batch(20), Origin::Client).unwrap();
    writer.write().unwrap();
    assert_eq!(writer.complete_sync(done).unwrap(), 20);
    sync(&mut writer);
    assert_eq!(log.view().flushed(), 40);
}
