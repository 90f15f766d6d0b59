//! What the keys of a node must fulfil together.
//!
//! Source: `kafka.server.KafkaConfig.validateValues`.

use super::broker::{BrokerConfig, View};
use super::error::{ConfigError, shorten};
use super::layers::BrokerLayers;
use super::listeners::{
    Listener, ProtocolMap, SecurityProtocol, is_unroutable, normalize, parse_listeners,
    parse_protocol_map,
};
use super::registry::ConfigMap;

/// Makes `node.id` and its older name `broker.id` equal.
pub(super) fn same_node_id(set: &mut ConfigMap) -> Result<(), ConfigError> {
    let (node, broker) = ("node.id", "broker.id");
    match (set.get(node).cloned(), set.get(broker).cloned()) {
        (Some(id), Some(old)) => require(id.trim() == old.trim(), broker, || {
            "node.id and broker.id differ; broker.id is the older name, so set node.id only"
                .to_owned()
        })?,
        (Some(id), None) => drop(set.insert(broker.to_owned(), id)),
        (None, Some(id)) => drop(set.insert(node.to_owned(), id)),
        (None, None) => {}
    }
    Ok(())
}

/// The listeners of a node, by their parts.
pub(super) struct ListenerNames {
    pub(super) listeners: Vec<Listener>,
    pub(super) advertised: Vec<Listener>,
    pub(super) controller: Vec<String>,
    pub(super) inter_broker: String,
}

/// Reads and checks everything about listeners.
pub(super) fn listener_names(
    view: &View<'_>,
    roles: &[String],
) -> Result<ListenerNames, ConfigError> {
    let controller: Vec<String> = view
        .list("controller.listener.names")
        .iter()
        .map(|name| normalize(name))
        .collect();
    let protocols = protocols(view, &controller)?;
    let listeners = parse_listeners("listeners", &view.list("listeners"), &protocols, true)?;
    let key = "advertised.listeners";
    let mut advertised = match view.list(key) {
        entries if entries.is_empty() => listeners.clone(),
        entries => parse_listeners(key, &entries, &protocols, false)?,
    };
    let is_controllers = |name: &str| controller.iter().any(|one| one == name);
    for listener in &advertised {
        let known = listeners.iter().any(|one| one.name == listener.name);
        require(known || is_controllers(&listener.name), key, || {
            format!(
                "{key} names {}, which is not among listeners",
                shorten(&listener.name)
            )
        })?;
    }
    advertised.retain(|listener| !is_controllers(&listener.name));
    let inter_broker = inter_broker(view, &advertised)?;
    let names = ListenerNames {
        listeners,
        advertised,
        controller,
        inter_broker,
    };
    if roles.iter().any(|role| role == "broker") {
        check_broker_listeners(&names)?;
    }
    check_controller_listeners(&names, roles, &protocols)?;
    Ok(names)
}

/// The protocol of each listener. Without an explicit map, and with no other protocol in use,
/// controller listeners are open, so that the smallest file works.
fn protocols(view: &View<'_>, controller: &[String]) -> Result<ProtocolMap, ConfigError> {
    let key = "listener.security.protocol.map";
    let mut map = parse_protocol_map(key, &view.text(key))?;
    let secured = view.list("listeners").iter().any(|entry| {
        let name = normalize(entry.split("://").next().unwrap_or_default());
        map.get(&name)
            .is_some_and(|protocol| *protocol != SecurityProtocol::Plaintext)
    });
    if view.layers.get(key).is_none() && !secured {
        for name in controller {
            map.entry(name.clone())
                .or_insert(SecurityProtocol::Plaintext);
        }
    }
    Ok(map)
}

fn inter_broker(view: &View<'_>, advertised: &[Listener]) -> Result<String, ConfigError> {
    let (key, older) = (
        "inter.broker.listener.name",
        "security.inter.broker.protocol",
    );
    match view.optional(key) {
        Some(name) => {
            require(view.layers.get(older).is_none(), key, || {
                format!("Only one of {key} and {older} may be set")
            })?;
            Ok(normalize(&name))
        }
        None => {
            let protocol = view.text(older);
            let by_protocol = advertised.iter().find(|one| one.name == protocol);
            Ok(by_protocol.map_or(protocol, |one| one.name.clone()))
        }
    }
}

