//! Which partition a record goes to: the choice of Kafka's Java producer.
//!
//! Source: `org.apache.kafka.clients.producer.internals.BuiltInPartitioner`,
//! `org.apache.kafka.common.utils.Utils.murmur2`.

use odeon_kernel::Rng;
use odeon_model::PartitionId;

use crate::Topic;

/// The 32-bit MurmurHash2 of `data` with Kafka's seed.
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ (data.len() as u32);
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ (hash >> 15)).cast_signed()
}

/// The partition of a keyed record, as the Java producer chooses it.
///
/// # Panics
/// When `partitions` is 0.
pub fn partition_for_key(key: &[u8], partitions: u32) -> PartitionId {
    let positive = murmur2(key).cast_unsigned() & 0x7fff_ffff;
    (positive % partitions).cast_signed()
}

/// Where records without a key go: to one partition until a batch's worth of bytes went there,
/// then to another one by chance. Few full batches are cheaper than many small ones.
#[derive(Debug)]
pub(crate) struct Sticky {
    current: Option<PartitionId>,
    bytes: usize,
}

impl Sticky {
    pub(crate) const fn new() -> Self {
        Self {
            current: None,
            bytes: 0,
        }
    }

    /// The partition for the next record; partitions without a leader are avoided.
    pub(crate) fn choose(
        &mut self,
        topic: &Topic,
        record_bytes: usize,
        batch_bytes: usize,
        rng: &Rng,
    ) -> Option<PartitionId> {
        if let Some(current) = self.current
            && self.bytes < batch_bytes
            && topic
                .partition(current)
                .is_some_and(|one| one.leader.is_some())
        {
            self.bytes += record_bytes;
            return Some(current);
        }
        let led = topic.partitions.iter().filter(|one| one.leader.is_some());
        let mut candidates: Vec<_> = led.map(|one| one.index).collect();
        if candidates.is_empty() {
            candidates.extend(topic.partitions.iter().map(|one| one.index));
        }
        let last = self.current;
        if candidates.len() > 1 {
            candidates.retain(|index| Some(*index) != last);
        }
        let at = usize::try_from(rng.below(candidates.len() as u64)).unwrap_or(0);
        self.current = candidates.get(at).copied();
        self.bytes = record_bytes;
        self.current
    }
}

#[cfg(test)]
mod tests;
