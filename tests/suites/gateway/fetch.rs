//! What consumers rely on.

use std::time::Duration;

use odeon_kernel::{Clock, SystemClock};
use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use odeon_protocol::messages::fetch_response::{FetchResponse, PartitionData};
use odeon_protocol::messages::{DeleteTopicsRequest, FetchRequest};
use odeon_tests::raw::Reply;
use odeon_tests::records::{batch, headers, read};
use odeon_tests::{RawConnection, TestNode};

/// A fetch of partitions of one topic by its id, each from an offset.
fn by_id(topic_id: Uuid, partitions: &[(i32, i64)]) -> FetchRequest {
    let partitions = partitions
        .iter()
        .map(|(partition, fetch_offset)| FetchPartition {
            partition: *partition,
            fetch_offset: *fetch_offset,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        });
    let topic = FetchTopic {
        topic_id,
        partitions: partitions.collect(),
        ..Default::default()
    };
    FetchRequest {
        topics: vec![topic],
        ..Default::default()
    }
}

fn only(answer: &FetchResponse) -> &PartitionData {
    assert_eq!(
        (answer.error_code, answer.responses.len()),
        (0, 1),
        "{answer:?}"
    );
    assert_eq!(answer.responses[0].partitions.len(), 1, "{answer:?}");
    &answer.responses[0].partitions[0]
}

fn code(data: &PartitionData) -> ErrorCode {
    ErrorCode::from_code(data.error_code)
}

fn values(data: &PartitionData) -> Vec<(i64, String)> {
    let records = data.records.clone().unwrap_or_default();
    read(&records)
        .into_iter()
        .map(|(offset, _, value)| (offset, value))
        .collect()
}

/// The partitions that an answer mentions.
fn mentioned(answer: &FetchResponse) -> Vec<i32> {
    let topics = answer.responses.iter();
    topics
        .flat_map(|topic| topic.partitions.iter().map(|p| p.partition_index))
        .collect()
}

