use std::collections::BTreeSet;
use std::io::IoSlice;
use std::path::PathBuf;

use proptest::prelude::*;

use super::content::SECTOR_BYTES;
use super::*;
use crate::sim::SimClock;

const SEEDS: u64 = 200;

fn disk() -> SimDisk {
    let disk = SimDisk::new(Arc::new(SimClock::default()));
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn write(file: &Arc<dyn DiskFile>, bytes: &[u8], offset: u64) {
    file.write_all_at(&[IoSlice::new(bytes)], offset).unwrap();
}

fn create(disk: &SimDisk, path: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.open(Path::new(path), OpenMode::Create).unwrap();
    write(&file, bytes, 0);
    file
}

/// A durable file of this content.
fn durable(disk: &SimDisk, path: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = create(disk, path, bytes);
    file.sync_data().unwrap();
    disk.sync_dir(Path::new(path).parent().unwrap()).unwrap();
    file
}

fn read(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    disk.read(Path::new(path)).ok()
}

/// What `look` sees after each of many power cuts of the same state.
fn outcomes<T: Ord>(disk: &SimDisk, look: impl Fn(&SimDisk) -> T) -> BTreeSet<T> {
    let seeds = (0..SEEDS).map(|seed| {
        let fork = disk.fork();
        fork.power_cut(seed);
        look(&fork)
    });
    seeds.collect()
}

#[test]
fn what_was_synced_survives_and_nothing_else_is_certain() {
    let disk = disk();
    let file = durable(&disk, "/d/a", b"old");
    assert!(disk.is_synced());
    write(&file, b"new", 0);
    assert!(!disk.is_synced());
    let seen = outcomes(&disk, |disk| read(disk, "/d/a"));
    assert_eq!(
        seen,
        BTreeSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())])
    );
    let fork = disk.fork();
    fork.power_cut_losing_all();
    assert_eq!(read(&fork, "/d/a").unwrap(), b"old");
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk, |disk| read(disk, "/d/a").unwrap()).len(), 1);
}

#[test]
fn sectors_survive_one_by_one_and_intermediate_versions_too() {
    let disk = disk();
    let file = durable(&disk, "/d/a", &[0; 2 * SECTOR_BYTES]);
    write(&file, &[1; 2 * SECTOR_BYTES], 0);
    write(&file, &[2; SECTOR_BYTES], 0);
    let seen = outcomes(&disk, |disk| {
        let bytes = read(disk, "/d/a").unwrap();
        for sector in bytes.chunks(SECTOR_BYTES) {
            assert!(
                sector.iter().all(|byte| *byte == sector[0]),
                "a sector is never torn"
            );
        }
        (bytes[0], bytes[SECTOR_BYTES])
    });
    assert_eq!(
        seen,
        BTreeSet::from([(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)])
    );
}

#[test]
fn lengths_survive_independently_of_bytes() {
    let disk = disk();
    let file = durable(&disk, "/d/a", b"x");
    write(&file, &[7; SECTOR_BYTES], SECTOR_BYTES as u64);
    let seen = outcomes(&disk, |disk| {
        let bytes = read(disk, "/d/a").unwrap();
        assert_eq!(bytes[0], b'x');
        (bytes.len(), bytes.last().copied().unwrap())
    });
    let long = 2 * SECTOR_BYTES;
    assert_eq!(seen, BTreeSet::from([(1, b'x'), (long, 0), (long, 7)]));
}

#[test]
fn an_unsynced_truncation_may_come_undone_with_its_bytes() {
    let disk = disk();
    let file = durable(&disk, "/d/a", &[5; 3 * SECTOR_BYTES]);
    file.set_len(10).unwrap();
    let seen = outcomes(&disk, |disk| {
        let bytes = read(disk, "/d/a").unwrap();
        assert!(
            bytes[SECTOR_BYTES.min(bytes.len())..]
                .iter()
                .all(|byte| *byte == 5)
        );
        bytes.len()
    });
    assert_eq!(seen, BTreeSet::from([10, 3 * SECTOR_BYTES]));
}

