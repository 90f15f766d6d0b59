//! A partition's replicas on this node: leader or follower, the leader's published view, and where to
//! find them.
//!
//! ```text
//! Replicas (supervisor)
//! |- PartitionLeader TOPIC-PARTITION     one leader epoch long; restarted within it a few times
//! |- PartitionFollower TOPIC-PARTITION   one leader epoch long
//! `- ReplicaFetcher from NODE            for all partitions followed here that the node leads
//! ```

pub mod follower;
pub mod isr;
pub mod leader;
pub mod newest;
pub mod replication;
pub mod routing;
mod syncing;
pub mod view;

pub use isr::IsrChanger;
pub use leader::{Acks, AppendError, Appended, LeaderHandle, LeaderStatus, Origin};
pub use routing::{Followed, Route, RoutingTable};
pub use view::PartitionView;

use odeon_log::LogError;
use odeon_model::ErrorCode;

/// The code a client gets for a failure of a log.
pub fn log_error_code(error: &LogError) -> ErrorCode {
    match error {
        LogError::Fenced { .. } | LogError::Closed { .. } | LogError::StaleEpoch { .. } => {
            ErrorCode::NotLeaderOrFollower
        }
        LogError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        LogError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        LogError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        LogError::RecordListTooLarge { .. } => ErrorCode::RecordListTooLarge,
        LogError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        // Anything else is the disk's.
        _ => ErrorCode::KafkaStorageError,
    }
}
