//! Wanted state against actual state: what a node has to start, change and stop.
//!
//! Pure: two images in, actions out.

use std::sync::Arc;

use odeon_metadata::{ConfigResourceType, MetadataDelta, MetadataImage, PartitionImage};
use odeon_model::{NodeId, PartitionId, TopicId, TopicPartition};

/// A partition by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Which {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: PartitionId,
}

impl Which {
    /// The name of its log and of its replica's actor.
    pub fn name(&self) -> TopicPartition {
        TopicPartition {
            topic: self.topic.clone(),
            partition: self.partition,
        }
    }
}

/// One repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Lead a partition in its epoch; ends a leader or follower of an older one.
    Lead(Which, Arc<PartitionImage>),
    /// Follow the partition's leader in its epoch; ends a leader or follower of an older one.
    Follow(Which, Arc<PartitionImage>),
    /// The replicas or the ISR of a partition led here changed within its epoch.
    SetReplicas(Which, Arc<PartitionImage>),
    /// The configuration of a topic changed.
    Configure {
        /// The topic's name.
        topic: Arc<str>,
        /// The topic's id.
        topic_id: TopicId,
    },
    /// This node holds no replica any more: stop it and delete its log.
    Delete(Which),
}

/// What has to be done on `node` to get from `before` to `after`.
pub fn actions(node: NodeId, before: &MetadataImage, after: &MetadataImage) -> Vec<Action> {
    let delta = MetadataDelta::between(before, after);
    let mut actions = Vec::new();
    for topic in &delta.deleted_topics {
        for (partition, was) in &topic.partitions {
            if was.replicas.contains(&node) {
                actions.push(Action::Delete(Which {
                    topic: topic.name.clone(),
                    topic_id: topic.id,
                    partition: *partition,
                }));
            }
        }
    }
    for changed in &delta.topics {
        for partition in &changed.partitions {
            let was = changed
                .before
                .as_ref()
                .and_then(|topic| topic.partition(*partition));
            let Some(is) = changed.topic.partition(*partition) else {
                continue;
            };
            let which = Which {
                topic: changed.topic.name.clone(),
                topic_id: changed.topic.id,
                partition: *partition,
            };
            actions.extend(partition_action(node, which, was, is));
        }
    }
    actions.extend(configured(&delta, after));
    actions
}

/// Whether a log that was found in a log directory belongs to no partition that `node` holds: its
/// topic is gone, or there is another of that name. Logs without an id are known by their name.
pub fn is_stray(
    node: NodeId,
    image: &MetadataImage,
    partition: &TopicPartition,
    topic_id: TopicId,
) -> bool {
    let topic = if topic_id.is_zero() {
        image.topic(&partition.topic)
    } else {
        image.topic_by_id(topic_id)
    };
    let named = topic.filter(|topic| *topic.name == *partition.topic);
    let held = named.and_then(|topic| topic.partition(partition.partition));
    !held.is_some_and(|held| held.replicas.contains(&node))
}

fn partition_action(
    node: NodeId,
    which: Which,
    was: Option<&Arc<PartitionImage>>,
    is: &Arc<PartitionImage>,
) -> Option<Action> {
    let held = |partition: &PartitionImage| partition.replicas.contains(&node);
    let was = was.filter(|was| held(was) || was.leader == node);
    if !held(is) && is.leader != node {
        return was.is_some().then_some(Action::Delete(which));
    }
    let same_epoch =
        was.is_some_and(|was| (was.leader, was.leader_epoch) == (is.leader, is.leader_epoch));
    if is.leader != node {
        return (!same_epoch).then(|| Action::Follow(which, is.clone()));
    }
    if !same_epoch {
        return Some(Action::Lead(which, is.clone()));
    }
    let changed = was.is_some_and(|was| was.partition_epoch != is.partition_epoch);
    changed.then(|| Action::SetReplicas(which, is.clone()))
}

/// Topics whose effective configuration may have changed: their own did, or the brokers' defaults.
fn configured(delta: &MetadataDelta, after: &MetadataImage) -> Vec<Action> {
    let action = |topic: &Arc<odeon_metadata::TopicImage>| Action::Configure {
        topic: topic.name.clone(),
        topic_id: topic.id,
    };
    if delta
        .configs
        .iter()
        .any(|resource| resource.kind == ConfigResourceType::Broker)
    {
        return after.topics().map(action).collect();
    }
    delta
        .configs
        .iter()
        .filter(|resource| resource.kind == ConfigResourceType::Topic)
        .filter_map(|resource| after.topic(&resource.name))
        .map(action)
        .collect()
}
