//! What a torn, lost or mangled file does to a log.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

/// The files of a folder, to be put back.
fn save(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = list(folder);
    entries
        .into_iter()
        .map(|p| (p.clone(), read_file(&p)))
        .collect()
}

fn restore(folder: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for (path, _) in save(folder)
        .iter()
        .filter(|(path, _)| !files.contains_key(*path))
    {
        remove(path);
    }
    files
        .iter()
        .for_each(|(path, bytes)| write_file(path, bytes));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the damage is done behind the log's back"
)]
fn read_file(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the damage is done behind the log's back"
)]
fn write_file(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the damage is done behind the log's back"
)]
fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

type Mangle<'a> = &'a dyn Fn(&mut Vec<u8>);

/// Three durable batches in two segments and a fourth that was only written.
fn bed_with_a_tail() -> (Bed, PathBuf, usize) {
    let bed = Bed::new();
    let log = bed.create(LogConfig::default());
    let mut writer = log.take_lease(lease(1)).unwrap();
    append(&mut writer, idempotent(0, 0, 2));
    append(&mut writer, idempotent(0, 2, 2));
    writer.roll().unwrap();
    append(&mut writer, idempotent(0, 4, 2));
    bed.manager().checkpoint();
    let last = idempotent(0, 6, 3);
    let size = last.size_bytes();
    writer.stage(last, Origin::Client).unwrap();
    writer.write().unwrap();
    let path = bed.folder().join(bed.files(".log").pop().unwrap());
    (bed, path, size)
}

const SYNCED: [(i64, i32); 3] = [(0, 2), (2, 2), (4, 2)];

/// After any damage to the tail: what was synced is there, nothing torn is, and the log goes on.
fn check_recovery(bed: &mut Bed, what: &str) {
    let log = bed.crash();
    let found = read_from(&log.reader(), 0);
    assert_eq!(found, SYNCED, "{what}");
    assert_eq!(
        (log.view().log_end(), log.view().flushed()),
        (6, 6),
        "{what}"
    );
    let mut writer = log.take_lease(lease(2)).unwrap();
    let again = writer.stage(idempotent(0, 4, 2), Origin::Client).unwrap();
    assert!(again.duplicate, "{what}");
    let next = append(&mut writer, idempotent(0, 6, 1));
    assert_eq!((next.base_offset, next.duplicate), (6, false), "{what}");
    assert_eq!(read_from(&log.reader(), 6), [(6, 1)], "{what}");
}

