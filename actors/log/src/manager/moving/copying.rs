//! What a copy takes from its log: batches, and in the end its home.

use std::sync::atomic::Ordering;

use odeon_records::{PreparedBatch, check_crc, split_batches};

use crate::error::{LogError, Result};
use crate::files::{lock, read, write};
use crate::log::Log;
use crate::shared::{Core, Shared, Unsynced};
use crate::writer::{LogWriter, Origin};

/// Whether all that a copy has is what the log begins with.
pub(super) fn is_beginning_of(copy: &Log, log: &Log) -> bool {
    let (copied, view) = (copy.view().log_end(), log.view());
    if copied < view.log_start() || copied > view.log_end() {
        return false;
    }
    let Some(latest) = copy.reader().latest_epoch() else {
        return copy.view().log_start() == copied;
    };
    let same = log.reader().end_offset_for_epoch(latest.epoch);
    same.is_some_and(|(epoch, end)| epoch == latest.epoch && copied <= end)
}

/// Copies what comes next; how many bytes.
pub(super) fn copy(
    from: &Log,
    to: &Log,
    writer: &mut LogWriter,
    max_bytes: usize,
) -> Result<usize> {
    let reader = from.reader();
    let at = to.view().log_end();
    let read = reader.read(at, max_bytes, from.view().log_end(), true)?;
    let bytes = read.records.len();
    let corrupt = |detail: String| {
        reader.note_damage(at);
        let path = from.folder();
        LogError::Corrupt { path, detail }
    };
    for batch in split_batches(read.records) {
        let (header, batch) = batch.map_err(|error| corrupt(error.to_string()))?;
        check_crc(&batch).map_err(|error| corrupt(error.to_string()))?;
        if header.base_offset < at && to.reader().size_bytes() == 0 {
            // The log starts within a batch, and the copy with that batch.
            writer.truncate_fully_and_start_at(header.base_offset)?;
        }
        let batch = PreparedBatch::from_trusted(batch).map_err(|e| corrupt(e.to_string()))?;
        writer.stage(batch, Origin::Replica)?;
    }
    writer.write()?;
    Ok(bytes)
}

/// Makes all that was copied durable.
pub(super) fn sync(writer: &mut LogWriter) -> Result<()> {
    if let Some(job) = writer.sync_job()? {
        writer.complete_sync(job.run())?;
    }
    Ok(())
}

impl Shared {
    /// Takes over another log's files, which hold the same and are on disk. The caller holds the writer
    /// up.
    pub(super) fn adopt_home(&self, core: &mut Core, other: &Log) {
        let mut theirs = lock(&other.shared.core);
        let turn = || {
            let generation = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
            self.positions.clear(generation);
        };
        self.release_reserve(core);
        turn();
        *write(&self.segments) = other.shared.segments();
        *write(&self.home) = read(&other.shared.home).clone();
        turn();
        (core.reserved, core.reserved_to) = (theirs.reserved, theirs.reserved_to);
        theirs.reserved = 0;
        core.last_snapshot = theirs.last_snapshot;
        core.deletions.clear();
        core.touched = true;
        // A sync in progress publishes nothing of its own; one that is awaited finds something to do.
        let is_awaited = core.syncing.take().is_some() || !core.unsynced.is_empty();
        core.unsynced = Unsynced::default();
        if is_awaited && let Some(active) = self.segments().last() {
            core.unsynced.add(active);
        }
        let end = self.view.log_end();
        self.view.recovery_point.fetch_max(end, Ordering::AcqRel);
        self.view.flushed.fetch_max(end, Ordering::AcqRel);
        self.epochs_changed.store(true, Ordering::Release);
        self.project(core);
        other.shared.closed.store(true, Ordering::Release);
    }
}
