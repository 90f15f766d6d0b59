use std::sync::Mutex;

use super::faulty::{Faults, FaultyDisk};
use super::*;

#[test]
fn what_was_appended_is_read_back() {
    let bed = Bed::new();
    let log = bed.create(LogConfig::default());
    let mut writer = log.take_lease(lease(5)).unwrap();
    let first = writer.stage(batch(3), Origin::Client).unwrap();
    let second = writer.stage(batch(2), Origin::Client).unwrap();
    assert_eq!((first.base_offset, first.last_offset), (0, 2));
    assert_eq!((second.base_offset, second.last_offset), (3, 4));
    assert_eq!(log.view().log_end(), 0);
    assert_eq!(writer.write().unwrap().log_end, 5);
    assert_eq!((log.view().log_end(), log.view().flushed()), (5, 0));
    sync(&mut writer);
    assert_eq!((log.view().flushed(), log.view().recovery_point()), (5, 5));
    assert_eq!(read_from(&log.reader(), 0), [(0, 3), (3, 2)]);
    let (header, _) = split_batches(log.reader().read(0, 1 << 20, 5, true).unwrap().records)
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(header.partition_leader_epoch, 5);
}

#[test]
fn an_offset_inside_a_batch_returns_that_batch() {
    let bed = Bed::new();
    let log = bed.create(LogConfig::default());
    let mut writer = log.take_lease(lease(0)).unwrap();
    append(&mut writer, batch(10));
    append(&mut writer, batch(10));
    let reader = log.reader();
    for offset in 0..20 {
        let read = reader.read(offset, 1, i64::MAX, true).unwrap();
        let (header, _) = split_batches(read.records).next().unwrap().unwrap();
        assert_eq!(header.base_offset, offset / 10 * 10);
        assert_eq!(read.next_offset, offset / 10 * 10 + 10);
    }
    assert!(
        reader
            .read(20, 1, i64::MAX, true)
            .unwrap()
            .records
            .is_empty()
    );
    for outside in [-1, 21] {
        let error = reader.read(outside, 1, i64::MAX, true).unwrap_err();
        assert!(
            matches!(error, LogError::OffsetOutOfRange { log_end: 20, .. }),
            "{error}"
        );
    }
}

#[test]
fn a_read_that_would_wait_for_the_disk_says_so() {
    let faults = Arc::new(Mutex::new(Faults::default()));
    let disk = FaultyDisk {
        faults: faults.clone(),
    };
    let dir = tempfile::tempdir().unwrap();
    let manager = manager_on(Arc::new(disk), dir.path());
    let log = manager.create(&partition(), TOPIC_ID, LogConfig::default());
    let (log, reader) = log.map(|log| (log.clone(), log.reader())).unwrap();
    let mut writer = log.take_lease(lease(0)).unwrap();
    append(&mut writer, batch(3));
    append(&mut writer, batch(3));
    let cached = |offset| reader.read_cached(offset, 1 << 20, 6, true).unwrap();
    let records = |read: Option<LogRead>| read.map(|read| read.records.len());
    let size = log.reader().size_bytes() as usize;
    assert_eq!(
        records(cached(0)),
        Some(size),
        "what was just written is at hand"
    );
    assert_eq!(
        records(cached(6)),
        Some(0),
        "nor is there anything to wait for at the end"
    );
    assert_eq!(cached(1), None, "where offset 1 lies is in the index only");
    faults.lock().unwrap().cold = true;
    assert_eq!(cached(0), None);
    assert_eq!(
        reader.read(0, 1 << 20, 6, true).unwrap().records.len(),
        size
    );
}

