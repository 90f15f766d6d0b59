//! How an alteration changes the text of a config.

use serde::{Deserialize, Serialize};

use super::definition::{ConfigDef, ConfigType, Scope, UpdateMode};
use super::error::{ConfigError, shorten};
use super::registry::{ConfigMap, find_broker, find_broker_or_listener, without_listener_prefix};
use super::value::{MAX_VALUE_BYTES, split_list, validate};
use crate::ErrorCode;

/// What `IncrementalAlterConfigs` does with a key; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(i8)]
pub enum AlterOp {
    /// Set the value.
    Set = 0,
    /// Go back to the default.
    Delete = 1,
    /// Add entries to a list.
    Append = 2,
    /// Take entries from a list.
    Subtract = 3,
}

impl AlterOp {
    /// The operation of a number, if there is one.
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Set),
            1 => Some(Self::Delete),
            2 => Some(Self::Append),
            3 => Some(Self::Subtract),
            _ => None,
        }
    }

    /// Kafka's name of the operation, such as `SET`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Delete => "DELETE",
            Self::Append => "APPEND",
            Self::Subtract => "SUBTRACT",
        }
    }
}

/// Applies one operation to one key and returns the new text, `None` when the key is to be unset.
/// `current` is what the resource itself has set; without it a list starts from its default.
/// The result is not validated: do that for the resource as a whole.
///
/// `def` is `None` for an unknown key, which is no list.
///
/// # Errors
/// A value is missing where one is needed (`InvalidRequest`), a list operation meets a key that
/// is no list, or the new value is longer than [`MAX_VALUE_BYTES`] (`InvalidConfig`).
///
/// Source: `org.apache.kafka.controller.ConfigurationControlManager`.
pub fn apply_incremental(
    op: AlterOp,
    key: &str,
    def: Option<&ConfigDef>,
    current: Option<&str>,
    value: Option<&str>,
) -> Result<Option<String>, ConfigError> {
    if op == AlterOp::Delete {
        return Ok(None);
    }
    let Some(value) = value else {
        let message = format!("A null value is not supported for: {}", shorten(key));
        return Err(ConfigError::new(key, message).with_code(ErrorCode::InvalidRequest));
    };
    let altered = match op {
        AlterOp::Set | AlterOp::Delete => value.to_owned(),
        AlterOp::Append | AlterOp::Subtract => {
            let is_list = def.is_some_and(|def| def.kind == ConfigType::List);
            if !is_list {
                let message = format!(
                    "Can't {} to key {}: its type is not LIST",
                    op.name(),
                    shorten(key)
                );
                return Err(ConfigError::new(key, message));
            }
            let start = current
                .or(def.and_then(ConfigDef::default_text))
                .unwrap_or_default();
            alter_list(op, start, value)
        }
    };
    if altered.len() > MAX_VALUE_BYTES {
        let message = format!(
            "The value of {} exceeds {MAX_VALUE_BYTES} bytes",
            shorten(key)
        );
        return Err(ConfigError::new(key, message));
    }
    Ok(Some(altered))
}

fn alter_list(op: AlterOp, start: &str, value: &str) -> String {
    let mut entries = split_list(start);
    entries.retain(|entry| !entry.is_empty());
    let change: Vec<String> = value
        .split(',')
        .map(|entry| entry.trim().to_owned())
        .collect();
    if op == AlterOp::Subtract {
        let gone: std::collections::HashSet<&str> = change.iter().map(String::as_str).collect();
        entries.retain(|entry| !gone.contains(entry.as_str()));
    } else {
        let mut seen: std::collections::HashSet<String> = entries.iter().cloned().collect();
        for entry in change {
            if seen.insert(entry.clone()) {
                entries.push(entry);
            }
        }
    }
    entries.join(",")
}

/// Checks what a broker resource would have set dynamically: for one broker, or with `broker`
/// false the default of all. Unknown keys pass, as in Kafka.
///
/// # Errors
/// A key cannot change at run time or not at this level, or a value is not valid; the code is
/// `InvalidRequest`.
///
/// Source: `org.apache.kafka.server.config.DynamicBrokerConfig`.
pub fn validate_dynamic_broker(proposed: &ConfigMap, broker: bool) -> Result<(), ConfigError> {
    let refuse = |keys: Vec<&str>, what: &str| match keys.first() {
        None => Ok(()),
        Some(first) => {
            let message = format!("{what}: [{}]", shorten(&keys.join(", ")));
            Err(ConfigError::new(first, message).with_code(ErrorCode::InvalidRequest))
        }
    };
    let names = || proposed.keys().map(String::as_str);
    let mode = |name: &str| find_broker_or_listener(name).map(|def| def.update);
    refuse(
        names()
            .filter(|name| mode(name) == Some(UpdateMode::ReadOnly))
            .collect(),
        "These configs cannot change without a restart",
    )?;
    refuse(
        names()
            .filter(|name| find_broker(name).is_some() && LISTENER_ONLY.contains(name))
            .collect(),
        "These configs can change only for one listener, with the listener's prefix",
    )?;
    if !broker {
        let per_broker = |name: &&str| {
            mode(name) == Some(UpdateMode::PerBroker) && without_listener_prefix(name).is_none()
                || without_listener_prefix(name).is_some()
        };
        refuse(
            names().filter(per_broker).collect(),
            "These configs can change only for one broker, not for all",
        )?;
    }
    for (name, text) in proposed {
        if let Some(def) = find_broker_or_listener(name) {
            validate(def, text).map_err(|error| error.with_code(ErrorCode::InvalidRequest))?;
        }
    }
    Ok(())
}

/// Key stores may change at run time only for a named listener.
const LISTENER_ONLY: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Checks the quotas of a user, a client id or an address.
///
/// # Errors
/// A key is not one of the quotas, or its value is not valid.
pub fn validate_quota(def: &ConfigDef, value: f64) -> Result<(), ConfigError> {
    debug_assert!(def.scope == Scope::Quota);
    let whole = matches!(def.kind, ConfigType::Int | ConfigType::Long);
    if !value.is_finite() || value <= 0.0 && def.name != "connection_creation_rate" || value < 0.0 {
        return Err(ConfigError::new(
            def.name,
            format!("Quota {} must be positive", def.name),
        ));
    }
    if whole && (value - value.round()).abs() > 1e-6 {
        return Err(ConfigError::new(
            def.name,
            format!("Quota {} must be whole", def.name),
        ));
    }
    Ok(())
}
