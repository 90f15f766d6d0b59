//! A partition's folder outside the log directories, as Apache Kafka or a node left it: finding and
//! checking it, for [`LogManager::adopt`](crate::LogManager::adopt). Nothing here writes.

use std::path::{Path, PathBuf};

use odeon_kernel::disk::{DirLock, OpenMode, SharedDisk};
use odeon_model::{LeaderEpoch, Offset, TopicPartition, Uuid};

use crate::checkpoint::{self, LOG_START, RECOVERY_POINT};
use crate::error::{At, LogError, Result};
use crate::meta::{CLEAN_SHUTDOWN, LOCK};
use crate::names::{
    LOG, SNAPSHOT, SWAP, TXN_INDEX, parse_dir_name, parse_offset, parse_stray_dir_name,
};
use crate::scan::scan;

/// A partition's folder that somebody else wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSource {
    /// Where it is.
    pub folder: PathBuf,
    /// What its name says.
    pub partition: TopicPartition,
    /// What its `partition.metadata` says; `None` if there is none.
    pub topic_id: Option<Uuid>,
    /// Bytes of batches in it.
    pub size_bytes: u64,
    /// Its log directory was closed properly: nothing in it may be torn.
    clean: bool,
    recovery_point: Offset,
    log_start: Option<Offset>,
}

/// What [`LogSource::check`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceReport {
    /// The first offset that may be read.
    pub log_start: Offset,
    /// One past the last offset.
    pub log_end: Offset,
    /// The newest leader epoch of a batch or of the checkpoint.
    pub latest_epoch: Option<LeaderEpoch>,
    /// Sound batches.
    pub batches: u64,
    /// Bytes behind the last sound batch, which a killed writer left unfinished.
    pub torn_bytes: u64,
    /// Whether offsets are missing within it, as compaction leaves it.
    pub compacted: bool,
    /// The largest timestamp of each closed segment, milliseconds since 1970; -1 for none.
    pub closed_segments_ms: Vec<i64>,
}

/// Keeps others from a log directory for as long as it lives.
#[derive(Debug)]
pub struct SourceLock {
    _lock: Option<Box<dyn DirLock>>,
}

impl LogSource {
    /// The partitions at `path`: the one whose folder it is, or all those in a log directory. Folders
    /// that a node set aside as strays count; deleted ones do not.
    ///
    /// # Errors
    /// `Io`; `Corrupt` for a damaged `partition.metadata` or checkpoint.
    pub fn find(disk: &SharedDisk, path: &Path) -> Result<Vec<Self>> {
        let path = std::path::absolute(path).at("finding", path)?;
        let name = path.file_name().map(|name| name.to_string_lossy());
        let own = name.as_deref().and_then(partition_of);
        let entries = disk.read_dir(&path).at("listing", &path)?;
        let holds_files = entries.iter().any(|entry| {
            entry.name == checkpoint::PARTITION_METADATA || parse_offset(&entry.name, LOG).is_some()
        });
        match own.filter(|_| holds_files) {
            Some(partition) => Ok(vec![Self::read(disk, path, partition)?]),
            None => entries
                .into_iter()
                .filter(|entry| entry.is_dir)
                .filter_map(|entry| Some((partition_of(&entry.name)?, entry.name)))
                .map(|(partition, name)| Self::read(disk, path.join(name), partition))
                .collect(),
        }
    }

    fn read(disk: &SharedDisk, folder: PathBuf, partition: TopicPartition) -> Result<Self> {
        let root = folder.parent().unwrap_or(Path::new("/")).to_owned();
        let known = |name: &str| -> Result<Option<Offset>> {
            let table = checkpoint::read_offsets(disk, &root.join(name))?;
            Ok(table.get(&partition).copied())
        };
        let mut size_bytes = 0;
        for (_, path) in segments(disk, &folder)? {
            let file = disk.open(&path, OpenMode::Read).at("opening", &path)?;
            size_bytes += file.len().at("measuring", &path)?;
        }
        Ok(Self {
            topic_id: checkpoint::read_topic_id(disk, &folder)?,
            clean: disk.exists(&root.join(CLEAN_SHUTDOWN)),
            recovery_point: known(RECOVERY_POINT)?.unwrap_or(0),
            log_start: known(LOG_START)?,
            size_bytes,
            partition,
            folder,
        })
    }

    /// The log directory that holds the folder.
    pub fn root(&self) -> &Path {
        self.folder.parent().unwrap_or(Path::new("/"))
    }

