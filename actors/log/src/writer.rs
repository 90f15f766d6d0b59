//! Appending, in two steps: batches are staged one by one and written together.
//!
//! Staging decides everything (offsets, duplicates, rolls) in memory; writing is one vectored write
//! for each segment touched. A writer whose lease was superseded is refused at every step.

use std::io::IoSlice;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use odeon_model::{LeaderEpoch, Offset};
use odeon_records::{BatchHeader, ControlRecord, Limits, PreparedBatch, records};

use crate::config::{LogConfig, SyncMode};
use crate::error::{At, LogError, Result};
use crate::files::lock;
use crate::log::{Core, Lease, Log, Projected, Shared, StagedBatch};
use crate::producer_snapshot;
use crate::producer_state::{Check, ProducerStates};
use crate::segment::{Segment, relative};

/// Blocks are reserved ahead only for segments of at least this size.
const AHEAD_FROM_BYTES: u64 = 1 << 20;
/// At most this is reserved ahead of one segment.
const AHEAD_BYTES: u64 = 64 << 20;

/// Who wrote a batch, and so what is checked and set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A producer: offsets and leader epoch are assigned, sequences checked.
    Client,
    /// A coordinator of this node: as a client, but its sequences are not checked.
    Coordinator,
    /// The partition's leader: the batch is kept as it is and must continue the log.
    Replica,
}

/// Where a batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The offset of its last record: the batch is readable once the high watermark passes it.
    pub last_offset: Offset,
    /// Its largest timestamp, milliseconds.
    pub max_timestamp: i64,
    /// The batch was in the log (or staged) already; these are the original's offsets.
    pub duplicate: bool,
}

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

/// The one writer of a log, as long as its lease is the newest.
#[derive(Debug)]
pub struct LogWriter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lease: Lease,
}

impl LogWriter {
    pub(crate) fn new(shared: Arc<Shared>, lease: Lease) -> Self {
        Self { shared, lease }
    }

    /// The lease it holds.
    pub fn lease(&self) -> Lease {
        self.lease
    }

    /// The log it writes.
    pub fn log(&self) -> Log {
        Log {
            shared: self.shared.clone(),
        }
    }