async fn node_with(partitions: i32, batches: &[(i32, &[&str])]) -> (TestNode, Uuid) {
    let node = TestNode::start().await;
    let topic_id = node.create_topic("t", partitions, &[]).await;
    for (partition, values) in batches {
        assert_eq!(
            node.produce("t", *partition, batch(1_000, values))
                .await
                .error_code,
            0
        );
    }
    (node, topic_id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_inside_and_outside_the_log_get_what_kafka_gives() {
    let (node, id) = node_with(1, &[(0, &["a", "b", "c"]), (0, &["d", "e"])]).await;
    let mut connection = node.connect().await;

    // Whole batches only: the client drops what it did not ask for.
    let inside = connection.call(17, &by_id(id, &[(0, 1)])).await;
    let offsets: Vec<i64> = values(only(&inside))
        .into_iter()
        .map(|(offset, _)| offset)
        .collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4]);
    let second = connection.call(17, &by_id(id, &[(0, 4)])).await;
    assert_eq!(
        values(only(&second)),
        [(3, "d".to_owned()), (4, "e".to_owned())]
    );
    assert_eq!(
        (only(&second).high_watermark, only(&second).log_start_offset),
        (5, 0)
    );

    let end = connection.call(17, &by_id(id, &[(0, 5)])).await;
    assert_eq!(
        (code(only(&end)), values(only(&end)).len()),
        (ErrorCode::None, 0)
    );
    for offset in [6, 1 << 40, -1] {
        let outside = connection.call(17, &by_id(id, &[(0, offset)])).await;
        assert_eq!(
            code(only(&outside)),
            ErrorCode::OffsetOutOfRange,
            "{offset}"
        );
    }
    let no_partition = connection.call(17, &by_id(id, &[(9, 0)])).await;
    assert_eq!(
        code(only(&no_partition)),
        ErrorCode::UnknownTopicOrPartition
    );

    let mut epoch = by_id(id, &[(0, 0)]);
    epoch.topics[0].partitions[0].current_leader_epoch = 99;
    let ahead = connection.call(17, &epoch).await;
    assert_eq!(code(only(&ahead)), ErrorCode::UnknownLeaderEpoch);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_but_never_below_one_batch() {
    let two: &[&str] = &["one", "two"];
    let (node, id) = node_with(3, &[(0, two), (0, two), (1, two), (2, two)]).await;
    let mut connection = node.connect().await;

    let mut tiny = by_id(id, &[(0, 0), (1, 0), (2, 0)]);
    tiny.max_bytes = 1;
    let answer = connection.call(17, &tiny).await;
    let counts = |answer: &FetchResponse| -> Vec<usize> {
        let partitions = answer.responses[0].partitions.iter();
        partitions
            .map(|p| headers(&p.records.clone().unwrap_or_default()).len())
            .collect()
    };
    assert_eq!(
        counts(&answer),
        [1, 0, 0],
        "one batch of the first partition that has any"
    );

    let mut empty_first = by_id(id, &[(0, 4), (1, 0), (2, 0)]);
    empty_first.max_bytes = 1;
    assert_eq!(counts(&connection.call(17, &empty_first).await), [0, 1, 0]);

    let mut small_partitions = by_id(id, &[(0, 0), (1, 0), (2, 0)]);
    for partition in &mut small_partitions.topics[0].partitions {
        partition.partition_max_bytes = 1;
    }
    let small = connection.call(17, &small_partitions).await;
    assert_eq!(
        counts(&small)[0],
        1,
        "a batch larger than the partition's limit still comes"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_waits_for_its_bytes_or_its_time() {
    let (node, id) = node_with(2, &[]).await;
    let mut connection = node.connect().await;

    let mut patient = by_id(id, &[(0, 0), (1, 0)]);
    (patient.min_bytes, patient.max_wait_ms) = (1, 300);
    let clock = SystemClock::new();
    let begin = clock.monotonic();
    let nothing = connection.call(17, &patient).await;
    assert!(
        clock.monotonic() - begin >= Duration::from_millis(290),
        "it waited its time"
    );
    assert_eq!(
        nothing.responses[0]
            .partitions
            .iter()
            .map(|p| values(p).len())
            .sum::<usize>(),
        0
    );

    // One batch is not enough, two are.
    let enough = batch(1, &["x"]).len() + 10;
    (patient.min_bytes, patient.max_wait_ms) = (i32::try_from(enough).unwrap(), 600_000);
    connection.send(17, &patient).await;
    assert_eq!(node.produce("t", 0, batch(1, &["x"])).await.error_code, 0);
    assert_eq!(
        connection.receive(Duration::from_millis(200)).await,
        Reply::Silence
    );
    assert_eq!(node.produce("t", 1, batch(1, &["y"])).await.error_code, 0);
    let (_, answer) = connection.answer::<FetchRequest>(17).await;
    let found: usize = answer.responses[0]
        .partitions
        .iter()
        .map(|p| values(p).len())
        .sum();
    assert_eq!(found, 2);

    // An error does not wait.
    let mut wrong = by_id(Uuid([9; 16]), &[(0, 0)]);
    (wrong.min_bytes, wrong.max_wait_ms) = (1, 600_000);
    let refused = connection.call(17, &wrong).await;
    assert_eq!(code(only(&refused)), ErrorCode::UnknownTopicId);
    node.stop().await;
}

async fn delete(connection: &mut RawConnection, name: &str) {
    let request = DeleteTopicsRequest {
        topic_names: vec![name.to_owned()],
        timeout_ms: 5_000,
        ..Default::default()
    };
    assert_eq!(
        connection.call(5, &request).await.responses[0].error_code,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_again_is_another_topic() {
    let (node, old) = node_with(1, &[(0, &["old"])]).await;
    let mut connection = node.connect().await;
    let mut parked = by_id(old, &[(0, 1)]);
    (parked.min_bytes, parked.max_wait_ms) = (1, 600_000);
    let mut waiting = node.connect().await;
    waiting.send(17, &parked).await;

    delete(&mut connection, "t").await;
    let (_, freed) = waiting.answer::<FetchRequest>(17).await;
    assert_ne!(
        code(only(&freed)),
        ErrorCode::None,
        "a parked fetch learns of the deletion"
    );
    let new = node.create_topic("t", 1, &[]).await;
    assert_ne!(old, new);
    let gone = connection.call(17, &by_id(old, &[(0, 0)])).await;
    assert_eq!(code(only(&gone)), ErrorCode::UnknownTopicId);
    let fresh = connection.call(17, &by_id(new, &[(0, 0)])).await;
    assert_eq!(
        (code(only(&fresh)), values(only(&fresh)).len()),
        (ErrorCode::None, 0)
    );
    assert_eq!(only(&fresh).high_watermark, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_tells_only_what_changed() {
    let (node, id) = node_with(3, &[(0, &["a"])]).await;
    let mut connection = node.connect().await;
    let mut full = by_id(id, &[(0, 0), (1, 0), (2, 0)]);
    full.session_epoch = 0;
    let first = connection.call(17, &full).await;
    let session_id = first.session_id;
    assert_ne!(session_id, 0);
    assert_eq!(
        mentioned(&first),
        [0, 1, 2],
        "a full fetch names everything"
    );

    let at = |epoch| FetchRequest {
        session_id,
        session_epoch: epoch,
        ..Default::default()
    };
    // Partition 0 is read from its end now.
    let mut moved = at(1);
    moved.topics = by_id(id, &[(0, 1)]).topics;
    assert_eq!(
        mentioned(&connection.call(17, &moved).await),
        Vec::<i32>::new()
    );
    assert_eq!(node.produce("t", 1, batch(1, &["b"])).await.error_code, 0);
    let changed = connection.call(17, &at(2)).await;
    assert_eq!(mentioned(&changed), [1]);
    assert_eq!(values(only(&changed)), [(0, "b".to_owned())]);

    let mut forgetting = at(3);
    forgetting.forgotten_topics_data = vec![ForgottenTopic {
        topic_id: id,
        partitions: vec![1],
        ..Default::default()
    }];
    assert_eq!(
        mentioned(&connection.call(17, &forgetting).await),
        Vec::<i32>::new()
    );

    let refusal = |answer: FetchResponse| ErrorCode::from_code(answer.error_code);
    let again = connection.call(17, &at(3)).await;
    assert_eq!(refusal(again), ErrorCode::InvalidFetchSessionEpoch);
    let mut unknown = at(1);
    unknown.session_id = session_id ^ 0x55;
    assert_eq!(
        refusal(connection.call(17, &unknown).await),
        ErrorCode::FetchSessionIdNotFound
    );
    let by_name = connection.call(12, &at(4)).await;
    assert_eq!(refusal(by_name), ErrorCode::FetchSessionTopicIdError);
    // The last epoch ends the session.
    assert_eq!(refusal(connection.call(17, &at(-1)).await), ErrorCode::None);
    assert_eq!(
        refusal(connection.call(17, &at(4)).await),
        ErrorCode::FetchSessionIdNotFound
    );
    node.stop().await;
}
