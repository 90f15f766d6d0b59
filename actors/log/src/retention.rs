//! Shortening a log at its start: by age, by size, by request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use odeon_kernel::disk::OpenMode;
use odeon_model::Offset;

use crate::error::{At, LogError, Result};
use crate::files::{remove_if_there, write};
use crate::names::{SNAPSHOT, file_name, parse_offset};
use crate::producer_snapshot;
use crate::segment::Segment;
use crate::shared::{Core, Shared};
use crate::writer::LogWriter;

/// A removed segment whose files wait for `file.delete.delay.ms`.
#[derive(Debug)]
pub(crate) struct Deletion {
    segment: Arc<Segment>,
    due: Duration,
}

/// What [`LogWriter::apply_retention`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retained {
    /// Segments removed.
    pub segments: usize,
    /// Bytes in them.
    pub bytes: u64,
    /// The log start now.
    pub log_start: Offset,
}

impl LogWriter {
    /// Removes the oldest segments that are wholly below `high_watermark` and past their time
    /// (`retention.ms`, by their largest record timestamp), beyond `retention.bytes`, or below the log
    /// start. The active segment is closed first if it is due too. `now` is the monotonic time from
    /// which the delay of the files' removal counts.
    ///
    /// # Errors
    /// `Fenced`, `Io`, `Corrupt`, `Closed`, `Offline`.
    pub fn apply_retention(
        &mut self,
        now_ms: i64,
        now: Duration,
        high_watermark: Offset,
    ) -> Result<Retained> {
        let mut core = self.core()?;
        let result = self.retain(&mut core, now_ms, now, high_watermark);
        self.shared.judge(result)
    }

    fn retain(
        &self,
        core: &mut Core,
        now_ms: i64,
        now: Duration,
        high_watermark: Offset,
    ) -> Result<Retained> {
        let mut done = Retained {
            log_start: self.shared.view.log_start(),
            ..Retained::default()
        };
        let due = self.count_due(now_ms, high_watermark)?;
        let segments = self.shared.segments();
        if due == 0 || !core.staged.is_empty() {
            return Ok(done);
        }
        if due == segments.len() {
            // Offsets are never reused: the log goes on in an empty segment at its end.
            if !self.roll_locked(core)? {
                return Ok(done);
            }
        }
        let removed: Vec<_> = segments.iter().take(due).cloned().collect();
        done.bytes = removed.iter().map(|segment| segment.size()).sum();
        done.segments = removed.len();
        let next = self
            .shared
            .segments()
            .get(due)
            .map(|segment| segment.base_offset);
        if let Some(start) = next {
            self.raise_log_start(start);
        }
        done.log_start = self.shared.view.log_start();
        // Before anything goes: the epochs tell recovery that the head went on purpose, a snapshot
        // is all that will be known of its producers, and the last segment's name is the log end.
        self.shared.save_epochs()?;
        if let Some(start) = next {
            self.keep_producers(core, start)?;
        }
        let folder = self.shared.place().folder.path();
        self.shared
            .place()
            .disk
            .sync_dir(&folder)
            .at("syncing", &folder)?;
        self.remove_segments(core, removed, now)?;
        Ok(done)
    }

    /// Makes sure that the producers' state survives without the segments before `start`.
    fn keep_producers(&self, core: &mut Core, start: Offset) -> Result<()> {
        let shared = &*self.shared;
        if core.producers.is_empty() && core.last_snapshot.is_none() {
            return Ok(());
        }
        let disk = &shared.place().disk;
        let path = shared.place().folder.join(&file_name(start, SNAPSHOT));
        if disk.exists(&path) {
            let bytes = disk.read(&path).at("reading", &path)?;
            if producer_snapshot::decode(&bytes).is_ok() {
                let file = disk.open(&path, OpenMode::ReadWrite).at("opening", &path)?;
                return file.sync_data().at("syncing", &path);
            }
        }
        // It was lost in a crash: the state at the log end will do, once the log is durable there.
        let end = shared.view.log_end();
        let bytes = producer_snapshot::encode(&core.producers);
        let mut work = core.unsynced.clone();
        if let Some((_, running)) = &core.syncing {
            work.merge(running.clone());
        }
        work.snapshots
            .push(shared.place().save_snapshot(end, &bytes)?);
        core.last_snapshot = Some(end);
        self.sync_now(work)
    }

