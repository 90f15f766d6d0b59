//! What each idempotent producer wrote last: the memory that makes retries harmless.
//!
//! For each producer id: its newest epoch and its last five batches. A batch that is among them is a
//! duplicate; one that does not continue them is out of order. A state that retention or a delete has
//! forgotten accepts any sequence. The state is a function of the log's batches, hence the same on
//! every replica; it is saved beside the segments (`producer_snapshot`) only to start faster.

use std::collections::HashMap;

use odeon_model::{Offset, ProducerEpoch, ProducerId};
use odeon_records::{BatchHeader, ControlRecord};

/// The batches of a producer that are remembered.
pub(crate) const REMEMBERED_BATCHES: usize = 5;
/// No sequence.
pub(crate) const NO_SEQUENCE: i32 = -1;
/// No epoch.
pub(crate) const NO_EPOCH: ProducerEpoch = -1;

/// A batch as the producer state remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchMeta {
    /// The sequence of its last record.
    pub last_sequence: i32,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// Last offset minus base offset.
    pub offset_delta: i32,
    /// Its largest timestamp, milliseconds.
    pub timestamp: i64,
}

impl BatchMeta {
    fn of(header: &BatchHeader) -> Self {
        Self {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        }
    }

    /// The offset of its first record.
    pub fn base_offset(&self) -> Offset {
        self.last_offset - i64::from(self.offset_delta)
    }

    /// The sequence of its first record.
    pub fn base_sequence(&self) -> i32 {
        wrapping_sequence(self.last_sequence, -i64::from(self.offset_delta))
    }
}

/// What is known of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The newest epoch seen.
    pub epoch: ProducerEpoch,
    /// The epoch of the last coordinator that ended a transaction, -1 for none.
    pub coordinator_epoch: i32,
    /// The largest timestamp of its last batch, milliseconds.
    pub last_timestamp: i64,
    /// Where its open transaction begins.
    pub current_txn_first_offset: Option<Offset>,
    /// When a sweep first found it silent, milliseconds; none since its last batch.
    idle_since: Option<i64>,
    batches: [BatchMeta; REMEMBERED_BATCHES],
    count: u8,
}

impl Default for ProducerEntry {
    fn default() -> Self {
        Self {
            epoch: NO_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: -1,
            current_txn_first_offset: None,
            idle_since: None,
            batches: Default::default(),
            count: 0,
        }
    }
}

impl ProducerEntry {
    /// The remembered batches, oldest first.
    pub fn batches(&self) -> &[BatchMeta] {
        self.batches
            .get(..usize::from(self.count))
            .unwrap_or_default()
    }

    /// The last sequence, or -1.
    pub fn last_sequence(&self) -> i32 {
        self.batches()
            .last()
            .map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// The last offset, or -1.
    pub fn last_offset(&self) -> Offset {
        self.batches().last().map_or(-1, |batch| batch.last_offset)
    }

    pub(crate) fn push(&mut self, epoch: ProducerEpoch, batch: BatchMeta) {
        self.raise_epoch(epoch);
        if usize::from(self.count) == REMEMBERED_BATCHES {
            self.batches.copy_within(1.., 0);
            self.count -= 1;
        }
        if let Some(place) = self.batches.get_mut(usize::from(self.count)) {
            *place = batch;
            self.count += 1;
        }
        self.last_timestamp = batch.timestamp;
    }

    pub(crate) fn raise_epoch(&mut self, epoch: ProducerEpoch) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.count = 0;
        }
    }
}

/// The answer to "may this batch be appended?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Yes.
    Fresh,
    /// It is in the log already.
    Duplicate(BatchMeta),
    /// Its epoch is older than this one.
    OldEpoch(ProducerEpoch),
    /// It does not continue this sequence.
    Gap(i32),
    /// Its coordinator is older than this one.
    OldCoordinator(i32),
}

/// All producers of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerStates {
    producers: HashMap<ProducerId, ProducerEntry>,
}

