//! OffsetDelete (key 47).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the only one (KIP-496) |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::group::message::{self, TopicPartitions};
use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use odeon_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::groups;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=0;

/// Forgets committed offsets of topics that the group does not subscribe to.
pub async fn handle(
    context: &RequestContext,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let found = match request.group_id.as_str() {
        "" => Err(ErrorCode::InvalidGroupId),
        group_id => groups::coordinator(context, Operation::Delete, group_id),
    };
    let coordinator = match found {
        Ok(coordinator) => coordinator,
        Err(code) => {
            return OffsetDeleteResponse {
                error_code: code.code(),
                ..Default::default()
            };
        }
    };
    let image = context.node().image.get();
    let mut answers = Vec::new();
    let mut wanted = Vec::new();
    // For each topic wanted, its partitions that are not there.
    let mut absent: Vec<Vec<(i32, ErrorCode)>> = Vec::new();
    for topic in request.topics {
        let indexes = topic.partitions.iter().map(|p| p.partition_index);
        if !context.allows_topic(Operation::Read, &topic.name) {
            let code = ErrorCode::TopicAuthorizationFailed;
            answers.push(all(topic.name, indexes.collect(), code));
            continue;
        }
        let (partitions, missing): (Vec<i32>, Vec<i32>) =
            indexes.partition(|index| image.partition(&topic.name, *index).is_some());
        let code = ErrorCode::UnknownTopicOrPartition;
        if partitions.is_empty() {
            answers.push(all(topic.name, missing, code));
        } else {
            let refused = missing.into_iter().map(|index| (index, code)).collect();
            absent.push(refused);
            wanted.push(TopicPartitions {
                topic: topic.name,
                topic_id: Uuid::ZERO,
                partitions,
            });
        }
    }
    let asked = message::OffsetDeleteRequest {
        group_id: request.group_id,
        topics: wanted,
    };
    match coordinator.offset_delete(asked).await {
        Ok(done) => {
            for (mut topic, mut refused) in done.into_iter().zip(absent) {
                topic.partitions.append(&mut refused);
                answers.push(topic_answer(topic.topic, topic.partitions));
            }
            OffsetDeleteResponse {
                topics: answers,
                ..Default::default()
            }
        }
        Err(code) => OffsetDeleteResponse {
            error_code: code.code(),
            ..Default::default()
        },
    }
}

fn all(name: String, partitions: Vec<i32>, code: ErrorCode) -> OffsetDeleteResponseTopic {
    topic_answer(
        name,
        partitions
            .into_iter()
            .map(|partition| (partition, code))
            .collect(),
    )
}

fn topic_answer(name: String, partitions: Vec<(i32, ErrorCode)>) -> OffsetDeleteResponseTopic {
    let partitions =
        partitions
            .into_iter()
            .map(|(partition_index, code)| OffsetDeleteResponsePartition {
                partition_index,
                error_code: code.code(),
            });
    OffsetDeleteResponseTopic {
        name,
        partitions: partitions.collect(),
    }
}
