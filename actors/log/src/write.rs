//! The second step of appending: what was staged goes to the file.

use std::io::IoSlice;
use std::sync::atomic::Ordering;

use odeon_model::Offset;

use crate::config::{LogConfig, SyncMode};
use crate::error::{At, Result};
use crate::producer_snapshot;
use crate::segment::Segment;
use crate::shared::{Core, StagedBatch};
use crate::writer::LogWriter;

/// Blocks are reserved ahead only for segments of at least this size.
const AHEAD_FROM_BYTES: u64 = 1 << 20;
/// At most this is reserved ahead of one segment.
const AHEAD_BYTES: u64 = 64 << 20;

/// What [`LogWriter::write`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// The log end, published.
    pub log_end: Offset,
    /// Bytes written.
    pub bytes: u64,
    /// Segments opened.
    pub rolls: u32,
}

impl LogWriter {
    /// Takes back everything staged and not written.
    ///
    /// # Errors
    /// `Fenced`, `Closed`, `Offline`.
    pub fn discard_staged(&mut self) -> Result<()> {
        let mut core = self.core()?;
        self.shared.unstage(&mut core);
        Ok(())
    }

    /// Writes everything staged and publishes the new log end. Blocks on the disk's cache, not on
    /// the disk itself.
    ///
    /// # Errors
    /// `Fenced`: nothing was written by this call. `Io`: what did not reach the log is taken back;
    /// all but a full disk takes the directory offline. Batches before the failure may be in the
    /// log: to the clients of this call the outcome is unknown.
    pub fn write(&mut self) -> Result<Written> {
        let config = self.shared.config();
        let mut core = self.core()?;
        let core = &mut *core;
        let mut written = Written {
            log_end: self.shared.view.log_end(),
            ..Written::default()
        };
        if core.staged.is_empty() {
            return Ok(written);
        }
        let batches = std::mem::take(&mut core.staged);
        let mut rest = batches.as_slice();
        let outcome = loop {
            let Some((first, others)) = rest.split_first() else {
                break Ok(());
            };
            let more = others
                .iter()
                .take_while(|batch| batch.opens.is_none())
                .count();
            let (group, behind) = rest.split_at(more + 1);
            match self.write_group(core, first, group, &config) {
                Ok(bytes) => written.bytes += bytes,
                Err(error) => break Err(error),
            }
            written.rolls += u32::from(first.opens.is_some());
            rest = behind;
        };
        let unwritten = rest.len();
        written.log_end = self.shared.view.log_end();
        if let Err(error) = outcome {
            let at = batches.len() - unwritten;
            core.staged = batches.into_iter().skip(at).collect();
            self.shared.unstage(core);
            return self.shared.judge(Err(error));
        }
        core.projected.batches = 0;
        Ok(written)
    }

    /// Writes batches of one segment.
    fn write_group(
        &self,
        core: &mut Core,
        first: &StagedBatch,
        group: &[StagedBatch],
        config: &LogConfig,
    ) -> Result<u64> {
        let shared = &*self.shared;
        if let Some(opening) = &first.opens {
            self.open_segment(core, opening.base_offset, opening.snapshot.as_deref())?;
        }
        let Some(active) = shared.segments().last().cloned() else {
            unreachable!("the first batch of a log opens a segment")
        };
        let start = active.size();
        let bytes: u64 = group
            .iter()
            .map(|staged| staged.batch.size_bytes() as u64)
            .sum();
        let file = active.log.get()?;
        if config.allocate_ahead {
            self.reserve(core, &*file, start, bytes, config);
        }
        let mut slices = Vec::with_capacity(group.len() * 2);
        for staged in group {
            slices.push(IoSlice::new(staged.batch.head()));
            slices.push(IoSlice::new(staged.batch.body()));
        }
        core.touched = true;
        core.unsynced.add(&active);
        if let Err(error) = file.write_all_at(&slices, start) {
            // Nothing of it may stay behind the end: the next write could be shorter.
            if let Err(worse) = file.set_len(start) {
                shared
                    .dir()
                    .fail(&format!("cannot take back a failed write: {worse}"));
            }
            core.reserved_to = 0;
            return Err(error).at("writing", &active.log.path());
        }
        let mut position = start;
        let mut end = shared.view.log_end();
        let generation = shared.generation.load(Ordering::Acquire);
        let first_offset = first.batch.header().base_offset;
        shared
            .positions
            .put(generation, first_offset, active.base_offset, start);
        for staged in group {
            let header = staged.batch.header();
            if let Err(error) = active.note(position, header, config.index_interval_bytes) {
                // The batches are in the file: an index that cannot be kept ends the directory.
                shared.dir().fail(&format!("cannot keep an index: {error}"));
                return Err(error);
            }
            shared.assign_epoch(header.partition_leader_epoch, header.base_offset);
            position += header.size_bytes() as u64;
            end = header.next_offset();
        }
        active.set_size(position);
        shared
            .positions
            .put(generation, end, active.base_offset, position);
        shared.view.log_end.store(end, Ordering::Release);
        if config.sync == SyncMode::PageCache {
            shared.view.flushed.store(end, Ordering::Release);
        }
        Ok(bytes)
    }

