//! A sparse index of a segment: fixed-size entries in ascending order.
//!
//! ```text
//! .index       8 bytes an entry   relative offset i32, position i32
//! .timeindex   12 bytes an entry  timestamp i64, relative offset i32      (see `time_index`)
//! ```
//!
//! An offset entry names the last offset of a batch and the position where that batch begins. Files
//! are written at their exact size; those of Apache Kafka may end in a tail of zeros, which is not
//! counted. New entries stay in memory and reach the file in groups; nothing relies on them before
//! the segment is synced, because recovery makes the index anew from the segment.

use std::fmt::Debug;
use std::io::IoSlice;
use std::sync::{Arc, RwLock};

use odeon_kernel::disk::DiskFile;

use crate::error::{At, LogError, Result, later_if_full};
use crate::files::{FileSlot, read, write};

/// Entries gathered in memory before they are written.
const GROUP: usize = 256;
/// Entries read at once at the end of a search.
const BLOCK: u64 = 256;

/// An entry's form on disk.
pub(crate) trait Entry: Copy + Debug + Send + Sync {
    /// Bytes an entry.
    const SIZE: usize;
    fn encode(&self, out: &mut Vec<u8>);
    /// `bytes` are `SIZE` long.
    fn decode(bytes: &[u8]) -> Self;
    /// Whether this is a preallocated, unused place.
    fn is_padding(&self) -> bool;
}

/// `(last offset of a batch - base offset, the batch's position)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) relative_offset: u32,
    pub(crate) position: u32,
}

impl Entry for OffsetEntry {
    const SIZE: usize = 8;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            relative_offset: be_u32(bytes, 0),
            position: be_u32(bytes, 4),
        }
    }

    fn is_padding(&self) -> bool {
        // The batch at position 0 never gets an entry.
        self.position == 0
    }
}

