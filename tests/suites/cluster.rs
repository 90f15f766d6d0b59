//! Three nodes in this process, on real time.

use std::collections::BTreeSet;
use std::time::Duration;

use odeon_kernel::spawn;
use odeon_model::ErrorCode;
use odeon_tests::cluster::ops::Trouble;
use odeon_tests::{ClusterClient, TestCluster};

mod damage;
mod disks;
mod failing;
mod killed;
mod members;
mod moves;

/// Runs a test on several threads, as nodes have them. With `RUST_LOG` set, what these say is printed.
fn threads(test: impl Future<Output = ()> + Send + 'static) {
    if std::env::var_os("RUST_LOG").is_some() {
        // The first test of a process does it for all.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).try_init();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { spawn(Box::pin(test)).await.unwrap() });
    runtime.shutdown_background();
}

#[test]
fn three_nodes_become_one_cluster_and_spread_a_topic() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        assert!(cluster.controller().is_some());
        cluster.create_topic("orders", 6, 3).await;
        let mut client = cluster.client("reader");
        for via in cluster.ids() {
            let mut leaders = BTreeSet::new();
            for partition in 0..6 {
                // The creation was answered when it was applied on one node; others follow.
                let leader = loop {
                    match client.find_leader(via, "orders", partition).await {
                        Ok(leader) => break leader,
                        Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                    }
                };
                leaders.insert(leader);
            }
            assert_eq!(leaders.len(), 3, "as node {via} says");
        }
        cluster.shutdown().await;
    });
}

#[test]
fn a_follower_sends_who_asks_for_what_it_lacks_to_the_leader() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let orders = cluster.create_topic("orders", 1, 3).await;
        let offset = orders.produce(0, "a").await;
        let leader = orders.leader(0).await;
        let mut client = cluster.client("reader");
        for id in cluster.ids() {
            // A follower hears with the next answer what consumers may see.
            let found = loop {
                match client.fetch(id, "orders", 0, offset, 100).await {
                    Ok((records, _)) if !records.is_empty() => break records,
                    _ => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            };
            assert_eq!(found, [(offset, "a".to_owned())]);
            let beyond = client.fetch(id, "orders", 0, offset + 100, 100).await;
            let code = match id == leader {
                true => ErrorCode::OffsetOutOfRange,
                false => ErrorCode::NotLeaderOrFollower,
            };
            assert!(
                matches!(beyond, Err(Trouble::Code(found)) if found == code),
                "node {id}: {beyond:?}"
            );
        }
        cluster.shutdown().await;
    });
}

#[test]
fn an_acknowledged_record_survives_its_leader() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let orders = cluster.create_topic("orders", 1, 3).await;
        let offset = orders.produce(0, "a").await;
        let leader = orders.leader(0).await;
        cluster.kill(leader);
        let next = orders.produce(0, "b").await;
        assert_eq!(orders.fetch(0, offset).await, ["a", "b"]);
        assert!(next > offset);
        assert_ne!(orders.leader(0).await, leader);
        cluster.restart(leader).await;
        cluster
            .until("all replicas are in sync", |image| {
                image
                    .partition("orders", 0)
                    .is_some_and(|p| p.isr.len() == 3)
            })
            .await;
        cluster.shutdown().await;
    });
}

#[test]
fn a_killed_controller_is_replaced_and_its_partitions_too() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let orders = cluster.create_topic("orders", 3, 3).await;
        for partition in 0..3 {
            orders.produce(partition, "a").await;
        }
        let controller = cluster.controller().unwrap();
        cluster.kill(controller);
        for partition in 0..3 {
            orders.produce(partition, "b").await;
            assert_eq!(orders.fetch(partition, 0).await, ["a", "b"]);
        }
        assert_ne!(cluster.controller(), Some(controller));
        cluster.shutdown().await;
    });
}

#[test]
fn a_node_that_is_stopped_hands_over_what_it_leads() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let orders = cluster.create_topic("orders", 3, 3).await;
        orders.produce(0, "a").await;
        let leader = orders.leader(0).await;
        assert_eq!(cluster.stop(leader).await, 1);
        // Nobody waits for a session: others lead before it is gone.
        for partition in 0..3 {
            let (now, _) = cluster.leader_of("orders", partition).unwrap();
            assert_ne!(now, leader, "partition {partition}");
        }
        orders.produce(0, "b").await;
        assert_eq!(orders.fetch(0, 0).await, ["a", "b"]);
        cluster.restart(leader).await;
        cluster.shutdown().await;
    });
}

#[test]
fn a_cut_off_leader_is_replaced_within_seconds_and_acknowledges_nothing_more() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let orders = cluster.create_topic("orders", 1, 3).await;
        let first = orders.produce(0, "a").await;
        let leader = orders.leader(0).await;
        cluster.isolate(leader);
        let mut cut = cluster
            .client("cut off")
            .answers_within(Duration::from_secs(4));
        let batch = odeon_tests::records::batch(1_000, &["lost"]);
        let lost = spawn(async move { cut.produce(leader, "orders", 0, batch).await });
        let clock = cluster.clock();
        let since = clock.monotonic();
        cluster
            .until("another leads", |image| {
                image
                    .partition("orders", 0)
                    .is_some_and(|p| p.leader != leader)
            })
            .await;
        let took = clock.monotonic() - since;
        assert!(took < Duration::from_secs(4), "{took:?}");
        let end = loop {
            // The one that is cut off still believes that it leads.
            let mut client = cluster
                .client("writer")
                .answers_within(Duration::from_secs(1));
            let (now, _) = cluster.leader_of("orders", 0).unwrap();
            let batch = odeon_tests::records::batch(1_000, &["b"]);
            if let Ok(offset) = client.produce(now, "orders", 0, batch).await {
                break offset;
            }
        };
        assert!(end > first);
        assert!(lost.await.unwrap().is_err());
        cluster.heal();
        // As in Kafka, a leader that has not heard of its successor answers readers with what it has.
        let knows = || {
            let image = cluster.image(leader);
            let found = image.and_then(|image| image.partition("orders", 0).cloned());
            found.is_some_and(|partition| partition.leader != leader)
        };
        while !knows() {
            clock.sleep(Duration::from_millis(1)).await;
        }
        let found = orders.fetch(0, 0).await;
        assert!(!found.contains(&"lost".to_owned()), "{found:?}");
        let last = found.last().map(String::as_str);
        assert_eq!((&*found[0], last), ("a", Some("b")));
        cluster.shutdown().await;
    });
}

#[test]
fn committed_offsets_survive_their_coordinator() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        cluster.create_topic("orders", 1, 3).await;
        let mut client = cluster.client("member");
        let coordinator = commit(&mut client, 7).await;
        cluster.kill(coordinator);
        let found = 'found: loop {
            for via in cluster.running() {
                let Ok(now) = client.find_coordinator(via, "readers").await else {
                    continue;
                };
                if let Ok(offset) = client.committed(now, "readers", "orders", 0).await {
                    break 'found offset;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(found, 7);
        assert_ne!(commit(&mut client, 8).await, coordinator);
        cluster.shutdown().await;
    });
}

/// Commits an offset of the group `readers`; which node took it.
async fn commit(client: &mut ClusterClient, offset: i64) -> i32 {
    loop {
        for via in client.cluster().running() {
            let Ok(coordinator) = client.find_coordinator(via, "readers").await else {
                continue;
            };
            let place = ("orders", 0, offset);
            if client
                .commit(coordinator, "readers", None, place)
                .await
                .is_ok()
            {
                return coordinator;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
