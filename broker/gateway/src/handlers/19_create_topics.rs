//! CreateTopics (key 19).
//!
//! | version | what it brought |
//! |---|---|
//! | 2 | the oldest served |
//! | 4 | -1 for the default number of partitions and replicas (KIP-464) |
//! | 5 | flexible; partitions, replicas and configs in the answer (KIP-525) |
//! | 7 | topic id (KIP-516) |
//!
//! Deviations: none known.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use odeon_actors::controller::{NewTopic, TopicCreation};
use odeon_model::ErrorCode;
use odeon_protocol::messages::create_topics_request::CreatableTopic;
use odeon_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use odeon_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};

use super::lookup;
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::response::brief;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 2..=7;

/// Creates topics; each has its own answer, in the order of the request.
pub async fn handle(
    context: &RequestContext,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let may_create_all = context.allows_cluster(Operation::Create);
    // A topic that is named twice is answered once.
    let names = request.topics.iter().map(|topic| &*topic.name);
    let mut repeated = lookup::repeated(names);
    let mut told = HashSet::new();
    let mut results: Vec<CreatableTopicResult> = Vec::with_capacity(request.topics.len());
    let (mut wanted, mut places) = (Vec::new(), Vec::new());
    for topic in request.topics {
        let name = topic.name.clone();
        if told.contains(&name) {
            continue;
        }
        if let Some(name) = repeated.take(&name) {
            let message = Some("Duplicate topic name.".to_owned());
            results.push(refused(name.clone(), ErrorCode::InvalidRequest, message));
            told.insert(name);
        } else if !may_create_all && !context.allows_topic(Operation::Create, &name) {
            results.push(refused(name, ErrorCode::TopicAuthorizationFailed, None));
        } else if name == "__cluster_metadata" {
            let message = format!("Creation of internal topic {name} is prohibited.");
            results.push(refused(name, ErrorCode::InvalidRequest, Some(message)));
        } else {
            places.push(results.len());
            results.push(refused(name, ErrorCode::UnknownServerError, None));
            wanted.push(new_topic(topic));
        }
    }
    if !wanted.is_empty() {
        match context
            .node()
            .controller
            .create_topics(wanted, request.validate_only)
            .await
        {
            Ok(created) => {
                if !request.validate_only {
                    let ids: Vec<_> = created.iter().map(|topic| topic.topic_id).collect();
                    context.node().until_led(&ids).await;
                }
                for (place, created) in places.into_iter().zip(created) {
                    if let Some(result) = results.get_mut(place) {
                        *result = answer(context, created);
                    }
                }
            }
            Err(refusal) => {
                for place in places {
                    if let Some(result) = results.get_mut(place) {
                        let name = std::mem::take(&mut result.name);
                        *result = refused(name, refusal.code, refusal.message.clone());
                    }
                }
            }
        }
    }
    CreateTopicsResponse {
        topics: results,
        ..Default::default()
    }
}

fn new_topic(topic: CreatableTopic) -> NewTopic {
    let assignments = topic
        .assignments
        .into_iter()
        .map(|a| (a.partition_index, a.broker_ids));
    NewTopic {
        name: topic.name,
        num_partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.collect(),
        configs: topic
            .configs
            .into_iter()
            .map(|config| (config.name, config.value))
            .collect(),
        origin: None,
        topic_id: None,
    }
}

fn refused(name: String, code: ErrorCode, message: Option<String>) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        error_code: code.code(),
        error_message: Some(brief(message.unwrap_or_else(|| code.message().to_owned()))),
        num_partitions: -1,
        replication_factor: -1,
        configs: Some(Vec::new()),
        ..Default::default()
    }
}

fn answer(context: &RequestContext, created: TopicCreation) -> CreatableTopicResult {
    if created.error.is_error() {
        return refused(created.name, created.error, created.message);
    }
    let mut result = CreatableTopicResult {
        topic_id: created.topic_id,
        num_partitions: created.num_partitions,
        replication_factor: created.replication_factor,
        error_message: None,
        ..Default::default()
    };
    if context.allows_topic(Operation::DescribeConfigs, &created.name) {
        let configs = context.node().describe_topic(&created.configs);
        let configs = configs.into_iter().map(|config| CreatableTopicConfigs {
            name: config.name.to_string(),
            value: config.value,
            read_only: config.read_only,
            config_source: config.source.code(),
            is_sensitive: config.is_sensitive,
            ..Default::default()
        });
        result.configs = Some(configs.collect());
    } else {
        result.topic_config_error_code = ErrorCode::TopicAuthorizationFailed.code();
        (result.num_partitions, result.replication_factor) = (-1, -1);
    }
    result.name = created.name;
    result
}
