//! What writer, readers and directory share of one log, and the writer's own state.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use odeon_kernel::disk::DiskFile;
use odeon_model::{LeaderEpoch, Offset, ProducerId, TopicPartition, Uuid};
use odeon_records::PreparedBatch;

use crate::checkpoint;
use crate::config::LogConfig;
use crate::dir::DirState;
use crate::epoch_cache::EpochCache;
use crate::error::{At, LogError, Result};
use crate::files::{lock, read, write};
use crate::log::{Lease, LogView};
use crate::positions::Positions;
use crate::producer_state::{ProducerEntry, ProducerStates};
use crate::retention::Deletion;
use crate::segment::{Place, Segment};

/// A staged batch and how to take it back.
#[derive(Debug)]
pub(crate) struct StagedBatch {
    pub(crate) batch: PreparedBatch,
    pub(crate) undo: Option<(ProducerId, Option<ProducerEntry>)>,
    pub(crate) opens: Option<Opening>,
}

/// A segment that a staged batch opens.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The log end there, which names the segment: no segment begins behind a gap, so that recovery
    /// can tell a lost tail by one.
    pub(crate) base_offset: Offset,
    /// The producer state there, if there is a segment to close.
    pub(crate) snapshot: Option<Vec<u8>>,
}

/// What the active segment will be once everything staged is written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Projected {
    pub(crate) exists: bool,
    pub(crate) base_offset: Offset,
    pub(crate) size: u64,
    pub(crate) first_timestamp: Option<i64>,
    pub(crate) batches: u64,
}

/// What a sync has to cover.
#[derive(Debug, Default, Clone)]
pub(crate) struct Unsynced {
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Closed segments: their indexes too.
    pub(crate) sealed: Vec<Arc<Segment>>,
    pub(crate) snapshots: Vec<Arc<dyn DiskFile>>,
    pub(crate) folder: bool,
    /// The new folder itself and its `partition.metadata`; they ride along with the first sync.
    pub(crate) made: Option<Arc<dyn DiskFile>>,
}

impl Unsynced {
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
            && self.sealed.is_empty()
            && self.snapshots.is_empty()
            && !self.folder
    }

    pub(crate) fn add(&mut self, segment: &Arc<Segment>) {
        if !self
            .segments
            .iter()
            .any(|known| Arc::ptr_eq(known, segment))
        {
            self.segments.push(segment.clone());
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        other.segments.iter().for_each(|segment| self.add(segment));
        self.sealed.extend(other.sealed);
        self.snapshots.extend(other.snapshots);
        self.folder |= other.folder;
        self.made = self.made.take().or(other.made);
    }
}

/// The writer's state; whoever holds the lock and the newest lease is the writer.
#[derive(Debug, Default)]
pub(crate) struct Core {
    pub(crate) lease: Option<Lease>,
    pub(crate) producers: ProducerStates,
    pub(crate) staged: Vec<StagedBatch>,
    /// One past the last staged offset.
    pub(crate) next_offset: Offset,
    pub(crate) projected: Projected,
    pub(crate) unsynced: Unsynced,
    /// What the sync that runs now covers, and its ticket.
    pub(crate) syncing: Option<(u64, Unsynced)>,
    pub(crate) tickets: u64,
    /// Bytes reserved on disk behind the active segment's end, and up to where.
    pub(crate) reserved: u64,
    pub(crate) reserved_to: u64,
    pub(crate) deletions: Vec<Deletion>,
    /// The offset of the newest producer snapshot on disk.
    pub(crate) last_snapshot: Option<Offset>,
    /// Something was appended or cut since the log was loaded.
    pub(crate) touched: bool,
}

