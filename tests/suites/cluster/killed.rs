//! Every actor of every node is killed in turn while records are produced: nothing is lost, and soon all
//! is as before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use odeon_kernel::supervisor::SupervisionNode;
use odeon_kernel::{Rng, spawn};
use odeon_tests::TestCluster;
use odeon_tests::cluster::TestTopic;

use super::{commit, threads};

const PARTITIONS: i32 = 3;
const DEADLINE: Duration = Duration::from_secs(5);

/// The paths of all actors below a supervisor.
fn paths(node: &SupervisionNode, prefix: &str, found: &mut Vec<String>) {
    for child in &node.children {
        let path = format!("{prefix}{}", child.name);
        paths(child, &format!("{path}/"), found);
        found.push(path);
    }
}

/// Kills the actor at a path; whether there was one.
pub async fn kill(cluster: &TestCluster, id: i32, path: &str) -> bool {
    let supervisor = cluster.with_node(id, |node| node.supervisor().clone());
    let supervisor = supervisor.expect("the node runs");
    // A supervisor that is being restarted itself does not answer.
    supervisor.kill(path, DEADLINE).await.unwrap_or(false)
}

/// Waits until every partition has a leader and all its replicas in sync.
async fn whole(cluster: &TestCluster, topic: &str) {
    cluster
        .until("all replicas are in sync", |image| {
            (0..PARTITIONS).all(|index| {
                let partition = image.partition(topic, index);
                partition.is_some_and(|p| p.leader >= 0 && p.isr.len() == 3)
            })
        })
        .await;
}

async fn produce(topic: Arc<TestTopic>, partition: i32, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let value = format!("{partition}-{}", sent.len());
        topic.produce(partition, &value).await;
        sent.push(value);
    }
    sent
}

#[test]
fn any_actor_may_be_killed_at_any_moment() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let orders = Arc::new(cluster.create_topic("orders", PARTITIONS, 3).await);
        let mut member = cluster.client("member");
        commit(&mut member, 1).await;
        let stop = Arc::new(AtomicBool::new(false));
        let producers: Vec<_> = (0..PARTITIONS)
            .map(|partition| spawn(produce(orders.clone(), partition, stop.clone())))
            .collect();
        let (clock, rng) = (cluster.clock(), Rng::from_entropy());
        let (mut kills, mut slowest) = (0, Duration::ZERO);
        for id in cluster.ids() {
            let supervisor = cluster.with_node(id, |node| node.supervisor().clone());
            let tree = supervisor.expect("it runs").tree(1_000, DEADLINE).await;
            let mut all = Vec::new();
            paths(&tree.expect("a tree"), "", &mut all);
            // A node survives three deaths of its highest actors in a minute, which here are one of each.
            let high = ["Ground", "Roles", "Edge"];
            let spared: Vec<_> = high.iter().filter(|_| id > 1).collect();
            all.retain(|path| !spared.contains(&&path.as_str()));
            for path in all {
                clock.sleep(Duration::from_micros(rng.below(20_000))).await;
                if !kill(&cluster, id, &path).await {
                    continue;
                }
                kills += 1;
                let since = clock.monotonic();
                for partition in 0..PARTITIONS {
                    orders.end(partition).await;
                }
                whole(&cluster, "orders").await;
                commit(&mut member, kills).await;
                let took = clock.monotonic() - since;
                println!("node {id}, {path}: whole after {took:?}");
                slowest = slowest.max(took);
            }
        }
        println!("{kills} kills, the slowest healed in {slowest:?}");
        assert!(kills > 40, "{kills}");
        stop.store(true, Ordering::Relaxed);
        for (partition, producer) in (0..PARTITIONS).zip(producers) {
            let sent = producer.await.expect("a producer does not panic");
            assert_eq!(
                orders.fetch(partition, 0).await,
                sent,
                "partition {partition}"
            );
        }
        assert_eq!(cluster.running(), [1, 2, 3], "no node ended");
        cluster.shutdown().await;
    });
}
