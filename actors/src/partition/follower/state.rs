//! What a follower does with an answer. Pure.

use bytes::{Bytes, BytesMut};
use odeon_model::{LeaderEpoch, Offset};
use odeon_records::{BatchHeader, PreparedBatch, RecordsError, check_crc, split_batches};

use crate::partition::replication::wire::{Outcome, Part};

/// The largest batch that is put together from pieces.
const MAX_BATCH_BYTES: usize = 1 << 30;

/// What to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Append these, possibly none, and take over the leader's offsets. The first batch of an empty log may
    /// begin before its end: the leader's first offset lies within that batch.
    Append(Vec<PreparedBatch>),
    /// A piece of a batch came: ask for the next. Or one that does not fit what is here: ask for that.
    AskOn,
    /// Cut the log's end here and ask again.
    Truncate(Offset),
    /// Throw the log away and begin here.
    StartAt(Offset),
    /// The answer makes no sense: ask again, after a while.
    Refuse(RecordsError),
}

/// A follower's own log, as far as an answer depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub(super) log_end: Offset,
    /// It has no records.
    pub(super) is_empty: bool,
    /// The largest epoch not above the diverging one, and where it ends here.
    pub(super) end_of_epoch: Option<(LeaderEpoch, Offset)>,
}

/// What a follower keeps between answers: the pieces of a batch.
#[derive(Debug, Default)]
pub(super) struct FollowerState {
    pieces: BytesMut,
}

impl FollowerState {
    /// Bytes of the batch at the log end that are here.
    pub(super) fn has_bytes(&self) -> u32 {
        u32::try_from(self.pieces.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn step(&mut self, part: &Part, own: Own) -> Step {
        match part.outcome {
            Outcome::Records => self.records(part, own),
            Outcome::Diverging(epoch, end) => {
                self.pieces.clear();
                Step::Truncate(truncation(epoch, end, own))
            }
            Outcome::OutOfRange(leader_end) => {
                self.pieces.clear();
                if own.log_end < part.log_start {
                    Step::StartAt(part.log_start)
                } else {
                    Step::Truncate(leader_end)
                }
            }
            Outcome::NotLeader | Outcome::Failed => Step::AskOn,
        }
    }

    fn records(&mut self, part: &Part, own: Own) -> Step {
        let (offset, bytes) = part.after;
        if bytes == 0 {
            // The batch from its beginning, perhaps once more.
            self.pieces.clear();
        } else if (offset, bytes) != (own.log_end, self.has_bytes()) {
            return Step::AskOn;
        }
        if part.is_piece || !self.pieces.is_empty() {
            if self.pieces.len() + part.records.len() > MAX_BATCH_BYTES {
                self.pieces.clear();
                return Step::Refuse(RecordsError::Corrupt("a batch without an end"));
            }
            self.pieces.extend_from_slice(&part.records);
            if part.is_piece {
                return Step::AskOn;
            }
        }
        let records = match self.pieces.is_empty() {
            true => part.records.clone(),
            false => std::mem::take(&mut self.pieces).freeze(),
        };
        match batches(records, own) {
            Ok(batches) => Step::Append(batches),
            Err(error) => Step::Refuse(error),
        }
    }
}

/// The batches from `log_end` on, each whole and with its own checksum.
fn batches(records: Bytes, own: Own) -> Result<Vec<PreparedBatch>, RecordsError> {
    let mut batches = Vec::new();
    let mut next = own.log_end;
    for batch in split_batches(records) {
        let (header, bytes): (BatchHeader, Bytes) = batch?;
        check_crc(&bytes)?;
        if header.next_offset() <= next {
            continue;
        }
        let is_first = own.is_empty && batches.is_empty();
        if header.base_offset < next && !is_first {
            return Err(RecordsError::Corrupt("a batch overlaps the log's end"));
        }
        next = header.next_offset();
        batches.push(PreparedBatch::from_trusted(bytes)?);
    }
    Ok(batches)
}

/// Where the common history ends, as far as is known by now; always before the log end. When this
/// log does not know the leader's epoch, the next answer tells more.
fn truncation(epoch: LeaderEpoch, end: Offset, own: Own) -> Offset {
    let common = match own.end_of_epoch {
        Some((same, own_end)) if same == epoch => own_end.min(end),
        Some((_, own_end)) => own_end,
        None => end,
    };
    if common < own.log_end {
        common
    } else {
        end.min(own.log_end)
    }
}
