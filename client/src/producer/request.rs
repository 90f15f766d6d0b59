//! Batches to a request, and its answer to what became of each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use odeon_model::{ErrorCode, PartitionId, TopicId};
use odeon_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use odeon_protocol::messages::produce_response::PartitionProduceResponse;
use odeon_protocol::messages::{ProduceRequest, ProduceResponse};

use super::batch::Batch;
use crate::Cluster;

/// The last version that names topics; later ones have their ids.
const LAST_VERSION_WITH_NAMES: i16 = 12;

/// The request that carries `batches`, all of them built, and the newest version that can.
pub(super) fn build(
    batches: &[Batch],
    cluster: &Cluster,
    acks: i16,
    timeout: Duration,
) -> (ProduceRequest, i16) {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    let mut places: HashMap<Arc<str>, usize> = HashMap::new();
    let mut newest = i16::MAX;
    for batch in batches {
        let name = &batch.partition.topic;
        let place = *places.entry(Arc::clone(name)).or_insert_with(|| {
            let topic_id = cluster.topic(name).map_or(TopicId::ZERO, |topic| topic.id);
            if topic_id.is_zero() {
                newest = LAST_VERSION_WITH_NAMES;
            }
            topics.push(TopicProduceData {
                name: name.to_string(),
                topic_id,
                ..Default::default()
            });
            topics.len() - 1
        });
        topics[place].partition_data.push(PartitionProduceData {
            index: batch.partition.partition,
            records: batch.built().cloned(),
            ..Default::default()
        });
    }
    let request = ProduceRequest {
        acks,
        timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
        topic_data: topics,
        ..Default::default()
    };
    (request, newest)
}

/// What a broker says about one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) code: ErrorCode,
    pub(super) message: Option<String>,
    pub(super) base_offset: i64,
    pub(super) append_time_ms: i64,
}

/// The verdicts of an answer, by topic (name or id, as the version has it) and partition.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    by_name: HashMap<(String, PartitionId), Verdict>,
    by_id: HashMap<(TopicId, PartitionId), Verdict>,
}

impl Verdicts {
    pub(super) fn read(response: ProduceResponse) -> Self {
        let mut verdicts = Self::default();
        for topic in response.responses {
            for answer in topic.partition_responses {
                let index = answer.index;
                let verdict = Verdict::read(answer);
                if topic.topic_id.is_zero() {
                    verdicts
                        .by_name
                        .insert((topic.name.clone(), index), verdict);
                } else {
                    verdicts.by_id.insert((topic.topic_id, index), verdict);
                }
            }
        }
        verdicts
    }

    /// What was said about a batch; `ids` are the topic ids that the request named.
    pub(super) fn of(
        &mut self,
        batch: &Batch,
        ids: &HashMap<Arc<str>, TopicId>,
    ) -> Option<Verdict> {
        let partition = &batch.partition;
        let name = (partition.topic.to_string(), partition.partition);
        self.by_name.remove(&name).or_else(|| {
            let id = ids.get(&partition.topic)?;
            self.by_id.remove(&(*id, partition.partition))
        })
    }
}

impl Verdict {
    fn read(answer: PartitionProduceResponse) -> Self {
        let detail = answer.record_errors.iter().find_map(|error| {
            let text = error.batch_index_error_message.as_deref()?;
            Some(format!("record {}: {text}", error.batch_index))
        });
        Self {
            code: ErrorCode::from_code(answer.error_code),
            message: detail.or(answer.error_message),
            base_offset: answer.base_offset,
            append_time_ms: answer.log_append_time_ms,
        }
    }
}

/// Whether an error says that the client's picture of the cluster is out of date.
pub(super) fn is_about_metadata(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::KafkaStorageError
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::ListenerNotFound
    )
}