    /// Locks the core if this writer may still write.
    pub(crate) fn core(&self) -> Result<MutexGuard<'_, Core>> {
        self.shared.check_usable()?;
        let core = lock(&self.shared.core);
        match core.lease {
            Some(current) if current == self.lease => Ok(core),
            current => Err(LogError::Fenced {
                partition: self.shared.partition.clone(),
                held: self.lease,
                current: current.unwrap_or(self.lease),
            }),
        }
    }

    /// Notes that the lease's leader epoch begins at the log end. Call it when leadership starts;
    /// it reaches the disk with the next sync.
    ///
    /// # Errors
    /// `Fenced`, `StaleEpoch`, `Closed`, `Offline`.
    pub fn begin_epoch(&mut self) -> Result<()> {
        let core = self.core()?;
        let epoch = self.lease.leader_epoch;
        let latest = crate::files::read(&self.shared.epochs).latest();
        if let Some(latest) = latest.filter(|latest| latest.epoch > epoch) {
            let partition = self.shared.partition.clone();
            return Err(LogError::StaleEpoch {
                partition,
                epoch,
                latest: latest.epoch,
            });
        }
        self.shared.assign_epoch(epoch, core.next_offset);
        Ok(())
    }

    /// Checks a batch, gives it its place and keeps it for [`LogWriter::write`].
    ///
    /// # Errors
    /// `Fenced`; `RecordListTooLarge`; `OutOfOrderSequence`, `InvalidProducerEpoch`,
    /// `CoordinatorFenced`; `UnexpectedOffset` for a replica's batch; `Closed`; `Offline`. The log is
    /// as it was then.
    pub fn stage(&mut self, mut batch: PreparedBatch, origin: Origin) -> Result<Staged> {
        let config = self.shared.config();
        let mut core = self.core()?;
        let core = &mut *core;
        self.check_size(&batch, &config)?;
        let offset = core.next_offset;
        if origin == Origin::Replica {
            self.check_continues(batch.header(), offset)?;
        } else {
            batch.set_base_offset(offset);
            batch.set_leader_epoch(self.lease.leader_epoch);
        }
        let header = *batch.header();
        let control = control_record(&batch);
        if let Some(original) = self.check_producer(&core.producers, &header, &control, origin)? {
            return Ok(original);
        }
        let opens = self.plan(core, &header, &config)?;
        let undo = header.has_producer_id().then(|| {
            (
                header.producer_id,
                core.producers.get(header.producer_id).cloned(),
            )
        });
        apply_to_producers(&mut core.producers, &header, control.as_ref());
        core.next_offset = header.next_offset();
        core.staged.push(StagedBatch { batch, undo, opens });
        Ok(Staged {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
            duplicate: false,
        })
    }

    fn check_size(&self, batch: &PreparedBatch, config: &LogConfig) -> Result<()> {
        let (size_bytes, max_bytes) = (batch.size_bytes(), config.segment_bytes as usize);
        if size_bytes > max_bytes {
            let partition = self.shared.partition.clone();
            return Err(LogError::RecordListTooLarge {
                partition,
                size_bytes,
                max_bytes,
            });
        }
        Ok(())
    }

    fn check_continues(&self, header: &BatchHeader, log_end: Offset) -> Result<()> {
        if header.base_offset < log_end || header.last_offset_delta < 0 {
            return Err(LogError::UnexpectedOffset {
                partition: self.shared.partition.clone(),
                base_offset: header.base_offset,
                log_end,
            });
        }
        Ok(())
    }

    fn check_producer(
        &self,
        producers: &ProducerStates,
        header: &BatchHeader,
        control: &Option<ControlRecord>,
        origin: Origin,
    ) -> Result<Option<Staged>> {
        if !header.has_producer_id() || origin == Origin::Replica {
            return Ok(None);
        }
        let check = match control {
            Some(control) => producers.check_marker(header, control),
            None => producers.check(header),
        };
        let (partition, producer_id) = (self.shared.partition.clone(), header.producer_id);
        let offset = header.base_offset;
        match check {
            Check::Fresh => Ok(None),
            Check::Duplicate(original) => Ok(Some(Staged {
                base_offset: original.base_offset(),
                last_offset: original.last_offset,
                max_timestamp: original.timestamp,
                duplicate: true,
            })),
            Check::Gap(_) if origin == Origin::Coordinator => Ok(None),
            Check::Gap(current) => Err(LogError::OutOfOrderSequence {
                partition,
                producer_id,
                offset,
                incoming: header.base_sequence,
                current,
            }),
            Check::OldEpoch(current) => Err(LogError::InvalidProducerEpoch {
                partition,
                producer_id,
                offset,
                incoming: header.producer_epoch,
                current,
            }),
            Check::OldCoordinator(current) => {
                let incoming = match control {
                    Some(
                        ControlRecord::Abort { coordinator_epoch }
                        | ControlRecord::Commit { coordinator_epoch },
                    ) => *coordinator_epoch,
                    _ => -1,
                };
                Err(LogError::CoordinatorFenced {
                    partition,
                    producer_id,
                    incoming,
                    current,
                })
            }
        }
    }

    /// Decides whether the batch opens a segment, and takes it into the projection.
    fn plan(
        &self,
        core: &mut Core,
        header: &BatchHeader,
        config: &LogConfig,
    ) -> Result<Option<Option<Vec<u8>>>> {
        let size = header.size_bytes() as u64;
        let opens = if !core.projected.exists {
            Some(None)
        } else if self.must_roll(&mut core.projected, header, config)? {
            Some(Some(producer_snapshot::encode(&core.producers)))
        } else {
            None
        };
        if opens.is_some() {
            core.projected = Projected {
                exists: true,
                base_offset: header.base_offset,
                ..Projected::default()
            };
        }
        let projected = &mut core.projected;
        projected.size += size;
        projected.batches += 1;
        projected
            .first_timestamp
            .get_or_insert(header.max_timestamp);
        Ok(opens)
    }

    fn must_roll(
        &self,
        projected: &mut Projected,
        header: &BatchHeader,
        config: &LogConfig,
    ) -> Result<bool> {
        if relative(header.last_offset(), projected.base_offset).is_none() {
            return Ok(true);
        }
        if projected.size == 0 {
            return Ok(false);
        }
        if projected.size + header.size_bytes() as u64 > u64::from(config.segment_bytes) {
            return Ok(true);
        }
        // A segment that is itself only staged has no entries yet, and at most one a batch.
        let (mut offsets, mut times) = (projected.batches, projected.batches);
        let active = self.shared.segments().last().cloned();
        if let Some(active) = active.filter(|s| s.base_offset == projected.base_offset) {
            offsets += active.index.len()?;
            times += active.time_index.len()?;
            if projected.first_timestamp.is_none() {
                projected.first_timestamp = active.first_timestamp()?;
            }
        }
        if offsets >= config.max_index_entries() || times >= config.max_time_entries() {
            return Ok(true);
        }
        let age = config.roll_age_ms(self.shared.jitter_seed, projected.base_offset);
        let first = projected.first_timestamp.filter(|first| *first >= 0);
        Ok(first.is_some_and(|first| header.max_timestamp.saturating_sub(first) > age))
    }

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
        if let Some(snapshot) = &first.opens {
            self.open_segment(core, first.batch.header().base_offset, snapshot.as_deref())?;
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
                    .dir
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
                shared.dir.fail(&format!("cannot keep an index: {error}"));
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
                .push(shared.save_snapshot(base_offset, bytes)?);
            core.last_snapshot = Some(base_offset);
        }
        shared.release_reserve(core);
        let segment = Segment::create(&shared.place, base_offset)?;
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
        if want < bytes || !self.shared.dir.ahead.take(want) {
            return;
        }
        // A file system without it costs only speed.
        if file.allocate(start, want).is_ok() {
            core.reserved = want;
            core.reserved_to = start + want;
        } else {
            self.shared.dir.ahead.give_back(want);
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

    /// Forgets producers that were silent for `producer.id.expiration.ms`. How many.
    ///
    /// # Errors
    /// `Fenced`, `Closed`, `Offline`.
    pub fn expire_producers(&mut self, now_ms: i64) -> Result<usize> {
        let expiration_ms = self.shared.config().producer_id_expiration_ms;
        let mut core = self.core()?;
        // What is staged could still be taken back to the state it found.
        if core.staged.is_empty() {
            Ok(core.producers.expire(now_ms, expiration_ms))
        } else {
            Ok(0)
        }
    }

    /// The producers' state, copied; for DescribeProducers.
    ///
    /// # Errors
    /// `Fenced`, `Closed`, `Offline`.
    pub fn producers(&self) -> Result<ProducerStates> {
        Ok(self.core()?.producers.clone())
    }

    /// The first offset of the oldest open transaction, staged ones included.
    ///
    /// # Errors
    /// `Fenced`, `Closed`, `Offline`.
    pub fn first_open_offset(&self) -> Result<Option<Offset>> {
        Ok(self.core()?.producers.first_open_offset())
    }

    /// The newest epoch known to the log.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        crate::files::read(&self.shared.epochs)
            .latest()
            .map(|entry| entry.epoch)
    }
}

fn control_record(batch: &PreparedBatch) -> Option<ControlRecord> {
    if !batch.header().is_control() {
        return None;
    }
    read_control(&batch.to_bytes())
}

/// The control record of a control batch.
pub(crate) fn read_control(batch: &Bytes) -> Option<ControlRecord> {
    let record = records(batch, Limits::default()).next()?.ok()?;
    ControlRecord::parse(record.key.as_deref(), record.value.as_deref()).ok()
}

/// Takes a batch into the producers' state, unchecked.
pub(crate) fn apply_to_producers(
    producers: &mut ProducerStates,
    header: &BatchHeader,
    control: Option<&ControlRecord>,
) {
    if !header.has_producer_id() {
        return;
    }
    match control {
        Some(control) => producers.apply_marker(header, control),
        None if header.is_control() => {}
        None => producers.apply(header),
    }
}
