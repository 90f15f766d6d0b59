use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Mutex;

use odeon_kernel::disk::{DirEntry, DirLock, Disk, DiskFile, OpenMode};

use super::*;

/// A disk that refuses what touches a path.
#[derive(Debug, Default)]
pub(super) struct FaultyDisk {
    pub(super) faults: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) writes: Option<(PathBuf, io::ErrorKind)>,
    pub(super) syncs: Option<PathBuf>,
    pub(super) reads: Vec<PathBuf>,
    /// Nothing is in memory.
    pub(super) cold: bool,
}

#[derive(Debug)]
struct FaultyFile {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    faults: Arc<Mutex<Faults>>,
}

impl FaultyDisk {
    fn judge(faults: &Mutex<Faults>, path: &Path) -> io::Result<()> {
        match &faults.lock().unwrap().writes {
            Some((prefix, kind)) if path.starts_with(prefix) => Err((*kind).into()),
            _ => Ok(()),
        }
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        if mode != OpenMode::Read && !path.exists() {
            Self::judge(&self.faults, path)?;
        }
        let file = RealDisk.open(path, mode)?;
        Ok(Arc::new(FaultyFile {
            path: path.to_owned(),
            file,
            faults: self.faults.clone(),
        }))
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        Self::judge(&self.faults, path)?;
        RealDisk.create_dir_all(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        RealDisk.read_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Self::judge(&self.faults, from)?;
        RealDisk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir_all(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_dir(path)
    }
    fn exists(&self, path: &Path) -> bool {
        RealDisk.exists(path)
    }
    fn space_bytes(&self, path: &Path) -> io::Result<(u64, u64)> {
        RealDisk.space_bytes(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        RealDisk.lock(path)
    }
}

impl DiskFile for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.faults.lock().unwrap().reads.push(self.path.clone());
        self.file.read_at(buf, offset)
    }
    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        if self.faults.lock().unwrap().cold {
            return Ok(None);
        }
        self.file.read_cached_at(buf, offset)
    }
    fn write_all_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        // Half of it gets through.
        let half = FaultyDisk::judge(&self.faults, &self.path);
        if half.is_err() {
            self.file
                .write_all_at(&slices[..slices.len() / 2], offset)?;
        }
        half?;
        self.file.write_all_at(slices, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        let fails = self.faults.lock().unwrap().syncs.clone();
        match fails {
            Some(prefix) if self.path.starts_with(&prefix) => Err(io::Error::other("sync")),
            _ => self.file.sync_data(),
        }
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
