//! Bringing the logs of the directories back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use odeon_model::{TopicPartition, Uuid};

use super::dir::Dir;
use super::{DeadFolder, LogManager};
use crate::checkpoint::{self, HIGH_WATERMARK, LOG_START, PARTITION_METADATA, RECOVERY_POINT};
use crate::error::{At, LogError, Result};
use crate::files::{lock, remove_if_there, write};
use crate::log::Log;
use crate::names::{
    DELETE_DIR, FUTURE_DIR, LOG, STRAY_DIR, dir_name, parse_dir_name, parse_retired_dir_name,
    retired_dir_name,
};
use crate::recovery::{Known, RecoveryReport, load};

/// Folders that look like partitions but belong to others.
const FOREIGN: [&str; 1] = ["__cluster_metadata"];

/// What loading found.
#[derive(Debug, Default)]
pub struct LoadSummary {
    /// Logs that are ready.
    pub loaded: usize,
    /// Logs that are not, and why; their files are left as they are.
    pub failed: Vec<(TopicPartition, LogError)>,
    /// Directories that had not been closed properly.
    pub unclean_dirs: usize,
    /// What recovery did, for the logs where it did something.
    pub recovered: Vec<(TopicPartition, RecoveryReport)>,
}

impl LogManager {
    /// Loads every log of every working directory. A log that cannot be loaded is named in the
    /// summary and its files stay as they are; a failing disk takes its directory offline.
    ///
    /// # Errors
    /// `NoDirectory` if no directory is left.
    pub fn load_all(&self) -> Result<LoadSummary> {
        let mut summary = LoadSummary::default();
        let mut copies = Vec::new();
        for dir in self.dirs.iter().filter(|dir| !dir.state.is_offline()) {
            summary.unclean_dirs += usize::from(!dir.clean);
            match self.load_dir(dir, &mut summary) {
                Ok(found) => copies.extend(found.into_iter().map(|(name, path)| (dir, name, path))),
                Err(error) => dir.state.fail(&error.to_string()),
            }
        }
        for (dir, partition, path) in copies {
            self.resume_move(&partition, dir, path);
        }
        self.check_any_online()?;
        Ok(summary)
    }

    /// Loads a directory's logs; the copies in it that were to take the place of logs elsewhere.
    fn load_dir(
        &self,
        dir: &Dir,
        summary: &mut LoadSummary,
    ) -> Result<Vec<(TopicPartition, PathBuf)>> {
        let root = dir.state.path();
        self.gather.hold(dir.tree.as_deref());
        let loaded = self.load_logs(dir, summary);
        let settled = self.gather.settle(dir.tree.as_deref());
        let copies = loaded?;
        settled.at("syncing", root)?;
        // Before anyone appends: no entry may claim more than was found.
        self.checkpoint_dir(dir)?;
        Ok(copies)
    }

