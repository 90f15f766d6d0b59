//! AlterPartitionReassignments (key 45).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served (KIP-455) |
//! | 1 | whether the replication factor may change (KIP-860) |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::controller::{Reassignment, Refusal};
use odeon_model::ErrorCode;
use odeon_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use odeon_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};

use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::response::brief;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=1;

/// Moves replicas, or takes moves back; each partition has its own answer.
pub async fn handle(
    context: &RequestContext,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let may_change = request.allow_replication_factor_change;
    let response = AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: may_change,
        ..Default::default()
    };
    let failed = |refusal: Refusal| AlterPartitionReassignmentsResponse {
        error_code: refusal.code.code(),
        error_message: refusal.message.map(brief),
        ..response.clone()
    };
    if !context.allows_cluster(Operation::Alter) {
        return failed(ErrorCode::ClusterAuthorizationFailed.into());
    }
    let mut wanted = Vec::new();
    let mut shape = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        shape.push((topic.name.clone(), topic.partitions.len()));
        let each = topic.partitions.into_iter();
        wanted.extend(each.map(|partition| Reassignment {
            topic: topic.name.clone(),
            partition: partition.partition_index,
            replicas: partition.replicas,
        }));
    }
    let indexes: Vec<i32> = wanted.iter().map(|one| one.partition).collect();
    let results = match context.node().controller.reassign(wanted, may_change).await {
        Ok(results) => results,
        Err(refusal) => return failed(refusal),
    };
    let mut results = indexes.into_iter().zip(results).map(one);
    let topics = shape
        .into_iter()
        .map(|(name, count)| ReassignableTopicResponse {
            name,
            partitions: results.by_ref().take(count).collect(),
            ..Default::default()
        });
    AlterPartitionReassignmentsResponse {
        responses: topics.collect(),
        ..response.clone()
    }
}

fn one((partition_index, result): (i32, Result<(), Refusal>)) -> ReassignablePartitionResponse {
    let refusal = result.err();
    ReassignablePartitionResponse {
        partition_index,
        error_code: refusal.as_ref().map_or(0, |refusal| refusal.code.code()),
        error_message: refusal.map(|refusal| {
            let code = refusal.code;
            brief(refusal.message.unwrap_or_else(|| code.message().to_owned()))
        }),
        ..Default::default()
    }
}
