use odeon_kernel::RealDisk;
use odeon_kernel::disk::SharedDisk;

use super::*;
use crate::files::{FileCache, Folder};

fn index(dir: &std::path::Path) -> IndexFile<OffsetEntry> {
    let disk: SharedDisk = Arc::new(RealDisk);
    let folder = Folder::new(dir.to_owned());
    IndexFile::new(FileSlot::new(
        &folder,
        "x.index".into(),
        &disk,
        &FileCache::new(8),
    ))
}

fn entry(n: u32) -> OffsetEntry {
    OffsetEntry {
        relative_offset: n * 10,
        position: n * 100,
    }
}

#[test]
fn every_entry_is_found_in_memory_and_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let made = index(dir.path());
    made.create().unwrap();
    for n in 1..=1000 {
        made.push(entry(n)).unwrap();
    }
    let check = |index: &IndexFile<OffsetEntry>| {
        assert_eq!(index.len().unwrap(), 1000);
        for target in 0..10_050 {
            let found = index.last_where(|e| e.relative_offset <= target).unwrap();
            let wanted = (target / 10).min(1000);
            assert_eq!(found, (wanted > 0).then(|| entry(wanted)), "{target}");
        }
    };
    check(&made);
    made.seal(true).unwrap();
    check(&index(dir.path()));
    assert_eq!(
        std::fs::metadata(dir.path().join("x.index")).unwrap().len(),
        8000
    );
}

#[test]
fn a_preallocated_tail_of_zeros_is_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    for count in [0, 1, 2, 255, 256, 257] {
        let mut bytes = Vec::new();
        (1..=count).for_each(|n| entry(n).encode(&mut bytes));
        bytes.resize(1 << 16, 0);
        #[expect(clippy::disallowed_methods, reason = "a test's input")]
        std::fs::write(dir.path().join("x.index"), &bytes).unwrap();
        let index = index(dir.path());
        assert_eq!(index.len().unwrap(), u64::from(count));
        index.push(entry(count + 1)).unwrap();
        assert_eq!(index.last().unwrap(), Some(entry(count + 1)));
    }
}

#[test]
fn truncation_cuts_memory_and_file() {
    let dir = tempfile::tempdir().unwrap();
    let made = index(dir.path());
    made.create().unwrap();
    for n in 1..=600 {
        made.push(entry(n)).unwrap();
    }
    made.truncate(|e| e.relative_offset < 5_500).unwrap();
    assert_eq!(
        (made.len().unwrap(), made.last().unwrap()),
        (549, Some(entry(549)))
    );
    made.truncate(|e| e.relative_offset < 1_000).unwrap();
    assert_eq!(index(dir.path()).last().unwrap(), Some(entry(99)));
    made.truncate(|_| false).unwrap();
    assert_eq!(made.last().unwrap(), None);
}