/// Four bytes at `at`; zeros when they are not there.
pub(crate) fn be_u32(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

/// Eight bytes at `at`; zeros when they are not there.
pub(crate) fn be_i64(bytes: &[u8], at: usize) -> i64 {
    bytes
        .get(at..at + 8)
        .and_then(|b| b.try_into().ok())
        .map_or(0, i64::from_be_bytes)
}

#[derive(Debug)]
struct State<E> {
    /// Entries in the file; `None` until somebody looked.
    stored: Option<u64>,
    /// Entries behind those.
    pending: Vec<E>,
    /// Nothing may reach the file yet.
    rebuilding: bool,
    /// The file holds what was not synced.
    dirty: bool,
}

/// One index file.
#[derive(Debug)]
pub(crate) struct IndexFile<E> {
    slot: Arc<FileSlot>,
    state: RwLock<State<E>>,
}

impl<E: Entry> IndexFile<E> {
    /// An index whose file exists already, or will be created by [`IndexFile::create`].
    pub(crate) fn new(slot: Arc<FileSlot>) -> Self {
        Self {
            slot,
            state: RwLock::new(State {
                stored: None,
                pending: Vec::new(),
                rebuilding: false,
                dirty: false,
            }),
        }
    }

    pub(crate) fn slot(&self) -> &Arc<FileSlot> {
        &self.slot
    }

    /// Creates the file, or empties one that is there.
    pub(crate) fn create(&self) -> Result<()> {
        let mut state = write(&self.state);
        let file = self.slot.create()?;
        let path = self.slot.path();
        let dirty = file.len().at("measuring", &path)? > 0;
        if dirty {
            file.set_len(0).at("emptying", &path)?;
        }
        *state = State {
            stored: Some(0),
            pending: Vec::new(),
            rebuilding: false,
            dirty,
        };
        Ok(())
    }

    /// Starts anew in memory; the file keeps its content until [`IndexFile::finish_rebuild`].
    pub(crate) fn begin_rebuild(&self) {
        *write(&self.state) = State {
            stored: Some(0),
            pending: Vec::new(),
            rebuilding: true,
            dirty: true,
        };
    }

    /// Makes the file hold what was pushed since [`IndexFile::begin_rebuild`], without writing if it
    /// does already: after a kill most indexes are as they should be.
    pub(crate) fn finish_rebuild(&self) -> Result<()> {
        let (file, path) = (self.slot.create()?, self.slot.path());
        let mut state = write(&self.state);
        let mut bytes = Vec::with_capacity(state.pending.len() * E::SIZE);
        state
            .pending
            .iter()
            .for_each(|entry| entry.encode(&mut bytes));
        let len = file.len().at("measuring", &path)?;
        let mut old = vec![
            0;
            if len == bytes.len() as u64 {
                bytes.len()
            } else {
                0
            }
        ];
        let read = file.read_at(&mut old, 0).at("reading", &path)?;
        if len != bytes.len() as u64 || read != old.len() || old != bytes {
            file.set_len(0).at("emptying", &path)?;
            file.write_all_at(&[IoSlice::new(&bytes)], 0)
                .at("writing", &path)?;
        }
        let stored = Some(state.pending.len() as u64);
        *state = State {
            stored,
            pending: Vec::new(),
            rebuilding: false,
            // Even one that was right already may be right in the cache only.
            dirty: true,
        };
        Ok(())
    }

    /// Entries, on disk and in memory.
    pub(crate) fn len(&self) -> Result<u64> {
        let stored = self.stored()?;
        Ok(stored + read(&self.state).pending.len() as u64)
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Result<Option<E>> {
        let stored = self.stored()?;
        if let Some(last) = read(&self.state).pending.last() {
            return Ok(Some(*last));
        }
        if stored == 0 {
            Ok(None)
        } else {
            self.read_one(&*self.slot.get()?, stored - 1).map(Some)
        }
    }

    /// Adds an entry; the caller keeps the order.
    pub(crate) fn push(&self, entry: E) -> Result<()> {
        self.stored()?;
        let full = {
            let mut state = write(&self.state);
            state.pending.push(entry);
            state.pending.len() >= GROUP && !state.rebuilding
        };
        match full {
            // They stay in memory, and are written with the next ones.
            true => later_if_full(self.flush()),
            false => Ok(()),
        }
    }

    /// Writes what is in memory to the file, without syncing it.
    pub(crate) fn flush(&self) -> Result<()> {
        if read(&self.state).pending.is_empty() {
            return Ok(());
        }
        let stored = self.stored()?;
        let file = self.slot.get()?;
        let mut state = write(&self.state);
        let mut bytes = Vec::with_capacity(state.pending.len() * E::SIZE);
        for entry in &state.pending {
            entry.encode(&mut bytes);
        }
        file.write_all_at(&[IoSlice::new(&bytes)], stored * E::SIZE as u64)
            .at("writing", &self.slot.path())?;
        state.stored = Some(stored + state.pending.len() as u64);
        state.pending.clear();
        state.dirty = true;
        Ok(())
    }

    /// Writes everything and cuts the file to its exact size, then syncs it if asked to and if it
    /// changed since it was synced.
    pub(crate) fn seal(&self, sync: bool) -> Result<()> {
        self.flush()?;
        let stored = self.stored()?;
        let (file, path) = (self.slot.get()?, self.slot.path());
        let len = stored * E::SIZE as u64;
        if file.len().at("measuring", &path)? != len {
            file.set_len(len).at("trimming", &path)?;
            write(&self.state).dirty = true;
        }
        // What is written meanwhile is dirty again.
        if sync && std::mem::take(&mut write(&self.state).dirty) {
            let synced = file.sync_data().at("syncing", &path);
            if synced.is_err() {
                write(&self.state).dirty = true;
            }
            return synced;
        }
        Ok(())
    }

    /// The last entry for which `holds` is true; it must be true for a prefix of the entries.
    pub(crate) fn last_where(&self, holds: impl Fn(&E) -> bool) -> Result<Option<E>> {
        let count = self.count_where(&holds)?;
        if count == 0 {
            Ok(None)
        } else {
            self.get(count - 1)
        }
    }

    /// Drops all entries behind the prefix for which `keep` is true.
    pub(crate) fn truncate(&self, keep: impl Fn(&E) -> bool) -> Result<()> {
        let count = self.count_where(&keep)?;
        let stored = self.stored()?;
        {
            let mut state = write(&self.state);
            let in_memory = usize::try_from(count.saturating_sub(stored)).unwrap_or(usize::MAX);
            state.pending.truncate(in_memory);
            state.stored = Some(stored.min(count));
        }
        // What is in memory counts; without room it is written later.
        later_if_full(self.seal(false))
    }

    /// Whether the file's length and end make sense for a segment of `size_bytes`.
    pub(crate) fn check_end(&self, makes_sense: impl Fn(&E) -> bool) -> Result<()> {
        let (file, path) = (self.slot.get()?, self.slot.path());
        let len = file.len().at("measuring", &path)?;
        let corrupt = |detail: String| LogError::Corrupt {
            path: path.clone(),
            detail,
        };
        if len % E::SIZE as u64 != 0 {
            return Err(corrupt(format!(
                "{len} bytes are not a whole number of entries"
            )));
        }
        match self.last()? {
            Some(last) if !makes_sense(&last) => Err(corrupt(format!("last entry is {last:?}"))),
            _ => Ok(()),
        }
    }

    fn get(&self, index: u64) -> Result<Option<E>> {
        let stored = self.stored()?;
        if index < stored {
            return self.read_one(&*self.slot.get()?, index).map(Some);
        }
        let at = usize::try_from(index - stored).unwrap_or(usize::MAX);
        Ok(read(&self.state).pending.get(at).copied())
    }

    /// How many entries, from the first on, satisfy `holds`.
    fn count_where(&self, holds: impl Fn(&E) -> bool) -> Result<u64> {
        let stored = self.stored()?;
        {
            let state = read(&self.state);
            if state.pending.first().is_some_and(&holds) {
                let stored_now = state.stored.unwrap_or(stored);
                return Ok(stored_now + state.pending.partition_point(&holds) as u64);
            }
        }
        if stored == 0 {
            return Ok(0);
        }
        let file = self.slot.get()?;
        let (mut low, mut high) = (0, stored);
        while high - low > BLOCK {
            let middle = low + (high - low) / 2;
            if holds(&self.read_one(&*file, middle)?) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let entries = self.read_block(&*file, low, high)?;
        Ok(low + entries.partition_point(holds) as u64)
    }

    fn stored(&self) -> Result<u64> {
        if let Some(stored) = read(&self.state).stored {
            return Ok(stored);
        }
        let file = self.slot.get()?;
        let len = file.len().at("measuring", &self.slot.path())?;
        // A preallocated tail is all zeros, and entries are not: a binary search finds the border.
        let (mut low, mut high) = (0, len / E::SIZE as u64);
        if high > 0 && !self.read_one(&*file, high - 1)?.is_padding() {
            low = high;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.read_one(&*file, middle)?.is_padding() {
                high = middle
            } else {
                low = middle + 1
            }
        }
        Ok(*write(&self.state).stored.get_or_insert(low))
    }

    fn read_one(&self, file: &dyn DiskFile, index: u64) -> Result<E> {
        let mut bytes = [0; 16];
        let bytes = bytes.get_mut(..E::SIZE).unwrap_or_default();
        let read = file
            .read_at(bytes, index * E::SIZE as u64)
            .at("reading", &self.slot.path())?;
        if read < E::SIZE {
            Err(self.short())
        } else {
            Ok(E::decode(bytes))
        }
    }

    fn read_block(&self, file: &dyn DiskFile, from: u64, to: u64) -> Result<Vec<E>> {
        let wanted = usize::try_from(to - from).unwrap_or(0) * E::SIZE;
        let mut bytes = vec![0; wanted];
        let read = file
            .read_at(&mut bytes, from * E::SIZE as u64)
            .at("reading", &self.slot.path())?;
        if read < wanted {
            return Err(self.short());
        }
        Ok(bytes.chunks_exact(E::SIZE).map(E::decode).collect())
    }

    fn short(&self) -> LogError {
        LogError::Corrupt {
            path: self.slot.path(),
            detail: "it became shorter".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
