//! Broker keys about logs, and those that topics take their defaults from.
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

const fn list(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::List, name, default, doc)
}

/// The keys, by name.
pub(in crate::config) static KEYS: &[ConfigDef] = &[
    boolean("auto.create.topics.enable", text("true"), "Whether a metadata request for a missing topic may create it.").high(),
    int("compression.gzip.level", text("-1"), "Level the broker uses when it compresses with gzip itself; -1 leaves the choice to the codec.").valid(Validator::GzipLevel).cluster_wide(),
    int("compression.lz4.level", text("9"), "Level the broker uses when it compresses with lz4 itself.").range(1, 17).cluster_wide(),
    string("compression.type", text("producer"), "Default codec of stored batches; `producer` keeps what the producer chose.").valid(Validator::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])).high().cluster_wide(),
    int("compression.zstd.level", text("3"), "Level the broker uses when it compresses with zstd itself.").range(-131072, 22).cluster_wide(),
    list("cordoned.log.dirs", text(""), "Log directories that get no new partitions; `*` means all of them.").valid(Validator::List { of: &[], empty_allowed: true }).per_broker(),
    int("default.replication.factor", text("1"), "Replication factor of topics created without one."),
    boolean("delete.topic.enable", text("true"), "Whether topics may be deleted.").high(),
    long("log.cleaner.backoff.ms", text("15000"), "Pause of the log cleaner when no log needs cleaning.").min(0).cluster_wide(),
    long("log.cleaner.dedupe.buffer.size", text("134217728"), "Memory of all cleaner threads together for telling the newest record of each key.").cluster_wide(),
    long("log.cleaner.delete.retention.ms", text("86400000"), "Default of the topic config `delete.retention.ms`.").min(0).cluster_wide(),
    boolean("log.cleaner.enable", text("true"), "Whether logs are compacted at all."),
    double("log.cleaner.io.buffer.load.factor", text("0.9"), "How full the cleaner's key table may become; fuller is slower but covers more of the log.").cluster_wide(),
    int("log.cleaner.io.buffer.size", text("524288"), "Memory of all cleaner threads together for reading and writing.").min(0).cluster_wide(),
    double("log.cleaner.io.max.bytes.per.second", text("1.7976931348623157E308"), "Bound of the cleaner's disk traffic, reads and writes together.").cluster_wide(),
    long("log.cleaner.max.compaction.lag.ms", text("9223372036854775807"), "Default of the topic config `max.compaction.lag.ms`.").min(1).cluster_wide(),
    double("log.cleaner.min.cleanable.ratio", text("0.5"), "Default of the topic config `min.cleanable.dirty.ratio`.").valid(Validator::FloatRange { min: 0.0, max: 1.0 }).cluster_wide(),
    long("log.cleaner.min.compaction.lag.ms", text("0"), "Default of the topic config `min.compaction.lag.ms`.").min(0).cluster_wide(),
    int("log.cleaner.threads", text("1"), "Number of cleaner threads.").min(0).cluster_wide(),
    list("log.cleanup.policy", text("delete"), "Default of the topic config `cleanup.policy`.").valid(Validator::List { of: &["compact", "delete"], empty_allowed: true }).cluster_wide(),
    list("log.dir", text("/tmp/kafka-logs"), "The directory for logs when `log.dirs` is not set.").valid(Validator::List { of: &[], empty_allowed: false }).high(),
    long("log.dir.failure.timeout.ms", text("30000"), "A broker that could not tell the controller about a failed log directory within this time stops.").min(1).low(),
    list("log.dirs", NULL, "Directories for logs.").valid(Validator::List { of: &[], empty_allowed: false }).high(),
    long("log.flush.interval.messages", text("9223372036854775807"), "Default of the topic config `flush.messages`.").min(1).high().cluster_wide(),
    long("log.flush.interval.ms", NULL, "Default of the topic config `flush.ms`; unset follows `log.flush.scheduler.interval.ms`.").high().cluster_wide(),
    int("log.flush.offset.checkpoint.interval.ms", text("60000"), "How often the recovery points are written to disk.").min(0).high(),
    long("log.flush.scheduler.interval.ms", text("9223372036854775807"), "How often the broker looks for logs that are due for a sync.").high(),
    int("log.flush.start.offset.checkpoint.interval.ms", text("60000"), "How often the log start offsets are written to disk.").min(0).high(),
    int("log.index.interval.bytes", text("4096"), "Default of the topic config `index.interval.bytes`.").min(0).cluster_wide(),
    int("log.index.size.max.bytes", text("10485760"), "Default of the topic config `segment.index.bytes`.").min(4).cluster_wide(),
    long("log.initial.task.delay.ms", text("30000"), "Pause after the start before the periodic work on logs begins.").min(0).low().internal(),
    long("log.local.retention.bytes", text("-2"), "Default of the topic config `local.retention.bytes`.").min(-2).cluster_wide(),
    long("log.local.retention.ms", text("-2"), "Default of the topic config `local.retention.ms`.").min(-2).cluster_wide(),
    long("log.message.timestamp.after.max.ms", text("3600000"), "Default of the topic config `message.timestamp.after.max.ms`.").min(0).cluster_wide(),
    long("log.message.timestamp.before.max.ms", text("9223372036854775807"), "Default of the topic config `message.timestamp.before.max.ms`.").min(0).cluster_wide(),
    string("log.message.timestamp.type", text("CreateTime"), "Default of the topic config `message.timestamp.type`.").valid(Validator::OneOf(&["CreateTime", "LogAppendTime"])).cluster_wide(),
    boolean("log.preallocate", text("false"), "Default of the topic config `preallocate`.").cluster_wide(),
    long("log.remote.copy.lag.bytes", text("-1"), "Default of the topic config `remote.copy.lag.bytes`.").min(-1).cluster_wide(),
    long("log.remote.copy.lag.ms", text("0"), "Default of the topic config `remote.copy.lag.ms`.").min(-1).cluster_wide(),
    long("log.retention.bytes", text("-1"), "Default of the topic config `retention.bytes`.").high().cluster_wide(),
    long("log.retention.check.interval.ms", text("300000"), "How often the broker looks for segments to delete.").min(1),
    int("log.retention.hours", text("168"), "Default of the topic config `retention.ms`, in hours; minutes and milliseconds come first.").high(),
    int("log.retention.minutes", NULL, "Default of the topic config `retention.ms`, in minutes; milliseconds come first.").high(),
    long("log.retention.ms", NULL, "Default of the topic config `retention.ms`; -1 keeps segments for ever.").high().cluster_wide(),
    int("log.roll.hours", text("168"), "Default of the topic config `segment.ms`, in hours; milliseconds come first.").min(1).high(),
    int("log.roll.jitter.hours", text("0"), "Default of the topic config `segment.jitter.ms`, in hours; milliseconds come first.").min(0).high(),
    long("log.roll.jitter.ms", NULL, "Default of the topic config `segment.jitter.ms`.").high().cluster_wide(),
    long("log.roll.ms", NULL, "Default of the topic config `segment.ms`.").high().cluster_wide(),
    int("log.segment.bytes", text("1073741824"), "Default of the topic config `segment.bytes`.").min(1_048_576).high().cluster_wide(),
    long("log.segment.delete.delay.ms", text("60000"), "Default of the topic config `file.delete.delay.ms`.").min(0).high().cluster_wide(),
    int("max.decompressed.message.bytes", text("2147483639"), "Default of the topic config `max.decompressed.message.bytes`.").range(1, 2_147_483_639).cluster_wide(),
    int("message.max.bytes", text("1048588"), "Default of the topic config `max.message.bytes`.").min(0).high().cluster_wide(),
    int("min.insync.replicas", text("1"), "Default of the topic config `min.insync.replicas`.").min(1).high().cluster_wide(),
    int("num.partitions", text("1"), "Partitions of a topic that is created without a number.").min(1),
    int("num.recovery.threads.per.data.dir", text("2"), "Threads per log directory that recover logs at start and sync them at stop.").min(1).high().cluster_wide(),
    string("odeon.log.acks.durability", text("fsync"), "Default of the topic config `odeon.acks.durability`.").valid(Validator::OneOf(&["fsync", "page-cache"])).high().cluster_wide(),
    long("odeon.log.scrub.bytes.per.second", text("1048576"), "Bytes a second that a node reads of its logs to compare them with their checksums, so that damage is found while other replicas can repair it; 0 for none.").min(0),
    boolean("unclean.leader.election.enable", text("false"), "Default of the topic config `unclean.leader.election.enable`.").high().cluster_wide(),
];
