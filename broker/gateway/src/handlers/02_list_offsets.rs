//! ListOffsets (key 2).
//!
//! | version | what it brought |
//! |---|---|
//! | 1 | the oldest served |
//! | 2 | isolation level |
//! | 4 | leader epoch |
//! | 5 | OFFSET_NOT_AVAILABLE (KIP-207) |
//! | 6 | flexible |
//! | 7 | max timestamp, -3 (KIP-734) |
//! | 8 | earliest local, -4 (KIP-405) |
//! | 9 | latest tiered, -5 (KIP-1005) |
//! | 10 | time-out for remote look-ups (KIP-1075) |
//! | 11 | earliest pending upload, -6 (KIP-1023) |
//!
//! Deviations: nothing is tiered, so -5 and -6 find nothing, as in Kafka without remote storage.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use odeon_model::ErrorCode;
use odeon_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use odeon_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse, list_offsets_request};

use super::lookup;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 1..=11;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// An offset found: its timestamp, itself, its leader epoch.
type Found = (i64, i64, i32);

/// Finds offsets by time or by name.
pub async fn handle(context: &RequestContext, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let committed = request.isolation_level == 1;
    let consumer = request.replica_id < 0;
    let mut asked = count(&request);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let allowed = context.allows_topic(Operation::Describe, &topic.name);
        let asked = asked.entry(topic.name.clone()).or_default();
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            // A partition that is named again is answered once, without an offset.
            let Some(times) = asked.remove(&partition.partition_index) else {
                continue;
            };
            let found = if times > 1 {
                Err(ErrorCode::InvalidRequest)
            } else if allowed {
                find(context, &topic.name, &partition, committed, consumer)
            } else {
                Err(ErrorCode::TopicAuthorizationFailed)
            };
            let mut answer = response(partition.partition_index, found);
            if context.api_version < 4 {
                answer.leader_epoch = -1;
            }
            partitions.push(answer);
        }
        topics.push(ListOffsetsTopicResponse {
            name: topic.name,
            partitions,
            ..Default::default()
        });
    }
    ListOffsetsResponse {
        topics,
        ..Default::default()
    }
}

/// How often each partition is asked for. A name is kept once, however many partitions it has.
fn count(request: &ListOffsetsRequest) -> HashMap<String, HashMap<i32, usize>> {
    let mut asked: HashMap<String, HashMap<i32, usize>> = HashMap::new();
    for topic in &request.topics {
        let partitions = asked.entry(topic.name.clone()).or_default();
        for partition in &topic.partitions {
            *partitions.entry(partition.partition_index).or_default() += 1;
        }
    }
    asked
}

fn response(partition_index: i32, found: Result<Found, ErrorCode>) -> ListOffsetsPartitionResponse {
    let (error, (timestamp, offset, leader_epoch)) = match found {
        Ok(found) => (ErrorCode::None, found),
        Err(code) => (code, (-1, -1, -1)),
    };
    ListOffsetsPartitionResponse {
        partition_index,
        error_code: error.code(),
        timestamp,
        offset,
        leader_epoch,
        ..Default::default()
    }
}

fn not_available(context: &RequestContext) -> ErrorCode {
    match context.api_version {
        ..5 => ErrorCode::LeaderNotAvailable,
        _ => ErrorCode::OffsetNotAvailable,
    }
}

fn find(
    context: &RequestContext,
    topic: &str,
    wanted: &list_offsets_request::ListOffsetsPartition,
    committed: bool,
    consumer: bool,
) -> Result<Found, ErrorCode> {
    let image = context.node().image.get();
    let topic = lookup::topic(&image, topic, odeon_model::Uuid::ZERO)?;
    let view = lookup::route(context, &topic, wanted.partition_index)?.view;
    lookup::check_epoch(wanted.current_leader_epoch, view.leader_epoch)?;
    let bound = match (consumer, committed) {
        (false, _) => view.log_end_offset(),
        (true, true) => view.last_stable_offset(),
        (true, false) => view.high_watermark(),
    };
    let nothing = (-1, -1, -1);
    let reader = &view.reader;
    let epoch_of = |offset| reader.epoch_at(offset).unwrap_or(-1);
    let unsupported = |since| context.api_version < since;
    match wanted.timestamp {
        // A new leader does not know yet how far readers of the old one have got.
        LATEST if consumer && bound < view.epoch_start_offset() => Err(not_available(context)),
        LATEST => Ok((-1, bound, view.leader_epoch)),
        EARLIEST | EARLIEST_LOCAL => {
            if wanted.timestamp == EARLIEST_LOCAL && unsupported(8) {
                return Err(ErrorCode::UnsupportedVersion);
            }
            let start = view.log_start_offset();
            Ok((-1, start, epoch_of(start)))
        }
        MAX_TIMESTAMP if unsupported(7) => Err(ErrorCode::UnsupportedVersion),
        MAX_TIMESTAMP => {
            let found = reader
                .max_timestamp(bound)
                .map_err(|error| lookup::log_error(&error))?;
            Ok(found.map_or(nothing, |at| (at.timestamp, at.offset, epoch_of(at.offset))))
        }
        LATEST_TIERED if unsupported(9) => Err(ErrorCode::UnsupportedVersion),
        EARLIEST_PENDING_UPLOAD if unsupported(11) => Err(ErrorCode::UnsupportedVersion),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok(nothing),
        time if time < 0 => Err(ErrorCode::UnsupportedVersion),
        time => {
            if consumer && bound < view.epoch_start_offset() {
                return Err(not_available(context));
            }
            let found = reader.offset_for_timestamp(time, bound);
            let found = found.map_err(|error| lookup::log_error(&error))?;
            Ok(found.map_or(nothing, |at| (at.timestamp, at.offset, epoch_of(at.offset))))
        }
    }
}
