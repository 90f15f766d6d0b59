//! What the handlers of group APIs share: finding the coordinator, with authorisation.

use odeon_actors::group::GroupHandle;
use odeon_metadata::MetadataImage;
use odeon_model::{ErrorCode, Uuid};

use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The coordinator of a group, if the requester may do `operation` to the group.
///
/// # Errors
/// `GROUP_AUTHORIZATION_FAILED`, `COORDINATOR_NOT_AVAILABLE`, `NOT_COORDINATOR`.
pub fn coordinator(
    context: &RequestContext,
    operation: Operation,
    group_id: &str,
) -> Result<GroupHandle, ErrorCode> {
    if !context.allows_group(operation, group_id) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    let node = context.node();
    node.groups.coordinator(&node.image.get(), group_id)
}

/// The name and id of a topic that a request names by either; an id that is not known is an error.
///
/// # Errors
/// `UNKNOWN_TOPIC_ID`.
pub fn name_topic(
    image: &MetadataImage,
    name: String,
    id: Uuid,
) -> Result<(String, Uuid), ErrorCode> {
    if id.is_zero() {
        let id = image.topic(&name).map_or(Uuid::ZERO, |topic| topic.id);
        return Ok((name, id));
    }
    let topic = image.topic_by_id(id).ok_or(ErrorCode::UnknownTopicId)?;
    Ok((topic.name.to_string(), id))
}
