//! Topic keys.
//!
//! Names, types, defaults and bounds are those of Kafka 4.4; the sentences are ours.

use super::definition::{
    ConfigDef, ConfigType, DefaultValue, Scope, Validator, hours, minutes, same,
};

const NULL: DefaultValue = DefaultValue::Null;

const fn text(value: &'static str) -> DefaultValue {
    DefaultValue::Text(value)
}

const fn boolean(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Topic, ConfigType::Boolean, name, default, doc)
}

const fn string(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Topic, ConfigType::String, name, default, doc)
}

const fn int(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Topic, ConfigType::Int, name, default, doc)
}

const fn long(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Topic, ConfigType::Long, name, default, doc)
}

const fn double(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Topic, ConfigType::Double, name, default, doc)
}

const fn list(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Topic, ConfigType::List, name, default, doc)
}

/// The keys, by name.
pub(in crate::config) static KEYS: &[ConfigDef] = &[
    list("cleanup.policy", text("delete"), "What happens to old segments: `delete` drops them by age or size, `compact` keeps the newest record of each key, both or neither may be given.").valid(Validator::List { of: &["compact", "delete"], empty_allowed: true }).synonyms(&[same("log.cleanup.policy")]),
    int("compression.gzip.level", text("-1"), "Level the broker uses when it compresses with gzip itself; -1 leaves the choice to the codec.").valid(Validator::GzipLevel).synonyms(&[same("compression.gzip.level")]),
    int("compression.lz4.level", text("9"), "Level the broker uses when it compresses with lz4 itself.").range(1, 17).synonyms(&[same("compression.lz4.level")]),
    string("compression.type", text("producer"), "Codec of the stored batches; `producer` keeps what the producer chose, `uncompressed` stores plain batches.").valid(Validator::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])).synonyms(&[same("compression.type")]),
    int("compression.zstd.level", text("3"), "Level the broker uses when it compresses with zstd itself.").range(-131072, 22).synonyms(&[same("compression.zstd.level")]),
    long("delete.retention.ms", text("86400000"), "How long a tombstone stays readable in a compacted topic before it may be cleaned away.").min(0).synonyms(&[same("log.cleaner.delete.retention.ms")]),
    boolean("errors.deadletterqueue.group.enable", text("false"), "Whether share groups may use this topic as their dead letter queue."),
    long("file.delete.delay.ms", text("60000"), "How long a segment that was marked as deleted still lies on disk.").min(0).synonyms(&[same("log.segment.delete.delay.ms")]),
    long("flush.messages", text("9223372036854775807"), "Forces a sync after this many records; the largest number leaves it to the durability mode.").min(1).synonyms(&[same("log.flush.interval.messages")]),
    long("flush.ms", text("9223372036854775807"), "Forces a sync after this time; the largest number leaves it to the durability mode.").min(0).synonyms(&[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")]),
    list("follower.replication.throttled.replicas", text(""), "Followers whose replication traffic is throttled, as `partition:broker` pairs, or `*` for all.").valid(Validator::ThrottledReplicas),
    int("index.interval.bytes", text("4096"), "A log gets one entry in its offset index for about this many bytes.").min(0).synonyms(&[same("log.index.interval.bytes")]),
    int("internal.segment.bytes", NULL, "Segment size without the usual lower bound, for tests.").internal(),
    list("leader.replication.throttled.replicas", text(""), "Leaders whose replication traffic is throttled, as `partition:broker` pairs, or `*` for all.").valid(Validator::ThrottledReplicas),
    long("local.retention.bytes", text("-2"), "Bytes of a tiered partition that stay on local disk; -2 follows `retention.bytes`, -1 means no bound.").min(-2).synonyms(&[same("log.local.retention.bytes")]),
    long("local.retention.ms", text("-2"), "Time that a tiered partition's segments stay on local disk; -2 follows `retention.ms`, -1 means no bound.").min(-2).synonyms(&[same("log.local.retention.ms")]),
    long("max.compaction.lag.ms", text("9223372036854775807"), "At the latest after this time a record becomes subject to compaction.").min(1).synonyms(&[same("log.cleaner.max.compaction.lag.ms")]),
    int("max.decompressed.message.bytes", text("2147483639"), "Upper bound of what one batch may unpack to when the broker has to decompress it.").range(1, 2_147_483_639).synonyms(&[same("max.decompressed.message.bytes")]),
    int("max.message.bytes", text("1048588"), "Largest record batch the topic accepts, as it is stored.").min(0).synonyms(&[same("message.max.bytes")]),
    long("message.timestamp.after.max.ms", text("3600000"), "How far a record's own timestamp may lie ahead of the broker's clock.").min(0).synonyms(&[same("log.message.timestamp.after.max.ms")]),
    long("message.timestamp.before.max.ms", text("9223372036854775807"), "How far a record's own timestamp may lie behind the broker's clock.").min(0).synonyms(&[same("log.message.timestamp.before.max.ms")]),
    string("message.timestamp.type", text("CreateTime"), "Whether records keep the producer's time (`CreateTime`) or get the broker's (`LogAppendTime`).").valid(Validator::OneOf(&["CreateTime", "LogAppendTime"])).synonyms(&[same("log.message.timestamp.type")]),
    double("min.cleanable.dirty.ratio", text("0.5"), "Share of a log that must be uncompacted before the cleaner takes it up.").valid(Validator::FloatRange { min: 0.0, max: 1.0 }).synonyms(&[same("log.cleaner.min.cleanable.ratio")]),
    long("min.compaction.lag.ms", text("0"), "A record stays uncompacted for at least this time.").min(0).synonyms(&[same("log.cleaner.min.compaction.lag.ms")]),
    int("min.insync.replicas", text("1"), "Fewest in-sync replicas with which a write with acks=all is accepted.").min(1).synonyms(&[same("min.insync.replicas")]),
    string("odeon.acks.durability", text("fsync"), "What acks=all means: `fsync` waits until the batch is on disk on every in-sync replica, `page-cache` until it is written there, as Kafka does.").valid(Validator::OneOf(&["fsync", "page-cache"])).high().synonyms(&[same("odeon.log.acks.durability")]),
    boolean("preallocate", text("false"), "Whether a new segment's file gets its full size at once.").synonyms(&[same("log.preallocate")]),
    long("remote.copy.lag.bytes", text("-1"), "Bytes that a closed segment waits behind the log end before it is copied to remote storage; -1 follows the local retention.").min(-1).synonyms(&[same("log.remote.copy.lag.bytes")]),
    long("remote.copy.lag.ms", text("0"), "Time that a closed segment waits before it is copied to remote storage; -1 follows the local retention.").min(-1).synonyms(&[same("log.remote.copy.lag.ms")]),
    boolean("remote.log.copy.disable", text("false"), "Stops copying segments to remote storage; what lies there stays readable."),
    boolean("remote.log.delete.on.disable", text("false"), "Whether remote segments are deleted when tiered storage is switched off for the topic."),
    boolean("remote.storage.enable", text("false"), "Whether the topic uses tiered storage."),
    long("retention.bytes", text("-1"), "Size of a partition above which its oldest segments are deleted; negative means no bound.").synonyms(&[same("log.retention.bytes")]),
    long("retention.ms", text("604800000"), "Age at which segments are deleted under the delete policy; -1 keeps them for ever.").min(-1).synonyms(&[same("log.retention.ms"), minutes("log.retention.minutes"), hours("log.retention.hours")]),
    int("segment.bytes", text("1073741824"), "Size at which a partition starts a new segment file.").min(1_048_576).synonyms(&[same("log.segment.bytes")]),
    int("segment.index.bytes", text("10485760"), "Largest size of a segment's offset index file.").min(4).synonyms(&[same("log.index.size.max.bytes")]),
    long("segment.jitter.ms", text("0"), "Largest random amount taken off `segment.ms`, so that segments do not all roll at once.").min(0).synonyms(&[same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")]),
    long("segment.ms", text("604800000"), "Age at which a partition starts a new segment file even if the old one is not full.").min(1).synonyms(&[same("log.roll.ms"), hours("log.roll.hours")]),
    boolean("unclean.leader.election.enable", text("false"), "Whether a replica outside the in-sync set may become leader as a last resort, at the price of lost records.").synonyms(&[same("unclean.leader.election.enable")]),
];
