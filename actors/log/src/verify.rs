//! Looking for damage: batches that lie on disk otherwise than they were written.
//!
//! A damaged log says so ([`Log::damage`](crate::Log::damage)) and goes on; what becomes of it is its
//! partition's affair.

use std::sync::atomic::Ordering;

use odeon_model::Offset;
use odeon_records::{check_crc, split_batches};

use crate::error::{LogError, Result};
use crate::reader::LogReader;

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Where to go on: one past the last good batch, or the log start once the end is reached.
    pub next: Offset,
    /// Bytes read.
    pub bytes: usize,
    /// Where damage begins, if some was found now.
    pub damage: Option<Offset>,
}

impl LogReader {
    /// Checks the batches from `offset` on, some `max_bytes` of them and at least one, against their
    /// checksums. Blocks on the disk.
    ///
    /// # Errors
    /// `OffsetOutOfRange`, `Io`, `Closed`, `Offline`. Damage is no error.
    pub fn verify(&self, offset: Offset, max_bytes: usize) -> Result<Verified> {
        let bound = self.view().flushed();
        let read = match self.read(offset, max_bytes, bound, true) {
            Ok(read) => read,
            Err(LogError::Corrupt { .. }) => return Ok(self.damaged(offset, 0)),
            Err(error) => return Err(error),
        };
        let bytes = read.records.len();
        let mut next = offset;
        for batch in split_batches(read.records) {
            match batch {
                Ok((header, batch)) if check_crc(&batch).is_ok() => next = header.next_offset(),
                _ => return Ok(self.damaged(next, bytes)),
            }
        }
        if bytes == 0 {
            next = self.view().log_start();
        }
        Ok(Verified {
            next,
            bytes,
            damage: None,
        })
    }

    fn damaged(&self, from: Offset, bytes: usize) -> Verified {
        self.note_damage(from);
        Verified {
            next: from,
            bytes,
            damage: Some(from),
        }
    }

    /// Notes that what begins at `from` is damaged.
    pub(crate) fn note_damage(&self, from: Offset) {
        let earlier = self.shared.damaged_from.fetch_min(from, Ordering::AcqRel);
        if from < earlier {
            let partition = self.partition();
            tracing::error!(%partition, from, "the log is damaged");
        }
    }
}
