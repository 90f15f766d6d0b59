//! Leaders that fail again and again, and nodes that cannot go on.

use std::sync::Arc;
use std::time::Duration;

use odeon_metadata::PartitionImage;
use odeon_tests::{TestCluster, TestNode};

use super::killed::kill;
use super::threads;

const LEADER: &str = "Roles/Broker/Replicas/orders-0";

fn partition(cluster: &TestCluster, node: i32) -> Arc<PartitionImage> {
    let image = cluster.image(node).expect("the node runs");
    image.partition("orders", 0).expect("it is known").clone()
}

async fn all_in_sync(cluster: &TestCluster, count: usize) {
    cluster
        .until("so many replicas are in sync", |image| {
            let partition = image.partition("orders", 0);
            partition.is_some_and(|partition| partition.isr.len() == count)
        })
        .await;
}

#[test]
fn a_leader_that_keeps_failing_gives_way_to_another_replica() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let orders = cluster.create_topic("orders", 1, 3).await;
        orders.produce(0, "before").await;
        let leader = orders.leader(0).await;
        let mut kills = 0;
        while orders.leader(0).await == leader {
            kills += u32::from(kill(&cluster, leader, LEADER).await);
            assert!(kills < 50, "it leads for ever");
            cluster.clock().sleep(Duration::from_millis(1)).await;
        }
        assert!(kills > 3, "a few restarts are bad luck: {kills}");
        orders.produce(0, "after").await;
        all_in_sync(&cluster, 3).await;
        assert_eq!(orders.fetch(0, 0).await, ["before", "after"]);
        assert_eq!(cluster.running(), [1, 2, 3], "no node ended");
        cluster.shutdown().await;
    });
}

#[test]
fn a_leader_without_others_is_started_again_for_as_long_as_it_takes() {
    threads(async {
        let cluster = TestCluster::start(1).await;
        let orders = cluster.create_topic("orders", 1, 1).await;
        orders.produce(0, "before").await;
        let mut kills = 0;
        while kills < 9 {
            kills += u32::from(kill(&cluster, 1, LEADER).await);
            cluster.clock().sleep(Duration::from_millis(1)).await;
        }
        orders.produce(0, "after").await;
        assert_eq!(orders.fetch(0, 0).await, ["before", "after"]);
        cluster.shutdown().await;
    });
}

#[test]
fn a_leader_that_was_restarted_counts_the_isr_as_it_is() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let orders = cluster.create_topic("orders", 1, 3).await;
        orders.produce(0, "before").await;
        let leader = orders.leader(0).await;
        let late = cluster.ids().find(|id| *id != leader).unwrap();
        cluster.kill(late);
        all_in_sync(&cluster, 2).await;
        let before = partition(&cluster, leader).leader_epoch;
        assert!(kill(&cluster, leader, LEADER).await);
        // It would wait for the dead one if it went on with the ISR that its epoch began with.
        orders.produce(0, "between").await;
        let topic = cluster.image(leader).expect("it runs");
        let topic = topic.topic("orders").expect("it is known").id;
        let route = cluster.with_node(leader, |node| node.handle().routing.get(topic, 0));
        let route = route.flatten().expect("it leads");
        let status = route.leader.status().await.expect("a leader");
        assert_eq!(status.isr, partition(&cluster, leader).isr);
        assert!(!status.isr.contains(&late), "{status:?}");
        cluster.restart(late).await;
        all_in_sync(&cluster, 3).await;
        let after = partition(&cluster, leader).leader_epoch;
        assert_eq!(after, before, "it led in one epoch");
        cluster.shutdown().await;
    });
}

#[test]
fn a_node_none_of_whose_log_directories_works_ends() {
    threads(async {
        let mut node = TestNode::start().await;
        let logs = node.node.handle().logs.clone();
        for directory in logs.directories() {
            directory.fail("the test says so");
        }
        let ended = tokio::time::timeout(Duration::from_secs(30), node.node.ended()).await;
        ended.expect("it ends").expect_err("it failed");
    });
}
