//! Offsets by place or time, asked of each partition's leader.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use odeon_model::{ErrorCode, LeaderEpoch, NodeId, Offset, TopicPartition};
use odeon_protocol::messages::ListOffsetsRequest;
use odeon_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};

use crate::retry::Deadline;
use crate::{Client, ClientError, Isolation};

/// Which offset of a partition is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first that can be read.
    Earliest,
    /// The one behind the last that can be read.
    Latest,
    /// That of the record with the largest timestamp.
    MaxTimestamp,
    /// The first whose record's timestamp, in ms since 1970, is this or later.
    Timestamp(i64),
}

impl OffsetSpec {
    const fn timestamp(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::Timestamp(timestamp_ms) => timestamp_ms,
        }
    }
}

/// An offset that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset.
    pub offset: Offset,
    /// The record's timestamp, when one was asked for; -1 otherwise.
    pub timestamp_ms: i64,
    /// The epoch of the leader that wrote it; -1 when the broker does not tell.
    pub leader_epoch: LeaderEpoch,
}

/// Partitions and what is asked about them.
pub(crate) type Wanted = BTreeMap<TopicPartition, OffsetSpec>;
type Found = BTreeMap<TopicPartition, Option<FoundOffset>>;

impl Client {
    /// Finds offsets; partitions without a record as late as asked for have none. Tries again
    /// while leaders move.
    ///
    /// # Errors
    /// A topic or partition does not exist, or the cluster does not answer in time.
    pub(crate) async fn list_offsets(
        &self,
        wanted: &Wanted,
        isolation: Isolation,
    ) -> Result<Found, ClientError> {
        let deadline = Deadline::after(self.clock(), self.config().api_timeout);
        let mut backoff = self.backoff();
        let mut found = Found::new();
        loop {
            let mut last = None;
            let mut by_leader: BTreeMap<NodeId, Wanted> = BTreeMap::new();
            for (partition, spec) in wanted.iter().filter(|(tp, _)| !found.contains_key(*tp)) {
                match self.leader_of(partition).await {
                    Ok(leader) => {
                        let asked = by_leader.entry(leader).or_default();
                        asked.insert(partition.clone(), *spec);
                    }
                    Err(error) if matches!(error, ClientError::NoLeader(_)) => last = Some(error),
                    Err(error) => return Err(error),
                }
            }
            let asks = by_leader
                .iter()
                .map(|(leader, asked)| self.ask_offsets(*leader, asked, isolation));
            for (answer, asked) in join_all(asks).await.into_iter().zip(by_leader.values()) {
                if let Err(error) = self.take_answer(answer, asked, &mut found) {
                    if !error.is_retriable() {
                        return Err(error);
                    }
                    last = Some(error);
                }
            }
            match last {
                None => return Ok(found),
                Some(error) => {
                    if !self.pause(&mut backoff, &deadline).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// The leader of a partition.
    pub(crate) async fn leader_of(
        &self,
        partition: &TopicPartition,
    ) -> Result<NodeId, ClientError> {
        let topic = self.topic(&partition.topic, false).await?;
        let Some(found) = topic.partition(partition.partition) else {
            let code = ErrorCode::UnknownTopicOrPartition.code();
            return Err(ClientError::refused(
                format!("partition {partition}"),
                code,
                None,
            ));
        };
        found.leader.ok_or_else(|| {
            self.forget_topic(&partition.topic);
            ClientError::NoLeader(partition.clone())
        })
    }

    async fn ask_offsets(
        &self,
        leader: NodeId,
        asked: &Wanted,
        isolation: Isolation,
    ) -> Result<Vec<(TopicPartition, i16, FoundOffset)>, ClientError> {
        let connection = self.broker(leader).await?;
        let mut topics: Vec<ListOffsetsTopic> = Vec::new();
        for (partition, spec) in asked {
            let entry = ListOffsetsPartition {
                partition_index: partition.partition,
                timestamp: spec.timestamp(),
                ..Default::default()
            };
            match topics
                .last_mut()
                .filter(|topic| *topic.name == *partition.topic)
            {
                Some(topic) => topic.partitions.push(entry),
                None => topics.push(ListOffsetsTopic {
                    name: partition.topic.to_string(),
                    partitions: vec![entry],
                    ..Default::default()
                }),
            }
        }
        let timeout_ms = i32::try_from(self.config().request_timeout.as_millis());
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: isolation.code(),
            topics,
            timeout_ms: timeout_ms.unwrap_or(i32::MAX),
            ..Default::default()
        };
        let response = connection.call(&request).await?;
        let answers = response.topics.into_iter().flat_map(|topic| {
            let name: std::sync::Arc<str> = topic.name.into();
            topic.partitions.into_iter().map(move |answer| {
                let partition = TopicPartition::new(name.clone(), answer.partition_index);
                let found = FoundOffset {
                    offset: answer.offset,
                    timestamp_ms: answer.timestamp,
                    leader_epoch: answer.leader_epoch,
                };
                (partition, answer.error_code, found)
            })
        });
        Ok(answers.collect())
    }

    fn take_answer(
        &self,
        answer: Result<Vec<(TopicPartition, i16, FoundOffset)>, ClientError>,
        asked: &Wanted,
        found: &mut Found,
    ) -> Result<(), ClientError> {
        let forget_all = || asked.keys().for_each(|one| self.forget_topic(&one.topic));
        let answers = answer.inspect_err(|_| forget_all())?;
        let mut failure = None;
        for (partition, code, offset) in answers {
            if code == 0 {
                found.insert(partition, Some(offset).filter(|found| found.offset >= 0));
                continue;
            }
            self.forget_topic(&partition.topic);
            let what = format!("find an offset of {partition}");
            failure = Some(ClientError::refused(what, code, None));
        }
        let missing = asked.keys().find(|one| !found.contains_key(*one));
        match (failure, missing) {
            (Some(error), _) => Err(error),
            (None, Some(partition)) => Err(ClientError::NoLeader(partition.clone())),
            (None, None) => Ok(()),
        }
    }
}
