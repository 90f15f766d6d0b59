//! Group keys.
//!
//! Names, types, defaults and bounds are those of Kafka 4.4; the sentences are ours.

use super::definition::{ConfigDef, ConfigType, DefaultValue, Scope, Validator, same};

const NULL: DefaultValue = DefaultValue::Null;

const fn text(value: &'static str) -> DefaultValue {
    DefaultValue::Text(value)
}

const fn boolean(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Group, ConfigType::Boolean, name, default, doc)
}

const fn string(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Group, ConfigType::String, name, default, doc)
}

const fn int(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Group, ConfigType::Int, name, default, doc)
}

const fn long(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Group, ConfigType::Long, name, default, doc)
}

const fn list(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Group, ConfigType::List, name, default, doc)
}

/// The keys, by name.
pub(in crate::config) static KEYS: &[ConfigDef] = &[
    int("consumer.assignment.interval.ms", text("1000"), "Shortest time between two assignments of a consumer group.").min(0).synonyms(&[same("group.consumer.assignment.interval.ms")]),
    boolean("consumer.assignor.offload.enable", text("true"), "Whether a consumer group's assignment is computed away from the coordinator's own thread.").internal().synonyms(&[same("group.consumer.assignor.offload.enable")]),
    int("consumer.heartbeat.interval.ms", text("5000"), "How often the members of a consumer group send heartbeats.").min(1).synonyms(&[same("group.consumer.heartbeat.interval.ms")]),
    int("consumer.session.timeout.ms", text("45000"), "A consumer group member that stays silent for this time is removed.").min(1).synonyms(&[same("group.consumer.session.timeout.ms")]),
    boolean("errors.deadletterqueue.copy.record.enable", text("false"), "Whether the dead letter queue gets the record itself or only headers about it."),
    string("errors.deadletterqueue.topic.name", text(""), "Topic that takes the records a share group could not process; blank means none."),
    int("share.assignment.interval.ms", text("1000"), "Shortest time between two assignments of a share group.").min(0).synonyms(&[same("group.share.assignment.interval.ms")]),
    boolean("share.assignor.offload.enable", text("true"), "Whether a share group's assignment is computed away from the coordinator's own thread.").internal().synonyms(&[same("group.share.assignor.offload.enable")]),
    string("share.auto.offset.reset", text("latest"), "Where a share group starts in a partition it has no state for: `earliest`, `latest` or `by_duration:` with an ISO 8601 duration.").valid(Validator::ShareOffsetReset),
    int("share.delivery.count.limit", text("5"), "How many times a record is offered to a share group before it counts as undeliverable.").min(2).synonyms(&[same("group.share.delivery.count.limit")]),
    int("share.heartbeat.interval.ms", text("5000"), "How often the members of a share group send heartbeats.").min(1).synonyms(&[same("group.share.heartbeat.interval.ms")]),
    string("share.isolation.level", text("read_uncommitted"), "Whether a share group sees records of open and aborted transactions.").valid(Validator::OneOf(&["read_committed", "read_uncommitted"])),
    int("share.partition.max.record.locks", text("2000"), "Most records of one partition that may be locked by a share group at a time.").min(100).synonyms(&[same("group.share.partition.max.record.locks")]),
    int("share.record.lock.duration.ms", text("30000"), "How long a share group member holds a record before it is offered to another.").min(1000).synonyms(&[same("group.share.record.lock.duration.ms")]),
    boolean("share.renew.acknowledge.enable", text("true"), "Whether a member may prolong its hold on a record by a renewing acknowledgement."),
    int("share.session.timeout.ms", text("45000"), "A share group member that stays silent for this time is removed.").min(1).synonyms(&[same("group.share.session.timeout.ms")]),
    long("streams.acceptable.recovery.lag", text("10000"), "Number of offsets by which a client may lag and still get an active task.").min(0).internal().synonyms(&[same("group.streams.acceptable.recovery.lag")]),
    int("streams.assignment.interval.ms", text("1000"), "Shortest time between two assignments of a streams group.").min(0).synonyms(&[same("group.streams.assignment.interval.ms")]),
    string("streams.assignor.name", NULL, "Task assignor of this streams group; without it the broker's first one is used.").synonyms(&[same("group.streams.assignors")]),
    boolean("streams.assignor.offload.enable", text("true"), "Whether a streams group's assignment is computed away from the coordinator's own thread.").internal().synonyms(&[same("group.streams.assignor.offload.enable")]),
    int("streams.heartbeat.interval.ms", text("5000"), "How often the members of a streams group send heartbeats.").min(1).synonyms(&[same("group.streams.heartbeat.interval.ms")]),
    int("streams.initial.rebalance.delay.ms", text("3000"), "How long a new streams group waits for more members before its first assignment.").min(0).synonyms(&[same("group.streams.initial.rebalance.delay.ms")]),
    int("streams.num.standby.replicas", text("0"), "Standby copies of each task's state.").min(0).synonyms(&[same("group.streams.num.standby.replicas")]),
    int("streams.num.warmup.replicas", text("2"), "Most warm-up tasks that a group may run at a time.").min(0).internal().synonyms(&[same("group.streams.num.warmup.replicas")]),
    list("streams.rack.aware.assignment.tags", text(""), "Client tags over which standby tasks are spread.").valid(Validator::List { of: &[], empty_allowed: true }).low().synonyms(&[same("group.streams.rack.aware.assignment.tags")]),
    int("streams.session.timeout.ms", text("45000"), "A streams group member that stays silent for this time is removed.").min(1).synonyms(&[same("group.streams.session.timeout.ms")]),
    int("streams.task.offset.interval.ms", text("60000"), "How often a client reports the offsets of its tasks.").min(1).internal().synonyms(&[same("group.streams.task.offset.interval.ms")]),
];