#[test]
fn nothing_beyond_the_bound_is_read() {
    let bed = Bed::new();
    let log = bed.create(LogConfig::default());
    let mut writer = log.take_lease(lease(0)).unwrap();
    for _ in 0..4 {
        append(&mut writer, batch(5));
    }
    let reader = log.reader();
    for (upper, end) in [(0, 0), (4, 0), (5, 5), (9, 5), (10, 10), (20, 20), (99, 20)] {
        assert_eq!(
            reader.read(0, 1 << 20, upper, true).unwrap().next_offset,
            end,
            "{upper}"
        );
    }
}

#[test]
fn only_the_first_batch_may_exceed_the_limit() {
    let bed = Bed::new();
    let log = bed.create(LogConfig::default());
    let mut writer = log.take_lease(lease(0)).unwrap();
    let size = batch_at(&[1], 1000).size_bytes();
    for _ in 0..5 {
        append(&mut writer, batch_at(&[1], 1000));
    }
    let reader = log.reader();
    let bytes = |max, one| reader.read(0, max, i64::MAX, one).unwrap().records.len();
    assert_eq!(bytes(1, true), size);
    assert_eq!(bytes(1, false), 0);
    assert_eq!(
        reader.read(0, 9, 99, false).unwrap().too_large_bytes,
        Some(size)
    );
    assert_eq!(bytes(size, false), size);
    assert_eq!(bytes(size * 2 + 5, false), size * 2);
    assert_eq!(bytes(size * 9, false), size * 5);
}

#[test]
fn a_fenced_writer_cannot_append() {
    let bed = Bed::new();
    let log = bed.create(LogConfig::default());
    let mut old = log.take_lease(lease(3)).unwrap();
    append(&mut old, batch(1));
    old.stage(batch(1), Origin::Client).unwrap();
    old.write().unwrap();
    let job = old.sync_job().unwrap().unwrap();
    old.stage(batch(1), Origin::Client).unwrap();
    let mut new = log
        .take_lease(Lease {
            leader_epoch: 3,
            incarnation: 1,
        })
        .unwrap();
    for error in [
        old.stage(batch(1), Origin::Client).unwrap_err(),
        old.write().unwrap_err(),
        old.truncate_to(0).unwrap_err(),
        old.complete_sync(job.run()).unwrap_err(),
        log.take_lease(lease(3)).unwrap_err(),
        log.take_lease(new.lease()).unwrap_err(),
    ] {
        assert!(matches!(error, LogError::Fenced { .. }), "{error}");
    }
    // What the old one had staged is gone, what it had written is there and gets synced again.
    assert_eq!(log.view().flushed(), 1);
    sync(&mut new);
    assert_eq!(log.view().flushed(), 2);
    assert_eq!(append(&mut new, batch(1)).base_offset, 2);
}

#[test]
fn a_retry_is_answered_with_the_original_offset() {
    let bed = Bed::new();
    let log = bed.create(LogConfig::default());
    let mut writer = log.take_lease(lease(0)).unwrap();
    append(&mut writer, batch(7));
    let original = append(&mut writer, idempotent(0, 0, 3));
    let staged = writer.stage(idempotent(0, 3, 2), Origin::Client).unwrap();
    let again = writer.stage(idempotent(0, 3, 2), Origin::Client).unwrap();
    assert_eq!(
        again,
        Staged {
            duplicate: true,
            ..staged
        }
    );
    let again = writer.stage(idempotent(0, 0, 3), Origin::Client).unwrap();
    assert_eq!(
        again,
        Staged {
            duplicate: true,
            ..original
        }
    );
    let gap = writer
        .stage(idempotent(0, 6, 1), Origin::Client)
        .unwrap_err();
    assert!(
        matches!(
            gap,
            LogError::OutOfOrderSequence {
                current: 4,
                incoming: 6,
                ..
            }
        ),
        "{gap}"
    );
    writer.stage(idempotent(1, 0, 1), Origin::Client).unwrap();
    let old = writer
        .stage(idempotent(0, 5, 1), Origin::Client)
        .unwrap_err();
    assert!(
        matches!(old, LogError::InvalidProducerEpoch { current: 1, .. }),
        "{old}"
    );
    // Taken back, the sequences are free again.
    writer.discard_staged().unwrap();
    let staged = writer.stage(idempotent(0, 3, 2), Origin::Client).unwrap();
    assert_eq!((staged.base_offset, staged.duplicate), (10, false));
}

