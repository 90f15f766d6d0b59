//! A segment: a file of batches, its indexes, and what is known about them.

use std::io::IoSlice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use odeon_kernel::disk::{DiskFile, OpenMode, SharedDisk};
use odeon_model::Offset;
use odeon_records::{BatchHeader, HEADER_BYTES};

use crate::error::{At, LogError, Result};
use crate::files::{FileCache, FileSlot, Folder, lock};
use crate::index::{IndexFile, OffsetEntry};
use crate::names::{DELETED, INDEX, LOG, SNAPSHOT, TIME_INDEX, TXN_INDEX, file_name};
use crate::scan::{HeaderWalk, Scan, scan};
use crate::time_index::TimeEntry;

/// Where a log's files are and how they are opened.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) disk: SharedDisk,
    pub(crate) cache: Arc<FileCache>,
    pub(crate) folder: Arc<Folder>,
}

impl Place {
    pub(crate) fn slot(&self, name: String) -> Arc<FileSlot> {
        FileSlot::new(&self.folder, name, &self.disk, &self.cache)
    }

    /// Writes a snapshot of the producers' state as of `offset`, unsynced.
    pub(crate) fn save_snapshot(&self, offset: Offset, bytes: &[u8]) -> Result<Arc<dyn DiskFile>> {
        let path = self.folder.join(&file_name(offset, SNAPSHOT));
        let file = self
            .disk
            .open(&path, OpenMode::Create)
            .at("creating", &path)?;
        file.set_len(0).at("emptying", &path)?;
        file.write_all_at(&[IoSlice::new(bytes)], 0)
            .at("writing", &path)?;
        Ok(file)
    }
}

/// The largest timestamp of a segment and the last offset of the batch that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MaxTimestamp {
    pub(crate) timestamp: i64,
    pub(crate) offset: Offset,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    max: MaxTimestamp,
    last_entry: i64,
    /// The first batch's largest timestamp.
    first: Option<i64>,
    bytes_since_entry: u64,
}

/// One segment. The writer appends to the last one; anyone reads.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: Offset,
    pub(crate) log: Arc<FileSlot>,
    pub(crate) index: IndexFile<OffsetEntry>,
    pub(crate) time_index: IndexFile<TimeEntry>,
    txn_index: Arc<FileSlot>,
    size: AtomicU64,
    times: Mutex<Option<Times>>,
}

impl Segment {
    /// A segment whose files are there, `size` bytes long.
    pub(crate) fn open(place: &Place, base_offset: Offset, size: u64) -> Arc<Self> {
        let slot = |suffix| place.slot(file_name(base_offset, suffix));
        Arc::new(Self {
            base_offset,
            log: slot(LOG),
            index: IndexFile::new(slot(INDEX)),
            time_index: IndexFile::new(slot(TIME_INDEX)),
            txn_index: slot(TXN_INDEX),
            size: AtomicU64::new(size),
            times: Mutex::new(None),
        })
    }

    /// A new, empty segment; files of its name are emptied.
    pub(crate) fn create(place: &Place, base_offset: Offset) -> Result<Arc<Self>> {
        let segment = Self::open(place, base_offset, 0);
        let file = segment.log.create()?;
        let path = segment.log.path();
        if file.len().at("measuring", &path)? > 0 {
            file.set_len(0).at("emptying", &path)?;
        }
        segment.index.create()?;
        segment.time_index.create()?;
        Ok(segment)
    }

