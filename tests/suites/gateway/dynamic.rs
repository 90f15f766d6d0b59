//! Settings of a broker that change while it runs, and those that do not.

use std::time::Duration;

use odeon_model::{ErrorCode, TopicPartition};
use odeon_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use odeon_protocol::messages::{IncrementalAlterConfigsRequest, MetadataRequest};
use odeon_tests::records::batch;
use odeon_tests::{RawConnection, TestNode};

/// Sets a key for all brokers; what came of it.
async fn set(connection: &mut RawConnection, name: &str, value: &str) -> ErrorCode {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: 4,
            resource_name: String::new(),
            configs: vec![AlterableConfig {
                name: name.to_owned(),
                config_operation: 0,
                value: Some(value.to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = connection.call(1, &request).await;
    ErrorCode::from_code(answer.responses[0].error_code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_limits_hold_for_whoever_comes_after_they_changed() {
    let node = TestNode::start().await;
    let mut first = node.connect().await;
    let code = set(&mut first, "max.connections.per.ip", "1").await;
    assert_eq!(code, ErrorCode::None);
    let mut refused = node.connect().await;
    assert!(
        refused.is_closed_by_node().await,
        "a second one is too many"
    );
    let code = set(
        &mut first,
        "max.connections.per.ip.overrides",
        "127.0.0.1:2",
    )
    .await;
    assert_eq!(code, ErrorCode::None);
    let mut second = node.connect().await;
    second.call(12, &MetadataRequest::default()).await;
    let code = set(&mut first, "max.connections", "2").await;
    assert_eq!(code, ErrorCode::None);
    let code = set(&mut first, "max.connections.per.ip.overrides", "").await;
    assert_eq!(code, ErrorCode::None);
    let code = set(&mut first, "max.connections.per.ip", "100").await;
    assert_eq!(code, ErrorCode::None);
    let mut third = node.connect().await;
    assert!(third.is_closed_by_node().await, "two in all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_come_too_fast_wait_and_are_served() {
    let node = TestNode::start().await;
    let mut first = node.connect().await;
    let code = set(&mut first, "max.connection.creation.rate", "2").await;
    assert_eq!(code, ErrorCode::None);
    let clock = node.node.handle().clock.clone();
    let begun = clock.monotonic();
    for _ in 0..4 {
        let mut next = node.connect().await;
        next.call(12, &MetadataRequest::default()).await;
    }
    let took = clock.monotonic() - begun;
    assert!(took.as_millis() > 700, "two a second: {took:?}");
}

/// Kafka 4.4 reads these once, at the start (`DynamicBrokerConfig`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kafka_reads_only_at_the_start_is_refused_while_it_runs() {
    let node = TestNode::start().await;
    let mut connection = node.connect().await;
    for name in [
        "group.initial.rebalance.delay.ms",
        "group.min.session.timeout.ms",
        "group.max.session.timeout.ms",
        "group.max.size",
        "offset.metadata.max.bytes",
        "offsets.retention.minutes",
        "offsets.retention.check.interval.ms",
        "log.retention.check.interval.ms",
        "log.flush.offset.checkpoint.interval.ms",
        "log.flush.scheduler.interval.ms",
        "connections.max.idle.ms",
        "queued.max.request.bytes",
    ] {
        let code = set(&mut connection, name, "7000").await;
        assert_eq!(code, ErrorCode::InvalidRequest, "{name}");
    }
    for (name, value) in [
        ("log.flush.interval.messages", "10"),
        ("log.flush.interval.ms", "1000"),
        ("producer.id.expiration.ms", "5000"),
        ("message.max.bytes", "2000000"),
    ] {
        let code = set(&mut connection, name, value).await;
        assert_eq!(code, ErrorCode::None, "{name}");
    }
}

/// Up to where a topic's only partition is on disk.
fn on_disk(node: &TestNode, topic: &str) -> i64 {
    let partition = TopicPartition::new(topic, 0);
    let log = node.node.handle().logs.get(&partition).unwrap();
    log.view().recovery_point()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_cache_is_flushed_after_so_many_records_or_so_much_time() {
    let node = TestNode::start().await;
    let cached = ("odeon.acks.durability", "page-cache");
    let messages = [cached, ("flush.messages", "3")];
    node.create_topic("messages", 1, &messages).await;
    for end in (2..40).step_by(2) {
        let answer = node.produce("messages", 0, batch(1_000, &["a", "b"])).await;
        assert_eq!(answer.error_code, 0);
        let ahead = end - on_disk(&node, "messages");
        assert!(
            ahead < 3,
            "{ahead} of {end} are acknowledged and not on disk"
        );
    }

    // A new segment is synced in any case.
    node.create_topic("never", 1, &[cached]).await;
    node.produce("never", 0, batch(1_000, &["a"])).await;
    until_on_disk(&node, "never", 1).await;
    node.produce("never", 0, batch(1_000, &["b"])).await;
    let time = [cached, ("flush.ms", "20")];
    node.create_topic("time", 1, &time).await;
    for end in 1..5 {
        node.produce("time", 0, batch(1_000, &["a"])).await;
        until_on_disk(&node, "time", end).await;
    }
    assert_eq!(on_disk(&node, "never"), 1);
}

async fn until_on_disk(node: &TestNode, topic: &str, end: i64) {
    for _ in 0..2_000 {
        if on_disk(node, topic) == end {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{topic} is on disk up to {}", on_disk(node, topic));
}
