//! The operating system's files.
#![expect(clippy::disallowed_methods, reason = "this is the seam")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rustix::io::{Errno, ReadWriteFlags};

use super::{DirEntry, DirLock, Disk, DiskFile, DiskTree, OpenMode};

/// The operating system's file systems.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        match mode {
            OpenMode::Read => options.read(true),
            OpenMode::ReadWrite => options.read(true).write(true),
            OpenMode::Create => options.read(true).write(true).create(true).truncate(false),
            OpenMode::CreateNew => options.read(true).write(true).create_new(true),
        };
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push(DirEntry {
                name,
                is_dir: entry.file_type()?.is_dir(),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // The parent of a bare file name is the empty path: the working directory.
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        File::open(path)?.sync_all()
    }

    fn tree(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskTree>>> {
        Ok(Some(Arc::new(RealTree(File::open(path)?))))
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn space_bytes(&self, path: &Path) -> io::Result<(u64, u64)> {
        let stat = rustix::fs::statvfs(path)?;
        Ok((stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        // Java's kind of lock, so that Apache Kafka and a node never use one directory together.
        let refused = |error| match error {
            Errno::ACCESS | Errno::AGAIN => io::ErrorKind::WouldBlock.into(),
            other => io::Error::from(other),
        };
        rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(refused)?;
        Ok(Box::new(RealLock(file)))
    }
}

#[derive(Debug)]
struct RealLock(#[expect(dead_code, reason = "held open: closing it releases the lock")] File);

impl DirLock for RealLock {}

#[derive(Debug)]
struct RealTree(File);

impl DiskTree for RealTree {
    // Linux tells each opened file of the failures since it was opened.
    fn sync_all(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        let wanted = buf.len();
        let flags = ReadWriteFlags::NOWAIT;
        match rustix::io::preadv2(&self.0, &mut [IoSliceMut::new(buf)], offset, flags) {
            Ok(read) if read == wanted => Ok(Some(read)),
            // A part is in memory, or the file ends here.
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            // A file system or a kernel that cannot tell.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.read_at(buf, offset).map(Some)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write_all_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut offset = offset;
        // IOV_MAX is 1024 on Linux.
        for group in slices.chunks(1024) {
            let mut written = rustix::io::pwritev(&self.0, group, offset)?;
            offset += written as u64;
            // A short write is rare (a full disk, a signal): finish slice by slice.
            for slice in group {
                if written >= slice.len() {
                    written -= slice.len();
                    continue;
                }
                let rest = slice.get(written..).unwrap_or_default();
                self.0.write_all_at(rest, offset)?;
                offset += rest.len() as u64;
                written = 0;
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(
            &self.0,
            rustix::fs::FallocateFlags::KEEP_SIZE,
            offset,
            len,
        )?)
    }

    fn modified_ms(&self) -> io::Result<i64> {
        let modified = self.0.metadata()?.modified()?;
        let since_epoch = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}
