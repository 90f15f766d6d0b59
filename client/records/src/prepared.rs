//! A batch ready to be appended: the header apart, so that the leader can patch it, and the body
//! as it came, so that nobody copies it.

use bytes::{Bytes, BytesMut};

use crate::header::{
    ATTRIBUTES_AT, CRC_AT, CRC_COVERS_FROM, HEADER_BYTES, LOG_APPEND_TIME_BIT, MAX_TIMESTAMP_AT,
    TimestampType,
};
use crate::{BatchHeader, RecordsError};

/// A batch whose header can still change. The header's fields and its 61 bytes always agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedBatch {
    header: BatchHeader,
    head: [u8; HEADER_BYTES],
    body: Bytes,
    max_timestamp_delta: i32,
}

impl PreparedBatch {
    /// Takes one whole batch apart, trusting it: for bytes of this node's own making or fetched
    /// from the leader and checked. The CRC is not checked.
    ///
    /// # Errors
    /// As [`BatchHeader::parse`]; [`RecordsError::Corrupt`] if `batch` is not exactly as long as
    /// its header says.
    pub fn from_trusted(batch: Bytes) -> Result<Self, RecordsError> {
        let header = BatchHeader::parse(&batch)?;
        if header.size_bytes() != batch.len() {
            return Err(RecordsError::Corrupt(
                "a batch's length is not that of its bytes",
            ));
        }
        let body = batch.slice(HEADER_BYTES..);
        Ok(Self::from_parts(header, body, header.last_offset_delta))
    }

    /// Puts a header that has its CRC and the body it belongs to together.
    pub(crate) fn from_parts(header: BatchHeader, body: Bytes, max_timestamp_delta: i32) -> Self {
        Self {
            head: header.to_bytes(),
            header,
            body,
            max_timestamp_delta,
        }
    }

    /// The header as it stands now.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The header's bytes as they stand now: what is written before [`PreparedBatch::body`].
    pub fn head(&self) -> &[u8; HEADER_BYTES] {
        &self.head
    }

    /// The records' bytes, compressed or not.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The batch's size in bytes, header included.
    pub fn size_bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    /// The offset of the first record that has the batch's max timestamp, where the batch was
    /// looked into; the last offset otherwise. The first offset for log-append time.
    pub fn max_timestamp_offset(&self) -> i64 {
        self.header
            .base_offset
            .saturating_add(i64::from(self.max_timestamp_delta))
    }

    /// Sets the offset of record 0. The CRC does not cover it.
    pub fn set_base_offset(&mut self, base_offset: i64) {
        self.header.base_offset = base_offset;
        self.head[..8].copy_from_slice(&base_offset.to_be_bytes());
    }

    /// Sets the epoch of the leader that appends. The CRC does not cover it.
    pub fn set_leader_epoch(&mut self, leader_epoch: i32) {
        self.header.partition_leader_epoch = leader_epoch;
        self.head[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
    }

    /// Gives all records the append time `now_ms`; reads the body once, for the CRC.
    pub fn set_log_append_time(&mut self, now_ms: i64) {
        self.max_timestamp_delta = 0;
        self.set_max_timestamp(TimestampType::LogAppendTime, now_ms);
    }

    /// Sets who gave the timestamps and the largest one, and the CRC unless nothing changed.
    pub(crate) fn set_max_timestamp(&mut self, kind: TimestampType, max_timestamp: i64) {
        if self.header.timestamp_type() == kind && self.header.max_timestamp == max_timestamp {
            return;
        }
        self.header.attributes = match kind {
            TimestampType::CreateTime => self.header.attributes & !LOG_APPEND_TIME_BIT,
            TimestampType::LogAppendTime => self.header.attributes | LOG_APPEND_TIME_BIT,
        };
        self.header.max_timestamp = max_timestamp;
        self.head[ATTRIBUTES_AT..ATTRIBUTES_AT + 2]
            .copy_from_slice(&self.header.attributes.to_be_bytes());
        self.head[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8]
            .copy_from_slice(&max_timestamp.to_be_bytes());
        self.set_crc();
    }

    fn set_crc(&mut self) {
        self.header.crc = crc_of_parts(&self.head, &self.body);
        self.head[CRC_AT..CRC_COVERS_FROM].copy_from_slice(&self.header.crc.to_be_bytes());
    }

    /// The batch in one piece: a copy.
    pub fn to_bytes(&self) -> Bytes {
        let mut batch = BytesMut::with_capacity(self.size_bytes());
        batch.extend_from_slice(&self.head);
        batch.extend_from_slice(&self.body);
        batch.freeze()
    }
}

/// The CRC-32C of a batch whose header and body lie apart.
pub(crate) fn crc_of_parts(head: &[u8; HEADER_BYTES], body: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(&head[CRC_COVERS_FROM..]);
    digest.update(body);
    digest.finalize() as u32
}
