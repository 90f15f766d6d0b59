//! What can go wrong with a log, with the path and the partition it happened to.

use std::io;
use std::path::{Path, PathBuf};

use odeon_model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition, Uuid};

use crate::log::Lease;

/// A failure of a log or of a log directory.
///
/// [`LogError::takes_dir_offline`] says which ones concern the whole directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The operating system refused.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
    /// The log directory failed earlier; nothing in it is read or written any more.
    #[error("log directory {} is offline: {reason}", dir.display())]
    Offline {
        /// The directory.
        dir: PathBuf,
        /// Why it went offline.
        reason: String,
    },
    /// The log was closed or deleted.
    #[error("the log of {partition} is closed")]
    Closed {
        /// Whose log.
        partition: TopicPartition,
    },
    /// A newer lease was taken: the caller is not the writer any more.
    #[error("writer {held} of {partition} is fenced by {current}")]
    Fenced {
        /// Whose log.
        partition: TopicPartition,
        /// What the caller holds.
        held: Lease,
        /// What is in force.
        current: Lease,
    },
    /// A producer's sequence number does not continue its last one.
    #[error(
        "out of order sequence of producer {producer_id} at offset {offset} in {partition}: \
         {incoming} (incoming), {current} (last)"
    )]
    OutOfOrderSequence {
        /// Where.
        partition: TopicPartition,
        /// Whose batch.
        producer_id: ProducerId,
        /// The offset it would have had.
        offset: Offset,
        /// Its base sequence.
        incoming: i32,
        /// The last sequence that is in the log, -1 for none.
        current: i32,
    },
    /// A batch of a producer epoch older than the newest one seen.
    #[error(
        "epoch {incoming} of producer {producer_id} at offset {offset} in {partition} is older \
         than {current}"
    )]
    InvalidProducerEpoch {
        /// Where.
        partition: TopicPartition,
        /// Whose batch.
        producer_id: ProducerId,
        /// The offset it would have had.
        offset: Offset,
        /// Its epoch.
        incoming: ProducerEpoch,
        /// The newest epoch seen.
        current: ProducerEpoch,
    },
    /// A transaction marker of a coordinator that was replaced.
    #[error(
        "coordinator epoch {incoming} for producer {producer_id} in {partition} is older than \
         {current}"
    )]
    CoordinatorFenced {
        /// Where.
        partition: TopicPartition,
        /// Whose transaction.
        producer_id: ProducerId,
        /// The marker's epoch.
        incoming: i32,
        /// The newest epoch seen.
        current: i32,
    },
    /// A batch does not fit a segment.
    #[error("a batch of {size_bytes} bytes exceeds the segment size of {max_bytes} in {partition}")]
    RecordListTooLarge {
        /// Where.
        partition: TopicPartition,
        /// The batch.
        size_bytes: usize,
        /// `segment.bytes`.
        max_bytes: usize,
    },
    /// A copied batch does not continue this log.
    #[error("a batch at {base_offset} cannot be appended to {partition}, which ends at {log_end}")]
    UnexpectedOffset {
        /// Where.
        partition: TopicPartition,
        /// The batch's base offset.
        base_offset: Offset,
        /// The log's end.
        log_end: Offset,
    },
    /// An offset outside the log.
    #[error("offset {offset} is outside {log_start}..={log_end} of {partition}")]
    OffsetOutOfRange {
        /// Where.
        partition: TopicPartition,
        /// What was asked for.
        offset: Offset,
        /// The first offset there is.
        log_start: Offset,
        /// One past the last offset that may be asked for.
        log_end: Offset,
    },
    /// Bytes on disk that this log cannot have written.
    #[error("{} is corrupt: {detail}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Another process uses the directory.
    #[error("{} is in use by another process (its .lock is held)", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// `meta.properties` belongs to another node or cluster.
    #[error("{} says {key}={found}, but this node has {key}={wanted}", path.display())]
    WrongOwner {
        /// The file.
        path: PathBuf,
        /// `cluster.id`, `node.id`, `directory.id` or `version`.
        key: &'static str,
        /// What the file says.
        found: String,
        /// What was expected.
        wanted: String,
    },
    /// The folder holds another topic of the same name.
    #[error("{} holds topic id {found}, not {wanted}", path.display())]
    WrongTopicId {
        /// The partition's folder.
        path: PathBuf,
        /// What `partition.metadata` says.
        found: Uuid,
        /// What was asked for.
        wanted: Uuid,
    },
    /// There is no such log.
    #[error("there is no log of {partition}")]
    NoSuchLog {
        /// Which one.
        partition: TopicPartition,
    },
    /// A file that is no part of a log.
    #[error("{} is no file of a partition", path.display())]
    UnknownFile {
        /// Which one.
        path: PathBuf,
    },
    /// There is such a log already.
    #[error("there is a log of {partition} already")]
    Exists {
        /// Which one.
        partition: TopicPartition,
    },
    /// All log directories are offline.
    #[error("no log directory is online")]
    NoDirectory,
    /// Not one of `log.dirs`.
    #[error("log directory {} is not among the configured ones", dir.display())]
    NoSuchDirectory {
        /// What was named.
        dir: PathBuf,
    },
    /// A name that no folder can have.
    #[error("{partition} cannot be a folder's name")]
    BadName {
        /// Which one.
        partition: TopicPartition,
    },
    /// A leader epoch that is not newer than the log's last one.
    #[error("leader epoch {epoch} of {partition} is older than {latest}")]
    StaleEpoch {
        /// Where.
        partition: TopicPartition,
        /// What was given.
        epoch: LeaderEpoch,
        /// What the log has.
        latest: LeaderEpoch,
    },
}

impl LogError {
    /// Whether the failure concerns the disk rather than the request. A disk without room is whole:
    /// what was being written is taken back, and room may come.
    pub fn takes_dir_offline(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Offline { .. }) && !self.is_out_of_room()
    }

    /// Whether there was no room left on the disk.
    pub fn is_out_of_room(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }
}

/// The result of everything in this crate.
pub type Result<T, E = LogError> = std::result::Result<T, E>;

/// Takes a lack of room for nothing done, where it does no harm to try again later.
///
/// # Errors
/// Every other error.
pub fn later_if_full<T: Default>(result: Result<T>) -> Result<T> {
    match result {
        Err(error) if error.is_out_of_room() => {
            tracing::warn!(%error, "put off");
            Ok(T::default())
        }
        other => other,
    }
}

/// Adds path and purpose to an [`io::Error`].
pub(crate) trait At<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| LogError::Io {
            doing,
            path: path.to_owned(),
            source,
        })
    }
}
