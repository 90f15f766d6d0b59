//! The whole state of the cluster's metadata after some entry of the log.
//!
//! Cloning an image copies a few pointers; the maps share what did not change.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use odeon_model::{NodeId, PartitionId, ProducerId, TopicId, Uuid};
use odeon_schema::metadata::{
    AccessControlEntryRecord, DelegationTokenRecord, UserScramCredentialRecord,
};

use crate::METADATA_VERSION_FEATURE;
use crate::record::MetadataRecord;

mod apply;
mod broker;
mod config;
mod delta;
mod partition;
mod records;
mod topic;

pub use apply::Effect;
pub use broker::{BrokerImage, ControllerImage, Endpoint, FeatureRange};
pub use config::{ConfigResource, ConfigResourceType, Configs};
pub use delta::{MetadataDelta, TopicDelta};
pub use partition::{LeaderRecoveryState, NO_LEADER, PartitionImage, directory};
pub use topic::TopicImage;

/// A place in the metadata log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The index of the last applied entry; 0 before the first.
    pub index: u64,
    /// The Raft term of that entry.
    pub term: u64,
}

/// Whom a client quota is for: pairs of a kind (`user`, `client-id`, `ip`) and a name, or no name
/// for the default of that kind; sorted.
pub type QuotaEntity = Vec<(String, Option<String>)>;

/// The state of the cluster's metadata. Kafka: `MetadataImage`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetadataImage {
    cluster_id: Arc<str>,
    position: Position,
    topics: OrdMap<TopicId, Arc<TopicImage>>,
    topic_ids: OrdMap<Arc<str>, TopicId>,
    brokers: OrdMap<NodeId, Arc<BrokerImage>>,
    controllers: OrdMap<NodeId, Arc<ControllerImage>>,
    configs: OrdMap<ConfigResource, Configs>,
    features: OrdMap<Arc<str>, i16>,
    next_producer_id: ProducerId,
    acls: OrdMap<Uuid, Arc<AccessControlEntryRecord>>,
    scram: OrdMap<(i8, String), Arc<UserScramCredentialRecord>>,
    quotas: OrdMap<QuotaEntity, OrdMap<String, f64>>,
    tokens: OrdMap<String, Arc<DelegationTokenRecord>>,
    open_transaction: Option<Arc<Vec<MetadataRecord>>>,
}

impl MetadataImage {
    /// An image before the first record.
    pub fn new(cluster_id: impl Into<Arc<str>>) -> Self {
        Self {
            cluster_id: cluster_id.into(),
            ..Self::default()
        }
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &Arc<str> {
        &self.cluster_id
    }

    /// The last applied entry.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Says that everything up to `position` was applied.
    pub fn set_position(&mut self, position: Position) {
        self.position = position;
    }

    /// Whether no record has been applied: a cluster before its first boot.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty() && self.topics.is_empty() && self.brokers.is_empty()
    }

    /// Whether a bracket of records is open: its begin was applied, its end was not yet.
    pub fn has_open_transaction(&self) -> bool {
        self.open_transaction.is_some()
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(self.topic_ids.get(name)?)
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.topics.get(&id)
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topic_ids.values().filter_map(|id| self.topics.get(id))
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// How many partitions all topics have together.
    pub fn partition_count(&self) -> usize {
        self.topics
            .values()
            .map(|topic| topic.partitions.len())
            .sum()
    }

    /// A partition by its topic's name.
    pub fn partition(&self, topic: &str, partition: PartitionId) -> Option<&Arc<PartitionImage>> {
        self.topic(topic)?.partitions.get(&partition)
    }

    /// A partition by its topic's id.
    pub fn partition_by_id(
        &self,
        topic: TopicId,
        partition: PartitionId,
    ) -> Option<&Arc<PartitionImage>> {
        self.topic_by_id(topic)?.partitions.get(&partition)
    }

    /// A registered broker, fenced or not.
    pub fn broker(&self, id: NodeId) -> Option<&Arc<BrokerImage>> {
        self.brokers.get(&id)
    }

    /// All registered brokers, by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<BrokerImage>> {
        self.brokers.values()
    }

    /// Whether the broker is registered, not fenced and not about to shut down: it may lead and
    /// join an ISR.
    pub fn is_active(&self, id: NodeId) -> bool {
        self.broker(id).is_some_and(|broker| broker.is_active())
    }

    /// All registered controllers, by id.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<ControllerImage>> {
        self.controllers.values()
    }

    /// The configuration that was set for a resource; `None` if nothing was.
    pub fn config(&self, resource: &ConfigResource) -> Option<&Configs> {
        self.configs.get(resource)
    }

    /// One key of a resource's configuration, if it was set.
    pub fn config_value(&self, resource: &ConfigResource, name: &str) -> Option<&Arc<str>> {
        self.configs.get(resource)?.get(name)
    }

    /// The configuration that was set for a topic; empty if nothing was.
    pub fn topic_config(&self, topic: &str) -> Configs {
        self.configs
            .get(&ConfigResource::topic(topic))
            .cloned()
            .unwrap_or_default()
    }

    /// The configuration that was set for a resource, in the form that the config registry works
    /// on; empty if nothing was.
    pub fn config_map(&self, resource: &ConfigResource) -> BTreeMap<String, String> {
        let configs = self.configs.get(resource).into_iter().flatten();
        configs
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    /// All configurations, by resource.
    pub fn configs(&self) -> impl Iterator<Item = (&ConfigResource, &Configs)> {
        self.configs.iter()
    }

    /// A feature's finalised level; 0 if it has none.
    pub fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// All finalised features, by name.
    pub fn features(&self) -> impl Iterator<Item = (&Arc<str>, i16)> {
        self.features.iter().map(|(name, level)| (name, *level))
    }

    /// The level of `metadata.version`; 0 before the first boot.
    pub fn metadata_version(&self) -> i16 {
        self.feature(METADATA_VERSION_FEATURE)
    }

    /// The first producer id that no block was given for.
    pub fn next_producer_id(&self) -> ProducerId {
        self.next_producer_id
    }

    /// All access control entries, by id.
    pub fn acls(&self) -> impl Iterator<Item = &Arc<AccessControlEntryRecord>> {
        self.acls.values()
    }

    /// A user's credential for a SCRAM mechanism (1 is SHA-256, 2 is SHA-512).
    pub fn scram_credential(
        &self,
        mechanism: i8,
        user: &str,
    ) -> Option<&Arc<UserScramCredentialRecord>> {
        self.scram.get(&(mechanism, user.to_owned()))
    }

    /// All client quotas.
    pub fn quotas(&self) -> impl Iterator<Item = (&QuotaEntity, &OrdMap<String, f64>)> {
        self.quotas.iter()
    }

    /// All delegation tokens, by token id.
    pub fn delegation_tokens(&self) -> impl Iterator<Item = &Arc<DelegationTokenRecord>> {
        self.tokens.values()
    }
}

#[cfg(test)]
mod tests;
