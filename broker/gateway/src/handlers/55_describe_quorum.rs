//! DescribeQuorum (key 55).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served (KIP-595) |
//! | 1 | fetch and caught-up times (KIP-836) |
//! | 2 | directory ids, nodes and their endpoints (KIP-853) |
//!
//! Any node answers, with what the leader says. Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::node::QuorumStatus;
use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use odeon_protocol::messages::{DescribeQuorumRequest, DescribeQuorumResponse};

use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=2;

const METADATA_TOPIC: &str = "__cluster_metadata";

/// Describes the metadata quorum.
pub async fn handle(
    context: &RequestContext,
    request: DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    if !context.allows_cluster(Operation::Describe) {
        let error_code = ErrorCode::ClusterAuthorizationFailed.code();
        return DescribeQuorumResponse {
            error_code,
            ..Default::default()
        };
    }
    let valid = matches!(
        request.topics.as_slice(),
        [topic] if topic.topic_name == METADATA_TOPIC
            && matches!(topic.partitions.as_slice(), [one] if one.partition_index == 0)
    );
    if !valid {
        return failed(request, ErrorCode::UnknownTopicOrPartition);
    }
    let Ok(status) = context.node().quorum.describe().await else {
        return failed(request, ErrorCode::NotLeaderOrFollower);
    };
    let replica = |progress: &odeon_actors::node::ReplicaProgress| ReplicaState {
        replica_id: progress.node_id,
        replica_directory_id: if context.api_version >= 2 {
            progress.directory_id
        } else {
            Uuid::ZERO
        },
        log_end_offset: progress.log_end_offset,
        last_fetch_timestamp: progress.last_fetch_timestamp_ms,
        last_caught_up_timestamp: progress.last_caught_up_timestamp_ms,
        ..Default::default()
    };
    let partition = PartitionData {
        partition_index: 0,
        leader_id: status.leader_id,
        leader_epoch: i32::try_from(status.leader_epoch).unwrap_or(i32::MAX),
        high_watermark: status.high_watermark,
        current_voters: status.voters.iter().map(replica).collect(),
        observers: status.observers.iter().map(replica).collect(),
        ..Default::default()
    };
    let topic_name = METADATA_TOPIC.to_owned();
    let topic = TopicData {
        topic_name,
        partitions: vec![partition],
        ..Default::default()
    };
    let nodes = if context.api_version >= 2 {
        nodes(context, &status)
    } else {
        Vec::new()
    };
    DescribeQuorumResponse {
        topics: vec![topic],
        nodes,
        ..Default::default()
    }
}

/// Where the voters are reached: at their controllers' listener, or, where they do not say, at their
/// brokers' listeners, where a controller answers as well.
fn nodes(context: &RequestContext, status: &QuorumStatus) -> Vec<Node> {
    let image = context.node().image.get();
    let names = &context.node().config.network.controller_listener_names;
    let at_controller = |endpoint: &str| {
        let (host, port) = endpoint.rsplit_once(':')?;
        Some(Listener {
            name: names.first()?.clone(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.parse().ok()?,
            ..Default::default()
        })
    };
    let at_broker = |id: i32| {
        let broker = image.broker(id);
        let endpoints = broker.into_iter().flat_map(|broker| &broker.endpoints);
        let listeners = endpoints.map(|endpoint| Listener {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            ..Default::default()
        });
        listeners.collect()
    };
    let nodes = status.voters.iter().map(|voter| Node {
        node_id: voter.node_id,
        listeners: match at_controller(&voter.endpoint) {
            Some(listener) => vec![listener],
            None => at_broker(voter.node_id),
        },
        ..Default::default()
    });
    nodes.collect()
}

fn failed(request: DescribeQuorumRequest, code: ErrorCode) -> DescribeQuorumResponse {
    let topics = request.topics.into_iter().map(|topic| TopicData {
        topic_name: topic.topic_name,
        partitions: topic
            .partitions
            .into_iter()
            .map(|partition| PartitionData {
                partition_index: partition.partition_index,
                error_code: code.code(),
                error_message: Some(code.message().to_owned()),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    DescribeQuorumResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}
