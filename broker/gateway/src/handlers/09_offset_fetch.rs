//! OffsetFetch (key 9).
//!
//! | version | what it brought |
//! |---|---|
//! | 1 | the oldest served |
//! | 2 | null topics mean all; top-level error |
//! | 5 | leader epoch (KIP-320) |
//! | 6 | flexible |
//! | 7 | require stable (KIP-447) |
//! | 8 | many groups in one request (KIP-709) |
//! | 9 | member epoch (KIP-848) |
//! | 10 | topics by id (KIP-848) |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::group::message::{FetchRequest, FetchedPartition, FetchedTopic, TopicPartitions};
use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use odeon_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};

use super::groups;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 1..=10;

/// Topics asked for: name, id, partitions. `None` means all.
type Asked = Option<Vec<(String, Uuid, Vec<i32>)>>;

/// Tells what groups have committed.
pub async fn handle(context: &RequestContext, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if context.api_version >= 8 {
        let mut answers = Vec::with_capacity(request.groups.len());
        for group in request.groups {
            let asked = group.topics.map(|topics| {
                let topics = topics.into_iter();
                topics
                    .map(|topic| (topic.name, topic.topic_id, topic.partition_indexes))
                    .collect()
            });
            let found = fetch(context, &group.group_id, asked, request.require_stable).await;
            answers.push(many(group.group_id, found));
        }
        return OffsetFetchResponse {
            groups: answers,
            ..Default::default()
        };
    }
    let named: Vec<(String, Vec<i32>)> = request
        .topics
        .iter()
        .flatten()
        .map(|topic| (topic.name.clone(), topic.partition_indexes.clone()))
        .collect();
    let asked = request.topics.map(|topics| {
        let topics = topics.into_iter();
        topics
            .map(|topic| (topic.name, Uuid::ZERO, topic.partition_indexes))
            .collect()
    });
    match fetch(context, &request.group_id, asked, request.require_stable).await {
        Ok(topics) => OffsetFetchResponse {
            topics: topics.into_iter().map(one_topic).collect(),
            ..Default::default()
        },
        Err(code) if context.api_version >= 2 => OffsetFetchResponse {
            error_code: code.code(),
            ..Default::default()
        },
        // Version 1 has no place for an error but the partitions.
        Err(code) => OffsetFetchResponse {
            topics: named
                .into_iter()
                .map(|(topic, partitions)| one_topic(refused(topic, Uuid::ZERO, partitions, code)))
                .collect(),
            ..Default::default()
        },
    }
}

async fn fetch(
    context: &RequestContext,
    group_id: &str,
    asked: Asked,
    require_stable: bool,
) -> Result<Vec<FetchedTopic>, ErrorCode> {
    let coordinator = groups::coordinator(context, Operation::Describe, group_id)?;
    let image = context.node().image.get();
    let group_id = group_id.to_owned();
    let Some(asked) = asked else {
        let all = FetchRequest {
            group_id,
            topics: None,
            require_stable,
        };
        let mut found = coordinator.fetch(all).await?;
        found.retain(|topic| context.allows_topic(Operation::Describe, &topic.topic));
        if context.api_version >= 10 {
            found.retain_mut(|topic| {
                let id = image.topic(&topic.topic).map(|topic| topic.id);
                topic.topic_id = id.unwrap_or(Uuid::ZERO);
                id.is_some()
            });
        }
        return Ok(found);
    };
    let mut wanted = Vec::new();
    let mut answers = Vec::new();
    for (name, id, partitions) in asked {
        match groups::name_topic(&image, name.clone(), id) {
            Err(code) => answers.push(refused(name, id, partitions, code)),
            Ok((name, _)) if !context.allows_topic(Operation::Describe, &name) => {
                answers.push(refused(
                    name,
                    id,
                    partitions,
                    ErrorCode::TopicAuthorizationFailed,
                ));
            }
            Ok((topic, _)) => wanted.push(TopicPartitions {
                topic,
                topic_id: id,
                partitions,
            }),
        }
    }
    let found = coordinator
        .fetch(FetchRequest {
            group_id,
            topics: Some(wanted),
            require_stable,
        })
        .await?;
    answers.extend(found);
    Ok(answers)
}

fn refused(topic: String, topic_id: Uuid, partitions: Vec<i32>, error: ErrorCode) -> FetchedTopic {
    let partitions = partitions.into_iter().map(|partition| FetchedPartition {
        partition,
        offset: -1,
        leader_epoch: -1,
        metadata: String::new(),
        error,
    });
    FetchedTopic {
        topic,
        topic_id,
        partitions: partitions.collect(),
    }
}

fn one_topic(topic: FetchedTopic) -> OffsetFetchResponseTopic {
    let partitions = topic
        .partitions
        .into_iter()
        .map(|partition| OffsetFetchResponsePartition {
            partition_index: partition.partition,
            committed_offset: partition.offset,
            committed_leader_epoch: partition.leader_epoch,
            metadata: Some(partition.metadata),
            error_code: partition.error.code(),
            ..Default::default()
        });
    OffsetFetchResponseTopic {
        name: topic.topic,
        partitions: partitions.collect(),
        ..Default::default()
    }
}

fn many(group_id: String, found: Result<Vec<FetchedTopic>, ErrorCode>) -> OffsetFetchResponseGroup {
    let topics = match found {
        Ok(topics) => topics,
        Err(code) => {
            let error_code = code.code();
            return OffsetFetchResponseGroup {
                group_id,
                error_code,
                ..Default::default()
            };
        }
    };
    let topics = topics.into_iter().map(|topic| OffsetFetchResponseTopics {
        name: topic.topic,
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .into_iter()
            .map(|partition| OffsetFetchResponsePartitions {
                partition_index: partition.partition,
                committed_offset: partition.offset,
                committed_leader_epoch: partition.leader_epoch,
                metadata: Some(partition.metadata),
                error_code: partition.error.code(),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    OffsetFetchResponseGroup {
        group_id,
        topics: topics.collect(),
        ..Default::default()
    }
}
