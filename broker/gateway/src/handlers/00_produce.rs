//! Produce (key 0).
//!
//! | version | what it brought |
//! |---|---|
//! | 3 | the oldest served: batches of magic 2 |
//! | 5 | log start offset in the answer |
//! | 7 | zstd |
//! | 8 | record errors and error message (KIP-467) |
//! | 9 | flexible |
//! | 10 | current leader and node endpoints (KIP-951) |
//! | 11, 12 | transactions version 2 (KIP-890): the same bytes |
//! | 13 | topics by id (KIP-516) |
//!
//! Deviations: none known. Versions 0 to 2 are advertised as Kafka advertises them, for a client
//! that checks for them, and refused.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use odeon_actors::partition::{Acks, AppendError, Appended, Origin};
use odeon_metadata::MetadataImage;
use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};
use odeon_protocol::messages::{ProduceRequest, ProduceResponse, produce_request};
use odeon_records::{ValidationError, validate};
use tokio::sync::oneshot;

use super::lookup;
use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;
use crate::session::TopicRef;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 3..=13;

/// The client id of Kafka's own admin tools, which may write to internal topics.
const ADMIN_CLIENT: &str = "__admin_client";

/// A Produce whose batches are with their leaders.
#[derive(Debug)]
pub struct PendingProduce {
    topics: Vec<PendingTopic>,
    timeout: Duration,
}

#[derive(Debug)]
struct PendingTopic {
    name: Arc<str>,
    id: Uuid,
    partitions: Vec<(i32, Pending)>,
}

#[derive(Debug)]
enum Pending {
    Refused(Refusal),
    Waiting(oneshot::Receiver<Result<Appended, AppendError>>),
}

#[derive(Debug)]
struct Refusal {
    code: ErrorCode,
    message: Option<String>,
    records: Vec<(i32, String)>,
    /// Told only when records were refused, as Kafka does; -1 otherwise.
    log_start_offset: i64,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
            records: Vec::new(),
            log_start_offset: -1,
        }
    }
}

impl From<ValidationError> for Refusal {
    fn from(error: ValidationError) -> Self {
        Self {
            code: error.error,
            message: Some(error.message),
            records: error.record_errors,
            log_start_offset: -1,
        }
    }
}

/// Checks every batch and hands it to its leader, in the request's order.
pub fn begin(context: &RequestContext, request: ProduceRequest) -> PendingProduce {
    let image = context.node().image.get();
    let acks = acks_of(request.acks);
    let transactional = request.transactional_id.as_deref();
    let allowed = transactional
        .is_none_or(|id| context.allows(Operation::Write, Resource::transactional_id(id)));
    let topics = request
        .topic_data
        .into_iter()
        .map(|topic| {
            let wanted = TopicRef {
                name: topic.name.into(),
                id: topic.topic_id,
            };
            let by_id = context.api_version >= 13;
            let found = lookup::permitted(context, &image, Operation::Write, by_id, &wanted);
            let partitions = topic
                .partition_data
                .into_iter()
                .map(|partition| {
                    let index = partition.index;
                    let pending = (|| {
                        if !allowed {
                            return Err(ErrorCode::TransactionalIdAuthorizationFailed.into());
                        }
                        let topic = found.as_ref().map_err(|code| *code)?;
                        let acks = acks.ok_or(ErrorCode::InvalidRequiredAcks)?;
                        append(context, topic, partition, acks)
                    })();
                    (
                        index,
                        pending.map_or_else(Pending::Refused, Pending::Waiting),
                    )
                })
                .collect();
            PendingTopic {
                name: wanted.name,
                id: wanted.id,
                partitions,
            }
        })
        .collect();
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    PendingProduce { topics, timeout }
}

fn acks_of(acks: i16) -> Option<Acks> {
    match acks {
        0 => Some(Acks::None),
        1 => Some(Acks::Leader),
        -1 => Some(Acks::All),
        _ => None,
    }
}

