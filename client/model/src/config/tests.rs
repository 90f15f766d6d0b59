//! Tests of the registry. The files under `tests/` are what a Kafka 4.4.0 broker answered to
//! `DescribeConfigs`: name, value, source, rw or ro, secret, type, synonyms. One value is changed:
//! Kafka showed `log.retention.hours` as 168 although its file said 100.

use proptest::prelude::*;

use super::*;
use crate::ErrorCode;

mod broker;

fn map(entries: &[(&str, &str)]) -> ConfigMap {
    entries
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

/// What was set on the broker that gave the answers.
struct Golden {
    dynamic_broker: ConfigMap,
    dynamic_default: ConfigMap,
    statics: ConfigMap,
}

impl Golden {
    fn new() -> Self {
        let statics = map(&[
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("controller.quorum.voters", "1@127.0.0.1:29393"),
            (
                "listeners",
                "PLAINTEXT://127.0.0.1:29392,CONTROLLER://127.0.0.1:29393",
            ),
            ("advertised.listeners", "PLAINTEXT://127.0.0.1:29392"),
            (
                "listener.security.protocol.map",
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            ),
            ("controller.listener.names", "CONTROLLER"),
            ("inter.broker.listener.name", "PLAINTEXT"),
            ("log.dirs", "/data"),
            ("num.partitions", "1"),
            ("default.replication.factor", "1"),
            ("min.insync.replicas", "1"),
            ("offsets.topic.replication.factor", "1"),
            ("transaction.state.log.replication.factor", "1"),
            ("transaction.state.log.min.isr", "1"),
            ("share.coordinator.state.topic.replication.factor", "1"),
            ("share.coordinator.state.topic.min.isr", "1"),
            ("group.initial.rebalance.delay.ms", "0"),
            ("auto.create.topics.enable", "true"),
            ("log.retention.hours", "100"),
            ("log.segment.bytes", "2097152"),
            ("odd.key", "1"),
            ("ssl.key.password", "secret"),
        ]);
        let (config, unknown) = BrokerConfig::from_properties(&statics).unwrap();
        assert_eq!(unknown, ["odd.key"]);
        Self {
            statics: ConfigMap::clone(&config.properties),
            dynamic_broker: map(&[
                ("log.retention.ms", "777"),
                ("max.connections", "10"),
                ("no.such.key", "4"),
                ("listener.name.plaintext.max.connections", "7"),
                ("log.cleanup.policy", "delete,compact"),
            ]),
            dynamic_default: map(&[
                ("log.roll.ms", "99999"),
                ("compression.type", "lz4"),
                ("log.retention.ms", "888"),
                ("follower.replication.throttled.rate", "5"),
                ("log.cleanup.policy", ""),
                ("min.insync.replicas", "1"),
            ]),
        }
    }

    fn layers(&self) -> BrokerLayers<'_> {
        BrokerLayers {
            dynamic_broker: &self.dynamic_broker,
            dynamic_default: &self.dynamic_default,
            statics: &self.statics,
        }
    }
}

fn source_name(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::DynamicTopicConfig => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::DynamicBrokerConfig => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DynamicDefaultBrokerConfig => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::StaticBrokerConfig => "STATIC_BROKER_CONFIG",
        ConfigSource::DefaultConfig => "DEFAULT_CONFIG",
        ConfigSource::GroupConfig => "DYNAMIC_GROUP_CONFIG",
        other => panic!("not expected: {other:?}"),
    }
}

fn line(config: &DescribedConfig) -> String {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "\\N".to_owned());
    let synonyms: String = config
        .synonyms
        .iter()
        .map(|one| {
            format!(
                "{}={}@{};",
                one.name,
                shown(&one.value),
                source_name(one.source)
            )
        })
        .collect();
    [
        config.name.as_str(),
        &shown(&config.value),
        source_name(config.source),
        if config.read_only { "ro" } else { "rw" },
        if config.is_sensitive { "secret" } else { "" },
        config.config_type.map_or("UNKNOWN", ConfigType::name),
        &synonyms,
    ]
    .join("\t")
}