#[test]
fn a_synced_file_without_a_synced_name_may_be_lost() {
    let disk = disk();
    create(&disk, "/d/a", b"x").sync_data().unwrap();
    let seen = outcomes(&disk, |disk| read(disk, "/d/a"));
    assert_eq!(seen, BTreeSet::from([None, Some(b"x".to_vec())]));
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(outcomes(&disk, |disk| read(disk, "/d/a")).len(), 1);
}

#[test]
fn a_rename_is_atomic_and_durable_after_a_directory_sync() {
    let disk = disk();
    durable(&disk, "/d/a", b"old");
    durable(&disk, "/d/a.tmp", b"new");
    disk.rename(Path::new("/d/a.tmp"), Path::new("/d/a"))
        .unwrap();
    let look = |disk: &SimDisk| {
        (
            read(disk, "/d/a").unwrap(),
            disk.exists(Path::new("/d/a.tmp")),
        )
    };
    let seen = outcomes(&disk, look);
    assert_eq!(
        seen,
        BTreeSet::from([(b"old".to_vec(), true), (b"new".to_vec(), false)])
    );
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(
        outcomes(&disk, look),
        BTreeSet::from([(b"new".to_vec(), false)])
    );
}

#[test]
fn write_atomic_leaves_the_old_or_the_new_and_ignored_syncs_are_noticed() {
    let run = |ignored: Option<IgnoredSync>| {
        let disk = disk();
        let path = Path::new("/d/a");
        disk.write_atomic(path, b"old").unwrap();
        assert!(disk.is_synced());
        if let Some(ignored) = ignored {
            disk.ignore_sync(ignored);
        }
        disk.write_atomic(path, b"new").unwrap();
        outcomes(&disk, |disk| read(disk, "/d/a"))
    };
    let (old, new) = (Some(b"old".to_vec()), Some(b"new".to_vec()));
    assert_eq!(run(None), BTreeSet::from([new.clone()]));
    assert_eq!(
        run(Some(IgnoredSync::Dirs)),
        BTreeSet::from([old.clone(), new.clone()])
    );
    assert_eq!(
        run(Some(IgnoredSync::Renames)),
        BTreeSet::from([old, new.clone()])
    );
    let torn = run(Some(IgnoredSync::Files));
    assert!(torn.len() > 1 && torn.contains(&new), "{torn:?}");
}

#[test]
fn what_happened_later_to_a_file_does_not_survive_what_happened_earlier() {
    let disk = disk();
    create(&disk, "/d/a", b"x").sync_data().unwrap();
    disk.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
    disk.rename(Path::new("/d/b"), Path::new("/d/c")).unwrap();
    let seen = outcomes(&disk, |disk| {
        let names = disk.read_dir(Path::new("/d")).unwrap();
        names
            .into_iter()
            .map(|entry| entry.name)
            .collect::<Vec<_>>()
    });
    let expected = [
        vec![],
        vec!["a".to_owned()],
        vec!["b".to_owned()],
        vec!["c".to_owned()],
    ];
    assert_eq!(seen, BTreeSet::from(expected));
}

#[test]
fn a_failed_sync_is_not_repaired_by_the_next_one() {
    let disk = disk();
    let file = durable(&disk, "/d/a", b"old");
    write(&file, b"new", 0);
    disk.fail(DiskFault::next(DiskOp::SyncData));
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(read(&disk, "/d/a").unwrap(), b"new", "it is readable");
    assert_eq!(
        outcomes(&disk, |disk| read(disk, "/d/a")).len(),
        2,
        "but not durable"
    );
    write(&file, b"new", 0);
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk, |disk| read(disk, "/d/a")).len(), 1);
}

