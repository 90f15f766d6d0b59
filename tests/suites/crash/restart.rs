//! A whole node over the end of its process: what it had answered it still knows.

use std::time::Duration;

use odeon_protocol::messages::describe_configs_request::DescribeConfigsResource;
use odeon_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use odeon_protocol::messages::metadata_response::MetadataResponseTopic;
use odeon_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use odeon_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use odeon_protocol::messages::{
    DeleteTopicsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
};
use odeon_tests::RawConnection;
use odeon_tests::node::{
    create_topic, find_coordinator, list_offset_request, metadata_request, produce, until_led,
};
use odeon_tests::process::NodeProcess;
use odeon_tests::records::{batch, batch_of};

const TOPIC: i8 = 2;

async fn connect(node: &NodeProcess) -> RawConnection {
    RawConnection::open(node.address()).await
}

/// Kills the node, at once, and starts it again.
async fn die(node: &mut NodeProcess) -> RawConnection {
    node.kill();
    node.start_again();
    connect(node).await
}

async fn describe(connection: &mut RawConnection, name: &str) -> MetadataResponseTopic {
    let request = MetadataRequest {
        allow_auto_topic_creation: false,
        ..metadata_request(name)
    };
    connection.call(12, &request).await.topics.remove(0)
}

async fn epochs(connection: &mut RawConnection, name: &str) -> Vec<i32> {
    let mut partitions = describe(connection, name).await.partitions;
    partitions.sort_by_key(|partition| partition.partition_index);
    partitions
        .iter()
        .map(|partition| partition.leader_epoch)
        .collect()
}

