//! From a topic's name or id and a partition's index to its route, with the code a client expects
//! when there is none.

use std::collections::HashSet;
use std::sync::Arc;

use odeon_actors::partition::Route;
use odeon_metadata::{MetadataImage, TopicImage};
use odeon_model::{ErrorCode, LeaderEpoch, NodeId, PartitionId, Uuid};

use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::session::TopicRef;

/// Topics that Odeon keeps for itself; clients may read them but not write.
pub fn is_internal(name: &str) -> bool {
    matches!(
        name,
        "__consumer_offsets" | "__transaction_state" | "__share_group_state"
    )
}

/// The names that come more than once.
pub fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> HashSet<String> {
    let mut seen = HashSet::new();
    names
        .filter(|name| !seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

/// Finds a topic by id when the request names one, else by name.
///
/// # Errors
/// `UNKNOWN_TOPIC_ID` or `UNKNOWN_TOPIC_OR_PARTITION`.
pub fn topic(image: &MetadataImage, name: &str, id: Uuid) -> Result<Arc<TopicImage>, ErrorCode> {
    if id.is_zero() {
        return image
            .topic(name)
            .cloned()
            .ok_or(ErrorCode::UnknownTopicOrPartition);
    }
    image
        .topic_by_id(id)
        .cloned()
        .ok_or(ErrorCode::UnknownTopicId)
}

/// Finds a topic that the requester may do `operation` to. A name that is not known is refused like
/// one that may not be touched, so that a refusal does not tell what is there.
///
/// # Errors
/// As [`topic`], `UNKNOWN_TOPIC_ID` for a zero id, and `TOPIC_AUTHORIZATION_FAILED`.
pub fn permitted(
    context: &RequestContext,
    image: &MetadataImage,
    operation: Operation,
    by_id: bool,
    wanted: &TopicRef,
) -> Result<Arc<TopicImage>, ErrorCode> {
    if by_id && wanted.id.is_zero() {
        return Err(ErrorCode::UnknownTopicId);
    }
    let found = topic(image, &wanted.name, wanted.id);
    let name = match &found {
        Ok(topic) => &*topic.name,
        Err(_) if by_id => return found,
        Err(_) => &wanted.name,
    };
    if context.allows_topic(operation, name) {
        found
    } else {
        Err(ErrorCode::TopicAuthorizationFailed)
    }
}

/// Who leads a partition, as the image says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leader {
    /// The leader's id, -1 for none.
    pub id: NodeId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
}

/// Finds the local leader of a partition.
///
/// # Errors
/// `UNKNOWN_TOPIC_OR_PARTITION` when the topic has no such partition, `NOT_LEADER_OR_FOLLOWER` when
/// another node leads it, or the local leader is just starting.
pub fn route(
    context: &RequestContext,
    topic: &TopicImage,
    partition: PartitionId,
) -> Result<Route, ErrorCode> {
    if topic.partition(partition).is_none() {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    context
        .node()
        .routing
        .get(topic.id, partition)
        .ok_or(ErrorCode::NotLeaderOrFollower)
}

/// Who leads a partition by the image, for the `current_leader` of an answer.
pub fn leader(topic: &TopicImage, partition: PartitionId) -> Leader {
    topic
        .partition(partition)
        .map_or(Leader { id: -1, epoch: -1 }, |partition| Leader {
            id: partition.leader,
            epoch: partition.leader_epoch,
        })
}

/// Where a client that came by a listener finds a node: host, port and rack.
pub fn endpoint(
    image: &MetadataImage,
    node: NodeId,
    listener: &str,
) -> Option<(String, i32, Option<String>)> {
    let broker = image.broker(node)?;
    let endpoint = broker.endpoint(listener)?;
    Some((
        endpoint.host.clone(),
        endpoint.port.into(),
        broker.rack.clone(),
    ))
}

/// Checks the leader epoch a client believes in against the local leader's.
///
/// # Errors
/// `FENCED_LEADER_EPOCH` when the client is behind, `UNKNOWN_LEADER_EPOCH` when it is ahead.
pub fn check_epoch(believed: LeaderEpoch, actual: LeaderEpoch) -> Result<(), ErrorCode> {
    match believed {
        -1 => Ok(()),
        believed if believed < actual => Err(ErrorCode::FencedLeaderEpoch),
        believed if believed > actual => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// The code a client gets for a failed read of a log.
pub fn log_error(error: &odeon_log::LogError) -> ErrorCode {
    odeon_actors::partition::log_error_code(error)
}
