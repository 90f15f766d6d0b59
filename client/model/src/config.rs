//! The config registry: one table of every key that Kafka 4.4 knows and of our own, with types,
//! defaults, bounds and a sentence each; and what is derived from it: validation, alteration,
//! description, and the typed views that the other rooms use.
//!
//! Our own keys: the topic key `odeon.acks.durability` with its broker default
//! `odeon.log.acks.durability`. `fsync` (the default) acknowledges acks=all when the batch is on
//! disk on every in-sync replica, `page-cache` when it is written there, as Kafka does.

mod alter;
mod broker;
mod broker_check;
mod broker_keys;
mod definition;
mod describe;
mod error;
mod group;
mod group_keys;
mod layers;
mod listeners;
mod quota_keys;
mod registry;
mod topic;
mod topic_keys;
mod value;

pub use alter::{AlterOp, apply_incremental, validate_dynamic_broker, validate_quota};
pub use broker::{
    BrokerConfig, GroupSettings, LogSettings, NetworkSettings, OffsetsSettings, QuorumSettings,
    ReplicationSettings, Roles, TopicSettings, TransactionSettings,
};
pub use definition::{
    ConfigDef, ConfigType, DefaultValue, Importance, Scope, Synonym, Unit, UpdateMode, Validator,
};
pub use describe::{
    DescribedConfig, DescribedSynonym, describe_broker, describe_broker_defaults, describe_group,
    describe_topic,
};
pub use error::ConfigError;
pub use group::{GroupConfig, validate_group};
pub use layers::{BrokerLayers, ConfigSource};
pub use listeners::{HostPort, Listener, SecurityProtocol, Voter};
pub use registry::{
    ConfigMap, broker_configs, find_broker, find_broker_or_listener, find_group, find_quota,
    find_topic, group_configs, is_sensitive, quota_configs, topic_configs, without_listener_prefix,
};
pub use topic::{
    CleanupPolicy, Durability, ThrottledReplicas, TimestampType, TopicCompression, TopicConfig,
    validate_topic,
};
pub use value::{MAX_VALUE_BYTES, Value, iso_duration_ms, parse_value, validate};

#[cfg(test)]
mod tests;
