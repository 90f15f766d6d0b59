//! Broker keys about groups, their offsets and their coordinators.
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

const fn short(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Short, name, default, doc)
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
    boolean("errors.deadletterqueue.auto.create.topics.enable", text("false"), "Whether a missing dead letter queue topic is created.").cluster_wide(),
    string("errors.deadletterqueue.topic.name.prefix", text("dlq."), "Prefix that the name of a dead letter queue topic must have; blank allows any.").cluster_wide(),
    int("group.consumer.assignment.interval.ms", text("1000"), "Default of the group config `consumer.assignment.interval.ms`.").min(0).cluster_wide(),
    boolean("group.consumer.assignor.offload.enable", text("true"), "Default of the group config `consumer.assignor.offload.enable`.").cluster_wide().internal(),
    list("group.consumer.assignors", text("uniform,range"), "Assignors offered to consumer groups; the first is the default.").valid(Validator::List { of: &[], empty_allowed: false }),
    int("group.consumer.heartbeat.interval.ms", text("5000"), "Default of the group config `consumer.heartbeat.interval.ms`.").min(1),
    int("group.consumer.max.assignment.interval.ms", text("15000"), "Upper bound of `consumer.assignment.interval.ms`.").min(0),
    int("group.consumer.max.heartbeat.interval.ms", text("15000"), "Upper bound of `consumer.heartbeat.interval.ms`.").min(1),
    int("group.consumer.max.session.timeout.ms", text("60000"), "Upper bound of `consumer.session.timeout.ms`.").min(1),
    int("group.consumer.max.size", text("2147483647"), "Most members of a group under the consumer protocol.").min(1),
    string("group.consumer.migration.policy", text("bidirectional"), "Whether live groups may change between the classic and the consumer protocol, and in which direction.").valid(Validator::OneOfIgnoreCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"])),
    int("group.consumer.min.assignment.interval.ms", text("0"), "Lower bound of `consumer.assignment.interval.ms`.").min(0),
    int("group.consumer.min.heartbeat.interval.ms", text("5000"), "Lower bound of `consumer.heartbeat.interval.ms`.").min(1),
    int("group.consumer.min.session.timeout.ms", text("45000"), "Lower bound of `consumer.session.timeout.ms`.").min(1),
    int("group.consumer.regex.refresh.interval.ms", text("600000"), "How often subscriptions by pattern are matched against the topics anew.").min(10000).internal(),
    int("group.consumer.session.timeout.ms", text("45000"), "Default of the group config `consumer.session.timeout.ms`.").min(1),
    int("group.coordinator.append.linger.ms", text("-1"), "How long the group coordinator gathers writes before it appends them; -1 adapts to the load.").min(-1),
    int("group.coordinator.background.threads", text("2"), "Threads for the group coordinator's background work, such as assignments and patterns.").min(1).high(),
    int("group.coordinator.cached.buffer.max.bytes", text("1048588"), "Largest write buffer that the group coordinator keeps for reuse.").min(524288).cluster_wide(),
    list("group.coordinator.rebalance.protocols", text("classic,consumer,streams"), "Group protocols that are switched on.").valid(Validator::List { of: &["consumer", "classic", "share", "streams"], empty_allowed: false }),
    int("group.coordinator.threads", text("4"), "Threads that serve the group coordinator's requests.").min(1).high(),
    int("group.initial.rebalance.delay.ms", text("3000"), "How long a new classic group waits for more members before its first rebalance."),
    int("group.max.session.timeout.ms", text("1800000"), "Longest session timeout that a classic group member may ask for."),
    int("group.max.size", text("2147483647"), "Most members of a classic group.").min(1),
    int("group.min.session.timeout.ms", text("6000"), "Shortest session timeout that a classic group member may ask for."),
    int("group.share.assignment.interval.ms", text("1000"), "Default of the group config `share.assignment.interval.ms`.").min(0).cluster_wide(),
    boolean("group.share.assignor.offload.enable", text("true"), "Default of the group config `share.assignor.offload.enable`.").cluster_wide().internal(),
    list("group.share.assignors", text("simple"), "The assignor of share groups.").valid(Validator::List { of: &[], empty_allowed: false }),
    int("group.share.delivery.count.limit", text("5"), "Default of the group config `share.delivery.count.limit`.").range(2, 10),
    string("group.share.dlq.manager.class.name", text("org.apache.kafka.server.share.dlq.DefaultShareGroupDLQManager"), "Implementation that writes dead letter queues.").internal(),
    int("group.share.heartbeat.interval.ms", text("5000"), "Default of the group config `share.heartbeat.interval.ms`.").min(1),
    int("group.share.initialize.retry.interval.ms", text("30000"), "Pause before a failed initialisation of share state is tried again.").min(1).low().internal(),
    int("group.share.max.assignment.interval.ms", text("15000"), "Upper bound of `share.assignment.interval.ms`.").min(0),
    int("group.share.max.delivery.count.limit", text("10"), "Upper bound of `share.delivery.count.limit`.").range(5, 25),
    int("group.share.max.heartbeat.interval.ms", text("15000"), "Upper bound of `share.heartbeat.interval.ms`.").min(1),
    int("group.share.max.partition.max.record.locks", text("4000"), "Upper bound of `share.partition.max.record.locks`.").range(2000, 10000),
    int("group.share.max.record.lock.duration.ms", text("60000"), "Upper bound of `share.record.lock.duration.ms`.").range(30000, 3_600_000),
    int("group.share.max.session.timeout.ms", text("60000"), "Upper bound of `share.session.timeout.ms`.").min(1),
    int("group.share.max.share.sessions", text("2000"), "Most share sessions that a broker keeps.").min(1),
    int("group.share.max.size", text("200"), "Most members of a share group.").range(1, 1000),
    int("group.share.min.assignment.interval.ms", text("0"), "Lower bound of `share.assignment.interval.ms`.").min(0),
    int("group.share.min.delivery.count.limit", text("2"), "Lower bound of `share.delivery.count.limit`.").range(2, 5),
    int("group.share.min.heartbeat.interval.ms", text("5000"), "Lower bound of `share.heartbeat.interval.ms`.").min(1),
    int("group.share.min.partition.max.record.locks", text("100"), "Lower bound of `share.partition.max.record.locks`.").range(100, 2000),
    int("group.share.min.record.lock.duration.ms", text("15000"), "Lower bound of `share.record.lock.duration.ms`.").range(1000, 30000),
    int("group.share.min.session.timeout.ms", text("45000"), "Lower bound of `share.session.timeout.ms`.").min(1),
    int("group.share.partition.max.record.locks", text("2000"), "Default of the group config `share.partition.max.record.locks`.").range(100, 10000),
    string("group.share.persister.class.name", text("org.apache.kafka.server.share.persister.DefaultStatePersister"), "Implementation that stores the state of share groups.").internal(),
    int("group.share.record.lock.duration.ms", text("30000"), "Default of the group config `share.record.lock.duration.ms`.").range(1000, 3_600_000),
    int("group.share.session.timeout.ms", text("45000"), "Default of the group config `share.session.timeout.ms`.").min(1),
    long("group.streams.acceptable.recovery.lag", text("10000"), "Default of the group config `streams.acceptable.recovery.lag`.").min(0).internal(),
    int("group.streams.assignment.interval.ms", text("1000"), "Default of the group config `streams.assignment.interval.ms`.").min(0).cluster_wide(),
    boolean("group.streams.assignor.offload.enable", text("true"), "Default of the group config `streams.assignor.offload.enable`.").cluster_wide().internal(),
    list("group.streams.assignors", text("sticky"), "Task assignors offered to streams groups; the first is the default.").valid(Validator::List { of: &[], empty_allowed: false }),
    int("group.streams.heartbeat.interval.ms", text("5000"), "Default of the group config `streams.heartbeat.interval.ms`.").min(1),
    int("group.streams.initial.rebalance.delay.ms", text("3000"), "Default of the group config `streams.initial.rebalance.delay.ms`.").min(0),
    int("group.streams.max.assignment.interval.ms", text("15000"), "Upper bound of `streams.assignment.interval.ms`.").min(0),
    int("group.streams.max.heartbeat.interval.ms", text("15000"), "Upper bound of `streams.heartbeat.interval.ms`.").min(1),
    int("group.streams.max.session.timeout.ms", text("60000"), "Upper bound of `streams.session.timeout.ms`.").min(1),
    int("group.streams.max.size", text("2147483647"), "Most members of a streams group.").min(1),
    int("group.streams.max.standby.replicas", text("2"), "Upper bound of `streams.num.standby.replicas`.").min(0),
    int("group.streams.max.warmup.replicas", text("20"), "Upper bound of `streams.num.warmup.replicas`.").min(0).internal(),
    int("group.streams.min.assignment.interval.ms", text("0"), "Lower bound of `streams.assignment.interval.ms`.").min(0),
    int("group.streams.min.heartbeat.interval.ms", text("5000"), "Lower bound of `streams.heartbeat.interval.ms`.").min(1),
    int("group.streams.min.session.timeout.ms", text("45000"), "Lower bound of `streams.session.timeout.ms`.").min(1),
    int("group.streams.min.task.offset.interval.ms", text("15000"), "Lower bound of `streams.task.offset.interval.ms`.").min(1).internal(),
    int("group.streams.num.standby.replicas", text("0"), "Default of the group config `streams.num.standby.replicas`.").min(0),
    int("group.streams.num.warmup.replicas", text("2"), "Default of the group config `streams.num.warmup.replicas`.").min(0).internal(),
    list("group.streams.rack.aware.assignment.tags", text(""), "Default of the group config `streams.rack.aware.assignment.tags`.").valid(Validator::List { of: &[], empty_allowed: true }).low(),
    int("group.streams.session.timeout.ms", text("45000"), "Default of the group config `streams.session.timeout.ms`.").min(1),
    int("group.streams.task.offset.interval.ms", text("60000"), "Default of the group config `streams.task.offset.interval.ms`.").min(1).internal(),
    class("group.streams.topology.description.plugin.class", NULL, "Plugin that takes the descriptions of streams topologies; unset switches them off."),
    int("offset.metadata.max.bytes", text("4096"), "Longest metadata text that a committed offset may carry.").high(),
    int("offsets.commit.timeout.ms", text("5000"), "How long the coordinator waits for its writes to be replicated.").min(1).high(),
    int("offsets.load.buffer.size", text("5242880"), "Bytes read at a time when a coordinator loads its partitions.").min(1).high(),
    long("offsets.retention.check.interval.ms", text("600000"), "How often expired offsets are looked for.").min(1).high(),
    int("offsets.retention.minutes", text("10080"), "How long the offsets of a group without members are kept.").min(1).high(),
    int("offsets.topic.compression.codec", text("0"), "Codec of the batches in the offsets topic, by number; 0 is none.").high(),
    int("offsets.topic.num.partitions", text("50"), "Partitions of the offsets topic; not to be changed later.").min(1).high(),
    short("offsets.topic.replication.factor", text("3"), "Replication factor of the offsets topic.").min(1).high(),
    int("offsets.topic.segment.bytes", text("104857600"), "Segment size of the offsets topic; small ones load faster.").min(1).high(),
    int("share.coordinator.append.linger.ms", text("-1"), "How long the share coordinator gathers writes before it appends them; -1 adapts to the load.").min(-1),
    int("share.coordinator.cached.buffer.max.bytes", text("1048588"), "Largest write buffer that the share coordinator keeps for reuse.").min(524288).cluster_wide(),
    int("share.coordinator.cold.partition.snapshot.interval.ms", text("300000"), "How often share partitions without traffic get a snapshot.").min(1).low().internal(),
    int("share.coordinator.load.buffer.size", text("5242880"), "Bytes read at a time when a share coordinator loads its partitions.").min(1).high(),
    int("share.coordinator.snapshot.update.records.per.snapshot", text("500"), "Updates written between two snapshots of a share partition.").range(0, 500),
    int("share.coordinator.state.topic.compression.codec", text("0"), "Codec of the batches in the share state topic, by number; 0 is none.").high(),
    short("share.coordinator.state.topic.min.isr", text("2"), "`min.insync.replicas` of the share state topic.").min(1).high(),
    int("share.coordinator.state.topic.num.partitions", text("50"), "Partitions of the share state topic; not to be changed later.").min(1).high(),
    int("share.coordinator.state.topic.prune.interval.ms", text("300000"), "How often the share state topic is freed of what is no longer needed.").min(1).low().internal(),
    short("share.coordinator.state.topic.replication.factor", text("3"), "Replication factor of the share state topic.").min(1).high(),
    int("share.coordinator.state.topic.segment.bytes", text("104857600"), "Segment size of the share state topic.").min(1).high(),
    int("share.coordinator.threads", text("1"), "Threads that serve the share coordinator's requests.").min(1),
    int("share.coordinator.write.timeout.ms", text("5000"), "How long the share coordinator waits for its writes to be replicated.").min(1).high(),
    int("share.fetch.purgatory.purge.interval.requests", text("1000"), "How many finished share fetches gather before the waiting list is purged."),
];
