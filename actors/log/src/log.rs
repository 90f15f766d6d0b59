//! One partition's log: what its writer, its readers and its directory share.
//!
//! The current [`LogWriter`] changes the log; any number of [`LogReader`]s read it beside the writer.
//! What they share is published in [`LogView`] and in an immutable list of segments.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use odeon_kernel::disk::DiskFile;
use odeon_model::{LeaderEpoch, Offset, ProducerId, TopicPartition, Uuid};
use odeon_records::PreparedBatch;

use crate::config::LogConfig;
use crate::dir::DirState;
use crate::epoch_cache::EpochCache;
use crate::error::{At, LogError, Result};
use crate::files::{lock, read, write};
use crate::positions::Positions;
use crate::producer_state::{ProducerEntry, ProducerStates};
use crate::reader::LogReader;
use crate::recovery::Recovered;
use crate::retention::Deletion;
use crate::segment::{Place, Segment};
use crate::writer::LogWriter;
use crate::{checkpoint, producer_snapshot};

/// The right to write: a newer one fences all older ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// The leader epoch the writer acts in.
    pub leader_epoch: LeaderEpoch,
    /// Counts the writers within an epoch.
    pub incarnation: u64,
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "epoch {} incarnation {}",
            self.leader_epoch, self.incarnation
        )
    }
}

/// The offsets of a log, as anyone may read them at any time.
#[derive(Debug, Default)]
pub struct LogView {
    pub(crate) log_start: AtomicI64,
    pub(crate) log_end: AtomicI64,
    pub(crate) flushed: AtomicI64,
    pub(crate) high_watermark: AtomicI64,
    pub(crate) recovery_point: AtomicI64,
}

impl LogView {
    /// The first offset that may be read.
    pub fn log_start(&self) -> Offset {
        self.log_start.load(Ordering::Acquire)
    }

    /// One past the last record written.
    pub fn log_end(&self) -> Offset {
        self.log_end.load(Ordering::Acquire)
    }

    /// Durable up to here; equal to the log end in [`SyncMode::PageCache`](crate::SyncMode).
    pub fn flushed(&self) -> Offset {
        self.flushed.load(Ordering::Acquire)
    }

    /// What the partition's leader last published; checkpointed with the log.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark.load(Ordering::Acquire)
    }

    /// On disk up to here in every mode: where recovery begins.
    pub fn recovery_point(&self) -> Offset {
        self.recovery_point.load(Ordering::Acquire)
    }

    /// Publishes the high watermark; only the partition's owner calls it. It never moves back.
    pub fn set_high_watermark(&self, offset: Offset) {
        self.high_watermark.fetch_max(offset, Ordering::AcqRel);
    }
}

/// A staged batch and how to take it back.
#[derive(Debug)]
pub(crate) struct StagedBatch {
    pub(crate) batch: PreparedBatch,
    pub(crate) undo: Option<(ProducerId, Option<ProducerEntry>)>,
    /// The batch opens a segment; with the producer state before it, if there is one to close.
    pub(crate) opens: Option<Option<Vec<u8>>>,
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

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) partition: TopicPartition,
    pub(crate) topic_id: RwLock<Uuid>,
    pub(crate) place: Place,
    pub(crate) dir: Arc<DirState>,
    pub(crate) view: LogView,
    pub(crate) config: RwLock<Arc<LogConfig>>,
    pub(crate) segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    pub(crate) epochs: RwLock<EpochCache>,
    pub(crate) epochs_changed: AtomicBool,
    epochs_file: Mutex<()>,
    pub(crate) positions: Positions,
    /// Odd while the log is being truncated; changes with every truncation.
    pub(crate) generation: AtomicU64,
    pub(crate) closed: AtomicBool,
    pub(crate) core: Mutex<Core>,
    /// Spreads the rolling of segments over time.
    pub(crate) jitter_seed: u64,
}

impl Shared {
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
        self.dir.check()?;
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
            self.dir.judge(error);
        }
        result
    }

    /// Notes an epoch's start in memory; the next sync writes it.
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
        let path = self.place.folder.join(checkpoint::LEADER_EPOCHS);
        let text = read(&self.epochs).render();
        let written = self
            .place
            .disk
            .write_atomic(&path, text.as_bytes())
            .at("writing", &path);
        if written.is_err() {
            self.epochs_changed.store(true, Ordering::Release);
        }
        written
    }

    /// Writes the producer state as of `offset`, unsynced.
    pub(crate) fn save_snapshot(&self, offset: Offset, bytes: &[u8]) -> Result<Arc<dyn DiskFile>> {
        let path = self
            .place
            .folder
            .join(&crate::names::file_name(offset, crate::names::SNAPSHOT));
        let file = self.place.disk.open(&path, odeon_kernel::OpenMode::Create);
        let file = file.at("creating", &path)?;
        file.set_len(0).at("emptying", &path)?;
        file.write_all_at(&[std::io::IoSlice::new(bytes)], 0)
            .at("writing", &path)?;
        Ok(file)
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
        self.dir.ahead.give_back(core.reserved);
        core.reserved = 0;
        core.reserved_to = 0;
    }
}

/// A partition's log. Cheap to clone; all clones are the same log.
#[derive(Debug, Clone)]
pub struct Log {
    pub(crate) shared: Arc<Shared>,
}

