//! One of the manager's directories: its lock, its owner and its checkpoints.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use odeon_kernel::disk::{DirLock, DiskTree, SharedDisk};
use odeon_kernel::rng::Rng;
use odeon_model::{NodeId, TopicPartition, Uuid};

use super::ManagerConfig;
use crate::dir::DirState;
use crate::error::{At, LogError, Result};
use crate::files::remove_if_there;
use crate::meta::{CLEAN_SHUTDOWN, LOCK, MetaProperties};

#[derive(Debug)]
pub(super) struct Dir {
    pub(super) state: Arc<DirState>,
    pub(super) clean: bool,
    /// The broker epoch under which it was closed cleanly; -1 if it was not.
    pub(super) previous_epoch: i64,
    /// Logs that could not be loaded: what is known of them is kept.
    pub(super) failed: Mutex<HashSet<TopicPartition>>,
    #[expect(dead_code, reason = "held until the manager is dropped")]
    pub(super) lock: Option<Box<dyn DirLock>>,
    /// To sync all of it at once.
    pub(super) tree: Option<Arc<dyn DiskTree>>,
}

impl Dir {
    pub(super) fn new(
        state: Arc<DirState>,
        (clean, previous_epoch): (bool, i64),
        lock: Option<Box<dyn DirLock>>,
        tree: Option<Arc<dyn DiskTree>>,
    ) -> Self {
        Self {
            state,
            clean,
            previous_epoch,
            lock,
            tree,
            failed: Mutex::default(),
        }
    }
}

/// Takes the lock, checks the owner and reads the checkpoints.
pub(super) fn open_dir(
    disk: &SharedDisk,
    rng: &Rng,
    config: &ManagerConfig,
    cluster_id: Option<&str>,
    path: &Path,
) -> Result<Dir> {
    make_durably(disk, path)?;
    let lock_path = path.join(LOCK);
    let lock = match disk.lock(&lock_path) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            return Err(LogError::Locked {
                dir: path.to_owned(),
            });
        }
        other => other.at("locking", &lock_path)?,
    };
    let directory_id = claim(disk, rng, config.node_id, cluster_id, path)?;
    // The mark counts once, and is gone for good before anything is written.
    let mark = path.join(CLEAN_SHUTDOWN);
    let clean = disk.exists(&mark);
    let mut previous_epoch = -1;
    if clean {
        let text = disk.read(&mark).at("reading", &mark)?;
        previous_epoch = closed_in_epoch(&String::from_utf8_lossy(&text)).unwrap_or(-1);
        remove_if_there(disk, &mark)?;
        disk.sync_dir(path).at("syncing", path)?;
    }
    let state = Arc::new(DirState::new(disk.clone(), path.to_owned(), directory_id));
    // With a checkpoint damaged everything must be read, whatever the mark says.
    let clean = state.checkpoints.load()? && clean;
    let tree = disk.tree(path).at("opening", path)?;
    let previous_epoch = if clean { previous_epoch } else { -1 };
    Ok(Dir::new(state, (clean, previous_epoch), Some(lock), tree))
}

/// The broker epoch in a mark of a clean stop; `None` where it says none.
fn closed_in_epoch(mark: &str) -> Option<i64> {
    let (_, rest) = mark.split_once("\"brokerEpoch\"")?;
    let digits = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = digits.find(|c: char| c != '-' && !c.is_ascii_digit());
    digits.get(..end.unwrap_or(digits.len()))?.parse().ok()
}

/// Checks whose a directory is and gives it an id; both durable on return. Without a cluster yet,
/// the id counts all the same: the other voters may have been told of it.
///
/// # Errors
/// `WrongOwner` if it belongs to another node or cluster; `Corrupt`; `Io`.
pub fn claim(
    disk: &SharedDisk,
    rng: &Rng,
    node_id: NodeId,
    cluster_id: Option<&str>,
    path: &Path,
) -> Result<Uuid> {
    make_durably(disk, path)?;
    let found = MetaProperties::read(disk, path)?;
    let mut meta = found.clone().unwrap_or(MetaProperties {
        cluster_id: None,
        node_id,
        directory_id: Uuid::ZERO,
    });
    meta.check(path, cluster_id, node_id)?;
    if meta.cluster_id.is_none() {
        meta.cluster_id = cluster_id.map(str::to_owned);
    }
    if meta.directory_id.is_zero() {
        meta.directory_id = Uuid::from_random(rng.bytes16());
    }
    if found.as_ref() != Some(&meta) {
        meta.write(disk, path)?;
    }
    Ok(meta.directory_id)
}

/// Writes down which cluster a directory belongs to from now on; durable on return.
///
/// # Errors
/// `WrongOwner` if it belongs to another one; `Corrupt`; `Io`.
pub fn join(disk: &SharedDisk, path: &Path, cluster_id: &str) -> Result<()> {
    let Some(mut meta) = MetaProperties::read(disk, path)? else {
        return Ok(());
    };
    meta.check(path, Some(cluster_id), meta.node_id)?;
    if meta.cluster_id.is_none() {
        meta.cluster_id = Some(cluster_id.to_owned());
        meta.write(disk, path)?;
    }
    Ok(())
}

/// Makes a directory and its missing parents, each of them known to its parent for good.
fn make_durably(disk: &SharedDisk, path: &Path) -> Result<()> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !disk.exists(path))
        .collect();
    disk.create_dir_all(path).at("making", path)?;
    for parent in missing.iter().filter_map(|made| made.parent()) {
        disk.sync_dir(parent).at("syncing", parent)?;
    }
    Ok(())
}
