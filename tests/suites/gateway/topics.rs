//! Topics and offsets: what Apache Kafka 4.4 answers to odd requests, and we do.

use odeon_model::ErrorCode;
use odeon_protocol::messages as m;
use odeon_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use odeon_protocol::messages::create_topics_request::CreatableTopic;
use odeon_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use odeon_protocol::messages::delete_topics_request::DeleteTopicState;
use odeon_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use odeon_tests::records::batch;
use odeon_tests::{NodeBuilder, RawConnection, TestNode};

/// Three batches of three records, at times 1000 to 1002, 2000 to 2002 and 3000 to 3002.
async fn filled(node: &TestNode, name: &str, configs: &[(&str, &str)]) {
    node.create_topic(name, 1, configs).await;
    for round in 1..4 {
        let records = batch(1_000 * round, &["a", "b", "c"]);
        assert_eq!(node.produce(name, 0, records).await.error_code, 0);
    }
}

async fn delete_records(
    connection: &mut RawConnection,
    (name, partition_index, offset): (&str, i32, i64),
) -> (ErrorCode, i64) {
    let partition = DeleteRecordsPartition {
        partition_index,
        offset,
        ..Default::default()
    };
    let topic = DeleteRecordsTopic {
        name: name.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = m::DeleteRecordsRequest {
        topics: vec![topic],
        timeout_ms: 5_000,
        ..Default::default()
    };
    let answer = connection.call(2, &request).await;
    let done = &answer.topics[0].partitions[0];
    (ErrorCode::from_code(done.error_code), done.low_watermark)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_deleted_where_the_policy_is_not_compaction_alone() {
    let node = TestNode::start().await;
    let policies = [
        ("compacted", "compact"),
        ("endless", ""),
        ("both", "compact,delete"),
        ("plain", "delete"),
    ];
    for (name, policy) in policies {
        filled(&node, name, &[("cleanup.policy", policy)]).await;
    }
    node.create_group_coordinators().await;
    let cases = [
        (("compacted", 0, 4), (ErrorCode::PolicyViolation, -1)),
        (
            ("compacted", 7, 4),
            (ErrorCode::UnknownTopicOrPartition, -1),
        ),
        (("absent", 0, 4), (ErrorCode::UnknownTopicOrPartition, -1)),
        (
            ("__consumer_offsets", 0, 0),
            (ErrorCode::InvalidTopicException, -1),
        ),
        (("endless", 0, 4), (ErrorCode::None, 4)),
        (("both", 0, 4), (ErrorCode::None, 4)),
        (("plain", 0, 4), (ErrorCode::None, 4)),
        (("plain", 0, 1), (ErrorCode::None, 4)),
        (("plain", 0, 100), (ErrorCode::OffsetOutOfRange, -1)),
        (("plain", 0, -2), (ErrorCode::OffsetOutOfRange, -1)),
        (("plain", 0, -1), (ErrorCode::None, 9)),
    ];
    let mut connection = node.connect().await;
    for (asked, expected) in cases {
        let done = delete_records(&mut connection, asked).await;
        assert_eq!(done, expected, "{asked:?}");
    }
    node.stop().await;
}

/// Code, time, offset and epoch.
type Found = (ErrorCode, i64, i64, i32);

fn list(name: &str, partitions: &[(i32, i64)]) -> m::ListOffsetsRequest {
    let partitions = partitions.iter();
    let partitions = partitions.map(|(partition_index, timestamp)| ListOffsetsPartition {
        partition_index: *partition_index,
        timestamp: *timestamp,
        ..Default::default()
    });
    let topic = ListOffsetsTopic {
        name: name.to_owned(),
        partitions: partitions.collect(),
        ..Default::default()
    };
    m::ListOffsetsRequest {
        replica_id: -1,
        topics: vec![topic],
        ..Default::default()
    }
}

async fn found(connection: &mut RawConnection, version: i16, name: &str, time: i64) -> Found {
    let answer = connection.call(version, &list(name, &[(0, time)])).await;
    let found = &answer.topics[0].partitions[0];
    let code = ErrorCode::from_code(found.error_code);
    (code, found.timestamp, found.offset, found.leader_epoch)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_found_by_time_inside_a_batch_and_by_every_name() {
    let node = TestNode::start().await;
    filled(&node, "t", &[]).await;
    let mut connection = node.connect().await;
    assert_eq!(
        delete_records(&mut connection, ("t", 0, 4)).await,
        (ErrorCode::None, 4)
    );
    let none = ErrorCode::None;
    let cases: [(i16, i64, Found); 18] = [
        (11, -1, (none, -1, 9, 0)),
        (11, -2, (none, -1, 4, 0)),
        (11, -3, (none, 3_002, 8, 0)),
        (11, -4, (none, -1, 4, 0)),
        (11, -5, (none, -1, -1, -1)),
        (11, -6, (none, -1, -1, -1)),
        (11, -7, (ErrorCode::UnsupportedVersion, -1, -1, -1)),
        // The first record that is still there, not the first of its batch.
        (11, 0, (none, 2_001, 4, 0)),
        (11, 2_002, (none, 2_002, 5, 0)),
        (11, 2_003, (none, 3_000, 6, 0)),
        (11, 3_002, (none, 3_002, 8, 0)),
        (11, 3_003, (none, -1, -1, -1)),
        // Names that a version does not know.
        (6, -3, (ErrorCode::UnsupportedVersion, -1, -1, -1)),
        (7, -4, (ErrorCode::UnsupportedVersion, -1, -1, -1)),
        (8, -5, (ErrorCode::UnsupportedVersion, -1, -1, -1)),
        (10, -6, (ErrorCode::UnsupportedVersion, -1, -1, -1)),
        (1, -2, (none, -1, 4, -1)),
        (1, 2_002, (none, 2_002, 5, -1)),
    ];
    for (version, time, expected) in cases {
        let found = found(&mut connection, version, "t", time).await;
        assert_eq!(found, expected, "v{version} {time}");
    }
    // A partition that is named twice is answered once, and not found.
    let answer = connection.call(11, &list("t", &[(0, -1), (0, -2)])).await;
    let partitions = &answer.topics[0].partitions;
    assert_eq!(partitions.len(), 1);
    let code = ErrorCode::from_code(partitions[0].error_code);
    assert_eq!(code, ErrorCode::InvalidRequest);
    node.stop().await;
}

fn new_topic(name: &str) -> CreatableTopic {
    CreatableTopic {
        name: name.to_owned(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    }
}

async fn create(connection: &mut RawConnection, topics: &[CreatableTopic]) -> Vec<ErrorCode> {
    let request = m::CreateTopicsRequest {
        topics: topics.to_vec(),
        timeout_ms: 5_000,
        ..Default::default()
    };
    let answer = connection.call(7, &request).await;
    let told = |topic: &m::create_topics_response::CreatableTopicResult| {
        let code = ErrorCode::from_code(topic.error_code);
        assert_eq!(topic.error_message.is_some(), code.is_error(), "{topic:?}");
        code
    };
    answer.topics.iter().map(told).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_created_or_refused_as_kafka_does() {
    use ErrorCode as E;
    let node = TestNode::start().await;
    let mut connection = node.connect().await;
    let names = |names: &[&str]| -> Vec<CreatableTopic> {
        names.iter().map(|name| new_topic(name)).collect()
    };
    let (longest, too_long) = ("x".repeat(249), "x".repeat(250));
    let cases: [(&[&str], &[ErrorCode]); 10] = [
        (&["a", "a", "b"], &[E::InvalidRequest, E::None]),
        (&["b"], &[E::TopicAlreadyExists]),
        (&["."], &[E::InvalidTopicException]),
        (&[".."], &[E::InvalidTopicException]),
        (&[""], &[E::InvalidTopicException]),
        (&["a b"], &[E::InvalidTopicException]),
        (&["a/b"], &[E::InvalidTopicException]),
        (&[&longest, &too_long], &[E::None, E::InvalidTopicException]),
        (&["dot.ted"], &[E::None]),
        (&["dot_ted"], &[E::InvalidTopicException]),
    ];
    for (asked, expected) in cases {
        let codes = create(&mut connection, &names(asked)).await;
        assert_eq!(codes, expected, "{asked:?}");
    }
    let counts = [
        (0, 1, E::InvalidPartitions),
        (-2, 1, E::InvalidPartitions),
        (1, 0, E::InvalidReplicationFactor),
        (1, 2, E::InvalidReplicationFactor),
        (1, -2, E::InvalidReplicationFactor),
        (-1, -1, E::None),
    ];
    for (num_partitions, replication_factor, expected) in counts {
        let topic = CreatableTopic {
            num_partitions,
            replication_factor,
            ..new_topic("counted")
        };
        let codes = create(&mut connection, &[topic]).await;
        assert_eq!(codes, [expected], "{num_partitions} {replication_factor}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_named_twice_is_not_changed() {
    let node = TestNode::start().await;
    for name in ["kept", "gone", "grown"] {
        node.create_topic(name, 1, &[]).await;
    }
    let mut connection = node.connect().await;
    let more = |name: &str, count| CreatePartitionsTopic {
        name: name.to_owned(),
        count,
        assignments: None,
        ..Default::default()
    };
    let request = m::CreatePartitionsRequest {
        topics: vec![more("kept", 2), more("grown", 2), more("kept", 3)],
        timeout_ms: 5_000,
        ..Default::default()
    };
    let mut grown = connection.call(3, &request).await.results;
    grown.sort_by(|a, b| a.name.cmp(&b.name));
    let codes: Vec<_> = grown
        .iter()
        .map(|topic| (&*topic.name, topic.error_code))
        .collect();
    let twice = ErrorCode::InvalidRequest.code();
    assert_eq!(codes, [("grown", 0), ("kept", twice)]);

    let state = |name: &str| DeleteTopicState {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    let request = m::DeleteTopicsRequest {
        topics: ["kept", "gone", "kept", "absent"].map(state).to_vec(),
        timeout_ms: 5_000,
        ..Default::default()
    };
    let mut deleted = connection.call(6, &request).await.responses;
    deleted.sort_by(|a, b| a.name.cmp(&b.name));
    let told = deleted.iter().map(|topic| {
        let code = ErrorCode::from_code(topic.error_code);
        assert_eq!(topic.error_message.is_some(), code.is_error(), "{topic:?}");
        (topic.name.as_deref().unwrap_or_default(), code)
    });
    let told: Vec<_> = told.collect();
    let expected = [
        ("absent", ErrorCode::UnknownTopicOrPartition),
        ("gone", ErrorCode::None),
        ("kept", ErrorCode::InvalidRequest),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        node.produce("kept", 0, batch(1, &["a"])).await.error_code,
        0
    );
    let absent = node.produce("kept", 1, batch(1, &["a"])).await.error_code;
    let absent = ErrorCode::from_code(absent);
    assert_eq!(
        absent,
        ErrorCode::UnknownTopicOrPartition,
        "it did not grow"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_described_by_pages_of_at_most_the_brokers_size() {
    use m::describe_topic_partitions_request::{Cursor, TopicRequest};
    let node = NodeBuilder::default()
        .set("max.request.partition.size.limit", "2")
        .start()
        .await;
    node.create_topic("t", 5, &[]).await;
    let mut connection = node.connect().await;
    let mut cursor = None;
    let mut pages = Vec::new();
    for _ in 0..3 {
        let topic = TopicRequest {
            name: "t".to_owned(),
            ..Default::default()
        };
        let request = m::DescribeTopicPartitionsRequest {
            topics: vec![topic],
            response_partition_limit: 100,
            cursor,
            ..Default::default()
        };
        let answer = connection.call(0, &request).await;
        let partitions = answer.topics[0].partitions.iter();
        pages.push(partitions.map(|p| p.partition_index).collect::<Vec<_>>());
        cursor = answer.next_cursor.map(|next| Cursor {
            topic_name: next.topic_name,
            partition_index: next.partition_index,
            ..Default::default()
        });
    }
    assert_eq!(pages, [vec![0, 1], vec![2, 3], vec![4]]);
    assert_eq!(cursor, None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_many_names_takes_time_and_memory_by_its_size() {
    let node = TestNode::start().await;
    let mut connection = node.connect().await;
    // Every name twice: each has to be found among all others.
    let names = (0..40_000).map(|n| format!("t{}", n / 2));
    let topics = names.map(|name| CreatePartitionsTopic {
        name,
        count: 2,
        ..Default::default()
    });
    let request = m::CreatePartitionsRequest {
        topics: topics.collect(),
        timeout_ms: 5_000,
        ..Default::default()
    };
    let answer = connection.call(3, &request).await;
    assert_eq!(answer.results.len(), 20_000);
    let names = (0..40_000).map(|n| new_topic(&format!("t{}", n / 2)));
    let topics: Vec<CreatableTopic> = names.collect();
    let codes = create(&mut connection, &topics).await;
    assert_eq!(codes.len(), 20_000);
    assert!(codes.iter().all(|code| *code == ErrorCode::InvalidRequest));
    // A copy of this name for each partition would be ten gigabytes.
    let partitions: Vec<_> = (0..300_000).map(|index| (index, -1)).collect();
    let long = "x".repeat(32_000);
    let answer = connection.call(11, &list(&long, &partitions)).await;
    assert_eq!(answer.topics[0].partitions.len(), 300_000);
    node.stop().await;
}
