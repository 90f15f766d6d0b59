//! Metadata (key 3).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | an empty list means all topics |
//! | 1 | null means all topics, an empty list none; racks, controller id, internal flag |
//! | 2 | cluster id |
//! | 4 | `allow_auto_topic_creation` |
//! | 5 | offline replicas |
//! | 7 | leader epoch |
//! | 8 | authorised operations on request (KIP-430) |
//! | 9 | flexible |
//! | 10, 12 | topic ids; topics asked by id (KIP-516) |
//! | 11 | no more authorised operations of the cluster (KIP-700) |
//! | 13 | top-level error code (KIP-1102) |
//!
//! Topics are created on the way when both the broker (`auto.create.topics.enable`) and the request
//! allow it; the first answer says LEADER_NOT_AVAILABLE until the partitions are led.
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::controller::NewTopic;
use odeon_metadata::{MetadataImage, TopicImage};
use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::metadata_request::MetadataRequestTopic;
use odeon_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use odeon_protocol::messages::{MetadataRequest, MetadataResponse};

use super::lookup;
use crate::authorizer::{Operation, Resource, ResourceKind};
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=13;

/// "Not asked for", in place of a bit field of authorised operations.
const OPERATIONS_OMITTED: i32 = i32::MIN;

/// Describes the cluster and the topics asked for.
pub async fn handle(context: &RequestContext, request: MetadataRequest) -> MetadataResponse {
    let image = context.node().image.get();
    if let Some(refused) = ids_too_early(context, &request) {
        return refused;
    }
    let with_operations = request.include_topic_authorized_operations;
    // The field came in version 8 and went in version 11.
    let operations_wanted = request.include_cluster_authorized_operations;
    let topics = match asked(context, &request) {
        Asked::All => image
            .topics()
            .filter(|topic| context.allows_topic(Operation::Describe, &topic.name))
            .map(|topic| describe(context, &image, topic, with_operations))
            .collect(),
        Asked::Some(topics) => some(context, &image, topics, &request).await,
    };
    MetadataResponse {
        brokers: brokers(context, &image),
        cluster_id: Some(context.node().cluster_id.to_string()),
        controller_id: controller(context, &image),
        topics,
        cluster_authorized_operations: cluster_operations(context, operations_wanted),
        ..Default::default()
    }
}

/// The bit field of what the requester may do to the cluster; none of it without Describe.
pub fn cluster_operations(context: &RequestContext, wanted: bool) -> i32 {
    match wanted {
        false => OPERATIONS_OMITTED,
        true if !context.allows_cluster(Operation::Describe) => 0,
        true => context.authorized_operations(ResourceKind::Cluster, Resource::CLUSTER.name),
    }
}

/// Versions 10 and 11 have topic ids in their requests, but answers that cannot do without a name:
/// such a request is refused, every topic of it.
fn ids_too_early(context: &RequestContext, request: &MetadataRequest) -> Option<MetadataResponse> {
    let topics = request
        .topics
        .as_ref()
        .filter(|_| context.api_version < 12)?;
    if topics
        .iter()
        .all(|topic| topic.name.is_some() && topic.topic_id.is_zero())
    {
        return None;
    }
    let refuse = |topic: &MetadataRequestTopic| {
        let name = topic.name.clone().unwrap_or_default();
        refused(Some(name), topic.topic_id, ErrorCode::InvalidRequest)
    };
    let topics = topics.iter().map(refuse).collect();
    Some(MetadataResponse {
        topics,
        ..Default::default()
    })
}

enum Asked {
    All,
    Some(Vec<(Option<String>, Uuid)>),
}

fn asked(context: &RequestContext, request: &MetadataRequest) -> Asked {
    match &request.topics {
        None => Asked::All,
        Some(topics) if topics.is_empty() && context.api_version == 0 => Asked::All,
        Some(topics) => Asked::Some(
            topics
                .iter()
                .map(|topic| (topic.name.clone(), topic.topic_id))
                .collect(),
        ),
    }
}

/// The brokers that a client may talk to through the listener it came by.
pub fn brokers(context: &RequestContext, image: &MetadataImage) -> Vec<MetadataResponseBroker> {
    image
        .brokers()
        .filter(|broker| !broker.fenced)
        .filter_map(|broker| {
            let node_id = broker.id;
            let (host, port, rack) = lookup::endpoint(image, node_id, &context.peer.listener)?;
            Some(MetadataResponseBroker {
                node_id,
                host,
                port,
                rack,
                ..Default::default()
            })
        })
        .collect()
}

/// The broker that admin requests go to: any live one, they are forwarded. Here: ourselves.
pub fn controller(context: &RequestContext, image: &MetadataImage) -> i32 {
    let local = context.node().node_id;
    let live = image
        .brokers()
        .any(|broker| broker.id == local && !broker.fenced);
    if live { local } else { -1 }
}