fn assert_as_kafka(described: &[DescribedConfig], golden: &str) {
    let ours: Vec<String> = described
        .iter()
        .filter(|one| !one.name.starts_with("odeon."))
        .map(line)
        .collect();
    let theirs: Vec<&str> = golden.lines().collect();
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn a_topic_without_settings_is_described_as_kafka_does() {
    let golden = Golden::new();
    let overrides = map(&[
        ("cleanup.policy", "delete,compact"),
        ("leader.replication.throttled.replicas", "1:1"),
        ("compression.type", " zstd "),
    ]);
    let described = describe_topic(&overrides, golden.layers());
    assert_as_kafka(&described, include_str!("tests/topic_plain.tsv"));
}

#[test]
fn a_topic_with_settings_is_described_as_kafka_does() {
    let golden = Golden::new();
    let overrides = map(&[
        ("retention.ms", "1234"),
        ("cleanup.policy", ""),
        ("min.insync.replicas", " 2 "),
    ]);
    let described = describe_topic(&overrides, golden.layers());
    assert_as_kafka(&described, include_str!("tests/topic_set.tsv"));
}

#[test]
fn a_group_is_described_as_kafka_does() {
    let golden = Golden::new();
    let overrides = map(&[
        ("consumer.session.timeout.ms", "50000"),
        ("share.auto.offset.reset", "by_duration:PT1H"),
    ]);
    let described = describe_group(&overrides, golden.layers());
    assert_as_kafka(&described, include_str!("tests/group_set.tsv"));
}

#[test]
fn a_broker_is_described_as_kafka_does() {
    let golden = Golden::new();
    let mut described = describe_broker(golden.layers());
    described.retain(|one| !one.name.contains("odeon."));
    assert_as_kafka(&described, include_str!("tests/broker.tsv"));
    let defaults = describe_broker_defaults(&golden.dynamic_default);
    assert_eq!(defaults.len(), golden.dynamic_default.len());
    assert!(
        defaults
            .iter()
            .all(|one| one.synonyms.len() == 1 && !one.read_only)
    );
}

#[test]
fn every_key_has_a_valid_default_and_a_sentence() {
    let all = [topic_configs(), group_configs(), quota_configs()].concat();
    let brokers = broker_configs().iter().map(|def| **def);
    for def in all.into_iter().chain(brokers) {
        if let Some(text) = def.default_text() {
            validate(&def, text).unwrap_or_else(|error| panic!("{}: {error}", def.name));
        }
        assert!(
            def.doc.ends_with('.') && def.doc.len() < 200,
            "{}",
            def.name
        );
        for synonym in def.synonyms {
            assert!(find_broker(synonym.name).is_some(), "{}", synonym.name);
        }
    }
    for keys in [topic_configs(), group_configs(), quota_configs()] {
        assert!(keys.is_sorted_by(|a, b| a.name < b.name));
    }
    assert!(broker_configs().is_sorted_by(|a, b| a.name < b.name));
    assert_eq!((topic_configs().len(), broker_configs().len()), (39, 387));
    assert_eq!(group_configs().len(), 27);
}

#[test]
fn topic_values_are_accepted_and_refused_as_by_kafka() {
    let accepted = [
        ("cleanup.policy", ""),
        ("cleanup.policy", " "),
        ("cleanup.policy", "compact,delete"),
        ("cleanup.policy", "compact,compact"),
        ("cleanup.policy", "delete, compact"),
        ("compression.type", " gzip "),
        ("min.insync.replicas", " 3 "),
        ("min.insync.replicas", "+3"),
        ("retention.bytes", "-77"),
        ("preallocate", " TRUE "),
        ("min.cleanable.dirty.ratio", "0.25f"),
        ("min.cleanable.dirty.ratio", "1e-1"),
        ("leader.replication.throttled.replicas", "*"),
        ("leader.replication.throttled.replicas", "0:1,1:2"),
        ("leader.replication.throttled.replicas", ""),
        ("odeon.acks.durability", "page-cache"),
        ("compression.gzip.level", "-1"),
    ];
    for (name, text) in accepted {
        validate(find_topic(name).unwrap(), text).unwrap();
    }
    let refused = [
        ("cleanup.policy", "foo"),
        ("cleanup.policy", "delete,,compact"),
        ("cleanup.policy", ","),
        ("cleanup.policy", "DELETE"),
        ("compression.type", "GZIP"),
        ("compression.type", ""),
        ("min.insync.replicas", "0"),
        ("min.insync.replicas", ""),
        ("min.insync.replicas", "99999999999"),
        ("retention.ms", "-2"),
        ("retention.ms", "1.5"),
        ("retention.ms", "9223372036854775808"),
        ("preallocate", "yes"),
        ("preallocate", ""),
        ("min.cleanable.dirty.ratio", "1.1"),
        ("min.cleanable.dirty.ratio", "inf"),
        ("min.cleanable.dirty.ratio", "Infinity"),
        ("min.cleanable.dirty.ratio", "nan"),
        ("segment.bytes", "100"),
        ("compression.gzip.level", "0"),
        ("compression.zstd.level", "23"),
        ("leader.replication.throttled.replicas", "0:1,1"),
        ("leader.replication.throttled.replicas", "*,0:1"),
        ("leader.replication.throttled.replicas", "0: 1"),
        ("message.timestamp.type", "createtime"),
        ("odeon.acks.durability", "maybe"),
    ];
    for (name, text) in refused {
        let error = validate(find_topic(name).unwrap(), text).unwrap_err();
        assert_eq!(
            (error.key.as_str(), error.code),
            (name, ErrorCode::InvalidConfig)
        );
    }
}

#[test]
fn a_refusal_names_key_value_and_reason_but_no_secret() {
    let error = validate(find_topic("min.insync.replicas").unwrap(), "0").unwrap_err();
    let expected = "Invalid value 0 for configuration min.insync.replicas: it must be at least 1";
    assert_eq!(error.to_string(), expected);
    let long = "9".repeat(30_000);
    let error = validate(find_topic("retention.ms").unwrap(), &long).unwrap_err();
    assert!(error.message.len() < 400);
    let secret = ConfigDef::new(
        Scope::Broker,
        ConfigType::Password,
        "p",
        DefaultValue::Null,
        "",
    );
    let error = validate(&secret.valid(Validator::NonEmpty), "").unwrap_err();
    assert!(error.message.contains("[hidden]"));
}

#[test]
fn keys_of_a_topic_must_agree() {
    let broker = BrokerLayers::default();
    let check =
        |proposed: &[(&str, &str)]| validate_topic(&ConfigMap::new(), &map(proposed), broker);
    check(&[("local.retention.ms", "100"), ("retention.ms", "50")]).unwrap();
    let error = check(&[
        ("min.compaction.lag.ms", "100"),
        ("max.compaction.lag.ms", "50"),
    ]);
    assert_eq!(error.unwrap_err().key, "min.compaction.lag.ms");
    assert!(
        check(&[("nope", "1")])
            .unwrap_err()
            .message
            .contains("nope")
    );
    assert!(check(&[("remote.storage.enable", "true")]).is_err());
    let statics = map(&[("remote.log.storage.system.enable", "true")]);
    let tiered = BrokerLayers::of_statics(&statics);
    for (proposed, valid) in [
        (vec![], true),
        (vec![("cleanup.policy", "compact")], false),
        (
            vec![("local.retention.ms", "100"), ("retention.ms", "50")],
            false,
        ),
        (
            vec![("local.retention.ms", "-1"), ("retention.ms", "50")],
            false,
        ),
        (
            vec![("local.retention.ms", "50"), ("remote.copy.lag.ms", "100")],
            false,
        ),
        (
            vec![
                ("remote.log.copy.disable", "true"),
                ("local.retention.ms", "5"),
            ],
            false,
        ),
        (vec![("remote.log.copy.disable", "true")], true),
    ] {
        let mut proposed = map(&proposed);
        proposed.insert("remote.storage.enable".to_owned(), "true".to_owned());
        let result = validate_topic(&ConfigMap::new(), &proposed, tiered);
        assert_eq!(result.is_ok(), valid, "{proposed:?}");
    }
    let was = map(&[("remote.storage.enable", "true")]);
    assert!(validate_topic(&was, &ConfigMap::new(), tiered).is_err());
}

#[test]
fn keys_of_a_group_stay_within_the_brokers_bounds() {
    let broker = BrokerLayers::default();
    let check = |name: &str, text: &str| validate_group(&map(&[(name, text)]), broker).is_ok();
    assert!(check("consumer.session.timeout.ms", "50000"));
    assert!(!check("consumer.session.timeout.ms", "10"));
    assert!(!check("consumer.heartbeat.interval.ms", "100000"));
    assert!(!check("streams.num.standby.replicas", "3"));
    assert!(check("streams.assignor.name", "sticky"));
    assert!(!check("streams.assignor.name", "other"));
    assert!(!check("errors.deadletterqueue.topic.name", "__x"));
    assert!(!check("share.auto.offset.reset", "x"));
    assert!(!check("nope", "1"));
    let low = map(&[("consumer.session.timeout.ms", "10")]);
    assert_eq!(
        GroupConfig::resolve(&low, broker).consumer_session_timeout_ms,
        45_000
    );
}

#[test]
fn lists_grow_and_shrink_by_entries() {
    let def = find_topic("cleanup.policy");
    let apply = |op, current, value| apply_incremental(op, "cleanup.policy", def, current, value);
    let text = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(
        apply(AlterOp::Append, None, Some("compact")),
        text("delete,compact")
    );
    assert_eq!(
        apply(AlterOp::Append, Some("compact"), Some("compact")),
        text("compact")
    );
    assert_eq!(
        apply(AlterOp::Append, Some("a"), Some("b, c")),
        text("a,b,c")
    );
    assert_eq!(
        apply(AlterOp::Subtract, Some("a,b,a"), Some("a")),
        text("b")
    );
    assert_eq!(apply(AlterOp::Subtract, Some("a"), Some("a")), text(""));
    assert_eq!(apply(AlterOp::Subtract, Some(""), Some("a")), text(""));
    assert_eq!(apply(AlterOp::Set, Some("a"), Some("x")), text("x"));
    assert_eq!(apply(AlterOp::Delete, Some("a"), None), Ok(None));
    let error = apply(AlterOp::Set, None, None).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    assert!(apply(AlterOp::Set, None, Some(&long)).is_err());
    for (key, def) in [("retention.ms", find_topic("retention.ms")), ("nope", None)] {
        let error = apply_incremental(AlterOp::Append, key, def, None, Some("5")).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidConfig);
    }
}

