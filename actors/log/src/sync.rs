//! Making appends durable, away from the writer.
//!
//! The writer takes a [`SyncJob`], a sync thread runs it, and the writer publishes what came back.
//! One job runs at a time, so that what is published is always a prefix of the log. A job whose
//! writer was fenced, or whose log was truncated meanwhile, publishes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use odeon_model::Offset;

use crate::dir::DirState;
use crate::error::{At, Result};
use crate::segment::Segment;
use crate::shared::{Shared, Unsynced};
use crate::writer::LogWriter;

/// What one sync covers. Blocking work: run it on a thread of its own.
#[derive(Debug)]
#[must_use = "a sync that does not run makes nothing durable, and no other can start"]
pub struct SyncJob {
    shared: Arc<Shared>,
    ticket: u64,
    target: Offset,
    work: Unsynced,
    /// Whose disk it is that may fail: the log may move meanwhile.
    dir: Arc<DirState>,
}

/// The outcome of a [`SyncJob`], for [`LogWriter::complete_sync`].
#[derive(Debug)]
#[must_use = "the writer must hear of it"]
pub struct SyncDone {
    ticket: u64,
    target: Offset,
    result: Result<()>,
}

impl SyncJob {
    /// The log end when the job was taken: what will be durable.
    pub fn target(&self) -> Offset {
        self.target
    }

    /// Syncs files and folder. A failure takes the log directory offline at once; it is never tried
    /// again, because the kernel may have dropped the pages that could not be written.
    pub fn run(self) -> SyncDone {
        let usable = self.dir.check();
        let result = usable.and_then(|()| sync_all(&self.shared, &self.work));
        if self.shared.closed.load(Ordering::Acquire) {
            // Closed logs synced by themselves, deleted ones need none.
        } else if let Err(error) = &result {
            self.dir.fail(&format!("a sync failed: {error}"));
        }
        SyncDone {
            ticket: self.ticket,
            target: self.target,
            result,
        }
    }
}

/// Syncs in the order that recovery relies on: data and indexes, then the names that lead to them.
/// Not the epochs: recovery finds those behind the recovery point in the batches, and they are
/// written before that moves.
pub(crate) fn sync_all(shared: &Shared, work: &Unsynced) -> Result<()> {
    for segment in &work.segments {
        let sync = || {
            segment
                .log
                .get()?
                .sync_data()
                .at("syncing", &segment.log.path())
        };
        unless_removed(shared, segment, sync())?;
    }
    for segment in &work.sealed {
        let sync = || {
            segment
                .index
                .seal(true)
                .and_then(|()| segment.time_index.seal(true))
        };
        unless_removed(shared, segment, sync())?;
    }
    for snapshot in &work.snapshots {
        snapshot
            .sync_data()
            .at("syncing a snapshot in", &shared.place().folder.path())?;
    }
    if let Some(metadata) = &work.made {
        metadata
            .sync_data()
            .at("syncing the metadata in", &shared.place().folder.path())?;
        let dir = shared.dir();
        let parent = dir.path();
        shared.place().disk.sync_dir(parent).at("syncing", parent)?;
    }
    if work.folder {
        let folder = shared.place().folder.path();
        shared
            .place()
            .disk
            .sync_dir(&folder)
            .at("syncing", &folder)?;
    }
    Ok(())
}

/// Retention or truncation may remove a segment while it is being synced: nobody misses it.
fn unless_removed(shared: &Shared, segment: &Arc<Segment>, result: Result<()>) -> Result<()> {
    let listed = || {
        shared
            .segments()
            .iter()
            .any(|other| Arc::ptr_eq(other, segment))
    };
    if result.is_err() && !listed() {
        Ok(())
    } else {
        result
    }
}

impl LogWriter {
    /// The work that makes everything written so far durable; `None` if there is none, or while an
    /// earlier job has not been completed.
    ///
    /// # Errors
    /// `Fenced`, `Closed`, `Offline`.
    pub fn sync_job(&mut self) -> Result<Option<SyncJob>> {
        let mut core = self.core()?;
        if core.syncing.is_some() || core.unsynced.is_empty() {
            return Ok(None);
        }
        let work = std::mem::take(&mut core.unsynced);
        core.tickets += 1;
        let ticket = core.tickets;
        core.syncing = Some((ticket, work.clone()));
        let target = self.shared.view.log_end();
        Ok(Some(SyncJob {
            shared: self.shared.clone(),
            ticket,
            target,
            work,
            dir: self.shared.dir(),
        }))
    }

    /// Whether something was written that no job has taken yet.
    ///
    /// # Errors
    /// `Fenced`, `Closed`, `Offline`.
    pub fn needs_sync(&self) -> Result<bool> {
        Ok(!self.core()?.unsynced.is_empty())
    }

    /// Publishes a finished job and returns the offset up to which the log is on disk, whatever its
    /// mode.
    ///
    /// # Errors
    /// `Fenced`: a newer writer will sync again. The job's own error; the directory is offline then.
    pub fn complete_sync(&mut self, done: SyncDone) -> Result<Offset> {
        // The job's own error tells more than "offline", which follows from it.
        done.result?;
        let mut core = self.core()?;
        let view = &self.shared.view;
        match &core.syncing {
            Some((ticket, _)) if *ticket == done.ticket => core.syncing = None,
            // Truncated meanwhile: its target is meaningless.
            _ => return Ok(view.recovery_point()),
        }
        view.recovery_point.fetch_max(done.target, Ordering::AcqRel);
        view.flushed.fetch_max(done.target, Ordering::AcqRel);
        Ok(view.recovery_point())
    }
}