#[test]
fn faults_hit_the_operation_they_are_meant_for() {
    let disk = disk();
    let file = durable(&disk, "/d/a", b"");
    let other = durable(&disk, "/d/other", b"");
    disk.fail(DiskFault {
        path_contains: "/d/a".into(),
        skip: 1,
        times: 2,
        error: io::ErrorKind::StorageFull,
        ..DiskFault::next(DiskOp::Write)
    });
    let attempt = |file: &Arc<dyn DiskFile>| {
        file.write_all_at(&[IoSlice::new(b"abcd")], 0)
            .map_err(|error| error.kind())
    };
    let full = Err(io::ErrorKind::StorageFull);
    assert_eq!(
        [attempt(&file), attempt(&other), attempt(&file)],
        [Ok(()), Ok(()), full]
    );
    assert_eq!([attempt(&file), attempt(&file)], [full, Ok(())]);
    assert_eq!(disk.count(DiskOp::Write), 2 + 5);
    let blocked = Arc::new(Mutex::new(Vec::new()));
    let log = blocked.clone();
    disk.set_hook(Arc::new(move |op, path| {
        log.lock().unwrap().push((op, path.to_owned()));
        Err(io::ErrorKind::TimedOut.into())
    }));
    assert_eq!(
        file.sync_data().unwrap_err().kind(),
        io::ErrorKind::TimedOut
    );
    assert_eq!(
        *blocked.lock().unwrap(),
        [(DiskOp::SyncData, PathBuf::from("/d/a"))]
    );
}

#[test]
fn a_full_disk_takes_a_part_and_has_room_again_after_a_removal() {
    let disk = disk();
    disk.set_capacity_bytes(10);
    let file = create(&disk, "/d/a", b"12345678");
    let error = file
        .write_all_at(&[IoSlice::new(b"abcdef")], 6)
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(read(&disk, "/d/a").unwrap(), b"123456abcd");
    assert_eq!(disk.space_bytes(Path::new("/d")).unwrap(), (0, 10));
    write(&file, b"zz", 0);
    assert!(file.set_len(11).is_err() && file.allocate(0, 11).is_err());
    disk.remove_file(Path::new("/d/a")).unwrap();
    assert_eq!(disk.space_bytes(Path::new("/d")).unwrap(), (10, 10));
}

#[test]
fn locks_and_open_files_die_with_the_process() {
    let disk = disk();
    let (lock, path) = (
        disk.lock(Path::new("/d/.lock")).unwrap(),
        Path::new("/d/.lock"),
    );
    assert_eq!(
        disk.lock(path).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    let file = create(&disk, "/d/a", b"x");
    disk.kill_process();
    let _again = disk.lock(path).unwrap();
    drop(lock);
    assert!(
        disk.lock(path).is_err(),
        "an old lock's end does not free the new one"
    );
    assert!(file.read_at(&mut [0], 0).is_err());
    assert_eq!(read(&disk, "/d/a").unwrap(), b"x", "no change is lost");
}

#[test]
fn directories_behave_like_directories() {
    let disk = disk();
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    disk.create_dir_all(Path::new("/d/x/y")).unwrap();
    create(&disk, "/d/x/y/f", b"1");
    let names = disk.read_dir(Path::new("/d/x")).unwrap();
    assert_eq!(
        names,
        [DirEntry {
            name: "y".into(),
            is_dir: true
        }]
    );
    assert!(
        disk.open(Path::new("/d/nowhere/f"), OpenMode::Create)
            .is_err()
    );
    assert!(disk.open(Path::new("/d/x"), OpenMode::Read).is_err());
    assert!(
        disk.open(Path::new("/d/x/y/f"), OpenMode::CreateNew)
            .is_err()
    );
    assert_eq!(
        kind(disk.remove_file(Path::new("/d/x"))),
        io::ErrorKind::IsADirectory
    );
    assert_eq!(
        kind(disk.create_dir_all(Path::new("/d/x/y/f/g"))),
        io::ErrorKind::NotADirectory
    );
    disk.rename(Path::new("/d/x"), Path::new("/d/z")).unwrap();
    assert_eq!(read(&disk, "/d/z/y/f").unwrap(), b"1");
    let reader = disk.open(Path::new("d/z/y/f"), OpenMode::Read).unwrap();
    assert_eq!(
        reader
            .write_all_at(&[IoSlice::new(b"2")], 0)
            .unwrap_err()
            .kind(),
        io::ErrorKind::PermissionDenied
    );
    disk.remove_dir_all(Path::new("/d/z")).unwrap();
    assert!(!disk.exists(Path::new("/d/z")));
    let mut one = [0];
    assert_eq!(
        reader.read_at(&mut one, 0).unwrap(),
        1,
        "an open file outlives its name"
    );
}

#[test]
fn bit_rot_hits_the_device() {
    let disk = disk();
    durable(&disk, "/d/a", b"abc");
    disk.corrupt(Path::new("/d/a"), 1, 0x20).unwrap();
    disk.power_cut_losing_all();
    assert_eq!(read(&disk, "/d/a").unwrap(), b"aBc");
}

#[derive(Debug, Clone)]
enum Step {
    Write { at: u64, len: usize },
    SetLen(u64),
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3000u64, 1..1500usize).prop_map(|(at, len)| Step::Write { at, len }),
        1 => (0..3000u64).prop_map(Step::SetLen),
        1 => Just(Step::Sync),
    ]
}

