//! The requests that clients send, and what they need of the answers.

use bytes::Bytes;
use odeon_model::ErrorCode;
use odeon_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use odeon_protocol::messages::delete_topics_request::DeleteTopicState;
use odeon_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use odeon_protocol::messages::{
    DeleteRecordsRequest, DeleteTopicsRequest, DescribeQuorumRequest, MetadataRequest,
};
use odeon_tests::node::{create_topic_request, list_offset_request};
use odeon_tests::requests::{commit_request, committed_request, fetch_request};

use super::client::{Client, Done, wrong};
use super::known::Place;
use super::records::decode;

/// The earliest offset, for [`offset`].
pub const EARLIEST: i64 = -2;
/// The latest offset, for [`offset`].
pub const LATEST: i64 = -1;

type Answer<T> = Done<Result<T, ErrorCode>>;

fn code<T>(code: i16, value: T) -> Result<T, ErrorCode> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(value),
        error => Err(error),
    }
}

pub async fn create_topic(
    client: &mut Client,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Answer<String> {
    let request = create_topic_request(name, partitions, configs);
    let answer = client.call(7, &request).await?.topics.remove(0);
    Ok(code(answer.error_code, answer.topic_id.to_string()))
}

pub async fn delete_topic(client: &mut Client, name: &str) -> Answer<()> {
    let topic = DeleteTopicState {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    let request = DeleteTopicsRequest {
        topics: vec![topic],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let answer = client.call(6, &request).await?.responses.remove(0);
    Ok(code(answer.error_code, ()))
}

/// The names, ids and leader epochs of all topics.
pub async fn topics(client: &mut Client) -> Done<Vec<(String, String, Vec<i32>)>> {
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    let answer = client.call(12, &request).await?;
    let topics = answer.topics.into_iter().map(|mut topic| {
        let partitions = &mut topic.partitions;
        partitions.sort_by_key(|partition| partition.partition_index);
        let epochs = partitions.iter().map(|partition| partition.leader_epoch);
        let epochs = epochs.collect();
        let name = topic.name.unwrap_or_default();
        (name, topic.topic_id.to_string(), epochs)
    });
    Ok(topics.collect())
}

/// The term of the metadata quorum, and how far it has committed.
pub async fn quorum(client: &mut Client) -> Done<(i32, i64)> {
    let topic = TopicData {
        topic_name: "__cluster_metadata".to_owned(),
        partitions: vec![PartitionData::default()],
        ..Default::default()
    };
    let request = DescribeQuorumRequest {
        topics: vec![topic],
        ..Default::default()
    };
    let mut answer = client.call(2, &request).await?;
    let found = answer.topics.remove(0).partitions.remove(0);
    Ok((found.leader_epoch, found.high_watermark))
}

pub async fn offset(client: &mut Client, place: &Place, timestamp: i64) -> Answer<i64> {
    let request = list_offset_request(&place.0, place.1, timestamp);
    let mut answer = client.call(7, &request).await?;
    let found = answer.topics.remove(0).partitions.remove(0);
    Ok(code(found.error_code, found.offset))
}

/// Records from an offset on, those before it that share its batch left out.
pub async fn fetch(
    client: &mut Client,
    place: &Place,
    from: i64,
    max_wait_ms: i32,
) -> Answer<Vec<(i64, u64)>> {
    let request = fetch_request((&place.0, place.1), from, max_wait_ms, 5_000);
    let mut answer = client.call(12, &request).await?;
    let partition = answer.responses.remove(0).partitions.remove(0);
    let set: Bytes = partition.records.unwrap_or_default();
    match decode(&set) {
        Ok(mut records) => {
            records.retain(|(offset, _)| *offset >= from);
            Ok(code(partition.error_code, records))
        }
        Err(what) => wrong(format!("{place:?}: {what}")),
    }
}

pub async fn delete_records(client: &mut Client, place: &Place, offset: i64) -> Answer<i64> {
    let partition = DeleteRecordsPartition {
        partition_index: place.1,
        offset,
        ..Default::default()
    };
    let topic = DeleteRecordsTopic {
        name: place.0.clone(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = DeleteRecordsRequest {
        topics: vec![topic],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let mut answer = client.call(2, &request).await?;
    let done = answer.topics.remove(0).partitions.remove(0);
    Ok(code(done.error_code, done.low_watermark))
}

/// Commits an offset of partition `index` of `orders` as a member of a generation.
pub async fn commit(
    client: &mut Client,
    group: &str,
    member: (&str, i32),
    index: i32,
    offset: i64,
) -> Answer<()> {
    let request = commit_request(group, Some(member), ("orders", index), offset);
    let mut answer = client.call(8, &request).await?;
    let partition = answer.topics.remove(0).partitions.remove(0);
    Ok(code(partition.error_code, ()))
}

/// The committed offset of partition `index` of `orders`, -1 without one.
pub async fn committed(client: &mut Client, group: &str, index: i32) -> Answer<i64> {
    let request = committed_request(group, ("orders", index));
    let answer = client.call(7, &request).await?;
    if let Err(error) = code(answer.error_code, ()) {
        return Ok(Err(error));
    }
    let partition = &answer.topics[0].partitions[0];
    Ok(code(partition.error_code, partition.committed_offset))
}
