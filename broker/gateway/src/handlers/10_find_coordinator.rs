//! FindCoordinator (key 10).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served: one group |
//! | 1 | key type (group or transaction), error message |
//! | 3 | flexible |
//! | 4 | many keys in one request (KIP-699) |
//! | 5 | transactions version 2 (KIP-890) |
//! | 6 | share groups (KIP-932) |
//!
//! The first request for a group creates `__consumer_offsets`, as in Kafka; it is answered once the
//! partitions are led, where Kafka lets the client ask again.
//!
//! Deviations: transactions and share groups are not served yet; their keys get INVALID_REQUEST and
//! a message that says so. Below version 4 a transaction's key gets
//! TRANSACTIONAL_ID_AUTHORIZATION_FAILED instead: librdkafka, which asks in these versions, gives up
//! at that code and shows the message, and asks again after any other until its caller's time is
//! over. Java's producer, which asks in version 4, gives up at either and shows the message with
//! INVALID_REQUEST only.

use std::ops::RangeInclusive;

use odeon_actors::controller::NewTopic;
use odeon_actors::group::coordinator_for;
use odeon_actors::node::OFFSETS_TOPIC;
use odeon_model::ErrorCode;
use odeon_protocol::messages::find_coordinator_response::Coordinator;
use odeon_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};

use super::lookup;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=6;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// Says which node coordinates each key.
pub async fn handle(
    context: &RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let many = context.api_version >= 4;
    let keys = if many {
        request.coordinator_keys
    } else {
        vec![request.key]
    };
    let mut coordinators = Vec::with_capacity(keys.len());
    for key in keys {
        coordinators.push(match find(context, request.key_type, &key).await {
            Ok((node_id, host, port)) => Coordinator {
                key,
                node_id,
                host,
                port,
                ..Default::default()
            },
            Err(code) => Coordinator {
                key,
                node_id: -1,
                port: -1,
                error_code: code.code(),
                error_message: Some(message(request.key_type, code).to_owned()),
                ..Default::default()
            },
        });
    }
    if many {
        return FindCoordinatorResponse {
            coordinators,
            ..Default::default()
        };
    }
    let one = coordinators.pop().unwrap_or_default();
    FindCoordinatorResponse {
        error_code: one.error_code,
        error_message: if context.api_version >= 1 {
            one.error_message
        } else {
            None
        },
        node_id: one.node_id,
        host: one.host,
        port: one.port,
        ..Default::default()
    }
}

fn message(key_type: i8, code: ErrorCode) -> &'static str {
    match key_type {
        GROUP => code.message(),
        TRANSACTION => "this broker does not serve transactions",
        _ => "this broker serves coordinators of groups only",
    }
}

async fn find(
    context: &RequestContext,
    key_type: i8,
    key: &str,
) -> Result<(i32, String, i32), ErrorCode> {
    match key_type {
        GROUP => {}
        TRANSACTION if context.api_version < 4 => {
            return Err(ErrorCode::TransactionalIdAuthorizationFailed);
        }
        _ => return Err(ErrorCode::InvalidRequest),
    }
    if !context.allows_group(Operation::Describe, key) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    let node = context.node();
    if node.image.get().topic(OFFSETS_TOPIC).is_none() {
        create_offsets_topic(context).await?;
    }
    let image = node.image.get();
    let topic = image
        .topic(OFFSETS_TOPIC)
        .ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let leader = lookup::leader(topic, coordinator_for(key, topic.partition_count()));
    let endpoint = lookup::endpoint(&image, leader.id, &context.peer.listener);
    let (host, port, _) = endpoint.ok_or(ErrorCode::CoordinatorNotAvailable)?;
    Ok((leader.id, host, port))
}

/// Creates `__consumer_offsets` and waits until its partitions are led.
async fn create_offsets_topic(context: &RequestContext) -> Result<(), ErrorCode> {
    let node = context.node();
    let wanted = NewTopic::automatic(OFFSETS_TOPIC, node.internal_topic(OFFSETS_TOPIC));
    match node.controller.create_topics(vec![wanted], false).await {
        Ok(created) => {
            let ids: Vec<_> = created.iter().map(|topic| topic.topic_id).collect();
            node.until_led(&ids).await;
            Ok(())
        }
        Err(refusal) => {
            tracing::warn!(%refusal, "the topic of committed offsets could not be created");
            Err(ErrorCode::CoordinatorNotAvailable)
        }
    }
}
