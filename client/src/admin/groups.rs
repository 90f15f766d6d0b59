//! Groups and their committed offsets.

use std::collections::BTreeMap;

use odeon_model::{ErrorCode, Offset, TopicPartition};
use odeon_protocol::ApiKey;
use odeon_protocol::messages::{
    ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest,
};

use super::Admin;
use crate::committed::{self, CommittedOffset, Committer};
use crate::consumer::assignor::decode_assignment;
use crate::coordinator::Coordinator;
use crate::error::check;
use crate::{ClientError, FoundOffset, Isolation, OffsetSpec};

/// A group, as its coordinator lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group_id: String,
    /// What its members agree on, such as `consumer`.
    pub protocol_type: String,
    /// Its state, such as `Stable`; empty when the broker does not tell.
    pub state: String,
    /// Its kind, such as `Classic`; empty when the broker does not tell.
    pub kind: String,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedGroup {
    /// Its id.
    pub group_id: String,
    /// Its state, such as `Stable`.
    pub state: String,
    /// How partitions are assigned, such as `range`.
    pub assignor: String,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub member_id: String,
    /// Its own name, if it has one.
    pub instance_id: Option<String>,
    /// The name of its client.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// What it reads.
    pub assignment: Vec<TopicPartition>,
}

impl Admin {
    /// The groups of all brokers, by id.
    ///
    /// # Errors
    /// A broker refuses or does not answer.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, ClientError> {
        let (cluster, _) = self.client.refresh(Some(&[]), false).await?;
        let mut groups = BTreeMap::new();
        for id in cluster.brokers.keys() {
            let connection = self.client.broker(*id).await?;
            let response = connection.call(&ListGroupsRequest::default()).await?;
            // A broker that still loads its share has none to list yet.
            if response.error_code != ErrorCode::CoordinatorLoadInProgress.code() {
                check(|| "list groups".to_owned(), response.error_code, None)?;
            }
            for group in response.groups {
                let listing = GroupListing {
                    group_id: group.group_id.clone(),
                    protocol_type: group.protocol_type,
                    state: group.group_state,
                    kind: group.group_type,
                };
                groups.insert(group.group_id, listing);
            }
        }
        Ok(groups.into_values().collect())
    }

    /// A group and its members. A group that does not exist is an error.
    ///
    /// # Errors
    /// The coordinator refuses or does not answer.
    pub async fn describe_group(&self, group_id: &str) -> Result<DescribedGroup, ClientError> {
        let mut coordinator = Coordinator::new(self.client.clone(), group_id);
        let has_new = coordinator
            .connection()
            .await?
            .versions()
            .has(ApiKey::ConsumerGroupDescribe);
        if has_new {
            let group = describe_consumer_group(&mut coordinator).await?;
            if let Some(group) = group {
                return Ok(group);
            }
        }
        describe_classic_group(&mut coordinator).await
    }

    /// Deletes a group that has no members, with its offsets.
    ///
    /// # Errors
    /// The coordinator refuses or does not answer.
    pub async fn delete_group(&self, group_id: &str) -> Result<(), ClientError> {
        let mut coordinator = Coordinator::new(self.client.clone(), group_id);
        let timeout = self.client.config().request_timeout;
        let request = |_| DeleteGroupsRequest {
            groups_names: vec![group_id.to_owned()],
            ..Default::default()
        };
        let response = coordinator
            .call::<DeleteGroupsRequest>(i16::MAX, timeout, request, |answer| {
                answer.results.first().map_or(0, |result| result.error_code)
            })
            .await?;
        for result in response.results {
            let what = || format!("delete group '{group_id}'");
            check(what, result.error_code, result.error_message.as_ref())?;
        }
        Ok(())
    }

    /// All offsets that a group has committed.
    ///
    /// # Errors
    /// The coordinator refuses or does not answer.
    pub async fn group_offsets(
        &self,
        group_id: &str,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
        let mut coordinator = Coordinator::new(self.client.clone(), group_id);
        committed::fetch(&mut coordinator, None).await
    }

    /// Sets committed offsets of a group without members.
    ///
    /// # Errors
    /// The group has members, or the coordinator refuses or does not answer.
    pub async fn alter_group_offsets(
        &self,
        group_id: &str,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<(), ClientError> {
        let mut coordinator = Coordinator::new(self.client.clone(), group_id);
        let offsets = offsets.iter();
        let offsets = offsets
            .map(|(partition, offset)| (partition.clone(), CommittedOffset::at(*offset)))
            .collect();
        committed::commit(&mut coordinator, &Committer::outsider(), &offsets).await
    }

    /// Offsets of partitions by place or time; none where no record is that late.
    ///
    /// # Errors
    /// A partition does not exist, or the cluster does not answer.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
        isolation: Isolation,
    ) -> Result<BTreeMap<TopicPartition, Option<FoundOffset>>, ClientError> {
        self.client.list_offsets(wanted, isolation).await
    }
}