impl ProducerStates {
    /// The producers known.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether no producer is known.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// One producer.
    pub fn get(&self, id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&id)
    }

    /// All producers, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &ProducerEntry)> {
        self.producers.iter().map(|(id, entry)| (*id, entry))
    }

    pub(crate) fn entry_mut(&mut self, id: ProducerId) -> &mut ProducerEntry {
        self.producers.entry(id).or_default()
    }

    /// Puts back what [`ProducerStates::get`] returned before a change.
    pub(crate) fn restore(&mut self, id: ProducerId, previous: Option<ProducerEntry>) {
        match previous {
            Some(entry) => self.producers.insert(id, entry),
            None => self.producers.remove(&id),
        };
    }

    /// Checks a data batch against the state.
    pub(crate) fn check(&self, header: &BatchHeader) -> Check {
        let Some(entry) = self.producers.get(&header.producer_id) else {
            return Check::Fresh;
        };
        let (first, last) = (header.base_sequence, header.last_sequence());
        if header.producer_epoch == entry.epoch {
            let same = |b: &&BatchMeta| b.base_sequence() == first && b.last_sequence == last;
            if let Some(original) = entry.batches().iter().find(same) {
                return Check::Duplicate(*original);
            }
        }
        if header.producer_epoch < entry.epoch {
            return Check::OldEpoch(entry.epoch);
        }
        if entry.epoch == NO_EPOCH {
            return Check::Fresh;
        }
        let current = if header.producer_epoch == entry.epoch {
            entry.last_sequence()
        } else {
            NO_SEQUENCE
        };
        // An epoch without batches starts at 0: after -1 comes 0.
        if first == wrapping_sequence(current, 1) {
            Check::Fresh
        } else {
            Check::Gap(current)
        }
    }

    /// Checks a transaction marker against the state.
    pub(crate) fn check_marker(&self, header: &BatchHeader, control: &ControlRecord) -> Check {
        let Some(entry) = self.producers.get(&header.producer_id) else {
            return Check::Fresh;
        };
        if header.producer_epoch < entry.epoch {
            return Check::OldEpoch(entry.epoch);
        }
        match coordinator_epoch(control) {
            Some(epoch) if epoch < entry.coordinator_epoch => {
                Check::OldCoordinator(entry.coordinator_epoch)
            }
            _ => Check::Fresh,
        }
    }

    /// Takes a data batch into the state, unchecked.
    pub(crate) fn apply(&mut self, header: &BatchHeader) {
        let entry = self.entry_mut(header.producer_id);
        entry.idle_since = None;
        if header.base_sequence >= 0 {
            entry.push(header.producer_epoch, BatchMeta::of(header));
        } else {
            entry.raise_epoch(header.producer_epoch);
            entry.last_timestamp = header.max_timestamp;
        }
        if header.is_transactional() && entry.current_txn_first_offset.is_none() {
            entry.current_txn_first_offset = Some(header.base_offset);
        }
    }

    /// Takes a transaction marker into the state, unchecked.
    pub(crate) fn apply_marker(&mut self, header: &BatchHeader, control: &ControlRecord) {
        let Some(coordinator_epoch) = coordinator_epoch(control) else {
            return;
        };
        let entry = self.entry_mut(header.producer_id);
        entry.raise_epoch(header.producer_epoch);
        entry.idle_since = None;
        entry.current_txn_first_offset = None;
        entry.coordinator_epoch = coordinator_epoch;
        entry.last_timestamp = header.max_timestamp;
    }

    /// Forgets producers that were silent for `expiration_ms` and have no open transaction. How many.
    ///
    /// Silence counts from the first sweep after the last batch or the log's loading, not from the
    /// records' timestamps: those are the producer's, and may lie years back.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) -> usize {
        let before = self.producers.len();
        self.producers.retain(|_, entry| {
            let since = *entry.idle_since.get_or_insert(now_ms);
            entry.current_txn_first_offset.is_some() || now_ms.saturating_sub(since) < expiration_ms
        });
        before - self.producers.len()
    }

    /// The first offset of the oldest open transaction.
    pub fn first_open_offset(&self) -> Option<Offset> {
        self.producers
            .values()
            .filter_map(|entry| entry.current_txn_first_offset)
            .min()
    }

    pub(crate) fn clear(&mut self) {
        self.producers.clear();
    }
}

fn coordinator_epoch(control: &ControlRecord) -> Option<i32> {
    match control {
        ControlRecord::Abort { coordinator_epoch }
        | ControlRecord::Commit { coordinator_epoch } => Some(*coordinator_epoch),
        ControlRecord::Other(_) => None,
    }
}

/// `sequence + delta` on the circle from 0 to `i32::MAX`; -1 plus 1 is 0.
fn wrapping_sequence(sequence: i32, delta: i64) -> i32 {
    let sum = (i64::from(sequence) + delta) & i64::from(i32::MAX);
    i32::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests;
