//! The decisions, without I/O: what is asked, on the proposed image, becomes records and a reply.
//!
//! | file | decides |
//! |---|---|
//! | `topics` | CreateTopics, DeleteTopics, CreatePartitions |
//! | `assignment` | replicas as a client assigned them |
//! | `names` | which topic names are legal |
//! | `placement` | which brokers hold a new partition |
//! | `configs` | IncrementalAlterConfigs, AlterConfigs |
//! | `brokers` | registration, heartbeats, fencing, controlled shutdown |
//! | `sessions` | who was heard of when |
//! | `partitions` | a partition's next ISR, leader and eligible replicas |
//! | `reassignments` | AlterPartitionReassignments, and when a move is complete |
//! | `directories` | AssignReplicasToDirs |
//! | `elections` | AlterPartition, ElectLeaders, and who leads when brokers come and go |
//! | `balance` | when leaders go back to preferred replicas |
//! | `cluster` | producer ids, features, the first boot |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::Rng;
use odeon_metadata::{ConfigResource, ELIGIBLE_LEADER_REPLICAS_FEATURE};
use odeon_metadata::{LATEST_METADATA_VERSION, METADATA_VERSION_FEATURE};
use odeon_metadata::{MIN_METADATA_VERSION, MetadataImage, MetadataRecord};
use odeon_model::config::{BrokerLayers, ConfigMap, Value, find_topic, validate};
use odeon_model::{BrokerEpoch, ErrorCode, NodeId};

use super::message::{NewTopic, Refusal};
use super::vocabulary::Now;
use crate::settings::liveness;
use crate::shell::ReplicatedState;

mod assignment;
mod balance;
mod brokers;
mod cluster;
mod configs;
mod directories;
mod elections;
mod names;
mod partitions;
mod placement;
mod reassignments;
mod sessions;
mod topics;

pub use cluster::PRODUCER_ID_BLOCK;
pub use names::{check_topic_name, topic_name_problem};
pub use topics::MAX_PARTITIONS_PER_REQUEST;

use sessions::Sessions;

impl ReplicatedState for MetadataImage {
    type Record = MetadataRecord;

    fn apply(&mut self, record: &MetadataRecord) {
        // The controller writes no record that refers to nothing; the committed side warns.
        let _ = MetadataImage::apply(self, record);
    }
}

/// An operator's say in which topics are created. Kafka: `create.topic.policy.class.name`.
pub trait CreateTopicPolicy: Send + Sync {
    /// Refuses a topic with a reason, by `Err`. `partitions` and `replication_factor` are what the
    /// topic would get.
    ///
    /// # Errors
    /// The reason, which the client gets with POLICY_VIOLATION.
    fn check(
        &self,
        topic: &NewTopic,
        partitions: i32,
        replication_factor: i16,
    ) -> Result<(), String>;
}

/// An operator's say in which configurations are set. Kafka: `alter.config.policy.class.name`.
pub trait AlterConfigPolicy: Send + Sync {
    /// Refuses the configuration that a resource would have, by `Err`.
    ///
    /// # Errors
    /// The reason, which the client gets with POLICY_VIOLATION.
    fn check(&self, resource: &ConfigResource, configs: &ConfigMap) -> Result<(), String>;
}

/// How a controller is set up.
#[derive(Clone)]
pub struct ControllerSettings {
    /// This node's properties, for the defaults behind what topics and brokers set.
    pub properties: Arc<ConfigMap>,
    /// How long a broker may be silent before it is fenced (`broker.session.timeout.ms`).
    pub broker_session_timeout: Duration,
    /// How often leaders go back to preferred replicas (`leader.imbalance.check.interval.seconds`);
    /// `None` for never by themselves (`auto.leader.rebalance.enable`).
    pub leader_balance_interval: Option<Duration>,
    /// Whether topics may be deleted (`delete.topic.enable`).
    pub delete_topic_enable: bool,
    /// The features that a new cluster starts with, besides `metadata.version`.
    pub bootstrap_features: Vec<(String, i16)>,
    /// The levels of other features that this software can run with.
    pub supported_features: Vec<odeon_metadata::FeatureRange>,
    /// Asked before a topic is created.
    pub create_topic_policy: Option<Arc<dyn CreateTopicPolicy>>,
    /// Asked before a configuration is changed.
    pub alter_config_policy: Option<Arc<dyn AlterConfigPolicy>>,
}

impl ControllerSettings {
    /// Settings from a node's properties.
    pub fn new(properties: Arc<ConfigMap>) -> Self {
        let layers = BrokerLayers::of_statics(&properties);
        let balances = layers.value("auto.leader.rebalance.enable");
        let balances = balances.and_then(|value| value.as_bool()).unwrap_or(true);
        let balance_s = number(&layers, "leader.imbalance.check.interval.seconds", 300).max(1);
        let delete = layers
            .value("delete.topic.enable")
            .and_then(|value| value.as_bool());
        Self {
            broker_session_timeout: liveness(&properties).session_timeout,
            leader_balance_interval: balances
                .then(|| Duration::from_secs(balance_s.unsigned_abs())),
            delete_topic_enable: delete.unwrap_or(true),
            bootstrap_features: Vec::new(),
            supported_features: Vec::new(),
            create_topic_policy: None,
            alter_config_policy: None,
            properties,
        }
    }

