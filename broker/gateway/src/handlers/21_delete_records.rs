//! DeleteRecords (key 21).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served |
//! | 2 | flexible |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;
use std::time::Duration;

use odeon_kernel::clock::timeout;
use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use odeon_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::lookup;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=2;

/// Moves log start offsets up, on all live replicas.
pub async fn handle(
    context: &RequestContext,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let clock = &context.node().clock;
    let wait = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = clock.monotonic() + wait;
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let index = partition.partition_index;
            let wait = deadline.saturating_sub(clock.monotonic());
            let done = delete(context, &topic.name, index, partition.offset, wait).await;
            partitions.push(DeleteRecordsPartitionResult {
                partition_index: index,
                low_watermark: done.unwrap_or(-1),
                error_code: done.err().unwrap_or(ErrorCode::None).code(),
                ..Default::default()
            });
        }
        topics.push(DeleteRecordsTopicResult {
            name: topic.name,
            partitions,
            ..Default::default()
        });
    }
    DeleteRecordsResponse {
        topics,
        ..Default::default()
    }
}

async fn delete(
    context: &RequestContext,
    name: &str,
    partition: i32,
    offset: i64,
    wait: Duration,
) -> Result<i64, ErrorCode> {
    if !context.allows_topic(Operation::Delete, name) {
        return Err(ErrorCode::TopicAuthorizationFailed);
    }
    let topic = lookup::topic(&context.node().image.get(), name, Uuid::ZERO)?;
    if topic.partition(partition).is_none() {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    if lookup::is_internal(name) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let policy = context.node().topic_config(name).cleanup_policy;
    if policy.compact && !policy.delete {
        // A topic that is only compacted keeps the last record of each key.
        return Err(ErrorCode::PolicyViolation);
    }
    let route = lookup::route(context, &topic, partition)?;
    let clock = &*context.node().clock;
    let deleted = route.leader.delete_records(offset);
    // A replica that lives and does not follow: the records are gone here all the same.
    let deleted = timeout(clock, wait, deleted).await;
    deleted.unwrap_or(Err(ErrorCode::RequestTimedOut))
}
