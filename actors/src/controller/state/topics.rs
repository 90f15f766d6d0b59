//! CreateTopics, DeleteTopics, CreatePartitions. Kafka: `ReplicationControlManager`.

use std::collections::HashSet;

use odeon_metadata::{ConfigResource, MetadataImage};
use odeon_model::config::{ConfigMap, validate_topic};
use odeon_model::{ErrorCode, NodeId, TopicId, Uuid};
use odeon_schema::metadata::{ConfigRecord, RemoveTopicRecord, TopicRecord};

use super::assignment::{check_assignment, manual, new_partitions};
use super::names::{METADATA_TOPIC, can_collide, collide, topic_name_problem};
use super::placement::place;
use super::{Decisions, Draft};
use crate::controller::message::{
    NewPartitions, NewTopic, Refusal, TopicCreation, TopicOrigin, TopicRef, TopicResult,
};

/// The most partitions that one request may create.
pub const MAX_PARTITIONS_PER_REQUEST: usize = 10_000;

impl Decisions {
    /// CreateTopics. Each topic is decided on the cluster with those before it.
    pub(in crate::controller) fn create_topics(
        &self,
        draft: &mut Draft,
        topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Vec<TopicCreation> {
        let mut next = Draft::new(&draft.image);
        let duplicates = duplicates(topics.iter().map(|topic| topic.name.as_str()));
        let excess = self.exceeds_limit(&next.image, &topics);
        let mut results = Vec::with_capacity(topics.len());
        for topic in &topics {
            let outcome = if duplicates.contains(topic.name.as_str()) {
                Err(Refusal::new(
                    ErrorCode::InvalidRequest,
                    "The topic is named more than once.",
                ))
            } else if excess {
                let message =
                    "Too many partitions in one request: at most 10000 can be created at once.";
                Err(Refusal::new(ErrorCode::PolicyViolation, message))
            } else {
                self.create_topic(&mut next, topic)
            };
            results.push(outcome.unwrap_or_else(|refusal| TopicCreation {
                name: topic.name.clone(),
                topic_id: Uuid::ZERO,
                error: refusal.code,
                message: refusal.message,
                num_partitions: -1,
                replication_factor: -1,
                configs: ConfigMap::new(),
            }));
        }
        if !validate_only {
            draft.adopt(next);
        }
        results
    }

    fn exceeds_limit(&self, image: &MetadataImage, topics: &[NewTopic]) -> bool {
        let total = topics.iter().fold(0usize, |total, topic| {
            let count = match (topic.assignments.len(), topic.num_partitions) {
                (0, -1) => self.default_partitions(image),
                (0, count) => count,
                (count, _) => i32::try_from(count).unwrap_or(i32::MAX),
            };
            total.saturating_add(usize::try_from(count).unwrap_or(0))
        });
        total > MAX_PARTITIONS_PER_REQUEST
    }

    fn default_partitions(&self, image: &MetadataImage) -> i32 {
        let value = self.with_layers(image, |layers| super::number(&layers, "num.partitions", 1));
        i32::try_from(value).unwrap_or(1)
    }

    fn default_replication_factor(&self, image: &MetadataImage) -> i16 {
        let key = "default.replication.factor";
        let value = self.with_layers(image, |layers| super::number(&layers, key, 1));
        i16::try_from(value).unwrap_or(1)
    }

    fn create_topic(&self, draft: &mut Draft, topic: &NewTopic) -> Result<TopicCreation, Refusal> {
        if let Some(made) = already_made(&draft.image, topic) {
            return Ok(made);
        }
        check_name(&draft.image, &topic.name)?;
        let overrides = self.check_topic_configs(&draft.image, topic)?;
        let replicas = self.assign(&draft.image, topic)?;
        let mut partitions = new_partitions(&draft.image, &replicas)?;
        let num_partitions = i32::try_from(replicas.len()).unwrap_or(i32::MAX);
        let replication_factor = replicas.first().map_or(0, Vec::len);
        let replication_factor = i16::try_from(replication_factor).unwrap_or(i16::MAX);
        if let Some(policy) = &self.settings.create_topic_policy {
            policy
                .check(topic, num_partitions, replication_factor)
                .map_err(|reason| Refusal::new(ErrorCode::PolicyViolation, reason))?;
        }
        let topic_id = match &topic.origin {
            Some(origin) => {
                check_origin(&draft.image, origin, partitions.len())?;
                for (partition, latest) in partitions.iter_mut().zip(&origin.latest_epochs) {
                    partition.leader_epoch = latest.saturating_add(1).max(0);
                }
                origin.topic_id
            }
            None => self.new_topic_id(&draft.image, topic.topic_id),
        };
        draft.push(TopicRecord {
            name: topic.name.clone(),
            topic_id,
            ..Default::default()
        });
        for (name, value) in &overrides {
            draft.push(ConfigRecord {
                resource_type: odeon_metadata::ConfigResourceType::Topic.code(),
                resource_name: topic.name.clone(),
                name: name.clone(),
                value: Some(value.clone()),
                ..Default::default()
            });
        }
        for (index, partition) in (0..).zip(partitions) {
            draft.push(partition.to_record(topic_id, index));
        }
        Ok(TopicCreation {
            name: topic.name.clone(),
            topic_id,
            error: ErrorCode::None,
            message: None,
            num_partitions,
            replication_factor,
            configs: overrides,
        })
    }

    fn new_topic_id(&self, image: &MetadataImage, wanted: Option<TopicId>) -> TopicId {
        let mut id = wanted.unwrap_or(Uuid::ZERO);
        while id.is_zero() || id == Uuid::ONE || image.topic_by_id(id).is_some() {
            id = Uuid::from_random(self.rng.bytes16());
        }
        id
    }

    fn check_topic_configs(
        &self,
        image: &MetadataImage,
        topic: &NewTopic,
    ) -> Result<ConfigMap, Refusal> {
        let nulls: Vec<&str> = topic
            .configs
            .iter()
            .filter(|(_, v)| v.is_none())
            .map(|(name, _)| name.as_str())
            .collect();
        if !nulls.is_empty() {
            let message = format!("A topic config cannot be null: {}", nulls.join(","));
            return Err(Refusal::new(ErrorCode::InvalidConfig, message));
        }
        let overrides: ConfigMap = topic
            .configs
            .iter()
            .filter_map(|(k, v)| Some((k.clone(), v.clone()?)))
            .collect();
        let checked = self.with_layers(image, |layers| {
            validate_topic(&ConfigMap::new(), &overrides, layers)
        });
        checked.map_err(|error| Refusal::new(error.code, error.message))?;
        super::configs::check_size(&overrides)?;
        Ok(overrides)
    }

    /// The replicas of each partition of a new topic.
    fn assign(&self, image: &MetadataImage, topic: &NewTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
        if !topic.assignments.is_empty() {
            return manual(image, topic);
        }
        let (count, factor) = (topic.num_partitions, topic.replication_factor);
        if factor < -1 || factor == 0 {
            let message = "The replication factor must be positive, or -1 for the default.";
            return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message));
        }
        if count < -1 || count == 0 {
            let message = "The number of partitions must be positive, or -1 for the default.";
            return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
        }
        let count = if count == -1 {
            self.default_partitions(image)
        } else {
            count
        };
        let factor = if factor == -1 {
            self.default_replication_factor(image)
        } else {
            factor
        };
        self.place(image, count, factor)
    }

    fn place(
        &self,
        image: &MetadataImage,
        count: i32,
        factor: i16,
    ) -> Result<Vec<Vec<NodeId>>, Refusal> {
        place(image, count, factor, self.rng.next_u64()).map_err(|reason| {
            let message = format!("No {factor} replica(s) can be placed: {reason}");
            Refusal::new(ErrorCode::InvalidReplicationFactor, message)
        })
    }

    /// DeleteTopics.
    pub(in crate::controller) fn delete_topics(
        &self,
        draft: &mut Draft,
        topics: Vec<TopicRef>,
    ) -> Vec<TopicResult> {
        topics
            .into_iter()
            .map(|topic| {
                let found = match &topic {
                    TopicRef::Name(name) => draft.image.topic(name),
                    TopicRef::Id(id) => draft.image.topic_by_id(*id),
                };
                let found = found.map(|topic| (topic.name.to_string(), topic.id));
                let error = match (&found, &topic) {
                    _ if !self.settings.delete_topic_enable => ErrorCode::TopicDeletionDisabled,
                    (Some(_), _) => ErrorCode::None,
                    (None, TopicRef::Name(_)) => ErrorCode::UnknownTopicOrPartition,
                    (None, TopicRef::Id(_)) => ErrorCode::UnknownTopicId,
                };
                if let Some((_, topic_id)) = &found
                    && error.is_none()
                {
                    draft.push(RemoveTopicRecord {
                        topic_id: *topic_id,
                        ..Default::default()
                    });
                }
                let (name, topic_id) = match (found, topic) {
                    (Some((name, id)), _) => (Some(name), id),
                    (None, TopicRef::Name(name)) => (Some(name), Uuid::ZERO),
                    (None, TopicRef::Id(id)) => (None, id),
                };
                TopicResult {
                    name,
                    topic_id,
                    error,
                    message: None,
                }
            })
            .collect()
    }

    /// CreatePartitions: more of them, never fewer.
    pub(in crate::controller) fn create_partitions(
        &self,
        draft: &mut Draft,
        topics: Vec<NewPartitions>,
        validate_only: bool,
    ) -> Vec<TopicResult> {
        let mut next = Draft::new(&draft.image);
        let duplicates = duplicates(topics.iter().map(|topic| topic.name.as_str()));
        let mut created = 0;
        let results = topics
            .iter()
            .map(|topic| {
                let outcome = if duplicates.contains(topic.name.as_str()) {
                    Err(Refusal::new(
                        ErrorCode::InvalidRequest,
                        "The topic is named more than once.",
                    ))
                } else {
                    self.add_partitions(&mut next, topic, &mut created)
                };
                let (error, message) = match outcome {
                    Ok(()) => (ErrorCode::None, None),
                    Err(refusal) => (refusal.code, refusal.message),
                };
                let topic_id = draft
                    .image
                    .topic(&topic.name)
                    .map_or(Uuid::ZERO, |found| found.id);
                TopicResult {
                    name: Some(topic.name.clone()),
                    topic_id,
                    error,
                    message,
                }
            })
            .collect();
        if !validate_only {
            draft.adopt(next);
        }
        results
    }

    fn add_partitions(
        &self,
        draft: &mut Draft,
        wanted: &NewPartitions,
        created: &mut usize,
    ) -> Result<(), Refusal> {
        let Some(topic) = draft.image.topic(&wanted.name).cloned() else {
            return Err(ErrorCode::UnknownTopicOrPartition.into());
        };
        let (count, present) = (wanted.count, topic.partition_count());
        let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidPartitions, message));
        if count == present {
            return invalid(format!("The topic already has {present} partition(s)."));
        }
        if count < present {
            return invalid(format!(
                "Topic {} has {present} partition(s), and cannot be reduced to {count}.",
                wanted.name
            ));
        }
        let additional = usize::try_from(count - present).unwrap_or(0);
        *created = created.saturating_add(additional);
        if *created > MAX_PARTITIONS_PER_REQUEST {
            let message =
                "Too many partitions in one request: at most 10000 can be created at once.";
            return Err(Refusal::new(ErrorCode::PolicyViolation, message));
        }
        let factor = topic
            .partition(0)
            .map_or(1, |partition| partition.replicas.len());
        let replicas = match &wanted.assignments {
            Some(assignments) if assignments.len() != additional => {
                let message = format!(
                    "{additional} partition(s) are to be added, and replicas are assigned to {}.",
                    assignments.len()
                );
                return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
            }
            Some(assignments) => {
                for replicas in assignments {
                    check_assignment(&draft.image, replicas, Some(factor))?;
                }
                assignments.clone()
            }
            None => {
                let factor = i16::try_from(factor).unwrap_or(i16::MAX);
                self.place(&draft.image, count - present, factor)?
            }
        };
        for (index, partition) in (present..).zip(new_partitions(&draft.image, &replicas)?) {
            draft.push(partition.to_record(topic.id, index));
        }
        Ok(())
    }
}

