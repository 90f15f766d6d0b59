//! A log directory after any damage, loaded as a killed node's: it is refused, or it is a log whose
//! offsets rise, that goes on, and that is the same after another restart.
#![no_main]

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use odeon_kernel::disk::{Disk, OpenMode, SharedDisk};
use odeon_kernel::sim::{SimClock, SimDisk};
use odeon_kernel::{Rng, SharedClock};
use odeon_log::{Lease, Log, LogConfig, LogManager, LogReader, LogWriter, ManagerConfig, Origin};
use odeon_model::{TopicPartition, Uuid};
use odeon_records::{BatchBuilder, PreparedBatch, batch_crc, split_batches};

/// What happens to a directory between two lives of a node.
#[derive(Debug, Arbitrary)]
struct Damage {
    /// Whether the node stopped in order, so that only indexes and tails are looked at.
    clean: bool,
    /// Whether the batches get the checksums that belong to their new bytes.
    repaired: bool,
    changes: Vec<Change>,
}

#[derive(Debug, Arbitrary)]
struct Change {
    /// Which file, counted through all there are.
    file: u8,
    what: What,
}

#[derive(Debug, Arbitrary)]
enum What {
    Overwrite {
        at: u16,
        bytes: Vec<u8>,
    },
    Replace(Vec<u8>),
    Append(Vec<u8>),
    Cut {
        at: u16,
    },
    Remove,
    /// The same bytes under another name: a half-made swap, a segment of another offset.
    Rename {
        offset: i64,
        suffix: Suffix,
    },
}

#[derive(Debug, Arbitrary)]
enum Suffix {
    Log,
    Index,
    TimeIndex,
    TxnIndex,
    Snapshot,
    Cleaned,
    Swap,
    Deleted,
}

impl Suffix {
    fn text(&self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Index => "index",
            Self::TimeIndex => "timeindex",
            Self::TxnIndex => "txnindex",
            Self::Snapshot => "snapshot",
            Self::Cleaned => "log.cleaned",
            Self::Swap => "log.swap",
            Self::Deleted => "log.deleted",
        }
    }
}

const DIR: &str = "/data";
const FOLDER: &str = "/data/orders-3";

/// A log of three segments that was stopped in order, and one that was not.
static DISKS: LazyLock<[SimDisk; 2]> = LazyLock::new(|| [made(true), made(false)]);

fn clock() -> SharedClock {
    Arc::new(SimClock::new(1_000))
}

fn partition() -> TopicPartition {
    TopicPartition::new("orders", 3)
}

fn open(disk: &SimDisk) -> odeon_log::Result<LogManager> {
    let defaults = LogConfig {
        segment_bytes: 1_000,
        index_interval_bytes: 100,
        ..LogConfig::default()
    };
    let config = ManagerConfig {
        dirs: vec![PathBuf::from(DIR)],
        node_id: 1,
        cluster_id: Some("cluster".to_owned()),
        defaults,
        max_open_files: 100,
    };
    let disk: SharedDisk = Arc::new(disk.clone());
    LogManager::open(config, disk, clock(), Arc::new(Rng::from_seed(1)))
}

fn made(clean: bool) -> SimDisk {
    let disk = SimDisk::new(clock());
    let manager = open(&disk).expect("an empty disk");
    let config = LogConfig {
        segment_bytes: 1_000,
        index_interval_bytes: 100,
        ..LogConfig::default()
    };
    let log = manager.create(&partition(), Uuid([7; 16]), config);
    let mut writer = log
        .expect("it is new")
        .take_lease(lease(1))
        .expect("the first");
    writer.begin_epoch().expect("the first");
    for sequence in 0..12 {
        append(&mut writer, sequence);
        if sequence == 6 {
            manager.checkpoint();
        }
    }
    if clean {
        drop(writer);
        manager.shutdown(-1);
    }
    drop(manager);
    disk.kill_process();
    disk
}

fn lease(leader_epoch: i32) -> Lease {
    Lease {
        leader_epoch,
        incarnation: 0,
    }
}

fn append(writer: &mut LogWriter, sequence: i32) {
    let mut builder = BatchBuilder::new().producer(42, 0, sequence * 3);
    for _ in 0..3 {
        let pushed = builder.push(1_000 + i64::from(sequence), None, Some(&[b'v'; 60]), &[]);
        pushed.expect("it is small");
    }
    let batch = builder.build().expect("a batch has records");
    let batch = PreparedBatch::from_trusted(batch.into()).expect("it is whole");
    if writer.stage(batch, Origin::Client).is_ok() && writer.write().is_ok() {
        if let Ok(Some(job)) = writer.sync_job() {
            let _ = writer.complete_sync(job.run());
        }
    }
}