fn check_broker_listeners(names: &ListenerNames) -> Result<(), ConfigError> {
    let key = "advertised.listeners";
    require(!names.advertised.is_empty(), key, || {
        "A broker needs a listener that is not one of controller.listener.names".to_owned()
    })?;
    for listener in &names.advertised {
        require(!is_unroutable(&listener.host), key, || {
            format!(
                "{key} cannot name {}: no client can connect to it",
                listener.host
            )
        })?;
    }
    let known = names
        .advertised
        .iter()
        .any(|one| one.name == names.inter_broker);
    require(known, "inter.broker.listener.name", || {
        let valid: Vec<_> = names
            .advertised
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        format!(
            "inter.broker.listener.name: {} is not among the advertised listeners: {}",
            shorten(&names.inter_broker),
            valid.join(", ")
        )
    })
}

fn check_controller_listeners(
    names: &ListenerNames,
    roles: &[String],
    protocols: &ProtocolMap,
) -> Result<(), ConfigError> {
    let key = "controller.listener.names";
    let is_listener = |name: &String| names.listeners.iter().any(|one| one.name == *name);
    for name in &names.controller {
        require(protocols.contains_key(name), key, || {
            format!(
                "{key}: {} has no entry in listener.security.protocol.map",
                shorten(name)
            )
        })?;
    }
    if !roles.iter().any(|role| role == "controller") {
        return require(!names.controller.iter().any(is_listener), key, || {
            format!("{key} must not name one of listeners when the node is only a broker")
        });
    }
    require(names.controller.iter().all(is_listener), key, || {
        format!("{key} must name only listeners when the node is a controller")
    })?;
    if roles.iter().any(|role| role == "broker") {
        return Ok(());
    }
    let only_controllers = names
        .listeners
        .iter()
        .all(|one| names.controller.contains(&one.name));
    require(only_controllers, "listeners", || {
        format!("listeners must hold only {key} when the node is only a controller")
    })
}

/// Checks everything else.
pub(super) fn check(config: &BrokerConfig) -> Result<(), ConfigError> {
    check_quorum(config)?;
    check_logs(config)?;
    check_network(config)?;
    let (heartbeat, session) = (
        config.broker_heartbeat_interval_ms,
        config.broker_session_timeout_ms,
    );
    require(
        heartbeat <= session / 2,
        "broker.heartbeat.interval.ms",
        || {
            format!(
                "broker.heartbeat.interval.ms ({heartbeat}) must be at most half of \
             broker.session.timeout.ms ({session})"
            )
        },
    )?;
    let view = View {
        layers: config.layers(),
    };
    let wait = config.replication.fetch_wait_max_ms;
    let key = "replica.fetch.wait.max.ms";
    for longer in ["replica.socket.timeout.ms", "replica.lag.time.max.ms"] {
        require(wait <= view.long(longer), key, || {
            format!("{key} must be at most {longer}")
        })?;
    }
    for key in [
        "offsets.topic.compression.codec",
        "share.coordinator.state.topic.compression.codec",
    ] {
        require((0..=4).contains(&view.long(key)), key, || {
            format!("{key} must be a codec's number, from 0 to 4")
        })?;
    }
    let classic = config
        .groups
        .rebalance_protocols
        .iter()
        .any(|protocol| protocol == "classic");
    require(classic, "group.coordinator.rebalance.protocols", || {
        "group.coordinator.rebalance.protocols must hold classic".to_owned()
    })
}

fn check_quorum(config: &BrokerConfig) -> Result<(), ConfigError> {
    let (key, quorum) = ("controller.quorum.voters", &config.quorum);
    let dynamic = !quorum.bootstrap_servers.is_empty();
    require(dynamic || !quorum.voters.is_empty(), key, || {
        format!("Set {key}, or controller.quorum.bootstrap.servers, so that the quorum is found")
    })?;
    for (index, voter) in quorum.voters.iter().enumerate() {
        let first = quorum.voters.iter().position(|one| one.id == voter.id);
        require(first == Some(index), key, || {
            format!("{key} names {} twice", voter.id)
        })?;
    }
    let is_voter = quorum.voters.iter().any(|voter| voter.id == config.node_id);
    if config.roles.controller {
        return require(quorum.voters.is_empty() || is_voter, key, || {
            format!("{key} does not name this controller, {}", config.node_id)
        });
    }
    require(!is_voter, key, || {
        format!(
            "{key} names this node, {}, which is only a broker",
            config.node_id
        )
    })?;
    let joins = quorum.auto_join;
    require(!joins, "controller.quorum.auto.join.enable", || {
        "controller.quorum.auto.join.enable is for controllers only".to_owned()
    })
}

