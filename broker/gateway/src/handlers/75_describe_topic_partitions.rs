//! DescribeTopicPartitions (key 75).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the only one (KIP-966): eligible leader replicas, a cursor |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;
use std::sync::Arc;

use odeon_metadata::{MetadataImage, TopicImage};
use odeon_model::ErrorCode;
use odeon_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use odeon_protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

use super::lookup;
use crate::authorizer::{Operation, ResourceKind};
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=0;

/// Describes topics by pages of partitions.
pub async fn handle(
    context: &RequestContext,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let image = context.node().image.get();
    let mut names: Vec<String> = if request.topics.is_empty() {
        image.topics().map(|topic| topic.name.to_string()).collect()
    } else {
        request
            .topics
            .iter()
            .map(|topic| topic.name.clone())
            .collect()
    };
    names.sort();
    names.dedup();
    let all = request.topics.is_empty();
    let most = context
        .node()
        .config
        .network
        .max_request_partition_size_limit;
    let most = i32::try_from(most).unwrap_or(i32::MAX).max(1);
    let mut left = request.response_partition_limit.clamp(1, most);
    let mut response = DescribeTopicPartitionsResponse::default();
    let mut first_partition = 0;
    if let Some(cursor) = &request.cursor {
        names.retain(|name| *name >= cursor.topic_name);
        if names.first() == Some(&cursor.topic_name) {
            first_partition = cursor.partition_index;
        }
    }
    for name in names {
        let from = std::mem::take(&mut first_partition);
        if !context.allows_topic(Operation::Describe, &name) {
            if !all {
                response
                    .topics
                    .push(refused(name, ErrorCode::TopicAuthorizationFailed));
            }
            continue;
        }
        let Some(topic) = image.topic(&name) else {
            response
                .topics
                .push(refused(name, ErrorCode::UnknownTopicOrPartition));
            continue;
        };
        if left == 0 {
            response.next_cursor = cursor(name, 0);
            break;
        }
        let (answer, next) = describe(context, &image, topic, from, &mut left);
        response.topics.push(answer);
        if let Some(partition_index) = next {
            response.next_cursor = cursor(name, partition_index);
            break;
        }
    }
    response
}

fn cursor(topic_name: String, partition_index: i32) -> Option<Cursor> {
    Some(Cursor {
        topic_name,
        partition_index,
        ..Default::default()
    })
}

fn refused(name: String, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: code.code(),
        is_internal: lookup::is_internal(&name),
        name: Some(name),
        topic_authorized_operations: i32::MIN,
        ..Default::default()
    }
}

fn describe(
    context: &RequestContext,
    image: &MetadataImage,
    topic: &Arc<TopicImage>,
    from: i32,
    left: &mut i32,
) -> (DescribeTopicPartitionsResponseTopic, Option<i32>) {
    let mut partitions = Vec::new();
    let mut next = None;
    for (index, partition) in topic.partitions.range(from..) {
        if *left == 0 {
            next = Some(*index);
            break;
        }
        *left -= 1;
        let live = |id: &i32| image.broker(*id).is_some_and(|broker| !broker.fenced);
        let led = live(&partition.leader);
        partitions.push(DescribeTopicPartitionsResponsePartition {
            error_code: if led {
                0
            } else {
                ErrorCode::LeaderNotAvailable.code()
            },
            partition_index: *index,
            leader_id: if led { partition.leader } else { -1 },
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            eligible_leader_replicas: Some(partition.elr.clone()),
            last_known_elr: Some(partition.last_known_elr.clone()),
            offline_replicas: partition
                .replicas
                .iter()
                .filter(|id| !live(id))
                .copied()
                .collect(),
            ..Default::default()
        });
    }
    let answer = DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: lookup::is_internal(&topic.name),
        partitions,
        topic_authorized_operations: context
            .authorized_operations(ResourceKind::Topic, &topic.name),
        ..Default::default()
    };
    (answer, next)
}
