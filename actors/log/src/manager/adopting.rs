//! Taking over partitions that Apache Kafka wrote.
//!
//! A copy grows in a folder whose name ends in `-delete`, so that one that was interrupted goes by
//! itself; a finished one is renamed. A moved folder is renamed at once, and is a stray until its
//! topic is there. Indexes are made anew: a killed Kafka leaves them as the page cache had them.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use odeon_kernel::disk::{DiskFile, OpenMode};
use odeon_model::{Offset, TopicPartition, Uuid};

use super::LogManager;
use super::dir::Dir;
use crate::checkpoint;
use crate::error::{At, LogError, Result};
use crate::files::{lock, write};
use crate::log::Log;
use crate::names::{DELETE_DIR, dir_name, is_legal_topic, retired_dir_name};
use crate::recovery::{Known, load, remake};
use crate::source::{LogSource, SourceReport, is_taken_over};

/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 20;

/// A partition to be taken over.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// Where it is now; checked, and locked by the caller.
    pub source: LogSource,
    /// What the check found.
    pub report: SourceReport,
    /// What it will be called.
    pub partition: TopicPartition,
    /// The topic it will belong to.
    pub topic_id: Uuid,
    /// Whether the folder is moved instead of copied.
    pub moves: bool,
}

/// A partition that was taken over, and what is left to be done about its source.
#[derive(Debug)]
pub struct Adopted {
    /// Its log, loaded. It is a stray until there is a topic of its id.
    pub log: Log,
    /// Where its folder was moved from, unless it was copied.
    moved_from: Option<PathBuf>,
    /// The source of a copy that was to be a move.
    leftover: Option<PathBuf>,
}

impl LogManager {
    /// Takes a partition's folder into the working directory with the fewest partitions; everything
    /// is durable then. `progress` hears how many bytes more are done: each byte once for the copy
    /// and once for the check of what was copied. [`LogManager::keep`] or [`LogManager::give_back`]
    /// must follow. Blocks.
    ///
    /// # Errors
    /// `BadName`; `Exists` if the partition has a log; `Corrupt` if the copy is not what the check
    /// saw; `NoDirectory`; `Io`.
    pub fn adopt(&self, adoption: &Adoption, progress: &mut dyn FnMut(u64)) -> Result<Adopted> {
        let partition = &adoption.partition;
        if !is_legal_topic(&partition.topic) || partition.partition < 0 {
            let partition = partition.clone();
            return Err(LogError::BadName { partition });
        }
        let dir = self.home_for(adoption)?;
        let target = dir.state.path().join(dir_name(partition));
        self.check_free(partition, &target)?;
        let moved = adoption.moves && self.try_move(&adoption.source.folder, &target)?;
        let placed = if moved {
            progress(adoption.source.size_bytes);
            self.settle(&target, adoption, progress)
        } else {
            self.copy(dir, &target, adoption, progress)
        };
        let adopted = placed.and_then(|()| self.bring_in(dir, &target, adoption));
        if adopted.is_err() && moved {
            self.rename_durably(&target, &adoption.source.folder)?;
        }
        let from = adoption.moves.then(|| adoption.source.folder.clone());
        let (moved_from, leftover) = if moved { (from, None) } else { (None, from) };
        Ok(Adopted {
            log: adopted?,
            moved_from,
            leftover,
        })
    }

    /// The topic of an adopted partition is there: what is left of a moved source goes.
    ///
    /// # Errors
    /// `Io`: some of the source is still there.
    pub fn keep(&self, adopted: Adopted) -> Result<()> {
        match adopted.leftover {
            Some(source) => self.disk.remove_dir_all(&source).at("removing", &source),
            None => Ok(()),
        }
    }

    /// The topic of an adopted partition could not be made: a copy goes, a moved folder goes back.
    ///
    /// # Errors
    /// `Io`: the folder stays where it is, and is a stray.
    pub fn give_back(&self, adopted: Adopted) -> Result<()> {
        let partition = adopted.log.partition().clone();
        match adopted.moved_from {
            Some(source) => {
                let folder = self.set_aside(&partition)?;
                self.rename_durably(&folder, &source)
            }
            None => self.delete(&partition),
        }
    }

    /// A stray that moves stays in its directory.
    fn home_for(&self, adoption: &Adoption) -> Result<&Dir> {
        let root = adoption.source.root();
        let mut online = self.dirs.iter().filter(|dir| !dir.state.is_offline());
        let own = online.find(|dir| {
            adoption.moves && std::path::absolute(dir.state.path()).is_ok_and(|path| path == root)
        });
        own.map_or_else(|| self.emptiest(), Ok)
    }

