//! What was configured for which resource.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

/// What was set for one resource: name to value.
pub type Configs = OrdMap<Arc<str>, Arc<str>>;

/// What a configuration belongs to. Kafka: `ConfigResource.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(i8)]
pub enum ConfigResourceType {
    /// A topic, by name.
    Topic = 2,
    /// A broker, by id; an empty name means the default of all brokers.
    Broker = 4,
    /// The loggers of a broker. Never kept in the metadata.
    BrokerLogger = 8,
    /// A subscription for client metrics.
    ClientMetrics = 16,
    /// A group, by id.
    Group = 32,
}

impl ConfigResourceType {
    /// The type for Kafka's number, if there is one.
    pub fn from_code(code: i8) -> Option<Self> {
        Some(match code {
            2 => Self::Topic,
            4 => Self::Broker,
            8 => Self::BrokerLogger,
            16 => Self::ClientMetrics,
            32 => Self::Group,
            _ => return None,
        })
    }

    /// Kafka's number.
    pub fn code(self) -> i8 {
        self as i8
    }
}

/// One thing that can be configured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConfigResource {
    /// What it is.
    pub kind: ConfigResourceType,
    /// Which one.
    pub name: Arc<str>,
}

impl ConfigResource {
    /// Names a resource.
    pub fn new(kind: ConfigResourceType, name: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// A topic.
    pub fn topic(name: impl Into<Arc<str>>) -> Self {
        Self::new(ConfigResourceType::Topic, name)
    }

    /// One broker.
    pub fn broker(id: i32) -> Self {
        Self::new(ConfigResourceType::Broker, id.to_string())
    }

    /// The default of all brokers.
    pub fn default_broker() -> Self {
        Self::new(ConfigResourceType::Broker, "")
    }

    /// A group.
    pub fn group(id: impl Into<Arc<str>>) -> Self {
        Self::new(ConfigResourceType::Group, id)
    }
}
