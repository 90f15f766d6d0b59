//! Loading a log from its folder, after a clean stop and after any other.
//!
//! After a clean stop nothing is read but the end of the last segment. After any other, everything
//! from the segment that holds the recovery point on is read and checked; the log ends before the
//! first batch that is not right, and what lies behind is gone for good. Segments below the recovery
//! point are known to be on disk and are trusted.

use std::collections::BTreeSet;
use std::sync::Arc;

use odeon_kernel::disk::{DiskFile, OpenMode};
use odeon_model::{LeaderEpoch, Offset};
use odeon_records::BatchHeader;

use crate::checkpoint::{self, LEADER_EPOCHS, PARTITION_METADATA};
use crate::config::LogConfig;
use crate::epoch_cache::EpochCache;
use crate::error::{At, LogError, Result};
use crate::files::remove_if_there;
use crate::names::{INDEX, LOG, SNAPSHOT, SWAP, TIME_INDEX, file_name, parse_offset};
use crate::producer_state::ProducerStates;
use crate::scan::scan;
use crate::segment::{Place, Segment};

mod producers;
mod remake;
mod tidy;

pub(crate) use producers::{Rebuilt, rebuild_producers};
pub(crate) use remake::remake;
use tidy::{offset_of, tidy};

/// What is known of a log from outside its folder.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// The directory was closed properly.
    pub(crate) clean: bool,
    pub(crate) recovery_point: Option<Offset>,
    pub(crate) log_start: Option<Offset>,
    pub(crate) high_watermark: Option<Offset>,
}

/// What recovery had to do to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecoveryReport {
    /// Segments that were read as a whole.
    pub scanned_segments: usize,
    /// Bytes that were cut off or removed.
    pub cut_bytes: u64,
    /// The log ends before its recovery point: records that had been synced are missing.
    pub lost_synced: bool,
}

/// A log's content, ready to be used.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) log_start: Offset,
    pub(crate) log_end: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) epochs: EpochCache,
    pub(crate) epochs_changed: bool,
    pub(crate) producers: ProducerStates,
    pub(crate) last_snapshot: Option<Offset>,
    pub(crate) report: RecoveryReport,
    /// `partition.metadata`, if it may not be durable yet: nothing of the log was ever synced.
    pub(crate) made: Option<Arc<dyn DiskFile>>,
}

/// Loads the log in `place`.
pub(crate) fn load(place: &Place, config: &LogConfig, known: Known) -> Result<Recovered> {
    let names = tidy(place)?;
    let segments = open_segments(place, &names)?;
    let (epochs, epochs_found) = load_epochs(place)?;
    let stored_epochs = epochs.clone();
    let mut loaded = Loading {
        place,
        interval: config.index_interval_bytes,
        names: &names,
        segments,
        epochs,
        report: RecoveryReport::default(),
    };
    let recovery_point = known.recovery_point.unwrap_or(0);
    let mut clean = known.clean;
    let mut log_end = match clean.then(|| loaded.clean_end()).transpose()? {
        Some(Some(end)) => end.max(recovery_point),
        _ => {
            clean = false;
            loaded.recover(recovery_point)?
        }
    };
    let first = loaded
        .segments
        .first()
        .map_or(0, |segment| segment.base_offset);
    // A head that nobody removed on purpose was never durable: then no snapshot may say that what
    // was in it is in the log, or its producers' retries would be taken for duplicates.
    let head = stored_epochs
        .entries()
        .first()
        .map_or(0, |epoch| epoch.start_offset);
    let head = head.max(recovery_point).max(known.log_start.unwrap_or(0));
    let trusted = if clean || first <= head {
        Offset::MAX
    } else {
        head
    };
    let log_start = known.log_start.unwrap_or(0).max(first);
    if log_start > log_end || (loaded.segments.is_empty() && recovery_point > log_end) {
        // Offsets are never reused, whatever happened to the files.
        log_end = log_start.max(recovery_point);
        loaded.start_at(log_end)?;
    }
    let log_start = if loaded.segments.is_empty() {
        log_start
    } else {
        log_start.min(log_end)
    };
    if !epochs_found {
        loaded.walk_epochs()?;
    }
    loaded.epochs.truncate_end(log_end);
    loaded.epochs.truncate_start(log_start);
    let epochs_changed = loaded.epochs != stored_epochs;
    let sync = !clean && (loaded.report.cut_bytes > 0 || log_end > recovery_point);
    if sync {
        loaded.sync(recovery_point == 0)?;
    }
    let skip_replay = clean && !names.iter().any(|name| name.ends_with(SNAPSHOT));
    let rebuilt = if skip_replay {
        Rebuilt::default()
    } else {
        rebuild_producers(place, &loaded.segments, log_start..log_end, trusted)?
    };
    let made = if recovery_point == 0 && !sync {
        open_metadata(place)?
    } else {
        None
    };
    Ok(Recovered {
        made,
        log_start,
        log_end,
        high_watermark: known.high_watermark.unwrap_or(log_start),
        epochs: loaded.epochs,
        epochs_changed,
        producers: rebuilt.producers,
        last_snapshot: rebuilt.last_snapshot,
        report: loaded.report,
        segments: loaded.segments,
    })
}