    /// The same, with the features that this software supports and gives to new clusters.
    #[must_use]
    pub fn with_own_features(mut self) -> Self {
        let name = ELIGIBLE_LEADER_REPLICAS_FEATURE.to_owned();
        self.bootstrap_features = vec![(name, 1)];
        self.supported_features = odeon_metadata::supported_features();
        self
    }

    /// The levels of a feature that this software can run with; (0, 0) if it does not know it.
    fn supported(&self, feature: &str) -> (i16, i16) {
        if feature == METADATA_VERSION_FEATURE {
            return (MIN_METADATA_VERSION, LATEST_METADATA_VERSION);
        }
        let range = self
            .supported_features
            .iter()
            .find(|range| range.name == feature);
        range.map_or((0, 0), |range| (range.min, range.max))
    }
}

impl fmt::Debug for ControllerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControllerSettings")
            .field("broker_session_timeout", &self.broker_session_timeout)
            .field("delete_topic_enable", &self.delete_topic_enable)
            .field("bootstrap_features", &self.bootstrap_features)
            .finish_non_exhaustive()
    }
}

fn number(layers: &BrokerLayers<'_>, name: &str, otherwise: i64) -> i64 {
    layers
        .value(name)
        .and_then(|value| value.as_i64())
        .unwrap_or(otherwise)
}

/// A decision in the making: the image as it will be, and the records that make it so.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) image: MetadataImage,
    pub(super) records: Vec<MetadataRecord>,
}

impl Draft {
    /// A draft that starts from the proposed image.
    pub(super) fn new(image: &MetadataImage) -> Self {
        Self {
            image: image.clone(),
            records: Vec::new(),
        }
    }

    fn push(&mut self, record: impl Into<MetadataRecord>) {
        let record = record.into();
        ReplicatedState::apply(&mut self.image, &record);
        self.records.push(record);
    }

    /// Takes over what another draft decided on top of this one.
    fn adopt(&mut self, other: Self) {
        self.image = other.image;
        self.records.extend(other.records);
    }
}

/// What the controller knows besides the image, and the decisions.
#[derive(Debug)]
pub(super) struct Decisions {
    settings: ControllerSettings,
    sessions: Sessions,
    /// When it was last looked whether leaders are where they belong.
    last_balance: Duration,
    rng: Rng,
}

impl Decisions {
    /// The decisions of a controller that becomes active now, on `image`: every unfenced broker
    /// has a whole session to make itself heard.
    pub(super) fn new(
        settings: ControllerSettings,
        image: &MetadataImage,
        rng: Rng,
        now: Now,
    ) -> Self {
        let mut sessions = Sessions::default();
        for broker in image.brokers().filter(|broker| !broker.fenced) {
            sessions.expect(broker.id, broker.epoch, now.monotonic);
        }
        Self {
            settings,
            sessions,
            last_balance: now.monotonic,
            rng,
        }
    }

    /// Counts the silence of the controller before this one from when it was last heard: it may be
    /// what made this one. At least half a session is left to it.
    pub(super) fn succeeds(&mut self, predecessor: NodeId, heard: Duration, now: Now) {
        let least = self.settings.broker_session_timeout / 2;
        let since = heard.max(now.monotonic.saturating_sub(least));
        self.sessions
            .was_heard(predecessor, since.min(now.monotonic));
    }

    /// Runs with the configuration that holds behind topics and brokers.
    fn with_layers<T>(&self, image: &MetadataImage, work: impl FnOnce(BrokerLayers<'_>) -> T) -> T {
        let dynamic_default = image.config_map(&ConfigResource::default_broker());
        work(BrokerLayers {
            dynamic_default: &dynamic_default,
            ..BrokerLayers::of_statics(&self.settings.properties)
        })
    }

    /// A key of a topic as it holds: the topic's own, or the cluster's.
    fn topic_value(&self, image: &MetadataImage, topic: &str, key: &str) -> Option<Value> {
        let def = find_topic(key)?;
        let own = image.config_value(&ConfigResource::topic(topic), key);
        if let Some(value) = own.and_then(|text| validate(def, text).ok()) {
            return Some(value);
        }
        self.with_layers(image, |layers| {
            let synonym = def
                .synonyms
                .first()
                .and_then(|synonym| layers.value(synonym.name));
            synonym.or_else(|| def.default_text().and_then(|text| validate(def, text).ok()))
        })
    }

    /// Refuses whoever speaks for a broker under another epoch than its registration's.
    fn check_broker_epoch(
        &self,
        image: &MetadataImage,
        id: NodeId,
        epoch: BrokerEpoch,
    ) -> Result<(), Refusal> {
        let Some(broker) = image.broker(id) else {
            let message = format!("Broker {id} is not registered");
            return Err(Refusal::new(ErrorCode::StaleBrokerEpoch, message));
        };
        if broker.epoch != epoch {
            let expected = broker.epoch;
            let message =
                format!("Broker epoch {epoch} is stale, the registration's is {expected}");
            return Err(Refusal::new(ErrorCode::StaleBrokerEpoch, message));
        }
        Ok(())
    }
}
