//! Broker keys about replication, quotas, metrics and the rest.
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

const fn list(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::List, name, default, doc)
}

const fn class(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Class, name, default, doc)
}

/// The keys, by name.
pub(in crate::config) static KEYS: &[ConfigDef] = &[
    class("alter.config.policy.class.name", NULL, "Policy that may refuse changes of configs.").low(),
    int("alter.log.dirs.replication.quota.window.num", text("11"), "Number of samples kept for the quota on moves between log directories.").min(1).low(),
    int("alter.log.dirs.replication.quota.window.size.seconds", text("1"), "Length of one such sample.").min(1).low(),
    int("background.threads", text("10"), "Number of threads for background work.").min(1).high().cluster_wide(),
    class("client.quota.callback.class", NULL, "Callback that decides the quotas of clients.").low(),
    class("create.topic.policy.class.name", NULL, "Policy that may refuse the creation of topics.").low(),
    int("delete.records.purgatory.purge.interval.requests", text("1"), "How many finished DeleteRecords requests gather before the waiting list is purged."),
    int("fetch.max.bytes", text("57671680"), "Most bytes that one fetch response carries; the first batch is always sent whole.").min(1024),
    int("fetch.purgatory.purge.interval.requests", text("1000"), "How many finished fetch requests gather before the waiting list is purged."),
    boolean("follower.fetch.last.tiered.offset.enable", text("false"), "Whether an empty follower of a tiered topic starts after the part that lies in remote storage.").cluster_wide(),
    long("follower.replication.throttled.rate", text("9223372036854775807"), "Bytes per second that throttled followers may fetch.").min(0).dynamic_only(),
    int("kafka.metrics.polling.interval.secs", text("10"), "How often the older kind of metrics reporters is asked to report.").min(1).low(),
    list("kafka.metrics.reporters", text(""), "Older kind of metrics reporters.").valid(Validator::List { of: &[], empty_allowed: true }).low(),
    long("leader.replication.throttled.rate", text("9223372036854775807"), "Bytes per second that throttled leaders may send to followers.").min(0).dynamic_only(),
    int("max.incremental.fetch.session.cache.slots", text("1000"), "Most fetch sessions that a broker keeps.").min(0),
    int("max.request.partition.size.limit", text("2000"), "Most partitions in one answer to DescribeTopicPartitions.").min(1),
    list("metric.reporters", text("org.apache.kafka.common.metrics.JmxReporter"), "Metrics reporters to start.").valid(Validator::List { of: &[], empty_allowed: true }).low().cluster_wide(),
    int("metrics.num.samples", text("2"), "Number of samples kept for a metric.").min(1).low(),
    string("metrics.recording.level", text("INFO"), "How detailed the recorded metrics are.").low(),
    long("metrics.sample.window.ms", text("30000"), "Length of one sample of a metric.").min(1).low(),
    int("num.replica.alter.log.dirs.threads", NULL, "Threads that move replicas between log directories.").high(),
    int("num.replica.fetchers", text("1"), "Fetchers per source broker that copy partitions.").min(1).high().cluster_wide(),
    int("quota.window.num", text("11"), "Number of samples kept for client quotas.").min(1).low(),
    int("quota.window.size.seconds", text("1"), "Length of one sample of a client quota.").min(1).low(),
    long("replica.alter.log.dirs.io.max.bytes.per.second", text("9223372036854775807"), "Bytes per second that moves between log directories may copy.").min(0).dynamic_only(),
    int("replica.fetch.backoff.ms", text("1000"), "Pause of a fetcher after a failed fetch.").min(0),
    int("replica.fetch.max.bytes", text("1048576"), "Bytes that a follower asks for per partition; a larger batch is still sent.").min(0),
    int("replica.fetch.min.bytes", text("1"), "Bytes that a leader gathers before it answers a follower.").high(),
    int("replica.fetch.response.max.bytes", text("10485760"), "Bytes that a follower asks for per fetch; a larger first batch is still sent.").min(0),
    int("replica.fetch.wait.max.ms", text("500"), "Longest time a follower's fetch waits at the leader.").high(),
    long("replica.high.watermark.checkpoint.interval.ms", text("5000"), "How often the high watermarks are written to disk.").high(),
    long("replica.lag.time.max.ms", text("30000"), "A follower that has not caught up for this time leaves the in-sync set.").high(),
    string("replica.selector.class", NULL, "Selector that may send consumers to a nearby replica."),
    int("replica.socket.receive.buffer.bytes", text("65536"), "Receive buffer of the sockets used for replication.").high(),
    int("replica.socket.timeout.ms", text("30000"), "Socket timeout of replication; at least `replica.fetch.wait.max.ms`.").high(),
    int("replication.quota.window.num", text("11"), "Number of samples kept for replication quotas.").min(1).low(),
    int("replication.quota.window.size.seconds", text("1"), "Length of one sample of a replication quota.").min(1).low(),
    int("telemetry.max.bytes", text("1048576"), "Most bytes of metrics that a client may push at once, after unpacking.").min(1).low(),
];
