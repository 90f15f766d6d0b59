//! A broker's logs on disk: opening those it leads, setting aside those that nobody claims.

use odeon_log::{Log, LogConfig, LogError, LogManager};
use odeon_model::{TopicId, TopicPartition};

/// The log of a partition, created if it is missing. A folder that a deleted topic of the same name
/// left behind is set aside first.
pub(super) fn open(
    logs: &LogManager,
    partition: &TopicPartition,
    topic_id: TopicId,
    settings: LogConfig,
) -> Result<Log, LogError> {
    match logs.create(partition, topic_id, settings.clone()) {
        Err(LogError::WrongTopicId { found, .. }) => {
            set_aside(logs, partition, found)?;
            logs.create(partition, topic_id, settings)
        }
        other => other,
    }
}

/// Renames the folder of a log that no partition of this broker claims.
pub(super) fn set_aside(
    logs: &LogManager,
    partition: &TopicPartition,
    topic_id: TopicId,
) -> Result<(), LogError> {
    let folder = logs.set_aside(partition)?;
    tracing::warn!(
        %partition,
        %topic_id,
        folder = %folder.display(),
        "no partition of this broker has this log: it is a stray, and kept; remove it by hand, or \
         take it back with `odeon topic adopt`"
    );
    Ok(())
}
