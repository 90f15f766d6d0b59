//! Tests of a node's configs.

use super::*;

const SMALLEST: &str = "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
controller.listener.names=CONTROLLER
log.dirs=/data
";

fn read(change: &str) -> Result<BrokerConfig, ConfigError> {
    let mut set = crate::parse_properties(SMALLEST).unwrap();
    for (name, text) in crate::parse_properties(change).unwrap() {
        if text == "UNSET" {
            set.remove(&name);
        } else {
            set.insert(name, text);
        }
    }
    BrokerConfig::from_properties(&set).map(|(config, _)| config)
}

#[test]
fn the_smallest_file_makes_a_node() {
    let config = read("").unwrap();
    assert_eq!(config.node_id, 1);
    assert_eq!(
        config.roles,
        Roles {
            broker: true,
            controller: true
        }
    );
    assert_eq!(config.network.listeners.len(), 2);
    assert_eq!(config.network.advertised_listeners.len(), 1);
    assert_eq!(
        config.network.advertised_listeners[0].to_string(),
        "PLAINTEXT://:9092"
    );
    assert_eq!(config.network.inter_broker_listener_name, "PLAINTEXT");
    assert_eq!(config.metadata_log_dir, "/data");
    assert_eq!(
        config.quorum.voters[0].address.to_string(),
        "localhost:9093"
    );
    assert_eq!(config.offsets.topic_num_partitions, 50);
    assert_eq!(config.offsets.topic_replication_factor, 3);
    assert_eq!(config.groups.initial_rebalance_delay_ms, 3_000);
    assert_eq!(config.network.fetch_max_bytes, 57_671_680);
    assert_eq!(
        config.properties.get("broker.id").map(String::as_str),
        Some("1")
    );
}

#[test]
fn a_wrong_file_is_refused_with_the_key_at_fault() {
    for (change, key) in [
        ("node.id=UNSET", "node.id"),
        ("node.id=-1", "node.id"),
        ("broker.id=2", "broker.id"),
        ("process.roles=UNSET", "process.roles"),
        ("process.roles=", "process.roles"),
        ("process.roles=king", "process.roles"),
        ("log.dirs=", "log.dirs"),
        ("listeners=", "listeners"),
        ("listeners=PLAINTEXT//x:1,CONTROLLER://:9093", "listeners"),
        (
            "listeners=PLAINTEXT://x:70000,CONTROLLER://:9093",
            "listeners",
        ),
        (
            "listeners=PLAINTEXT://:9092,PLAINTEXT://:9094,CONTROLLER://:9093",
            "listeners",
        ),
        (
            "listeners=PLAINTEXT://:9093,CONTROLLER://:9093",
            "listeners",
        ),
        ("listeners=EXTERNAL://:9092,CONTROLLER://:9093", "listeners"),
        ("listeners=CONTROLLER://:9093", "advertised.listeners"),
        (
            "advertised.listeners=SSL://host:9092",
            "advertised.listeners",
        ),
        (
            "advertised.listeners=PLAINTEXT://0.0.0.0:9092",
            "advertised.listeners",
        ),
        (
            "advertised.listeners=PLAINTEXT://[::]:9092",
            "advertised.listeners",
        ),
        (
            "inter.broker.listener.name=SSL",
            "inter.broker.listener.name",
        ),
        ("controller.listener.names=OTHER", "listeners"),
        ("process.roles=broker", "controller.listener.names"),
        ("process.roles=controller", "listeners"),
        ("controller.quorum.voters=", "controller.quorum.voters"),
        ("controller.quorum.voters=2@h:1", "controller.quorum.voters"),
        ("controller.quorum.voters=1@h", "controller.quorum.voters"),
        (
            "controller.quorum.voters=1@h:1,1@h:2",
            "controller.quorum.voters",
        ),
        (
            "controller.quorum.bootstrap.servers=h",
            "controller.quorum.bootstrap.servers",
        ),
        (
            "listener.security.protocol.map=PLAINTEXT:WHAT",
            "listener.security.protocol.map",
        ),
        ("log.retention.hours=0", "log.retention.hours"),
        ("log.retention.ms=0", "log.retention.ms"),
        ("log.roll.ms=0", "log.roll.ms"),
        (
            "replica.fetch.wait.max.ms=40000",
            "replica.fetch.wait.max.ms",
        ),
        (
            "broker.heartbeat.interval.ms=5000",
            "broker.heartbeat.interval.ms",
        ),
        ("queued.max.request.bytes=5", "queued.max.request.bytes"),
        ("max.connections.per.ip=0", "max.connections.per.ip"),
        (
            "max.connections.per.ip.overrides=x",
            "max.connections.per.ip.overrides",
        ),
        (
            "connections.max.idle.ms=50",
            "connection.failed.authentication.delay.ms",
        ),
        (
            "log.cleaner.dedupe.buffer.size=5",
            "log.cleaner.dedupe.buffer.size",
        ),
        (
            "offsets.topic.compression.codec=9",
            "offsets.topic.compression.codec",
        ),
        ("cordoned.log.dirs=/other", "cordoned.log.dirs"),
        (
            "group.coordinator.rebalance.protocols=consumer",
            "group.coordinator.rebalance.protocols",
        ),
        (
            "odeon.log.acks.durability=never",
            "odeon.log.acks.durability",
        ),
    ] {
        let error = read(change).expect_err(change);
        assert_eq!(error.key, key, "{change}: {error}");
        assert!(
            error.message.contains(key) || key == "advertised.listeners",
            "{error}"
        );
    }
}

