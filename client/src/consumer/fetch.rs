//! Fetches: positions to a request, an answer to records.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use odeon_model::{ErrorCode, Offset, TopicId, TopicPartition};
use odeon_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use odeon_protocol::messages::fetch_response::AbortedTransaction;
use odeon_protocol::messages::{FetchRequest, FetchResponse};
use odeon_records::{
    BatchHeader, ControlRecord, Limits, RecordsError, check_crc, records, split_batches,
};

use super::{ConsumedRecord, ConsumerConfig, Isolation};
use crate::Cluster;

/// The last version that names topics; later ones have their ids.
const LAST_VERSION_WITH_NAMES: i16 = 12;

/// What one fetch asks for: partitions and where each begins.
pub(super) type Wanted = BTreeMap<TopicPartition, Offset>;

/// The request for `wanted`, and the newest version that can carry it.
pub(super) fn build(
    wanted: &Wanted,
    cluster: &Cluster,
    config: &ConsumerConfig,
) -> (FetchRequest, i16) {
    let mut topics: Vec<FetchTopic> = Vec::new();
    let mut newest = i16::MAX;
    for (partition, offset) in wanted {
        let topic = cluster.topic(&partition.topic);
        let entry = FetchPartition {
            partition: partition.partition,
            fetch_offset: *offset,
            partition_max_bytes: bytes(config.max_partition_bytes),
            current_leader_epoch: topic
                .and_then(|topic| topic.partition(partition.partition))
                .map_or(-1, |one| one.leader_epoch),
            ..Default::default()
        };
        if let Some(last) = topics
            .last_mut()
            .filter(|last| *last.topic == *partition.topic)
        {
            last.partitions.push(entry);
            continue;
        }
        let topic_id = topic.map_or(TopicId::ZERO, |topic| topic.id);
        if topic_id.is_zero() {
            newest = LAST_VERSION_WITH_NAMES;
        }
        topics.push(FetchTopic {
            topic: partition.topic.to_string(),
            topic_id,
            partitions: vec![entry],
            ..Default::default()
        });
    }
    let request = FetchRequest {
        max_wait_ms: i32::try_from(config.max_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: bytes(config.min_bytes),
        max_bytes: bytes(config.max_bytes),
        isolation_level: config.isolation.code(),
        topics,
        ..Default::default()
    };
    (request, newest)
}

fn bytes(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// What came for one partition.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) partition: TopicPartition,
    /// Where the fetch began; it is void if the position has moved since.
    pub(super) asked: Offset,
    pub(super) code: ErrorCode,
    pub(super) high_watermark: Offset,
    pub(super) records: Bytes,
    pub(super) aborted: Vec<AbortedTransaction>,
}

/// Takes an answer apart. Partitions that were not asked for are left out.
pub(super) fn take_apart(
    response: FetchResponse,
    wanted: &Wanted,
    cluster: &Cluster,
) -> Vec<Fetched> {
    let by_id: HashMap<TopicId, Arc<str>> = wanted
        .keys()
        .filter_map(|partition| cluster.topic(&partition.topic))
        .map(|topic| (topic.id, Arc::clone(&topic.name)))
        .collect();
    let mut fetched = Vec::new();
    for topic in response.responses {
        let name = if topic.topic_id.is_zero() {
            Arc::from(topic.topic)
        } else if let Some(name) = by_id.get(&topic.topic_id) {
            Arc::clone(name)
        } else {
            continue;
        };
        for answer in topic.partitions {
            let partition = TopicPartition::new(Arc::clone(&name), answer.partition_index);
            let Some(asked) = wanted.get(&partition).copied() else {
                continue;
            };
            fetched.push(Fetched {
                partition,
                asked,
                code: ErrorCode::from_code(answer.error_code),
                high_watermark: answer.high_watermark,
                records: answer.records.unwrap_or_default(),
                aborted: answer.aborted_transactions.unwrap_or_default(),
            });
        }
    }
    fetched
}

/// Records, and the position behind them.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) records: Vec<ConsumedRecord>,
    pub(super) next: Offset,
}

/// Reads the records of a fetch: those from the asked offset on, without control records and, for
/// a reader of committed records, without those of aborted transactions.
pub(super) fn read(fetched: &Fetched, config: &ConsumerConfig) -> Result<Read, RecordsError> {
    let mut read = Read {
        records: Vec::new(),
        next: fetched.asked,
    };
    let mut transactions = Transactions::new(fetched, config.isolation);
    for batch in split_batches(fetched.records.clone()) {
        let (header, batch) = match batch {
            Ok(batch) => batch,
            // A broker cuts its answer at a limit, not at a batch.
            Err(RecordsError::Truncated { .. }) => break,
            Err(error) => return Err(error),
        };
        if config.check_crcs {
            check_crc(&batch)?;
        }
        if header.last_offset() < read.next {
            continue;
        }
        if header.is_control() {
            transactions.end(&header, &batch, config.limits)?;
        } else if !transactions.is_aborted(&header) {
            read_batch(fetched, &batch, config.limits, &mut read)?;
        }
        read.next = header.next_offset();
    }
    Ok(read)
}

fn read_batch(
    fetched: &Fetched,
    batch: &Bytes,
    limits: Limits,
    read: &mut Read,
) -> Result<(), RecordsError> {
    for record in records(batch, limits) {
        let record = record?;
        if record.offset < fetched.asked {
            continue;
        }
        read.records.push(ConsumedRecord {
            partition: fetched.partition.clone(),
            offset: record.offset,
            timestamp_ms: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
        });
    }
    Ok(())
}

/// Which producers' transactions, at this place of the log, will turn out aborted.
struct Transactions<'a> {
    /// By falling first offset, so that the next one is at the end.
    to_come: Vec<&'a AbortedTransaction>,
    aborted: HashSet<i64>,
}

impl<'a> Transactions<'a> {
    fn new(fetched: &'a Fetched, isolation: Isolation) -> Self {
        let mut to_come: Vec<_> = match isolation {
            Isolation::ReadCommitted => fetched.aborted.iter().collect(),
            Isolation::ReadUncommitted => Vec::new(),
        };
        to_come.sort_by_key(|one| std::cmp::Reverse(one.first_offset));
        Self {
            to_come,
            aborted: HashSet::new(),
        }
    }

    fn is_aborted(&mut self, header: &BatchHeader) -> bool {
        while let Some(next) = self.to_come.last()
            && next.first_offset <= header.last_offset()
        {
            self.aborted.insert(next.producer_id);
            self.to_come.pop();
        }
        header.is_transactional() && self.aborted.contains(&header.producer_id)
    }

    /// An abort marker ends a producer's aborted transaction.
    fn end(
        &mut self,
        header: &BatchHeader,
        batch: &Bytes,
        limits: Limits,
    ) -> Result<(), RecordsError> {
        let _ = self.is_aborted(header);
        if let Some(record) = records(batch, limits).next() {
            let record = record?;
            let control = ControlRecord::parse(record.key.as_deref(), record.value.as_deref())?;
            if matches!(control, ControlRecord::Abort { .. }) {
                self.aborted.remove(&header.producer_id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
