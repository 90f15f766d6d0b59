//! Logs that go: deleted ones, and strays that are kept under another name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use odeon_model::TopicPartition;

use super::{DeadFolder, LogManager};
use crate::dir::DirState;
use crate::error::{At, LogError, Result};
use crate::files::{lock, write};
use crate::names::{DELETE_DIR, STRAY_DIR, retired_dir_name};

impl LogManager {
    /// Takes a log away: its folder is renamed, its writer and readers get `Closed`, and the files go
    /// with a later [`LogManager::run_deletions`].
    ///
    /// # Errors
    /// `NoSuchLog`; `Offline`; `Io`, which takes the directory offline.
    pub fn delete(&self, partition: &TopicPartition) -> Result<()> {
        let delay_ms = self
            .get(partition)
            .map_or(0, |log| log.config().file_delete_delay_ms.max(0));
        let (dir, path) = self.retire(partition, DELETE_DIR)?;
        let due = self.clock.monotonic() + Duration::from_millis(delay_ms.unsigned_abs());
        lock(&self.dead).push(DeadFolder { dir, path, due });
        Ok(())
    }

    /// Takes a log away that no topic of the cluster claims, and keeps its files: its folder gets a
    /// name that ends in `-stray`, which is the answer. Nothing removes it but a person.
    ///
    /// # Errors
    /// `NoSuchLog`; `Offline`; `Io`, which takes the directory offline.
    pub fn set_aside(&self, partition: &TopicPartition) -> Result<PathBuf> {
        Ok(self.retire(partition, STRAY_DIR)?.1)
    }

    /// Renames a log's folder and forgets the log.
    fn retire(&self, partition: &TopicPartition, suffix: &str) -> Result<(Arc<DirState>, PathBuf)> {
        let _one_at_a_time = lock(&self.changes);
        self.drop_future(partition);
        let missing = || LogError::NoSuchLog {
            partition: partition.clone(),
        };
        let log = self.get(partition).ok_or_else(missing)?;
        log.shared.dir().check()?;
        log.mark_closed();
        let dir = log.directory();
        let from = log.folder();
        let name = retired_dir_name(partition, self.rng.bytes16(), suffix);
        let to = dir.path().join(name);
        let moved = self
            .disk
            .rename(&from, &to)
            .at("renaming", &from)
            .and_then(|()| {
                log.shared.place().folder.moved_to(to.clone());
                self.disk.sync_dir(dir.path()).at("syncing", dir.path())
            });
        log.shared.judge(moved)?;
        write(&self.logs).remove(partition);
        dir.count_log(-1);
        log.shared.judge(dir.checkpoints.forget(partition))?;
        Ok((dir, to))
    }

    /// Removes the folders of deleted logs whose delay has passed. How many.
    pub fn run_deletions(&self) -> usize {
        let now = self.clock.monotonic();
        let (due, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut *lock(&self.dead))
            .into_iter()
            .partition(|dead| dead.due <= now);
        lock(&self.dead).extend(waiting);
        for dead in due.iter().filter(|dead| !dead.dir.is_offline()) {
            let removed = self
                .disk
                .remove_dir_all(&dead.path)
                .at("removing", &dead.path);
            match removed {
                Err(LogError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => dead.dir.judge(&error),
                Ok(()) => {}
            }
        }
        due.len()
    }
}