#[test]
fn ipv4_and_ipv6_may_share_a_port() {
    let change = "listeners=PLAINTEXT://127.0.0.1:9092,PLAINTEXT://[::1]:9092,CONTROLLER://:9093";
    let config = read(change).unwrap();
    assert_eq!(
        config.network.listeners[1].to_string(),
        "PLAINTEXT://[::1]:9092"
    );
}

#[test]
fn a_broker_alone_finds_its_quorum_elsewhere() {
    let change = "process.roles=broker\nnode.id=5\nlisteners=PLAINTEXT://:9092\n\
                  advertised.listeners=PLAINTEXT://b5:9092";
    let config = read(change).unwrap();
    assert_eq!(
        config.roles,
        Roles {
            broker: true,
            controller: false
        }
    );
    assert_eq!(config.network.advertised_listeners[0].host, "b5");
    assert!(read("process.roles=broker\nlisteners=PLAINTEXT://:9092").is_err());
}

#[test]
fn run_time_settings_are_laid_over_the_file() {
    let config = read("max.connections=5").unwrap();
    let (own, all) = (
        map(&[("max.connections", "7")]),
        map(&[("background.threads", "3")]),
    );
    let changed = config.with_dynamic(&own, &all).unwrap();
    assert_eq!(changed.network.max_connections, 7);
    assert_eq!(changed.properties, config.properties);
    assert!(
        config
            .with_dynamic(&map(&[("max.connections", "x")]), &all)
            .is_err()
    );
}

#[test]
fn security_protocols_follow_the_map() {
    let change = "listeners=IN://:9092,OUT://:9094,CONTROLLER://:9093\n\
                  listener.security.protocol.map=in:PLAINTEXT, OUT:sasl_ssl,CONTROLLER:PLAINTEXT\n\
                  inter.broker.listener.name=in";
    let config = read(change).unwrap();
    let protocols: Vec<_> = config
        .network
        .listeners
        .iter()
        .map(|one| one.protocol)
        .collect();
    use SecurityProtocol::{Plaintext, SaslSsl};
    assert_eq!(protocols, [Plaintext, SaslSsl, Plaintext]);
    assert_eq!(config.network.inter_broker_listener_name, "IN");
}
