//! Replicas that move: between directories of a node, throttled, and from the middle of a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use odeon_kernel::spawn;
use odeon_model::{ErrorCode, NodeId, TopicPartition};
use odeon_protocol::messages as m;
use odeon_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use odeon_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use odeon_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use odeon_tests::cluster::TestTopic;
use odeon_tests::records::batch;
use odeon_tests::{ClusterBuilder, ClusterClient, TestCluster};

use super::members::{reassign, until_on};
use super::threads;

const DIRS: [&str; 2] = ["/one", "/two"];

async fn two_directories() -> (TestCluster, Arc<TestTopic>, ClusterClient) {
    let builder = ClusterBuilder::new(3).set("log.dirs", &DIRS.join(","));
    let cluster = builder.start().await;
    let orders = Arc::new(cluster.create_topic("orders", 1, 3).await);
    let client = cluster.client("admin");
    (cluster, orders, client)
}

/// The directory of a replica, and of the copy that shall take its place.
async fn places(client: &mut ClusterClient, node: NodeId) -> (String, Option<String>) {
    let request = m::DescribeLogDirsRequest {
        topics: None,
        ..Default::default()
    };
    let answer = client.call(node, 4, &request).await.unwrap();
    let (mut place, mut future) = (String::new(), None);
    for dir in answer.results {
        for topic in dir.topics.iter().filter(|topic| topic.name == "orders") {
            match topic.partitions[0].is_future_key {
                true => future = Some(dir.log_dir.clone()),
                false => place.clone_from(&dir.log_dir),
            }
        }
    }
    (place, future)
}

