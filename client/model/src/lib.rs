//! The words that every room shares: ids, offsets, epochs, error codes and the config registry.
//!
//! No I/O, no protocol, no dependencies on other rooms.

pub mod config;
mod error_code;
mod properties;
mod words;

pub use error_code::ErrorCode;
pub use properties::{PropertiesError, parse_properties};
pub use words::{
    BrokerEpoch, LeaderEpoch, NodeId, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId,
    TopicPartition, Uuid,
};