    /// Bytes of batches that readers may see.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn set_size(&self, size: u64) {
        self.size.store(size, Ordering::Release);
    }

    /// Notes a batch that lies at `position`: timestamps and index entries.
    pub(crate) fn note(&self, position: u64, header: &BatchHeader, interval: u32) -> Result<()> {
        let mut guard = lock(&self.times);
        let mut times = self.load_times(*guard)?;
        if header.max_timestamp > times.max.timestamp {
            times.max = MaxTimestamp {
                timestamp: header.max_timestamp,
                offset: header.last_offset(),
            };
        }
        times.first.get_or_insert(header.max_timestamp);
        if times.bytes_since_entry > u64::from(interval) {
            let relative = relative(header.last_offset(), self.base_offset);
            if let (Some(relative_offset), Ok(position)) = (relative, u32::try_from(position)) {
                self.index.push(OffsetEntry {
                    relative_offset,
                    position,
                })?;
                self.push_time(&mut times)?;
                times.bytes_since_entry = 0;
            }
        }
        times.bytes_since_entry += header.size_bytes() as u64;
        *guard = Some(times);
        Ok(())
    }

    fn push_time(&self, times: &mut Times) -> Result<()> {
        if times.max.timestamp > times.last_entry
            && let Some(relative_offset) = relative(times.max.offset, self.base_offset)
        {
            self.time_index.push(TimeEntry {
                timestamp: times.max.timestamp,
                relative_offset,
            })?;
            times.last_entry = times.max.timestamp;
        }
        Ok(())
    }

    /// The largest timestamp; -1 for an empty segment.
    pub(crate) fn max_timestamp(&self) -> Result<MaxTimestamp> {
        Ok(self.times()?.max)
    }

    /// The first batch's largest timestamp.
    pub(crate) fn first_timestamp(&self) -> Result<Option<i64>> {
        Ok(self.times()?.first)
    }

    fn times(&self) -> Result<Times> {
        let mut guard = lock(&self.times);
        let times = self.load_times(*guard)?;
        *guard = Some(times);
        Ok(times)
    }

    fn load_times(&self, known: Option<Times>) -> Result<Times> {
        if let Some(times) = known {
            return Ok(times);
        }
        let none = MaxTimestamp {
            timestamp: -1,
            offset: self.base_offset,
        };
        let mut times = Times {
            max: none,
            last_entry: -1,
            first: None,
            bytes_since_entry: 0,
        };
        if self.size() == 0 {
            return Ok(times);
        }
        if let Some(last) = self.time_index.last()? {
            times.last_entry = last.timestamp;
            let offset = self.base_offset + i64::from(last.relative_offset);
            times.max = MaxTimestamp {
                timestamp: last.timestamp,
                offset,
            };
        } else {
            // Nothing was noted at its end: an index that was lost, or timestamps of -1.
            let file = self.log.get()?;
            let mut walk = self.walk(&*file, 0);
            while let Some((_, header)) = walk.next()? {
                if header.max_timestamp > times.max.timestamp {
                    times.max = MaxTimestamp {
                        timestamp: header.max_timestamp,
                        offset: header.last_offset(),
                    };
                }
            }
        }
        let mut head = [0; HEADER_BYTES];
        let path = self.log.path();
        self.log.get()?.read_at(&mut head, 0).at("reading", &path)?;
        let first = BatchHeader::parse(&head).map_err(|error| LogError::Corrupt {
            path,
            detail: error.to_string(),
        })?;
        times.first = Some(first.max_timestamp);
        Ok(times)
    }

    /// Where the first batch lies that contains `offset` or something behind it.
    pub(crate) fn find(&self, offset: Offset) -> Result<Option<(u64, BatchHeader)>> {
        let target = u32::try_from(offset.saturating_sub(self.base_offset)).unwrap_or(0);
        let entry = self.index.last_where(|e| e.relative_offset <= target)?;
        let start = entry.map_or(0, |e| u64::from(e.position));
        let file = self.log.get()?;
        let mut walk = self.walk(&*file, start);
        while let Some((position, header)) = walk.next()? {
            if header.last_offset() >= offset {
                return Ok(Some((position, header)));
            }
        }
        Ok(None)
    }

    /// Headers from `position` to what readers may see.
    pub(crate) fn walk<'a>(&self, file: &'a dyn DiskFile, position: u64) -> HeaderWalk<'a> {
        HeaderWalk::new(file, self.log.path(), position, self.size())
    }

    /// One past the last offset, by the index and the batches behind its last entry.
    pub(crate) fn read_next_offset(&self) -> Result<Offset> {
        let start = self.index.last()?.map_or(0, |e| u64::from(e.position));
        let file = self.log.get()?;
        let mut walk = self.walk(&*file, start);
        let mut next = self.base_offset;
        while let Some((_, header)) = walk.next()? {
            next = header.next_offset();
        }
        Ok(next)
    }

    /// Whether the indexes look as if they belonged to this segment, which ends at the offset `end`;
    /// the batches are not read.
    pub(crate) fn check_indexes(&self, end: Offset) -> Result<()> {
        let (size, last) = (
            self.size(),
            end.saturating_sub(self.base_offset).saturating_sub(1),
        );
        let fits = |relative: u32| i64::from(relative) <= last;
        self.index
            .check_end(|e| u64::from(e.position) < size && fits(e.relative_offset))?;
        self.time_index
            .check_end(|e| e.timestamp >= 0 && fits(e.relative_offset))
    }

    /// Reads the whole segment, makes its indexes anew, and cuts off what is not valid.
    pub(crate) fn recover(
        &self,
        interval: u32,
        mut visit: impl FnMut(&BatchHeader, &[u8]) -> Result<()>,
    ) -> Result<Scan> {
        self.index.begin_rebuild();
        self.time_index.begin_rebuild();
        self.set_size(0);
        *lock(&self.times) = None;
        let file = self.log.get()?;
        let path = self.log.path();
        let offsets = self.base_offset..=self.base_offset.saturating_add(i64::from(i32::MAX));
        let found = scan(&*file, &path, 0, offsets, |position, header, batch| {
            self.note(position, header, interval)?;
            visit(header, batch)
        })?;
        if found.fault.is_some() {
            file.set_len(found.valid_bytes).at("cutting", &path)?;
        }
        self.index.finish_rebuild()?;
        self.time_index.finish_rebuild()?;
        self.set_size(found.valid_bytes);
        Ok(found)
    }

    /// Cuts the segment at `position`, where the batch begins that holds `offset`.
    pub(crate) fn truncate(&self, position: u64, offset: Offset) -> Result<()> {
        let file = self.log.get()?;
        self.set_size(position);
        file.set_len(position).at("cutting", &self.log.path())?;
        let end = u32::try_from(offset - self.base_offset).unwrap_or(0);
        self.index.truncate(|e| u64::from(e.position) < position)?;
        self.time_index.truncate(|e| e.relative_offset < end)?;
        // The end of the time index may be missing now: look at what is left.
        let mut times = Times {
            max: MaxTimestamp {
                timestamp: -1,
                offset: self.base_offset,
            },
            last_entry: self.time_index.last()?.map_or(-1, |e| e.timestamp),
            first: None,
            bytes_since_entry: 0,
        };
        let mut walk = self.walk(&*file, 0);
        while let Some((_, header)) = walk.next()? {
            times.first.get_or_insert(header.max_timestamp);
            if header.max_timestamp > times.max.timestamp {
                times.max = MaxTimestamp {
                    timestamp: header.max_timestamp,
                    offset: header.last_offset(),
                };
            }
        }
        *lock(&self.times) = Some(times);
        Ok(())
    }

    /// Writes the end of the indexes and gives back unused blocks; `sync` makes them durable.
    pub(crate) fn seal(&self, sync: bool) -> Result<()> {
        {
            let mut guard = lock(&self.times);
            let mut times = self.load_times(*guard)?;
            self.push_time(&mut times)?;
            *guard = Some(times);
        }
        let file = self.log.get()?;
        let path = self.log.path();
        file.set_len(self.size()).at("trimming", &path)?;
        if sync {
            file.sync_data().at("syncing", &path)?;
        }
        self.index.seal(sync)?;
        self.time_index.seal(sync)
    }

    fn slots(&self) -> [(&Arc<FileSlot>, &'static str); 4] {
        [
            (&self.log, LOG),
            (self.index.slot(), INDEX),
            (self.time_index.slot(), TIME_INDEX),
            (&self.txn_index, TXN_INDEX),
        ]
    }

    /// Renames all files to `.deleted`. Readers that hold the segment go on.
    pub(crate) fn mark_deleted(&self) -> Result<()> {
        for (slot, suffix) in self.slots() {
            slot.rename(file_name(self.base_offset, suffix) + DELETED)?;
        }
        Ok(())
    }

    /// Removes all files.
    pub(crate) fn remove(&self) -> Result<()> {
        self.slots()
            .into_iter()
            .try_for_each(|(slot, _)| slot.remove())
    }

    /// Closes all files.
    pub(crate) fn close(&self) {
        for (slot, _) in self.slots() {
            slot.close();
        }
    }
}

/// `offset - base` if an index entry can hold it.
pub(crate) fn relative(offset: Offset, base: Offset) -> Option<u32> {
    let relative = u32::try_from(offset.checked_sub(base)?).ok()?;
    (relative <= i32::MAX as u32).then_some(relative)
}
