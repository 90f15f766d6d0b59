//! Produce, Fetch and what else is about records.

use odeon_protocol::messages as m;
use odeon_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use odeon_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use odeon_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use odeon_protocol::messages::metadata_request::MetadataRequestTopic;
use odeon_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use odeon_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use odeon_tests::records::batch;

use super::{MISSING_ID, Samples, World, name, name_and_id};

pub(super) fn add(samples: &mut Samples, world: &World) {
    produce(samples, world);
    samples.add(|version, label| fetch(world, version, label));
    for version in 9..=18 {
        // An epoch that nobody had: the answer names the leader where it has room for that.
        let mut fenced = fetch(world, version, "sensible");
        fenced.topics[0].partitions[0].current_leader_epoch = i32::MAX;
        samples.push(version, "an unknown epoch", &fenced);
    }
    samples.add(|version, label| list_offsets(version, label, &[-1, -2, 1_500]));
    for (since, timestamp) in [(7, -3), (8, -4), (9, -5), (11, -6)] {
        for version in 1..=11 {
            let label = if version < since {
                "a name it does not know"
            } else {
                "a new name"
            };
            samples.push(
                version,
                label,
                &list_offsets(version, "sensible", &[timestamp]),
            );
        }
    }
    metadata(samples, world);
    samples.add(|_, label| delete_records(label));
    samples.add(|_, label| m::OffsetForLeaderEpochRequest {
        replica_id: -2,
        topics: vec![OffsetForLeaderTopic {
            topic: name(label),
            partitions: vec![OffsetForLeaderPartition {
                partition: 0,
                current_leader_epoch: -1,
                leader_epoch: 0,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    });
    samples.add(|version, label| m::InitProducerIdRequest {
        transactional_id: (label == "wrong").then(|| "t".to_owned()),
        transaction_timeout_ms: 60_000,
        producer_id: if version >= 3 { 5 } else { -1 },
        producer_epoch: if version >= 3 { 1 } else { -1 },
        ..Default::default()
    });
}

fn produce(samples: &mut Samples, world: &World) {
    for version in 3..=13 {
        for label in ["sensible", "wrong", "broken"] {
            let (name, topic_id) = name_and_id(world, version >= 13, label);
            let records = match label {
                "broken" => bytes::Bytes::from_static(&[0; 70]),
                _ => batch(9_000, &["sample"]),
            };
            let data = PartitionProduceData {
                index: 1,
                records: Some(records),
                ..Default::default()
            };
            let topic = TopicProduceData {
                name,
                topic_id,
                partition_data: vec![data],
                ..Default::default()
            };
            let request = m::ProduceRequest {
                acks: -1,
                timeout_ms: 5_000,
                topic_data: vec![topic],
                ..Default::default()
            };
            samples.push(version, label, &request);
        }
        let nothing = m::ProduceRequest {
            acks: -1,
            ..Default::default()
        };
        samples.push(version, "empty", &nothing);
        let (name, topic_id) = name_and_id(world, version >= 13, "sensible");
        let data = PartitionProduceData {
            index: 1,
            records: None,
            ..Default::default()
        };
        let partition_data = vec![data];
        let topic = TopicProduceData {
            name,
            topic_id,
            partition_data,
            ..Default::default()
        };
        let null = m::ProduceRequest {
            acks: 1,
            topic_data: vec![topic],
            ..Default::default()
        };
        samples.push(version, "null records", &null);
    }
}

/// A fetch of partition 0 from the beginning.
fn fetch(world: &World, version: i16, label: &str) -> m::FetchRequest {
    let (topic, topic_id) = name_and_id(world, version >= 13, label);
    let partition = FetchPartition {
        partition: 0,
        current_leader_epoch: if version >= 9 { 0 } else { -1 },
        fetch_offset: 0,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic {
        topic,
        topic_id,
        partitions: vec![partition],
        ..Default::default()
    };
    m::FetchRequest {
        max_wait_ms: 10,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: if version >= 7 { 0 } else { -1 },
        topics: vec![topic],
        ..Default::default()
    }
}

/// Offsets of partition 0, one request partition for each timestamp (partitions count on).
fn list_offsets(version: i16, label: &str, timestamps: &[i64]) -> m::ListOffsetsRequest {
    // One topic entry each, because a partition may be asked once.
    let partitions = timestamps
        .iter()
        .enumerate()
        .map(|(index, timestamp)| ListOffsetsPartition {
            partition_index: index as i32,
            current_leader_epoch: if version >= 4 && index < 2 { 0 } else { -1 },
            timestamp: *timestamp,
            ..Default::default()
        });
    let partitions = partitions.collect();
    m::ListOffsetsRequest {
        replica_id: -1,
        isolation_level: if version >= 2 { 1 } else { 0 },
        topics: vec![ListOffsetsTopic {
            name: name(label),
            partitions,
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn metadata(samples: &mut Samples, world: &World) {
    let by_name = |label| MetadataRequestTopic {
        name: Some(name(label)),
        ..Default::default()
    };
    samples.add(|version, label| m::MetadataRequest {
        topics: Some(vec![by_name(label)]),
        ..metadata_of(version)
    });
    for version in 1..=13 {
        let everything = m::MetadataRequest {
            topics: None,
            ..Default::default()
        };
        samples.push(version, "everything", &everything);
    }
    for version in 10..=13 {
        for (label, topic_id) in [("by id", world.topic_id), ("by a wrong id", MISSING_ID)] {
            let topic = MetadataRequestTopic {
                topic_id,
                name: None,
                ..Default::default()
            };
            let request = m::MetadataRequest {
                topics: Some(vec![topic]),
                ..Default::default()
            };
            samples.push(version, label, &request);
        }
    }
}

fn delete_records(label: &str) -> m::DeleteRecordsRequest {
    let partition = DeleteRecordsPartition {
        partition_index: 1,
        offset: 0,
        ..Default::default()
    };
    let partitions = vec![partition];
    m::DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: name(label),
            partitions,
            ..Default::default()
        }],
        timeout_ms: 5_000,
        ..Default::default()
    }
}

/// A fetch of partition 0 from the beginning.
pub fn fetch_sensible(world: &World, version: i16) -> m::FetchRequest {
    fetch(world, version, "sensible")
}

/// One offset of partition 0.
pub fn list_one_offset(version: i16, timestamp: i64) -> m::ListOffsetsRequest {
    list_offsets(version, "sensible", &[timestamp])
}

/// The metadata of the topic with records, with everything the version can be asked for.
pub fn metadata_of(version: i16) -> m::MetadataRequest {
    let topic = MetadataRequestTopic {
        name: Some(name("sensible")),
        ..Default::default()
    };
    m::MetadataRequest {
        topics: Some(vec![topic]),
        // Versions before 4 cannot say no.
        allow_auto_topic_creation: version < 4,
        include_cluster_authorized_operations: (8..=10).contains(&version),
        include_topic_authorized_operations: version >= 8,
        ..Default::default()
    }
}
