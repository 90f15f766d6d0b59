//! A batch on its way: filled, built, sent, perhaps sent again.

use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::Permit;
use odeon_kernel::watch;
use odeon_model::{Offset, ProducerEpoch, ProducerId, TopicPartition};
use odeon_records::{BatchBuilder, BatchHeader, Codec, HEADER_BYTES, RecordsError, batch_crc};

use super::record::{BatchWritten, Delivery, Outcome, Record};
use crate::ClientError;

/// Who writes, for a broker that tells doubles from new batches by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer_id: ProducerId,
    pub(super) epoch: ProducerEpoch,
}

/// The identity and sequence number that a batch was built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) identity: Identity,
    pub(super) sequence: i32,
}

/// A batch of one partition.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) partition: TopicPartition,
    /// Rises with every batch of the producer: the order of sending.
    pub(super) order: u64,
    /// When its first record came.
    pub(super) created: Duration,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// Not to be sent again before this.
    pub(super) not_before: Duration,
    pub(super) stamp: Option<Stamp>,
    /// What the last attempt ended with.
    pub(super) last_error: Option<String>,
    records: i32,
    builder: BatchBuilder,
    /// No more records: full, or sent once.
    sealed: bool,
    built: Option<Bytes>,
    outcome: watch::Sender<Outcome>,
    _permit: Permit,
}

impl Batch {
    pub(super) fn new(
        partition: TopicPartition,
        order: u64,
        created: Duration,
        permit: Permit,
    ) -> Self {
        Self {
            partition,
            order,
            created,
            attempts: 0,
            not_before: Duration::ZERO,
            stamp: None,
            last_error: None,
            records: 0,
            builder: BatchBuilder::new(),
            sealed: false,
            built: None,
            outcome: watch::Sender::new(None),
            _permit: permit,
        }
    }

    /// Whether a record of `bytes` may be added. The first record always may.
    pub(super) fn has_room(&self, bytes: usize, limit: usize) -> bool {
        !self.sealed
            && (self.records == 0 || self.builder.size_bytes().saturating_add(bytes) <= limit)
    }

    pub(super) fn push(&mut self, record: &Record, now_ms: i64) -> Result<Delivery, RecordsError> {
        self.builder.push(
            record.timestamp_ms.unwrap_or(now_ms),
            record.key.as_deref(),
            record.value.as_deref(),
            &record.headers,
        )?;
        let index = i64::from(self.records);
        self.records += 1;
        Ok(Delivery {
            partition: self.partition.clone(),
            index,
            outcome: self.outcome.subscribe(),
        })
    }

    /// The records in it.
    pub(super) fn len(&self) -> i32 {
        self.records
    }

    /// No record comes in any more.
    pub(super) fn seal(&mut self) {
        self.sealed = true;
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// The size on the wire; before the batch is built, that without compression.
    pub(super) fn size_bytes(&self) -> usize {
        self.built
            .as_ref()
            .map_or(self.builder.size_bytes(), Bytes::len)
    }

    /// The bytes to send, built at the first call. A new stamp is patched into built bytes.
    pub(super) fn bytes(
        &mut self,
        stamp: Option<Stamp>,
        codec: Codec,
    ) -> Result<Bytes, RecordsError> {
        self.sealed = true;
        if let Some(built) = &self.built {
            if stamp == self.stamp {
                return Ok(built.clone());
            }
            let patched = restamp(built, stamp)?;
            self.stamp = stamp;
            self.built = Some(patched.clone());
            return Ok(patched);
        }
        let mut builder = std::mem::take(&mut self.builder).codec(codec);
        if let Some(Stamp { identity, sequence }) = stamp {
            builder = builder.producer(identity.producer_id, identity.epoch, sequence);
        }
        let built = Bytes::from(builder.build()?);
        self.stamp = stamp;
        self.built = Some(built.clone());
        Ok(built)
    }

    /// The bytes of a batch that was built.
    pub(super) fn built(&self) -> Option<&Bytes> {
        self.built.as_ref()
    }

    /// A receiver for what becomes of the batch.
    pub(super) fn watch(&self) -> watch::Receiver<Outcome> {
        self.outcome.subscribe()
    }

    /// Tells the records' senders that all is written.
    pub(super) fn written(self, base_offset: Offset, append_time_ms: i64) {
        let written = BatchWritten {
            base_offset,
            append_time_ms: Some(append_time_ms).filter(|time| *time >= 0),
        };
        self.outcome.send_replace(Some(Ok(written)));
    }

    /// Tells the records' senders that the batch was given up.
    pub(super) fn failed(self, error: ClientError) {
        self.outcome.send_replace(Some(Err(error)));
    }
}

/// The same records under another identity.
fn restamp(batch: &Bytes, stamp: Option<Stamp>) -> Result<Bytes, RecordsError> {
    let mut header = BatchHeader::parse(batch)?;
    (
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
    ) = match stamp {
        Some(Stamp { identity, sequence }) => (identity.producer_id, identity.epoch, sequence),
        None => (-1, -1, -1),
    };
    let mut bytes = batch.to_vec();
    bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    let crc = batch_crc(&bytes);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Ok(bytes.into())
}
