//! Appending, in two steps: batches are staged one by one and written together.
//!
//! Staging decides everything (offsets, duplicates, rolls) in memory; writing is one vectored write
//! for each segment touched. A writer whose lease was superseded is refused at every step.

use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use odeon_model::{LeaderEpoch, Offset};
use odeon_records::{BatchHeader, ControlRecord, Limits, PreparedBatch, records};

use crate::config::LogConfig;
use crate::error::{LogError, Result};
use crate::files::lock;
use crate::log::{Lease, Log};
use crate::producer_snapshot;
use crate::producer_state::{Check, ProducerStates};
use crate::segment::relative;
use crate::shared::{Core, Opening, Projected, Shared, StagedBatch};

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

/// The one writer of a log, as long as its lease is the newest. Clones have the same lease.
#[derive(Debug, Clone)]
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
        if origin != Origin::Replica {
            self.check_size(&batch, &config)?;
        }
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
    ) -> Result<Option<Opening>> {
        let size = header.size_bytes() as u64;
        let snapshot = if !core.projected.exists {
            Some(None)
        } else if self.must_roll(&mut core.projected, header, config)? {
            Some(Some(producer_snapshot::encode(&core.producers)))
        } else {
            None
        };
        let near = relative(header.last_offset(), core.next_offset).is_some();
        let base_offset = if near {
            core.next_offset
        } else {
            header.base_offset
        };
        let opens = snapshot.map(|snapshot| Opening {
            base_offset,
            snapshot,
        });
        if opens.is_some() {
            core.projected = Projected {
                exists: true,
                base_offset,
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
