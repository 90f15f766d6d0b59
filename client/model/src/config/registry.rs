//! The one table of all keys, and how to find a key in it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::definition::{ConfigDef, ConfigType};
use super::{broker_keys, group_keys, quota_keys, topic_keys};

/// Keys with their values as text.
pub type ConfigMap = BTreeMap<String, String>;

static BROKER: LazyLock<Vec<&'static ConfigDef>> = LazyLock::new(|| {
    let mut keys: Vec<_> = broker_keys::ALL
        .iter()
        .flat_map(|part| part.iter())
        .collect();
    keys.sort_unstable_by_key(|def| def.name);
    keys
});

/// Every topic key, by name.
pub fn topic_configs() -> &'static [ConfigDef] {
    topic_keys::KEYS
}

/// Every broker key, by name.
pub fn broker_configs() -> &'static [&'static ConfigDef] {
    &BROKER
}

/// Every group key, by name.
pub fn group_configs() -> &'static [ConfigDef] {
    group_keys::KEYS
}

/// Every quota key of users, client ids and addresses, by name.
pub fn quota_configs() -> &'static [ConfigDef] {
    quota_keys::KEYS
}

/// The topic key of that name.
pub fn find_topic(name: &str) -> Option<&'static ConfigDef> {
    find(topic_keys::KEYS, name)
}

/// The group key of that name.
pub fn find_group(name: &str) -> Option<&'static ConfigDef> {
    find(group_keys::KEYS, name)
}

/// The quota key of that name.
pub fn find_quota(name: &str) -> Option<&'static ConfigDef> {
    find(quota_keys::KEYS, name)
}

/// The broker key of exactly that name.
pub fn find_broker(name: &str) -> Option<&'static ConfigDef> {
    BROKER
        .binary_search_by_key(&name, |def| def.name)
        .ok()
        .map(|index| BROKER[index])
}

/// The broker key that a name stands for: itself, or the key behind a listener's prefix such as
/// `listener.name.internal.ssl.keystore.location`.
pub fn find_broker_or_listener(name: &str) -> Option<&'static ConfigDef> {
    find_broker(name).or_else(|| find_broker(without_listener_prefix(name)?))
}

/// The key behind `listener.name.<listener>.`, and behind a SASL mechanism's prefix if there is
/// one; `None` when the name carries no listener's prefix.
pub fn without_listener_prefix(name: &str) -> Option<&str> {
    let (listener, key) = name.strip_prefix("listener.name.")?.split_once('.')?;
    if listener.is_empty() || key.is_empty() {
        return None;
    }
    let behind_mechanism = MECHANISM_KEYS.iter().find(|suffix| key.ends_with(*suffix));
    Some(behind_mechanism.copied().unwrap_or(key))
}

/// Keys that may carry a mechanism's name before them, as in `plain.sasl.jaas.config`.
const MECHANISM_KEYS: [&str; 5] = [
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
    "sasl.login.callback.handler.class",
    "sasl.jaas.config",
];

/// The keys that speak about the same thing as a broker key, the strongest first.
pub(super) fn broker_synonyms(name: &str) -> Vec<&str> {
    match name {
        "log.roll.ms" | "log.roll.hours" => vec!["log.roll.ms", "log.roll.hours"],
        "log.roll.jitter.ms" | "log.roll.jitter.hours" => {
            vec!["log.roll.jitter.ms", "log.roll.jitter.hours"]
        }
        "log.flush.interval.ms" => vec!["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" => {
            vec![
                "log.retention.ms",
                "log.retention.minutes",
                "log.retention.hours",
            ]
        }
        _ => match without_listener_prefix(name) {
            Some(base) => vec![name, base],
            None => vec![name],
        },
    }
}

/// Whether a value must be hidden: passwords, and everything of unknown type.
pub fn is_sensitive(def: Option<&ConfigDef>) -> bool {
    def.is_none_or(|def| def.kind == ConfigType::Password)
}

fn find(keys: &'static [ConfigDef], name: &str) -> Option<&'static ConfigDef> {
    keys.binary_search_by_key(&name, |def| def.name)
        .ok()
        .map(|index| &keys[index])
}
