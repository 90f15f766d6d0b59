//! Makes batches out of records.

use crate::header::{
    COMPRESSION_MASK, CONTROL_BIT, DELETE_HORIZON_BIT, HEADER_BYTES, LENGTH_OVERHEAD,
    LOG_APPEND_TIME_BIT, NO_TIMESTAMP, TRANSACTIONAL_BIT,
};
use crate::record::RecordHeader;
use crate::varint::{put_varint, put_varlong, varlong_bytes};
use crate::{BatchHeader, Codec, RecordsError, batch_crc};

/// Collects records and builds one batch of them. Uncompressed records are written once, straight
/// into the batch.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    /// Room for the header, then the records.
    bytes: Vec<u8>,
    codec: Codec,
    attributes: i16,
    base_offset: i64,
    leader_epoch: i32,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    base_timestamp: Option<i64>,
    append_time: Option<i64>,
    max_timestamp: i64,
    count: i32,
    last_offset_delta: Option<i32>,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// A batch without compression, producer or flags, at offset 0, of create time.
    pub fn new() -> Self {
        Self {
            bytes: vec![0; HEADER_BYTES],
            codec: Codec::default(),
            attributes: 0,
            base_offset: 0,
            leader_epoch: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            base_timestamp: None,
            append_time: None,
            max_timestamp: NO_TIMESTAMP,
            count: 0,
            last_offset_delta: None,
        }
    }

    /// Compresses the records with a codec or, for its default level, a [`crate::Compression`].
    pub fn codec(mut self, codec: impl Into<Codec>) -> Self {
        self.codec = codec.into();
        self
    }

    /// Sets the offset of record 0; to be called before the first record.
    pub fn base_offset(mut self, base_offset: i64) -> Self {
        self.base_offset = base_offset;
        self
    }

    /// Sets the partition leader's epoch.
    pub fn leader_epoch(mut self, leader_epoch: i32) -> Self {
        self.leader_epoch = leader_epoch;
        self
    }

    /// Sets the idempotent producer and the sequence number of record 0.
    pub fn producer(mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Self {
        self.producer_id = producer_id;
        self.producer_epoch = producer_epoch;
        self.base_sequence = base_sequence;
        self
    }

    /// Makes the batch part of a transaction.
    pub fn transactional(mut self, transactional: bool) -> Self {
        self.set_flag(TRANSACTIONAL_BIT, transactional);
        self
    }

    /// Makes the records control records.
    pub fn control(mut self, control: bool) -> Self {
        self.set_flag(CONTROL_BIT, control);
        self
    }

    /// Gives all records this append time, in ms since 1970.
    pub fn log_append_time(mut self, append_time_ms: i64) -> Self {
        self.set_flag(LOG_APPEND_TIME_BIT, true);
        self.append_time = Some(append_time_ms);
        self
    }

    /// Sets the time from which compaction may drop tombstones and markers, in ms since 1970; to
    /// be called before the first record, for it takes the base timestamp's place.
    pub fn delete_horizon(mut self, delete_horizon_ms: i64) -> Self {
        self.set_flag(DELETE_HORIZON_BIT, true);
        self.base_timestamp = Some(delete_horizon_ms);
        self
    }

    /// Keeps the offsets up to `last_offset_delta` for the batch, whatever records are left of
    /// it: for compaction. A batch of no records can then be built.
    pub fn last_offset_delta(mut self, last_offset_delta: i32) -> Self {
        self.last_offset_delta = Some(last_offset_delta);
        self
    }

    fn set_flag(&mut self, bit: i16, on: bool) {
        self.attributes = if on {
            self.attributes | bit
        } else {
            self.attributes & !bit
        };
    }

    /// The number of records so far.
    pub fn len(&self) -> usize {
        self.count.unsigned_abs() as usize
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The batch's size in bytes so far, before compression.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a record at the next offset. `timestamp_ms` is since 1970, or -1 for none.
    ///
    /// # Errors
    /// [`RecordsError::TooLarge`] if the batch would pass 2 GiB; the builder stays as it was.
    pub fn push(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader],
    ) -> Result<(), RecordsError> {
        self.push_at(self.count, timestamp_ms, key, value, headers)
    }

    /// Appends a record at an offset of its own, for compaction. Deltas must rise.
    ///
    /// # Errors
    /// As [`BatchBuilder::push`].
    pub fn push_at(
        &mut self,
        offset_delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader],
    ) -> Result<(), RecordsError> {
        let base_timestamp = self.base_timestamp.unwrap_or(timestamp_ms);
        let timestamp_delta = timestamp_ms.wrapping_sub(base_timestamp);
        let length = 1
            + varlong_bytes(timestamp_delta)
            + varlong_bytes(i64::from(offset_delta))
            + field_bytes(key)
            + field_bytes(value)
            + varlong_bytes(headers.len() as i64)
            + headers
                .iter()
                .map(|h| field_bytes(Some(&h.key)) + field_bytes(h.value.as_deref()))
                .sum::<usize>();
        let size = length + varlong_bytes(length as i64);
        let limit = i32::MAX as usize;
        if self.bytes.len().saturating_add(size) > limit {
            return Err(RecordsError::TooLarge {
                what: "a batch's bytes",
                limit,
            });
        }
        self.base_timestamp = Some(base_timestamp);
        self.max_timestamp = self.max_timestamp.max(timestamp_ms);
        self.count += 1;
        self.last_offset_delta = Some(
            self.last_offset_delta
                .map_or(offset_delta, |last| last.max(offset_delta)),
        );

        self.bytes.reserve(size);
        put_varint(&mut self.bytes, length as i32);
        self.bytes.push(0);
        put_varlong(&mut self.bytes, timestamp_delta);
        put_varint(&mut self.bytes, offset_delta);
        self.put_field(key);
        self.put_field(value);
        put_varint(&mut self.bytes, headers.len() as i32);
        for header in headers {
            self.put_field(Some(&header.key));
            self.put_field(header.value.as_deref());
        }
        Ok(())
    }

    fn put_field(&mut self, field: Option<&[u8]>) {
        match field {
            None => put_varint(&mut self.bytes, -1),
            Some(field) => {
                put_varint(&mut self.bytes, field.len() as i32);
                self.bytes.extend_from_slice(field);
            }
        }
    }

    /// Builds the batch, with its CRC.
    ///
    /// # Errors
    /// [`RecordsError::Corrupt`] without any record (unless a last offset was set), and the
    /// codec's errors.
    pub fn build(self) -> Result<Vec<u8>, RecordsError> {
        let Some(last_offset_delta) = self.last_offset_delta else {
            return Err(RecordsError::Corrupt("a batch needs a record"));
        };
        let codec_bits = i16::from(self.codec.compression.id()) & COMPRESSION_MASK;
        let header = BatchHeader {
            base_offset: self.base_offset,
            batch_length: 0,
            partition_leader_epoch: self.leader_epoch,
            crc: 0,
            attributes: self.attributes | codec_bits,
            last_offset_delta,
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: self.append_time.unwrap_or(self.max_timestamp),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            record_count: self.count,
        };
        let batch = if codec_bits == 0 || self.count == 0 {
            self.bytes
        } else {
            let mut batch = Vec::with_capacity(HEADER_BYTES + self.bytes.len() / 2);
            batch.resize(HEADER_BYTES, 0);
            self.codec
                .compress_into(&self.bytes[HEADER_BYTES..], &mut batch)?;
            batch
        };
        seal(header, batch)
    }
}

/// Writes `header`, with the length and the CRC that belong to it, over the head of `batch`.
pub(crate) fn seal(mut header: BatchHeader, mut batch: Vec<u8>) -> Result<Vec<u8>, RecordsError> {
    let limit = i32::MAX as usize;
    header.batch_length =
        i32::try_from(batch.len() - LENGTH_OVERHEAD).map_err(|_| RecordsError::TooLarge {
            what: "a batch's bytes",
            limit,
        })?;
    batch[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    let crc = batch_crc(&batch);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    Ok(batch)
}

fn field_bytes(field: Option<&[u8]>) -> usize {
    match field {
        None => 1,
        Some(field) => varlong_bytes(field.len() as i64) + field.len(),
    }
}
