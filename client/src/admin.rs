//! Calls that describe and change topics, configs and groups.

use std::sync::Arc;

use odeon_model::{NodeId, PartitionId, TopicId};
use odeon_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use odeon_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use odeon_protocol::messages::delete_topics_request::DeleteTopicState;
use odeon_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
};

use crate::error::check;
use crate::{Client, ClientError, Cluster, Topic};

mod configs;
mod groups;
mod nodes;

pub use configs::{ConfigChange, ConfigEntry};
pub use groups::{DescribedGroup, GroupListing, GroupMember};
pub use nodes::{Placement, QuorumReplica, QuorumState, RegisteredBroker};

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Its partitions; the brokers' `num.partitions` when none are given.
    pub partitions: Option<i32>,
    /// Its replicas; the brokers' `default.replication.factor` when none are given.
    pub replication_factor: Option<i16>,
    /// The brokers of each partition, the preferred leader first; chosen by the cluster when empty.
    pub assignment: Vec<(PartitionId, Vec<NodeId>)>,
    /// Its configs.
    pub configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic whose settings are the brokers' defaults.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            assignment: Vec::new(),
            configs: Vec::new(),
        }
    }
}

/// A topic that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; zero when the broker does not tell.
    pub id: TopicId,
    /// Its partitions; -1 when the broker does not tell.
    pub partitions: i32,
    /// Its replicas; -1 when the broker does not tell.
    pub replication_factor: i16,
}

/// What became of each named thing, in the order of the answer.
pub type Results<T> = Vec<(String, Result<T, ClientError>)>;

/// Calls that describe and change a cluster. Any broker takes them; those about a group go to its
/// coordinator.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
}

impl Admin {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    fn timeout_ms(&self) -> i32 {
        let timeout = self.client.config().request_timeout;
        i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
    }

    /// The cluster with all its topics, as of now.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn cluster(&self) -> Result<Arc<Cluster>, ClientError> {
        Ok(self.client.refresh(None, false).await?.0)
    }

    /// Topics by name, as of now. Each topic has its own result.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn describe_topics(
        &self,
        names: &[&str],
    ) -> Result<Results<Arc<Topic>>, ClientError> {
        let (cluster, errors) = self.client.refresh(Some(names), false).await?;
        let unknown = odeon_model::ErrorCode::UnknownTopicOrPartition;
        let results = names.iter().map(|name| {
            let result = cluster.topic(name).cloned().ok_or_else(|| {
                let code = errors.get(*name).copied().unwrap_or(unknown);
                ClientError::refused(format!("topic '{name}'"), code.code(), None)
            });
            ((*name).to_owned(), result)
        });
        Ok(results.collect())
    }

    /// Creates topics, or with `validate_only` says whether they could be created. Each topic has
    /// its own result.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<Results<CreatedTopic>, ClientError> {
        let creatable = topics.iter().map(|topic| CreatableTopic {
            name: topic.name.clone(),
            num_partitions: topic.partitions.unwrap_or(-1),
            replication_factor: topic.replication_factor.unwrap_or(-1),
            assignments: topic
                .assignment
                .iter()
                .map(|(index, brokers)| CreatableReplicaAssignment {
                    partition_index: *index,
                    broker_ids: brokers.clone(),
                    ..Default::default()
                })
                .collect(),
            configs: topic
                .configs
                .iter()
                .map(|(name, value)| CreatableTopicConfig {
                    name: name.clone(),
                    value: Some(value.clone()),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        });
        let request = CreateTopicsRequest {
            topics: creatable.collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
            ..Default::default()
        };
        let response: CreateTopicsResponse = self.client.call_any(&request).await?;
        let results = response.topics.into_iter().map(|topic| {
            let what = || format!("create topic '{}'", topic.name);
            let created = check(what, topic.error_code, topic.error_message.as_ref());
            let created = created.map(|()| CreatedTopic {
                id: topic.topic_id,
                partitions: topic.num_partitions,
                replication_factor: topic.replication_factor,
            });
            (topic.name.clone(), created)
        });
        Ok(results.collect())
    }

    /// Deletes topics. Each has its own result.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn delete_topics(&self, names: &[&str]) -> Result<Results<()>, ClientError> {
        let connection = self.client.any_broker().await?;
        let version = connection.version_up_to::<DeleteTopicsRequest>(i16::MAX)?;
        let mut request = DeleteTopicsRequest {
            timeout_ms: self.timeout_ms(),
            ..Default::default()
        };
        let names = names.iter().map(|name| (*name).to_owned());
        if version >= 6 {
            let topics = names.map(|name| DeleteTopicState {
                name: Some(name),
                ..Default::default()
            });
            request.topics = topics.collect();
        } else {
            request.topic_names = names.collect();
        }
        let timeout = self.client.config().request_timeout;
        let response = connection.call_at(&request, version, timeout).await?;
        let results = response.responses.into_iter().map(|answer| {
            let name = answer.name.unwrap_or_default();
            let what = || format!("delete topic '{name}'");
            let deleted = check(what, answer.error_code, answer.error_message.as_ref());
            if deleted.is_ok() {
                self.client.forget_topic(&name);
            }
            (name, deleted)
        });
        Ok(results.collect())
    }

    /// Raises a topic's number of partitions to `count`.
    ///
    /// # Errors
    /// The cluster refuses or does not answer.
    pub async fn create_partitions(&self, topic: &str, count: i32) -> Result<(), ClientError> {
        let request = CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic {
                name: topic.to_owned(),
                count,
                assignments: None,
                ..Default::default()
            }],
            timeout_ms: self.timeout_ms(),
            ..Default::default()
        };
        let response = self.client.call_any(&request).await?;
        for result in response.results {
            let what = || format!("add partitions to topic '{topic}'");
            check(what, result.error_code, result.error_message.as_ref())?;
        }
        self.client.forget_topic(topic);
        Ok(())
    }
}
