//! Framing, order, limits, closing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use odeon_model::ErrorCode;
use odeon_protocol::messages::{
    ApiVersionsRequest, DescribeClusterRequest, FetchRequest, MetadataRequest, ProduceRequest,
    fetch_request,
};
use odeon_tests::node::produce_request;
use odeon_tests::raw::{ANSWER_LIMIT, Reply};
use odeon_tests::records::batch;
use odeon_tests::{NodeBuilder, RawConnection, TestNode, frame_of};
use tokio::io::AsyncReadExt;

fn api_versions() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
}

/// A request header of version 1 with this key and version, then a body.
fn frame(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    inner.extend(key.to_be_bytes());
    inner.extend(version.to_be_bytes());
    inner.extend(7_i32.to_be_bytes());
    inner.extend(1_i16.to_be_bytes());
    inner.push(b'c');
    inner.extend(body);
    let mut frame = i32::try_from(inner.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(inner);
    frame
}

fn fetch_of(topic: &str, max_wait_ms: i32) -> FetchRequest {
    let partition = fetch_request::FetchPartition {
        partition_max_bytes: 8 << 20,
        ..Default::default()
    };
    let topic = fetch_request::FetchTopic {
        topic: topic.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        topics: vec![topic],
        ..Default::default()
    }
}

/// Waits for something to become true that nothing announces.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    for _ in 0..4_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not happen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let node = TestNode::start().await;
    for version in [6, 99, i16::MAX, -1] {
        let mut connection = node.connect().await;
        connection
            .send_bytes(&frame(18, version, &[0, 1, 2, 3]))
            .await;
        let (id, answer) = connection.answer::<ApiVersionsRequest>(0).await;
        assert_eq!(id, 7);
        assert_eq!(
            ErrorCode::from_code(answer.error_code),
            ErrorCode::UnsupportedVersion
        );
        assert!(
            answer
                .api_keys
                .iter()
                .any(|api| api.api_key == 18 && api.max_version == 5)
        );
        assert_eq!(
            connection.call(0, &api_versions()).await.error_code,
            0,
            "it may ask again"
        );
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_means_another_node_is_sent_back_to_its_bootstrap() {
    let node = TestNode::start().await;
    let mut connection = node.connect().await;
    let known = connection.call(1, &DescribeClusterRequest::default()).await;
    let own = Some(known.cluster_id.as_str());
    let cases = [
        (own, 1, ErrorCode::None),
        (None, -1, ErrorCode::None),
        (own, 2, ErrorCode::RebootstrapRequired),
        (Some("another"), 1, ErrorCode::RebootstrapRequired),
        (own, -1, ErrorCode::InvalidRequest),
        (None, 1, ErrorCode::InvalidRequest),
    ];
    for (cluster_id, node_id, expected) in cases {
        let request = ApiVersionsRequest {
            client_software_name: "odeon-tests".to_owned(),
            client_software_version: "1.0".to_owned(),
            cluster_id: cluster_id.map(str::to_owned),
            node_id,
            ..Default::default()
        };
        let answer = connection.call(5, &request).await;
        let code = ErrorCode::from_code(answer.error_code);
        assert_eq!(code, expected, "{cluster_id:?} {node_id}");
        // A refusal names no API; the connection stays.
        assert_eq!(answer.api_keys.is_empty(), code != ErrorCode::None);
    }
    let nameless = connection.call(5, &api_versions()).await.error_code;
    assert_eq!(ErrorCode::from_code(nameless), ErrorCode::InvalidRequest);
    node.stop().await;
}

/// Seconds that requests of an API have waited for their handler, as the console shows it.
fn queued_s(node: &TestNode, api: &str) -> f64 {
    let text = node.node.gateway().metrics.prometheus();
    let row = format!("odeon_request_queue_seconds_total{{api=\"{api}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&row));
    value.expect("it was asked").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_behind_an_earlier_request_is_counted_as_queueing() {
    let node = TestNode::start().await;
    node.create_topic("t", 1, &[]).await;
    let mut connection = node.connect().await;
    let fetch = frame_of(1, 12, &fetch_of("t", 1_000));
    let cluster = frame_of(2, 1, &DescribeClusterRequest::default());
    connection.send_bytes(&[fetch, cluster].concat()).await;
    connection.answer::<FetchRequest>(12).await;
    connection.answer::<DescribeClusterRequest>(1).await;
    let (first, second) = (queued_s(&node, "Fetch"), queued_s(&node, "DescribeCluster"));
    assert!(second > 0.5, "{second} s behind a fetch that took one");
    assert!(first < second, "{first} s, and nothing was before it");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_understood_closes_its_connection_only() {
    let node = NodeBuilder::default()
        .set("socket.request.max.bytes", "100000")
        .start()
        .await;
    let mut bystander = node.connect().await;
    let cases: [(&str, Vec<u8>); 10] = [
        ("an unknown key", frame(999, 0, &[])),
        ("a key that is not served", frame(4, 0, &[])),
        ("a negative key", frame(-1, 0, &[])),
        ("an unknown version", frame(3, 99, &[])),
        ("a negative version", frame(3, -5, &[])),
        ("an old version", frame(0, 2, &[])),
        ("a broken body", frame(3, 5, &[0, 0, 0, 9, 1])),
        ("a frame too short for a header", vec![0, 0, 0, 3, 0, 18, 0]),
        (
            "a frame of negative length",
            (-5_i32).to_be_bytes().to_vec(),
        ),
        ("a frame over the limit", 100_001_i32.to_be_bytes().to_vec()),
    ];
    for (what, bytes) in cases {
        let mut connection = node.connect().await;
        connection.send_bytes(&bytes).await;
        assert!(connection.is_closed_by_node().await, "{what}");
        assert_eq!(
            bystander.call(0, &api_versions()).await.error_code,
            0,
            "{what}"
        );
    }
    assert_eq!(
        node.node
            .gateway()
            .metrics
            .protocol_errors
            .load(Ordering::Relaxed),
        10
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_produces_keep_their_order() {
    let node = TestNode::start().await;
    node.create_topic("t", 1, &[]).await;
    let mut connection = node.connect().await;
    let mut bytes = Vec::new();
    for id in 0..300 {
        let batch = batch(1_000, &[&format!("record {id}")]);
        bytes.extend(frame_of(id, 9, &produce_request("t", 0, batch)));
        if id % 50 == 49 {
            bytes.extend(frame_of(10_000 + id, 0, &api_versions()));
        }
    }
    connection.send_bytes(&bytes).await;
    for id in 0..300 {
        let (answered, answer) = connection.answer::<ProduceRequest>(9).await;
        assert_eq!(answered, id);
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(
            (partition.error_code, partition.base_offset),
            (0, i64::from(id))
        );
        if id % 50 == 49 {
            assert_eq!(
                connection.answer::<ApiVersionsRequest>(0).await.0,
                10_000 + id
            );
        }
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_fetch_blocks_its_own_connection_only() {
    let node = TestNode::start().await;
    node.create_topic("t", 1, &[]).await;
    let mut waiting = node.connect().await;
    let fetch = waiting.send(12, &fetch_of("t", 600_000)).await;
    let behind = waiting.send(0, &api_versions()).await;
    let mut other = node.connect().await;
    assert_eq!(other.call(0, &api_versions()).await.error_code, 0);
    assert_eq!(
        waiting.receive(Duration::from_millis(200)).await,
        Reply::Silence
    );
    assert_eq!(
        node.produce("t", 0, batch(1, &["wake up"]))
            .await
            .error_code,
        0
    );
    assert_eq!(waiting.answer::<FetchRequest>(12).await.0, fetch);
    assert_eq!(waiting.answer::<ApiVersionsRequest>(0).await.0, behind);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_frees_its_waiting_fetch() {
    let node = TestNode::start().await;
    node.create_topic("t", 1, &[]).await;
    let open = || {
        node.node
            .gateway()
            .metrics
            .connections_open
            .load(Ordering::Relaxed)
    };
    until("the set-up's connections are gone", async || open() == 0).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut connection = node.connect().await;
        connection.send(12, &fetch_of("t", i32::MAX)).await;
        assert_eq!(
            connection.receive(Duration::from_millis(20)).await,
            Reply::Silence
        );
        waiting.push(connection);
    }
    until("all are counted", async || open() == 5).await;
    drop(waiting);
    until("their fetches end", async || open() == 0).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_behind_a_waiting_fetch_does_not_keep_its_connection_for_ever() {
    let node = NodeBuilder::default()
        .set("connections.max.idle.ms", "400")
        .start()
        .await;
    node.create_topic("t", 1, &[]).await;
    let mut connection = node.connect().await;
    connection.send(12, &fetch_of("t", i32::MAX)).await;
    connection.send(0, &api_versions()).await;
    assert!(connection.is_closed_by_node().await);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_produce_without_acknowledgement_has_no_answer() {
    let node = TestNode::start().await;
    node.create_topic("t", 1, &[]).await;
    let mut connection = node.connect().await;
    let mut request = produce_request("t", 0, batch(1, &["silent"]));
    request.acks = 0;
    connection.send(9, &request).await;
    connection.send(9, &request).await;
    // The first thing to come is the answer to this.
    assert_eq!(connection.call(0, &api_versions()).await.error_code, 0);
    let next = node.produce("t", 0, batch(1, &["loud"])).await;
    assert_eq!(next.base_offset, 2, "both were written");

    let mut lost = produce_request("absent", 0, batch(1, &["lost"]));
    lost.acks = 0;
    connection.send(9, &lost).await;
    assert!(
        connection.is_closed_by_node().await,
        "the client has to learn of it"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_closed_and_a_waiting_one_is_not() {
    let node = NodeBuilder::default()
        .set("connections.max.idle.ms", "400")
        .start()
        .await;
    node.create_topic("t", 1, &[]).await;
    let mut silent = node.connect().await;
    let mut waiting = node.connect().await;
    waiting.send(12, &fetch_of("t", 1_500)).await;
    assert!(silent.is_closed_by_node().await);
    let (_, answer) = waiting.answer::<FetchRequest>(12).await;
    assert_eq!(
        answer.error_code, 0,
        "its fetch took longer than the idle time"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_its_limit_of_connections() {
    let node = NodeBuilder::default()
        .set("max.connections.per.ip", "3")
        .start()
        .await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut connection = node.connect().await;
        assert_eq!(connection.call(0, &api_versions()).await.error_code, 0);
        open.push(connection);
    }
    assert!(node.connect().await.is_closed_by_node().await);
    assert_eq!(
        open[0].call(0, &api_versions()).await.error_code,
        0,
        "the others stay"
    );
    open.pop();
    until("there is room again", async || {
        node.connect()
            .await
            .try_call(0, &api_versions())
            .await
            .is_ok()
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_listener_advertises_its_own_address() {
    let listeners = "PLAINTEXT://127.0.0.1:0,EXTERNAL://127.0.0.1:0,CONTROLLER://127.0.0.1:0";
    let map = "PLAINTEXT:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT";
    let node = NodeBuilder::default()
        .set("listeners", listeners)
        .set("listener.security.protocol.map", map)
        .set(
            "advertised.listeners",
            "PLAINTEXT://127.0.0.1:0,EXTERNAL://outside.example:7777",
        )
        .start()
        .await;
    let inside = ("127.0.0.1".to_owned(), i32::from(node.address().port()));
    let outside = ("outside.example".to_owned(), 7777);
    for (listener, expected) in [("PLAINTEXT", inside), ("EXTERNAL", outside)] {
        let mut connection = RawConnection::open(node.address_of(listener)).await;
        let request = MetadataRequest {
            topics: Some(Vec::new()),
            ..Default::default()
        };
        let metadata = connection.call(12, &request).await;
        let broker = &metadata.brokers[0];
        assert_eq!((broker.host.clone(), broker.port), expected);
        let cluster = connection.call(1, &DescribeClusterRequest::default()).await;
        let broker = &cluster.brokers[0];
        assert_eq!((broker.host.clone(), broker.port), expected);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_stalls_nobody_else_and_is_given_up() {
    let node = NodeBuilder::default()
        .set("connections.max.idle.ms", "1500")
        .start()
        .await;
    node.create_topic("t", 1, &[("max.message.bytes", "2000000")])
        .await;
    let big = "x".repeat(900_000);
    for _ in 0..8 {
        assert_eq!(node.produce("t", 0, batch(1, &[&big])).await.error_code, 0);
    }
    let mut slow = node.connect().await;
    for _ in 0..20 {
        slow.send(12, &fetch_of("t", 0)).await;
    }
    let mut brisk = node.connect().await;
    for _ in 0..20 {
        assert_eq!(brisk.call(0, &api_versions()).await.error_code, 0);
    }
    let open = || {
        node.node
            .gateway()
            .metrics
            .connections_open
            .load(Ordering::Relaxed)
    };
    until(
        "both the slow one and then the silent one are closed",
        async || open() == 0,
    )
    .await;
    // What was on its way still comes, then the end: less than was asked for.
    let mut stream = slow.into_stream();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(ANSWER_LIMIT, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the end comes");
    assert!(rest.len() < 20 * 7 * 900_000);
    node.stop().await;
}
