//! What the disks of a cluster do to it: slow syncs, lost writes, no room.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use odeon_kernel::sim::DiskOp;
use odeon_kernel::{TaskGuard, spawn};
use odeon_model::{ErrorCode, TopicPartition};
use odeon_tests::cluster::TestTopic;
use odeon_tests::cluster::ops::Trouble;
use odeon_tests::records::{batch, batch_of};
use odeon_tests::{ClusterBuilder, TestCluster};

use super::threads;

/// A gate that is open or shut, and whoever finds it shut waits.
#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut is_shut = self.is_shut.lock().unwrap();
        while *is_shut {
            is_shut = self.opened.wait(is_shut).unwrap();
        }
    }

    /// Like `pass`, but whoever waited for so long goes through.
    fn pass_within(&self, limit: Duration) {
        let is_shut = self.is_shut.lock().unwrap();
        let waited = self.opened.wait_timeout_while(is_shut, limit, |shut| *shut);
        drop(waited.unwrap());
    }

    fn shut(&self, shut: bool) {
        *self.is_shut.lock().unwrap() = shut;
        self.opened.notify_all();
    }
}

/// A replica's log end, and what of it is on its disk.
fn ends(cluster: &TestCluster, id: i32, topic: &str) -> (i64, i64) {
    let name = TopicPartition::new(topic, 0);
    let log = cluster.with_node(id, |node| node.handle().logs.get(&name));
    let log = log.flatten().expect("the node has the log");
    (log.view().log_end(), log.view().flushed())
}

async fn follower(cluster: &TestCluster, topic: &TestTopic) -> (i32, i32) {
    let leader = topic.leader(0).await;
    let follower = cluster.ids().find(|id| *id != leader);
    (leader, follower.expect("there are three"))
}

#[test]
fn no_acknowledgement_precedes_a_followers_sync_and_its_pull_does_not_wait_for_it() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let orders = cluster.create_topic("orders", 1, 3).await;
        let (leader, slow) = follower(&cluster, &orders).await;
        orders.produce(0, "before").await;
        let gate = Arc::new(Gate::default());
        let guard = gate.clone();
        cluster
            .disk(slow)
            .set_hook(Arc::new(move |op, path: &Path| {
                if op == DiskOp::SyncData && path.to_string_lossy().contains("orders-0") {
                    guard.pass();
                }
                Ok(())
            }));
        gate.shut(true);
        let before = ends(&cluster, slow, "orders");
        let waiting = {
            let mut client = cluster.client("all");
            let record = batch(cluster.clock().now_ms(), &["acknowledged by all"]);
            TaskGuard::spawn(async move { client.produce(leader, "orders", 0, record).await })
        };
        // Everything is pulled while the sync stands.
        let clock = cluster.clock();
        let target = before.0 + 1;
        while ends(&cluster, slow, "orders").0 < target {
            clock.sleep(Duration::from_millis(1)).await;
        }
        let mut client = cluster.client("leader's word");
        for _ in 0..50 {
            let value = "x".repeat(100_000);
            let record = batch(clock.now_ms(), &[&value]);
            client
                .produce_for_leader(leader, "orders", 0, record)
                .await
                .unwrap();
        }
        while ends(&cluster, slow, "orders").0 < target + 50 {
            clock.sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(
            ends(&cluster, slow, "orders").1,
            before.1,
            "nothing was synced"
        );
        assert!(!waiting.is_finished(), "acknowledged before the sync");
        assert_eq!(orders.end(0).await, before.0, "readers see it");
        gate.shut(false);
        let mut waiting = waiting;
        let offset = waiting
            .join()
            .await
            .expect("no panic")
            .expect("acknowledged");
        assert!(ends(&cluster, slow, "orders").1 > offset);
        cluster.shutdown().await;
    });
}

/// Bytes that a follower pulls, in batches of a MB.
const PULLED_MB: usize = 100;
/// How long a slow disk takes for each sync.
const SLOW_SYNC: Duration = Duration::from_millis(50);