/// A group of the protocol since Kafka 4; none when it is a classic one.
async fn describe_consumer_group(
    coordinator: &mut Coordinator,
) -> Result<Option<DescribedGroup>, ClientError> {
    let group_id = coordinator.group.to_string();
    let timeout = coordinator.client.config().request_timeout;
    let request = |_| ConsumerGroupDescribeRequest {
        group_ids: vec![group_id.clone()],
        ..Default::default()
    };
    let response = coordinator
        .call::<ConsumerGroupDescribeRequest>(i16::MAX, timeout, request, |answer| {
            answer.groups.first().map_or(0, |group| group.error_code)
        })
        .await?;
    let Some(group) = response.groups.into_iter().next() else {
        return Ok(None);
    };
    let code = ErrorCode::from_code(group.error_code);
    if matches!(
        code,
        ErrorCode::GroupIdNotFound | ErrorCode::UnsupportedVersion
    ) {
        return Ok(None);
    }
    let what = || format!("describe group '{group_id}'");
    check(what, group.error_code, group.error_message.as_ref())?;
    let members = group.members.into_iter().map(|member| {
        let topics = member.assignment.topic_partitions.into_iter();
        let assignment = topics.flat_map(|topic| {
            let name: std::sync::Arc<str> = topic.topic_name.into();
            let partitions = topic.partitions.into_iter();
            partitions.map(move |index| TopicPartition::new(name.clone(), index))
        });
        GroupMember {
            member_id: member.member_id,
            instance_id: member.instance_id,
            client_id: member.client_id,
            host: member.client_host,
            assignment: assignment.collect(),
        }
    });
    Ok(Some(DescribedGroup {
        members: members.collect(),
        group_id: group.group_id,
        state: group.group_state,
        assignor: group.assignor_name,
    }))
}

async fn describe_classic_group(
    coordinator: &mut Coordinator,
) -> Result<DescribedGroup, ClientError> {
    let group_id = coordinator.group.to_string();
    let timeout = coordinator.client.config().request_timeout;
    let request = |_| DescribeGroupsRequest {
        groups: vec![group_id.clone()],
        ..Default::default()
    };
    let response = coordinator
        .call::<DescribeGroupsRequest>(i16::MAX, timeout, request, |answer| {
            answer.groups.first().map_or(0, |group| group.error_code)
        })
        .await?;
    let what = || format!("describe group '{group_id}'");
    let not_found = ErrorCode::GroupIdNotFound.code();
    let group = response.groups.into_iter().next();
    let group = group.ok_or_else(|| ClientError::refused(what(), not_found, None))?;
    check(what, group.error_code, group.error_message.as_ref())?;
    if group.group_state == "Dead" {
        return Err(ClientError::refused(what(), not_found, None));
    }
    let members = group.members.into_iter().map(|member| GroupMember {
        member_id: member.member_id,
        instance_id: member.group_instance_id,
        client_id: member.client_id,
        host: member.client_host,
        // Groups of other protocols than the consumers' assign something else.
        assignment: decode_assignment(member.member_assignment).unwrap_or_default(),
    });
    Ok(DescribedGroup {
        members: members.collect(),
        group_id: group.group_id,
        state: group.group_state,
        assignor: group.protocol_data,
    })
}
