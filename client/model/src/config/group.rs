//! A group's configs, as its coordinator wants them.
//!
//! Source: `org.apache.kafka.coordinator.group.GroupConfig`.

use super::error::{ConfigError, shorten};
use super::layers::{BrokerLayers, effective};
use super::registry::{ConfigMap, find_group};
use super::value::{Value, validate};

/// A group's configs, its own settings laid over the broker's, within the broker's bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// A silent member of a consumer group is removed after this time.
    pub consumer_session_timeout_ms: i64,
    /// How often members of a consumer group send heartbeats.
    pub consumer_heartbeat_interval_ms: i64,
    /// Shortest time between two assignments of a consumer group.
    pub consumer_assignment_interval_ms: i64,
    /// A silent member of a share group is removed after this time.
    pub share_session_timeout_ms: i64,
    /// How often members of a share group send heartbeats.
    pub share_heartbeat_interval_ms: i64,
    /// How long a member holds a record.
    pub share_record_lock_duration_ms: i64,
    /// How often a record is offered.
    pub share_delivery_count_limit: i64,
    /// Most records of a partition that are locked at a time.
    pub share_partition_max_record_locks: i64,
    /// Where a share group starts: `latest`, `earliest` or `by_duration:...`.
    pub share_auto_offset_reset: String,
    /// Whether a share group sees only committed records.
    pub share_read_committed: bool,
    /// A silent member of a streams group is removed after this time.
    pub streams_session_timeout_ms: i64,
    /// How often members of a streams group send heartbeats.
    pub streams_heartbeat_interval_ms: i64,
    /// Standby copies of each task.
    pub streams_num_standby_replicas: i64,
}

impl GroupConfig {
    /// Lays a group's settings over the broker's. Texts that are not valid count as unset, and
    /// numbers outside the broker's bounds become the nearest bound.
    pub fn resolve(overrides: &ConfigMap, broker: BrokerLayers<'_>) -> Self {
        let view = View { overrides, broker };
        Self {
            consumer_session_timeout_ms: view.bounded("consumer.session.timeout.ms"),
            consumer_heartbeat_interval_ms: view.bounded("consumer.heartbeat.interval.ms"),
            consumer_assignment_interval_ms: view.bounded("consumer.assignment.interval.ms"),
            share_session_timeout_ms: view.bounded("share.session.timeout.ms"),
            share_heartbeat_interval_ms: view.bounded("share.heartbeat.interval.ms"),
            share_record_lock_duration_ms: view.bounded("share.record.lock.duration.ms"),
            share_delivery_count_limit: view.bounded("share.delivery.count.limit"),
            share_partition_max_record_locks: view.bounded("share.partition.max.record.locks"),
            share_auto_offset_reset: view.text("share.auto.offset.reset"),
            share_read_committed: view.text("share.isolation.level") == "read_committed",
            streams_session_timeout_ms: view.bounded("streams.session.timeout.ms"),
            streams_heartbeat_interval_ms: view.bounded("streams.heartbeat.interval.ms"),
            streams_num_standby_replicas: view.bounded("streams.num.standby.replicas"),
        }
    }
}

impl Default for GroupConfig {
    /// A group without settings on a broker without settings.
    fn default() -> Self {
        Self::resolve(&ConfigMap::new(), BrokerLayers::default())
    }
}

/// Checks the settings that a group would have: every key alone, against the broker's bounds, and
/// the keys together.
///
/// # Errors
/// The first key that is unknown, not valid, out of the broker's bounds, or at odds with another;
/// the code is `InvalidConfig`.
pub fn validate_group(proposed: &ConfigMap, broker: BrokerLayers<'_>) -> Result<(), ConfigError> {
    let view = View {
        overrides: proposed,
        broker,
    };
    for (name, text) in proposed {
        let Some(def) = find_group(name) else {
            let message = format!("Unknown group config name: {}", shorten(name));
            return Err(ConfigError::new(name, message));
        };
        let value = validate(def, text)?;
        let (min, max) = view.bounds(name);
        if value
            .as_i64()
            .is_some_and(|number| number < min || number > max)
        {
            let message = match (min, max) {
                (i64::MIN, max) => format!("{name} must be no more than {max}"),
                (min, i64::MAX) => format!("{name} must be at least {min}"),
                (min, max) => format!("{name} must lie between {min} and {max}, both included"),
            };
            return Err(ConfigError::new(name, message));
        }
        check_text(name, &value, broker)?;
    }
    for kind in ["consumer", "share", "streams"] {
        let (session, heartbeat) = (
            format!("{kind}.session.timeout.ms"),
            format!("{kind}.heartbeat.interval.ms"),
        );
        let touched = proposed.contains_key(&session) || proposed.contains_key(&heartbeat);
        if touched && view.bounded(&session) <= view.bounded(&heartbeat) {
            let message = format!("{session} must be larger than {heartbeat}");
            return Err(ConfigError::new(&session, message));
        }
    }
    Ok(())
}

fn check_text(name: &str, value: &Value, broker: BrokerLayers<'_>) -> Result<(), ConfigError> {
    let text = value.as_str().unwrap_or_default();
    match name {
        "errors.deadletterqueue.topic.name" if text.starts_with("__") => Err(ConfigError::new(
            name,
            format!("{name} must not start with two underscores"),
        )),
        "streams.assignor.name" => {
            let offered = broker.value("group.streams.assignors");
            let offered = offered
                .as_ref()
                .and_then(Value::as_list)
                .unwrap_or_default();
            if offered.iter().any(|one| one == text) {
                return Ok(());
            }
            let message = format!(
                "{name} '{}' is not among: {}",
                shorten(text),
                offered.join(", ")
            );
            Err(ConfigError::new(name, message))
        }
        _ => Ok(()),
    }
}

struct View<'a> {
    overrides: &'a ConfigMap,
    broker: BrokerLayers<'a>,
}

impl View<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        effective(find_group(name)?, self.overrides, self.broker)
    }

    fn text(&self, name: &str) -> String {
        self.value(name)
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    fn bounded(&self, name: &str) -> i64 {
        let (min, max) = self.bounds(name);
        let number = self
            .value(name)
            .and_then(|value| value.as_i64())
            .unwrap_or_default();
        number.min(max).max(min)
    }

    /// The broker's bounds of a key: `share.x.y` lies between `group.share.min.x.y` and
    /// `group.share.max.x.y`, where such keys exist.
    fn bounds(&self, name: &str) -> (i64, i64) {
        let Some((kind, rest)) = name.split_once('.') else {
            return (i64::MIN, i64::MAX);
        };
        let rest = rest.strip_prefix("num.").unwrap_or(rest);
        let bound = |which: &str| {
            let value = self.broker.value(&format!("group.{kind}.{which}.{rest}"))?;
            value.as_i64()
        };
        (
            bound("min").unwrap_or(i64::MIN),
            bound("max").unwrap_or(i64::MAX),
        )
    }
}
