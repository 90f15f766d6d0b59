//! The bytes of one file: what is there, and what a power cut may leave of it.

use std::collections::BTreeMap;

/// What a device writes as a whole or not at all.
pub(super) const SECTOR_BYTES: usize = 512;

/// Earlier versions of a sector that are kept; the durable one is always among them.
const MAX_VERSIONS: usize = 4;

/// A sector's bytes; `None` is all zeros.
type Sector = Option<Box<[u8; SECTOR_BYTES]>>;

/// A file's bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    bytes: Vec<u8>,
    /// For each sector written since the last sync: what was there before, durable version first.
    unsynced: BTreeMap<usize, Vec<Sector>>,
    /// Sectors whose sync has failed: no later sync makes them durable, unless written again.
    stuck: BTreeMap<usize, Vec<Sector>>,
    /// The lengths since the last sync, durable one first; empty when it did not change.
    lengths: Vec<usize>,
}

impl Content {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn sector(&self, index: usize) -> Sector {
        let start = index * SECTOR_BYTES;
        let there = self.bytes.get(start..)?;
        let there = &there[..there.len().min(SECTOR_BYTES)];
        if there.is_empty() {
            return None;
        }
        let mut sector = Box::new([0; SECTOR_BYTES]);
        sector[..there.len()].copy_from_slice(there);
        Some(sector)
    }

    fn remember(&mut self, index: usize) {
        let now = self.sector(index);
        if let Some(versions) = self.stuck.remove(&index) {
            self.unsynced.insert(index, versions);
        }
        let versions = self.unsynced.entry(index).or_default();
        versions.push(now);
        if versions.len() > MAX_VERSIONS {
            versions.remove(1);
        }
    }

    fn resize(&mut self, len: usize) {
        if len != self.bytes.len() {
            if self.lengths.is_empty() {
                self.lengths.push(self.bytes.len());
            }
            self.bytes.resize(len, 0);
            self.lengths.push(len);
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        for index in offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            self.remember(index);
        }
        if end > self.bytes.len() {
            self.resize(end);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
    }

    pub(super) fn set_len(&mut self, len: usize) {
        for index in len / SECTOR_BYTES..self.bytes.len().div_ceil(SECTOR_BYTES) {
            self.remember(index);
        }
        self.resize(len);
    }

    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
        self.lengths.clear();
    }

    /// The system gives up on what it could not write and calls it clean.
    pub(super) fn fail_sync(&mut self) {
        let unsynced = std::mem::take(&mut self.unsynced);
        self.stuck.extend(unsynced);
    }

    /// Flips bits of one byte, on the device as well.
    pub(super) fn corrupt(&mut self, offset: usize, mask: u8) {
        if let Some(byte) = self.bytes.get_mut(offset) {
            *byte ^= mask;
        }
        let index = offset / SECTOR_BYTES;
        let versions = self
            .unsynced
            .get_mut(&index)
            .into_iter()
            .chain(self.stuck.get_mut(&index));
        for sector in versions.flatten().flatten() {
            sector[offset % SECTOR_BYTES] ^= mask;
        }
    }

    pub(super) fn is_synced(&self) -> bool {
        self.unsynced.is_empty() && self.stuck.is_empty() && self.lengths.is_empty()
    }

    /// Loses power. `choose(n)` picks a number below n; the highest means "the newest survives".
    pub(super) fn cut(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        let len_before = self.bytes.len();
        let lengths = std::mem::take(&mut self.lengths);
        let len = match lengths.len() {
            0 => len_before,
            n => lengths[choose(n)],
        };
        self.bytes.resize(len, 0);
        let sectors = std::mem::take(&mut self.unsynced);
        let stuck = std::mem::take(&mut self.stuck);
        for (index, mut versions) in sectors.into_iter().chain(stuck) {
            let start = index * SECTOR_BYTES;
            if start >= len {
                continue;
            }
            let survivor = if start >= len_before {
                // The file had been cut before it, and the cut did not survive: nor did anything
                // else happen to the sector.
                versions.len() - 1
            } else {
                choose(versions.len() + 1)
            };
            if survivor < versions.len() {
                let sector = versions.swap_remove(survivor);
                let end = len.min(start + SECTOR_BYTES);
                match sector {
                    Some(old) => self.bytes[start..end].copy_from_slice(&old[..end - start]),
                    None => self.bytes[start..end].fill(0),
                }
            }
        }
    }
}