#[test]
fn a_broker_key_changes_only_where_it_may() {
    let check = |name: &str, broker| validate_dynamic_broker(&map(&[(name, "7")]), broker);
    check("max.connections", true).unwrap();
    check("max.connections", false).unwrap();
    check("no.such.key", true).unwrap();
    check("listener.name.plaintext.max.connections", true).unwrap();
    assert_eq!(
        check("num.partitions", true).unwrap_err().code,
        ErrorCode::InvalidRequest
    );
    assert!(check("listeners", false).is_err());
    assert!(check("ssl.keystore.location", true).is_err());
    check("listener.name.x.ssl.keystore.location", true).unwrap();
    assert!(validate_dynamic_broker(&map(&[("log.segment.bytes", "x")]), true).is_err());
}

#[test]
fn a_topic_takes_what_it_does_not_set_from_the_broker() {
    let golden = Golden::new();
    let overrides = map(&[("segment.bytes", "1048576"), ("compression.type", "zstd")]);
    let config = TopicConfig::resolve(&overrides, golden.layers());
    assert_eq!(
        (config.segment_bytes, config.retention_ms),
        (1_048_576, 777)
    );
    assert_eq!(config.segment_ms, 99_999);
    assert_eq!(config.compression, TopicCompression::Zstd(3));
    assert_eq!(
        config.cleanup_policy,
        CleanupPolicy {
            delete: true,
            compact: true
        }
    );
    assert_eq!(config.durability, Durability::Fsync);

    let statics = map(&[("log.retention.minutes", "2"), ("log.roll.hours", "3")]);
    let config = TopicConfig::resolve(&ConfigMap::new(), BrokerLayers::of_statics(&statics));
    assert_eq!(
        (config.retention_ms, config.segment_ms),
        (120_000, 10_800_000)
    );
    let statics = map(&[
        ("log.retention.hours", "-5"),
        ("odeon.log.acks.durability", "page-cache"),
    ]);
    let config = TopicConfig::resolve(&ConfigMap::new(), BrokerLayers::of_statics(&statics));
    assert_eq!(
        (config.retention_ms, config.durability),
        (-1, Durability::PageCache)
    );
}

