//! Reads the records out of a batch.

use bytes::{Buf, Bytes};

use crate::header::{HEADER_BYTES, TimestampType};
use crate::walk::{
    BAD_HEADER, BAD_LENGTH, BYTES_LEFT, ENDS_EARLY, Fault, MIN_RECORD_BYTES,
    MIN_RECORD_HEADER_BYTES, SliceSource, Source,
};
use crate::{BatchHeader, Compression, RecordsError};

/// How much a reader is willing to find in one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Records in a batch.
    pub max_records: usize,
    /// Headers of a record.
    pub max_headers: usize,
    /// Bytes of one record of a compressed batch, without its length field
    /// (`max.decompressed.message.bytes`).
    pub max_record_bytes: usize,
    /// Bytes of the records once decompressed.
    pub max_decompressed_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_records: 16 * 1024 * 1024,
            max_headers: 100_000,
            max_record_bytes: i32::MAX as usize,
            max_decompressed_bytes: 128 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// The limits for batches of a codec: an uncompressed record cannot be larger than its batch.
    pub(crate) fn for_codec(mut self, compression: Compression) -> Self {
        if compression == Compression::None {
            self.max_record_bytes = usize::MAX;
        }
        self
    }
}

/// A record's header: a name that may repeat, and a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RecordHeader {
    /// The name, UTF-8 by convention; not checked, as brokers do not.
    pub key: Bytes,
    /// The value.
    pub value: Option<Bytes>,
}

impl RecordHeader {
    /// A header with a value.
    pub fn new(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self {
            key: key.into(),
            value: Some(value.into()),
        }
    }
}

/// A record as read. Keys and values are slices of the batch, or of its decompressed bytes: to
/// keep one for long is to keep all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordView {
    /// The record's offset.
    pub offset: i64,
    /// Milliseconds since 1970, or -1; the append time for log-append time.
    pub timestamp: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone on a compacted topic.
    pub value: Option<Bytes>,
    /// The headers, in their order.
    pub headers: Vec<RecordHeader>,
    /// The record's uncompressed size in the batch, its length field included.
    pub size_bytes: usize,
}

/// Reads the records of one whole batch, decompressing it if need be. The CRC is not checked.
///
/// The first error is the last item. Errors: a header that does not parse, fewer bytes than the
/// batch's length, lengths and counts that contradict each other, bytes after the last record,
/// data that does not decompress, and anything beyond `limits`.
pub fn records(batch: &Bytes, limits: Limits) -> Records {
    match open(batch, limits) {
        Ok(records) => records,
        Err(error) => Records {
            payload: Bytes::new(),
            left: 0,
            base_offset: 0,
            base_timestamp: 0,
            append_time: None,
            limits,
            failed: Some(error),
        },
    }
}

fn open(batch: &Bytes, limits: Limits) -> Result<Records, RecordsError> {
    let header = BatchHeader::parse(batch)?;
    if batch.len() < header.size_bytes() {
        let needed = header.size_bytes();
        return Err(RecordsError::Truncated {
            needed,
            available: batch.len(),
        });
    }
    let compression = header.compression()?;
    let body = batch.slice(HEADER_BYTES..header.size_bytes());
    let payload = compression.decompress(&body, limits.max_decompressed_bytes)?;
    let limits = limits.for_codec(compression);
    let left = checked_count(&header, payload.len(), &limits)?;
    Ok(Records {
        payload,
        left,
        base_offset: header.base_offset,
        base_timestamp: header.base_timestamp,
        append_time: (header.timestamp_type() == TimestampType::LogAppendTime)
            .then_some(header.max_timestamp),
        limits,
        failed: None,
    })
}

/// The record count, if it is within the limits and `payload_bytes` can hold that many.
fn checked_count(
    header: &BatchHeader,
    payload_bytes: usize,
    limits: &Limits,
) -> Result<usize, RecordsError> {
    let count = usize::try_from(header.record_count)
        .map_err(|_| RecordsError::Corrupt("a batch's record count is negative"))?;
    if count > limits.max_records {
        return Err(RecordsError::TooLarge {
            what: "a batch's records",
            limit: limits.max_records,
        });
    }
    if count > payload_bytes / MIN_RECORD_BYTES {
        return Err(ENDS_EARLY);
    }
    Ok(count)
}

