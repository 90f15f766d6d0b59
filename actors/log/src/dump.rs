//! What the files of a partition's folder say, for people, and what is wrong with them.
//!
//! | file | read as | checked |
//! |---|---|---|
//! | `.log` | batches | structure, CRC-32C, ascending offsets within the segment |
//! | `.index` | offsets and positions | ascending, each names a batch of the segment beside it |
//! | `.timeindex` | timestamps and offsets | ascending, each is the largest timestamp up to there |
//! | `.txnindex` | aborted transactions | length |
//! | `.snapshot` | producers | length, CRC-32C |
//! | `leader-epoch-checkpoint` | epochs | format, ascending |
//! | `partition.metadata`, the three checkpoints of a log directory | ids and offsets | format |
//!
//! Files that a deletion or a compaction renamed are read by their first name. Nothing is written.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use odeon_kernel::disk::{OpenMode, SharedDisk};
use odeon_model::{Offset, ProducerId, TopicPartition, Uuid};
use odeon_records::BatchHeader;

use crate::checkpoint::{
    self, HIGH_WATERMARK, LEADER_EPOCHS, LOG_START, PARTITION_METADATA, RECOVERY_POINT,
};
use crate::epoch_cache::{EpochCache, EpochEntry};
use crate::error::{At, LogError, Result};
use crate::index::be_i64;
use crate::names::{
    CLEANED, DELETED, INDEX, LOG, SNAPSHOT, SWAP, TIME_INDEX, TXN_INDEX, parse_offset,
};
use crate::producer_snapshot;
use crate::producer_state::ProducerEntry;
use crate::scan::scan;

mod indexes;

/// An entry of `.txnindex`: version i16, producer id, first, last and last stable offset i64.
const ABORTED_BYTES: usize = 34;

/// One thing that a file says, or that is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Dumped {
    /// A sound batch.
    Batch {
        /// Where it begins in the file.
        position: u64,
        /// Its header.
        header: BatchHeader,
        /// All of it.
        bytes: Bytes,
    },
    /// An entry of an offset index.
    Position {
        /// The last offset of a batch.
        offset: Offset,
        /// Where the batch begins in the segment.
        position: u64,
    },
    /// An entry of a time index: no record up to that offset is later.
    Time {
        /// Milliseconds since 1970.
        timestamp: i64,
        /// The last offset of the batch that has it.
        offset: Offset,
    },
    /// A transaction that was aborted.
    Aborted {
        /// Whose.
        producer_id: ProducerId,
        /// Its first record.
        first_offset: Offset,
        /// Its marker.
        last_offset: Offset,
        /// The last stable offset when it was aborted.
        last_stable_offset: Offset,
    },
    /// A producer's state.
    Producer {
        /// Who.
        producer_id: ProducerId,
        /// What is known of it.
        entry: Box<ProducerEntry>,
    },
    /// A leader epoch.
    Epoch(EpochEntry),
    /// A topic's id.
    TopicId(Uuid),
    /// An offset of a partition.
    Checkpoint {
        /// Which partition.
        partition: TopicPartition,
        /// The offset.
        offset: Offset,
    },
    /// Something that is not as it must be.
    Fault(String),
}

