//! The log of one partition of `__consumer_offsets`, as its coordinator needs it.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use odeon_model::Offset;
use odeon_records::{
    BatchBuilder, BatchHeader, ControlRecord, Limits, RecordsError, check_crc, records,
    split_batches,
};

use super::config::GroupConfig;
use super::record::CoordinatorRecord;
use super::state::Groups;

/// A future that whoever asked may move around.
pub type LogFuture<T> = Pin<Box<dyn Future<Output = Result<T, CoordinatorLogError>> + Send>>;

/// The log of one partition of `__consumer_offsets`, for the length of one leader epoch.
pub trait CoordinatorLog: Debug + Send + Sync + 'static {
    /// Appends batches behind everything appended before; that place is taken when this returns,
    /// not only when its future is polled. The future gives the offset of the last record once all
    /// are committed. Dropping it takes nothing back. The batches are uncompressed and at offset 0;
    /// each is at most as large as [`GroupConfig::max_batch_bytes`].
    ///
    /// # Errors
    /// See [`CoordinatorLogError`]. Some of the batches may have been written.
    fn append(&self, batches: Vec<Bytes>) -> LogFuture<Offset>;

    /// Reads batches, from the start of the log or from an offset that an earlier chunk named. The
    /// last chunk is given only when the log up to there is committed, and there the log ends: it
    /// is read before the first append.
    ///
    /// # Errors
    /// See [`CoordinatorLogError`].
    fn read(&self, from: Option<Offset>) -> LogFuture<LogChunk>;
}

/// Some batches of a log.
#[derive(Debug, Clone, Default)]
pub struct LogChunk {
    /// Whole batches, one after the other; the first may begin before the offset asked for.
    pub batches: Bytes,
    /// Where to read on; none at the end of the log.
    pub next: Option<Offset>,
}

/// Why the log did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorLogError {
    /// This node does not lead the partition any more.
    #[error("this node does not lead the partition any more")]
    NotLeader,
    /// Something else; whether anything was written is not known.
    #[error("{0}")]
    Failed(String),
}

impl From<RecordsError> for CoordinatorLogError {
    fn from(error: RecordsError) -> Self {
        Self::Failed(format!("the log has a batch that cannot be read: {error}"))
    }
}

/// Puts records into as few batches as their size allows. `timestamp_ms` is since 1970.
pub(crate) fn encode_batches(
    records: &[CoordinatorRecord],
    timestamp_ms: i64,
    max_batch_bytes: usize,
) -> Result<Vec<Bytes>, RecordsError> {
    let mut batches = Vec::new();
    let mut builder = BatchBuilder::new();
    for record in records {
        if !builder.is_empty() && builder.size_bytes() + record.size_bytes() > max_batch_bytes {
            batches.push(Bytes::from(std::mem::take(&mut builder).build()?));
        }
        builder.push(
            timestamp_ms,
            Some(&record.key),
            record.value.as_deref(),
            &[],
        )?;
    }
    if !builder.is_empty() {
        batches.push(Bytes::from(builder.build()?));
    }
    Ok(batches)
}

/// Rebuilds all groups from the log.
pub(crate) async fn load(
    log: &dyn CoordinatorLog,
    config: GroupConfig,
) -> Result<Groups, CoordinatorLogError> {
    let mut replay = Replay {
        groups: Groups::new(config),
        ..Replay::default()
    };
    let mut from = None;
    loop {
        let chunk = log.read(from).await?;
        for batch in split_batches(chunk.batches) {
            let (header, batch) = batch?;
            if from.is_none_or(|from| header.last_offset() >= from) {
                replay.batch(&header, &batch)?;
            }
        }
        if chunk.next.is_some() && chunk.next <= from {
            return Err(CoordinatorLogError::Failed(
                "the log does not move on".to_owned(),
            ));
        }
        from = chunk.next;
        if from.is_none() {
            break;
        }
    }
    let Replay {
        groups,
        records,
        skipped,
        ..
    } = replay;
    tracing::info!(
        groups = groups.len(),
        records,
        skipped,
        "read the groups from the log"
    );
    Ok(groups)
}

/// The groups as far as the log was read.
#[derive(Debug, Default)]
struct Replay {
    groups: Groups,
    /// What transactions wrote that are not decided yet, by producer id.
    undecided: HashMap<i64, Vec<(Bytes, Option<Bytes>)>>,
    records: u64,
    skipped: u64,
}

impl Replay {
    fn batch(&mut self, header: &BatchHeader, batch: &Bytes) -> Result<(), CoordinatorLogError> {
        check_crc(batch)?;
        for record in records(batch, Limits::default()) {
            let record = record?;
            if header.is_control() {
                let control = ControlRecord::parse(record.key.as_deref(), record.value.as_deref())?;
                self.marker(header.producer_id, control);
            } else if header.is_transactional() {
                let written = self.undecided.entry(header.producer_id).or_default();
                written.extend(record.key.map(|key| (key, record.value)));
            } else if let Some(key) = record.key {
                self.apply(&key, record.value.as_ref());
            }
        }
        Ok(())
    }

    fn marker(&mut self, producer_id: i64, control: ControlRecord) {
        match control {
            ControlRecord::Commit { .. } => {
                for (key, value) in self.undecided.remove(&producer_id).unwrap_or_default() {
                    self.apply(&key, value.as_ref());
                }
            }
            ControlRecord::Abort { .. } => {
                self.undecided.remove(&producer_id);
            }
            ControlRecord::Other(_) => {}
        }
    }

    /// A record that is not what its key says is left out, as one of an unknown kind is: the
    /// groups of this partition are worth more than their consistency with something foreign.
    fn apply(&mut self, key: &Bytes, value: Option<&Bytes>) {
        self.records += 1;
        match self.groups.apply(key, value) {
            Ok(true) => {}
            Ok(false) => self.skipped += 1,
            Err(error) => {
                self.skipped += 1;
                tracing::warn!(%error, "a record of the group log cannot be read");
            }
        }
    }
}