async fn set_config(connection: &mut RawConnection, topic: &str, name: &str, value: &str) {
    let config = AlterableConfig {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..Default::default()
    };
    let resource = AlterConfigsResource {
        resource_type: TOPIC,
        resource_name: topic.to_owned(),
        configs: vec![config],
        ..Default::default()
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![resource],
        ..Default::default()
    };
    let answer = connection.call(1, &request).await;
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

async fn config(connection: &mut RawConnection, topic: &str, name: &str) -> Option<String> {
    let resource = DescribeConfigsResource {
        resource_type: TOPIC,
        resource_name: topic.to_owned(),
        configuration_keys: Some(vec![name.to_owned()]),
        ..Default::default()
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        ..Default::default()
    };
    connection
        .call(4, &request)
        .await
        .results
        .remove(0)
        .configs
        .remove(0)
        .value
}

async fn commit(connection: &mut RawConnection, topic: &str, offset: i64) {
    let partition = OffsetCommitRequestPartition {
        committed_offset: offset,
        committed_metadata: Some("here".to_owned()),
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: topic.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: "readers".to_owned(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let answer = connection.call(8, &request).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, 0, "{answer:?}");
}

async fn committed(connection: &mut RawConnection, topic: &str) -> i64 {
    find_coordinator(connection, "readers").await;
    let topic = OffsetFetchRequestTopic {
        name: topic.to_owned(),
        partition_indexes: vec![0],
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        group_id: "readers".to_owned(),
        topics: Some(vec![topic]),
        ..Default::default()
    };
    let answer = connection.call(7, &request).await;
    assert_eq!(answer.error_code, 0, "{answer:?}");
    answer.topics[0].partitions[0].committed_offset
}

async fn end_offset(connection: &mut RawConnection, topic: &str) -> i64 {
    until_led(connection, topic).await;
    let request = list_offset_request(topic, 0, -1);
    connection.call(7, &request).await.topics[0].partitions[0].offset
}

async fn producer_id(connection: &mut RawConnection) -> i64 {
    let request = InitProducerIdRequest {
        transactional_id: None,
        ..Default::default()
    };
    let answer = connection.call(4, &request).await;
    assert_eq!(answer.error_code, 0, "{answer:?}");
    answer.producer_id
}

#[tokio::test]
async fn metadata_that_was_answered_survives_a_kill_right_after() {
    let mut node = NodeProcess::start(&[]);
    let mut connection = connect(&node).await;
    let id = create_topic(&mut connection, "orders", 3, &[("retention.ms", "7200000")]).await;

    let mut connection = die(&mut node).await;
    let found = describe(&mut connection, "orders").await;
    assert_eq!((found.topic_id, found.partitions.len()), (id, 3));
    let value = config(&mut connection, "orders", "retention.ms").await;
    assert_eq!(value.as_deref(), Some("7200000"));
    set_config(&mut connection, "orders", "retention.ms", "3600000").await;

    let mut connection = die(&mut node).await;
    let value = config(&mut connection, "orders", "retention.ms").await;
    assert_eq!(value.as_deref(), Some("3600000"));
    let first = producer_id(&mut connection).await;

    let mut connection = die(&mut node).await;
    assert!(producer_id(&mut connection).await > first);
    let request = DeleteTopicsRequest {
        topic_names: vec!["orders".to_owned()],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let answer = connection.call(5, &request).await;
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");

    let mut connection = die(&mut node).await;
    assert_eq!(describe(&mut connection, "orders").await.error_code, 3);
    let again = create_topic(&mut connection, "orders", 1, &[]).await;
    assert_ne!(again, id);
    assert_eq!(end_offset(&mut connection, "orders").await, 0);
}

#[tokio::test]
async fn records_and_commits_that_were_acknowledged_survive_a_kill_right_after() {
    let mut node = NodeProcess::start(&[]);
    let mut connection = connect(&node).await;
    create_topic(&mut connection, "orders", 1, &[]).await;
    for round in 0..4 {
        until_led(&mut connection, "orders").await;
        let sent = batch_of((4_000, 0, round as i32 * 2), &["a", "b"]);
        let done = produce(&mut connection, "orders", 0, sent.clone()).await;
        assert_eq!(
            (done.error_code, done.base_offset),
            (0, round * 2),
            "{done:?}"
        );
        connection = die(&mut node).await;
        assert_eq!(end_offset(&mut connection, "orders").await, round * 2 + 2);
        // Sent again, as a client does that did not see the answer.
        let again = produce(&mut connection, "orders", 0, sent).await;
        assert_eq!(
            (again.error_code, again.base_offset),
            (0, round * 2),
            "{again:?}"
        );
        find_coordinator(&mut connection, "readers").await;
        commit(&mut connection, "orders", round + 1).await;
        connection = die(&mut node).await;
        assert_eq!(committed(&mut connection, "orders").await, round + 1);
        assert_eq!(end_offset(&mut connection, "orders").await, round * 2 + 2);
    }
}

#[tokio::test]
async fn every_start_raises_the_leader_epochs() {
    let mut node = NodeProcess::start(&[]);
    let mut connection = connect(&node).await;
    create_topic(&mut connection, "orders", 3, &[]).await;
    let mut before = epochs(&mut connection, "orders").await;
    for clean in [false, true, false] {
        if clean {
            assert!(node.stop("TERM").0.success());
        } else {
            node.kill();
        }
        node.start_again();
        let mut connection = connect(&node).await;
        until_led(&mut connection, "orders").await;
        let after = epochs(&mut connection, "orders").await;
        let raised = before
            .iter()
            .zip(&after)
            .all(|(before, after)| after > before);
        assert!(raised && after.len() == 3, "{before:?}, then {after:?}");
        before = after;
    }
}

#[tokio::test]
async fn a_clean_stop_is_quick_and_the_next_start_recovers_nothing() {
    let mut node = NodeProcess::start(&[]);
    let mut connection = connect(&node).await;
    create_topic(&mut connection, "orders", 12, &[]).await;
    for partition in 0..12 {
        let done = produce(&mut connection, "orders", partition, batch(1_000, &["a"])).await;
        assert_eq!(done.error_code, 0, "{done:?}");
    }
    for signal in ["TERM", "INT"] {
        let (status, took) = node.stop(signal);
        assert_eq!(status.code(), Some(0), "{signal}\n{}", node.log());
        assert!(took < Duration::from_secs(10), "{signal}: {took:?}");
        let logged = node.log().len();
        node.start_again();
        let log = node.log_since(logged);
        assert!(!log.contains("was recovered"), "after {signal}: {log}");
    }
    node.kill();
    let logged = node.log().len();
    node.start_again();
    let log = node.log_since(logged);
    assert!(log.contains("was recovered"), "after a kill: {log}");
}

#[test]
fn a_second_node_is_refused_and_the_first_goes_on() {
    let mut node = NodeProcess::start(&[]);
    let said = |output: std::process::Output| {
        assert!(
            !output.status.success() && output.status.code().is_some(),
            "{output:?}"
        );
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let other = node.home().join("other").display().to_string();
    let port = said(node.rival(true, &[("log.dirs", &other)]));
    let address = node.address().to_string();
    assert!(port.contains(&address) && port.contains("in use"), "{port}");
    let directory = said(node.rival(false, &[]));
    let data = node.data().display().to_string();
    assert!(directory.contains(&data), "{directory}");
    assert!(
        !directory.contains("panicked") && directory.lines().count() < 5,
        "{directory}"
    );
    eprintln!("{port}{directory}");
    assert!(node.stop("TERM").0.success());
    node.start_again();
}
