//! Many syncs as one: a start or a stop that touches thousands of files need not wait for each.
//!
//! ```text
//! hold --> syncs are noted and return at once --> settle: a few one by one, many as one
//! ```
//!
//! Between the two nothing is durable, so whoever holds must neither acknowledge anything nor write
//! a file that says so before it has settled.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{DirEntry, DirLock, Disk, DiskFile, DiskTree, OpenMode, SharedDisk};

#[cfg(test)]
mod tests;

/// From so many on, the whole tree is synced at once.
const MANY: usize = 64;

/// A disk whose syncs can be held back and made good together.
#[derive(Debug, Clone)]
pub struct GatheringDisk {
    disk: SharedDisk,
    held: Arc<Held>,
}

#[derive(Debug, Default)]
struct Held {
    on: AtomicBool,
    owed: Mutex<Owed>,
}

#[derive(Debug, Default)]
struct Owed {
    files: Vec<Arc<dyn DiskFile>>,
    dirs: Vec<PathBuf>,
    /// More than [`MANY`], which are not remembered.
    many: bool,
    /// The tree can be synced at once.
    tree: bool,
}

impl Owed {
    fn has_room(&mut self) -> bool {
        if self.tree && self.files.len() + self.dirs.len() >= MANY {
            self.many = true;
            self.files.clear();
            self.dirs.clear();
        }
        !self.many
    }
}

impl Held {
    /// Notes a sync; false if it has to be done now.
    fn note(&self, note: impl FnOnce(&mut Owed)) -> bool {
        if !self.on.load(Ordering::Acquire) {
            return false;
        }
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        if owed.has_room() {
            note(&mut owed);
        }
        true
    }
}

impl GatheringDisk {
    /// Passes everything on to `disk`.
    pub fn new(disk: SharedDisk) -> Self {
        Self {
            disk,
            held: Arc::default(),
        }
    }

    /// Holds back all syncs until [`GatheringDisk::settle`]. `tree` covers whatever is synced
    /// meanwhile, and was opened before it was written; without it each sync is made up for.
    pub fn hold(&self, tree: Option<&dyn DiskTree>) {
        let mut owed = self
            .held
            .owed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *owed = Owed {
            tree: tree.is_some(),
            ..Owed::default()
        };
        self.held.on.store(true, Ordering::Release);
    }

    /// Makes durable what was to be synced since [`GatheringDisk::hold`]. Blocks.
    ///
    /// # Errors
    /// The disk's; which of the syncs failed is not known then.
    pub fn settle(&self, tree: Option<&dyn DiskTree>) -> io::Result<()> {
        self.held.on.store(false, Ordering::Release);
        let owed = std::mem::take(
            &mut *self
                .held
                .owed
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        if let (true, Some(tree)) = (owed.many, tree) {
            return tree.sync_all();
        }
        owed.files.iter().try_for_each(|file| file.sync_data())?;
        owed.dirs.iter().try_for_each(|dir| self.disk.sync_dir(dir))
    }
}

impl Disk for GatheringDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(path, mode)?;
        let held = self.held.clone();
        Ok(Arc::new(GatheredFile { file, held }))
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.read_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir_all(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.held.note(|owed| owed.dirs.push(path.to_owned())) {
            return Ok(());
        }
        self.disk.sync_dir(path)
    }
    fn tree(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskTree>>> {
        self.disk.tree(path)
    }
    fn exists(&self, path: &Path) -> bool {
        self.disk.exists(path)
    }
    fn space_bytes(&self, path: &Path) -> io::Result<(u64, u64)> {
        self.disk.space_bytes(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        self.disk.lock(path)
    }
}

#[derive(Debug)]
struct GatheredFile {
    file: Arc<dyn DiskFile>,
    held: Arc<Held>,
}

impl DiskFile for GatheredFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }
    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.file.read_cached_at(buf, offset)
    }
    fn write_all_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.file.write_all_at(slices, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        if self.held.note(|owed| owed.files.push(self.file.clone())) {
            return Ok(());
        }
        self.file.sync_data()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.allocate(offset, len)
    }
    fn modified_ms(&self) -> io::Result<i64> {
        self.file.modified_ms()
    }
}
