//! Open files, of which only so many stay open.
//!
//! A [`FileSlot`] is a file that is opened when it is needed. The [`FileCache`] closes the ones that
//! were not used for long (second chance), so that the number of descriptors follows the setting and
//! not the number of segments. A handle in use outlives its eviction, its renaming and its removal.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};

use odeon_kernel::disk::{DiskFile, OpenMode, SharedDisk};

use crate::error::{At, Result};

/// Locks, also after a panic: every holder here leaves consistent state behind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// A folder whose path may change while its files are open.
#[derive(Debug)]
pub(crate) struct Folder {
    path: RwLock<PathBuf>,
}

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path: RwLock::new(path),
        })
    }

    pub(crate) fn path(&self) -> PathBuf {
        read(&self.path).clone()
    }

    /// The path of something in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        read(&self.path).join(name)
    }

    pub(crate) fn moved_to(&self, path: PathBuf) {
        *write(&self.path) = path;
    }
}

/// Bounds the open files of all logs.
#[derive(Debug)]
pub(crate) struct FileCache {
    capacity: usize,
    open: AtomicUsize,
    queue: Mutex<VecDeque<Weak<FileSlot>>>,
}

impl FileCache {
    pub(crate) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity: capacity.max(8),
            open: AtomicUsize::new(0),
            queue: Mutex::new(VecDeque::new()),
        })
    }

    /// The files that are open now.
    pub(crate) fn open_files(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn admit(&self, slot: &Arc<FileSlot>) {
        let mut queue = lock(&self.queue);
        queue.push_back(Arc::downgrade(slot));
        // Each slot gets one second chance, hence at most two rounds.
        for _ in 0..queue.len() * 2 {
            if self.open.load(Ordering::Relaxed) <= self.capacity {
                break;
            }
            let Some(oldest) = queue.pop_front() else {
                break;
            };
            let Some(victim) = oldest.upgrade() else {
                continue;
            };
            let is_new = Arc::ptr_eq(&victim, slot);
            if is_new || victim.used.swap(false, Ordering::Relaxed) {
                queue.push_back(oldest);
            } else if !victim.close() {
                continue;
            }
        }
        if queue.len() > self.capacity * 4 {
            queue.retain(|slot| slot.strong_count() > 0);
        }
    }
}

/// A file that is opened on demand.
#[derive(Debug)]
pub(crate) struct FileSlot {
    folder: Arc<Folder>,
    name: Mutex<String>,
    disk: SharedDisk,
    cache: Arc<FileCache>,
    handle: Mutex<Option<Arc<dyn DiskFile>>>,
    used: AtomicBool,
}

impl FileSlot {
    pub(crate) fn new(
        folder: &Arc<Folder>,
        name: String,
        disk: &SharedDisk,
        cache: &Arc<FileCache>,
    ) -> Arc<Self> {
        Arc::new(Self {
            folder: folder.clone(),
            name: Mutex::new(name),
            disk: disk.clone(),
            cache: cache.clone(),
            handle: Mutex::new(None),
            used: AtomicBool::new(false),
        })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&lock(&self.name))
    }

    /// The open file.
    pub(crate) fn get(self: &Arc<Self>) -> Result<Arc<dyn DiskFile>> {
        self.open(OpenMode::ReadWrite)
    }

    /// The open file, created if it is missing.
    pub(crate) fn create(self: &Arc<Self>) -> Result<Arc<dyn DiskFile>> {
        self.open(OpenMode::Create)
    }

    fn open(self: &Arc<Self>, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        self.used.store(true, Ordering::Relaxed);
        let opened = {
            let mut handle = lock(&self.handle);
            if let Some(file) = &*handle {
                return Ok(file.clone());
            }
            let path = self.path();
            let file = self.disk.open(&path, mode).at("opening", &path)?;
            self.cache.open.fetch_add(1, Ordering::Relaxed);
            *handle = Some(file.clone());
            file
        };
        self.cache.admit(self);
        Ok(opened)
    }

    /// Closes the file; false if it was not open.
    pub(crate) fn close(&self) -> bool {
        let closed = lock(&self.handle).take().is_some();
        if closed {
            self.cache.open.fetch_sub(1, Ordering::Relaxed);
        }
        closed
    }

    /// Moves the file to another name in the same folder; a missing file stays missing.
    pub(crate) fn rename(&self, new_name: String) -> Result<()> {
        let mut name = lock(&self.name);
        let (from, to) = (self.folder.join(&name), self.folder.join(&new_name));
        ignore_missing(self.disk.rename(&from, &to)).at("renaming", &from)?;
        *name = new_name;
        Ok(())
    }

    /// Closes and removes the file; a missing one is fine.
    pub(crate) fn remove(&self) -> Result<()> {
        self.close();
        let path = self.path();
        ignore_missing(self.disk.remove_file(&path)).at("removing", &path)
    }
}

impl Drop for FileSlot {
    fn drop(&mut self) {
        self.close();
    }
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes a file that may be missing.
pub(crate) fn remove_if_there(disk: &SharedDisk, path: &Path) -> Result<()> {
    ignore_missing(disk.remove_file(path)).at("removing", path)
}

#[cfg(test)]
mod tests {
    use odeon_kernel::RealDisk;

    use super::*;

    #[test]
    fn open_files_stay_below_the_bound_and_reopen_on_demand() {
        let dir = tempfile::tempdir().unwrap();
        let disk: SharedDisk = Arc::new(RealDisk);
        let cache = FileCache::new(8);
        let folder = Folder::new(dir.path().to_owned());
        let slots: Vec<_> = (0..40)
            .map(|i| FileSlot::new(&folder, format!("f{i}"), &disk, &cache))
            .collect();
        for slot in &slots {
            slot.create().unwrap();
        }
        for slot in slots.iter().rev() {
            slot.get().unwrap();
            assert!(cache.open_files() <= 8, "{}", cache.open_files());
        }
        drop(slots);
        assert_eq!(cache.open_files(), 0);
    }
}
