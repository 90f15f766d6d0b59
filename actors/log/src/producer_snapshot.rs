//! The producer state in a file, named by the offset up to which it counts.
//!
//! ```text
//! %020d.snapshot   version i16 = 1, CRC-32C u32 of all that follows, entry count i32, entries
//! an entry         producer id i64, epoch i16, last sequence i32, last offset i64,
//!                  offset delta i32, timestamp i64, coordinator epoch i32,
//!                  first offset of the open transaction i64 (-1: none)
//! ```
//!
//! Apache Kafka writes one entry a producer: its last batch. We write its last five, oldest first:
//! Kafka keeps the last of equal ids, so both read both, and a retry after our restart is still
//! recognised where Kafka would call it out of order.

use odeon_model::Offset;

use crate::producer_state::{BatchMeta, NO_SEQUENCE, ProducerEntry, ProducerStates};

const VERSION: i16 = 1;
const HEAD_BYTES: usize = 10;
const ENTRY_BYTES: usize = 46;

/// The file's bytes.
pub(crate) fn encode(states: &ProducerStates) -> Vec<u8> {
    let mut entries: Vec<_> = states.iter().collect();
    entries.sort_unstable_by_key(|(id, _)| *id);
    let mut body = vec![0; 4];
    let mut count = 0u32;
    let none = BatchMeta {
        last_sequence: NO_SEQUENCE,
        last_offset: -1,
        offset_delta: 0,
        timestamp: -1,
    };
    for (id, entry) in entries {
        let batches = if entry.batches().is_empty() {
            &[BatchMeta {
                timestamp: entry.last_timestamp,
                ..none
            }]
        } else {
            entry.batches()
        };
        for (at, batch) in batches.iter().enumerate() {
            let is_last = at + 1 == batches.len();
            let timestamp = if is_last {
                entry.last_timestamp
            } else {
                batch.timestamp
            };
            body.extend_from_slice(&id.to_be_bytes());
            body.extend_from_slice(&entry.epoch.to_be_bytes());
            body.extend_from_slice(&batch.last_sequence.to_be_bytes());
            body.extend_from_slice(&batch.last_offset.to_be_bytes());
            body.extend_from_slice(&batch.offset_delta.to_be_bytes());
            body.extend_from_slice(&timestamp.to_be_bytes());
            body.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
            body.extend_from_slice(&entry.current_txn_first_offset.unwrap_or(-1).to_be_bytes());
            count += 1;
        }
    }
    if let Some(place) = body.get_mut(..4) {
        place.copy_from_slice(&count.to_be_bytes());
    }
    let mut file = Vec::with_capacity(6 + body.len());
    file.extend_from_slice(&VERSION.to_be_bytes());
    file.extend_from_slice(&crc32c(&body).to_be_bytes());
    file.extend_from_slice(&body);
    file
}

/// Reads a file's bytes; the error says what is wrong with them.
pub(crate) fn decode(file: &[u8]) -> Result<ProducerStates, &'static str> {
    let (head, entries) = file.split_at_checked(HEAD_BYTES).ok_or("it is too short")?;
    let (_, body) = file.split_at_checked(6).ok_or("it is too short")?;
    if head.get(..2) != Some(&VERSION.to_be_bytes()) {
        return Err("its version is unknown");
    }
    if head.get(2..6) != Some(&crc32c(body).to_be_bytes()) {
        return Err("its CRC does not match");
    }
    let count = head
        .get(6..10)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_be_bytes);
    if entries.len() as u64 != u64::from(count) * ENTRY_BYTES as u64 {
        return Err("its length does not match its entry count");
    }
    let mut states = ProducerStates::default();
    for bytes in entries.chunks_exact(ENTRY_BYTES) {
        let mut row = Row(bytes);
        let (id, epoch) = (row.i64(), row.i16());
        let (last_sequence, last_offset) = (row.i32(), row.i64());
        let (offset_delta, timestamp) = (row.i32(), row.i64());
        let (coordinator_epoch, first): (i32, Offset) = (row.i32(), row.i64());
        let entry: &mut ProducerEntry = states.entry_mut(id);
        entry.raise_epoch(epoch);
        if last_sequence >= 0 && last_offset >= 0 && offset_delta >= 0 {
            entry.push(
                epoch,
                BatchMeta {
                    last_sequence,
                    last_offset,
                    offset_delta,
                    timestamp,
                },
            );
        }
        entry.last_timestamp = timestamp;
        entry.coordinator_epoch = coordinator_epoch;
        entry.current_txn_first_offset = (first >= 0).then_some(first);
    }
    Ok(states)
}

struct Row<'a>(&'a [u8]);

impl Row<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk::<N>().unwrap_or((&[0; N], &[]));
        let taken = *head;
        self.0 = rest;
        taken
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.take())
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_of_apache_kafka_is_read() {
        let file = [
            0x00, 0x01, 0xce, 0x90, 0x68, 0x09, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0x50, 0x16, 0, 0, 0, 0, 0, 0, 0x50, 0x16, 0, 0, 0x01, 0x85, 0, 0, 0x01, 0xa2, 0x03,
            0xed, 0x99, 0x26, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff,
        ];
        let states = decode(&file).unwrap();
        let entry = states.get(0).unwrap();
        assert_eq!(
            (entry.epoch, entry.last_sequence(), entry.last_offset()),
            (0, 20502, 20502)
        );
        assert_eq!(entry.batches()[0].base_offset(), 20113);
        assert_eq!(encode(&states), file);
    }

    #[test]
    fn five_batches_of_a_producer_come_back() {
        let mut states = ProducerStates::default();
        for id in 0..3 {
            for n in 0..7i32 {
                let meta = BatchMeta {
                    last_sequence: n * 10 + 9,
                    last_offset: i64::from(n) * 10 + 9,
                    offset_delta: 9,
                    timestamp: 100 + i64::from(n),
                };
                states.entry_mut(id).push(4, meta);
            }
        }
        states.entry_mut(9).raise_epoch(1);
        states.entry_mut(1).current_txn_first_offset = Some(5);
        assert_eq!(decode(&encode(&states)), Ok(states));
    }

    #[test]
    fn a_damaged_snapshot_is_refused() {
        let mut states = ProducerStates::default();
        states.entry_mut(1).push(0, BatchMeta::default());
        let file = encode(&states);
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 1;
            assert!(decode(&bad).is_err(), "{at}");
            assert!(decode(&file[..at]).is_err(), "{at}");
        }
        assert!(
            decode(&encode(&ProducerStates::default()))
                .unwrap()
                .is_empty()
        );
    }
}
