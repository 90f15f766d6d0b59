//! The 61 bytes at the head of a batch. All numbers are big-endian.
//!
//! ```text
//! byte 0         8           12           16      17      21
//!      | base    | length of | partition  | magic | CRC   | attributes, and all that follows
//!      | offset  | the rest  | leader     | = 2   | of -> |
//!      | i64     | i32       | epoch i32  | i8    | u32   |
//!      '------- patched by the leader ------------'
//!     21           23          27          35          43
//!      | attributes | last      | base      | max       |
//!      |            | offset    | timestamp | timestamp |
//!      | i16        | delta i32 | ms i64    | ms i64    |
//!     43           51          53          57          61
//!      | producer   | producer  | base      | record    | records...
//!      | id i64     | epoch i16 | sequence  | count i32 |
//!      |            |           | i32       |           |
//!
//! attributes, from bit 0: 3 bits of codec, log-append time, transactional, control, delete
//! horizon (the base timestamp is then that)
//!
//! a record: length, attributes (one byte, 0), timestamp delta, offset delta, key, value, headers;
//! numbers and lengths are zigzag varints, a null's length is -1
//! ```

use crate::{Compression, RecordsError};

/// The size of a batch's header, and so the size of an empty batch.
pub const HEADER_BYTES: usize = 61;
/// The timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;

/// Where the CRC stands, and where the bytes it covers start.
pub(crate) const CRC_AT: usize = 17;
pub(crate) const CRC_COVERS_FROM: usize = 21;
pub(crate) const ATTRIBUTES_AT: usize = 21;
pub(crate) const MAX_TIMESTAMP_AT: usize = 35;
/// The bytes before those that the length field counts: base offset and the length itself.
pub(crate) const LENGTH_OVERHEAD: usize = 12;

pub(crate) const MAGIC: i8 = 2;
pub(crate) const COMPRESSION_MASK: i16 = 0b111;
pub(crate) const LOG_APPEND_TIME_BIT: i16 = 1 << 3;
pub(crate) const TRANSACTIONAL_BIT: i16 = 1 << 4;
pub(crate) const CONTROL_BIT: i16 = 1 << 5;
pub(crate) const DELETE_HORIZON_BIT: i16 = 1 << 6;

/// Who gave a batch's records their timestamps (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimestampType {
    /// The producer, each record its own.
    #[default]
    CreateTime,
    /// The broker, on append: every record has the batch's max timestamp.
    LogAppendTime,
}

