//! Control records: the markers that end a transaction in a partition.

use bytes::Bytes;

use crate::{BatchBuilder, PreparedBatch, RecordsError};

/// What a control record says. Its key is a version (0) and a type, both `i16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlRecord {
    /// The producer's transaction is aborted.
    Abort {
        /// The epoch of the transaction coordinator that wrote the marker.
        coordinator_epoch: i32,
    },
    /// The producer's transaction is committed.
    Commit {
        /// The epoch of the transaction coordinator that wrote the marker.
        coordinator_epoch: i32,
    },
    /// A type of Kafka's metadata log, or of its future: 2 leader change, 3 and 4 snapshot header
    /// and footer, 5 and 6 Raft version and voters.
    Other(i16),
}

impl ControlRecord {
    /// Reads a control record's key and value.
    ///
    /// # Errors
    /// [`RecordsError::Corrupt`] for a key or an end marker's value that is too short. Longer ones
    /// are of newer versions, and are read as far as known.
    pub fn parse(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, RecordsError> {
        let short = RecordsError::Corrupt("a control record's key or value is too short");
        let Some(&[_, _, high, low, ..]) = key else {
            return Err(short);
        };
        let kind = i16::from_be_bytes([high, low]);
        if !(0..=1).contains(&kind) {
            return Ok(Self::Other(kind));
        }
        let Some(&[_, _, a, b, c, d, ..]) = value else {
            return Err(short);
        };
        let coordinator_epoch = i32::from_be_bytes([a, b, c, d]);
        Ok(if kind == 0 {
            Self::Abort { coordinator_epoch }
        } else {
            Self::Commit { coordinator_epoch }
        })
    }

    fn key_and_value(self) -> ([u8; 4], [u8; 6]) {
        let (kind, epoch) = match self {
            Self::Abort { coordinator_epoch } => (0, coordinator_epoch),
            Self::Commit { coordinator_epoch } => (1, coordinator_epoch),
            Self::Other(kind) => (kind, 0),
        };
        let [high, low] = kind.to_be_bytes();
        let [a, b, c, d] = epoch.to_be_bytes();
        ([0, 0, high, low], [0, 0, a, b, c, d])
    }
}

/// The batch that ends a producer's transaction in one partition: one control record, without a
/// sequence number. The leader sets offset and epoch.
///
/// # Errors
/// None for end markers: they always fit.
pub fn control_batch(
    marker: ControlRecord,
    producer_id: i64,
    producer_epoch: i16,
    timestamp_ms: i64,
) -> Result<PreparedBatch, RecordsError> {
    let (key, value) = marker.key_and_value();
    let mut builder = BatchBuilder::new()
        .producer(producer_id, producer_epoch, -1)
        .transactional(true)
        .control(true);
    builder.push(timestamp_ms, Some(&key), Some(&value), &[])?;
    PreparedBatch::from_trusted(Bytes::from(builder.build()?))
}
