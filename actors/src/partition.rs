//! A partition's replicas on this node: the leader, its published view, and where to find both.
//!
//! ```text
//! Replicas (supervisor)
//! `- PartitionLeader TOPIC-PARTITION     one leader epoch long; restarted within it a few times
//! ```

pub mod leader;
pub mod routing;
pub mod view;

pub use leader::{Acks, AppendError, Appended, LeaderHandle, LeaderStatus, Origin};
pub use routing::{Route, RoutingTable};
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
