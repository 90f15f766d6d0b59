//! A record of `__consumer_offsets` in words, for people who look into its log.

use bytes::Bytes;
use odeon_schema::DecodeError;

use super::record::{GroupRecord, decode};

/// What a record says; none for kinds that this version does not know.
///
/// # Errors
/// Key or value are not in the format that their versions name.
pub fn describe_record(key: &Bytes, value: Option<&Bytes>) -> Result<Option<String>, DecodeError> {
    let text = match decode(key, value)? {
        None => return Ok(None),
        Some(GroupRecord::Offset {
            group,
            topic,
            partition,
            value: None,
        }) => format!("group={group} {topic}-{partition}: no offset any more"),
        Some(GroupRecord::Offset {
            group,
            topic,
            partition,
            value: Some(committed),
        }) => format!(
            "group={group} {topic}-{partition}: offset={} leaderEpoch={} committed={} metadata={:?}",
            committed.offset,
            committed.leader_epoch,
            committed.commit_timestamp_ms,
            committed.metadata
        ),
        Some(GroupRecord::Group { group, value: None }) => {
            format!("group={group}: no group any more")
        }
        Some(GroupRecord::Group {
            group,
            value: Some(value),
        }) => {
            let members = value.members.iter().map(|member| &*member.member_id);
            format!(
                "group={group}: generation={} type={} protocol={} leader={} members=[{}]",
                value.generation,
                value.protocol_type,
                value.protocol.as_deref().unwrap_or("-"),
                value.leader.as_deref().unwrap_or("-"),
                members.collect::<Vec<_>>().join(",")
            )
        }
    };
    Ok(Some(text))
}
