//! What the log holds, in memory: the id of every entry, where it lies, and the newest entries
//! themselves.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use odeon_kernel::disk::DiskFile;

use super::frame;
use crate::types::{Entry, LogId, Vote};

/// Where a written entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment.
    pub(super) base: u64,
    pub(super) position: u64,
    pub(super) len: u32,
}

#[derive(Debug)]
struct Slot {
    id: LogId,
    /// Absent once evicted; present as long as the entry is not on disk.
    entry: Option<Entry>,
    place: Option<Place>,
    bytes: usize,
}

/// The index of a log. Entries are consecutive; their range is `(purged, last]`.
#[derive(Debug, Default)]
pub(super) struct Index {
    slots: VecDeque<Slot>,
    pub(super) purged: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) files: BTreeMap<u64, Arc<dyn DiskFile>>,
    cached_bytes: usize,
    /// Slots in front of this one hold no entry.
    evicted: usize,
    max_cached_bytes: usize,
}

/// An entry to be had: at once, or from a file.
#[derive(Debug)]
pub(super) enum Located {
    Cached(Entry),
    OnDisk {
        id: LogId,
        place: Place,
        file: Arc<dyn DiskFile>,
    },
}

fn weight(entry: &Entry) -> usize {
    match &entry.payload {
        openraft::EntryPayload::Normal(proposal) => 128 + proposal.entry.len(),
        openraft::EntryPayload::Blank => 128,
        openraft::EntryPayload::Membership(_) => 1024,
    }
}

impl Index {
    pub(super) fn new(max_cached_bytes: usize) -> Self {
        Self {
            max_cached_bytes,
            ..Self::default()
        }
    }

    pub(super) fn last(&self) -> Option<LogId> {
        self.slots.back().map(|slot| slot.id).or(self.purged)
    }

    /// The index of the first entry held.
    pub(super) fn first_held(&self) -> Option<u64> {
        self.slots.front().map(|slot| slot.id.index)
    }

    /// The last entry held.
    pub(super) fn last_held(&self) -> Option<LogId> {
        self.slots.back().map(|slot| slot.id)
    }

    /// Adds an entry behind the last. Errors when that would leave a hole.
    pub(super) fn push(&mut self, entry: Entry, place: Option<Place>) -> io::Result<()> {
        let id = entry.log_id;
        if let Some(last) = self.slots.back().map(|slot| slot.id.index)
            && id.index != last + 1
        {
            let hole = format!("entry {} does not follow entry {last}", id.index);
            return Err(io::Error::other(hole));
        }
        let bytes = weight(&entry);
        self.cached_bytes += bytes;
        self.slots.push_back(Slot {
            id,
            entry: Some(entry),
            place,
            bytes,
        });
        self.evict();
        Ok(())
    }

    /// Notes where an entry was written. An entry that is gone by now is ignored.
    pub(super) fn placed(&mut self, id: LogId, place: Place) {
        let Some(slot) = self.slot_mut(id.index) else {
            return;
        };
        if slot.id == id {
            slot.place = Some(place);
        }
    }

    /// Where an entry lies, once it is written.
    pub(super) fn place(&self, index: u64) -> Option<Place> {
        let offset = index.checked_sub(self.first_held()?)?;
        self.slots.get(usize::try_from(offset).ok()?)?.place
    }

    fn slot_mut(&mut self, index: u64) -> Option<&mut Slot> {
        let offset = index.checked_sub(self.first_held()?)?;
        self.slots.get_mut(usize::try_from(offset).ok()?)
    }

    pub(super) fn evict(&mut self) {
        while self.cached_bytes > self.max_cached_bytes {
            let Some(slot) = self.slots.get_mut(self.evicted) else {
                return;
            };
            if slot.place.is_none() {
                return;
            }
            if slot.entry.take().is_some() {
                self.cached_bytes -= slot.bytes;
            }
            self.evicted += 1;
        }
    }

    /// Forgets all entries behind `last`; all of them when it is `None`.
    pub(super) fn truncate_after(&mut self, last: Option<u64>) {
        while let Some(slot) = self.slots.back() {
            if last.is_some_and(|last| slot.id.index <= last) {
                break;
            }
            if slot.entry.is_some() {
                self.cached_bytes -= slot.bytes;
            }
            self.slots.pop_back();
        }
        self.evicted = self.evicted.min(self.slots.len());
    }

    /// Forgets all entries up to `upto`.
    pub(super) fn purge(&mut self, upto: LogId) {
        while let Some(slot) = self.slots.front() {
            if slot.id.index > upto.index {
                break;
            }
            if slot.entry.is_some() {
                self.cached_bytes -= slot.bytes;
            }
            self.slots.pop_front();
            self.evicted = self.evicted.saturating_sub(1);
        }
        if self.purged.is_none_or(|purged| purged.index < upto.index) {
            self.purged = Some(upto);
        }
    }

    /// The entries of a range that are held, at most `max_bytes` of them but at least one.
    pub(super) fn locate(
        &self,
        range: &impl RangeBounds<u64>,
        max_bytes: usize,
    ) -> io::Result<Vec<Located>> {
        let Some(first) = self.first_held() else {
            return Ok(Vec::new());
        };
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let skip = usize::try_from(start.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut bytes = 0_usize;
        for slot in self
            .slots
            .iter()
            .skip(skip)
            .take_while(|slot| range.contains(&slot.id.index))
        {
            bytes = bytes.saturating_add(slot.bytes);
            if !found.is_empty() && bytes > max_bytes {
                break;
            }
            found.push(self.locate_slot(slot)?);
        }
        Ok(found)
    }

    fn locate_slot(&self, slot: &Slot) -> io::Result<Located> {
        if let Some(entry) = &slot.entry {
            return Ok(Located::Cached(entry.clone()));
        }
        let lost = || io::Error::other(format!("entry {} has no place on disk", slot.id.index));
        let place = slot.place.ok_or_else(lost)?;
        let file = self.files.get(&place.base).ok_or_else(lost)?;
        Ok(Located::OnDisk {
            id: slot.id,
            place,
            file: Arc::clone(file),
        })
    }
}

impl Located {
    /// The entry, read from its file if need be. Blocks then.
    pub(super) fn load(self) -> io::Result<Entry> {
        let (id, place, file) = match self {
            Self::Cached(entry) => return Ok(entry),
            Self::OnDisk { id, place, file } => (id, place, file),
        };
        let damaged = |why: &str| {
            let text = format!("entry {} cannot be read again: {why}", id.index);
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let mut bytes = vec![0; place.len as usize];
        let read = file.read_at(&mut bytes, place.position)?;
        bytes.truncate(read);
        let (body, _) = frame::decode_frame(&bytes, place.base, place.position).map_err(damaged)?;
        let entry = body.entry.into_entry().map_err(|why| damaged(&why))?;
        if entry.log_id == id {
            Ok(entry)
        } else {
            Err(damaged("another entry lies there"))
        }
    }

    pub(super) fn is_cached(&self) -> bool {
        matches!(self, Self::Cached(_))
    }
}
