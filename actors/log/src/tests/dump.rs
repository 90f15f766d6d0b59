//! What a dump says of sound files, and what of damaged ones.

use super::*;

fn dumped(path: &Path) -> Vec<Dumped> {
    let disk: SharedDisk = Arc::new(RealDisk);
    let mut all = Vec::new();
    dump(&disk, path, &mut |_| (), &mut |one| all.push(one)).unwrap();
    all
}

fn faults(path: &Path) -> Vec<String> {
    let fault = |one| match one {
        Dumped::Fault(what) => Some(what),
        _ => None,
    };
    dumped(path).into_iter().filter_map(fault).collect()
}

#[expect(clippy::disallowed_methods, reason = "damage behind the log's back")]
fn change(path: &Path, work: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let before = std::fs::read(path).unwrap();
    let mut bytes = before.clone();
    work(&mut bytes);
    std::fs::write(path, bytes).unwrap();
    before
}

/// A closed log of several segments with entries in all its indexes.
fn written() -> Bed {
    let mut bed = Bed::new();
    let log = bed.create(small_segments());
    let mut writer = log.take_lease(lease(2)).unwrap();
    writer.begin_epoch().unwrap();
    for n in 0..30i32 {
        append(&mut writer, idempotent(0, n * 2, 2));
        append(&mut writer, batch_at(&[2_000 + i64::from(n), 1_000], 20));
    }
    assert_eq!(bed.manager().shutdown(-1), 1);
    bed.manager = None;
    bed
}

#[test]
fn a_sound_folder_is_shown_whole_and_without_a_fault() {
    let bed = written();
    let all = dumped(&bed.folder());
    let count = |is: fn(&Dumped) -> bool| all.iter().filter(|one| is(one)).count();
    assert_eq!(count(|one| matches!(one, Dumped::Batch { .. })), 60);
    assert!(count(|one| matches!(one, Dumped::Position { .. })) > 10);
    assert!(count(|one| matches!(one, Dumped::Time { .. })) > 10);
    assert!(
        count(|one| matches!(
            one,
            Dumped::Producer {
                producer_id: 42,
                ..
            }
        )) > 2
    );
    assert_eq!(
        count(|one| matches!(one, Dumped::Epoch(EpochEntry { epoch: 2, .. }))),
        1
    );
    assert_eq!(count(|one| matches!(one, Dumped::TopicId(TOPIC_ID))), 1);
    assert_eq!(
        count(|one| matches!(one, Dumped::Fault(_))),
        0,
        "{:?}",
        faults(&bed.folder())
    );
    let points = dumped(&bed.dir.path().join("recovery-point-offset-checkpoint"));
    let partition = partition();
    assert_eq!(
        points,
        [Dumped::Checkpoint {
            partition,
            offset: 120
        }]
    );
}

#[test]
fn each_kind_of_damage_is_named() {
    let bed = written();
    let last = |suffix| bed.folder().join(bed.files(suffix).pop().unwrap());
    let first = |suffix| bed.folder().join(&bed.files(suffix)[0]);
    type Damage = fn(&mut Vec<u8>);
    let table: [(PathBuf, Damage, &str); 9] = [
        (first(".log"), |bytes| bytes[70] ^= 1, "checksum"),
        (
            last(".log"),
            |bytes| bytes.truncate(80),
            "longer than the file",
        ),
        (first(".index"), |bytes| bytes[7] ^= 1, "is not at"),
        (first(".index"), |bytes| bytes.truncate(11), "not an entry"),
        (
            first(".index"),
            |bytes| bytes.rotate_left(8),
            "does not ascend",
        ),
        (
            first(".timeindex"),
            |bytes| bytes[7] ^= 1,
            "the largest timestamp",
        ),
        (
            first(".timeindex"),
            |bytes| bytes[9] = 1,
            "is not in the segment",
        ),
        (last(".snapshot"), |bytes| bytes[20] ^= 1, "CRC"),
        (
            last("leader-epoch-checkpoint"),
            |bytes| *bytes = b"0\n2\n3 5\n2 9\n".to_vec(),
            "do not ascend",
        ),
    ];
    for (path, damage, says) in table {
        let before = change(&path, damage);
        let found = faults(&path);
        let shown = path.display();
        assert!(
            found.iter().any(|one| one.contains(says)),
            "{shown}: {found:?}"
        );
        change(&path, |bytes| *bytes = before);
        assert_eq!(faults(&path), [""; 0], "{shown}");
    }
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let bed = written();
    let disk: SharedDisk = Arc::new(RealDisk);
    for name in ["meta.properties", "missing"] {
        let path = bed.dir.path().join(name);
        let refused = dump(&disk, &path, &mut |_| (), &mut |_| ());
        assert!(
            matches!(refused, Err(LogError::UnknownFile { .. })),
            "{name}"
        );
    }
    let missing = bed.folder().join("00000000000000000007.log");
    let refused = dump(&disk, &missing, &mut |_| (), &mut |_| ());
    assert!(matches!(refused, Err(LogError::Io { .. })));
}
