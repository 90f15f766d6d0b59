//! Reading beside the writer.
//!
//! A reader takes the list of segments as it is at that moment. What retention removes meanwhile
//! stays readable through open files; what truncation cuts is noticed and read again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use odeon_kernel::Blocking;
use odeon_model::{LeaderEpoch, Offset, TopicPartition};
use odeon_records::{BatchHeader, HEADER_BYTES};

use crate::buffers::Buffer;
use crate::epoch_cache::EpochEntry;
use crate::error::{At, LogError, Result};
use crate::files::{lock, read};
use crate::log::LogView;
use crate::producer_state::ProducerStates;
use crate::segment::Segment;
use crate::shared::Shared;

/// Reads once more if a truncation got in between, this many times.
const RETRIES: usize = 8;

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogRead {
    /// Whole batches; the first one contains the offset asked for, or is the next one behind it.
    pub records: Bytes,
    /// Where reading goes on: one past the last offset in `records`, or the offset asked for.
    pub next_offset: Offset,
    /// Nothing was returned because the first batch, of this size, is larger than the bytes asked
    /// for.
    pub too_large_bytes: Option<usize>,
}

/// A segment, for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The offset in its file name.
    pub base_offset: Offset,
    /// Bytes of batches.
    pub size_bytes: u64,
}

/// Reads a log. Cheap to clone; all calls may block on the disk.
#[derive(Debug, Clone)]
pub struct LogReader {
    pub(crate) shared: Arc<Shared>,
}

impl LogReader {
    /// Whose log it reads.
    pub fn partition(&self) -> &TopicPartition {
        &self.shared.partition
    }

    /// The published offsets.
    pub fn view(&self) -> &LogView {
        &self.shared.view
    }

    /// Reads whole batches from the one that contains `offset` on, none of which reaches
    /// `upper_bound`, up to `max_bytes` in all. With `min_one_batch` the first batch is returned
    /// even if it is larger.
    ///
    /// A read ends at a segment's end; it returns nothing only at the bound, or if the first batch
    /// is too large.
    ///
    /// # Errors
    /// `OffsetOutOfRange` unless log start ≤ `offset` ≤ log end; `Corrupt`; `Io` and `Offline`.
    pub fn read(
        &self,
        offset: Offset,
        max_bytes: usize,
        upper_bound: Offset,
        min_one_batch: bool,
    ) -> Result<LogRead> {
        let wanted = Range {
            offset,
            max_bytes,
            upper: upper_bound,
            min_one_batch,
        };
        let read = self.read_from(wanted, Source::Disk);
        if let Err(LogError::Corrupt { .. }) = &read {
            self.note_damage(offset);
        }
        Ok(read?.unwrap_or_default())
    }

    /// As [`LogReader::read`], but `None` if that might wait for the disk: the place of `offset` is
    /// not known without looking into an index, or the bytes are not in the page cache.
    ///
    /// # Errors
    /// As [`LogReader::read`].
    pub fn read_cached(
        &self,
        offset: Offset,
        max_bytes: usize,
        upper_bound: Offset,
        min_one_batch: bool,
    ) -> Result<Option<LogRead>> {
        let wanted = Range {
            offset,
            max_bytes,
            upper: upper_bound,
            min_one_batch,
        };
        let read = self.read_from(wanted, Source::Memory);
        if let Err(LogError::Corrupt { .. }) = &read {
            self.note_damage(offset);
        }
        read
    }

    /// As [`LogReader::read`]: what is in memory at once, and what is not where blocking work goes, so that
    /// cold data holds up nobody else. Cancel safe.
    ///
    /// # Errors
    /// As [`LogReader::read`].
    pub async fn read_aside(
        &self,
        blocking: Blocking,
        (offset, max_bytes): (Offset, usize),
        upper_bound: Offset,
        min_one_batch: bool,
    ) -> Result<LogRead> {
        if let Some(read) = self.read_cached(offset, max_bytes, upper_bound, min_one_batch)? {
            return Ok(read);
        }
        let reader = self.clone();
        let cold = move || reader.read(offset, max_bytes, upper_bound, min_one_batch);
        blocking.run(cold).await
    }

