//! DescribeProducers (key 61).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the only one (KIP-664) |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use odeon_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse};

use super::lookup;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=0;

/// Tells which idempotent producers a partition remembers.
pub async fn handle(
    context: &RequestContext,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for partition_index in topic.partition_indexes {
            let found = describe(context, &topic.name, partition_index).await;
            let code = found.as_ref().err().copied().unwrap_or(ErrorCode::None);
            partitions.push(PartitionResponse {
                partition_index,
                error_code: code.code(),
                error_message: code.is_error().then(|| code.message().to_owned()),
                active_producers: found.unwrap_or_default(),
                ..Default::default()
            });
        }
        topics.push(TopicResponse {
            name: topic.name,
            partitions,
            ..Default::default()
        });
    }
    DescribeProducersResponse {
        topics,
        ..Default::default()
    }
}

async fn describe(
    context: &RequestContext,
    name: &str,
    partition: i32,
) -> Result<Vec<ProducerState>, ErrorCode> {
    if !context.allows_topic(Operation::Read, name) {
        return Err(ErrorCode::TopicAuthorizationFailed);
    }
    let topic = lookup::topic(&context.node().image.get(), name, Uuid::ZERO)?;
    let remembered = match lookup::route(context, &topic, partition) {
        Ok(route) => route.leader.status().await.map(|status| status.producers),
        // A follower remembers the same, and a client that names this node wants its memory.
        Err(ErrorCode::NotLeaderOrFollower) => {
            let routing = &context.node().routing;
            let followed = routing.follower(topic.id, partition);
            followed.map(|followed| followed.view.reader.producers())
        }
        Err(code) => return Err(code),
    };
    let producers = remembered.ok_or(ErrorCode::NotLeaderOrFollower)?;
    let producers = producers.iter().map(|(producer_id, entry)| ProducerState {
        producer_id,
        producer_epoch: entry.epoch.into(),
        last_sequence: entry.last_sequence(),
        last_timestamp: entry.last_timestamp,
        coordinator_epoch: entry.coordinator_epoch,
        current_txn_start_offset: entry.current_txn_first_offset.unwrap_or(-1),
        ..Default::default()
    });
    Ok(producers.collect())
}