/// The id of an adopted topic must be free, and there must be a partition for each of its logs.
fn check_origin(
    image: &MetadataImage,
    origin: &TopicOrigin,
    partitions: usize,
) -> Result<(), Refusal> {
    let id = origin.topic_id;
    if id.is_zero() || id == Uuid::ONE {
        let message = format!("A topic cannot have the id {id}.");
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
    }
    if let Some(other) = image.topic_by_id(id) {
        let message = format!("Topic '{}' has the id {id}.", other.name);
        return Err(Refusal::new(ErrorCode::TopicAlreadyExists, message));
    }
    if origin.latest_epochs.len() != partitions {
        let message = "Each partition of an adopted topic brings its log.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
    }
    Ok(())
}

/// The topic that was made when the same was asked for before.
fn already_made(image: &MetadataImage, topic: &NewTopic) -> Option<TopicCreation> {
    let made = image.topic(&topic.name)?;
    (topic.topic_id == Some(made.id)).then(|| TopicCreation {
        name: topic.name.clone(),
        topic_id: made.id,
        error: ErrorCode::None,
        message: None,
        num_partitions: made.partition_count(),
        replication_factor: made.partition(0).map_or(0, |first| {
            i16::try_from(first.replicas.len()).unwrap_or(i16::MAX)
        }),
        configs: image.config_map(&ConfigResource::topic(topic.name.as_str())),
    })
}

