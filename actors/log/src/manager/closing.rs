//! What is written beside the logs: checkpoints, and the mark of a clean stop.

use std::sync::Arc;

use odeon_model::Offset;

use super::LogManager;
use super::dir::Dir;
use crate::checkpoint::{HIGH_WATERMARK, LOG_START, RECOVERY_POINT};
use crate::error::{At, Result};
use crate::files::lock;
use crate::log::Log;
use crate::meta::CLEAN_SHUTDOWN;

impl LogManager {
    /// Writes the recovery points, log starts and high watermarks that changed. A directory whose
    /// disk refuses goes offline; without room the old ones stay, which only cost time.
    pub fn checkpoint(&self) {
        for dir in self.dirs.iter().filter(|dir| !dir.state.is_offline()) {
            if let Err(error) = self.checkpoint_dir(dir) {
                tracing::warn!(dir = %dir.state.path().display(), %error, "no checkpoint");
                dir.state.judge(&error);
            }
        }
    }

    /// Logs that are gone leave the checkpoints; of those that could not be loaded, what is known
    /// stays.
    pub(super) fn checkpoint_dir(&self, dir: &Dir) -> Result<()> {
        let logs_here = || {
            let mut mine = self.logs();
            mine.retain(|log| Arc::ptr_eq(&log.directory(), &dir.state));
            mine
        };
        let save_epochs = |logs: &[Log]| logs.iter().try_for_each(|log| log.shared.save_epochs());
        // Most of them while nobody waits.
        save_epochs(&logs_here())?;
        let _no_log_comes_or_goes = lock(&self.changes);
        let mine = logs_here();
        // A recovery point says that nothing before it needs to be read again, not for its epochs
        // either: those go first, and it is taken before them.
        let mut points = Vec::with_capacity(mine.len());
        points.extend(mine.iter().map(|log| log.view().recovery_point()));
        save_epochs(&mine)?;
        let failed = lock(&dir.failed);
        let write = |name: &'static str, value: &dyn Fn(usize, &Log) -> Offset| {
            dir.state.checkpoints.update(name, |old| {
                let kept = old
                    .iter()
                    .filter(|(partition, _)| failed.contains(*partition));
                let kept = kept.map(|(partition, offset)| (partition.clone(), *offset));
                let live = mine.iter().enumerate();
                let live = live.map(|(at, log)| (log.partition().clone(), value(at, log)));
                kept.chain(live).collect()
            })
        };
        write(LOG_START, &|_, log| log.view().log_start())?;
        write(RECOVERY_POINT, &|at, _| points[at])?;
        write(HIGH_WATERMARK, &|_, log| log.view().high_watermark())
    }

    /// Closes all logs and leaves the mark of a clean stop in every directory where everything went
    /// well, so that the next start reads nothing. `broker_epoch` is noted in it, -1 for none.
    /// Directories stay locked until the manager is dropped. How many directories are clean.
    pub fn shutdown(&self, broker_epoch: i64) -> usize {
        let logs = self.logs();
        let mut clean = 0;
        for dir in self.dirs.iter().filter(|dir| !dir.state.is_offline()) {
            let mine = logs
                .iter()
                .filter(|log| Arc::ptr_eq(&log.directory(), &dir.state));
            let outcome = self
                .close_together(dir, mine)
                .and_then(|()| self.checkpoint_dir(dir))
                .and_then(|()| {
                    if !lock(&dir.failed).is_empty() {
                        return Ok(());
                    }
                    let path = dir.state.path().join(CLEAN_SHUTDOWN);
                    let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
                    clean += 1;
                    self.disk
                        .write_atomic(&path, text.as_bytes())
                        .at("writing", &path)
                });
            if let Err(error) = outcome {
                tracing::error!(dir = %dir.state.path().display(), %error, "not closed cleanly");
            }
        }
        clean
    }

    /// Closes logs; when this returns they are on disk, all by a few syncs.
    fn close_together<'a>(&self, dir: &Dir, mut logs: impl Iterator<Item = &'a Log>) -> Result<()> {
        self.gather.hold(dir.tree.as_deref());
        let closed = logs.try_for_each(Log::close);
        let settled = self.gather.settle(dir.tree.as_deref());
        closed?;
        settled.at("syncing", dir.state.path())
    }
}