async fn some(
    context: &RequestContext,
    image: &MetadataImage,
    asked: Vec<(Option<String>, Uuid)>,
    request: &MetadataRequest,
) -> Vec<MetadataResponseTopic> {
    let with_operations = request.include_topic_authorized_operations;
    let mut answers = Vec::with_capacity(asked.len());
    let mut missing = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (name, id) in asked {
        if !seen.insert((name.clone(), id)) {
            continue;
        }
        match (name, id) {
            (None, id) => answers.push(match image.topic_by_id(id) {
                Some(topic) if context.allows_topic(Operation::Describe, &topic.name) => {
                    describe(context, image, topic, with_operations)
                }
                // A topic that may not be seen looks like one that is not there.
                _ => refused(None, id, ErrorCode::UnknownTopicId),
            }),
            (Some(name), _) if !context.allows_topic(Operation::Describe, &name) => {
                answers.push(refused(
                    Some(name),
                    Uuid::ZERO,
                    ErrorCode::TopicAuthorizationFailed,
                ));
            }
            (Some(name), _) => match image.topic(&name) {
                Some(topic) => answers.push(describe(context, image, topic, with_operations)),
                None => missing.push(name),
            },
        }
    }
    let create = request.allow_auto_topic_creation || context.api_version < 4;
    answers.extend(absent(context, missing, create).await);
    answers
}

/// Answers for topics that are not there, creating them when that is allowed.
async fn absent(
    context: &RequestContext,
    names: Vec<String>,
    create: bool,
) -> Vec<MetadataResponseTopic> {
    let node = context.node();
    let mut answers = Vec::with_capacity(names.len());
    let mut wanted = Vec::new();
    for name in names {
        if let Err(code) = odeon_actors::controller::check_topic_name(&name) {
            answers.push(refused(Some(name), Uuid::ZERO, code));
        } else if !(create && node.config.topics.auto_create_topics_enable) {
            answers.push(refused(
                Some(name),
                Uuid::ZERO,
                ErrorCode::UnknownTopicOrPartition,
            ));
        } else if !context.allows_cluster(Operation::Create)
            && !context.allows_topic(Operation::Create, &name)
        {
            answers.push(refused(
                Some(name),
                Uuid::ZERO,
                ErrorCode::TopicAuthorizationFailed,
            ));
        } else {
            wanted.push(NewTopic::automatic(&name, node.internal_topic(&name)));
        }
    }
    if wanted.is_empty() {
        return answers;
    }
    let names: Vec<String> = wanted.iter().map(|topic| topic.name.to_string()).collect();
    let created = node.controller.create_topics(wanted, false).await;
    for (index, name) in names.into_iter().enumerate() {
        let code = match &created {
            Ok(results) => results
                .get(index)
                .map_or(ErrorCode::UnknownServerError, |r| r.error),
            Err(refusal) => refusal.code,
        };
        let code = match code {
            // The next request finds it led.
            ErrorCode::None | ErrorCode::TopicAlreadyExists => ErrorCode::LeaderNotAvailable,
            ErrorCode::InvalidReplicationFactor | ErrorCode::InvalidTopicException => code,
            ErrorCode::PolicyViolation => ErrorCode::PolicyViolation,
            _ => ErrorCode::UnknownTopicOrPartition,
        };
        answers.push(refused(Some(name), Uuid::ZERO, code));
    }
    answers
}

fn refused(name: Option<String>, topic_id: Uuid, code: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: code.code(),
        is_internal: name.as_deref().is_some_and(lookup::is_internal),
        name,
        topic_id,
        topic_authorized_operations: OPERATIONS_OMITTED,
        ..Default::default()
    }
}

fn describe(
    context: &RequestContext,
    image: &MetadataImage,
    topic: &TopicImage,
    with_operations: bool,
) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().map(|(index, partition)| {
        let reachable = |id: &i32| {
            let broker = image.broker(*id).filter(|broker| !broker.fenced);
            broker.is_some_and(|broker| broker.endpoint(&context.peer.listener).is_some())
        };
        let leader = Some(partition.leader).filter(reachable);
        let offline = |id: &&i32| image.broker(**id).is_none_or(|broker| broker.fenced);
        MetadataResponsePartition {
            error_code: if leader.is_some() {
                0
            } else {
                ErrorCode::LeaderNotAvailable.code()
            },
            partition_index: *index,
            leader_id: leader.unwrap_or(-1),
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            offline_replicas: partition.replicas.iter().filter(offline).copied().collect(),
            ..Default::default()
        }
    });
    MetadataResponseTopic {
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: lookup::is_internal(&topic.name),
        partitions: partitions.collect(),
        topic_authorized_operations: if with_operations {
            context.authorized_operations(ResourceKind::Topic, &topic.name)
        } else {
            OPERATIONS_OMITTED
        },
        ..Default::default()
    }
}
