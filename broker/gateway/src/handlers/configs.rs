//! What the two APIs that change settings share.

use odeon_actors::controller::{AlterConfigs, ConfigAlteration, ConfigOperation, ConfigResult};
use odeon_metadata::{ConfigResource, ConfigResourceType};
use odeon_model::ErrorCode;

use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;

/// One resource of a request.
#[derive(Debug)]
pub struct Asked {
    /// The resource's kind, as in the request.
    pub resource_type: i8,
    /// Its name.
    pub resource_name: String,
    /// What to do, or why it makes no sense.
    pub operations: Result<Vec<ConfigOperation>, (ErrorCode, String)>,
}

/// What became of one resource.
#[derive(Debug)]
pub struct Answer {
    /// As asked.
    pub resource_type: i8,
    /// As asked.
    pub resource_name: String,
    /// [`ErrorCode::None`], or why not.
    pub code: ErrorCode,
    /// What is wrong.
    pub message: Option<String>,
}

/// Authorises every resource and passes the permitted ones on; answers in the request's order.
pub async fn alter(
    context: &RequestContext,
    asked: Vec<Asked>,
    replace_all: bool,
    validate_only: bool,
) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(asked.len());
    let (mut resources, mut places) = (Vec::new(), Vec::new());
    for asked in asked {
        let resource = resource(context, asked.resource_type, &asked.resource_name);
        let (code, message) = match (resource, asked.operations) {
            (Ok(resource), Ok(operations)) => {
                places.push(answers.len());
                resources.push(ConfigAlteration {
                    resource,
                    operations,
                });
                (ErrorCode::None, None)
            }
            (Err((code, message)), _) | (_, Err((code, message))) => (code, Some(message)),
        };
        answers.push(Answer {
            resource_type: asked.resource_type,
            resource_name: asked.resource_name,
            code,
            message,
        });
    }
    if resources.is_empty() {
        return answers;
    }
    let wanted = AlterConfigs {
        resources,
        replace_all,
        validate_only,
    };
    let results = context.node().controller.alter_configs(wanted).await;
    let results: Vec<(ErrorCode, Option<String>)> = match results {
        Ok(results) => results
            .into_iter()
            .map(|ConfigResult { error, message, .. }| (error, message))
            .collect(),
        Err(refusal) => places
            .iter()
            .map(|_| (refusal.code, refusal.message.clone()))
            .collect(),
    };
    for (place, (code, message)) in places.into_iter().zip(results) {
        if let Some(answer) = answers.get_mut(place) {
            (answer.code, answer.message) = (code, message);
        }
    }
    answers
}

fn resource(
    context: &RequestContext,
    resource_type: i8,
    name: &str,
) -> Result<ConfigResource, (ErrorCode, String)> {
    let refuse = |code: ErrorCode| Err((code, code.message().to_owned()));
    match ConfigResourceType::from_code(resource_type) {
        Some(ConfigResourceType::Topic) => {
            if !context.allows_topic(Operation::AlterConfigs, name) {
                return refuse(ErrorCode::TopicAuthorizationFailed);
            }
            Ok(ConfigResource::topic(name))
        }
        Some(ConfigResourceType::Broker) => {
            if !context.allows_cluster(Operation::AlterConfigs) {
                return refuse(ErrorCode::ClusterAuthorizationFailed);
            }
            Ok(ConfigResource::new(ConfigResourceType::Broker, name))
        }
        Some(ConfigResourceType::Group) => {
            if !context.allows(Operation::AlterConfigs, Resource::group(name)) {
                return refuse(ErrorCode::GroupAuthorizationFailed);
            }
            Ok(ConfigResource::group(name))
        }
        _ => {
            let message = format!("Unexpected resource type {resource_type}.");
            Err((ErrorCode::InvalidRequest, message))
        }
    }
}
