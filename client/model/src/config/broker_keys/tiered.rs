//! Broker keys about tiered storage.
//!
//! Names, types, defaults and bounds are those of Kafka 4.4; the sentences are ours.

use crate::config::definition::{ConfigDef, ConfigType, DefaultValue, Scope, Validator};

const NULL: DefaultValue = DefaultValue::Null;

const fn text(value: &'static str) -> DefaultValue {
    DefaultValue::Text(value)
}

const fn boolean(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Boolean, name, default, doc)
}

const fn string(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::String, name, default, doc)
}

const fn int(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Int, name, default, doc)
}

const fn long(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Long, name, default, doc)
}

const fn double(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Double, name, default, doc)
}

/// The keys, by name.
pub(in crate::config) static KEYS: &[ConfigDef] = &[
    int("remote.fetch.max.wait.ms", text("500"), "Longest time a fetch waits for remote storage.").min(1).cluster_wide(),
    long("remote.list.offsets.request.timeout.ms", text("30000"), "Longest time a ListOffsets request waits for remote storage.").min(1).cluster_wide(),
    long("remote.log.index.file.cache.total.size.bytes", text("1073741824"), "Disk space for cached indexes of remote segments.").min(1).low().cluster_wide(),
    long("remote.log.index.file.cache.ttl.ms", text("900000"), "How long an unused cached index of a remote segment is kept; -1 means no bound.").min(-1).low().internal(),
    int("remote.log.manager.copier.thread.pool.size", text("10"), "Threads that copy segments to remote storage.").min(1).cluster_wide(),
    long("remote.log.manager.copy.max.bytes.per.second", text("9223372036854775807"), "Bound of the traffic to remote storage.").min(1).cluster_wide(),
    int("remote.log.manager.copy.quota.window.num", text("11"), "Number of samples kept for that bound.").min(1),
    int("remote.log.manager.copy.quota.window.size.seconds", text("1"), "Length of one such sample.").min(1),
    int("remote.log.manager.expiration.thread.pool.size", text("10"), "Threads that delete expired remote segments.").min(1).cluster_wide(),
    long("remote.log.manager.fetch.max.bytes.per.second", text("9223372036854775807"), "Bound of the traffic from remote storage.").min(1).cluster_wide(),
    int("remote.log.manager.fetch.quota.window.num", text("11"), "Number of samples kept for that bound.").min(1),
    int("remote.log.manager.fetch.quota.window.size.seconds", text("1"), "Length of one such sample.").min(1),
    int("remote.log.manager.follower.thread.pool.size", text("2"), "Threads for the followers' work with remote storage.").min(1).cluster_wide(),
    long("remote.log.manager.task.interval.ms", text("30000"), "How often the work with remote storage runs.").min(1).low(),
    long("remote.log.manager.task.retry.backoff.max.ms", text("30000"), "Longest pause before failed work with remote storage is tried again.").min(1).low().internal(),
    long("remote.log.manager.task.retry.backoff.ms", text("500"), "First pause before failed work with remote storage is tried again.").min(1).low().internal(),
    double("remote.log.manager.task.retry.jitter", text("0.2"), "Random share of that pause.").valid(Validator::FloatRange { min: 0.0, max: 0.5 }).low().internal(),
    int("remote.log.manager.thread.pool.size", text("2"), "Threads for the common work with remote storage.").min(1),
    int("remote.log.metadata.custom.metadata.max.bytes", text("128"), "Most bytes that a storage plugin may attach to a remote segment.").min(0).low(),
    string("remote.log.metadata.manager.class.name", text("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"), "Implementation that keeps the metadata of remote segments.").valid(Validator::NonEmpty),
    string("remote.log.metadata.manager.class.path", NULL, "Where that implementation is loaded from."),
    string("remote.log.metadata.manager.impl.prefix", text("rlmm.config."), "Prefix of the configs that are handed to it.").valid(Validator::NonEmpty),
    string("remote.log.metadata.manager.listener.name", NULL, "Listener over which it reaches the brokers.").valid(Validator::NonEmpty),
    int("remote.log.reader.max.pending.tasks", text("100"), "Most reads of remote storage that may wait.").min(1),
    int("remote.log.reader.threads", text("10"), "Threads that read remote storage.").min(1).cluster_wide(),
    string("remote.log.storage.manager.class.name", NULL, "Implementation of remote storage.").valid(Validator::NonEmpty),
    string("remote.log.storage.manager.class.path", NULL, "Where that implementation is loaded from."),
    string("remote.log.storage.manager.impl.prefix", text("rsm.config."), "Prefix of the configs that are handed to it.").valid(Validator::NonEmpty),
    boolean("remote.log.storage.system.enable", text("false"), "Whether the broker offers tiered storage at all."),
];
