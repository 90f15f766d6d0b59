//! A client of any Kafka cluster since 3.0: producer, consumer, admin calls.
//!
//! | module | what |
//! |---|---|
//! | `connection` | one socket: frames, versions, pipelined requests, deadlines |
//! | `pool` | connections by address |
//! | `client`, `metadata` | brokers, topics, leaders; who to ask, when to ask again |
//! | `producer` | batches by partition, sequences, retries in order |
//! | `consumer` | positions, fetches, classic groups |
//! | `admin`, `offsets` | what describes and changes topics, configs, groups, offsets |
//! | [`partitioner`] | the Java producer's choice of partition |
//!
//! Time comes from a [`odeon_kernel::Clock`], tasks start through the kernel.

mod address;
mod client;
mod connection;
mod error;
mod metadata;
pub mod partitioner;
mod pool;
mod retry;

pub use address::{DEFAULT_PORT, parse_address, parse_addresses};
pub use client::{Client, ClientConfig};
pub use connection::{BrokerVersions, Connection, Pending};
pub use error::ClientError;
pub use metadata::{Broker, Cluster, Partition, Topic};
pub use odeon_records::{Codec, Compression, RecordHeader};
