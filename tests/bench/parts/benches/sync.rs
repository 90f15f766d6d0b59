//! What a durable acknowledgement costs, by the ways there are: how the blocks came to be there, and
//! what one sync covers when many partitions were written.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use criterion::{Criterion, criterion_group, criterion_main};
use rustix::fs::{FallocateFlags, fallocate, syncfs};

const PARTITIONS: usize = 12;
/// Of a partition's write; twelve of them are what a busy producer sends at once.
const WRITE_BYTES: usize = 8 << 10;
/// Syncs of a log directory that run at once.
const THREADS: usize = 4;
/// A file is begun anew from here on.
const FILE_BYTES: u64 = 512 << 20;

/// How the blocks behind the end came to be.
#[derive(Debug, Clone, Copy)]
enum Blocks {
    /// They are not there.
    None,
    /// Reserved, as the log does.
    Reserved,
    /// Written before, as in a segment that is used again.
    Written,
}

/// A file that is written on and on.
struct Growing {
    file: File,
    end: Cell<u64>,
    data: Vec<u8>,
}

impl Growing {
    fn new(path: &Path, blocks: Blocks) -> Self {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)
            .expect("a file");
        match blocks {
            Blocks::None => {}
            Blocks::Reserved => {
                fallocate(&file, FallocateFlags::KEEP_SIZE, 0, FILE_BYTES).expect("there is room");
            }
            Blocks::Written => {
                let piece = vec![1; 1 << 20];
                for at in (0..FILE_BYTES).step_by(piece.len()) {
                    file.write_all_at(&piece, at).expect("there is room");
                }
                file.sync_all().expect("a disk");
            }
        }
        let data = vec![b'o'; WRITE_BYTES];
        Self {
            file,
            end: Cell::new(0),
            data,
        }
    }

    fn write(&self, times: usize) {
        for _ in 0..times {
            let end = self.end.get();
            self.file
                .write_all_at(&self.data, end)
                .expect("there is room");
            let next = end + self.data.len() as u64;
            self.end.set(if next + self.data.len() as u64 > FILE_BYTES {
                0
            } else {
                next
            });
        }
    }

    fn sync(&self) {
        self.file.sync_data().expect("a disk");
    }
}

fn one_partition(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sync/1 partition");
    for (name, blocks) in [
        ("no blocks", Blocks::None),
        ("reserved blocks", Blocks::Reserved),
        ("written blocks", Blocks::Written),
    ] {
        let folder = tempfile::tempdir_in(".").expect("a directory");
        let file = Growing::new(&folder.path().join("0"), blocks);
        group.bench_function(name, |bench| {
            bench.iter(|| {
                file.write(1);
                file.sync();
            });
        });
    }
    group.finish();
}

fn many_partitions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sync/12 partitions");
    for (name, blocks) in [("reserved", Blocks::Reserved), ("written", Blocks::Written)] {
        let folder = tempfile::tempdir_in(".").expect("a directory");
        let file = |name: usize| Growing::new(&folder.path().join(name.to_string()), blocks);
        let files: Vec<Growing> = (0..PARTITIONS).map(file).collect();
        let write = || files.iter().for_each(|file| file.write(1));
        group.bench_function(format!("each, four at once, {name}"), |bench| {
            bench.iter(|| {
                write();
                let handles: Vec<&File> = files.iter().map(|file| &file.file).collect();
                thread::scope(|scope| {
                    for share in handles.chunks(PARTITIONS / THREADS) {
                        scope.spawn(move || {
                            share
                                .iter()
                                .for_each(|file| file.sync_data().expect("a disk"));
                        });
                    }
                });
            });
        });
        group.bench_function(format!("the file system, {name}"), |bench| {
            bench.iter(|| {
                write();
                syncfs(&files[0].file).expect("a disk");
            });
        });
        // What was written there goes to its own file as well, whenever the kernel likes.
        let journal = Growing::new(&folder.path().join("journal"), Blocks::Written);
        group.bench_function(format!("a journal of written blocks, {name}"), |bench| {
            bench.iter(|| {
                journal.write(PARTITIONS);
                journal.sync();
                write();
            });
        });
    }
    group.finish();
}

criterion_group!(group, one_partition, many_partitions);
criterion_main!(group);