impl Log {
    pub(crate) fn assemble(
        partition: TopicPartition,
        topic_id: Uuid,
        place: Place,
        dir: Arc<DirState>,
        config: LogConfig,
        recovered: Recovered,
    ) -> Self {
        let view = LogView::default();
        view.log_start.store(recovered.log_start, Ordering::Relaxed);
        view.log_end.store(recovered.log_end, Ordering::Relaxed);
        view.flushed.store(recovered.log_end, Ordering::Relaxed);
        view.recovery_point
            .store(recovered.log_end, Ordering::Relaxed);
        let high_watermark = recovered
            .high_watermark
            .clamp(recovered.log_start, recovered.log_end);
        view.high_watermark.store(high_watermark, Ordering::Relaxed);
        let seed = partition
            .topic
            .bytes()
            .fold(partition.partition as u64, |seed, byte| {
                (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
            });
        let core = Core {
            producers: recovered.producers,
            next_offset: recovered.log_end,
            last_snapshot: recovered.last_snapshot,
            touched: recovered.report.scanned_segments > 0,
            ..Core::default()
        };
        let shared = Shared {
            partition,
            topic_id: RwLock::new(topic_id),
            place,
            dir,
            view,
            config: RwLock::new(Arc::new(config)),
            segments: RwLock::new(Arc::new(recovered.segments)),
            epochs: RwLock::new(recovered.epochs),
            epochs_changed: AtomicBool::new(recovered.epochs_changed),
            epochs_file: Mutex::new(()),
            positions: Positions::default(),
            generation: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            core: Mutex::new(core),
            jitter_seed: seed,
        };
        shared.project(&mut lock(&shared.core));
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Whose log it is.
    pub fn partition(&self) -> &TopicPartition {
        &self.shared.partition
    }

    /// The topic's id; zero for a folder of an old Kafka without `partition.metadata`.
    pub fn topic_id(&self) -> Uuid {
        *read(&self.shared.topic_id)
    }

    /// The partition's folder.
    pub fn folder(&self) -> PathBuf {
        self.shared.place.folder.path()
    }

    /// The log directory that holds the folder.
    pub fn directory(&self) -> &Arc<DirState> {
        &self.shared.dir
    }

    /// The published offsets.
    pub fn view(&self) -> &LogView {
        &self.shared.view
    }

    /// A reader. It stays valid as long as it is kept.
    pub fn reader(&self) -> LogReader {
        LogReader {
            shared: self.shared.clone(),
        }
    }

    /// The settings in force.
    pub fn config(&self) -> Arc<LogConfig> {
        self.shared.config()
    }

    /// Changes the settings; the next append, roll or retention obeys them.
    pub fn set_config(&self, config: LogConfig) {
        *write(&self.shared.config) = Arc::new(config);
    }

    /// Makes the caller the writer. Blocks until a write in progress has finished; what the older
    /// writer had staged but not written is dropped, and its syncs cannot be published any more.
    ///
    /// # Errors
    /// `Fenced` unless the lease is newer than the one in force; `Closed`; `Offline`.
    pub fn take_lease(&self, lease: Lease) -> Result<LogWriter> {
        self.shared.check_usable()?;
        if self.shared.core.is_poisoned() {
            self.shared
                .dir
                .fail(&format!("a writer of {} panicked", self.shared.partition));
            self.shared.check_usable()?;
        }
        let mut core = lock(&self.shared.core);
        if let Some(current) = core.lease.filter(|current| *current >= lease) {
            let partition = self.shared.partition.clone();
            return Err(LogError::Fenced {
                partition,
                held: lease,
                current,
            });
        }
        core.lease = Some(lease);
        self.shared.unstage(&mut core);
        if let Some((_, unfinished)) = core.syncing.take() {
            core.unsynced.merge(unfinished);
        }
        drop(core);
        Ok(LogWriter::new(self.shared.clone(), lease))
    }

    /// Writes and syncs everything, saves the producer state and refuses all further work.
    /// What is staged is dropped.
    ///
    /// # Errors
    /// `Io`, which takes the directory offline.
    pub fn close(&self) -> Result<()> {
        let mut core = lock(&self.shared.core);
        if self.shared.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.shared.dir.check()?;
        self.shared.unstage(&mut core);
        let closed = self.close_files(&mut core);
        self.shared.closed.store(true, Ordering::Release);
        self.shared.judge(closed)
    }

    fn close_files(&self, core: &mut Core) -> Result<()> {
        let shared = &self.shared;
        let mut unsynced = std::mem::take(&mut core.unsynced);
        if let Some((_, unfinished)) = core.syncing.take() {
            unsynced.merge(unfinished);
        }
        let end = shared.view.log_end();
        let segments = shared.segments();
        let stale = core.last_snapshot != Some(end);
        if stale && (core.last_snapshot.is_some() || !core.producers.is_empty()) {
            let bytes = producer_snapshot::encode(&core.producers);
            unsynced.snapshots.push(shared.save_snapshot(end, &bytes)?);
            unsynced.folder = true;
        }
        if let Some(active) = segments.last().filter(|_| core.touched) {
            active.seal(true)?;
        }
        crate::sync::sync_all(shared, &unsynced)?;
        shared.release_reserve(core);
        segments.iter().for_each(|segment| segment.close());
        shared.view.recovery_point.fetch_max(end, Ordering::AcqRel);
        shared.view.flushed.fetch_max(end, Ordering::AcqRel);
        Ok(())
    }

    pub(crate) fn mark_closed(&self) {
        // Waits for a write in progress.
        let mut core = lock(&self.shared.core);
        self.shared.closed.store(true, Ordering::Release);
        self.shared.release_reserve(&mut core);
    }
}