/// The iterator of [`records`].
#[derive(Debug, Clone)]
pub struct Records {
    payload: Bytes,
    left: usize,
    base_offset: i64,
    base_timestamp: i64,
    append_time: Option<i64>,
    limits: Limits,
    failed: Option<RecordsError>,
}

impl Iterator for Records {
    type Item = Result<RecordView, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.left = 0;
            return Some(Err(error));
        }
        if self.left == 0 {
            return None;
        }
        let record = self.read();
        match record {
            Ok(_) => {
                self.left -= 1;
                if self.left == 0 && !self.payload.is_empty() {
                    self.failed = Some(BYTES_LEFT);
                }
            }
            Err(_) => self.left = 0,
        }
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left + 1))
    }
}

impl Records {
    fn read(&mut self) -> Result<RecordView, RecordsError> {
        let mut source = SliceSource::new(&self.payload);
        let length = source
            .varint()
            .map_err(|fault| fault.into_error(&Limits::default()))?;
        let length = usize::try_from(length).map_err(|_| BAD_LENGTH)?;
        if length > self.limits.max_record_bytes {
            return Err(Fault::RecordTooLarge.into_error(&self.limits));
        }
        let prefix = source.position() as usize;
        if length > self.payload.len() - prefix {
            return Err(ENDS_EARLY);
        }
        let mut fields = Fields {
            bytes: self.payload.slice(prefix..prefix + length),
        };
        self.payload.advance(prefix + length);

        fields.number(|source| source.byte())?;
        let timestamp_delta = fields.number(|source| source.varlong())?;
        let offset_delta = fields.number(|source| source.varint())?;
        let key = fields.nullable()?;
        let value = fields.nullable()?;
        let headers = fields.headers(self.limits.max_headers)?;
        if !fields.bytes.is_empty() {
            return Err(BAD_LENGTH);
        }
        Ok(RecordView {
            offset: self.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp: self
                .append_time
                .unwrap_or_else(|| self.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            headers,
            size_bytes: prefix + length,
        })
    }
}

/// The bytes of one record, eaten from the front.
struct Fields {
    bytes: Bytes,
}

impl Fields {
    fn number<T>(
        &mut self,
        read: impl FnOnce(&mut SliceSource<'_>) -> Result<T, Fault>,
    ) -> Result<T, RecordsError> {
        let mut source = SliceSource::new(&self.bytes);
        let number = read(&mut source).map_err(|fault| match fault {
            // The batch goes on, but this record does not.
            Fault::EndsEarly => BAD_LENGTH,
            other => other.into_error(&Limits::default()),
        })?;
        let read_bytes = source.position() as usize;
        self.bytes.advance(read_bytes);
        Ok(number)
    }

    /// A field whose negative length means null.
    fn nullable(&mut self) -> Result<Option<Bytes>, RecordsError> {
        let Ok(length) = usize::try_from(self.number(|source| source.varint())?) else {
            return Ok(None);
        };
        if length > self.bytes.len() {
            return Err(BAD_LENGTH);
        }
        Ok(Some(self.bytes.split_to(length)))
    }

    fn headers(&mut self, max_headers: usize) -> Result<Vec<RecordHeader>, RecordsError> {
        let count =
            usize::try_from(self.number(|source| source.varint())?).map_err(|_| BAD_HEADER)?;
        if count > max_headers {
            return Err(RecordsError::TooLarge {
                what: "a record's headers",
                limit: max_headers,
            });
        }
        if count > self.bytes.len() / MIN_RECORD_HEADER_BYTES {
            return Err(BAD_HEADER);
        }
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            let key = self.nullable()?.ok_or(BAD_HEADER)?;
            headers.push(RecordHeader {
                key,
                value: self.nullable()?,
            });
        }
        Ok(headers)
    }
}
