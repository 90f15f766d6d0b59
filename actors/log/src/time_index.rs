//! The time index: how far the timestamps of a segment reached, and where.
//!
//! An entry `(timestamp, relative offset)` says that no record up to that offset is later than the
//! timestamp. Entries ascend in both; the last one of a closed segment is its largest timestamp.

use crate::index::{Entry, be_i64, be_u32};

/// `(largest timestamp so far, last offset of the batch that has it - base offset)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: i64,
    pub(crate) relative_offset: u32,
}

impl Entry for TimeEntry {
    const SIZE: usize = 12;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            timestamp: be_i64(bytes, 0),
            relative_offset: be_u32(bytes, 8),
        }
    }

    fn is_padding(&self) -> bool {
        // A record of 1970 at a segment's first offset looks the same; losing its entry only makes
        // searches start earlier.
        self.timestamp == 0 && self.relative_offset == 0
    }
}