/// How long a follower that was away takes to pull 100 MB, when each sync of its log takes so long.
/// Then checks that acknowledgements wait for these syncs, and how long they take at least.
async fn pull(sync: Duration) -> (Duration, Duration) {
    let cluster = TestCluster::start(3).await;
    let bulk = cluster.create_topic("bulk", 1, 3).await;
    let (leader, slow) = follower(&cluster, &bulk).await;
    cluster.kill(slow);
    let clock = cluster.clock();
    // With its header a batch of a MB, and less than what brokers take by default.
    let value = "x".repeat(1_000_000);
    let mut client = cluster.client("leader's word");
    for _ in 0..PULLED_MB {
        let record = batch(clock.now_ms(), &[&value]);
        let sent = client.produce_for_leader(leader, "bulk", 0, record).await;
        sent.expect("the leader takes it");
    }
    let gate = Gate::default();
    gate.shut(true);
    cluster
        .disk(slow)
        .set_hook(Arc::new(move |op, path: &Path| {
            if op == DiskOp::SyncData && path.to_string_lossy().contains("bulk-0") {
                gate.pass_within(sync);
            }
            Ok(())
        }));
    cluster.restart(slow).await;
    let (since, before) = (clock.monotonic(), ends(&cluster, slow, "bulk").0);
    let target = ends(&cluster, leader, "bulk").0;
    assert!(before < target / 10, "it was pulled while the node started");
    while ends(&cluster, slow, "bulk").0 < target {
        clock.sleep(Duration::from_millis(1)).await;
    }
    let took = clock.monotonic() - since;
    cluster
        .until("it is in sync", |image| {
            let partition = image.partition("bulk", 0);
            partition.is_some_and(|partition| partition.isr.contains(&slow))
        })
        .await;
    let mut fastest = Duration::MAX;
    for n in 0..20 {
        let since = clock.monotonic();
        let offset = bulk.produce(0, &format!("{n}")).await;
        fastest = fastest.min(clock.monotonic() - since);
        let flushed = ends(&cluster, slow, "bulk").1;
        assert!(
            flushed > offset,
            "{offset} is acknowledged, {flushed} synced"
        );
    }
    cluster.shutdown().await;
    (took, fastest)
}

#[test]
fn a_pull_is_not_slowed_by_slow_syncs_and_no_acknowledgement_precedes_one() {
    threads(async {
        let (quick, quick_ack) = pull(Duration::ZERO).await;
        let (slow, slow_ack) = pull(SLOW_SYNC).await;
        println!(
            "{PULLED_MB} MB pulled in {quick:?}, and in {slow:?} with syncs of {SLOW_SYNC:?}; \
             the fastest acknowledgement took {quick_ack:?}, and {slow_ack:?}"
        );
        assert!(slow_ack >= SLOW_SYNC, "{slow_ack:?}");
        // Both depend on what else the machine does.
        assert!(slow < quick * 3, "{slow:?}, and {quick:?} without");
    });
}

#[test]
fn a_cluster_whose_power_goes_as_a_whole_keeps_what_it_acknowledged() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        for round in 0..3 {
            // With a producer of its own: one that is cut off does not know what became of its last.
            let orders = Arc::new(cluster.create_topic("orders", 3, 3).await);
            let acknowledged = Arc::new(Mutex::new(vec![Vec::new(); 3]));
            let producers: Vec<_> = (0..3)
                .map(|partition| {
                    let (orders, acknowledged) = (orders.clone(), acknowledged.clone());
                    TaskGuard::spawn(async move {
                        for n in 0.. {
                            let value = format!("{round} {n}");
                            let offset = orders.produce(partition, &value).await;
                            acknowledged.lock().unwrap()[partition as usize].push((offset, value));
                        }
                    })
                })
                .collect();
            while acknowledged
                .lock()
                .unwrap()
                .iter()
                .any(|done| done.len() < 20)
            {
                cluster.clock().sleep(Duration::from_millis(1)).await;
            }
            for id in cluster.ids() {
                cluster.power_cut_losing_all(id);
            }
            let promised = acknowledged.lock().unwrap().clone();
            drop(producers);
            let boots: Vec<_> = cluster
                .ids()
                .map(|id| spawn(cluster.clone().boot(id)))
                .collect();
            for boot in boots {
                boot.await.unwrap().unwrap();
            }
            for (partition, promised) in (0..).zip(promised) {
                let first = promised[0].0;
                let found = orders.fetch(partition, first).await;
                for (offset, value) in promised {
                    let at = (offset - first) as usize;
                    assert_eq!(
                        found.get(at),
                        Some(&value),
                        "partition {partition}, {offset}"
                    );
                }
            }
        }
        cluster.shutdown().await;
    });
}

