//! What differs between two images.
//!
//! A node that was busy sees only the newest image; the difference to the one it acted on last is
//! what it has to repair. Finding it costs a walk over the maps' keys with a pointer comparison
//! each, not a comparison of all values.

use std::sync::Arc;

use imbl::ordmap::DiffItem;
use odeon_model::{NodeId, PartitionId, TopicId};

use super::{ConfigResource, MetadataImage, TopicImage};

/// A topic that is new or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDelta {
    /// The topic as it is now.
    pub topic: Arc<TopicImage>,
    /// The topic as it was; `None` if it is new.
    pub before: Option<Arc<TopicImage>>,
    /// The partitions that are new or changed.
    pub partitions: Vec<PartitionId>,
}

/// What differs between two images. Kafka: `MetadataDelta`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetadataDelta {
    /// Topics that are new or changed, by id. A topic deleted and created again under its name has
    /// another id: it is here and in `deleted_topics`.
    pub topics: Vec<TopicDelta>,
    /// Topics that are gone, as they were.
    pub deleted_topics: Vec<Arc<TopicImage>>,
    /// Brokers that are new or changed.
    pub brokers: Vec<NodeId>,
    /// Brokers that are gone.
    pub removed_brokers: Vec<NodeId>,
    /// Resources whose configuration changed, also to nothing.
    pub configs: Vec<ConfigResource>,
    /// Whether a feature's level changed.
    pub features_changed: bool,
    /// Whether an access control entry changed.
    pub acls_changed: bool,
    /// Whether a client quota changed.
    pub quotas_changed: bool,
    /// Whether a SCRAM credential or a delegation token changed.
    pub credentials_changed: bool,
}

impl MetadataDelta {
    /// What changed from `before` to `after`.
    pub fn between(before: &MetadataImage, after: &MetadataImage) -> Self {
        let mut delta = Self::default();
        delta.diff_topics(before, after);
        for item in before.brokers.diff(&after.brokers) {
            match item {
                DiffItem::Add(id, _) | DiffItem::Update { new: (id, _), .. } => {
                    delta.brokers.push(*id);
                }
                DiffItem::Remove(id, _) => delta.removed_brokers.push(*id),
            }
        }
        for item in before.configs.diff(&after.configs) {
            match item {
                DiffItem::Add(resource, _)
                | DiffItem::Update {
                    new: (resource, _), ..
                }
                | DiffItem::Remove(resource, _) => delta.configs.push(resource.clone()),
            }
        }
        delta.features_changed = before.features != after.features;
        delta.acls_changed = before.acls != after.acls;
        delta.quotas_changed = before.quotas != after.quotas;
        delta.credentials_changed = before.scram != after.scram || before.tokens != after.tokens;
        delta
    }

    /// Whether nothing differs but the position.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The change of one topic.
    pub fn topic(&self, id: TopicId) -> Option<&TopicDelta> {
        self.topics.iter().find(|delta| delta.topic.id == id)
    }

    fn diff_topics(&mut self, before: &MetadataImage, after: &MetadataImage) {
        for item in before.topics.diff(&after.topics) {
            match item {
                DiffItem::Add(_, topic) => self.topics.push(TopicDelta {
                    topic: Arc::clone(topic),
                    before: None,
                    partitions: topic.partitions.keys().copied().collect(),
                }),
                DiffItem::Update {
                    old: (_, old),
                    new: (_, new),
                } => self.topics.push(TopicDelta {
                    topic: Arc::clone(new),
                    before: Some(Arc::clone(old)),
                    partitions: changed_partitions(old, new),
                }),
                DiffItem::Remove(_, topic) => self.deleted_topics.push(Arc::clone(topic)),
            }
        }
    }
}

fn changed_partitions(old: &TopicImage, new: &TopicImage) -> Vec<PartitionId> {
    old.partitions
        .diff(&new.partitions)
        .filter_map(|item| match item {
            DiffItem::Add(index, _)
            | DiffItem::Update {
                new: (index, _), ..
            } => Some(*index),
            // Kafka never removes a single partition.
            DiffItem::Remove(..) => None,
        })
        .collect()
}
