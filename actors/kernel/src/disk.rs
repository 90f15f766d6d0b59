//! Files and directories behind a seam, so that a simulation can tear, lose and fail them.
//!
//! Paths are absolute or relative to the process; a [`Disk`] does not interpret them. Nothing is
//! durable before it is synced: file bytes and length by [`DiskFile::sync_data`], creations,
//! renames and removals by [`Disk::sync_dir`] on the parent.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod gather;
mod real;

pub use gather::GatheringDisk;
pub use real::RealDisk;

/// A shared disk, as it is passed around.
pub type SharedDisk = Arc<dyn Disk>;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist; reading only.
    Read,
    /// It must exist; reading and writing.
    ReadWrite,
    /// Created when missing, never truncated; reading and writing.
    Create,
    /// Must not exist yet; reading and writing.
    CreateNew,
}

/// A lock that holds until it is dropped.
pub trait DirLock: Send + Sync + Debug {}

/// A file system as a whole, from the moment this was opened.
pub trait DiskTree: Send + Sync + Debug {
    /// Makes everything durable that was written to the file system: bytes, lengths and names.
    /// Fails if anything since this was opened could not be written.
    fn sync_all(&self) -> io::Result<()>;
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The last component of the path.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// A file system. All calls block.
pub trait Disk: Send + Sync + Debug + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a directory and its missing parents.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Moves a file or directory, replacing a file at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all it holds.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in this directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The file system that holds `path`; `None` if it can only be synced file by file.
    fn tree(&self, _path: &Path) -> io::Result<Option<Arc<dyn DiskTree>>> {
        Ok(None)
    }
    /// Whether something is at `path`.
    fn exists(&self, path: &Path) -> bool;
    /// Bytes free and bytes in all on the file system that holds `path`.
    fn space_bytes(&self, path: &Path) -> io::Result<(u64, u64)>;
    /// Takes an exclusive lock by a file at `path`; `WouldBlock` when another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>>;

    /// Reads a whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Replaces a file's content so that after a crash either the old or the new content is there:
    /// writes `path.tmp`, syncs it, renames it, syncs the directory.
    fn write_atomic(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        if self.exists(&temporary) {
            self.remove_file(&temporary)?;
        }
        let file = self.open(&temporary, OpenMode::CreateNew)?;
        file.write_all_at(&[IoSlice::new(bytes)], 0)?;
        file.sync_data()?;
        self.rename(&temporary, path)?;
        match path.parent() {
            Some(parent) => self.sync_dir(parent),
            None => Ok(()),
        }
    }
}

/// An open file. Positions are explicit, so that readers and the writer share it freely.
pub trait DiskFile: Send + Sync + Debug {
    /// Fills `buf` from `offset` on; returns less only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// As [`DiskFile::read_at`] if all of it is in memory, `None` if the device would have to be
    /// waited for. A disk that cannot tell reads.
    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.read_at(buf, offset).map(Some)
    }
    /// Writes all slices one behind the other from `offset` on.
    fn write_all_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Makes the bytes and the length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reserves blocks behind `offset` without changing the length. A disk may ignore it.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Last modification, milliseconds since the Unix epoch.
    fn modified_ms(&self) -> io::Result<i64>;
}