    /// How many of the oldest segments are due.
    fn count_due(&self, now_ms: i64, high_watermark: Offset) -> Result<usize> {
        let config = self.shared.config();
        let (log_start, log_end) = (self.shared.view.log_start(), self.shared.view.log_end());
        let segments = self.shared.segments();
        let size: u64 = segments.iter().map(|segment| segment.size()).sum();
        let limit = u64::try_from(config.retention_bytes)
            .ok()
            .filter(|_| config.delete);
        let mut excess = limit.map_or(0, |limit| size.saturating_sub(limit));
        for (count, segment) in segments.iter().enumerate() {
            let end = segments
                .get(count + 1)
                .map_or(log_end, |next| next.base_offset);
            let is_active = count + 1 == segments.len();
            if end > high_watermark || (is_active && segment.size() == 0) {
                return Ok(count);
            }
            let below_start = end <= log_start;
            let too_many = excess > 0 && excess >= segment.size() && limit.is_some();
            let too_old = config.delete && config.retention_ms >= 0 && {
                let newest = segment.max_timestamp()?.timestamp;
                newest >= 0 && now_ms.saturating_sub(newest) > config.retention_ms
            };
            if !(below_start || too_many || too_old) {
                return Ok(count);
            }
            excess = excess.saturating_sub(segment.size());
        }
        Ok(segments.len())
    }

    /// Moves the log start: records before `offset` are not served any more, and whole segments
    /// before it go with the next [`LogWriter::apply_retention`]. Returns the log start.
    ///
    /// # Errors
    /// `OffsetOutOfRange` beyond the high watermark `high_watermark`; `Fenced`, `Closed`, `Offline`.
    pub fn delete_records(&mut self, offset: Offset, high_watermark: Offset) -> Result<Offset> {
        let _core = self.core()?;
        let view = &self.shared.view;
        if offset > high_watermark || offset < 0 {
            return Err(LogError::OffsetOutOfRange {
                partition: self.shared.partition.clone(),
                offset,
                log_start: view.log_start(),
                log_end: high_watermark,
            });
        }
        self.raise_log_start(offset);
        Ok(view.log_start())
    }

    fn raise_log_start(&self, offset: Offset) {
        let before = self
            .shared
            .view
            .log_start
            .fetch_max(offset, Ordering::AcqRel);
        self.shared
            .view
            .high_watermark
            .fetch_max(offset, Ordering::AcqRel);
        if before < offset && write(&self.shared.epochs).truncate_start(offset) {
            self.shared.epochs_changed.store(true, Ordering::Release);
        }
    }

    fn remove_segments(
        &self,
        core: &mut Core,
        removed: Vec<Arc<Segment>>,
        now: Duration,
    ) -> Result<()> {
        let shared = &self.shared;
        let is_removed = |s: &Arc<Segment>| removed.iter().any(|r| Arc::ptr_eq(r, s));
        shared.change_segments(|segments| segments.retain(|segment| !is_removed(segment)));
        core.unsynced
            .segments
            .retain(|segment| !is_removed(segment));
        core.unsynced.sealed.retain(|segment| !is_removed(segment));
        core.unsynced.folder = true;
        let first = shared
            .segments()
            .first()
            .map_or(0, |segment| segment.base_offset);
        drop_snapshots(shared, |offset| offset < first)?;
        let delay_ms = shared.config().file_delete_delay_ms.max(0).unsigned_abs();
        let due = now + Duration::from_millis(delay_ms);
        let folder = shared.place().folder.path();
        for segment in removed {
            // Oldest first, each for good: a power cut must not bring back one without the next,
            // because recovery takes a gap for a lost tail.
            segment.mark_deleted()?;
            shared
                .place()
                .disk
                .sync_dir(&folder)
                .at("syncing", &folder)?;
            core.deletions.push(Deletion { segment, due });
        }
        Ok(())
    }

    /// Removes the files of segments whose delay has passed; how many segments.
    ///
    /// # Errors
    /// `Fenced`, `Io`, `Closed`, `Offline`.
    pub fn run_deletions(&mut self, now: Duration) -> Result<usize> {
        let mut core = self.core()?;
        let (due, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut core.deletions)
            .into_iter()
            .partition(|deletion| deletion.due <= now);
        core.deletions = waiting;
        let removed = due
            .iter()
            .try_for_each(|deletion| deletion.segment.remove());
        self.shared.judge(removed)?;
        Ok(due.len())
    }

    /// When [`LogWriter::run_deletions`] has something to do next (monotonic time).
    ///
    /// # Errors
    /// `Fenced`, `Closed`, `Offline`.
    pub fn next_deletion(&self) -> Result<Option<Duration>> {
        Ok(self
            .core()?
            .deletions
            .iter()
            .map(|deletion| deletion.due)
            .min())
    }
}

/// Removes producer snapshots by their offset.
pub(crate) fn drop_snapshots(shared: &Shared, which: impl Fn(Offset) -> bool) -> Result<()> {
    let place = &shared.place();
    let folder = place.folder.path();
    for entry in place.disk.read_dir(&folder).at("listing", &folder)? {
        if let Some(offset) = parse_offset(&entry.name, SNAPSHOT).filter(|offset| which(*offset)) {
            remove_if_there(&place.disk, &folder.join(file_name(offset, SNAPSHOT)))?;
        }
    }
    Ok(())
}