/// Reads a file of a partition's folder, or every one of a folder in turn, and tells what is in it.
/// `begin` hears which file comes next.
///
/// # Errors
/// `UnknownFile` for a file of another kind; `Io`. What is wrong within a file is a
/// [`Dumped::Fault`], and the rest of that file is not read.
pub fn dump(
    disk: &SharedDisk,
    path: &Path,
    begin: &mut dyn FnMut(&Path),
    visit: &mut dyn FnMut(Dumped),
) -> Result<()> {
    let Ok(entries) = disk.read_dir(path) else {
        begin(path);
        return dump_file(disk, path, visit);
    };
    let files = entries.into_iter().filter(|entry| !entry.is_dir);
    let known: Vec<PathBuf> = files
        .map(|entry| path.join(entry.name))
        .filter(|path| Kind::of(path).is_some())
        .collect();
    if known.is_empty() {
        let path = path.to_owned();
        return Err(LogError::UnknownFile { path });
    }
    known.iter().try_for_each(|path| {
        begin(path);
        dump_file(disk, path, visit)
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Segment(Offset),
    Index(Offset),
    TimeIndex(Offset),
    TxnIndex,
    Snapshot,
    Epochs,
    Metadata,
    Offsets,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy();
        let plain = [DELETED, CLEANED, SWAP]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .unwrap_or(&name);
        let named = |suffix| parse_offset(plain, suffix);
        match plain {
            LEADER_EPOCHS => return Some(Self::Epochs),
            PARTITION_METADATA => return Some(Self::Metadata),
            RECOVERY_POINT | LOG_START | HIGH_WATERMARK => return Some(Self::Offsets),
            _ => {}
        }
        (named(LOG).map(Self::Segment))
            .or_else(|| named(INDEX).map(Self::Index))
            .or_else(|| named(TIME_INDEX).map(Self::TimeIndex))
            .or_else(|| named(TXN_INDEX).map(|_| Self::TxnIndex))
            .or_else(|| named(SNAPSHOT).map(|_| Self::Snapshot))
    }
}

fn dump_file(disk: &SharedDisk, path: &Path, visit: &mut dyn FnMut(Dumped)) -> Result<()> {
    let kind = Kind::of(path).ok_or_else(|| LogError::UnknownFile {
        path: path.to_owned(),
    })?;
    let read = match kind {
        Kind::Segment(base) => segment(disk, path, base, visit),
        Kind::Index(base) => indexes::offsets(disk, path, base, visit),
        Kind::TimeIndex(base) => indexes::times(disk, path, base, visit),
        Kind::TxnIndex => aborted(disk, path, visit),
        Kind::Snapshot => producers(disk, path, visit),
        Kind::Epochs => epochs(disk, path, visit),
        Kind::Metadata => {
            let folder = path.parent().unwrap_or(Path::new("."));
            let id = checkpoint::read_topic_id(disk, folder)?;
            visit(id.map_or(Dumped::Fault("no topic id".to_owned()), Dumped::TopicId));
            Ok(())
        }
        Kind::Offsets => {
            for (partition, offset) in checkpoint::read_offsets(disk, path)? {
                visit(Dumped::Checkpoint { partition, offset });
            }
            Ok(())
        }
    };
    match read {
        Err(LogError::Corrupt { detail, .. }) => {
            visit(Dumped::Fault(detail));
            Ok(())
        }
        other => other,
    }
}

fn segment(
    disk: &SharedDisk,
    path: &Path,
    base: Offset,
    visit: &mut dyn FnMut(Dumped),
) -> Result<()> {
    let file = disk.open(path, OpenMode::Read).at("opening", path)?;
    let offsets = base..=base.saturating_add(i64::from(i32::MAX));
    let found = scan(&*file, path, 0, offsets, |position, header, bytes| {
        visit(Dumped::Batch {
            position,
            header: *header,
            bytes: Bytes::copy_from_slice(bytes),
        });
        Ok(())
    })?;
    if let Some(fault) = found.fault {
        let left = file.len().at("measuring", path)? - found.valid_bytes;
        let at = found.valid_bytes;
        visit(Dumped::Fault(format!(
            "at {at}: {fault}; {left} bytes from there on were not read"
        )));
    }
    Ok(())
}

fn aborted(disk: &SharedDisk, path: &Path, visit: &mut dyn FnMut(Dumped)) -> Result<()> {
    let bytes = disk.read(path).at("reading", path)?;
    for entry in bytes.chunks(ABORTED_BYTES) {
        if entry.len() < ABORTED_BYTES {
            let left = entry.len();
            visit(Dumped::Fault(format!("{left} bytes are not an entry")));
            return Ok(());
        }
        visit(Dumped::Aborted {
            producer_id: be_i64(entry, 2),
            first_offset: be_i64(entry, 10),
            last_offset: be_i64(entry, 18),
            last_stable_offset: be_i64(entry, 26),
        });
    }
    Ok(())
}

fn producers(disk: &SharedDisk, path: &Path, visit: &mut dyn FnMut(Dumped)) -> Result<()> {
    let bytes = disk.read(path).at("reading", path)?;
    match producer_snapshot::decode(&bytes) {
        Ok(states) => {
            let mut all: Vec<_> = states.iter().collect();
            all.sort_by_key(|(id, _)| *id);
            for (producer_id, entry) in all {
                visit(Dumped::Producer {
                    producer_id,
                    entry: Box::new(entry.clone()),
                });
            }
        }
        Err(why) => visit(Dumped::Fault(why.to_owned())),
    }
    Ok(())
}

fn epochs(disk: &SharedDisk, path: &Path, visit: &mut dyn FnMut(Dumped)) -> Result<()> {
    let text = checkpoint::read_text(disk, path)?.unwrap_or_default();
    if text.is_empty() {
        return Ok(());
    }
    let malformed = |bad: checkpoint::Malformed| LogError::Corrupt {
        path: path.to_owned(),
        detail: bad.to_string(),
    };
    let lines = checkpoint::entries(&text).map_err(malformed)?.len();
    let epochs = EpochCache::parse(&text).map_err(malformed)?;
    for entry in epochs.entries() {
        visit(Dumped::Epoch(*entry));
    }
    if epochs.entries().len() != lines {
        visit(Dumped::Fault("epochs or offsets do not ascend".to_owned()));
    }
    Ok(())
}
