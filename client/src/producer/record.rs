//! What a producer is given and what it answers.

use std::sync::Arc;

use bytes::Bytes;
use odeon_kernel::watch;
use odeon_model::{Offset, PartitionId, TopicPartition};
use odeon_records::RecordHeader;

use crate::ClientError;

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition; chosen by the key, or by the producer, when none is named.
    pub partition: Option<PartitionId>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; none deletes the key from a compacted topic.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Vec<RecordHeader>,
    /// Milliseconds since 1970; now, when none is given.
    pub timestamp_ms: Option<i64>,
}

impl Record {
    /// A record for a topic, without key and value.
    pub fn to(topic: impl Into<Arc<str>>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp_ms: None,
        }
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Bytes>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Names the partition.
    #[must_use]
    pub fn partition(mut self, partition: PartitionId) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.headers.push(RecordHeader::new(key, value));
        self
    }

    /// Sets the timestamp, in ms since 1970.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// An upper bound of the record's size in a batch of its own, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let length = |bytes: Option<&Bytes>| bytes.map_or(0, Bytes::len) + 5;
        let headers = self.headers.iter();
        let headers: usize = headers
            .map(|header| length(Some(&header.key)) + length(header.value.as_ref()))
            .sum();
        // Length, attributes, timestamp, offset, header count: at most 5 + 1 + 10 + 5 + 5.
        length(self.key.as_ref()) + length(self.value.as_ref()) + headers + 26
    }
}

/// Where a record was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: PartitionId,
    /// The offset; -1 when the broker does not tell, as with acks 0 or after a duplicate.
    pub offset: Offset,
    /// The append time, in ms since 1970, if the topic keeps that instead of the record's own.
    pub append_time_ms: Option<i64>,
}

/// What became of a batch.
#[derive(Debug, Clone)]
pub(super) struct BatchWritten {
    pub(super) base_offset: Offset,
    pub(super) append_time_ms: Option<i64>,
}

/// `None` until it is known.
pub(super) type Outcome = Option<Result<BatchWritten, ClientError>>;

/// What will become of a record. Dropping it does not take the record back.
#[derive(Debug)]
pub struct Delivery {
    pub(super) partition: TopicPartition,
    pub(super) index: i64,
    pub(super) outcome: watch::Receiver<Outcome>,
}

impl Delivery {
    /// The record's partition.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// What became of the record, if it is known already.
    pub fn now(&self) -> Option<Result<Written, ClientError>> {
        let outcome = self.outcome.borrow().clone();
        match outcome {
            Some(outcome) => Some(self.written(outcome)),
            None => self
                .outcome
                .has_changed()
                .is_err()
                .then_some(Err(ClientError::Closed)),
        }
    }

    /// Waits until the record is written, or given up.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// Why it was given up: refused by the broker, expired, or the producer was dropped.
    pub async fn wait(&mut self) -> Result<Written, ClientError> {
        let outcome = match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        self.written(outcome.unwrap_or(Err(ClientError::Closed)))
    }

    fn written(&self, outcome: Result<BatchWritten, ClientError>) -> Result<Written, ClientError> {
        let batch = outcome?;
        let known = batch.base_offset >= 0;
        Ok(Written {
            topic: Arc::clone(&self.partition.topic),
            partition: self.partition.partition,
            offset: if known {
                batch.base_offset + self.index
            } else {
                -1
            },
            append_time_ms: batch.append_time_ms,
        })
    }
}