fuzz_target!(|damage: Damage| {
    let disk = DISKS[usize::from(!damage.clean)].fork();
    for change in &damage.changes {
        apply(&disk, change);
    }
    if damage.repaired {
        repair(&disk);
    }
    let Ok((manager, Some(log))) = load(&disk) else {
        return;
    };
    check(&log.reader());
    let Ok(mut writer) = log.take_lease(lease(1_000)) else {
        return;
    };
    append(&mut writer, 12);
    let end = log.view().flushed();
    drop((writer, log, manager));
    disk.kill_process();
    let Ok((_manager, Some(log))) = load(&disk) else {
        // What was damaged below the recovery point, or before a stop in order, is found only now.
        assert!(!damage.changes.is_empty());
        return;
    };
    assert!(!damage.changes.is_empty() || log.view().log_end() == end);
    check(&log.reader());
});

fn load(disk: &SimDisk) -> odeon_log::Result<(LogManager, Option<Log>)> {
    let manager = open(disk)?;
    manager.load_all()?;
    let log = manager.get(&partition());
    Ok((manager, log))
}

/// Reads all there is; what cannot be read is an error, never a panic and never an older offset.
fn check(reader: &LogReader) {
    let (mut offset, end) = (reader.view().log_start(), reader.view().log_end());
    assert!(offset <= end);
    let _ = reader.max_timestamp(i64::MAX);
    let _ = reader.offset_for_timestamp(1_004, i64::MAX);
    while let Ok(read) = reader.read(offset, 1 << 20, i64::MAX, true) {
        if read.records.is_empty() {
            return;
        }
        for (header, _) in split_batches(read.records).flatten() {
            assert!(
                header.base_offset + i64::from(header.last_offset_delta) >= offset,
                "{header:?} at {offset}"
            );
        }
        assert!(read.next_offset > offset && read.next_offset <= end);
        offset = read.next_offset;
    }
}

fn files(disk: &SimDisk) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [FOLDER, DIR] {
        let entries = disk.read_dir(Path::new(folder)).unwrap_or_default();
        let files = entries.into_iter().filter(|entry| !entry.is_dir);
        found.extend(files.map(|entry| Path::new(folder).join(entry.name)));
    }
    found
}

fn write(disk: &SimDisk, path: &Path, bytes: &[u8]) {
    let file = disk.open(path, OpenMode::Create).expect("a simulated disk");
    file.set_len(0).expect("a simulated disk");
    file.write_all_at(&[IoSlice::new(bytes)], 0)
        .expect("a simulated disk");
}

fn apply(disk: &SimDisk, change: &Change) {
    let files = files(disk);
    let Some(path) = files.get(usize::from(change.file) % files.len().max(1)) else {
        return;
    };
    let mut old = disk.read(path).expect("a simulated disk");
    match &change.what {
        What::Overwrite { at, bytes } => {
            let at = usize::from(*at).min(old.len());
            let end = (at + bytes.len()).min(old.len());
            old[at..end].copy_from_slice(&bytes[..end - at]);
        }
        What::Replace(bytes) => old.clone_from(bytes),
        What::Append(bytes) => old.extend_from_slice(bytes),
        What::Cut { at } => old.truncate(usize::from(*at)),
        What::Remove => {
            disk.remove_file(path).expect("a simulated disk");
            return;
        }
        What::Rename { offset, suffix } => {
            let name = format!("{:020}.{}", offset.unsigned_abs(), suffix.text());
            let _ = disk.rename(path, &Path::new(FOLDER).join(name));
            return;
        }
    }
    write(disk, path, &old);
}

/// Gives every batch that is whole the checksum of its bytes.
fn repair(disk: &SimDisk) {
    for path in files(disk) {
        if path.extension().is_none_or(|suffix| suffix != "log") {
            continue;
        }
        let mut bytes = disk.read(&path).expect("a simulated disk");
        let mut at = 0;
        while let Some(header) = bytes.get(at..at + 61) {
            let length = i32::from_be_bytes([header[8], header[9], header[10], header[11]]);
            let size =
                usize::try_from(length).map_or(usize::MAX, |length| length.saturating_add(12));
            let Some(batch) = bytes.get_mut(at..at.saturating_add(size)) else {
                break;
            };
            if batch.len() < 61 {
                break;
            }
            let crc = batch_crc(batch);
            batch[17..21].copy_from_slice(&crc.to_be_bytes());
            at += size;
        }
        write(disk, &path, &bytes);
    }
}