    fn read_from(&self, wanted: Range, from: Source) -> Result<Option<LogRead>> {
        let offset = wanted.offset;
        self.steadily(Some(offset), |generation| {
            let wanted = Range {
                upper: wanted.upper.min(self.view().log_end()),
                ..wanted
            };
            let nothing = LogRead {
                next_offset: offset,
                ..LogRead::default()
            };
            if offset >= wanted.upper {
                return Ok(Some(nothing));
            }
            let segments = self.shared.segments();
            let first = segments
                .partition_point(|s| s.base_offset <= offset)
                .saturating_sub(1);
            for segment in segments.iter().skip(first) {
                let position = match self.known_position(segment, offset) {
                    Some(position) => position,
                    None if from == Source::Memory => return Ok(None),
                    None => segment.find(offset)?.map(|(position, _)| position),
                };
                if let Some(position) = position {
                    return self.read_part(segment, position, wanted, from, generation);
                }
            }
            Ok(Some(nothing))
        })
    }

    /// Where the first batch lies that contains `offset` or something behind it, if that is
    /// remembered; the inner `None`: not in this segment.
    fn known_position(&self, segment: &Segment, offset: Offset) -> Option<Option<u64>> {
        let (base, position) = self.shared.positions.get(offset)?;
        // A place at the very end is where the next batch will be.
        (base == segment.base_offset).then(|| (position < segment.size()).then_some(position))
    }

    fn read_part(
        &self,
        segment: &Segment,
        position: u64,
        wanted: Range,
        from: Source,
        generation: u64,
    ) -> Result<Option<LogRead>> {
        let Range {
            offset,
            max_bytes,
            upper,
            min_one_batch,
        } = wanted;
        let left = usize::try_from(segment.size() - position).unwrap_or(usize::MAX);
        let (file, path) = (segment.log.get()?, segment.log.path());
        let fetch = |bytes: usize| -> Result<Option<Buffer>> {
            let mut buffer = Buffer::of(bytes.min(left));
            let read = match from {
                Source::Disk => file.read_at(buffer.as_mut(), position).map(Some),
                Source::Memory => file.read_cached_at(buffer.as_mut(), position),
            };
            let read = read.at("reading", &path)?;
            Ok(read.map(|read| {
                buffer.truncate(read);
                buffer
            }))
        };
        let corrupt = |detail: String| LogError::Corrupt {
            path: path.clone(),
            detail,
        };
        let Some(mut buffer) = fetch(max_bytes.max(HEADER_BYTES))? else {
            return Ok(None);
        };
        let first = BatchHeader::parse(buffer.as_ref())
            .map_err(|error| corrupt(format!("at {position}: {error}")))?;
        let mut found = LogRead {
            next_offset: offset,
            ..LogRead::default()
        };
        // The checksum does not cover the offset: nobody else would notice.
        let beyond = first.last_offset() >= self.view().log_end();
        if first.base_offset < segment.base_offset || first.last_offset() < offset || beyond {
            let found = first.base_offset;
            return Err(corrupt(format!("at {position}: a batch of offset {found}")));
        }
        let size = first.size_bytes();
        if first.last_offset() >= upper {
            return Ok(Some(found));
        }
        if size > max_bytes && !min_one_batch {
            found.too_large_bytes = Some(size);
            return Ok(Some(found));
        }
        if size > buffer.as_ref().len() {
            if size > left {
                return Err(corrupt(format!(
                    "at {position}: a batch is longer than the segment"
                )));
            }
            let Some(whole) = fetch(size)? else {
                return Ok(None);
            };
            buffer = whole;
        }
        let mut end = 0;
        let bytes = buffer.as_ref();
        while let Some(header) = bytes
            .get(end..)
            .and_then(|rest| BatchHeader::parse(rest).ok())
        {
            let next = end + header.size_bytes();
            let falls = end > 0 && header.base_offset < found.next_offset;
            if falls || next > bytes.len() || header.last_offset() >= upper {
                break;
            }
            end = next;
            found.next_offset = header.next_offset();
            if end >= max_bytes {
                break;
            }
        }
        buffer.truncate(end);
        let next_position = position + end as u64;
        self.shared.positions.put(
            generation,
            found.next_offset,
            segment.base_offset,
            next_position,
        );
        found.records = buffer.freeze();
        Ok(Some(found))
    }