#[test]
fn the_defaults_of_a_topic_are_kafkas() {
    let config = TopicConfig::default();
    assert_eq!(config.retention_ms, 604_800_000);
    assert_eq!(config.segment_bytes, 1_073_741_824);
    assert_eq!(config.max_message_bytes, 1_048_588);
    assert_eq!(
        (config.flush_ms, config.flush_messages),
        (i64::MAX, i64::MAX)
    );
    assert_eq!(config.compression, TopicCompression::Producer);
    assert_eq!(config.message_timestamp_type, TimestampType::CreateTime);
}

#[test]
fn durations_are_read_as_iso_8601_writes_them() {
    for (text, expected) in [
        ("PT1H", Some(3_600_000)),
        ("P1DT2H3M4.5S", Some(93_784_500)),
        ("pt0.001s", Some(1)),
        ("-PT1S", Some(-1_000)),
        ("PT-1.5S", Some(-1_500)),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("PT1", None),
        ("PT1S1H", None),
        ("1H", None),
        ("PT99999999999999999999S", None),
        ("P9223372036854775807D", None),
    ] {
        assert_eq!(iso_duration_ms(text), expected, "{text}");
    }
}

#[test]
fn numbers_are_written_as_java_does() {
    let double = find_topic("min.cleanable.dirty.ratio").unwrap();
    for (text, expected) in [
        ("0.25f", "0.25"),
        ("1", "1.0"),
        ("0", "0.0"),
        ("1e-4", "1.0E-4"),
    ] {
        assert_eq!(validate(double, text).unwrap().to_string(), expected);
    }
    let most = find_broker("log.cleaner.io.max.bytes.per.second").unwrap();
    let text = most.default_text().unwrap();
    assert_eq!(validate(most, text).unwrap().to_string(), text);
}

proptest! {
    #[test]
    fn no_text_makes_validation_panic(text in "(?s).{0,60}") {
        for def in topic_configs().iter().chain(group_configs()).chain(broker_configs().iter().copied()) {
            let _ = validate(def, &text);
        }
        let _ = iso_duration_ms(&text);
    }

    #[test]
    fn an_appended_entry_can_be_taken_away_again(start in "[a-c]{1,2}(,[a-c]{1,2}){0,3}", entry in "[d-f]{1,3}") {
        let def = find_topic("cleanup.policy");
        let apply = |op, current: &str| apply_incremental(op, "cleanup.policy", def, Some(current), Some(&entry));
        let added = apply(AlterOp::Append, &start).unwrap().unwrap();
        prop_assert_eq!(apply(AlterOp::Subtract, &added).unwrap().unwrap(), start);
    }
}