#[test]
fn five_batches_are_recognised_after_a_clean_stop_and_after_a_crash_behind_a_roll() {
    let mut bed = Bed::new();
    let log = bed.create(small_segments());
    let mut writer = log.take_lease(lease(0)).unwrap();
    for n in 0..6 {
        append(&mut writer, idempotent(0, n * 2, 2));
    }
    writer.roll().unwrap();
    sync(&mut writer);
    bed.manager().checkpoint();
    for restart in [Bed::crash, Bed::restart, Bed::restart] {
        let log = restart(&mut bed);
        let mut writer = log.take_lease(lease(0)).unwrap();
        for n in 1..6 {
            let again = writer
                .stage(idempotent(0, n * 2, 2), Origin::Client)
                .unwrap();
            assert_eq!(
                (again.base_offset, again.duplicate),
                (i64::from(n) * 2, true)
            );
        }
        assert!(
            !writer
                .stage(idempotent(0, 12, 2), Origin::Client)
                .unwrap()
                .duplicate
        );
    }
}

#[test]
fn segments_roll_by_size_age_and_full_index() {
    let bed = Bed::new();
    let size = batch_at(&[1], 100).size_bytes() as u32;
    let config = LogConfig {
        segment_bytes: size * 3,
        segment_ms: 1000,
        ..LogConfig::default()
    };
    let log = bed.create(config.clone());
    let mut writer = log.take_lease(lease(0)).unwrap();
    let bases = || {
        log.reader()
            .segments()
            .iter()
            .map(|s| s.base_offset)
            .collect::<Vec<_>>()
    };
    for _ in 0..7 {
        writer.stage(batch_at(&[1], 100), Origin::Client).unwrap();
    }
    assert_eq!(writer.write().unwrap().rolls, 3);
    assert_eq!(bases(), [0, 3, 6]);
    append(&mut writer, batch_at(&[1001], 100));
    assert_eq!(bases(), [0, 3, 6]);
    append(&mut writer, batch_at(&[1002], 100));
    assert_eq!(bases(), [0, 3, 6, 8]);
    // Four entries fill this index; one is due with each batch but the first.
    log.set_config(LogConfig {
        segment_index_bytes: 36,
        index_interval_bytes: 1,
        ..config
    });
    for _ in 0..9 {
        append(&mut writer, batch_at(&[1002], 0));
    }
    assert_eq!(bases(), [0, 3, 6, 8, 13]);
    assert_eq!(read_from(&log.reader(), 0).len(), 18);
    let too_large = writer
        .stage(batch_at(&[1], 1000), Origin::Client)
        .unwrap_err();
    assert!(
        matches!(too_large, LogError::RecordListTooLarge { .. }),
        "{too_large}"
    );
    assert!(bed.files(".snapshot").len() == 4);
}

#[test]
fn an_offset_too_far_from_the_base_rolls() {
    let bed = Bed::new();
    let log = bed.create(LogConfig::default());
    let mut writer = log.take_lease(lease(0)).unwrap();
    for base in [0, 10, i64::from(i32::MAX), i64::from(i32::MAX) + 1] {
        let mut copied = batch(1);
        copied.set_base_offset(base);
        copied.set_leader_epoch(1);
        writer.stage(copied, Origin::Replica).unwrap();
    }
    writer.write().unwrap();
    let bases: Vec<_> = log
        .reader()
        .segments()
        .iter()
        .map(|s| s.base_offset)
        .collect();
    assert_eq!(bases, [0, i64::from(i32::MAX) + 1]);
    let mut late = batch(1);
    late.set_base_offset(5);
    let error = writer.stage(late, Origin::Replica).unwrap_err();
    assert!(
        matches!(error, LogError::UnexpectedOffset { .. }),
        "{error}"
    );
    assert_eq!(
        read_from(&log.reader(), 11),
        [(i64::from(i32::MAX), 1), (1 << 31, 1)]
    );
}

