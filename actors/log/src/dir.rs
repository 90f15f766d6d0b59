//! A log directory's health, shared by all logs in it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, Ordering};

use odeon_kernel::ByteBudget;
use odeon_kernel::disk::SharedDisk;
use odeon_model::Uuid;

use crate::checkpoints::Checkpoints;
use crate::error::{LogError, Result};
use crate::files::lock;

/// Syncs that run on a directory beside each other: more only queue in the file system's journal.
const SYNCS_AT_ONCE: usize = 4;

/// One of `log.dirs`.
#[derive(Debug)]
pub struct DirState {
    path: PathBuf,
    id: Uuid,
    offline: AtomicBool,
    reason: Mutex<Option<String>>,
    pub(crate) ahead: Ahead,
    logs: AtomicIsize,
    sync_slots: ByteBudget,
    pub(crate) checkpoints: Checkpoints,
}

impl DirState {
    pub(crate) fn new(disk: SharedDisk, path: PathBuf, id: Uuid) -> Self {
        let (offline, reason) = (AtomicBool::new(false), Mutex::new(None));
        Self {
            checkpoints: Checkpoints::new(disk, path.clone()),
            path,
            id,
            offline,
            reason,
            ahead: Ahead::default(),
            logs: AtomicIsize::new(0),
            sync_slots: ByteBudget::new(SYNCS_AT_ONCE as u64),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `directory.id` of its `meta.properties`; zero if it could not be read.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Where a [`SyncJob`](crate::SyncJob) waits for its turn: each takes 1 while it runs. Take the
    /// job when its turn has come, and it covers what was written meanwhile.
    pub fn sync_slots(&self) -> &ByteBudget {
        &self.sync_slots
    }

    /// The logs in it.
    pub fn logs(&self) -> usize {
        usize::try_from(self.logs.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub(crate) fn count_log(&self, change: isize) {
        self.logs.fetch_add(change, Ordering::Relaxed);
    }

    /// Why it is offline; `None` while it works.
    pub fn offline_reason(&self) -> Option<String> {
        if self.offline.load(Ordering::Acquire) {
            lock(&self.reason).clone()
        } else {
            None
        }
    }

    /// Whether it failed. It stays offline until the process restarts.
    pub fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Acquire)
    }

    /// Takes the directory offline: nothing in it is read or written any more.
    pub fn fail(&self, reason: &str) {
        let mut held = lock(&self.reason);
        if held.is_none() {
            tracing::error!(dir = %self.path.display(), reason, "log directory goes offline");
            *held = Some(reason.to_owned());
        }
        self.offline.store(true, Ordering::Release);
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self.offline_reason() {
            None => Ok(()),
            Some(reason) => Err(LogError::Offline {
                dir: self.path.clone(),
                reason,
            }),
        }
    }

    /// Takes the directory offline if `error` is the disk's fault.
    pub(crate) fn judge(&self, error: &LogError) {
        if matches!(error, LogError::Io { .. }) && error.takes_dir_offline() {
            self.fail(&error.to_string());
        }
    }
}

/// Bounds what all logs of a directory reserve ahead of their ends.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    reserved: AtomicU64,
    limit: AtomicU64,
}

impl Ahead {
    pub(crate) fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Takes `bytes` if they are within the limit.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let taken = self.reserved.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if taken > limit {
            self.give_back(bytes);
        }
        taken <= limit
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.reserved.fetch_sub(bytes, Ordering::Relaxed);
    }
}
