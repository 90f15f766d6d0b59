//! What clients do, one attempt each; a [`Trouble`] says whether it may have been done.

use bytes::Bytes;
use odeon_model::{ErrorCode, NodeId, Uuid};
use odeon_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use odeon_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use odeon_protocol::messages::elect_leaders_request::TopicPartitions;
use odeon_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use odeon_protocol::messages::{
    AlterPartitionReassignmentsRequest, CreateTopicsRequest, ElectLeadersRequest,
    FindCoordinatorRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest, MetadataRequest,
    ProduceRequest,
};

use super::{ClusterClient, Lost};
use crate::node::{list_offset_request, metadata_request, produce_request};
use crate::records;
use crate::requests::{commit_request, committed_request, fetch_request};

/// How the protocol names topics among what can be configured.
const TOPIC_RESOURCE: i8 = 2;

/// Why an attempt came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No answer: it may have been done.
    Lost,
    /// A code of the protocol.
    Code(ErrorCode),
}

impl From<Lost> for Trouble {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}

fn check(code: i16) -> Result<(), Trouble> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        code => Err(Trouble::Code(code)),
    }
}

/// What an attempt comes to.
pub type Tried<T> = Result<T, Trouble>;

impl ClusterClient {
    /// Creates a topic through a node; its id.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn create_topic(
        &mut self,
        via: NodeId,
        name: &str,
        partitions: i32,
        copies: i16,
        configs: &[(&str, &str)],
    ) -> Tried<Uuid> {
        let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            ..Default::default()
        });
        let topic = CreatableTopic {
            name: name.to_owned(),
            num_partitions: partitions,
            replication_factor: copies,
            configs: configs.collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![topic],
            timeout_ms: 10_000,
            ..Default::default()
        };
        let answer = self.call(via, 7, &request).await?.topics.remove(0);
        check(answer.error_code)?;
        Ok(answer.topic_id)
    }

    /// Sets a key of a topic's configuration.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn set_topic_config(
        &mut self,
        via: NodeId,
        topic: &str,
        key: &str,
        value: &str,
    ) -> Tried<()> {
        let config = AlterableConfig {
            name: key.to_owned(),
            value: Some(value.to_owned()),
            ..Default::default()
        };
        let resource = AlterConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: topic.to_owned(),
            configs: vec![config],
            ..Default::default()
        };
        let request = IncrementalAlterConfigsRequest {
            resources: vec![resource],
            ..Default::default()
        };
        let mut answer = self.call(via, 1, &request).await?;
        check(answer.responses.remove(0).error_code)
    }

    /// Who leads a partition, as a node says; as Kafka's own clients do, it believes in no leader
    /// that is older than one it has heard of.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn find_leader(&mut self, via: NodeId, topic: &str, partition: i32) -> Tried<NodeId> {
        let request = MetadataRequest {
            allow_auto_topic_creation: false,
            ..metadata_request(topic)
        };
        let mut answer = self.call(via, 12, &request).await?;
        let name = topic.to_owned();
        let topic = answer.topics.remove(0);
        check(topic.error_code)?;
        let mut partitions = topic.partitions.into_iter();
        let found = partitions
            .find(|found| found.partition_index == partition)
            .ok_or(Trouble::Code(ErrorCode::UnknownTopicOrPartition))?;
        check(found.error_code)?;
        match self.is_older(&name, partition, found.leader_epoch) {
            true => Err(Trouble::Code(ErrorCode::FencedLeaderEpoch)),
            false => Ok(found.leader_id),
        }
    }

    /// A new producer id and its epoch.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn init_producer(&mut self, via: NodeId) -> Tried<(i64, i16)> {
        let request = InitProducerIdRequest {
            transactional_id: None,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        let answer = self.call(via, 4, &request).await?;
        check(answer.error_code)?;
        Ok((answer.producer_id, answer.producer_epoch))
    }

    /// Produces a batch with acks=all; its base offset.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn produce(
        &mut self,
        leader: NodeId,
        topic: &str,
        partition: i32,
        batch: Bytes,
    ) -> Tried<i64> {
        let request = produce_request(topic, partition, batch);
        self.produce_as(leader, request).await
    }

    /// Produces a batch with acks=1; its base offset.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn produce_for_leader(
        &mut self,
        leader: NodeId,
        topic: &str,
        partition: i32,
        batch: Bytes,
    ) -> Tried<i64> {
        let request = ProduceRequest {
            acks: 1,
            ..produce_request(topic, partition, batch)
        };
        self.produce_as(leader, request).await
    }

    async fn produce_as(&mut self, leader: NodeId, request: ProduceRequest) -> Tried<i64> {
        let mut answer = self.call(leader, 12, &request).await?;
        let found = answer.responses.remove(0).partition_responses.remove(0);
        check(found.error_code)?;
        Ok(found.base_offset)
    }

    /// The records from an offset on, and the high watermark.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn fetch(
        &mut self,
        leader: NodeId,
        topic: &str,
        partition: i32,
        from: i64,
        max_wait_ms: i32,
    ) -> Tried<(Vec<(i64, String)>, i64)> {
        let request = fetch_request((topic, partition), from, max_wait_ms, 64 << 10);
        let mut answer = self.call(leader, 12, &request).await?;
        check(answer.error_code)?;
        let found = answer.responses.remove(0).partitions.remove(0);
        check(found.error_code)?;
        let set = found.records.unwrap_or_default();
        let records = records::read(&set).into_iter();
        let records = records
            .map(|(offset, _, value)| (offset, value))
            .filter(|(offset, _)| *offset >= from);
        Ok((records.collect(), found.high_watermark))
    }

    /// An offset by its time: -1 for the latest, -2 for the earliest.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn offset(
        &mut self,
        leader: NodeId,
        topic: &str,
        partition: i32,
        timestamp: i64,
    ) -> Tried<i64> {
        let request = list_offset_request(topic, partition, timestamp);
        let mut answer = self.call(leader, 7, &request).await?;
        let found = answer.topics.remove(0).partitions.remove(0);
        check(found.error_code)?;
        Ok(found.offset)
    }

    /// Which node coordinates a group, as a node says.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn find_coordinator(&mut self, via: NodeId, group: &str) -> Tried<NodeId> {
        let request = FindCoordinatorRequest {
            key: group.to_owned(),
            ..Default::default()
        };
        let answer = self.call(via, 3, &request).await?;
        check(answer.error_code)?;
        Ok(answer.node_id)
    }

    /// Commits an offset for a group; `member` is its id and generation, or none.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn commit(
        &mut self,
        coordinator: NodeId,
        group: &str,
        member: Option<(&str, i32)>,
        (topic, partition, offset): (&str, i32, i64),
    ) -> Tried<()> {
        let request = commit_request(group, member, (topic, partition), offset);
        let mut answer = self.call(coordinator, 8, &request).await?;
        check(answer.topics.remove(0).partitions.remove(0).error_code)
    }

    /// A group's committed offset, -1 for none.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn committed(
        &mut self,
        coordinator: NodeId,
        group: &str,
        topic: &str,
        partition: i32,
    ) -> Tried<i64> {
        let request = committed_request(group, (topic, partition));
        let mut answer = self.call(coordinator, 7, &request).await?;
        check(answer.error_code)?;
        let found = answer.topics.remove(0).partitions.remove(0);
        check(found.error_code)?;
        Ok(found.committed_offset)
    }

    /// Moves a partition to other replicas, the first of them preferred as its leader.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn reassign(
        &mut self,
        via: NodeId,
        topic: &str,
        partition: i32,
        replicas: &[NodeId],
    ) -> Tried<()> {
        let partition = ReassignablePartition {
            partition_index: partition,
            replicas: Some(replicas.to_vec()),
            ..Default::default()
        };
        let topic = ReassignableTopic {
            name: topic.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = AlterPartitionReassignmentsRequest {
            topics: vec![topic],
            timeout_ms: 10_000,
            ..Default::default()
        };
        let mut answer = self.call(via, 1, &request).await?;
        check(answer.error_code)?;
        check(answer.responses.remove(0).partitions.remove(0).error_code)
    }

    /// Has the preferred replica of a partition lead it.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn elect_preferred(&mut self, via: NodeId, topic: &str, partition: i32) -> Tried<()> {
        let topic = TopicPartitions {
            topic: topic.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = ElectLeadersRequest {
            topic_partitions: Some(vec![topic]),
            timeout_ms: 10_000,
            ..Default::default()
        };
        let answer = self.call(via, 2, &request).await?;
        check(answer.error_code)?;
        let result = answer.replica_election_results.first();
        let result = result.and_then(|topic| topic.partition_result.first());
        check(result.map_or(0, |partition| partition.error_code))
    }
}
