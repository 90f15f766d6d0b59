//! Open files and locks of a simulated disk.

use std::fmt;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};

use super::content::Content;
use super::tree::InodeId;
use super::{DiskOp, IgnoredSync, Shared, State, to_usize};
use crate::disk::{DirLock, DiskFile};

pub(super) struct SimLock {
    pub(super) shared: Arc<Shared>,
    pub(super) inode: InodeId,
    pub(super) epoch: u64,
}

impl DirLock for SimLock {}

impl fmt::Debug for SimLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimLock")
            .field("inode", &self.inode)
            .finish_non_exhaustive()
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.epoch == self.epoch {
            state.locks.remove(&self.inode);
        }
    }
}

pub(super) struct SimFile {
    pub(super) shared: Arc<Shared>,
    pub(super) path: PathBuf,
    pub(super) inode: InodeId,
    pub(super) epoch: u64,
    pub(super) writable: bool,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.shared.lock();
        if state.epoch != self.epoch {
            return Err(io::Error::other("opened before the power went"));
        }
        Ok(state)
    }

    fn begin_change(&self, op: DiskOp) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.shared.begin(op, &self.path)
    }

    /// Changes the content and keeps the books.
    fn change(&self, change: impl FnOnce(&mut Content)) -> io::Result<()> {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.state()?;
        let file = state.tree.file(self.inode)?;
        let before = file.content.bytes().len() as u64;
        change(&mut file.content);
        file.modified_ms = now_ms;
        let after = file.content.bytes().len() as u64;
        state.tree.used_bytes = (state.tree.used_bytes + after).saturating_sub(before);
        Ok(())
    }

    /// The free bytes and the file's length.
    fn room(&self) -> io::Result<(u64, u64)> {
        let mut state = self.state()?;
        let free = state.free_bytes();
        Ok((
            free,
            state.tree.file(self.inode)?.content.bytes().len() as u64,
        ))
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.shared.begin(DiskOp::Read, &self.path)?;
        let mut state = self.state()?;
        let bytes = state.tree.file(self.inode)?.content.bytes();
        let there = bytes.get(to_usize(offset)?..).unwrap_or_default();
        let n = there.len().min(buf.len());
        buf[..n].copy_from_slice(&there[..n]);
        Ok(n)
    }

    fn write_all_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let fault = self.begin_change(DiskOp::Write).err();
        if fault.is_some() && !self.writable {
            return fault.map_or(Ok(()), Err);
        }
        let offset_at = to_usize(offset)?;
        let bytes: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        let (free, len) = self.room()?;
        let fits = to_usize(len.max(offset).saturating_add(free).min(1 << 40))? - offset_at;
        let (fits, result) = match fault {
            Some(fault) => (fits.min(bytes.len() / 2), Err(fault)),
            None if fits < bytes.len() => (fits, Err(io::ErrorKind::StorageFull.into())),
            None => (bytes.len(), Ok(())),
        };
        self.change(|content| content.write(&bytes[..fits], offset_at))?;
        result
    }

    fn sync_data(&self) -> io::Result<()> {
        let fault = self.shared.begin(DiskOp::SyncData, &self.path);
        let mut state = self.state()?;
        let ignored = state.ignores(IgnoredSync::Files, &self.path);
        let content = &mut state.tree.file(self.inode)?.content;
        match fault {
            Err(fault) => {
                content.fail_sync();
                Err(fault)
            }
            Ok(()) if ignored => Ok(()),
            Ok(()) => {
                content.sync();
                Ok(())
            }
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.begin_change(DiskOp::SetLen)?;
        let (free, before) = self.room()?;
        if len > before.saturating_add(free) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let len = to_usize(len)?;
        self.change(|content| content.set_len(len))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.room()?.1)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.begin_change(DiskOp::Allocate)?;
        let (free, before) = self.room()?;
        if offset.saturating_add(len) > before.saturating_add(free) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn modified_ms(&self) -> io::Result<i64> {
        Ok(self.state()?.tree.file(self.inode)?.modified_ms)
    }
}
