//! OffsetCommit (key 8).
//!
//! | version | what it brought |
//! |---|---|
//! | 2 | the oldest served: retention time |
//! | 5 | no more retention time |
//! | 6 | leader epoch (KIP-320) |
//! | 7 | static members (KIP-345) |
//! | 8 | flexible |
//! | 9 | member epochs (KIP-848): a classic member's generation stands in the same place |
//! | 10 | topics by id (KIP-848) |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::group::message::{CommitPartition, CommitRequest, CommitTopic};
use odeon_model::ErrorCode;
use odeon_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use odeon_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use odeon_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::groups;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 2..=10;

/// Commits offsets for a group.
pub async fn handle(
    context: &RequestContext,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let coordinator = groups::coordinator(context, Operation::Read, &request.group_id);
    let mut answers: Vec<OffsetCommitResponseTopic> = Vec::with_capacity(request.topics.len());
    let mut topics = Vec::new();
    // Where the answers to what is passed on belong.
    let mut places = Vec::new();
    for topic in request.topics {
        let mut answer = answer_for(&topic);
        match resolve(context, &coordinator, topic, &mut answer) {
            Ok(topic) if topic.partitions.is_empty() => {}
            Ok(topic) => {
                places.push(answers.len());
                topics.push(topic);
            }
            Err(code) => set_all(&mut answer, code),
        }
        answers.push(answer);
    }
    if let Ok(coordinator) = coordinator
        && !topics.is_empty()
    {
        let retention = request.retention_time_ms;
        let committed = coordinator.commit(CommitRequest {
            group_id: request.group_id,
            member_id: request.member_id,
            instance_id: request.group_instance_id,
            generation: request.generation_id_or_member_epoch,
            retention_time_ms: (context.api_version <= 4 && retention >= 0).then_some(retention),
            topics,
        });
        match committed.await {
            Ok(results) => {
                for (place, result) in places.into_iter().zip(results) {
                    let Some(answer) = answers.get_mut(place) else {
                        continue;
                    };
                    // Those that were refused already were not passed on.
                    let asked = answer.partitions.iter_mut().filter(|p| p.error_code == 0);
                    for (partition, (_, error)) in asked.zip(result.partitions) {
                        partition.error_code = error.code();
                    }
                }
            }
            Err(code) => {
                let code = match code {
                    ErrorCode::GroupIdNotFound if context.api_version < 9 => {
                        ErrorCode::IllegalGeneration
                    }
                    // As Kafka: old clients know no better word for a coordinator that loads.
                    code => code,
                };
                for place in places {
                    if let Some(answer) = answers.get_mut(place) {
                        set_all(answer, code);
                    }
                }
            }
        }
    }
    OffsetCommitResponse {
        topics: answers,
        ..Default::default()
    }
}

fn answer_for(topic: &OffsetCommitRequestTopic) -> OffsetCommitResponseTopic {
    OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

fn set_all(answer: &mut OffsetCommitResponseTopic, code: ErrorCode) {
    for partition in answer.partitions.iter_mut().filter(|p| p.error_code == 0) {
        partition.error_code = code.code();
    }
}

/// What of a topic is passed on: the partitions that are there. The others are refused in `answer`.
fn resolve<T>(
    context: &RequestContext,
    coordinator: &Result<T, ErrorCode>,
    topic: OffsetCommitRequestTopic,
    answer: &mut OffsetCommitResponseTopic,
) -> Result<CommitTopic, ErrorCode> {
    if let Err(code) = coordinator {
        return Err(*code);
    }
    let image = context.node().image.get();
    let (name, topic_id) = groups::name_topic(&image, topic.name, topic.topic_id)?;
    if !context.allows_topic(Operation::Read, &name) {
        return Err(ErrorCode::TopicAuthorizationFailed);
    }
    let found = image
        .topic(&name)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for (partition, answer) in topic.partitions.into_iter().zip(&mut answer.partitions) {
        if found.partition(partition.partition_index).is_none() {
            answer.error_code = ErrorCode::UnknownTopicOrPartition.code();
            continue;
        }
        partitions.push(CommitPartition {
            partition: partition.partition_index,
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata,
        });
    }
    Ok(CommitTopic {
        topic: name,
        topic_id,
        partitions,
    })
}