async fn move_to(client: &mut ClusterClient, node: NodeId, dir: &str) -> ErrorCode {
    let topic = AlterReplicaLogDirTopic {
        name: "orders".to_owned(),
        partitions: vec![0],
        ..Default::default()
    };
    let request = m::AlterReplicaLogDirsRequest {
        dirs: vec![AlterReplicaLogDir {
            path: dir.to_owned(),
            topics: vec![topic],
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = client.call(node, 2, &request).await.unwrap();
    ErrorCode::from_code(answer.results[0].partitions[0].error_code)
}

fn other(dir: &str) -> &'static str {
    if dir == DIRS[0] { DIRS[1] } else { DIRS[0] }
}

async fn set(client: &mut ClusterClient, resource: (i8, &str), key: &str, value: &str) {
    let request = m::IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: resource.0,
            resource_name: resource.1.to_owned(),
            configs: vec![AlterableConfig {
                name: key.to_owned(),
                value: Some(value.to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = client.call(1, 1, &request).await.unwrap();
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

/// Waits until all nodes act on what was changed up to now.
async fn all_have_heard(cluster: &TestCluster, name: &str) {
    // Every node has a replica of a topic that was made later.
    cluster.create_topic(name, 1, 3).await.produce(0, "a").await;
}

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

async fn produce(topic: Arc<TestTopic>, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let value = format!("{}", sent.len());
        topic.produce(0, &value).await;
        sent.push(value);
    }
    sent
}

#[test]
fn replicas_move_between_directories_while_they_are_written_and_nodes_know_where() {
    threads(async {
        let (cluster, orders, mut client) = two_directories().await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut load = spawn(produce(orders.clone(), stop.clone()));
        let nowhere = move_to(&mut client, 1, "/three").await;
        assert_eq!(nowhere, ErrorCode::LogDirNotFound);
        for node in cluster.ids() {
            let (from, _) = places(&mut client, node).await;
            let to = other(&from);
            assert_eq!(move_to(&mut client, node, to).await, ErrorCode::None);
            while places(&mut client, node).await != (to.to_owned(), None) {
                cluster.clock().sleep(Duration::from_millis(5)).await;
            }
            let directory = cluster.with_node(node, |node| {
                let log = node.handle().logs.get(&TopicPartition::new("orders", 0));
                log.expect("a log").directory().id()
            });
            cluster
                .until("the controller knows the directory", |image| {
                    let partition = image.partition("orders", 0);
                    partition.is_some_and(|partition| partition.directory(node) == directory)
                })
                .await;
        }
        stop.store(true, Ordering::Relaxed);
        let sent = (&mut load).await.expect("no panic");
        assert_eq!(orders.fetch(0, 0).await, sent);
        cluster.shutdown().await;
    });
}

#[test]
fn a_move_that_a_kill_interrupts_goes_on_after_the_restart() {
    threads(async {
        let (cluster, orders, mut client) = two_directories().await;
        for n in 0..100 {
            orders
                .produce(0, &format!("{n} {}", "x".repeat(10_000)))
                .await;
        }
        let node = orders.leader(0).await;
        let (from, _) = places(&mut client, node).await;
        let to = other(&from);
        // A second's worth may go at once.
        set(&mut client, (BROKER, &node.to_string()), RATE, "100000").await;
        cluster
            .until("the node knows its rate", |image| {
                let resource = odeon_metadata::ConfigResource::broker(node);
                image.config(&resource).is_some()
            })
            .await;
        assert_eq!(move_to(&mut client, node, to).await, ErrorCode::None);
        let moving = (from, Some(to.to_owned()));
        assert_eq!(places(&mut client, node).await, moving);
        cluster.kill(node);
        cluster.restart(node).await;
        let mut client = cluster.client("after");
        assert_eq!(places(&mut client, node).await, moving);
        set(&mut client, (BROKER, &node.to_string()), RATE, "100000000").await;
        while places(&mut client, node).await != (to.to_owned(), None) {
            cluster.clock().sleep(Duration::from_millis(5)).await;
        }
        orders.produce(0, "last").await;
        assert_eq!(orders.fetch(0, 0).await.len(), 101);
        cluster.shutdown().await;
    });
}

#[test]
fn only_replicas_that_are_not_in_sync_are_throttled() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let mut client = cluster.client("admin");
        let orders = cluster.create_topic("orders", 1, 1).await;
        let from = orders.leader(0).await;
        for _ in 0..60 {
            orders.produce(0, &"x".repeat(10_000)).await;
        }
        let rate = "leader.replication.throttled.rate";
        set(&mut client, (BROKER, &from.to_string()), rate, "200000").await;
        let replicas = "leader.replication.throttled.replicas";
        set(&mut client, (TOPIC, "orders"), replicas, "*").await;
        let synced = cluster.create_topic("synced", 1, 3).await;
        set(&mut client, (TOPIC, "synced"), replicas, "*").await;
        all_have_heard(&cluster, "now").await;
        let all: Vec<NodeId> = cluster.ids().filter(|id| *id != from).collect();
        let to = [from, all[0]];
        let begun = cluster.clock().monotonic();
        let code = reassign(&mut client, 1, "orders", Some(&to)).await;
        assert_eq!(code, ErrorCode::None);
        // Those in sync go on although the quota is used up.
        for n in 0..20 {
            synced.produce(0, &format!("{n}")).await;
        }
        let between = cluster.clock().monotonic() - begun;
        until_on(&cluster, "orders", &to).await;
        let took = cluster.clock().monotonic() - begun;
        // 600 kB: a second's worth at once, a reply more than allowed, then 200 kB a second.
        assert!(took > Duration::from_millis(700), "{took:?}");
        assert!(between < took, "{between:?} {took:?}");

        set(&mut client, (TOPIC, "orders"), replicas, "").await;
        let rate = "follower.replication.throttled.rate";
        set(&mut client, (BROKER, ""), rate, "200000").await;
        let replicas = "follower.replication.throttled.replicas";
        set(
            &mut client,
            (TOPIC, "orders"),
            replicas,
            &format!("0:{}", all[1]),
        )
        .await;
        all_have_heard(&cluster, "then").await;
        let to = [from, all[1]];
        let begun = cluster.clock().monotonic();
        let code = reassign(&mut client, 1, "orders", Some(&to)).await;
        assert_eq!(code, ErrorCode::None);
        until_on(&cluster, "orders", &to).await;
        let took = cluster.clock().monotonic() - begun;
        assert!(took > Duration::from_millis(700), "{took:?}");
        cluster.shutdown().await;
    });
}

#[test]
fn a_replica_that_begins_in_the_middle_of_a_batch_comes_to_be_in_sync() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let mut client = cluster.client("admin");
        let orders = cluster.create_topic("orders", 1, 1).await;
        let from = orders.leader(0).await;
        let records = batch(cluster.clock().now_ms(), &["a", "b", "c", "d"]);
        client.produce(from, "orders", 0, records).await.unwrap();
        let request = m::DeleteRecordsRequest {
            topics: vec![DeleteRecordsTopic {
                name: "orders".to_owned(),
                partitions: vec![DeleteRecordsPartition {
                    offset: 2,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            timeout_ms: 10_000,
            ..Default::default()
        };
        let answer = client.call(from, 2, &request).await.unwrap();
        assert_eq!(answer.topics[0].partitions[0].low_watermark, 2);
        let to: Vec<NodeId> = cluster.ids().filter(|id| *id != from).collect();
        let code = reassign(&mut client, 1, "orders", Some(&to)).await;
        assert_eq!(code, ErrorCode::None);
        until_on(&cluster, "orders", &to).await;
        orders.produce(0, "e").await;
        let log = cluster.with_node(orders.leader(0).await, |node| {
            node.handle().logs.get(&TopicPartition::new("orders", 0))
        });
        let log = log.flatten().expect("a log");
        assert_eq!((log.view().log_start(), log.view().log_end()), (2, 5));
        cluster.shutdown().await;
    });
}
