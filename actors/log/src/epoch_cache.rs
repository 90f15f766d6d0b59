//! Which leader epoch began at which offset.
//!
//! ```text
//! leader-epoch-checkpoint     0               format version
//!                             2               entries
//!                             0 0             epoch, start offset
//!                             3 1741
//! ```

use odeon_model::{LeaderEpoch, Offset};

use crate::checkpoint::{self, Malformed};

/// The epochs of one log, ascending in epoch and start offset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EpochCache {
    entries: Vec<EpochEntry>,
}

/// An epoch and the offset of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader epoch.
    pub epoch: LeaderEpoch,
    /// Where it begins.
    pub start_offset: Offset,
}

impl EpochCache {
    /// Reads the checkpoint's text.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut cache = Self::default();
        for line in checkpoint::entries(text)? {
            let (epoch, start) = line.split_once(' ').ok_or(Malformed)?;
            let epoch = epoch.parse().map_err(|_| Malformed)?;
            cache.assign(epoch, start.trim().parse().map_err(|_| Malformed)?);
        }
        Ok(cache)
    }

    /// The checkpoint's text.
    pub(crate) fn render(&self) -> String {
        let lines = self
            .entries
            .iter()
            .map(|e| format!("{} {}", e.epoch, e.start_offset));
        checkpoint::render(lines)
    }

    /// Notes that `epoch` begins at `start_offset`, unless it is known already. Entries that
    /// contradict it (later ones that begin there or after) are dropped. True if it changed.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) -> bool {
        if epoch < 0 || start_offset < 0 {
            return false;
        }
        if let Some(last) = self.entries.last()
            && (last.epoch == epoch && start_offset >= last.start_offset)
        {
            return false;
        }
        while self
            .entries
            .last()
            .is_some_and(|last| last.epoch >= epoch || last.start_offset >= start_offset)
        {
            self.entries.pop();
        }
        self.entries.push(EpochEntry {
            epoch,
            start_offset,
        });
        true
    }

    /// The newest epoch.
    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// All epochs, oldest first.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let count = self.entries.partition_point(|e| e.start_offset <= offset);
        count
            .checked_sub(1)
            .and_then(|at| self.entries.get(at))
            .map(|e| e.epoch)
    }

    /// The largest epoch not above `epoch`, and where it ends: the start of the next one, or the log
    /// end. `None` if `epoch` is newer than all, or no epoch is known.
    ///
    /// An epoch older than all answers itself and the start of the oldest one known.
    pub fn end_offset_for(
        &self,
        epoch: LeaderEpoch,
        log_end: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        let latest = self.entries.last()?;
        if epoch < 0 || epoch > latest.epoch {
            return None;
        }
        if epoch == latest.epoch {
            return Some((epoch, log_end));
        }
        let count = self.entries.partition_point(|e| e.epoch <= epoch);
        let end = self.entries.get(count)?.start_offset;
        let floor = count.checked_sub(1).and_then(|at| self.entries.get(at));
        Some((floor.map_or(epoch, |e| e.epoch), end))
    }

    /// Drops epochs that begin at or behind `end`. True if it changed.
    pub(crate) fn truncate_end(&mut self, end: Offset) -> bool {
        let before = self.entries.len();
        self.entries.retain(|e| e.start_offset < end);
        self.entries.len() != before
    }

    /// Drops what lies before `start`; the epoch in force there begins at `start` from now on.
    /// True if it changed.
    pub(crate) fn truncate_start(&mut self, start: Offset) -> bool {
        let covered = self.entries.partition_point(|e| e.start_offset <= start);
        let Some(keep) = covered.checked_sub(1) else {
            return false;
        };
        let changed = keep > 0 || self.entries.first().is_some_and(|e| e.start_offset < start);
        self.entries.drain(..keep);
        if let Some(first) = self.entries.first_mut() {
            first.start_offset = start;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        let mut cache = EpochCache::default();
        for (epoch, start) in entries {
            cache.assign(*epoch, *start);
        }
        cache
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let cache = cache(&[(2, 10), (4, 20), (7, 30)]);
        let end = |epoch| cache.end_offset_for(epoch, 35);
        assert_eq!(end(1), Some((1, 10)));
        assert_eq!(end(2), Some((2, 20)));
        assert_eq!(end(3), Some((2, 20)));
        assert_eq!(end(4), Some((4, 30)));
        assert_eq!(end(6), Some((4, 30)));
        assert_eq!(end(7), Some((7, 35)));
        assert_eq!(end(8), None);
        assert_eq!(end(-1), None);
        assert_eq!(EpochCache::default().end_offset_for(0, 5), None);
    }

    #[test]
    fn a_contradicted_epoch_is_dropped() {
        assert_eq!(cache(&[(1, 0), (2, 10), (3, 10)]).entries().len(), 2);
        assert_eq!(
            cache(&[(1, 0), (5, 10), (3, 20)]),
            cache(&[(1, 0), (3, 20)])
        );
        assert_eq!(cache(&[(1, 5), (1, 9)]), cache(&[(1, 5)]));
        assert_eq!(cache(&[(-1, 5)]), EpochCache::default());
    }

    #[test]
    fn both_ends_are_cut() {
        let mut cut = cache(&[(1, 0), (2, 10), (3, 20)]);
        assert!(cut.truncate_end(20));
        assert!(cut.truncate_start(12));
        assert_eq!(cut, cache(&[(2, 12)]));
        assert!(!cut.truncate_start(12));
        assert_eq!((cut.epoch_at(11), cut.epoch_at(12)), (None, Some(2)));
    }

    #[test]
    fn the_text_is_read_back() {
        let cache = cache(&[(0, 0), (3, 1741)]);
        assert_eq!(cache.render(), "0\n2\n0 0\n3 1741\n");
        assert_eq!(EpochCache::parse(&cache.render()), Ok(cache));
        for bad in ["", "1\n0\n", "0\n2\n0 0\n", "0\n1\nx 0\n", "0\n1\n0\n"] {
            assert!(EpochCache::parse(bad).is_err(), "{bad:?}");
        }
    }
}
