//! AlterReplicaLogDirs (key 34).
//!
//! | version | what it brought |
//! |---|---|
//! | 1 | the oldest served (KIP-113) |
//! | 2 | flexible |
//!
//! A partition without a replica here is made in that directory once it comes, and answered
//! REPLICA_NOT_AVAILABLE. Deviations: none known.

use std::ops::RangeInclusive;
use std::path::Path;

use odeon_log::{LogError, LogManager};
use odeon_model::{ErrorCode, TopicPartition};
use odeon_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use odeon_protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};

use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 1..=2;

/// Begins to move replicas to other log directories; each has its own answer.
pub async fn handle(
    context: &RequestContext,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    let is_allowed = context.allows_cluster(Operation::Alter);
    let logs = context.node().logs.clone();
    let moved = context.node().blocking.run(move || {
        let mut results: Vec<AlterReplicaLogDirTopicResult> = Vec::new();
        for dir in request.dirs {
            for topic in dir.topics {
                let each = topic.partitions.into_iter().map(|partition_index| {
                    let name = TopicPartition::new(&*topic.name, partition_index);
                    let code = match is_allowed {
                        true => begin(&logs, &name, Path::new(&dir.path)),
                        false => ErrorCode::ClusterAuthorizationFailed,
                    };
                    AlterReplicaLogDirPartitionResult {
                        partition_index,
                        error_code: code.code(),
                        ..Default::default()
                    }
                });
                let partitions: Vec<_> = each.collect();
                let known = results
                    .iter_mut()
                    .find(|known| known.topic_name == topic.name);
                match known {
                    Some(known) => known.partitions.extend(partitions),
                    None => results.push(AlterReplicaLogDirTopicResult {
                        topic_name: topic.name,
                        partitions,
                        ..Default::default()
                    }),
                }
            }
        }
        results
    });
    AlterReplicaLogDirsResponse {
        results: moved.await,
        ..Default::default()
    }
}

fn begin(logs: &LogManager, partition: &TopicPartition, dir: &Path) -> ErrorCode {
    let begun = match logs.begin_move(partition, dir) {
        Err(LogError::NoSuchLog { .. }) => logs
            .prefer(partition, dir)
            .and(Ok(ErrorCode::ReplicaNotAvailable)),
        other => other.map(|_| ErrorCode::None),
    };
    begun.unwrap_or_else(|error| match error {
        LogError::NoSuchDirectory { .. } => ErrorCode::LogDirNotFound,
        LogError::Closed { .. } => ErrorCode::ReplicaNotAvailable,
        _ => ErrorCode::KafkaStorageError,
    })
}
