//! A client of any Kafka cluster since 3.0: producer, consumer, admin calls.
//!
//! ```no_run
//! # async fn example() -> Result<(), odeon_client::ClientError> {
//! use odeon_client::{Client, Record};
//!
//! let client = Client::connect("localhost:9092").await?;
//! let producer = client.producer(Default::default())?;
//! let written = producer.send(Record::to("orders").key("42").value("paid")).await?;
//! println!("partition {} offset {}", written.partition, written.offset);
//! producer.close().await;
//! # Ok(())
//! # }
//! ```
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
mod admin;
mod client;
mod committed;
mod connection;
mod consumer;
mod coordinator;
mod error;
mod metadata;
mod offsets;
pub mod partitioner;
mod pool;
mod producer;
mod retry;

pub use address::{DEFAULT_PORT, parse_address, parse_addresses};
pub use admin::{
    Admin, ConfigChange, ConfigEntry, CreatedTopic, DescribedGroup, GroupListing, GroupMember,
    NewTopic, Placement, QuorumReplica, QuorumState, RegisteredBroker, Results,
};
pub use client::{Client, ClientConfig};
pub use committed::CommittedOffset;
pub use connection::{BrokerVersions, Connection, Pending};
pub use consumer::{
    Assignment, ConsumedRecord, Consumer, ConsumerConfig, GroupConfig, Isolation, OffsetReset,
    Start, range_assignment,
};
pub use error::ClientError;
pub use metadata::{Broker, Cluster, Partition, Topic};
pub use odeon_records::{Codec, Compression, RecordHeader};
pub use offsets::{FoundOffset, OffsetSpec};
pub use producer::{Acks, Delivery, Producer, ProducerConfig, Record, Written};