proptest! {
    /// An append-only file keeps its synced prefix through any power cut; any file that was synced
    /// last of all is as it was; and each byte of any file is one that was there once.
    #[test]
    fn power_cuts_respect_syncs(
        steps in prop::collection::vec(step(), 1..20),
        seed: u64,
        appends in prop::collection::vec((1..1200usize, any::<bool>()), 1..10),
    ) {
        let disk = disk();
        let file = durable(&disk, "/d/any", b"");
        let mut ever: Vec<BTreeSet<u8>> = vec![BTreeSet::from([0]); 5000];
        let mut expected = Some(Vec::new());
        for (round, step) in steps.into_iter().enumerate() {
            let value = u8::try_from(round + 1).unwrap();
            match step {
                Step::Write { at, len } => {
                    write(&file, &vec![value; len], at);
                    let at = usize::try_from(at).unwrap();
                    ever[at..at + len].iter_mut().for_each(|seen| seen.extend([value]));
                    expected = None;
                }
                Step::SetLen(len) => {
                    file.set_len(len).unwrap();
                    expected = None;
                }
                Step::Sync => {
                    file.sync_data().unwrap();
                    expected = read(&disk, "/d/any");
                }
            }
        }
        let log = durable(&disk, "/d/log", b"");
        let (mut end, mut synced, mut content) = (0u64, 0, Vec::new());
        for (round, (len, sync)) in appends.into_iter().enumerate() {
            let bytes = vec![u8::try_from(round + 1).unwrap(); len];
            write(&log, &bytes, end);
            end += len as u64;
            content.extend(bytes);
            if sync {
                log.sync_data().unwrap();
                synced = content.len();
            }
        }
        disk.power_cut(seed);
        let any = read(&disk, "/d/any").unwrap();
        if let Some(expected) = expected {
            prop_assert_eq!(&any, &expected);
        }
        prop_assert!(any.iter().zip(&ever).all(|(byte, seen)| seen.contains(byte)));
        let log = read(&disk, "/d/log").unwrap();
        prop_assert!(log.len() >= synced && log.len() <= content.len());
        prop_assert_eq!(&log[..synced], &content[..synced]);
    }
}

#[test]
fn a_planted_missing_sync_spares_the_other_paths() {
    let disk = disk();
    for (what, of) in [
        (IgnoredSync::Files, "/d/bad"),
        (IgnoredSync::Renames, "/d/new-bad"),
    ] {
        disk.ignore_sync_of(what, Arc::new(move |path| path == Path::new(of)));
    }
    let (good, bad) = (
        durable(&disk, "/d/good", b"1"),
        durable(&disk, "/d/bad", b"1"),
    );
    for file in [good, bad] {
        write(&file, b"2", 0);
        file.sync_data().unwrap();
    }
    for name in ["bad", "good"] {
        let (from, to) = (format!("/d/old-{name}"), format!("/d/new-{name}"));
        durable(&disk, &from, b"3");
        disk.rename(Path::new(&from), Path::new(&to)).unwrap();
    }
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.power_cut_losing_all();
    assert_eq!(read(&disk, "/d/good").unwrap(), b"2");
    assert_ne!(read(&disk, "/d/bad").unwrap_or_default(), b"2");
    assert_eq!(read(&disk, "/d/new-good").unwrap(), b"3");
    assert_eq!(read(&disk, "/d/new-bad"), None);
}
