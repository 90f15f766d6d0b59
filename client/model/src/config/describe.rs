//! The answers to `DescribeConfigs`: every key with its value, where that comes from, and what
//! lies behind it.
//!
//! Source: `kafka.server.ConfigHelper`.

use super::definition::{ConfigDef, ConfigType, UpdateMode};
use super::layers::{BrokerLayers, ConfigSource, effective};
use super::registry::{
    ConfigMap, broker_configs, broker_synonyms, find_broker_or_listener, group_configs,
    is_sensitive, topic_configs,
};
use super::value::validate;

/// A place where a value is set, or would come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedSynonym {
    /// The key there.
    pub name: String,
    /// The value there; `None` when it is hidden.
    pub value: Option<String>,
    /// The place.
    pub source: ConfigSource,
}

/// One key as `DescribeConfigs` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConfig {
    /// The key.
    pub name: String,
    /// The value that holds; `None` when there is none, or when it is hidden.
    pub value: Option<String>,
    /// Whether it can change without a restart.
    pub read_only: bool,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether the value is hidden.
    pub is_sensitive: bool,
    /// The places where it is set, the strongest first.
    pub synonyms: Vec<DescribedSynonym>,
    /// The type; `None` for an unknown key.
    pub config_type: Option<ConfigType>,
    /// What the key is for.
    pub documentation: Option<&'static str>,
}

impl DescribedConfig {
    /// The number of the type in `DescribeConfigs`; 0 for an unknown key.
    pub fn type_code(&self) -> i8 {
        self.config_type.map_or(0, ConfigType::code)
    }

    fn new(
        name: &str,
        def: Option<&'static ConfigDef>,
        value: Option<String>,
        read_only: bool,
        synonyms: Vec<DescribedSynonym>,
    ) -> Self {
        let is_sensitive = is_sensitive(def);
        Self {
            name: name.to_owned(),
            value: value.filter(|_| !is_sensitive),
            read_only,
            source: synonyms
                .first()
                .map_or(ConfigSource::DefaultConfig, |first| first.source),
            is_sensitive,
            synonyms,
            config_type: def.map(|def| def.kind),
            documentation: def.map(|def| def.doc),
        }
    }
}

/// Describes every key of a topic. `overrides` is what the topic itself has set.
pub fn describe_topic(overrides: &ConfigMap, broker: BrokerLayers<'_>) -> Vec<DescribedConfig> {
    topic_configs()
        .iter()
        .filter(|def| !def.internal || overrides.contains_key(def.name))
        .map(|def| {
            let value = effective(def, overrides, broker).map(|value| value.to_string());
            let mut synonyms = def
                .synonyms
                .first()
                .map(|first| broker_places(first.name, broker))
                .unwrap_or_default();
            if overrides.contains_key(def.name) {
                let source = ConfigSource::DynamicTopicConfig;
                let own = DescribedSynonym {
                    name: def.name.to_owned(),
                    value: value.clone(),
                    source,
                };
                synonyms.insert(0, own);
            }
            DescribedConfig::new(def.name, Some(def), value, false, synonyms)
        })
        .collect()
}

/// Describes every key of a group. `overrides` is what the group itself has set.
pub fn describe_group(overrides: &ConfigMap, broker: BrokerLayers<'_>) -> Vec<DescribedConfig> {
    group_configs()
        .iter()
        .filter(|def| !def.internal || overrides.contains_key(def.name))
        .map(|def| {
            let value = effective(def, overrides, broker).map(|value| value.to_string());
            let place = |source| DescribedSynonym {
                name: def.name.to_owned(),
                value: value.clone(),
                source,
            };
            let mut synonyms = match def.synonyms.first() {
                Some(first) => broker_places(first.name, broker),
                None => vec![DescribedSynonym {
                    value: def.default_text().map(str::to_owned),
                    ..place(ConfigSource::DefaultConfig)
                }],
            };
            if overrides.contains_key(def.name) {
                synonyms.insert(0, place(ConfigSource::GroupConfig));
            }
            DescribedConfig::new(def.name, Some(def), value, false, synonyms)
        })
        .collect()
}

/// Describes every key of a broker, those that are set under an unknown name included.
pub fn describe_broker(broker: BrokerLayers<'_>) -> Vec<DescribedConfig> {
    let mut names: std::collections::BTreeSet<&str> = broker_configs()
        .iter()
        .filter(|def| !def.internal && !def.dynamic_only)
        .map(|def| def.name)
        .collect();
    for (layer, _) in broker.layers() {
        names.extend(layer.keys().map(String::as_str));
    }
    names
        .into_iter()
        .map(|name| broker_entry(name, broker, |_| true))
        .collect()
}

/// Describes what is set for all brokers at run time: the broker resource with an empty name.
pub fn describe_broker_defaults(dynamic_default: &ConfigMap) -> Vec<DescribedConfig> {
    let broker = BrokerLayers {
        dynamic_default,
        ..BrokerLayers::default()
    };
    let is_dynamic = |source| source == ConfigSource::DynamicDefaultBrokerConfig;
    dynamic_default
        .keys()
        .map(|name| broker_entry(name, broker, is_dynamic))
        .collect()
}

fn broker_entry(
    name: &str,
    broker: BrokerLayers<'_>,
    keep: impl Fn(ConfigSource) -> bool,
) -> DescribedConfig {
    let def = find_broker_or_listener(name);
    let value = match (broker.get(name), def) {
        (Some((text, _)), Some(def)) => {
            Some(validate(def, text).map_or_else(|_| text.to_owned(), |value| value.to_string()))
        }
        (Some((text, _)), None) => Some(text.to_owned()),
        (None, def) => def.and_then(ConfigDef::default_text).map(str::to_owned),
    };
    let dynamic = def.is_some_and(|def| def.name == name && def.update != UpdateMode::ReadOnly);
    let mut places = broker_places(name, broker);
    places.retain(|place| keep(place.source));
    DescribedConfig::new(name, def, value, !dynamic, places)
}

/// The places behind a broker key, the strongest first, from the first one of exactly this name
/// on: a weaker key alone, such as `log.retention.hours`, does not count as a place of
/// `log.retention.ms`. That is Kafka's rule.
fn broker_places(name: &str, broker: BrokerLayers<'_>) -> Vec<DescribedSynonym> {
    let hidden = is_sensitive(find_broker_or_listener(name));
    let names = broker_synonyms(name);
    let place = |name: &str, text: &str, source| DescribedSynonym {
        name: name.to_owned(),
        value: (!hidden).then(|| text.to_owned()),
        source,
    };
    let mut places = Vec::new();
    for (layer, source) in broker.layers() {
        for name in &names {
            places.extend(layer.get(*name).map(|text| place(name, text, source)));
        }
    }
    for name in &names {
        let default = super::registry::find_broker(name)
            .filter(|def| !def.dynamic_only)
            .and_then(ConfigDef::default_text);
        places.extend(default.map(|text| place(name, text, ConfigSource::DefaultConfig)));
    }
    let first = places
        .iter()
        .position(|place| place.name == name)
        .unwrap_or(places.len());
    places.split_off(first)
}