/// The names that occur more than once.
fn duplicates<'a>(names: impl Iterator<Item = &'a str>) -> HashSet<String> {
    let mut seen = HashSet::new();
    names
        .filter(|name| !seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

fn check_name(image: &MetadataImage, name: &str) -> Result<(), Refusal> {
    if name == METADATA_TOPIC {
        let message = format!("The topic {METADATA_TOPIC} cannot be created.");
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
    }
    if let Some(problem) = topic_name_problem(name) {
        return Err(Refusal::new(ErrorCode::InvalidTopicException, problem));
    }
    if image.topic(name).is_some() {
        let message = format!("Topic '{name}' already exists.");
        return Err(Refusal::new(ErrorCode::TopicAlreadyExists, message));
    }
    if can_collide(name)
        && let Some(other) = image.topics().find(|topic| collide(&topic.name, name))
    {
        let message = format!(
            "Topic '{name}' differs only in '.' and '_' from the existing topic {}",
            other.name
        );
        return Err(Refusal::new(ErrorCode::InvalidTopicException, message));
    }
    Ok(())
}

/// The resource of a topic that must exist. For the other decisions.
pub(super) fn require_topic(
    image: &MetadataImage,
    resource: &ConfigResource,
) -> Result<(), Refusal> {
    if image.topic(&resource.name).is_some() {
        return Ok(());
    }
    let message = format!("There is no topic '{}'.", resource.name);
    Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, message))
}
