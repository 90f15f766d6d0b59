//! Broker keys about listeners, sockets and connections.
//!
//! Names, types, defaults and bounds are those of Kafka 4.4; the sentences are ours.

use crate::config::definition::{ConfigDef, ConfigType, DefaultValue, Scope, Validator};

const NULL: DefaultValue = DefaultValue::Null;

const fn text(value: &'static str) -> DefaultValue {
    DefaultValue::Text(value)
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

/// The keys, by name.
pub(in crate::config) static KEYS: &[ConfigDef] = &[
    list(
        "advertised.listeners",
        NULL,
        "Addresses that clients are told to connect to, when they differ from `listeners`.",
    )
    .valid(Validator::List {
        of: &[],
        empty_allowed: false,
    })
    .high(),
    int(
        "connection.failed.authentication.delay.ms",
        text("100"),
        "How long a connection stays open after a failed authentication, to slow down guessing.",
    )
    .min(0)
    .low(),
    long(
        "connections.max.idle.ms",
        text("600000"),
        "A connection without traffic for this time is closed.",
    ),
    long(
        "connections.max.reauth.ms",
        text("0"),
        "Longest life of a SASL session before the client must authenticate again; 0 means no bound.",
    ),
    list(
        "early.start.listeners",
        NULL,
        "Listeners that open before the authorizer is ready.",
    )
    .valid(Validator::List {
        of: &[],
        empty_allowed: true,
    })
    .high(),
    string(
        "inter.broker.listener.name",
        NULL,
        "Listener over which brokers talk to each other.",
    ),
    string(
        "listener.security.protocol.map",
        text("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"),
        "Security protocol of each listener name, as `NAME:PROTOCOL`.",
    )
    .low()
    .per_broker(),
    list(
        "listeners",
        text("PLAINTEXT://:9092"),
        "Addresses that the node listens on, as `NAME://host:port`.",
    )
    .valid(Validator::List {
        of: &[],
        empty_allowed: false,
    })
    .high()
    .per_broker(),
    int(
        "max.connection.creation.rate",
        text("2147483647"),
        "Most new connections per second; more are made to wait.",
    )
    .min(0)
    .cluster_wide(),
    int(
        "max.connections",
        text("2147483647"),
        "Most connections at a time.",
    )
    .min(0)
    .cluster_wide(),
    int(
        "max.connections.per.ip",
        text("2147483647"),
        "Most connections at a time from one address.",
    )
    .min(0)
    .cluster_wide(),
    string(
        "max.connections.per.ip.overrides",
        text(""),
        "Exceptions to `max.connections.per.ip`, as `host:count`.",
    )
    .cluster_wide(),
    int(
        "num.io.threads",
        text("8"),
        "Number of threads that serve requests.",
    )
    .min(1)
    .high()
    .cluster_wide(),
    int(
        "num.network.threads",
        text("3"),
        "Number of threads per listener that read requests and write responses.",
    )
    .min(1)
    .high()
    .cluster_wide(),
    long(
        "queued.max.request.bytes",
        text("-1"),
        "Bytes of waiting requests above which no more are read; negative means no bound.",
    ),
    int(
        "queued.max.requests",
        text("500"),
        "Waiting requests above which no more are read.",
    )
    .min(1)
    .high(),
    int(
        "request.timeout.ms",
        text("30000"),
        "How long the node waits for the answers to its own requests.",
    )
    .high(),
    string(
        "security.inter.broker.protocol",
        text("PLAINTEXT"),
        "Security protocol between brokers; not together with `inter.broker.listener.name`.",
    )
    .valid(Validator::OneOf(&[
        "PLAINTEXT",
        "SSL",
        "SASL_PLAINTEXT",
        "SASL_SSL",
    ])),
    long(
        "socket.connection.setup.timeout.max.ms",
        text("30000"),
        "Longest time that setting up a connection may take after repeated failures.",
    ),
    long(
        "socket.connection.setup.timeout.ms",
        text("10000"),
        "Time that setting up a connection may take at first.",
    ),
    int(
        "socket.listen.backlog.size",
        text("50"),
        "Connections that may wait to be accepted.",
    )
    .min(1),
    int(
        "socket.receive.buffer.bytes",
        text("102400"),
        "Receive buffer of the server's sockets; -1 leaves it to the system.",
    )
    .high(),
    int(
        "socket.request.max.bytes",
        text("104857600"),
        "Largest request that is read.",
    )
    .min(1)
    .high(),
    int(
        "socket.send.buffer.bytes",
        text("102400"),
        "Send buffer of the server's sockets; -1 leaves it to the system.",
    )
    .high(),
];