    /// Runs `attempt` until no truncation or removal got in between; `offset` must be in the log.
    pub(crate) fn steadily<T>(
        &self,
        offset: Option<Offset>,
        attempt: impl Fn(u64) -> Result<T>,
    ) -> Result<T> {
        let shared = &*self.shared;
        let mut tries = 0;
        loop {
            shared.check_usable()?;
            let generation = shared.generation.load(Ordering::Acquire);
            let segments = shared.segments();
            if let Some(offset) = offset {
                self.check_range(offset)?;
            }
            let outcome = attempt(generation);
            tries += 1;
            let steady = generation.is_multiple_of(2)
                && shared.generation.load(Ordering::Acquire) == generation
                // A failure may come from a segment that was removed under the read.
                && (outcome.is_ok() || Arc::ptr_eq(&segments, &shared.segments()));
            if steady || tries == RETRIES {
                if outcome.is_err() {
                    shared.check_usable()?;
                }
                return shared.judge(outcome);
            }
            std::thread::yield_now();
        }
    }

    fn check_range(&self, offset: Offset) -> Result<()> {
        let (log_start, log_end) = (self.view().log_start(), self.view().log_end());
        if (log_start..=log_end).contains(&offset) {
            return Ok(());
        }
        let partition = self.shared.partition.clone();
        Err(LogError::OffsetOutOfRange {
            partition,
            offset,
            log_start,
            log_end,
        })
    }

    /// The producers' state, copied; for DescribeProducers. Waits for a write in progress.
    pub fn producers(&self) -> ProducerStates {
        lock(&self.shared.core).producers.clone()
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        read(&self.shared.epochs).epoch_at(offset)
    }

    /// The newest epoch and where it begins.
    pub fn latest_epoch(&self) -> Option<EpochEntry> {
        read(&self.shared.epochs).latest()
    }

    /// The largest epoch not above `epoch`, and one past its last offset; for OffsetForLeaderEpoch.
    /// `None` if `epoch` is newer than all.
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        read(&self.shared.epochs).end_offset_for(epoch, self.view().log_end())
    }

    /// Bytes of all batches.
    pub fn size_bytes(&self) -> u64 {
        self.shared
            .segments()
            .iter()
            .map(|segment| segment.size())
            .sum()
    }

    /// All segments, oldest first.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let info = |s: &Arc<Segment>| SegmentInfo {
            base_offset: s.base_offset,
            size_bytes: s.size(),
        };
        self.shared.segments().iter().map(info).collect()
    }
}

/// What a read asks for.
#[derive(Debug, Clone, Copy)]
struct Range {
    offset: Offset,
    max_bytes: usize,
    upper: Offset,
    min_one_batch: bool,
}

/// What a read may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Memory,
    Disk,
}

/// A whole batch of a published part of the segment.
pub(crate) fn read_batch(segment: &Segment, position: u64, header: &BatchHeader) -> Result<Bytes> {
    let path = segment.log.path();
    let mut bytes = vec![0; header.size_bytes()];
    let read = segment
        .log
        .get()?
        .read_at(&mut bytes, position)
        .at("reading", &path)?;
    if read < bytes.len() {
        let detail = format!("at {position}: a batch is longer than the file");
        return Err(LogError::Corrupt { path, detail });
    }
    Ok(Bytes::from(bytes))
}