/// A batch's header. Plain values: changing one does not change the bytes it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of record 0, even when compaction has removed that record.
    pub base_offset: i64,
    /// The bytes after this field; the batch is 12 bytes longer.
    pub batch_length: i32,
    /// The epoch of the leader that appended the batch, -1 in a request.
    pub partition_leader_epoch: i32,
    /// CRC-32C of everything after it.
    pub crc: u32,
    /// Codec and flags; see the methods.
    pub attributes: i16,
    /// The last offset less the base offset.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas are added to, or the delete horizon; ms since 1970.
    pub base_timestamp: i64,
    /// The largest timestamp of a record, or the append time; ms since 1970.
    pub max_timestamp: i64,
    /// The idempotent producer's id, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// The sequence number of record 0, or -1.
    pub base_sequence: i32,
    /// The number of records that are there.
    pub record_count: i32,
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`. Neither the CRC nor that the whole batch is there
    /// is checked: see [`check_crc`] and [`BatchHeader::size_bytes`].
    ///
    /// # Errors
    /// [`RecordsError::Truncated`] below 61 bytes; [`RecordsError::UnsupportedMagic`] for older
    /// formats; [`RecordsError::Corrupt`] if the length cannot be that of a batch.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordsError> {
        // An older format's batch may be shorter than this format's header.
        if let Some(&magic) = bytes.get(16)
            && magic as i8 != MAGIC
        {
            return Err(RecordsError::UnsupportedMagic(magic as i8));
        }
        let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(RecordsError::Truncated {
                needed: HEADER_BYTES,
                available: bytes.len(),
            });
        };
        let header = Self {
            base_offset: i64::from_be_bytes(field(head, 0)),
            batch_length: i32::from_be_bytes(field(head, 8)),
            partition_leader_epoch: i32::from_be_bytes(field(head, 12)),
            crc: u32::from_be_bytes(field(head, CRC_AT)),
            attributes: i16::from_be_bytes(field(head, ATTRIBUTES_AT)),
            last_offset_delta: i32::from_be_bytes(field(head, 23)),
            base_timestamp: i64::from_be_bytes(field(head, 27)),
            max_timestamp: i64::from_be_bytes(field(head, MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(field(head, 43)),
            producer_epoch: i16::from_be_bytes(field(head, 51)),
            base_sequence: i32::from_be_bytes(field(head, 53)),
            record_count: i32::from_be_bytes(field(head, 57)),
        };
        if header.batch_length < (HEADER_BYTES - LENGTH_OVERHEAD) as i32 {
            return Err(RecordsError::Corrupt(
                "a batch's length is less than that of its header",
            ));
        }
        Ok(header)
    }

    /// The header's bytes, with the CRC as it stands in [`BatchHeader::crc`].
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut head = [0; HEADER_BYTES];
        head[..8].copy_from_slice(&self.base_offset.to_be_bytes());
        head[8..12].copy_from_slice(&self.batch_length.to_be_bytes());
        head[12..16].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        head[16] = MAGIC as u8;
        head[17..21].copy_from_slice(&self.crc.to_be_bytes());
        head[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        head[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        head[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        head[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        head[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        head[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        head[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        head[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        head
    }

    /// The whole batch's size in bytes, header included.
    pub fn size_bytes(&self) -> usize {
        // `parse` refuses lengths below that of the header; a hand-made header may hold anything.
        usize::try_from(self.batch_length).unwrap_or(0) + LENGTH_OVERHEAD
    }

    /// The offset of the last record, even when compaction has removed that record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
    }

    /// The offset after the batch.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// The records' codec.
    ///
    /// # Errors
    /// [`RecordsError::UnknownCompression`] for the numbers 5 to 7, which nobody uses.
    pub fn compression(&self) -> Result<Compression, RecordsError> {
        Compression::from_id((self.attributes & COMPRESSION_MASK) as u8)
    }

    /// Who gave the timestamps.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch is part of a transaction, markers included.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Whether the batch holds control records (markers), which consumers do not show.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// The time from which compaction may drop the batch's tombstones and markers, if it has been
    /// set; ms since 1970.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON_BIT != 0).then_some(self.base_timestamp)
    }

    /// Whether an idempotent producer wrote the batch.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// The sequence number of the last record, or -1 without one. Sequence numbers wrap from the
    /// largest `i32` to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == -1 {
            return -1;
        }
        let last = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        i32::try_from(last).unwrap_or((last - i64::from(i32::MAX) - 1) as i32)
    }
}

/// The CRC-32C that a batch's header should hold: of all bytes after the CRC, so that the leader
/// can set base offset and leader epoch without touching it. Shorter slices give 0.
pub fn batch_crc(batch: &[u8]) -> u32 {
    batch
        .get(CRC_COVERS_FROM..)
        .map_or(0, crc_fast::crc32_iscsi)
}

/// Checks a whole batch against the CRC in its header.
///
/// # Errors
/// [`RecordsError::Crc`], or [`RecordsError::Truncated`] below 61 bytes.
pub fn check_crc(batch: &[u8]) -> Result<(), RecordsError> {
    let Some(head) = batch.first_chunk::<HEADER_BYTES>() else {
        return Err(RecordsError::Truncated {
            needed: HEADER_BYTES,
            available: batch.len(),
        });
    };
    let stored = u32::from_be_bytes(field(head, CRC_AT));
    let computed = batch_crc(batch);
    if stored == computed {
        Ok(())
    } else {
        Err(RecordsError::Crc { stored, computed })
    }
}
