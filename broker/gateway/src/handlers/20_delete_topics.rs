//! DeleteTopics (key 20).
//!
//! | version | what it brought |
//! |---|---|
//! | 1 | the oldest served |
//! | 4 | flexible |
//! | 5 | error message (KIP-599) |
//! | 6 | by topic id (KIP-516) |
//!
//! Deviations: none known.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use odeon_actors::controller::TopicRef;
use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::delete_topics_response::DeletableTopicResult;
use odeon_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::response::brief;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 1..=6;

/// Deletes topics; each has its own answer.
pub async fn handle(
    context: &RequestContext,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let asked: Vec<(Option<String>, Uuid)> = if context.api_version >= 6 {
        request
            .topics
            .into_iter()
            .map(|topic| (topic.name, topic.topic_id))
            .collect()
    } else {
        request
            .topic_names
            .into_iter()
            .map(|name| (Some(name), Uuid::ZERO))
            .collect()
    };
    let mut responses = Vec::with_capacity(asked.len());
    if !context.node().config.topics.delete_topic_enable {
        let code = if context.api_version < 3 {
            ErrorCode::InvalidRequest
        } else {
            ErrorCode::TopicDeletionDisabled
        };
        responses.extend(asked.into_iter().map(|(name, id)| refused(name, id, code)));
        return DeleteTopicsResponse {
            responses,
            ..Default::default()
        };
    }
    let (asked, repeated) = once(asked);
    for (name, id) in repeated {
        let message = match &name {
            Some(_) => "Duplicate topic name.",
            None => "Duplicate topic id.",
        };
        responses.push(DeletableTopicResult {
            error_message: Some(message.to_owned()),
            ..refused(name, id, ErrorCode::InvalidRequest)
        });
    }
    let mut wanted = Vec::new();
    for (name, id) in asked {
        match permitted(context, &name, id) {
            Ok(topic) => wanted.push((topic, name, id)),
            Err(code) => responses.push(refused(name, id, code)),
        }
    }
    let topics: Vec<TopicRef> = wanted.iter().map(|(topic, _, _)| topic.clone()).collect();
    if topics.is_empty() {
        return DeleteTopicsResponse {
            responses,
            ..Default::default()
        };
    }
    let image = context.node().image.get();
    match context.node().controller.delete_topics(topics).await {
        Ok(results) => {
            for ((_, name, id), result) in wanted.into_iter().zip(results) {
                let known = name.as_deref().and_then(|name| image.topic(name));
                let topic_id = known.map_or(id, |topic| topic.id);
                responses.push(DeletableTopicResult {
                    name: result.name.or(name),
                    topic_id: if result.topic_id.is_zero() {
                        topic_id
                    } else {
                        result.topic_id
                    },
                    error_code: result.error.code(),
                    error_message: result
                        .message
                        .or_else(|| {
                            result
                                .error
                                .is_error()
                                .then(|| result.error.message().into())
                        })
                        .map(brief),
                    ..Default::default()
                });
            }
        }
        Err(refusal) => {
            responses.extend(
                wanted
                    .into_iter()
                    .map(|(_, name, id)| refused(name, id, refusal.code)),
            );
        }
    }
    DeleteTopicsResponse {
        responses,
        ..Default::default()
    }
}

type Named = (Option<String>, Uuid);

/// What is named once, and what is named more than once: that is refused, and stays.
fn once(asked: Vec<Named>) -> (Vec<Named>, Vec<Named>) {
    let mut times: HashMap<Named, usize> = HashMap::new();
    for named in &asked {
        *times.entry(named.clone()).or_default() += 1;
    }
    let (mut single, mut repeated) = (Vec::new(), Vec::new());
    for named in asked {
        match times.remove(&named) {
            Some(1) => single.push(named),
            Some(_) => repeated.push(named),
            None => {}
        }
    }
    (single, repeated)
}

fn permitted(
    context: &RequestContext,
    name: &Option<String>,
    id: Uuid,
) -> Result<TopicRef, ErrorCode> {
    let image = context.node().image.get();
    match name {
        Some(_) if !id.is_zero() => Err(ErrorCode::InvalidRequest),
        Some(name) if !context.allows_topic(Operation::Delete, name) => {
            Err(ErrorCode::TopicAuthorizationFailed)
        }
        Some(name) => Ok(TopicRef::Name(name.clone())),
        None => {
            let topic = image.topic_by_id(id).ok_or(ErrorCode::UnknownTopicId)?;
            if !context.allows_topic(Operation::Delete, &topic.name) {
                // An id must not tell that a topic is there.
                let visible = context.allows_topic(Operation::Describe, &topic.name);
                return Err(if visible {
                    ErrorCode::TopicAuthorizationFailed
                } else {
                    ErrorCode::UnknownTopicId
                });
            }
            Ok(TopicRef::Id(id))
        }
    }
}

fn refused(name: Option<String>, topic_id: Uuid, code: ErrorCode) -> DeletableTopicResult {
    DeletableTopicResult {
        name,
        topic_id,
        error_code: code.code(),
        error_message: Some(code.message().to_owned()),
        ..Default::default()
    }
}
