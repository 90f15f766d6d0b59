//! OffsetForLeaderEpoch (key 23).
//!
//! | version | what it brought |
//! |---|---|
//! | 2 | the oldest served: current leader epoch (KIP-320) |
//! | 3 | replica id |
//! | 4 | flexible |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use odeon_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use odeon_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::lookup;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 2..=4;

/// Tells where leader epochs ended, so that a client sees what was truncated.
pub async fn handle(
    context: &RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let found = find(context, &topic.topic, partition);
            let (leader_epoch, end_offset) = found.unwrap_or((-1, -1));
            EpochEndOffset {
                error_code: found.err().unwrap_or(ErrorCode::None).code(),
                partition: partition.partition,
                leader_epoch,
                end_offset,
                ..Default::default()
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult {
            topic: topic.topic,
            partitions,
            ..Default::default()
        }
    });
    OffsetForLeaderEpochResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}

fn find(
    context: &RequestContext,
    name: &str,
    wanted: &OffsetForLeaderPartition,
) -> Result<(i32, i64), ErrorCode> {
    if !context.allows_topic(Operation::Describe, name) {
        return Err(ErrorCode::TopicAuthorizationFailed);
    }
    let topic = lookup::topic(&context.node().image.get(), name, Uuid::ZERO)?;
    let view = lookup::route(context, &topic, wanted.partition)?.view;
    lookup::check_epoch(wanted.current_leader_epoch, view.leader_epoch)?;
    if wanted.leader_epoch == view.leader_epoch {
        return Ok((wanted.leader_epoch, view.log_end_offset()));
    }
    Ok(view
        .reader
        .end_offset_for_epoch(wanted.leader_epoch)
        .unwrap_or((-1, -1)))
}
