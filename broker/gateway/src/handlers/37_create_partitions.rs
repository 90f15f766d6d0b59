//! CreatePartitions (key 37).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served |
//! | 2 | flexible |
//! | 3 | mutation quotas (KIP-599) |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_actors::controller::NewPartitions;
use odeon_model::ErrorCode;
use odeon_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use odeon_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::lookup;
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::response::brief;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=3;

/// Adds partitions to topics; each has its own answer.
pub async fn handle(
    context: &RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    let mut wanted = Vec::new();
    let names = request.topics.iter().map(|topic| &*topic.name);
    let repeated = lookup::repeated(names);
    let message = "Duplicate topic name.";
    results.extend(repeated.iter().map(|name| {
        let (name, message) = (name.clone(), Some(message.to_owned()));
        result(name, ErrorCode::InvalidRequest, message)
    }));
    for topic in request.topics {
        if repeated.contains(&topic.name) {
            continue;
        }
        if !context.allows_topic(Operation::Alter, &topic.name) {
            results.push(result(
                topic.name,
                ErrorCode::TopicAuthorizationFailed,
                None,
            ));
        } else {
            let assignments = topic.assignments.map(|assignments| {
                assignments
                    .into_iter()
                    .map(|assignment| assignment.broker_ids)
                    .collect()
            });
            wanted.push(NewPartitions {
                name: topic.name,
                count: topic.count,
                assignments,
            });
        }
    }
    if !wanted.is_empty() {
        let asked: Vec<String> = wanted.iter().map(|topic| topic.name.clone()).collect();
        match context
            .node()
            .controller
            .create_partitions(wanted, request.validate_only)
            .await
        {
            Ok(done) => {
                if !request.validate_only {
                    let ids: Vec<_> = done.iter().map(|topic| topic.topic_id).collect();
                    context.node().until_led(&ids).await;
                }
                let done = asked.into_iter().zip(done);
                results.extend(done.map(|(name, one)| result(name, one.error, one.message)));
            }
            Err(refusal) => results.extend(
                asked
                    .into_iter()
                    .map(|name| result(name, refusal.code, refusal.message.clone())),
            ),
        }
    }
    CreatePartitionsResponse {
        results,
        ..Default::default()
    }
}

fn result(name: String, code: ErrorCode, message: Option<String>) -> CreatePartitionsTopicResult {
    CreatePartitionsTopicResult {
        name,
        error_code: code.code(),
        error_message: message
            .or_else(|| code.is_error().then(|| code.message().to_owned()))
            .map(brief),
        ..Default::default()
    }
}
