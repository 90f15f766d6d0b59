//! Committed offsets: commit, fetch, forget, expire.

use std::sync::Arc;

use odeon_model::{ErrorCode, PartitionId, Uuid};

use super::{Group, Groups, check_group_id_length};
use crate::group::message::{
    CommitPartition, CommitRequest, CommitTopic, FetchRequest, FetchedPartition, FetchedTopic,
    GroupState, OffsetDeleteRequest, TopicErrors, TopicPartitions,
};
use crate::group::offsets::CommittedOffset;
use crate::group::record;
use crate::group::turn::{Effects, Now, Turn};

/// How many records one look for expired offsets makes at most; the rest follows soon.
const EXPIRED_AT_ONCE: usize = 10_000;
/// After how long the rest follows, in ms.
const EXPIRY_PAUSE_MS: i64 = 1_000;

impl Groups {
    /// OffsetCommit. The codes are those of each partition.
    ///
    /// # Errors
    /// The code for every partition. `GROUP_ID_NOT_FOUND` is shown as `ILLEGAL_GENERATION` in
    /// versions before 9.
    pub fn commit(
        &mut self,
        now: Now,
        request: CommitRequest,
        effects: &mut Effects,
    ) -> Result<Vec<TopicErrors>, ErrorCode> {
        check_group_id_length(&request.group_id)?;
        if request.generation < 0 {
            // A client outside of group management makes a group that only keeps offsets.
            self.get_or_create(&request.group_id);
        }
        let id = request.group_id.clone();
        self.with_group(&id, now, effects, |group, turn| {
            group.classic.admit_commit(turn, &request)?;
            let expire_timestamp_ms = request
                .retention_time_ms
                .filter(|retention_ms| *retention_ms >= 0)
                .map(|retention_ms| now.wall_ms.saturating_add(retention_ms));
            Ok(request
                .topics
                .iter()
                .map(|topic| group.commit_topic(turn, &id, topic, expire_timestamp_ms))
                .collect())
        })
        .unwrap_or(Err(ErrorCode::GroupIdNotFound))
    }

    /// OffsetFetch. A group that is not known has no offsets.
    ///
    /// # Errors
    /// The code for the whole group: `INVALID_GROUP_ID`.
    pub fn fetch(&self, request: &FetchRequest) -> Result<Vec<FetchedTopic>, ErrorCode> {
        check_group_id_length(&request.group_id)?;
        let group = self.groups.get(request.group_id.as_str());
        Ok(match (&request.topics, group) {
            (Some(topics), group) => topics
                .iter()
                .map(|topic| fetch_topic(group, topic))
                .collect(),
            (None, Some(group)) => fetch_all(group),
            (None, None) => Vec::new(),
        })
    }

    /// OffsetDelete.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`; `NON_EMPTY_GROUP` if the group has members and is not of consumers.
    pub fn delete_offsets(
        &mut self,
        now: Now,
        request: &OffsetDeleteRequest,
        effects: &mut Effects,
    ) -> Result<Vec<TopicErrors>, ErrorCode> {
        self.with_group(&request.group_id, now, effects, |group, turn| {
            let classic = &group.classic;
            if classic.state() != GroupState::Empty && !classic.is_consumer_group() {
                return Err(ErrorCode::NonEmptyGroup);
            }
            let topics = request.topics.iter();
            Ok(topics
                .map(|topic| group.delete_topic(turn, &request.group_id, topic))
                .collect())
        })
        .unwrap_or(Err(ErrorCode::GroupIdNotFound))
    }

    /// Topics are gone, with them the offsets of all groups in them.
    pub fn topics_deleted(&mut self, now: Now, topics: &[String], effects: &mut Effects) {
        let ids: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for id in ids {
            self.with_group(&id, now, effects, |group, turn| {
                for topic in topics {
                    for partition in group.offsets.partitions(topic) {
                        group.forget(turn, &id, topic, partition);
                    }
                }
            });
        }
    }

    /// Looks for offsets that have aged enough, and for groups that nothing is left of.
    pub(super) fn expire_offsets(&mut self, now: Now, effects: &mut Effects) {
        let before = effects.records.len();
        let mut pause_ms = self.config.offsets_retention_check_interval_ms;
        let ids: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for id in ids {
            if effects.records.len() - before >= EXPIRED_AT_ONCE {
                pause_ms = pause_ms.min(EXPIRY_PAUSE_MS);
                break;
            }
            self.with_group(&id, now, effects, |group, turn| group.expire(turn, &id));
        }
        self.next_expiry_ms = Some(now.monotonic_ms.saturating_add(pause_ms));
    }
}

impl Group {
    fn commit_topic(
        &mut self,
        turn: &mut Turn<'_>,
        id: &str,
        topic: &CommitTopic,
        expire_timestamp_ms: Option<i64>,
    ) -> TopicErrors {
        let commit_one = |partition: &CommitPartition| {
            let error = self.commit_one(turn, id, topic, partition, expire_timestamp_ms);
            (partition.partition, error.err().unwrap_or(ErrorCode::None))
        };
        TopicErrors {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(commit_one).collect(),
        }
    }

