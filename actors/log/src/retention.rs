//! Shortening a log: at its start by age, size and request, at its end by truncation.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use odeon_model::Offset;

use crate::error::{At, LogError, Result};
use crate::files::{remove_if_there, write};
use crate::names::{SNAPSHOT, file_name, parse_offset};
use crate::recovery::rebuild_producers;
use crate::segment::Segment;
use crate::shared::{Core, Shared, Unsynced};
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
        // The epochs tell recovery that the head went on purpose; the snapshot is all that will be
        // known of the producers; the new segment is the memory of the end.
        self.shared.save_epochs()?;
        let running = core.syncing.iter().flat_map(|(_, work)| &work.snapshots);
        for snapshot in core.unsynced.snapshots.iter().chain(running) {
            snapshot
                .sync_data()
                .at("syncing a snapshot in", &self.shared.place.folder.path())?;
        }
        let folder = self.shared.place.folder.path();
        self.shared
            .place
            .disk
            .sync_dir(&folder)
            .at("syncing", &folder)?;
        self.remove_segments(core, removed, now)?;
        Ok(done)
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
        let folder = shared.place.folder.path();
        for segment in removed {
            // Oldest first, each for good: a power cut must not bring back one without the next,
            // because recovery takes a gap for a lost tail.
            segment.mark_deleted()?;
            shared.place.disk.sync_dir(&folder).at("syncing", &folder)?;
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

    /// Cuts the log so that it ends at `offset`, or before the batch that contains it. What is staged
    /// is dropped. The cut is durable when this returns: nothing of the old tail can come back under
    /// what is appended next. Returns the log end.
    ///
    /// # Errors
    /// `Fenced`, `Io`, `Corrupt`, `Closed`, `Offline`.
    pub fn truncate_to(&mut self, offset: Offset) -> Result<Offset> {
        let mut core = self.core()?;
        self.shared.unstage(&mut core);
        if offset >= self.shared.view.log_end() {
            return Ok(self.shared.view.log_end());
        }
        if offset
            < self
                .shared
                .segments()
                .first()
                .map_or(0, |first| first.base_offset)
        {
            let result = self.start_anew(&mut core, offset.max(0));
            return self.shared.judge(result);
        }
        self.begin_cut();
        let result = self.cut(&mut core, offset);
        self.end_cut();
        self.shared.judge(result)
    }

    /// Readers that overlap with what follows read again.
    fn begin_cut(&self) {
        let generation = self.shared.generation.fetch_add(1, Ordering::AcqRel) + 1;
        self.shared.positions.clear(generation);
    }

    fn end_cut(&self) {
        let generation = self.shared.generation.fetch_add(1, Ordering::AcqRel) + 1;
        self.shared.positions.clear(generation);
    }

    fn cut(&self, core: &mut Core, offset: Offset) -> Result<Offset> {
        let shared = &*self.shared;
        // Should this be interrupted, recovery reads everything behind the cut again.
        shared.dir.checkpoints.lower(&shared.partition, offset)?;
        let segments = shared.segments();
        let keep = segments.partition_point(|s| s.base_offset <= offset).max(1);
        let removed: Vec<_> = segments.iter().skip(keep).cloned().collect();
        let mut end = offset;
        if let Some(active) = segments.get(keep - 1)
            && let Some((position, header)) = active.find(offset)?
        {
            end = offset.min(header.base_offset.max(active.base_offset));
            active.truncate(position, end)?;
        }
        shared.change_segments(|segments| segments.truncate(keep));
        for segment in &removed {
            segment.remove()?;
        }
        self.settle(core, end)
    }

    /// Sets everything that depends on the log end, durably.
    fn settle(&self, core: &mut Core, end: Offset) -> Result<Offset> {
        let shared = &*self.shared;
        let view = &shared.view;
        // Before the end is published: whoever reads below it must find it steady.
        view.log_start.fetch_min(end, Ordering::AcqRel);
        view.log_end.store(end, Ordering::Release);
        view.flushed.fetch_min(end, Ordering::AcqRel);
        view.recovery_point.fetch_min(end, Ordering::AcqRel);
        view.high_watermark.fetch_min(end, Ordering::AcqRel);
        if write(&shared.epochs).truncate_end(end) {
            shared.epochs_changed.store(true, Ordering::Release);
        }
        drop_snapshots(shared, |offset| offset > end)?;
        shared.release_reserve(core);
        // A sync in progress will publish nothing, and this one covers what it would have.
        let mut work = std::mem::take(&mut core.unsynced);
        if let Some((_, unfinished)) = core.syncing.take() {
            work.merge(unfinished);
        }
        let segments = shared.segments();
        let kept = |s: &Arc<Segment>| segments.iter().any(|kept| Arc::ptr_eq(kept, s));
        work.segments.retain(kept);
        work.sealed.retain(kept);
        segments
            .last()
            .into_iter()
            .for_each(|active| work.add(active));
        work.folder = true;
        self.sync_now(work)?;
        shared.dir.checkpoints.lower(&shared.partition, end)?;
        view.flushed.store(end, Ordering::Release);
        view.recovery_point.store(end, Ordering::Release);
        core.touched = true;
        let rebuilt = rebuild_producers(
            &shared.place,
            &shared.segments(),
            view.log_start()..end,
            end,
        )?;
        core.producers = rebuilt.producers;
        core.last_snapshot = rebuilt.last_snapshot;
        core.next_offset = end;
        shared.project(core);
        Ok(end)
    }

    fn sync_now(&self, work: Unsynced) -> Result<()> {
        let synced = crate::sync::sync_all(&self.shared, &work);
        if let Err(error) = &synced {
            self.shared.dir.fail(&format!("a sync failed: {error}"));
        }
        synced
    }

    /// Drops everything and goes on at `offset`, in an empty segment. For a follower whose leader has
    /// none of its offsets any more.
    ///
    /// # Errors
    /// `Fenced`, `Io`, `Closed`, `Offline`.
    pub fn truncate_fully_and_start_at(&mut self, offset: Offset) -> Result<()> {
        let mut core = self.core()?;
        self.shared.unstage(&mut core);
        let result = self.start_anew(&mut core, offset);
        self.shared.judge(result).map(|_| ())
    }

    fn start_anew(&self, core: &mut Core, offset: Offset) -> Result<Offset> {
        self.begin_cut();
        let result = self.replace_all(core, offset);
        self.end_cut();
        result
    }

    fn replace_all(&self, core: &mut Core, offset: Offset) -> Result<Offset> {
        let shared = &*self.shared;
        shared.dir.checkpoints.lower(&shared.partition, 0)?;
        let removed = shared.segments();
        shared.change_segments(Vec::clear);
        for segment in removed.iter() {
            segment.remove()?;
        }
        drop_snapshots(shared, |_| true)?;
        core.unsynced = Unsynced::default();
        let segment = Segment::create(&shared.place, offset)?;
        core.unsynced.add(&segment);
        shared.change_segments(|segments| segments.push(segment));
        let view = &shared.view;
        view.log_end.store(offset, Ordering::Release);
        view.log_start.store(offset, Ordering::Release);
        view.high_watermark.store(offset, Ordering::Release);
        view.flushed.store(offset, Ordering::Release);
        view.recovery_point.store(offset, Ordering::Release);
        core.producers.clear();
        write(&shared.epochs).truncate_end(0);
        shared.epochs_changed.store(true, Ordering::Release);
        self.settle(core, offset)
    }
}

/// Removes producer snapshots by their offset.
pub(crate) fn drop_snapshots(shared: &Shared, which: impl Fn(Offset) -> bool) -> Result<()> {
    let place = &shared.place;
    let folder = place.folder.path();
    for entry in place.disk.read_dir(&folder).at("listing", &folder)? {
        if let Some(offset) = parse_offset(&entry.name, SNAPSHOT).filter(|offset| which(*offset)) {
            remove_if_there(&place.disk, &folder.join(file_name(offset, SNAPSHOT)))?;
        }
    }
    Ok(())
}
