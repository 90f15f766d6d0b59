//! One partition's log: what its writer, its readers and its directory share.
//!
//! The current [`LogWriter`] changes the log; any number of [`LogReader`]s read it beside the writer.
//! What they share is published in [`LogView`] and in an immutable list of segments.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use odeon_kernel::sim::{Bug, is_planted};
use odeon_model::{LeaderEpoch, Offset, TopicPartition, Uuid};

use crate::config::LogConfig;
use crate::dir::DirState;
use crate::error::{LogError, Result};
use crate::files::{lock, read, write};
use crate::positions::Positions;
use crate::producer_snapshot;
use crate::reader::LogReader;
use crate::recovery::Recovered;
use crate::segment::Place;
use crate::shared::{Core, Home, Shared, Unsynced};
use crate::writer::LogWriter;

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
            producers: match is_planted(Bug::ForgottenProducers) {
                true => Default::default(),
                false => recovered.producers,
            },
            next_offset: recovered.log_end,
            last_snapshot: recovered.last_snapshot,
            unsynced: Unsynced {
                // A segment that an earlier process made.
                folder: recovered.made.is_some() && !recovered.segments.is_empty(),
                made: recovered.made,
                ..Unsynced::default()
            },
            touched: recovered.report.scanned_segments > 0,
            ..Core::default()
        };
        let shared = Shared {
            partition,
            topic_id: RwLock::new(topic_id),
            home: RwLock::new(Home { place, dir }),
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
            damaged_from: AtomicI64::new(i64::MAX),
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

    /// The topic's id. Zero if `partition.metadata` is missing (an old Kafka's folder) or torn before
    /// it was ever synced; [`LogManager::create`](crate::LogManager::create) gives it one then.
    pub fn topic_id(&self) -> Uuid {
        *read(&self.shared.topic_id)
    }

    /// The partition's folder.
    pub fn folder(&self) -> PathBuf {
        self.shared.place().folder.path()
    }

    /// The log directory that holds the folder.
    pub fn directory(&self) -> Arc<DirState> {
        self.shared.dir()
    }

    /// The published offsets.
    pub fn view(&self) -> &LogView {
        &self.shared.view
    }

    /// Where what was found to be damaged begins: the log is good for nothing from there on, until it is
    /// cut there and filled by another replica's.
    pub fn damage(&self) -> Option<Offset> {
        let from = self.shared.damaged_from.load(Ordering::Acquire);
        (from < self.view().log_end()).then_some(from)
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
                .dir()
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
        self.shared.dir().check()?;
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
            unsynced
                .snapshots
                .push(shared.place().save_snapshot(end, &bytes)?);
            unsynced.folder = true;
        }
        if let Some(active) = segments.last().filter(|_| core.touched) {
            active.seal(false)?;
            unsynced.sealed.push(active.clone());
        }
        if unsynced.is_empty() {
            // Nothing was ever written: an empty folder that gets lost is made again.
            unsynced.made = None;
        }
        crate::sync::sync_all(shared, &unsynced)?;
        shared.save_epochs()?;
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