struct Loading<'a> {
    place: &'a Place,
    interval: u32,
    names: &'a BTreeSet<String>,
    segments: Vec<Arc<Segment>>,
    epochs: EpochCache,
    report: RecoveryReport,
}

impl Loading<'_> {
    /// The log end after a clean stop; `None` if the files do not look like one.
    fn clean_end(&mut self) -> Result<Option<Offset>> {
        for segment in &self.segments {
            if !self.has_indexes(segment) {
                self.rebuild(segment)?;
            }
        }
        let Some(active) = self.segments.last() else {
            return Ok(Some(0));
        };
        let end = active.read_next_offset();
        match end.and_then(|end| active.check_indexes(end).map(|()| end)) {
            Ok(end) => Ok(Some(end)),
            Err(LogError::Corrupt { path, detail }) => {
                tracing::warn!(path = %path.display(), detail, "not as a clean stop leaves it");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn has_indexes(&self, segment: &Segment) -> bool {
        let has = |suffix| self.names.contains(&file_name(segment.base_offset, suffix));
        has(INDEX) && has(TIME_INDEX)
    }

    /// Checks everything behind the recovery point; returns the log end.
    fn recover(&mut self, recovery_point: Offset) -> Result<Offset> {
        let bases: Vec<Offset> = self.segments.iter().map(|s| s.base_offset).collect();
        let mut end = 0;
        let mut keep = self.segments.len();
        // Only compaction leaves gaps; otherwise one means that a segment lost its end.
        let mut compacted = false;
        for (at, segment) in self.segments.clone().iter().enumerate() {
            let next_base = bases.get(at + 1).copied();
            if let Some(next) = next_base.filter(|next| *next <= recovery_point) {
                self.trust(segment, next)?;
                end = next;
                continue;
            }
            let fits =
                at == 0 || segment.base_offset == end || (compacted && segment.base_offset > end);
            if !fits {
                let path = segment.log.path();
                tracing::error!(path = %path.display(), end, "does not continue the segment before it");
                keep = at;
                break;
            }
            let before = self.file_len(segment)?;
            let epochs = &mut self.epochs;
            let mut next = segment.base_offset;
            let found = segment.recover(self.interval, |header, _| {
                let count = i64::from(header.last_offset_delta) + 1;
                compacted |= header.base_offset != next || i64::from(header.record_count) != count;
                next = header.next_offset();
                note_epoch(epochs, header);
                Ok(())
            })?;
            self.report.scanned_segments += 1;
            end = found.next_offset;
            if let Some(fault) = found.fault {
                self.report.cut_bytes += before - found.valid_bytes;
                let path = segment.log.path();
                tracing::warn!(path = %path.display(), end, fault, "cut at a bad batch");
                keep = at + 1;
                break;
            }
        }
        let lost = self.segments.split_off(keep);
        for segment in &lost {
            self.report.cut_bytes += self.file_len(segment)?;
            segment.remove()?;
        }
        if !lost.is_empty() {
            // For good, even if they were empty: a clean start would believe one that came back.
            let folder = self.place.folder.path();
            self.place.disk.sync_dir(&folder).at("syncing", &folder)?;
        }
        if end < recovery_point {
            self.report.lost_synced = true;
            let folder = self.place.folder.path();
            tracing::error!(path = %folder.display(), end, recovery_point, "synced records are lost");
        }
        Ok(end)
    }

    fn file_len(&self, segment: &Segment) -> Result<u64> {
        segment
            .log
            .get()?
            .len()
            .at("measuring", &segment.log.path())
    }

    /// A segment below the recovery point: only its indexes may need help.
    fn trust(&self, segment: &Segment, end: Offset) -> Result<()> {
        let sound = self.has_indexes(segment)
            && match segment.check_indexes(end) {
                Ok(()) => true,
                Err(LogError::Corrupt { .. }) => false,
                Err(error) => return Err(error),
            };
        if sound { Ok(()) } else { self.rebuild(segment) }
    }

    /// Makes the indexes of a segment anew. Its batches are durable, so a bad one among them is not a
    /// torn tail but damage, and nothing is cut.
    fn rebuild(&self, segment: &Segment) -> Result<()> {
        let (file, path) = (segment.log.get()?, segment.log.path());
        let all = segment.base_offset..=segment.base_offset.saturating_add(i64::from(i32::MAX));
        let found = scan(&*file, &path, 0, all, |_, _, _| Ok(()))?;
        if let Some(detail) = found.fault {
            let detail = format!("at {}: {detail}", found.valid_bytes);
            return Err(LogError::Corrupt { path, detail });
        }
        tracing::info!(path = %path.display(), "making the indexes anew");
        segment.recover(self.interval, |_, _| Ok(()))?;
        segment.seal(true)
    }

    /// Replaces everything by an empty segment.
    fn start_at(&mut self, offset: Offset) -> Result<()> {
        let folder = self.place.folder.path();
        tracing::error!(path = %folder.display(), offset, "no record left before the log start");
        for lost in self.segments.drain(..) {
            lost.remove()?;
        }
        self.segments.push(Segment::create(self.place, offset)?);
        self.place.disk.sync_dir(&folder).at("syncing", &folder)
    }

    /// Epochs as the batches tell them.
    fn walk_epochs(&mut self) -> Result<()> {
        for segment in &self.segments {
            let file = segment.log.get()?;
            let mut walk = segment.walk(&*file, 0);
            while let Some((_, header)) = walk.next()? {
                note_epoch(&mut self.epochs, &header);
            }
        }
        Ok(())
    }

    /// Makes what was found durable, so that it may be served as such; the folder's own name too if
    /// nothing of it was ever synced.
    fn sync(&self, with_folder: bool) -> Result<()> {
        let scanned = self.report.scanned_segments.max(1);
        for (at, segment) in self.segments.iter().rev().take(scanned).enumerate() {
            if at == 0 {
                segment
                    .log
                    .get()?
                    .sync_data()
                    .at("syncing", &segment.log.path())?;
            } else {
                segment.seal(true)?;
            }
        }
        let (disk, folder) = (&self.place.disk, self.place.folder.path());
        disk.sync_dir(&folder).at("syncing", &folder)?;
        if let Some(metadata) = open_metadata(self.place)?.filter(|_| with_folder) {
            metadata
                .sync_data()
                .at("syncing the metadata in", &folder)?;
        }
        match folder.parent().filter(|_| with_folder) {
            Some(parent) => disk.sync_dir(parent).at("syncing", parent),
            None => Ok(()),
        }
    }
}

fn note_epoch(epochs: &mut EpochCache, header: &BatchHeader) {
    let epoch: LeaderEpoch = header.partition_leader_epoch;
    if epochs.latest().is_none_or(|latest| latest.epoch < epoch) {
        epochs.assign(epoch, header.base_offset);
    }
}

fn open_segments(place: &Place, names: &BTreeSet<String>) -> Result<Vec<Arc<Segment>>> {
    let mut segments = Vec::new();
    for name in names {
        if let Some(base_offset) = parse_offset(name, LOG) {
            let segment = Segment::open(place, base_offset, 0);
            let len = segment
                .log
                .get()?
                .len()
                .at("measuring", &segment.log.path())?;
            segment.set_size(len);
            segments.push(segment);
        } else if let Some(offset) = offset_of(&format!("{name}{SWAP}"), SWAP)
            && !names.contains(&file_name(offset, LOG))
        {
            remove_if_there(&place.disk, &place.folder.join(name))?;
        }
    }
    Ok(segments)
}

fn open_metadata(place: &Place) -> Result<Option<Arc<dyn DiskFile>>> {
    let path = place.folder.join(PARTITION_METADATA);
    if !place.disk.exists(&path) {
        return Ok(None);
    }
    place
        .disk
        .open(&path, OpenMode::ReadWrite)
        .at("opening", &path)
        .map(Some)
}

/// The epochs, and whether they were there.
fn load_epochs(place: &Place) -> Result<(EpochCache, bool)> {
    let path = place.folder.join(LEADER_EPOCHS);
    let text = match checkpoint::read_text(&place.disk, &path) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok((EpochCache::default(), false)),
        Err(LogError::Corrupt { .. }) => String::new(),
        Err(error) => return Err(error),
    };
    Ok(match EpochCache::parse(&text) {
        Ok(epochs) => (epochs, true),
        Err(_) => {
            tracing::warn!(path = %path.display(), "malformed; the epochs are read from the log");
            (EpochCache::default(), false)
        }
    })
}
