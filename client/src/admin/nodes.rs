//! Nodes of a cluster, its metadata quorum, and where replicas lie.

use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::clock::timeout;
use odeon_model::config::HostPort;
use odeon_model::{NodeId, Offset, PartitionId};
use odeon_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use odeon_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use odeon_protocol::messages::describe_quorum_response::ReplicaState;
use odeon_protocol::messages::elect_leaders_request::TopicPartitions;
use odeon_protocol::messages::{
    AlterPartitionReassignmentsRequest, DescribeClusterRequest, DescribeQuorumRequest,
    ElectLeadersRequest, UnregisterBrokerRequest,
};
use odeon_protocol::{RESTARTS_TAG, RawTaggedField};

use super::Admin;
use crate::error::check;
use crate::{Broker, ClientError};

/// A broker that is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredBroker {
    /// What clients know of it.
    pub broker: Broker,
    /// Whether it serves nothing: it is not there, or not ready.
    pub fenced: bool,
}

/// The metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumState {
    /// The node that leads it: the active controller.
    pub leader: NodeId,
    /// Its epoch.
    pub leader_epoch: i32,
    /// Up to where the log is committed.
    pub high_watermark: Offset,
    /// Those who vote.
    pub voters: Vec<QuorumReplica>,
    /// Those who only follow.
    pub observers: Vec<QuorumReplica>,
    /// Where the voters are reached, as far as they say.
    pub addresses: Vec<(NodeId, HostPort)>,
}

/// How far a replica of the metadata log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReplica {
    /// The node.
    pub node: NodeId,
    /// The end of its log; -1 when the leader does not know.
    pub log_end_offset: Offset,
    /// When it last had all that the leader had, in milliseconds since 1970; -1 when unknown.
    pub last_caught_up_ms: i64,
}

/// The replicas that a partition shall have, the preferred leader first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: PartitionId,
    /// The nodes.
    pub replicas: Vec<NodeId>,
}

const METADATA_TOPIC: &str = "__cluster_metadata";

impl Admin {
    /// All registered brokers, fenced ones too where the broker tells, by id.
    ///
    /// # Errors
    /// The cluster refuses or does not answer.
    pub async fn brokers(&self) -> Result<Vec<RegisteredBroker>, ClientError> {
        let request = DescribeClusterRequest {
            endpoint_type: 1,
            include_fenced_brokers: true,
            ..Default::default()
        };
        let response = self.client.call_any(&request).await?;
        let what = || "describe the cluster".to_owned();
        check(what, response.error_code, response.error_message.as_ref())?;
        let brokers = response.brokers.into_iter().map(|one| RegisteredBroker {
            fenced: one.is_fenced,
            broker: Broker {
                id: one.broker_id,
                address: HostPort {
                    host: one.host,
                    port: u16::try_from(one.port).unwrap_or(0),
                },
                rack: one.rack,
            },
        });
        let mut brokers: Vec<_> = brokers.collect();
        brokers.sort_by_key(|one| one.broker.id);
        Ok(brokers)
    }

    /// How often the actors of an Odeon broker were restarted since it was started; `None` when the
    /// broker is none of Odeon's, or does not answer within the limit.
    ///
    /// Cancel safe.
    pub async fn restarts(&self, node: NodeId, limit: Duration) -> Option<u64> {
        let request = DescribeClusterRequest {
            endpoint_type: 1,
            unknown_tagged_fields: vec![RawTaggedField {
                tag: RESTARTS_TAG,
                value: Bytes::new(),
            }],
            ..Default::default()
        };
        let ask = async {
            let connection = self.client.broker(node).await.ok()?;
            connection.call(&request).await.ok()
        };
        let answer = timeout(&**self.client.clock(), limit, ask).await.ok()??;
        let own = answer.brokers.iter().find(|one| one.broker_id == node)?;
        let mut fields = own.unknown_tagged_fields.iter();
        let field = fields.find(|field| field.tag == RESTARTS_TAG)?;
        Some(u64::from_be_bytes(field.value.as_ref().try_into().ok()?))
    }

