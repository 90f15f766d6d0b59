//! Broker keys about transactions and idempotent producers.
//!
//! Names, types, defaults and bounds are those of Kafka 4.4; the sentences are ours.

use crate::config::definition::{ConfigDef, ConfigType, DefaultValue, Scope};

const fn text(value: &'static str) -> DefaultValue {
    DefaultValue::Text(value)
}

const fn boolean(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Boolean, name, default, doc)
}

const fn int(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Int, name, default, doc)
}

const fn short(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Short, name, default, doc)
}

/// The keys, by name.
pub(in crate::config) static KEYS: &[ConfigDef] = &[
    int("add.partitions.to.txn.retry.backoff.max.ms", text("100"), "Longest time an AddPartitionsToTxn request is retried inside the server while the last transaction still completes.").min(0).high(),
    int("add.partitions.to.txn.retry.backoff.ms", text("20"), "Pause between such retries inside the server.").min(1).high(),
    int("producer.id.expiration.check.interval.ms", text("600000"), "How often expired producer ids are looked for.").min(1).low().internal(),
    int("producer.id.expiration.ms", text("86400000"), "How long a partition remembers an idempotent producer that writes no more.").min(1).low().cluster_wide(),
    int("producer.purgatory.purge.interval.requests", text("1000"), "How many finished produce requests gather before the waiting list is purged."),
    int("transaction.abort.timed.out.transaction.cleanup.interval.ms", text("10000"), "How often transactions that ran out of time are aborted.").min(1).low(),
    int("transaction.max.timeout.ms", text("900000"), "Longest transaction timeout that a producer may ask for.").min(1).high(),
    boolean("transaction.partition.verification.enable", text("true"), "Whether a partition leader asks the coordinator if a transaction is really open.").low().cluster_wide(),
    int("transaction.remove.expired.transaction.cleanup.interval.ms", text("3600000"), "How often expired transactional ids are looked for.").min(1).low(),
    int("transaction.state.log.load.buffer.size", text("5242880"), "Bytes read at a time when a transaction coordinator loads its partitions.").min(1).high(),
    int("transaction.state.log.min.isr", text("2"), "`min.insync.replicas` of the transaction topic.").min(1).high(),
    int("transaction.state.log.num.partitions", text("50"), "Partitions of the transaction topic; not to be changed later.").min(1).high(),
    short("transaction.state.log.replication.factor", text("3"), "Replication factor of the transaction topic.").min(1).high(),
    int("transaction.state.log.segment.bytes", text("104857600"), "Segment size of the transaction topic.").min(1).high(),
    boolean("transaction.two.phase.commit.enable", text("false"), "Whether producers may take part in an outside two-phase commit.").low(),
    int("transactional.id.expiration.ms", text("604800000"), "How long an unused transactional id is remembered.").min(1).high(),
];
