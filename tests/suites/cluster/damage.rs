//! Bits that rot on one disk: the replica is repaired from the others, never leads, never deletes.

use std::path::Path;
use std::time::Duration;

use odeon_kernel::Disk;
use odeon_metadata::MetadataImage;
use odeon_tests::cluster::TestTopic;
use odeon_tests::{ClusterBuilder, TestCluster};

use super::threads;

const FILE: &str = "/data/orders-0/00000000000000000000.log";
const RECORDS: usize = 60;

async fn filled() -> (TestCluster, TestTopic) {
    let cluster = ClusterBuilder::new(3).set("odeon.log.scrub.bytes.per.second", "100000000");
    let cluster = cluster.start().await;
    let orders = cluster.create_topic("orders", 1, 3).await;
    for n in 0..RECORDS {
        orders.produce(0, &format!("record {n}")).await;
    }
    (cluster, orders)
}

fn rot(cluster: &TestCluster, id: i32, at: u64) {
    cluster.disk(id).corrupt(Path::new(FILE), at, 0x10).unwrap();
}

fn isr(image: &MetadataImage) -> Vec<i32> {
    image
        .partition("orders", 0)
        .map_or(Vec::new(), |p| p.isr.clone())
}

/// Rises with each change of the ISR.
fn epoch(image: &MetadataImage) -> i32 {
    let partition = image.partition("orders", 0);
    partition.map_or(-1, |partition| partition.partition_epoch)
}

/// Waits until all disks hold the same.
async fn equal(cluster: &TestCluster) {
    let read = |id| cluster.disk(id).read(Path::new(FILE)).unwrap();
    for _ in 0..10_000 {
        if read(1) == read(2) && read(2) == read(3) {
            return;
        }
        cluster.clock().sleep(Duration::from_millis(1)).await;
    }
    panic!("the disks differ");
}

async fn another_leads(cluster: &TestCluster, former: i32) {
    cluster
        .until("another leads", |image| {
            let partition = image.partition("orders", 0);
            partition.is_some_and(|p| p.leader >= 0 && p.leader != former)
        })
        .await;
}

async fn whole(cluster: &TestCluster, orders: &TestTopic) {
    cluster
        .until("all are in sync", |image| isr(image).len() == 3)
        .await;
    let expected: Vec<String> = (0..RECORDS).map(|n| format!("record {n}")).collect();
    assert_eq!(orders.fetch(0, 0).await, expected);
    equal(cluster).await;
}

#[test]
fn a_damaged_follower_leaves_the_isr_and_comes_back_with_its_leaders_bytes() {
    threads(async {
        let (cluster, orders) = filled().await;
        equal(&cluster).await;
        let leader = orders.leader(0).await;
        for (place, at) in [("a record", 2_000), ("a header", 0), ("a header's end", 55)] {
            let victim = cluster.ids().find(|id| *id != leader).unwrap();
            let before = epoch(&cluster.image(leader).expect("the leader runs"));
            rot(&cluster, victim, at);
            // It may be back before anybody looks.
            cluster.until(place, |image| epoch(image) > before).await;
            whole(&cluster, &orders).await;
            assert_eq!(orders.leader(0).await, leader, "{place}");
        }
        cluster.shutdown().await;
    });
}

#[test]
fn a_damaged_leader_gives_way_and_is_repaired_by_its_successor() {
    threads(async {
        let (cluster, orders) = filled().await;
        equal(&cluster).await;
        let leader = orders.leader(0).await;
        rot(&cluster, leader, 2_000);
        another_leads(&cluster, leader).await;
        whole(&cluster, &orders).await;
        cluster.shutdown().await;
    });
}

#[test]
fn what_a_follower_cannot_take_makes_the_leader_look_at_its_own_log() {
    threads(async {
        let cluster = ClusterBuilder::new(3).set("odeon.log.scrub.bytes.per.second", "0");
        let cluster = cluster.set("replica.lag.time.max.ms", "600").start().await;
        let orders = cluster.create_topic("orders", 1, 3).await;
        let leader = orders.leader(0).await;
        let late = cluster.ids().find(|id| *id != leader).unwrap();
        cluster.kill(late);
        for n in 0..RECORDS {
            orders.produce(0, &format!("record {n}")).await;
        }
        rot(&cluster, leader, 2_000);
        cluster.restart(late).await;
        another_leads(&cluster, leader).await;
        whole(&cluster, &orders).await;
        cluster.shutdown().await;
    });
}