    /// The metadata quorum, as its leader sees it.
    ///
    /// # Errors
    /// The cluster refuses or does not answer.
    pub async fn quorum(&self) -> Result<QuorumState, ClientError> {
        let request = DescribeQuorumRequest {
            topics: vec![TopicData {
                topic_name: METADATA_TOPIC.to_owned(),
                partitions: vec![PartitionData::default()],
                ..Default::default()
            }],
            ..Default::default()
        };
        let response = self.client.call_any(&request).await?;
        let what = || "describe the metadata quorum".to_owned();
        check(what, response.error_code, response.error_message.as_ref())?;
        let addresses = response.nodes.into_iter().filter_map(|node| {
            let listener = node.listeners.into_iter().next()?;
            let (host, port) = (listener.host, listener.port);
            Some((node.node_id, HostPort { host, port }))
        });
        let addresses = addresses.collect();
        let topics = response.topics.into_iter();
        let mut partitions = topics.flat_map(|topic| topic.partitions);
        // An answer without the quorum is one of nothing.
        let state = partitions.next().unwrap_or_default();
        check(what, state.error_code, state.error_message.as_ref())?;
        let replica = |state: ReplicaState| QuorumReplica {
            node: state.replica_id,
            log_end_offset: state.log_end_offset,
            last_caught_up_ms: state.last_caught_up_timestamp,
        };
        Ok(QuorumState {
            leader: state.leader_id,
            leader_epoch: state.leader_epoch,
            high_watermark: state.high_watermark,
            voters: state.current_voters.into_iter().map(replica).collect(),
            observers: state.observers.into_iter().map(replica).collect(),
            addresses,
        })
    }

    /// Begins to give partitions these replicas; returns when the cluster has begun.
    ///
    /// # Errors
    /// The cluster refuses one of them or does not answer.
    pub async fn place(&self, placements: &[Placement]) -> Result<(), ClientError> {
        let topics = placements.iter().map(|one| ReassignableTopic {
            name: one.topic.clone(),
            partitions: vec![ReassignablePartition {
                partition_index: one.partition,
                replicas: Some(one.replicas.clone()),
                ..Default::default()
            }],
            ..Default::default()
        });
        let request = AlterPartitionReassignmentsRequest {
            timeout_ms: self.timeout_ms(),
            allow_replication_factor_change: true,
            topics: topics.collect(),
            ..Default::default()
        };
        let response = self.client.call_any(&request).await?;
        let what = || "move replicas".to_owned();
        check(what, response.error_code, response.error_message.as_ref())?;
        for topic in response.responses {
            for one in topic.partitions {
                let what = || format!("move replicas of {}-{}", topic.name, one.partition_index);
                check(what, one.error_code, one.error_message.as_ref())?;
            }
        }
        Ok(())
    }

    /// Makes the preferred replicas of these partitions their leaders, where they are in sync.
    ///
    /// # Errors
    /// The cluster refuses or does not answer. A partition whose leader cannot change is none.
    pub async fn elect_preferred(
        &self,
        partitions: &[(String, PartitionId)],
    ) -> Result<(), ClientError> {
        let partitions = partitions.iter().map(|(topic, partition)| TopicPartitions {
            topic: topic.clone(),
            partitions: vec![*partition],
            ..Default::default()
        });
        let request = ElectLeadersRequest {
            election_type: 0,
            topic_partitions: Some(partitions.collect()),
            timeout_ms: self.timeout_ms(),
            ..Default::default()
        };
        let response = self.client.call_any(&request).await?;
        check(|| "elect leaders".to_owned(), response.error_code, None)
    }

    /// Forgets a broker that is gone for good.
    ///
    /// # Errors
    /// The cluster refuses or does not answer.
    pub async fn unregister_broker(&self, node: NodeId) -> Result<(), ClientError> {
        let request = UnregisterBrokerRequest {
            broker_id: node,
            ..Default::default()
        };
        let response = self.client.call_any(&request).await?;
        let what = || format!("forget node {node}");
        check(what, response.error_code, response.error_message.as_ref())
    }
}