    fn commit_one(
        &mut self,
        turn: &mut Turn<'_>,
        id: &str,
        topic: &CommitTopic,
        partition: &CommitPartition,
        expire_timestamp_ms: Option<i64>,
    ) -> Result<(), ErrorCode> {
        let metadata = partition.metadata.clone().unwrap_or_default();
        let max = turn.config.offset_metadata_max_bytes;
        if metadata.len() > max && metadata.encode_utf16().count() > max {
            return Err(ErrorCode::OffsetMetadataTooLarge);
        }
        let value = CommittedOffset {
            offset: partition.offset,
            leader_epoch: partition.leader_epoch,
            metadata,
            commit_timestamp_ms: turn.now.wall_ms,
            expire_timestamp_ms,
            topic_id: topic.topic_id,
        };
        let record = record::offset_record(id, &topic.topic, partition.partition, Some(&value))
            .ok()
            .filter(|record| record.size_bytes() <= turn.config.max_record_bytes())
            .ok_or(ErrorCode::InvalidCommitOffsetSize)?;
        turn.effects.records.push(record);
        self.offsets
            .set(&topic.topic, partition.partition, Some(value));
        Ok(())
    }

    fn delete_topic(
        &mut self,
        turn: &mut Turn<'_>,
        id: &str,
        topic: &TopicPartitions,
    ) -> TopicErrors {
        let error = if self.classic.is_subscribed_to(&topic.topic) {
            ErrorCode::GroupSubscribedToTopic
        } else {
            for partition in &topic.partitions {
                self.forget(turn, id, &topic.topic, *partition);
            }
            ErrorCode::None
        };
        TopicErrors {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            partitions: topic
                .partitions
                .iter()
                .map(|partition| (*partition, error))
                .collect(),
        }
    }

    /// Forgets one offset, if it is there.
    fn forget(&mut self, turn: &mut Turn<'_>, id: &str, topic: &str, partition: PartitionId) {
        if self.offsets.get(topic, partition).is_none() {
            return;
        }
        // What is there was written under the same key, so it fits.
        if let Ok(tombstone) = record::offset_record(id, topic, partition, None) {
            turn.effects.records.push(tombstone);
            self.offsets.set(topic, partition, None);
        }
    }

    /// Forgets every offset, and then the group.
    pub(super) fn delete(&mut self, turn: &mut Turn<'_>, id: &str) {
        let all: Vec<(Arc<str>, PartitionId)> = self
            .offsets
            .iter()
            .map(|(topic, partition, _)| (topic.clone(), partition))
            .collect();
        for (topic, partition) in all {
            self.forget(turn, id, &topic, partition);
        }
        if let Ok(tombstone) = record::group_record(id, None) {
            turn.effects.records.push(tombstone);
        }
        self.classic.dissolve(turn);
        self.classic = super::ClassicGroup::new(self.classic.id().clone());
    }

    fn expire(&mut self, turn: &mut Turn<'_>, id: &str) {
        let Some(base) = self.classic.expiry_base() else {
            return;
        };
        let (retention_ms, wall_ms) = (turn.config.offsets_retention_ms, turn.now.wall_ms);
        let expired: Vec<(Arc<str>, PartitionId)> = self
            .offsets
            .iter()
            .filter(|(topic, _, offset)| {
                offset.is_expired(base, retention_ms, wall_ms)
                    && !self.classic.is_subscribed_to(topic)
            })
            .map(|(topic, partition, _)| (topic.clone(), partition))
            .collect();
        for (topic, partition) in expired {
            tracing::info!(
                group = id,
                topic = &*topic,
                partition,
                "a committed offset expired"
            );
            self.forget(turn, id, &topic, partition);
        }
        if self.offsets.is_empty() && self.classic.is_idle() {
            self.delete(turn, id);
        }
    }
}

fn fetch_topic(group: Option<&Group>, topic: &TopicPartitions) -> FetchedTopic {
    let fetch_one = |partition: &PartitionId| {
        let committed = group
            .and_then(|group| group.offsets.get(&topic.topic, *partition))
            .filter(|committed| is_same_topic(committed.topic_id, topic.topic_id));
        fetched(*partition, committed)
    };
    FetchedTopic {
        topic: topic.topic.clone(),
        topic_id: topic.topic_id,
        partitions: topic.partitions.iter().map(fetch_one).collect(),
    }
}

/// An offset of a topic that was deleted and made anew is not one of the new topic.
fn is_same_topic(committed: Uuid, asked: Uuid) -> bool {
    committed.is_zero() || asked.is_zero() || committed == asked
}

fn fetch_all(group: &Group) -> Vec<FetchedTopic> {
    let topics = group
        .offsets
        .topics()
        .map(|(topic, partitions)| FetchedTopic {
            topic: topic.to_string(),
            topic_id: partitions
                .values()
                .next()
                .map_or(Uuid::ZERO, |offset| offset.topic_id),
            partitions: partitions
                .iter()
                .map(|(partition, offset)| fetched(*partition, Some(offset)))
                .collect(),
        });
    topics.collect()
}

fn fetched(partition: PartitionId, committed: Option<&CommittedOffset>) -> FetchedPartition {
    FetchedPartition {
        partition,
        offset: committed.map_or(-1, |committed| committed.offset),
        leader_epoch: committed.map_or(-1, |committed| committed.leader_epoch),
        metadata: committed
            .map(|committed| committed.metadata.clone())
            .unwrap_or_default(),
        error: ErrorCode::None,
    }
}