    fn load_logs(
        &self,
        dir: &Dir,
        summary: &mut LoadSummary,
    ) -> Result<Vec<(TopicPartition, PathBuf)>> {
        let root = dir.state.path();
        let mut copies = Vec::new();
        for entry in self.disk.read_dir(root).at("listing", root)? {
            if !entry.is_dir {
                continue;
            }
            if entry.name.ends_with(DELETE_DIR) {
                let (path, due) = (root.join(&entry.name), Duration::ZERO);
                lock(&self.dead).push(DeadFolder {
                    dir: dir.state.clone(),
                    path,
                    due,
                });
                continue;
            }
            if let Some(partition) = parse_retired_dir_name(&entry.name, FUTURE_DIR) {
                copies.push((partition, root.join(&entry.name)));
                continue;
            }
            let Some(partition) = parse_dir_name(&entry.name) else {
                tracing::debug!(folder = entry.name, "not a partition's folder");
                continue;
            };
            if FOREIGN.contains(&&*partition.topic) {
                continue;
            }
            match self.load_one(dir, &partition) {
                Ok(Some((log, report))) => {
                    if report != RecoveryReport::default() {
                        summary.recovered.push((partition.clone(), report));
                    }
                    self.note_home(&log);
                    write(&self.logs).insert(partition, log);
                    summary.loaded += 1;
                }
                Ok(None) => {}
                // At a start a full disk is a failed one: nothing is served yet that could go on.
                Err(error) if error.takes_dir_offline() || error.is_out_of_room() => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::error!(%partition, %error, "a log cannot be loaded");
                    lock(&dir.failed).insert(partition.clone());
                    summary.failed.push((partition, error));
                }
            }
        }
        Ok(copies)
    }

    fn load_one(
        &self,
        dir: &Dir,
        partition: &TopicPartition,
    ) -> Result<Option<(Log, RecoveryReport)>> {
        let path = dir.state.path().join(dir_name(partition));
        let topic_id = checkpoint::read_topic_id(&self.disk, &path);
        let other = self.get(partition);
        if let Some(other) = &other
            && !matches!(topic_id, Ok(Some(found)) if found == other.topic_id())
        {
            let detail = format!("{} holds the same partition", other.folder().display());
            return Err(LogError::Corrupt { path, detail });
        }
        if !matches!(topic_id, Ok(Some(_))) && self.is_half_made(&path)? {
            self.disk.remove_dir_all(&path).at("removing", &path)?;
            // For good: the partition may be made anew in another directory.
            let parent = dir.state.path();
            self.disk.sync_dir(parent).at("syncing", parent)?;
            return Ok(None);
        }
        let topic_id = match topic_id {
            // Torn before its first sync: it gets its id from `create`.
            Err(LogError::Corrupt { .. }) if !self.was_synced(dir, partition) => {
                remove_if_there(&self.disk, &path.join(PARTITION_METADATA))?;
                self.disk.sync_dir(&path).at("syncing", &path)?;
                None
            }
            other => other?,
        };
        let place = self.place(path);
        let checkpoints = &dir.state.checkpoints;
        let known = Known {
            clean: dir.clean,
            recovery_point: checkpoints.get(RECOVERY_POINT, partition),
            log_start: checkpoints.get(LOG_START, partition),
            high_watermark: checkpoints.get(HIGH_WATERMARK, partition),
        };
        let recovered = load(&place, &self.defaults, known)?;
        let report = recovered.report;
        let topic_id = topic_id.unwrap_or(Uuid::ZERO);
        let log = self.assemble(
            partition,
            topic_id,
            place,
            dir,
            self.defaults.clone(),
            recovered,
        );
        if let Some(other) = other {
            return Ok(self.choose(other, log)?.map(|log| (log, report)));
        }
        Ok(Some((log, report)))
    }

    /// Of two logs of a partition, which a move left that was interrupted at its end, the one that has
    /// more stays; the other is kept under a name that nobody serves. The second one, if it stays.
    fn choose(&self, first: Log, second: Log) -> Result<Option<Log>> {
        let has = |log: &Log| {
            let latest = log.reader().latest_epoch().map(|latest| latest.epoch);
            (latest, log.view().log_end())
        };
        let second_stays = has(&second) > has(&first);
        let loser = if second_stays { &first } else { &second };
        let (dir, from) = (loser.directory(), loser.folder());
        let name = retired_dir_name(loser.partition(), self.rng.bytes16(), STRAY_DIR);
        tracing::warn!(folder = %from.display(), stray = name, "a partition is there twice");
        loser.mark_closed();
        self.disk
            .rename(&from, &dir.path().join(name))
            .at("renaming", &from)?;
        self.disk.sync_dir(dir.path()).at("syncing", dir.path())?;
        dir.count_log(-1);
        Ok(second_stays.then_some(second))
    }

    fn was_synced(&self, dir: &Dir, partition: &TopicPartition) -> bool {
        let point = dir.state.checkpoints.get(RECOVERY_POINT, partition);
        point.is_some_and(|point| point > 0)
    }

    /// A folder whose creation was interrupted: its id is not there or torn, and nothing was written.
    fn is_half_made(&self, path: &Path) -> Result<bool> {
        let entries = self.disk.read_dir(path).at("listing", path)?;
        Ok(!entries.iter().any(|entry| entry.name.contains(LOG)))
    }
}
