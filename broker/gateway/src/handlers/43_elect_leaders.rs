//! ElectLeaders (key 43).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | preferred leaders (KIP-183) |
//! | 1 | unclean elections (KIP-460) |
//! | 2 | flexible |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::controller::{Election, ElectionResult};
use odeon_model::ErrorCode;
use odeon_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use odeon_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::response::brief;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=2;

/// Elects leaders; each partition has its own answer.
pub async fn handle(
    context: &RequestContext,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    let failed = |code: ErrorCode| ElectLeadersResponse {
        error_code: code.code(),
        ..Default::default()
    };
    if !context.allows_cluster(Operation::Alter) {
        return failed(ErrorCode::ClusterAuthorizationFailed);
    }
    let election = match request.election_type {
        0 => Election::Preferred,
        1 => Election::Unclean,
        _ => return failed(ErrorCode::InvalidRequest),
    };
    let partitions = request.topic_partitions.map(|topics| {
        let topics = topics.into_iter();
        let each = topics.flat_map(|topic| {
            let partitions = topic.partitions.into_iter();
            partitions.map(move |partition| (topic.topic.clone(), partition))
        });
        each.collect()
    });
    let controller = &context.node().controller;
    match controller.elect_leaders(election, partitions).await {
        Ok(results) => ElectLeadersResponse {
            replica_election_results: by_topic(results),
            ..Default::default()
        },
        Err(refusal) => failed(refusal.code),
    }
}

fn by_topic(results: Vec<ElectionResult>) -> Vec<ReplicaElectionResult> {
    let mut topics: Vec<ReplicaElectionResult> = Vec::new();
    for result in results {
        let code = result.error;
        let message = result.message;
        let message = message.or_else(|| code.is_error().then(|| code.message().to_owned()));
        let partition = PartitionResult {
            partition_id: result.partition,
            error_code: code.code(),
            error_message: message.map(brief),
            ..Default::default()
        };
        match topics.last_mut() {
            Some(last) if last.topic == result.topic => last.partition_result.push(partition),
            _ => topics.push(ReplicaElectionResult {
                topic: result.topic,
                partition_result: vec![partition],
                ..Default::default()
            }),
        }
    }
    topics
}
