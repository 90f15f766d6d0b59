//! ListPartitionReassignments (key 46).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the only one (KIP-455) |
//!
//! Answered by any node, from the metadata it has applied. Deviations: none known.

use std::ops::RangeInclusive;

use odeon_model::ErrorCode;
use odeon_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use odeon_protocol::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=0;

/// Lists the reassignments under way, of all partitions or of those asked for.
pub async fn handle(
    context: &RequestContext,
    request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    if !context.allows_cluster(Operation::Describe) {
        return ListPartitionReassignmentsResponse {
            error_code: ErrorCode::ClusterAuthorizationFailed.code(),
            ..Default::default()
        };
    }
    let image = context.node().image.get();
    let wanted: Vec<(String, Vec<i32>)> = match request.topics {
        Some(topics) => topics
            .into_iter()
            .map(|topic| (topic.name, topic.partition_indexes))
            .collect(),
        None => image
            .topics()
            .map(|topic| {
                let partitions = topic.partitions.keys().copied();
                (topic.name.to_string(), partitions.collect())
            })
            .collect(),
    };
    let topics = wanted.into_iter().filter_map(|(name, indexes)| {
        let topic = image.topic(&name)?;
        let moving = indexes.into_iter().filter_map(|partition_index| {
            let partition = topic.partition(partition_index)?;
            partition
                .is_reassigning()
                .then(|| OngoingPartitionReassignment {
                    partition_index,
                    replicas: partition.replicas.clone(),
                    adding_replicas: partition.adding_replicas.clone(),
                    removing_replicas: partition.removing_replicas.clone(),
                    ..Default::default()
                })
        });
        let partitions: Vec<_> = moving.collect();
        (!partitions.is_empty()).then(|| OngoingTopicReassignment {
            name,
            partitions,
            ..Default::default()
        })
    });
    ListPartitionReassignmentsResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}
