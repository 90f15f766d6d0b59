//! How a consumer behaves, and what it returns.

use std::time::Duration;

use bytes::Bytes;
use odeon_model::{ErrorCode, Offset, TopicPartition};
use odeon_records::{Limits, RecordHeader};

use crate::{ClientError, OffsetSpec};

/// Which records of transactions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// All of them, at once.
    #[default]
    ReadUncommitted,
    /// Those of committed transactions, once they are committed.
    ReadCommitted,
}

impl Isolation {
    pub(crate) const fn code(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

/// Where to go on when a position is not in the log, or a group has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// At the first record there is.
    Earliest,
    /// Behind the last one.
    #[default]
    Latest,
    /// Nowhere: polling fails.
    Error,
}

/// Where an assigned partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At this offset.
    At(Offset),
    /// At an offset that is to be found; behind the last record when there is none.
    Find(OffsetSpec),
}

/// How a consumer behaves.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// How long a broker waits for `min_bytes` (500 ms).
    pub max_wait: Duration,
    /// Bytes that a broker gathers before it answers (1).
    pub min_bytes: usize,
    /// Most bytes of an answer (50 MiB).
    pub max_bytes: usize,
    /// Most bytes of a partition in an answer (1 MiB).
    pub max_partition_bytes: usize,
    /// Which records of transactions are read (all).
    pub isolation: Isolation,
    /// Where to go on when a position is not in the log (at the end).
    pub reset: OffsetReset,
    /// Whether batches' checksums are checked (yes).
    pub check_crcs: bool,
    /// How much may be in one batch.
    pub limits: Limits,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(500),
            min_bytes: 1,
            max_bytes: 50 * 1024 * 1024,
            max_partition_bytes: 1024 * 1024,
            isolation: Isolation::default(),
            reset: OffsetReset::default(),
            check_crcs: true,
            limits: Limits::default(),
        }
    }
}

/// A record that was read. Keys and values are slices of what the broker sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// Its partition.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: Offset,
    /// Milliseconds since 1970; -1 for none.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<RecordHeader>,
}

impl OffsetReset {
    pub(super) fn start(self, partition: &TopicPartition) -> Result<Start, ClientError> {
        match self {
            Self::Earliest => Ok(Start::Find(OffsetSpec::Earliest)),
            Self::Latest => Ok(Start::Find(OffsetSpec::Latest)),
            Self::Error => {
                let code = ErrorCode::OffsetOutOfRange.code();
                Err(ClientError::refused(
                    format!("read {partition}"),
                    code,
                    None,
                ))
            }
        }
    }
}
