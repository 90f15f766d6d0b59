//! One of the manager's directories: its lock, its owner and its checkpoints.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use odeon_kernel::disk::{DirLock, SharedDisk};
use odeon_kernel::rng::Rng;
use odeon_model::{Offset, TopicPartition, Uuid};

use super::ManagerConfig;
use crate::checkpoint::{self, HIGH_WATERMARK, LOG_START, RECOVERY_POINT};
use crate::dir::DirState;
use crate::error::{At, LogError, Result};
use crate::files::remove_if_there;
use crate::meta::{CLEAN_SHUTDOWN, LOCK, MetaProperties};

#[derive(Debug)]
pub(super) struct Dir {
    pub(super) state: Arc<DirState>,
    pub(super) clean: bool,
    pub(super) recovery_points: HashMap<TopicPartition, Offset>,
    pub(super) log_starts: HashMap<TopicPartition, Offset>,
    pub(super) high_watermarks: HashMap<TopicPartition, Offset>,
    /// Logs that could not be loaded: what is known of them is kept.
    pub(super) failed: Mutex<HashSet<TopicPartition>>,
    /// The checkpoints' last content.
    pub(super) written: Mutex<HashMap<&'static str, Vec<(TopicPartition, Offset)>>>,
    #[expect(dead_code, reason = "held until the manager is dropped")]
    pub(super) lock: Option<Box<dyn DirLock>>,
}

impl Dir {
    pub(super) fn new(state: Arc<DirState>, clean: bool, lock: Option<Box<dyn DirLock>>) -> Self {
        Self {
            state,
            clean,
            lock,
            recovery_points: HashMap::new(),
            log_starts: HashMap::new(),
            high_watermarks: HashMap::new(),
            failed: Mutex::default(),
            written: Mutex::default(),
        }
    }
}

/// Takes the lock, checks the owner and reads the checkpoints.
pub(super) fn open_dir(
    disk: &SharedDisk,
    rng: &Rng,
    config: &ManagerConfig,
    path: &Path,
) -> Result<Dir> {
    disk.create_dir_all(path).at("making", path)?;
    let lock_path = path.join(LOCK);
    let lock = match disk.lock(&lock_path) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            return Err(LogError::Locked {
                dir: path.to_owned(),
            });
        }
        other => other.at("locking", &lock_path)?,
    };
    let meta = match MetaProperties::read(disk, path)? {
        Some(meta) => {
            meta.check(path, &config.cluster_id, config.node_id)?;
            meta
        }
        None => MetaProperties {
            cluster_id: config.cluster_id.clone(),
            node_id: config.node_id,
            directory_id: Uuid::ZERO,
        },
    };
    let directory_id = if meta.directory_id.is_zero() {
        let meta = MetaProperties {
            directory_id: Uuid::from_random(rng.bytes16()),
            ..meta
        };
        meta.write(disk, path)?;
        meta.directory_id
    } else {
        meta.directory_id
    };
    // The mark counts once, and is gone for good before anything is written.
    let mark = path.join(CLEAN_SHUTDOWN);
    let clean = disk.exists(&mark);
    if clean {
        remove_if_there(disk, &mark)?;
        disk.sync_dir(path).at("syncing", path)?;
    }
    let mut dir = Dir::new(
        Arc::new(DirState::new(path.to_owned(), directory_id)),
        clean,
        Some(lock),
    );
    let offsets = |name: &str| match checkpoint::read_offsets(disk, &path.join(name)) {
        Err(LogError::Corrupt { path, detail }) => {
            tracing::warn!(path = %path.display(), detail, "starting without this checkpoint");
            Ok(None)
        }
        other => other.map(Some),
    };
    let recovery_points = offsets(RECOVERY_POINT)?;
    // Without recovery points everything must be read, whatever the mark says.
    dir.clean &= recovery_points.is_some();
    dir.recovery_points = recovery_points.unwrap_or_default();
    dir.log_starts = offsets(LOG_START)?.unwrap_or_default();
    dir.high_watermarks = offsets(HIGH_WATERMARK)?.unwrap_or_default();
    Ok(dir)
}