    fn check_free(&self, partition: &TopicPartition, target: &Path) -> Result<()> {
        let failed = |dir: &Dir| lock(&dir.failed).contains(partition);
        if self.get(partition).is_some() || self.disk.exists(target) || self.dirs.iter().any(failed)
        {
            return Err(LogError::Exists {
                partition: partition.clone(),
            });
        }
        Ok(())
    }

    /// Renames the folder; false if it is on another file system.
    fn try_move(&self, from: &Path, to: &Path) -> Result<bool> {
        match self.rename_durably(from, to) {
            Err(LogError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::CrossesDevices =>
            {
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }

    fn rename_durably(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.rename(from, to).at("renaming", from)?;
        for parent in [to.parent(), from.parent()].into_iter().flatten() {
            self.disk.sync_dir(parent).at("syncing", parent)?;
        }
        Ok(())
    }

    fn copy(
        &self,
        dir: &Dir,
        target: &Path,
        adoption: &Adoption,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let name = retired_dir_name(&adoption.partition, self.rng.bytes16(), DELETE_DIR);
        let growing = dir.state.path().join(name);
        let copied = self
            .copy_files(&adoption.source.folder, &growing, progress)
            .and_then(|()| self.settle(&growing, adoption, progress))
            .and_then(|()| self.rename_durably(&growing, target));
        if copied.is_err() {
            // What it can be told: the reason. The next start removes what is left.
            let _ = self.disk.remove_dir_all(&growing);
        }
        copied
    }

    fn copy_files(&self, from: &Path, to: &Path, progress: &mut dyn FnMut(u64)) -> Result<()> {
        self.disk.create_dir_all(to).at("making", to)?;
        for entry in self.disk.read_dir(from).at("listing", from)? {
            if entry.is_dir || !is_taken_over(&entry.name) {
                continue;
            }
            let (from, to) = (from.join(&entry.name), to.join(&entry.name));
            let source = self.disk.open(&from, OpenMode::Read).at("opening", &from)?;
            let copy = self
                .disk
                .open(&to, OpenMode::CreateNew)
                .at("creating", &to)?;
            let mut buffer = vec![0; COPY_BYTES];
            let mut position = 0;
            loop {
                let read = source.read_at(&mut buffer, position).at("reading", &from)?;
                let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                    break;
                };
                copy.write_all_at(&[IoSlice::new(bytes)], position)
                    .at("writing", &to)?;
                position += read as u64;
                if entry.name.ends_with(crate::names::LOG) {
                    progress(read as u64);
                }
            }
            copy.sync_data().at("syncing", &to)?;
        }
        Ok(())
    }

    /// Makes the folder one of this node's topic: what is torn goes, indexes are made, all is synced.
    fn settle(
        &self,
        folder: &Path,
        adoption: &Adoption,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let place = self.place(folder.to_owned());
        let interval = self.defaults.index_interval_bytes;
        let end: Offset = remake(&place, interval, progress)?;
        if end.max(adoption.report.log_start) != adoption.report.log_end {
            let wanted = adoption.report.log_end;
            return Err(LogError::Corrupt {
                path: folder.to_owned(),
                detail: format!("it ends at {end}, and its source at {wanted}"),
            });
        }
        let file: std::sync::Arc<dyn DiskFile> =
            checkpoint::write_topic_id(&self.disk, folder, adoption.topic_id)?;
        file.sync_data().at("syncing the metadata in", folder)?;
        self.disk.sync_dir(folder).at("syncing", folder)
    }

    fn bring_in(&self, dir: &Dir, folder: &Path, adoption: &Adoption) -> Result<Log> {
        let _one_at_a_time = lock(&self.changes);
        let report = &adoption.report;
        dir.state
            .checkpoints
            .set(&adoption.partition, report.log_start..report.log_end)?;
        let known = Known {
            clean: false,
            recovery_point: Some(report.log_end),
            log_start: Some(report.log_start),
            high_watermark: Some(report.log_end),
        };
        let place = self.place(folder.to_owned());
        let recovered = load(&place, &self.defaults, known)?;
        let defaults = self.defaults.clone();
        let (partition, topic_id) = (&adoption.partition, adoption.topic_id);
        let log = self.assemble(partition, topic_id, place, dir, defaults, recovered);
        write(&self.logs).insert(partition.clone(), log.clone());
        Ok(log)
    }
}
