//! Brokers and controllers as they registered.

use odeon_model::{BrokerEpoch, NodeId, Uuid};
use serde::{Deserialize, Serialize};

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The listener's name.
    pub name: String,
    /// The host that clients connect to.
    pub host: String,
    /// The port that clients connect to.
    pub port: u16,
    /// Kafka's number of the security protocol: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// The levels of a feature that a node supports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureRange {
    /// The feature's name.
    pub name: String,
    /// The lowest level.
    pub min: i16,
    /// The highest level.
    pub max: i16,
}

/// A registered broker. Kafka: `BrokerRegistration`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerImage {
    /// Its node id.
    pub id: NodeId,
    /// Counts its registrations: a later one has a higher epoch.
    pub epoch: BrokerEpoch,
    /// Which start of the process it is.
    pub incarnation_id: Uuid,
    /// Its listeners.
    pub endpoints: Vec<Endpoint>,
    /// What it supports.
    pub features: Vec<FeatureRange>,
    /// Where it stands, if it said so.
    pub rack: Option<String>,
    /// Fenced: not to be shown to clients, not to lead, in no ISR.
    pub fenced: bool,
    /// About to stop: its leaders move away.
    pub in_controlled_shutdown: bool,
    /// Its log directories that work.
    pub log_dirs: Vec<Uuid>,
    /// Its directories that take no new replicas; `None` until it said so.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

impl BrokerImage {
    /// Not fenced and not about to stop.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// The endpoint of a listener.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.name == listener)
    }
}

/// A registered controller. Kafka: `ControllerRegistration`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerImage {
    /// Its node id.
    pub id: NodeId,
    /// Which start of the process it is.
    pub incarnation_id: Uuid,
    /// Whether it could take part in a migration from ZooKeeper. Kept only to be written back.
    pub zk_migration_ready: bool,
    /// Its listeners.
    pub endpoints: Vec<Endpoint>,
    /// What it supports.
    pub features: Vec<FeatureRange>,
}