#[test]
fn records_are_found_by_their_time() {
    let bed = Bed::new();
    let log = bed.create(small_segments());
    let mut writer = log.take_lease(lease(2)).unwrap();
    // Out of order within and across batches.
    let times = [[10, 30, 20], [25, 5, 40], [40, 39, 38], [60, 50, 60]];
    for _ in 0..3 {
        for t in &times {
            append(&mut writer, batch_at(t, 40));
        }
    }
    let flat: Vec<i64> = (0..3)
        .flat_map(|_| times.iter().flatten().copied())
        .collect();
    let reader = log.reader();
    for wanted in 0..=61 {
        for upper in [0, 3, 6, 12, 36] {
            let expected = flat.iter().take(upper).position(|t| *t >= wanted);
            let found = reader.offset_for_timestamp(wanted, upper as i64).unwrap();
            let expected = expected.map(|at| FoundTimestamp {
                timestamp: flat[at],
                offset: at as i64,
                leader_epoch: 2,
            });
            assert_eq!(found, expected, "{wanted} below {upper}");
        }
    }
    let max = |upper| {
        reader
            .max_timestamp(upper)
            .unwrap()
            .map(|f| (f.timestamp, f.offset))
    };
    assert_eq!(
        (max(36), max(12), max(9), max(3), max(0)),
        (
            Some((60, 9)),
            Some((60, 9)),
            Some((40, 5)),
            Some((30, 1)),
            None
        )
    );
}

#[test]
fn epochs_are_remembered_across_restarts() {
    let mut bed = Bed::new();
    let log = bed.create(LogConfig::default());
    for epoch in [1, 4] {
        let mut writer = log.take_lease(lease(epoch)).unwrap();
        writer.begin_epoch().unwrap();
        append(&mut writer, batch(5));
    }
    for restart in [Bed::crash, Bed::restart] {
        let reader = restart(&mut bed).reader();
        assert_eq!(reader.end_offset_for_epoch(1), Some((1, 5)));
        assert_eq!(reader.end_offset_for_epoch(3), Some((1, 5)));
        assert_eq!(reader.end_offset_for_epoch(4), Some((4, 10)));
        assert_eq!(reader.end_offset_for_epoch(5), None);
        assert_eq!((reader.epoch_at(4), reader.epoch_at(5)), (Some(1), Some(4)));
    }
}

#[test]
fn page_cache_mode_publishes_at_once_and_keeps_the_recovery_point() {
    let bed = Bed::new();
    let log = bed.create(LogConfig {
        sync: SyncMode::PageCache,
        ..LogConfig::default()
    });
    let mut writer = log.take_lease(lease(0)).unwrap();
    writer.stage(batch(3), Origin::Client).unwrap();
    writer.write().unwrap();
    assert_eq!((log.view().flushed(), log.view().recovery_point()), (3, 0));
}

#[test]
fn large_appends_reserve_blocks_and_give_them_back() {
    use std::os::unix::fs::MetadataExt;
    let bed = Bed::new();
    let log = bed.create(LogConfig::default());
    let mut writer = log.take_lease(lease(0)).unwrap();
    for _ in 0..23 {
        append(&mut writer, batch_at(&[1], 100_000));
    }
    let blocks = || std::fs::metadata(bed.folder().join(&bed.files(".log")[0])).unwrap();
    let (ahead, size) = (blocks().blocks() * 512, blocks().size());
    writer.trim().unwrap();
    assert!(ahead > size + 500_000, "{ahead} blocks for {size}");
    assert!(blocks().blocks() * 512 < size + 8192);
    append(&mut writer, batch(1));
}
