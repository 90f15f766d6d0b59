//! What producers rely on.

use bytes::Bytes;
use odeon_model::ErrorCode;
use odeon_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use odeon_protocol::messages::{
    FetchRequest, FindCoordinatorRequest, InitProducerIdRequest, fetch_request,
};
use odeon_records::{BatchBuilder, Compression, TimestampType};
use odeon_tests::TestNode;
use odeon_tests::node::produce_request;
use odeon_tests::records::{batch, batch_from, batch_of, headers, read};

/// The record set of partition 0 from its beginning.
async fn fetched(node: &TestNode, topic: &str) -> Bytes {
    let mut answer = node.connect().await.call(12, &fetch_of(topic)).await;
    let data = answer.responses.remove(0).partitions.remove(0);
    data.records.unwrap_or_default()
}

/// A fetch of partition 0 from its beginning.
fn fetch_of(topic: &str) -> FetchRequest {
    let partition = fetch_request::FetchPartition {
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = fetch_request::FetchTopic {
        topic: topic.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    FetchRequest {
        topics: vec![topic],
        ..Default::default()
    }
}

async fn code(node: &TestNode, topic: &str, batch: Bytes) -> ErrorCode {
    ErrorCode::from_code(node.produce(topic, 0, batch).await.error_code)
}

/// Each client gives up at the code of its versions, and shows the message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_a_coordinator_of_transactions_is_told_that_there_is_none() {
    let node = TestNode::start().await;
    let mut connection = node.connect().await;
    for (version, expected) in [
        (2, ErrorCode::TransactionalIdAuthorizationFailed),
        (6, ErrorCode::InvalidRequest),
    ] {
        let request = FindCoordinatorRequest {
            key: if version < 4 { "t" } else { "" }.to_owned(),
            key_type: 1,
            coordinator_keys: vec!["t".to_owned(); usize::from(version >= 4)],
            ..Default::default()
        };
        let answer = connection.call(version, &request).await;
        let (code, message) = match answer.coordinators.first() {
            Some(coordinator) => (coordinator.error_code, &coordinator.error_message),
            None => (answer.error_code, &answer.error_message),
        };
        assert_eq!(ErrorCode::from_code(code), expected, "version {version}");
        let message = message.as_deref().unwrap_or_default();
        assert!(message.contains("does not serve transactions"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotent_producer_writes_once() {
    let node = TestNode::start().await;
    node.create_topic("t", 1, &[]).await;
    let mut connection = node.connect().await;
    let request = InitProducerIdRequest {
        transactional_id: None,
        producer_id: -1,
        producer_epoch: -1,
        transaction_timeout_ms: 1,
        ..Default::default()
    };
    let given = connection.call(4, &request).await;
    let other = connection.call(4, &request).await;
    assert_eq!((given.error_code, given.producer_epoch), (0, 0));
    assert_ne!(given.producer_id, other.producer_id);

    let id = given.producer_id;
    let at = |epoch, sequence| batch_of((id, epoch, sequence), &["x", "y"]);
    let mut offsets = Vec::new();
    for sequence in [0, 2, 4] {
        let answer = node.produce("t", 0, at(0, sequence)).await;
        assert_eq!(answer.error_code, 0);
        offsets.push(answer.base_offset);
    }
    assert_eq!(offsets, [0, 2, 4]);
    let again = node.produce("t", 0, at(0, 2)).await;
    assert_eq!(
        (again.error_code, again.base_offset),
        (0, 2),
        "the original offset"
    );
    assert_eq!(
        read(&fetched(&node, "t").await).len(),
        6,
        "nothing was written twice"
    );

    assert_eq!(
        code(&node, "t", at(0, 8)).await,
        ErrorCode::OutOfOrderSequenceNumber
    );
    assert_eq!(
        code(&node, "t", at(1, 5)).await,
        ErrorCode::OutOfOrderSequenceNumber
    );
    assert_eq!(
        code(&node, "t", at(1, 0)).await,
        ErrorCode::None,
        "a new epoch starts at 0"
    );
    assert_eq!(
        code(&node, "t", at(0, 6)).await,
        ErrorCode::InvalidProducerEpoch
    );
    let unknown = batch_of((other.producer_id, 0, 17), &["z"]);
    assert_eq!(
        code(&node, "t", unknown).await,
        ErrorCode::None,
        "no state, any sequence"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_batch_is_refused_with_its_reason() {
    let node = TestNode::start().await;
    node.create_topic("t", 1, &[("max.message.bytes", "1000")])
        .await;
    node.create_topic("compacted", 1, &[("cleanup.policy", "compact")])
        .await;

    let big = "x".repeat(2_000);
    assert_eq!(
        code(&node, "t", batch(1, &[&big])).await,
        ErrorCode::MessageTooLarge
    );
    // What counts is the size as it is sent.
    let squeezed = batch_from(BatchBuilder::new().codec(Compression::Gzip), 1, &[&big]);
    assert!(squeezed.len() < 1_000);
    assert_eq!(code(&node, "t", squeezed).await, ErrorCode::None);

    let mut flipped = batch(1, &["abc"]).to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(
        code(&node, "t", flipped.into()).await,
        ErrorCode::CorruptMessage
    );
    let mut cut = batch(1, &["abc"]).to_vec();
    cut.truncate(cut.len() - 3);
    assert_ne!(code(&node, "t", cut.into()).await, ErrorCode::None);
    let two = [batch(1, &["a"]), batch(1, &["b"])].concat();
    assert_eq!(code(&node, "t", two.into()).await, ErrorCode::InvalidRecord);

    let mut keyless = BatchBuilder::new();
    keyless.push(1, Some(b"key"), Some(b"v"), &[]).unwrap();
    keyless.push(1, None, Some(b"v"), &[]).unwrap();
    let answer = node
        .produce("compacted", 0, keyless.build().unwrap().into())
        .await;
    assert_eq!(
        ErrorCode::from_code(answer.error_code),
        ErrorCode::InvalidRecord
    );
    let named: Vec<i32> = answer
        .record_errors
        .iter()
        .map(|error| error.batch_index)
        .collect();
    assert_eq!(named, [1], "the record that has no key");
    assert!(answer.error_message.is_some());

    assert_eq!(
        code(&node, "absent", batch(1, &["a"])).await,
        ErrorCode::UnknownTopicOrPartition
    );
    node.create_group_coordinators().await;
    let internal = code(&node, "__consumer_offsets", batch(1, &["a"])).await;
    assert_eq!(internal, ErrorCode::InvalidTopicException);

    let mut connection = node.connect().await;
    let mut odd = produce_request("t", 0, batch(1, &["a"]));
    odd.acks = 5;
    let answer = connection.call(9, &odd).await;
    let refused = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(
        ErrorCode::from_code(refused),
        ErrorCode::InvalidRequiredAcks
    );
    let zstd = batch_from(BatchBuilder::new().codec(Compression::Zstd), 1, &["a"]);
    let early = connection.call(6, &produce_request("t", 0, zstd)).await;
    let refused = early.responses[0].partition_responses[0].error_code;
    assert_eq!(
        ErrorCode::from_code(refused),
        ErrorCode::UnsupportedCompressionType
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_partition_does_not_fail_the_others() {
    let node = TestNode::start().await;
    node.create_topic("t", 3, &[]).await;
    let data = |index, records| PartitionProduceData {
        index,
        records: Some(records),
        ..Default::default()
    };
    let broken = Bytes::from_static(&[0; 80]);
    let mut request = produce_request("t", 0, batch(1, &["good"]));
    request.topic_data = vec![TopicProduceData {
        name: "t".to_owned(),
        partition_data: vec![
            data(0, batch(1, &["good"])),
            data(1, broken),
            data(2, batch(1, &["good"])),
            data(7, batch(1, &["nowhere"])),
        ],
        ..Default::default()
    }];
    let answer = node.connect().await.call(12, &request).await;
    let codes: Vec<bool> = answer.responses[0]
        .partition_responses
        .iter()
        .map(|p| p.error_code == 0)
        .collect();
    assert_eq!(codes, [true, false, true, false]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_may_stamp_and_recompress_what_it_takes() {
    let node = TestNode::start().await;
    node.create_topic("stamped", 1, &[("message.timestamp.type", "LogAppendTime")])
        .await;
    node.create_topic("gzip", 1, &[("compression.type", "gzip")])
        .await;
    node.create_topic("plain", 1, &[]).await;

    let answer = node.produce("stamped", 0, batch(5, &["a", "b"])).await;
    assert!(answer.log_append_time_ms > 1_500_000_000_000, "{answer:?}");
    let set = fetched(&node, "stamped").await;
    let header = headers(&set).remove(0);
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(header.max_timestamp, answer.log_append_time_ms);
    assert!(
        read(&set)
            .iter()
            .all(|(_, time, _)| *time == answer.log_append_time_ms)
    );

    let text = "the same again and again ".repeat(20);
    let answer = node.produce("gzip", 0, batch(5, &[&text, "b"])).await;
    assert_eq!((answer.error_code, answer.log_append_time_ms), (0, -1));
    let set = fetched(&node, "gzip").await;
    assert_eq!(headers(&set)[0].compression().unwrap(), Compression::Gzip);
    assert_eq!(read(&set), [(0, 5, text), (1, 6, "b".to_owned())]);

    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let sent = batch_from(BatchBuilder::new().codec(codec), 5, &["a", "b"]);
        assert_eq!(
            code(&node, "plain", sent).await,
            ErrorCode::None,
            "{codec:?}"
        );
    }
    let set = fetched(&node, "plain").await;
    let codecs: Vec<_> = headers(&set)
        .iter()
        .map(|h| h.compression().unwrap())
        .collect();
    let sent = [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    assert_eq!(codecs, sent, "kept as they came");

    // Kafka 4 converts nothing and refuses nobody: an old consumer gets zstd as it is.
    let all = headers(&fetched(&node, "plain").await).len();
    let old = node.connect().await.call(9, &fetch_of("plain")).await;
    let set = old.responses[0].partitions[0].records.clone();
    assert_eq!(old.responses[0].partitions[0].error_code, 0);
    assert_eq!(headers(&set.unwrap_or_default()).len(), all);
    node.stop().await;
}