/// Where a log is. It may move to another directory as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) place: Place,
    pub(crate) dir: Arc<DirState>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) partition: TopicPartition,
    pub(crate) topic_id: RwLock<Uuid>,
    pub(crate) home: RwLock<Home>,
    pub(crate) view: LogView,
    pub(crate) config: RwLock<Arc<LogConfig>>,
    pub(crate) segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    pub(crate) epochs: RwLock<EpochCache>,
    pub(crate) epochs_changed: AtomicBool,
    pub(crate) epochs_file: Mutex<()>,
    pub(crate) positions: Positions,
    /// Odd while the log is being truncated; changes with every truncation.
    pub(crate) generation: AtomicU64,
    pub(crate) closed: AtomicBool,
    pub(crate) core: Mutex<Core>,
    /// Spreads the rolling of segments over time.
    pub(crate) jitter_seed: u64,
    /// The first offset of what was found damaged, `i64::MAX` for none.
    pub(crate) damaged_from: AtomicI64,
}

impl Shared {
    /// Where its files are.
    pub(crate) fn place(&self) -> Place {
        read(&self.home).place.clone()
    }

    /// The log directory they are in.
    pub(crate) fn dir(&self) -> Arc<DirState> {
        read(&self.home).dir.clone()
    }

    pub(crate) fn config(&self) -> Arc<LogConfig> {
        read(&self.config).clone()
    }

    pub(crate) fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        read(&self.segments).clone()
    }

    pub(crate) fn change_segments(&self, change: impl FnOnce(&mut Vec<Arc<Segment>>)) {
        let mut guard = write(&self.segments);
        let mut list = Vec::clone(&guard);
        change(&mut list);
        *guard = Arc::new(list);
    }

    /// Refuses work on a closed log or in a failed directory.
    pub(crate) fn check_usable(&self) -> Result<()> {
        read(&self.home).dir.check()?;
        if self.closed.load(Ordering::Acquire) {
            return Err(LogError::Closed {
                partition: self.partition.clone(),
            });
        }
        Ok(())
    }

    /// Takes the directory offline if the error is the disk's fault.
    pub(crate) fn judge<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.dir().judge(error);
        }
        result
    }

    /// Notes an epoch's start in memory; the next checkpoint writes it.
    pub(crate) fn assign_epoch(&self, epoch: LeaderEpoch, start_offset: Offset) {
        if read(&self.epochs)
            .latest()
            .is_some_and(|latest| latest.epoch == epoch)
        {
            return;
        }
        if write(&self.epochs).assign(epoch, start_offset) {
            self.epochs_changed.store(true, Ordering::Release);
        }
    }

    /// Writes the epochs durably if they changed.
    pub(crate) fn save_epochs(&self) -> Result<()> {
        let _one_at_a_time = lock(&self.epochs_file);
        if !self.epochs_changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let path = self.place().folder.join(checkpoint::LEADER_EPOCHS);
        let text = read(&self.epochs).render();
        let written = self
            .place()
            .disk
            .write_atomic(&path, text.as_bytes())
            .at("writing", &path);
        if written.is_err() {
            self.epochs_changed.store(true, Ordering::Release);
        }
        written
    }

    /// Forgets everything staged, newest first.
    pub(crate) fn unstage(&self, core: &mut Core) {
        while let Some(staged) = core.staged.pop() {
            if let Some((id, previous)) = staged.undo {
                core.producers.restore(id, previous);
            }
        }
        core.next_offset = self.view.log_end();
        self.project(core);
    }

    /// Sets the projection to what is there.
    pub(crate) fn project(&self, core: &mut Core) {
        core.projected = match self.segments().last() {
            None => Projected::default(),
            Some(active) => Projected {
                exists: true,
                base_offset: active.base_offset,
                size: active.size(),
                first_timestamp: None,
                batches: 0,
            },
        };
    }

    /// Gives reserved blocks back to the account; the file is trimmed by the caller.
    pub(crate) fn release_reserve(&self, core: &mut Core) {
        self.dir().ahead.give_back(core.reserved);
        core.reserved = 0;
        core.reserved_to = 0;
    }
}
