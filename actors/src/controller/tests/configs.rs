use odeon_metadata::ConfigResourceType;

use super::*;

fn operation(op: AlterOp, name: &str, value: Option<&str>) -> ConfigOperation {
    ConfigOperation {
        op,
        name: name.to_owned(),
        value: value.map(str::to_owned),
    }
}

#[test]
fn operations_set_append_subtract_and_delete() {
    let mut cluster = Cluster::of(1);
    cluster.create_on("t", &[1]);
    let resource = ConfigResource::topic("t");
    let get = |cluster: &Cluster, key: &str| {
        cluster
            .image
            .config_value(&ConfigResource::topic("t"), key)
            .map(|value| value.to_string())
    };
    let mut step = |op, key: &str, value| {
        let result = cluster.alter(resource.clone(), vec![operation(op, key, value)], false);
        assert_eq!(result.error, ErrorCode::None, "{:?}", result.message);
        get(&cluster, key)
    };
    assert_eq!(
        step(AlterOp::Set, "retention.ms", Some("5")).as_deref(),
        Some("5")
    );
    let both = step(AlterOp::Append, "cleanup.policy", Some("compact"));
    assert_eq!(both.as_deref(), Some("delete,compact"));
    let one = step(AlterOp::Subtract, "cleanup.policy", Some("delete"));
    assert_eq!(one.as_deref(), Some("compact"));
    assert_eq!(step(AlterOp::Delete, "cleanup.policy", None), None);
    assert_eq!(get(&cluster, "retention.ms").as_deref(), Some("5"));
}

#[test]
fn the_older_alteration_replaces_everything() {
    let mut cluster = Cluster::of(1);
    cluster.create_on("t", &[1]);
    cluster.set(ConfigResource::topic("t"), "retention.ms", "5");
    let operations = vec![operation(AlterOp::Set, "segment.bytes", Some("2000000"))];
    let result = cluster.alter(ConfigResource::topic("t"), operations, true);
    assert_eq!(result.error, ErrorCode::None, "{:?}", result.message);
    let configs = cluster.image.config_map(&ConfigResource::topic("t"));
    assert_eq!(configs.into_keys().collect::<Vec<_>>(), ["segment.bytes"]);
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    let mut cluster = Cluster::of(1);
    cluster.create_on("t", &[1]);
    cluster.set(ConfigResource::topic("t"), "retention.ms", "5");
    let resource = ConfigResource::topic("t");
    let operations = vec![operation(AlterOp::Set, "retention.ms", Some("5"))];
    let resources = vec![ConfigAlteration {
        resource,
        operations,
    }];
    let request = AlterConfigs {
        resources,
        replace_all: false,
        validate_only: false,
    };
    let written = cluster.decide(|d, draft, _| {
        assert!(d.alter_configs(draft, request)[0].error.is_none());
        draft.records.len()
    });
    assert_eq!(written, 0);
}

#[test]
fn each_resource_is_refused_for_itself() {
    let mut cluster = Cluster::of(1);
    cluster.create_on("t", &[1]);
    let set = |resource: ConfigResource, key: &str, value: &str| ConfigAlteration {
        resource,
        operations: vec![operation(AlterOp::Set, key, Some(value))],
    };
    let twice = ConfigAlteration {
        resource: ConfigResource::topic("t"),
        operations: vec![
            operation(AlterOp::Set, "retention.ms", Some("1")),
            operation(AlterOp::Delete, "retention.ms", None),
        ],
    };
    let logger = ConfigResource::new(ConfigResourceType::BrokerLogger, "1");
    let cases = [
        (
            set(ConfigResource::topic("u"), "retention.ms", "1"),
            ErrorCode::UnknownTopicOrPartition,
        ),
        (
            set(ConfigResource::topic("t"), "retention.ms", "x"),
            ErrorCode::InvalidConfig,
        ),
        (
            set(ConfigResource::topic("t"), "no.such", "x"),
            ErrorCode::InvalidConfig,
        ),
        (
            set(ConfigResource::broker(9), "log.retention.ms", "1"),
            ErrorCode::BrokerIdNotRegistered,
        ),
        (
            set(
                ConfigResource::new(ConfigResourceType::Broker, "01"),
                "log.retention.ms",
                "1",
            ),
            ErrorCode::InvalidRequest,
        ),
        (
            set(ConfigResource::broker(1), "log.dirs", "/x"),
            ErrorCode::InvalidRequest,
        ),
        (
            set(
                ConfigResource::group(""),
                "consumer.session.timeout.ms",
                "1",
            ),
            ErrorCode::InvalidRequest,
        ),
        (set(logger, "root", "INFO"), ErrorCode::InvalidRequest),
        (twice, ErrorCode::InvalidRequest),
        (
            ConfigAlteration {
                resource: ConfigResource::topic("t"),
                operations: vec![operation(AlterOp::Append, "retention.ms", Some("1"))],
            },
            ErrorCode::InvalidConfig,
        ),
        (
            set(ConfigResource::broker(1), "log.cleaner.threads", "2"),
            ErrorCode::None,
        ),
        (
            set(ConfigResource::default_broker(), "log.retention.ms", "7"),
            ErrorCode::None,
        ),
        (
            set(
                ConfigResource::group("g"),
                "consumer.session.timeout.ms",
                "46000",
            ),
            ErrorCode::None,
        ),
    ];
    for (alteration, code) in cases {
        let resource = alteration.resource.clone();
        let request = AlterConfigs {
            resources: vec![alteration],
            replace_all: false,
            validate_only: false,
        };
        let result = cluster
            .decide(|d, draft, _| d.alter_configs(draft, request))
            .remove(0);
        assert_eq!(result.error, code, "{resource:?}: {:?}", result.message);
        assert_eq!(result.resource, resource);
    }
    let retention = cluster
        .image
        .config_value(&ConfigResource::default_broker(), "log.retention.ms");
    assert_eq!(retention.map(|value| &**value), Some("7"));
}

#[test]
fn a_resource_named_twice_is_refused_twice() {
    let mut cluster = Cluster::of(1);
    cluster.create_on("t", &[1]);
    let one = ConfigAlteration {
        resource: ConfigResource::topic("t"),
        operations: vec![],
    };
    let request = AlterConfigs {
        resources: vec![one.clone(), one],
        replace_all: false,
        validate_only: false,
    };
    let results = cluster.decide(|d, draft, _| d.alter_configs(draft, request));
    assert!(
        results
            .iter()
            .all(|result| result.error == ErrorCode::InvalidRequest)
    );
}