fn check_logs(config: &BrokerConfig) -> Result<(), ConfigError> {
    require(!config.log_dirs.is_empty(), "log.dirs", || {
        "Set log.dirs or log.dir: at least one directory is needed".to_owned()
    })?;
    let key = "cordoned.log.dirs";
    let cordoned = &config.cordoned_log_dirs;
    let everything = cordoned.iter().any(|dir| dir == "*");
    require(!everything || cordoned.len() == 1, key, || {
        format!("{key}: '*' must stand alone")
    })?;
    require(
        everything || cordoned.iter().all(|dir| config.log_dirs.contains(dir)),
        key,
        || format!("{key} must name only directories of log.dirs"),
    )?;
    let layers = config.layers();
    for name in [
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
    ] {
        let zero = number(&layers, name) == Some(0);
        require(!zero, name, || {
            format!("{name} must be at least 1, or -1 to keep everything")
        })?;
    }
    for (name, min) in [("log.roll.ms", 1), ("log.roll.jitter.ms", 0)] {
        require(
            number(&layers, name).is_none_or(|number| number >= min),
            name,
            || format!("{name} must be at least {min}"),
        )?;
    }
    let (lag, bound) = (
        "log.cleaner.min.compaction.lag.ms",
        "log.cleaner.max.compaction.lag.ms",
    );
    require(number(&layers, lag) <= number(&layers, bound), lag, || {
        format!("{lag} must be at most {bound}")
    })?;
    let logs = &config.logs;
    let per_thread = logs.cleaner_dedupe_buffer_bytes / logs.cleaner_threads.max(1);
    let key = "log.cleaner.dedupe.buffer.size";
    require(per_thread > 1024 * 1024, key, || {
        format!("{key} must be more than 1 MiB for each of log.cleaner.threads")
    })
}

fn check_network(config: &BrokerConfig) -> Result<(), ConfigError> {
    let network = &config.network;
    let (queued, largest) = (
        network.queued_max_request_bytes,
        network.socket_request_max_bytes,
    );
    let key = "queued.max.request.bytes";
    require(queued <= 0 || queued >= largest, key, || {
        format!("{key} must be at least socket.request.max.bytes ({largest})")
    })?;
    let key = "max.connections.per.ip";
    let has_overrides = !network.max_connections_per_ip_overrides.is_empty();
    require(
        network.max_connections_per_ip != 0 || has_overrides,
        key,
        || format!("{key} can be 0 only together with {key}.overrides"),
    )?;
    let key = "connection.failed.authentication.delay.ms";
    let (delay, idle) = (
        network.connection_failed_authentication_delay_ms,
        network.connections_max_idle_ms,
    );
    require(idle < 0 || delay < idle, key, || {
        format!("{key} ({delay}) must be less than connections.max.idle.ms ({idle})")
    })?;
    let uses_sasl = network
        .listeners
        .iter()
        .any(|one| one.name == network.inter_broker_listener_name && one.protocol.uses_sasl());
    let key = "sasl.mechanism.inter.broker.protocol";
    let mechanism = View {
        layers: config.layers(),
    }
    .text(key);
    require(
        !uses_sasl || network.sasl_enabled_mechanisms.contains(&mechanism),
        key,
        || format!("{key} must be among sasl.enabled.mechanisms when brokers talk by SASL"),
    )
}

fn number(layers: &BrokerLayers<'_>, name: &str) -> Option<i64> {
    layers.value(name).and_then(|value| value.as_i64())
}

fn require(
    fulfilled: bool,
    key: &str,
    message: impl FnOnce() -> String,
) -> Result<(), ConfigError> {
    if fulfilled {
        Ok(())
    } else {
        Err(ConfigError::new(key, message()))
    }
}
