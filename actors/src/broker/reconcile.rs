//! Wanted state against actual state: what a node has to start, change and stop.
//!
//! Pure: two images in, actions out.

use std::sync::Arc;

use odeon_metadata::{ConfigResourceType, MetadataDelta, MetadataImage, PartitionImage};
use odeon_model::{LeaderEpoch, NodeId, PartitionId, TopicId, TopicPartition};

/// One repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Lead a partition in this epoch; ends a leader of an older one.
    Lead {
        /// The topic's name.
        topic: Arc<str>,
        /// The topic's id.
        topic_id: TopicId,
        /// The partition.
        partition: PartitionId,
        /// The epoch to lead in.
        leader_epoch: LeaderEpoch,
        /// The in-sync replicas.
        isr: Vec<NodeId>,
    },
    /// The ISR of a partition led here changed within its epoch.
    SetIsr {
        /// The topic's id.
        topic_id: TopicId,
        /// The partition.
        partition: PartitionId,
        /// The in-sync replicas.
        isr: Vec<NodeId>,
    },
    /// The configuration of a topic changed.
    Configure {
        /// The topic's name.
        topic: Arc<str>,
        /// The topic's id.
        topic_id: TopicId,
    },
    /// Stop serving a partition; its log stays unless `delete` is set.
    Stop {
        /// The topic's name.
        topic: Arc<str>,
        /// The topic's id.
        topic_id: TopicId,
        /// The partition.
        partition: PartitionId,
        /// Whether the replica is gone for good.
        delete: bool,
    },
}

/// What has to be done on `node` to get from `before` to `after`.
pub fn actions(node: NodeId, before: &MetadataImage, after: &MetadataImage) -> Vec<Action> {
    let delta = MetadataDelta::between(before, after);
    let mut actions = Vec::new();
    for topic in &delta.deleted_topics {
        for (partition, was) in &topic.partitions {
            if was.replicas.contains(&node) {
                actions.push(Action::Stop {
                    topic: topic.name.clone(),
                    topic_id: topic.id,
                    partition: *partition,
                    delete: true,
                });
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
            let (topic, topic_id) = (changed.topic.name.clone(), changed.topic.id);
            actions.extend(partition_action(node, topic, topic_id, *partition, was, is));
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
    topic: Arc<str>,
    topic_id: TopicId,
    partition: PartitionId,
    was: Option<&Arc<PartitionImage>>,
    is: &PartitionImage,
) -> Option<Action> {
    let led = was.is_some_and(|was| was.leader == node);
    if is.leader == node {
        let same_epoch = was.is_some_and(|was| was.leader_epoch == is.leader_epoch);
        let isr = is.isr.clone();
        if !(led && same_epoch) {
            let leader_epoch = is.leader_epoch;
            return Some(Action::Lead {
                topic,
                topic_id,
                partition,
                leader_epoch,
                isr,
            });
        }
        let changed = was.is_some_and(|was| was.isr != is.isr);
        return changed.then_some(Action::SetIsr {
            topic_id,
            partition,
            isr,
        });
    }
    let hosted = was.is_some_and(|was| was.replicas.contains(&node));
    let delete = hosted && !is.replicas.contains(&node);
    (led || delete).then_some(Action::Stop {
        topic,
        topic_id,
        partition,
        delete,
    })
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