    /// Closes the active segment, if there is one, and opens the next.
    pub(crate) fn open_segment(
        &self,
        core: &mut Core,
        base_offset: Offset,
        snapshot: Option<&[u8]>,
    ) -> Result<()> {
        let shared = &*self.shared;
        if let Some(old) = shared.segments().last() {
            old.seal(false)?;
            core.unsynced.add(old);
            core.unsynced.sealed.push(old.clone());
        }
        if let Some(bytes) = snapshot {
            core.unsynced
                .snapshots
                .push(shared.place().save_snapshot(base_offset, bytes)?);
            core.last_snapshot = Some(base_offset);
        }
        shared.release_reserve(core);
        let segment = Segment::create(&shared.place(), base_offset)?;
        core.unsynced.add(&segment);
        core.unsynced.folder = true;
        core.touched = true;
        shared.change_segments(|segments| segments.push(segment));
        Ok(())
    }

    /// Closes the active segment unless it is empty, so that the next batch opens a new one.
    /// True if it did.
    ///
    /// # Errors
    /// `Fenced`, `Io`, `Closed`, `Offline`.
    pub fn roll(&mut self) -> Result<bool> {
        let mut core = self.core()?;
        let rolled = self.roll_locked(&mut core);
        self.shared.judge(rolled)
    }

    pub(crate) fn roll_locked(&self, core: &mut Core) -> Result<bool> {
        if !core.staged.is_empty() {
            // Staged batches have their places already.
            return Ok(false);
        }
        let end = self.shared.view.log_end();
        match self.shared.segments().last() {
            Some(active) if active.size() > 0 => {}
            _ => return Ok(false),
        }
        let snapshot = producer_snapshot::encode(&core.producers);
        self.open_segment(core, end, Some(&snapshot))?;
        self.shared.project(core);
        Ok(true)
    }

    /// Reserves disk blocks behind the end, growing with the segment.
    fn reserve(
        &self,
        core: &mut Core,
        file: &dyn odeon_kernel::DiskFile,
        start: u64,
        bytes: u64,
        config: &LogConfig,
    ) {
        let end = start + bytes;
        if start < AHEAD_FROM_BYTES || end <= core.reserved_to {
            return;
        }
        self.shared.release_reserve(core);
        let room = u64::from(config.segment_bytes).saturating_sub(start);
        let want = start.min(AHEAD_BYTES).min(room);
        if want < bytes || !self.shared.dir().ahead.take(want) {
            return;
        }
        // A file system without it costs only speed.
        if file.allocate(start, want).is_ok() {
            core.reserved = want;
            core.reserved_to = start + want;
        } else {
            self.shared.dir().ahead.give_back(want);
            core.reserved_to = u64::MAX;
        }
    }

    /// Gives reserved blocks back and writes the index's tail; call it when the log has been idle.
    ///
    /// # Errors
    /// `Fenced`, `Io`, `Closed`, `Offline`.
    pub fn trim(&mut self) -> Result<()> {
        let mut core = self.core()?;
        if core.reserved == 0 {
            return Ok(());
        }
        self.shared.release_reserve(&mut core);
        let Some(active) = self.shared.segments().last().cloned() else {
            return Ok(());
        };
        let trimmed = active.log.get().and_then(|file| {
            file.set_len(active.size())
                .at("trimming", &active.log.path())?;
            active.index.flush()?;
            active.time_index.flush()
        });
        self.shared.judge(trimmed)
    }
}
