//! Which value of a config holds: a resource's own settings come first, then the broker's layers.

use super::definition::{ConfigDef, Unit};
use super::registry::{ConfigMap, find_broker};
use super::value::{Value, validate};

/// Where a value comes from; the numbers are those of `DescribeConfigs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i8)]
pub enum ConfigSource {
    /// Set for the topic.
    DynamicTopicConfig = 1,
    /// Set for the broker at run time.
    DynamicBrokerConfig = 2,
    /// Set for all brokers at run time.
    DynamicDefaultBrokerConfig = 3,
    /// Set in the node's properties file.
    StaticBrokerConfig = 4,
    /// Nobody set it.
    DefaultConfig = 5,
    /// The level of a logger.
    DynamicBrokerLoggerConfig = 6,
    /// Set for a client metrics subscription.
    ClientMetricsConfig = 7,
    /// Set for the group.
    GroupConfig = 8,
}

impl ConfigSource {
    /// The number that `DescribeConfigs` answers with.
    pub const fn code(self) -> i8 {
        self as i8
    }
}

/// What is set on a broker, the strongest layer first.
#[derive(Debug, Clone, Copy)]
pub struct BrokerLayers<'a> {
    /// Set for this broker at run time.
    pub dynamic_broker: &'a ConfigMap,
    /// Set for all brokers at run time.
    pub dynamic_default: &'a ConfigMap,
    /// Set in the node's properties file.
    pub statics: &'a ConfigMap,
}

static EMPTY: ConfigMap = ConfigMap::new();

impl Default for BrokerLayers<'_> {
    fn default() -> Self {
        Self {
            dynamic_broker: &EMPTY,
            dynamic_default: &EMPTY,
            statics: &EMPTY,
        }
    }
}

impl<'a> BrokerLayers<'a> {
    /// A broker with nothing but its properties file.
    pub fn of_statics(statics: &'a ConfigMap) -> Self {
        Self {
            statics,
            ..Self::default()
        }
    }

    /// What is set under a name, and in which layer.
    pub fn get(&self, name: &str) -> Option<(&'a str, ConfigSource)> {
        self.layers()
            .into_iter()
            .find_map(|(layer, source)| layer.get(name).map(|text| (text.as_str(), source)))
    }

    /// Every layer with its source, the strongest first.
    pub(super) fn layers(&self) -> [(&'a ConfigMap, ConfigSource); 3] {
        [
            (self.dynamic_broker, ConfigSource::DynamicBrokerConfig),
            (
                self.dynamic_default,
                ConfigSource::DynamicDefaultBrokerConfig,
            ),
            (self.statics, ConfigSource::StaticBrokerConfig),
        ]
    }

    /// The layers as one map.
    pub fn merged(&self) -> ConfigMap {
        let mut merged = self.statics.clone();
        for layer in [self.dynamic_default, self.dynamic_broker] {
            merged.extend(
                layer
                    .iter()
                    .map(|(name, text)| (name.clone(), text.clone())),
            );
        }
        merged
    }

    /// The value of a broker key; `None` when it has none. A text that is not valid counts as
    /// unset: it was refused when it was proposed, so it can only come from another version.
    pub fn value(&self, name: &str) -> Option<Value> {
        let def = find_broker(name)?;
        let set = self
            .get(name)
            .and_then(|(text, _)| validate(def, text).ok());
        set.or_else(|| default_value(def))
    }
}

/// The default of a key; `None` when it has none.
pub(super) fn default_value(def: &ConfigDef) -> Option<Value> {
    def.default_text().and_then(|text| validate(def, text).ok())
}

/// The value that holds for a topic's or group's key: its own, or the first of the broker keys
/// behind it that has one, or its default.
pub(super) fn effective(
    def: &ConfigDef,
    own: &ConfigMap,
    broker: BrokerLayers<'_>,
) -> Option<Value> {
    if let Some(value) = own.get(def.name).and_then(|text| validate(def, text).ok()) {
        return Some(value);
    }
    for synonym in def.synonyms {
        let Some(value) = broker.value(synonym.name) else {
            continue;
        };
        return Some(match (value.as_i64(), synonym.unit) {
            (Some(number), Unit::Minutes) => Value::Long(scale(number, 60_000)),
            (Some(number), Unit::Hours) => Value::Long(scale(number, 3_600_000)),
            (Some(number), Unit::Same) if def.name == "retention.ms" => Value::Long(number.max(-1)),
            _ => match (def.kind, value) {
                (super::ConfigType::String, Value::List(entries)) => {
                    Value::String(entries.into_iter().next().unwrap_or_default())
                }
                (_, value) => value,
            },
        });
    }
    default_value(def)
}

fn scale(number: i64, unit_ms: i64) -> i64 {
    if number < 0 {
        -1
    } else {
        number.saturating_mul(unit_ms)
    }
}
