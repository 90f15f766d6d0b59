//! Snapshots on disk: at most one is current, written whole before the log may be purged.
//!
//! ```text
//! DIR/%020d-%010d.snapshot    named by the last entry it covers and that entry's term
//!
//! snapshot := magic "ODNRSNAP" | meta length u32 LE | data length u64 LE
//!           | crc32 of meta and data u32 LE | meta (MessagePack map) | data
//! ```
//!
//! A snapshot is written beside, synced, renamed, the directory synced; then older ones go.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use odeon_kernel::disk::{OpenMode, SharedDisk};

use crate::types::{LogId, SnapshotMeta, StoredSnapshotMeta};

const MAGIC: &[u8; 8] = b"ODNRSNAP";
const HEAD_BYTES: usize = 24;
const SUFFIX: &str = ".snapshot";

/// The snapshots of one replica. Clones share them. All calls block.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotStore {
    disk: SharedDisk,
    dir: PathBuf,
    current: Arc<Mutex<Option<(SnapshotMeta, PathBuf)>>>,
}

fn damaged(path: &Path, what: &str) -> io::Error {
    let text = format!("the snapshot {} is damaged: {what}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl SnapshotStore {
    /// Finds the newest whole snapshot in `dir` and removes leftovers. A damaged one is left
    /// where it is and an older one taken, if there is one.
    pub(crate) fn open(disk: SharedDisk, dir: &Path) -> io::Result<Self> {
        disk.create_dir_all(dir)?;
        let mut names: Vec<String> = disk
            .read_dir(dir)?
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        // Ascending by index, as the names are padded: the newest comes first.
        names.sort_unstable();
        names.reverse();
        let mut current = None;
        for name in names {
            let path = dir.join(&name);
            if name.ends_with(".snapshot.tmp") {
                disk.remove_file(&path)?;
            }
            if !name.ends_with(SUFFIX) {
                continue;
            }
            if current.is_some() {
                disk.remove_file(&path)?;
                continue;
            }
            match read(&disk, &path) {
                Ok((meta, _)) => current = Some((meta, path)),
                Err(error) => tracing::error!(%error, "a snapshot is not used"),
            }
        }
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            current: Arc::new(Mutex::new(current)),
        })
    }

    fn current(&self) -> MutexGuard<'_, Option<(SnapshotMeta, PathBuf)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last entry that the current snapshot covers.
    pub(crate) fn last_log_id(&self) -> Option<LogId> {
        self.current()
            .as_ref()
            .and_then(|(meta, _)| meta.last_log_id)
    }

    /// Reads the current snapshot.
    pub(crate) fn load(&self) -> io::Result<Option<(SnapshotMeta, Bytes)>> {
        // Held over the read, so that the file is not replaced meanwhile.
        let current = self.current();
        let Some((_, path)) = current.as_ref() else {
            return Ok(None);
        };
        read(&self.disk, path).map(Some)
    }

    /// Makes a snapshot the current one; durable on return. An older one than the current one is
    /// dropped.
    pub(crate) fn save(&self, meta: &SnapshotMeta, data: &[u8]) -> io::Result<()> {
        let mut current = self.current();
        if current
            .as_ref()
            .is_some_and(|(newest, _)| newest.last_log_id > meta.last_log_id)
        {
            return Ok(());
        }
        let (index, term) = meta
            .last_log_id
            .map_or((0, 0), |id| (id.index, id.leader_id.term));
        let path = self.dir.join(format!("{index:020}-{term:010}{SUFFIX}"));
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        if self.disk.exists(&temporary) {
            self.disk.remove_file(&temporary)?;
        }
        let meta_bytes =
            rmp_serde::to_vec_named(&StoredSnapshotMeta::from(meta)).map_err(io::Error::other)?;
        let head = head(&meta_bytes, data)?;
        let file = self.disk.open(&temporary, OpenMode::CreateNew)?;
        let slices = [
            IoSlice::new(&head),
            IoSlice::new(&meta_bytes),
            IoSlice::new(data),
        ];
        file.write_all_at(&slices, 0)?;
        file.sync_data()?;
        self.disk.rename(&temporary, &path)?;
        self.disk.sync_dir(&self.dir)?;
        let older = current.replace((meta.clone(), path.clone()));
        if let Some((_, old_path)) = older
            && old_path != path
        {
            self.disk.remove_file(&old_path)?;
        }
        Ok(())
    }
}

fn head(meta: &[u8], data: &[u8]) -> io::Result<[u8; HEAD_BYTES]> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(meta);
    hasher.update(data);
    let meta_len = u32::try_from(meta.len()).map_err(io::Error::other)?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&meta_len.to_le_bytes());
    head.extend_from_slice(&(data.len() as u64).to_le_bytes());
    head.extend_from_slice(&hasher.finalize().to_le_bytes());
    head.try_into()
        .map_err(|_| io::Error::other("a snapshot's head has one size"))
}

fn read(disk: &SharedDisk, path: &Path) -> io::Result<(SnapshotMeta, Bytes)> {
    let bytes = Bytes::from(disk.read(path)?);
    let wrong = |what: &str| damaged(path, what);
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| wrong("it starts with other bytes"))?;
    let (meta_len, rest) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| wrong("it is cut"))?;
    let (data_len, rest) = rest
        .split_first_chunk::<8>()
        .ok_or_else(|| wrong("it is cut"))?;
    let (sum, rest) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| wrong("it is cut"))?;
    let meta_len = u32::from_le_bytes(*meta_len) as usize;
    let expected = u64::from_le_bytes(*data_len).checked_add(meta_len as u64);
    if expected != Some(rest.len() as u64) {
        return Err(wrong("its length is wrong"));
    }
    if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
        return Err(wrong("its checksum is wrong"));
    }
    let meta_bytes = rest.get(..meta_len).ok_or_else(|| wrong("it is cut"))?;
    let stored: StoredSnapshotMeta =
        rmp_serde::from_slice(meta_bytes).map_err(|error| wrong(&error.to_string()))?;
    let meta = SnapshotMeta::try_from(stored).map_err(|error| wrong(&error))?;
    Ok((meta, bytes.slice(HEAD_BYTES + meta_len..)))
}