/// While it is shut, a node's disk has no room for records of `orders`.
fn no_room_for_orders(cluster: &TestCluster, node: i32) -> Arc<Gate> {
    let no_room = Arc::new(Gate::default());
    no_room.shut(true);
    let guard = no_room.clone();
    cluster
        .disk(node)
        .set_hook(Arc::new(move |op, path: &Path| {
            let is_data = path.to_string_lossy().contains("orders-0");
            match op == DiskOp::Write && is_data && *guard.is_shut.lock().unwrap() {
                true => Err(std::io::ErrorKind::StorageFull.into()),
                false => Ok(()),
            }
        }));
    no_room
}

#[test]
fn a_follower_without_room_holds_up_nobody_for_long_and_comes_back() {
    threads(async {
        let cluster = ClusterBuilder::new(3).set("replica.lag.time.max.ms", "600");
        let cluster = cluster.start().await;
        let orders = cluster.create_topic("orders", 1, 3).await;
        let (_, full) = follower(&cluster, &orders).await;
        orders.produce(0, "before").await;
        let no_room = no_room_for_orders(&cluster, full);
        for n in 0..10 {
            orders.produce(0, &format!("without {n}")).await;
        }
        let isr = |image: &odeon_metadata::MetadataImage| {
            image.partition("orders", 0).map_or(0, |p| p.isr.len())
        };
        cluster
            .until("it left the ISR", |image| isr(image) == 2)
            .await;
        no_room.shut(false);
        cluster.until("it is back", |image| isr(image) == 3).await;
        assert_eq!(orders.fetch(0, 0).await.len(), 11);
        cluster.shutdown().await;
    });
}

#[test]
fn a_leader_without_room_tells_a_producer_nothing_that_makes_it_start_over() {
    threads(async {
        let cluster = ClusterBuilder::new(1).start().await;
        let orders = cluster.create_topic("orders", 1, 1).await;
        let leader = orders.leader(0).await;
        let mut client = cluster.client("producer");
        let (id, epoch) = client.init_producer(leader).await.unwrap();
        let batch = |sequence| batch_of((id, epoch, sequence), &["a"]);
        let first = client.produce(leader, "orders", 0, batch(0)).await;
        assert_eq!(first.unwrap(), 0);
        let no_room = no_room_for_orders(&cluster, leader);
        // The second is out of sequence by the leader's fault.
        for (sequence, code) in [
            (1, ErrorCode::KafkaStorageError),
            (2, ErrorCode::NotLeaderOrFollower),
        ] {
            let refused = client.produce(leader, "orders", 0, batch(sequence)).await;
            assert!(
                matches!(refused, Err(Trouble::Code(found)) if found == code),
                "{sequence}: {refused:?}"
            );
        }
        no_room.shut(false);
        for sequence in [1, 2] {
            let again = client.produce(leader, "orders", 0, batch(sequence)).await;
            assert_eq!(again.unwrap(), i64::from(sequence));
        }
        // Now the gap is the producer's own.
        let gap = client.produce(leader, "orders", 0, batch(9)).await;
        assert!(matches!(
            gap,
            Err(Trouble::Code(ErrorCode::OutOfOrderSequenceNumber))
        ));
        cluster.shutdown().await;
    });
}
