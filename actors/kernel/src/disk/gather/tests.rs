use std::sync::atomic::AtomicUsize;

use super::*;
use crate::clock::SystemClock;
use crate::sim::{DiskFault, DiskOp, SimDisk};

/// Counts instead of syncing.
#[derive(Debug, Default)]
struct CountingTree(AtomicUsize);

impl DiskTree for CountingTree {
    fn sync_all(&self) -> io::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn disks() -> (SimDisk, GatheringDisk) {
    let sim = SimDisk::new(Arc::new(SystemClock::new()));
    (sim.clone(), GatheringDisk::new(Arc::new(sim)))
}

/// Writes and syncs so many files and their directory.
fn write_files(disk: &GatheringDisk, count: usize) {
    for at in 0..count {
        let path = PathBuf::from(format!("/file-{at}"));
        let file = disk.open(&path, OpenMode::Create).unwrap();
        file.write_all_at(&[IoSlice::new(b"bytes")], 0).unwrap();
        file.sync_data().unwrap();
    }
    disk.sync_dir(Path::new("/")).unwrap();
}

#[test]
fn what_is_held_is_durable_once_settled_and_not_before() {
    let (sim, disk) = disks();
    disk.hold(None);
    write_files(&disk, 100);
    assert!(!sim.is_synced());
    disk.settle(None).unwrap();
    sim.power_cut_losing_all();
    for at in 0..100 {
        let path = PathBuf::from(format!("/file-{at}"));
        assert_eq!(sim.read(&path).unwrap(), b"bytes");
    }
}

#[test]
fn without_hold_a_sync_is_a_sync() {
    let (sim, disk) = disks();
    disk.hold(None);
    disk.settle(None).unwrap();
    write_files(&disk, 1);
    assert!(sim.is_synced());
}

#[test]
fn a_few_are_synced_one_by_one_and_many_with_the_tree() {
    for (files, trees) in [(MANY - 2, 0), (MANY + 1, 1)] {
        let (sim, disk) = disks();
        let tree = CountingTree::default();
        disk.hold(Some(&tree));
        write_files(&disk, files);
        disk.settle(Some(&tree)).unwrap();
        assert_eq!(tree.0.load(Ordering::Relaxed), trees);
        assert_eq!(sim.is_synced(), trees == 0);
    }
}

#[test]
fn a_failed_sync_fails_the_settling() {
    let (sim, disk) = disks();
    disk.hold(None);
    write_files(&disk, 3);
    sim.fail(DiskFault::next(DiskOp::SyncData));
    assert!(disk.settle(None).is_err());
}