    /// Makes sure that nobody writes the folder, for as long as the answer is kept.
    ///
    /// # Errors
    /// `Locked` while a broker, Apache Kafka's or ours, uses its log directory; `Io`.
    pub fn lock(&self, disk: &SharedDisk) -> Result<SourceLock> {
        let path = self.root().join(LOCK);
        if !disk.exists(&path) {
            return Ok(SourceLock { _lock: None });
        }
        match disk.lock(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(LogError::Locked {
                dir: self.root().to_owned(),
            }),
            other => Ok(SourceLock {
                _lock: Some(other.at("locking", &path)?),
            }),
        }
    }

    /// Reads every batch and checks it, CRC included. `progress` hears how many bytes more are done.
    ///
    /// # Errors
    /// `Corrupt` for anything that a killed writer cannot have left: all but an unfinished end behind
    /// the recovery point. Also for batches older than format 2. `Io`.
    pub fn check(&self, disk: &SharedDisk, progress: &mut dyn FnMut(u64)) -> Result<SourceReport> {
        let segments = segments(disk, &self.folder)?;
        let mut report = SourceReport::default();
        let mut end = segments.first().map_or(0, |(base, _)| *base);
        report.log_start = self.log_start.unwrap_or(end).max(end);
        for (at, (base, path)) in segments.iter().enumerate() {
            let corrupt = |detail: String| LogError::Corrupt {
                path: path.clone(),
                detail,
            };
            if *base < end {
                return Err(corrupt(format!("the segment before it ends at {end}")));
            }
            let file = disk.open(path, OpenMode::Read).at("opening", path)?;
            let len = file.len().at("measuring", path)?;
            let (mut newest, mut next) = (-1, *base);
            let offsets = *base..=base.saturating_add(i64::from(i32::MAX));
            let found = scan(&*file, path, 0, offsets, |_, header, batch| {
                newest = newest.max(header.max_timestamp);
                report.batches += 1;
                let count = i64::from(header.last_offset_delta) + 1;
                report.compacted |=
                    header.base_offset != next || i64::from(header.record_count) != count;
                next = header.next_offset();
                let epoch = header.partition_leader_epoch;
                report.latest_epoch = report.latest_epoch.max(Some(epoch).filter(|e| *e >= 0));
                progress(batch.len() as u64);
                Ok(())
            })?;
            end = found.next_offset;
            let is_last = at + 1 == segments.len();
            if let Some(fault) = found.fault {
                let detail = format!("at {}: {fault}", found.valid_bytes);
                if self.clean || !is_last || end < self.recovery_point {
                    return Err(corrupt(detail));
                }
                report.torn_bytes = len - found.valid_bytes;
                progress(report.torn_bytes);
            }
            if !is_last {
                report.closed_segments_ms.push(newest);
            }
        }
        report.log_end = end.max(report.log_start);
        report.latest_epoch = report.latest_epoch.max(self.checkpointed_epoch(disk)?);
        Ok(report)
    }

    fn checkpointed_epoch(&self, disk: &SharedDisk) -> Result<Option<LeaderEpoch>> {
        let path = self.folder.join(checkpoint::LEADER_EPOCHS);
        let Some(text) = checkpoint::read_text(disk, &path)?.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let epochs = crate::EpochCache::parse(&text).map_err(|bad| LogError::Corrupt {
            path,
            detail: bad.to_string(),
        })?;
        Ok(epochs.latest().map(|entry| entry.epoch))
    }
}

fn partition_of(name: &str) -> Option<TopicPartition> {
    parse_dir_name(name).or_else(|| parse_stray_dir_name(name))
}

/// The segments of a folder in their order. A finished compaction's output counts in place of what
/// it replaces, once recovery has put it there; until then both are sound, and both are checked.
fn segments(disk: &SharedDisk, folder: &Path) -> Result<Vec<(Offset, PathBuf)>> {
    let entries = disk.read_dir(folder).at("listing", folder)?;
    Ok(entries
        .iter()
        .filter_map(|entry| Some((parse_offset(&entry.name, LOG)?, folder.join(&entry.name))))
        .collect())
}

/// Whether a file of a partition's folder is taken over; indexes are made anew from the batches.
pub(crate) fn is_taken_over(name: &str) -> bool {
    let plain = name.strip_suffix(SWAP).unwrap_or(name);
    [LOG, SNAPSHOT, TXN_INDEX]
        .iter()
        .any(|suffix| parse_offset(plain, suffix).is_some())
        || name == checkpoint::LEADER_EPOCHS
}
