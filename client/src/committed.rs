//! Committed offsets of a group: read and written at its coordinator.

use std::collections::BTreeMap;
use std::sync::Arc;

use odeon_model::{LeaderEpoch, Offset, TopicPartition};
use odeon_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use odeon_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use odeon_protocol::messages::{
    OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponse as Fetched,
};

use crate::ClientError;
use crate::coordinator::Coordinator;
use crate::error::check;

/// The last versions that name topics; later ones have their ids.
const LAST_VERSION_WITH_NAMES: i16 = 9;

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset of the next record to read.
    pub offset: Offset,
    /// The leader's epoch of the last record read; -1 when it is not known.
    pub leader_epoch: LeaderEpoch,
    /// What the committer noted beside it.
    pub metadata: String,
}

impl CommittedOffset {
    /// An offset alone.
    pub fn at(offset: Offset) -> Self {
        Self {
            offset,
            leader_epoch: -1,
            metadata: String::new(),
        }
    }
}

/// Offsets by partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, CommittedOffset>;

/// In whose name offsets are committed.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    pub(crate) generation: i32,
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
}

impl Committer {
    /// Somebody outside the group; refused while the group has members.
    pub(crate) fn outsider() -> Self {
        Self {
            generation: -1,
            member_id: String::new(),
            instance_id: None,
        }
    }
}

/// The committed offsets of `partitions`, or of all that the group has any of. Partitions without
/// one are left out.
pub(crate) async fn fetch(
    coordinator: &mut Coordinator,
    partitions: Option<&[TopicPartition]>,
) -> Result<Offsets, ClientError> {
    let group = Arc::clone(&coordinator.group);
    let timeout = coordinator.client.config().request_timeout;
    let request = |version| fetch_request(&group, partitions, version);
    let first_error = |response: &OffsetFetchResponse| {
        let group_error = response.groups.first().map_or(0, |group| group.error_code);
        if group_error == 0 {
            response.error_code
        } else {
            group_error
        }
    };
    let response = coordinator
        .call::<OffsetFetchRequest>(LAST_VERSION_WITH_NAMES, timeout, request, first_error)
        .await?;
    let what = || format!("read the offsets of group '{group}'");
    check(what, first_error(&response), None)?;
    read(response, what)
}

fn fetch_request(
    group: &str,
    partitions: Option<&[TopicPartition]>,
    version: i16,
) -> OffsetFetchRequest {
    let by_topic = partitions.map(|partitions| {
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            let indexes = topics.entry(&partition.topic).or_default();
            indexes.push(partition.partition);
        }
        topics
    });
    if version >= 8 {
        let topics = by_topic.map(|topics| {
            let topics = topics
                .into_iter()
                .map(|(name, indexes)| OffsetFetchRequestTopics {
                    name: name.to_owned(),
                    partition_indexes: indexes,
                    ..Default::default()
                });
            topics.collect()
        });
        return OffsetFetchRequest {
            groups: vec![OffsetFetchRequestGroup {
                group_id: group.to_owned(),
                topics,
                ..Default::default()
            }],
            ..Default::default()
        };
    }
    let topics = by_topic.map(|topics| {
        let topics = topics
            .into_iter()
            .map(|(name, indexes)| OffsetFetchRequestTopic {
                name: name.to_owned(),
                partition_indexes: indexes,
                ..Default::default()
            });
        topics.collect()
    });
    OffsetFetchRequest {
        group_id: group.to_owned(),
        topics,
        ..Default::default()
    }
}

fn read(response: Fetched, what: impl Fn() -> String + Copy) -> Result<Offsets, ClientError> {
    let mut offsets = Offsets::new();
    let mut add = |topic: &str, index, offset, leader_epoch, metadata: Option<String>, code| {
        check(|| format!("{} ({topic}-{index})", what()), code, None)?;
        if offset >= 0 {
            let committed = CommittedOffset {
                offset,
                leader_epoch,
                metadata: metadata.unwrap_or_default(),
            };
            offsets.insert(TopicPartition::new(topic, index), committed);
        }
        Ok::<_, ClientError>(())
    };
    for topic in response.groups.into_iter().flat_map(|group| group.topics) {
        for one in topic.partitions {
            let (offset, epoch) = (one.committed_offset, one.committed_leader_epoch);
            let index = one.partition_index;
            add(
                &topic.name,
                index,
                offset,
                epoch,
                one.metadata,
                one.error_code,
            )?;
        }
    }
    for topic in response.topics {
        for one in topic.partitions {
            let (offset, epoch) = (one.committed_offset, one.committed_leader_epoch);
            let index = one.partition_index;
            add(
                &topic.name,
                index,
                offset,
                epoch,
                one.metadata,
                one.error_code,
            )?;
        }
    }
    Ok(offsets)
}

/// Commits offsets; all of them, or the first partition's error.
pub(crate) async fn commit(
    coordinator: &mut Coordinator,
    committer: &Committer,
    offsets: &Offsets,
) -> Result<(), ClientError> {
    if offsets.is_empty() {
        return Ok(());
    }
    let group = Arc::clone(&coordinator.group);
    let timeout = coordinator.client.config().request_timeout;
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for (partition, committed) in offsets {
        let entry = OffsetCommitRequestPartition {
            partition_index: partition.partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            committed_metadata: Some(committed.metadata.clone()),
            ..Default::default()
        };
        match topics
            .last_mut()
            .filter(|topic| *topic.name == *partition.topic)
        {
            Some(topic) => topic.partitions.push(entry),
            None => topics.push(OffsetCommitRequestTopic {
                name: partition.topic.to_string(),
                partitions: vec![entry],
                ..Default::default()
            }),
        }
    }
    let request = |version| OffsetCommitRequest {
        group_id: group.to_string(),
        generation_id_or_member_epoch: committer.generation,
        member_id: committer.member_id.clone(),
        group_instance_id: committer.instance_id.clone().filter(|_| version >= 7),
        topics: topics.clone(),
        ..Default::default()
    };
    let response = coordinator
        .call::<OffsetCommitRequest>(LAST_VERSION_WITH_NAMES, timeout, request, |response| {
            let topics = response.topics.iter();
            let mut codes = topics
                .flat_map(|topic| &topic.partitions)
                .map(|one| one.error_code);
            codes.find(|code| *code != 0).unwrap_or(0)
        })
        .await?;
    for topic in &response.topics {
        for one in &topic.partitions {
            let what = || {
                let (topic, index) = (&topic.name, one.partition_index);
                format!("commit {topic}-{index} for group '{group}'")
            };
            check(what, one.error_code, None)?;
        }
    }
    Ok(())
}
