//! Odeon: a Kafka-compatible broker built of actors.
//!
//! [`Node`] is a whole node: the binary `odeon` runs one, and a service or a test may embed one.

pub mod cli;
mod defaults;
mod node;

pub use defaults::{cluster_properties, default_properties};
pub use node::{AdoptError, AdoptedTopic, MeshSource, Node, NodeError, NodeOptions, TopicAdoption};