fn append(
    context: &RequestContext,
    topic: &odeon_metadata::TopicImage,
    partition: produce_request::PartitionProduceData,
    acks: Acks,
) -> Result<oneshot::Receiver<Result<Appended, AppendError>>, Refusal> {
    if lookup::is_internal(&topic.name) && &*context.client_id != ADMIN_CLIENT {
        return Err(ErrorCode::InvalidTopicException.into());
    }
    let route = lookup::route(context, topic, partition.index)?;
    let records = partition.records.unwrap_or_default();
    let rules = route.view.rules(context.now_ms(), context.api_version);
    let batch = validate(records, &rules).map_err(|error| {
        let mut refusal = Refusal::from(error);
        if !refusal.records.is_empty() {
            refusal.log_start_offset = route.view.log_start_offset();
        }
        refusal
    })?;
    if batch.header().is_transactional() {
        // Transactions are not served yet, so no coordinator can have added this partition.
        return Err(ErrorCode::InvalidTxnState.into());
    }
    Ok(route.leader.append(batch, acks, Origin::Client))
}

impl PendingProduce {
    /// Waits for the acknowledgements, at most as long as the client said.
    pub async fn answer(self, context: &RequestContext) -> ProduceResponse {
        let clock = &context.node().clock;
        let mut deadline = clock.sleep(self.timeout);
        let mut responses = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut partition_responses = Vec::with_capacity(topic.partitions.len());
            for (index, pending) in topic.partitions {
                let result = match pending {
                    Pending::Refused(refusal) => Err(refusal),
                    Pending::Waiting(receiver) => tokio::select! {
                        biased;
                        appended = receiver => match appended {
                            Ok(Ok(appended)) => Ok(appended),
                            Ok(Err(AppendError { code, message })) => {
                                Err(Refusal { message, ..code.into() })
                            }
                            // The leader ended with the batch in hand: it may or may not be written.
                            Err(_) => Err(ErrorCode::NotLeaderOrFollower.into()),
                        },
                        () = &mut deadline => Err(ErrorCode::RequestTimedOut.into()),
                    },
                };
                partition_responses.push(partition_response(index, result));
            }
            let (name, topic_id) = (topic.name.to_string(), topic.id);
            responses.push(TopicProduceResponse {
                name,
                topic_id,
                partition_responses,
                ..Default::default()
            });
        }
        let mut response = ProduceResponse {
            responses,
            ..Default::default()
        };
        if context.api_version >= 10 {
            name_leaders(context, &context.node().image.get(), &mut response);
        }
        response
    }
}

fn partition_response(index: i32, result: Result<Appended, Refusal>) -> PartitionProduceResponse {
    match result {
        Ok(appended) => PartitionProduceResponse {
            index,
            base_offset: appended.base_offset,
            log_append_time_ms: appended.log_append_time_ms,
            log_start_offset: appended.log_start_offset,
            ..Default::default()
        },
        Err(refusal) => PartitionProduceResponse {
            index,
            error_code: refusal.code.code(),
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: refusal.log_start_offset,
            record_errors: refusal
                .records
                .into_iter()
                .map(|(batch_index, message)| BatchIndexAndErrorMessage {
                    batch_index,
                    batch_index_error_message: Some(message),
                    ..Default::default()
                })
                .collect(),
            error_message: refusal.message,
            ..Default::default()
        },
    }
}

/// Tells clients who went to the wrong broker which one is right (KIP-951).
fn name_leaders(context: &RequestContext, image: &MetadataImage, response: &mut ProduceResponse) {
    let mut nodes = Vec::new();
    for topic in &mut response.responses {
        let Ok(found) = lookup::topic(image, &topic.name, topic.topic_id) else {
            continue;
        };
        for partition in &mut topic.partition_responses {
            if partition.error_code != ErrorCode::NotLeaderOrFollower.code()
                && partition.error_code != ErrorCode::FencedLeaderEpoch.code()
            {
                continue;
            }
            let leader = lookup::leader(&found, partition.index);
            partition.current_leader = LeaderIdAndEpoch {
                leader_id: leader.id,
                leader_epoch: leader.epoch,
                ..Default::default()
            };
            if leader.id >= 0 && !nodes.contains(&leader.id) {
                nodes.push(leader.id);
            }
        }
    }
    response.node_endpoints = nodes
        .into_iter()
        .filter_map(|node_id| {
            let (host, port, rack) = lookup::endpoint(image, node_id, &context.peer.listener)?;
            Some(NodeEndpoint {
                node_id,
                host,
                port,
                rack,
                ..Default::default()
            })
        })
        .collect();
}

/// Whether any partition failed: with acks=0 the connection is closed then.
pub fn failed(response: &ProduceResponse) -> bool {
    response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses)
        .any(|partition| partition.error_code != 0)
}
