//! Quota keys of users, client ids and addresses.
//!
//! Names, types, defaults and bounds are those of Kafka 4.4; the sentences are ours.

use super::definition::{ConfigDef, ConfigType, DefaultValue, Scope};

const fn text(value: &'static str) -> DefaultValue {
    DefaultValue::Text(value)
}

const fn int(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Quota, ConfigType::Int, name, default, doc)
}

const fn long(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Quota, ConfigType::Long, name, default, doc)
}

const fn double(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Quota, ConfigType::Double, name, default, doc)
}

/// The keys, by name.
pub(in crate::config) static KEYS: &[ConfigDef] = &[
    int(
        "connection_creation_rate",
        text("2147483647"),
        "Most new connections per second from one address.",
    )
    .min(0),
    long(
        "consumer_byte_rate",
        text("9223372036854775807"),
        "Bytes per second that consumers may fetch.",
    ),
    double(
        "controller_mutation_rate",
        text("2147483647"),
        "Partitions that may be created or deleted per second.",
    ),
    long(
        "producer_byte_rate",
        text("9223372036854775807"),
        "Bytes per second that producers may send.",
    ),
    double(
        "request_percentage",
        text("2147483647"),
        "Share of the request threads' time, in percent of one thread.",
    ),
];