#[test]
fn a_torn_tail_is_cut_wherever_it_was_torn() {
    let (mut bed, path, size) = bed_with_a_tail();
    let files = save(&bed.folder());
    let whole = files[&path].clone();
    for torn in 1..=size {
        let at = whole.len() - torn;
        let mangle: [(&str, Mangle<'_>); 4] = [
            ("cut", &|bytes| bytes.truncate(at)),
            ("zeroed", &|bytes| bytes[at..].fill(0)),
            ("flipped", &|bytes| {
                bytes[at..].iter_mut().for_each(|b| *b ^= 0xff)
            }),
            ("zeroed and longer", &|bytes| {
                bytes[at..].fill(0);
                bytes.extend_from_slice(&[0; 5000]);
            }),
        ];
        for (name, mangle) in mangle {
            let mut bytes = whole.clone();
            mangle(&mut bytes);
            if bytes.starts_with(&whole) {
                continue;
            }
            bed.manager = None;
            restore(&bed.folder(), &files);
            write_file(&path, &bytes);
            check_recovery(&mut bed, &format!("the last {torn} bytes {name}"));
        }
    }
}

#[test]
fn any_flipped_bit_under_the_checksum_is_found() {
    let (mut bed, path, size) = bed_with_a_tail();
    let files = save(&bed.folder());
    let whole = files[&path].clone();
    // The leader writes base offset and leader epoch after the checksum was made: not covered.
    for at in (8..12).chain(16..size) {
        let mut bytes = whole.clone();
        let at = whole.len() - size + at;
        bytes[at] ^= 1 << (at % 8);
        bed.manager = None;
        restore(&bed.folder(), &files);
        write_file(&path, &bytes);
        check_recovery(&mut bed, &format!("byte {at} flipped"));
    }
}

#[test]
fn an_untorn_tail_is_kept() {
    let (mut bed, ..) = bed_with_a_tail();
    let log = bed.crash();
    assert_eq!(
        read_from(&log.reader(), 0),
        [(0, 2), (2, 2), (4, 2), (6, 3)]
    );
    // It is synced before it is served as durable.
    assert_eq!(log.view().flushed(), 9);
}

#[test]
fn segments_behind_a_torn_one_go() {
    let bed = &mut Bed::new();
    let log = bed.create(LogConfig::default());
    let mut writer = log.take_lease(lease(1)).unwrap();
    append(&mut writer, idempotent(0, 0, 2));
    bed.manager().checkpoint();
    for n in 1..4 {
        writer.roll().unwrap();
        writer
            .stage(idempotent(0, n * 2, 2), Origin::Client)
            .unwrap();
        writer.write().unwrap();
    }
    let torn = bed.folder().join(&bed.files(".log")[1]);
    let mut bytes = read_file(&torn);
    *bytes.last_mut().unwrap() ^= 1;
    write_file(&torn, &bytes);
    let report = bed.load().recovered[0].1;
    assert_eq!((report.lost_synced, report.scanned_segments), (false, 1));
    let log = bed.manager().get(&partition()).unwrap();
    assert_eq!(
        (read_from(&log.reader(), 0), log.view().log_end()),
        (vec![(0, 2)], 2)
    );
    assert_eq!(bed.files(".log").len(), 2);
    assert!(
        bed.files(".snapshot")
            .iter()
            .all(|name| name < &"00000000000000000003".to_owned())
    );
}

#[test]
fn lost_synced_records_are_reported() {
    let (mut bed, path, size) = bed_with_a_tail();
    let bytes = read_file(&path);
    write_file(&path, &bytes[..bytes.len() - size - 1]);
    assert!(bed.load().recovered[0].1.lost_synced);
}

#[test]
fn a_batch_with_a_damaged_offset_is_not_served() {
    let (mut bed, ..) = bed_with_a_tail();
    let path = bed.folder().join(&bed.files(".log")[0]);
    let mut bytes = read_file(&path);
    let length = i32::from_be_bytes(bytes[8..12].try_into().unwrap());
    let second = 12 + usize::try_from(length).unwrap();
    bytes[second] ^= 0x80;
    write_file(&path, &bytes);
    let reader = bed.crash().reader();
    let read = reader.read(0, 1 << 20, i64::MAX, true).unwrap();
    assert_eq!((read.next_offset, read.records.len()), (2, second));
    let damaged = reader.read(2, 1 << 20, i64::MAX, true);
    assert!(
        matches!(damaged, Err(LogError::Corrupt { .. })),
        "{damaged:?}"
    );
}

#[test]
fn indexes_are_made_anew() {
    let config = LogConfig {
        index_interval_bytes: 50,
        ..LogConfig::default()
    };
    for damage in 0..4 {
        for clean in [true, false] {
            let mut bed = Bed::new();
            let log = bed.create(config.clone());
            let mut writer = log.take_lease(lease(1)).unwrap();
            for n in 0..40 {
                append(&mut writer, batch_at(&[i64::from(n), 5], 10));
                if n % 10 == 9 {
                    writer.roll().unwrap();
                }
            }
            if clean {
                bed.manager().shutdown(-1);
            } else {
                bed.manager().checkpoint()
            }
            for name in [bed.files(".index"), bed.files(".timeindex")].concat() {
                let path = bed.folder().join(name);
                let bytes = read_file(&path);
                match damage {
                    0 => remove(&path),
                    1 => write_file(&path, &[]),
                    // As Apache Kafka leaves the index of an active segment when it is killed.
                    2 => write_file(&path, &[&bytes[..], &[0; 2400]].concat()),
                    _ if clean => {}
                    _ => write_file(&path, &[&bytes[..], &[0xff; 7]].concat()),
                }
            }
            let log = bed.crash();
            let reader = log.reader();
            assert_eq!(read_from(&reader, 0).len(), 40);
            for offset in 0..80 {
                let read = reader.read(offset, 1, 80, true).unwrap();
                assert_eq!(read.next_offset, offset / 2 * 2 + 2, "{damage} {clean}");
            }
            for time in 6..40 {
                let found = reader.offset_for_timestamp(time, 80).unwrap().unwrap();
                assert_eq!(found.offset, time * 2, "{damage} {clean}");
            }
        }
    }
}

#[test]
fn damage_below_the_recovery_point_is_not_cut_but_named() {
    let (mut bed, ..) = bed_with_a_tail();
    let first = bed.folder().join(&bed.files(".log")[0]);
    let mut bytes = read_file(&first);
    *bytes.last_mut().unwrap() ^= 1;
    write_file(&first, &bytes);
    remove(&bed.folder().join(&bed.files(".index")[0]));
    let summary = bed.load();
    let (failed, error) = &summary.failed[0];
    assert_eq!(*failed, partition());
    assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
    assert_eq!(read_file(&first), bytes);
    // It is not made anew either, and what is known of it is kept.
    assert!(
        bed.manager()
            .create(&partition(), TOPIC_ID, LogConfig::default())
            .is_err()
    );
    assert_eq!(bed.manager().shutdown(-1), 0);
    *bytes.last_mut().unwrap() ^= 1;
    write_file(&first, &bytes);
    assert_eq!(read_from(&bed.crash().reader(), 0).len(), 4);
}

#[test]
fn a_damaged_producer_snapshot_is_replaced_by_the_log() {
    let (mut bed, ..) = bed_with_a_tail();
    for name in bed.files(".snapshot") {
        write_file(&bed.folder().join(name), b"nonsense");
    }
    let log = bed.crash();
    let mut writer = log.take_lease(lease(2)).unwrap();
    for n in [0, 2, 4] {
        assert!(
            writer
                .stage(idempotent(0, n, 2), Origin::Client)
                .unwrap()
                .duplicate
        );
    }
}

#[test]
fn lost_or_damaged_checkpoints_only_cost_time() {
    for (name, content) in [
        ("recovery-point-offset-checkpoint", Some("0\n7\n")),
        ("recovery-point-offset-checkpoint", None),
        ("log-start-offset-checkpoint", Some("x")),
        ("orders-3/leader-epoch-checkpoint", Some("0\n1\nx")),
        ("orders-3/leader-epoch-checkpoint", None),
    ] {
        for clean in [true, false] {
            let (mut bed, ..) = bed_with_a_tail();
            if clean {
                bed.manager().shutdown(-1);
            }
            let path = bed.dir.path().join(name);
            match content {
                Some(text) => write_file(&path, text.as_bytes()),
                None => remove(&path),
            }
            let log = bed.crash();
            assert_eq!(read_from(&log.reader(), 0).len(), 4, "{name}");
            assert_eq!(log.reader().end_offset_for_epoch(1), Some((1, 9)), "{name}");
        }
    }
}

#[test]
fn what_an_interrupted_compaction_left_is_resolved() {
    let (mut bed, ..) = bed_with_a_tail();
    bed.manager = None;
    let (folder, first) = (bed.folder(), format!("{:020}", 0));
    let at = |suffix: &str| folder.join(format!("{first}{suffix}"));
    // Unfinished output and removed files count for nothing.
    write_file(&at(".log.cleaned"), b"half");
    write_file(&at(".log.deleted"), b"gone");
    write_file(&folder.join(format!("{:020}.index.swap", 4)), b"stale");
    assert_eq!(read_from(&bed.crash().reader(), 0).len(), 4);
    assert_eq!(
        bed.files("")
            .iter()
            .filter(|n| n.matches('.').count() > 1)
            .count(),
        0
    );
    // Finished output replaces what it covers: here the second batch alone.
    bed.manager = None;
    let old = read_file(&at(".log"));
    write_file(&at(".log.swap"), &old[old.len() / 2..]);
    remove(&at(".index"));
    let log = bed.crash();
    assert_eq!(read_from(&log.reader(), 0), [(2, 2), (4, 2), (6, 3)]);
    assert_eq!(log.view().log_start(), 0);
}
