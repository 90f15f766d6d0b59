//! The committed offsets of one group.

use std::collections::BTreeMap;
use std::sync::Arc;

use odeon_model::{LeaderEpoch, Offset, PartitionId, Uuid};

/// An offset as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// The leader epoch of the last record read, -1 if unknown.
    pub leader_epoch: LeaderEpoch,
    /// What the client keeps with it.
    pub metadata: String,
    /// When it was committed, in ms since 1970.
    pub commit_timestamp_ms: i64,
    /// When it expires, in ms since 1970, if the client said so.
    pub expire_timestamp_ms: Option<i64>,
    /// The topic's id, or zero.
    pub topic_id: Uuid,
}

/// From when a group's offsets age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpiryBase {
    /// From each offset's commit.
    Commit,
    /// From the moment the group became empty, in ms since 1970; from its commit for an offset
    /// that was committed later.
    EmptySince(i64),
}

impl CommittedOffset {
    /// Whether the offset may be forgotten.
    pub(crate) fn is_expired(&self, base: ExpiryBase, retention_ms: i64, wall_ms: i64) -> bool {
        if let Some(expire_timestamp_ms) = self.expire_timestamp_ms {
            return wall_ms >= expire_timestamp_ms;
        }
        let since_ms = match base {
            ExpiryBase::Commit => self.commit_timestamp_ms,
            ExpiryBase::EmptySince(since_ms) => since_ms.max(self.commit_timestamp_ms),
        };
        wall_ms.saturating_sub(since_ms) >= retention_ms
    }
}

/// The committed offsets of one group, by topic and partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Offsets {
    topics: BTreeMap<Arc<str>, BTreeMap<PartitionId, CommittedOffset>>,
}

impl Offsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(crate) fn get(&self, topic: &str, partition: PartitionId) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Keeps an offset, or forgets it.
    pub(crate) fn set(
        &mut self,
        topic: &str,
        partition: PartitionId,
        value: Option<CommittedOffset>,
    ) {
        match (value, self.topics.get_mut(topic)) {
            (Some(value), Some(partitions)) => {
                partitions.insert(partition, value);
            }
            (Some(value), None) => {
                self.topics
                    .insert(topic.into(), BTreeMap::from([(partition, value)]));
            }
            (None, Some(partitions)) => {
                partitions.remove(&partition);
                if partitions.is_empty() {
                    self.topics.remove(topic);
                }
            }
            (None, None) => {}
        }
    }

    pub(crate) fn topics(
        &self,
    ) -> impl Iterator<Item = (&Arc<str>, &BTreeMap<PartitionId, CommittedOffset>)> {
        self.topics.iter()
    }

    /// The partitions of one topic that have offsets.
    pub(crate) fn partitions(&self, topic: &str) -> Vec<PartitionId> {
        self.topics
            .get(topic)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .copied()
            .collect()
    }

    /// Every offset.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, PartitionId, &CommittedOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(move |(partition, value)| (topic, *partition, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(commit_timestamp_ms: i64, expire_timestamp_ms: Option<i64>) -> CommittedOffset {
        CommittedOffset {
            offset: 5,
            leader_epoch: -1,
            metadata: String::new(),
            commit_timestamp_ms,
            expire_timestamp_ms,
            topic_id: Uuid::ZERO,
        }
    }

    #[test]
    fn an_offset_expires_by_the_table() {
        use ExpiryBase::{Commit, EmptySince};
        // committed, own expiry, base, retention, now, expired
        let table = [
            (100, None, Commit, 50, 149, false),
            (100, None, Commit, 50, 150, true),
            (100, None, EmptySince(200), 50, 249, false),
            (100, None, EmptySince(200), 50, 250, true),
            (300, None, EmptySince(200), 50, 349, false),
            (300, None, EmptySince(200), 50, 350, true),
            (100, Some(120), EmptySince(200), 50, 119, false),
            (100, Some(120), EmptySince(200), 50, 120, true),
            (100, Some(900), Commit, 50, 800, false),
            (100, None, Commit, i64::MAX, i64::MAX - 1, false),
        ];
        for (commit, expire, base, retention, now, wanted) in table {
            let offset = committed(commit, expire);
            assert_eq!(
                offset.is_expired(base, retention, now),
                wanted,
                "{commit} {expire:?} {now}"
            );
        }
    }

    #[test]
    fn a_topic_without_offsets_leaves_nothing_behind() {
        let mut offsets = Offsets::default();
        offsets.set("a", 1, None);
        offsets.set("a", 1, Some(committed(0, None)));
        offsets.set("a", 2, Some(committed(0, None)));
        assert_eq!(offsets.iter().count(), 2);
        offsets.set("a", 1, None);
        assert!(offsets.get("a", 1).is_none());
        offsets.set("a", 2, None);
        assert!(offsets.is_empty());
    }
}
