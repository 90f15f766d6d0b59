//! The words that every room shares: ids, offsets, epochs, error codes and the config registry.
//!
//! No I/O, no protocol, no dependencies on other rooms.

mod words;

pub use words::{
    BrokerEpoch, LeaderEpoch, NodeId, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId,
    TopicPartition, Uuid,
};
