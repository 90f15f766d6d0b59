//! Cutting a log's end, as a follower does whose leader has another history.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use odeon_model::Offset;

use crate::error::{Result, later_if_full};
use crate::files::write;
use crate::recovery::rebuild_producers;
use crate::retention::drop_snapshots;
use crate::segment::Segment;
use crate::shared::{Core, Unsynced};
use crate::writer::LogWriter;

impl LogWriter {
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
        shared.dir().checkpoints.lower(&shared.partition, offset)?;
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
        let forgiven = |from| (from >= end).then_some(i64::MAX);
        let _ = shared
            .damaged_from
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, forgiven);
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
        // A recovery point never gets ahead of the epochs. Without room for these the old point stays,
        // which is not behind the cut: a crash then costs reading, and the next checkpoint saves both.
        let saved = shared.save_epochs().and_then(|()| {
            let log = view.log_start()..end;
            shared.dir().checkpoints.set(&shared.partition, log)
        });
        later_if_full(saved)?;
        view.flushed.store(end, Ordering::Release);
        view.recovery_point.store(end, Ordering::Release);
        core.touched = true;
        let rebuilt = rebuild_producers(
            &shared.place(),
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

    pub(crate) fn sync_now(&self, work: Unsynced) -> Result<()> {
        let synced = crate::sync::sync_all(&self.shared, &work);
        if let Err(error) = &synced {
            self.shared.dir().fail(&format!("a sync failed: {error}"));
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
        shared.dir().checkpoints.lower(&shared.partition, 0)?;
        let removed = shared.segments();
        shared.change_segments(Vec::clear);
        for segment in removed.iter() {
            segment.remove()?;
        }
        drop_snapshots(shared, |_| true)?;
        core.unsynced = Unsynced::default();
        let segment = Segment::create(&shared.place(), offset)?;
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
