use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::clock::{Clock, SystemClock};
use odeon_mesh::{Cut, LocalNetwork, LocalOptions, Mesh};
use odeon_model::Uuid;

use super::{Recorder, config, directory, until};
use crate::{MeshPeers, ProposeError, Quorum, QuorumConfig, ReplicaId};

pub(super) const NODES: [i32; 3] = [1, 2, 3];
const LEASE: Duration = Duration::from_secs(4);

pub(super) struct Cluster {
    pub(super) dir: tempfile::TempDir,
    pub(super) network: LocalNetwork,
    pub(super) recorders: BTreeMap<i32, Recorder>,
    pub(super) quorums: BTreeMap<i32, Quorum>,
    adjust: fn(&mut QuorumConfig),
}

impl Cluster {
    pub(super) async fn start(adjust: fn(&mut QuorumConfig)) -> Self {
        let mut cluster = Self {
            dir: tempfile::tempdir().unwrap(),
            network: LocalNetwork::with_options(
                Arc::new(SystemClock::new()),
                // No message is larger than a snapshot's chunk or the largest entry, and its head.
                LocalOptions {
                    max_message_bytes: 260 * 1024,
                    ..LocalOptions::default()
                },
            ),
            recorders: BTreeMap::new(),
            quorums: BTreeMap::new(),
            adjust,
        };
        for node in NODES {
            cluster.boot(node).await;
        }
        cluster
    }

    pub(super) async fn boot(&mut self, node: i32) {
        self.boot_as(node, directory(node), &NODES).await;
    }

    /// Starts a node with a directory, and voters to found the cluster with or none to join it.
    pub(super) async fn boot_as(&mut self, node: i32, directory_id: Uuid, voters: &[i32]) {
        let recorder = Recorder::default();
        let dir = self.dir.path().join(format!("{node}-{directory_id}"));
        let peers = Arc::new(MeshPeers(Arc::new(self.network.node(node))));
        let mut config = config(node, voters, &dir, peers, &recorder);
        config.directory_id = directory_id;
        config.contacts = NODES.to_vec();
        config.endpoint = format!("node{node}:9093");
        (self.adjust)(&mut config);
        let quorum = Quorum::start(config).await.unwrap();
        self.recorders.insert(node, recorder);
        self.quorums.insert(node, quorum);
    }

    /// A node other than those in `without` that leads and is ready, and its term.
    pub(super) async fn leader(&self, without: &[i32]) -> (i32, u64) {
        let waits = self
            .quorums
            .iter()
            .filter(|(node, _)| !without.contains(node))
            .map(|(node, quorum)| {
                Box::pin(async { (*node, until(quorum, |role| role.ready).await.term) })
            });
        let ((node, term), _, _) = futures_util::future::select_all(waits).await;
        (node, term)
    }

    /// Proposes through whoever leads until it is applied.
    pub(super) async fn write(&self, text: &str, without: &[i32]) -> i32 {
        loop {
            let (node, term) = self.leader(without).await;
            let entry = Bytes::copy_from_slice(text.as_bytes());
            match self.quorums[&node].propose(term, entry).await {
                Ok(_) => return node,
                Err(ProposeError::NotLeader { .. } | ProposeError::TermChanged) => {}
                Err(error) => panic!("{error}"),
            }
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn settle(&self, node: i32, texts: &[String]) {
        let settled = tokio::time::timeout(Duration::from_secs(20), async {
            while self.recorders[&node].texts() != texts {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        settled.await.unwrap_or_else(|_| {
            panic!(
                "node {node} has {:?}, not {texts:?}",
                self.recorders[&node].texts()
            )
        });
    }

    pub(super) async fn stop(self) {
        for quorum in self.quorums.values() {
            assert_eq!(*quorum.failed().borrow(), None);
            quorum.shutdown().await;
        }
    }
}

pub(super) fn texts(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("entry {n}")).collect()
}

#[tokio::test]
async fn three_voters_elect_replicate_and_outlive_a_cut_leader() {
    let cluster = Cluster::start(|_| {}).await;
    let mut first = 0;
    for text in texts(0..20) {
        first = cluster.write(&text, &[]).await;
    }
    for node in NODES {
        cluster.settle(node, &texts(0..20)).await;
    }
    let old_term = cluster.quorums[&first].role().borrow().term;
    let status = cluster.quorums[&first].status();
    assert_eq!((status.leader_id, status.voters.len()), (first, 3));
    assert!(
        status.voters.iter().all(|voter| voter.log_end_offset > 0),
        "{status:?}"
    );

    cluster.network.isolate(first, Cut::Silent);
    let clock = SystemClock::new();
    let start = clock.monotonic();
    let second = cluster.write("entry 20", &[first]).await;
    println!(
        "leader cut off to the next commit: {:?}",
        clock.monotonic() - start
    );
    assert_ne!(first, second);
    until(&cluster.quorums[&first], |role| {
        !role.ready && role.leader.is_none()
    })
    .await;
    let deposed = cluster.quorums[&first].read_index().await;
    assert!(deposed.is_err(), "{deposed:?}");

    cluster.network.heal_all();
    until(&cluster.quorums[&first], |role| {
        role.term > old_term && !role.ready
    })
    .await;
    for node in NODES {
        cluster.settle(node, &texts(0..21)).await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_cut_leader_applies_nothing_and_says_that_it_does_not_know() {
    let cluster = Cluster::start(|config| {
        config.timers.propose = Duration::from_millis(1500);
    })
    .await;
    let first = cluster.write("entry 0", &[]).await;
    let term = cluster.quorums[&first].role().borrow().term;
    cluster.network.isolate(first, Cut::Known);
    let proposer = cluster.quorums[&first].proposer(term);
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..5 {
        let sender = sender.clone();
        let entry = Bytes::from(format!("lost {n}"));
        proposer.propose(entry, move |outcome| sender.send(outcome).unwrap());
    }
    for _ in 0..5 {
        let outcome = receiver.recv().await.unwrap();
        assert!(outcome.is_err(), "{outcome:?}");
    }
    cluster.write("entry 1", &[first]).await;
    cluster.network.heal_all();
    for node in NODES {
        cluster.settle(node, &texts(0..2)).await;
    }
    cluster.stop().await;
}

fn restored(cluster: &Cluster, node: i32) -> bool {
    let recorder = &cluster.recorders[&node];
    recorder.0.lock().unwrap().restored_at.is_some()
}

#[tokio::test]
async fn a_follower_far_behind_gets_a_snapshot_in_chunks() {
    let mut cluster = Cluster::start(|config| {
        config.limits.snapshot_entries = 10;
        config.limits.kept_entries = 0;
        config.limits.segment_bytes = 200_000;
    })
    .await;
    let first = cluster.write("entry 0", &[]).await;
    let behind = NODES.into_iter().find(|node| *node != first).unwrap();
    cluster.settle(behind, &texts(0..1)).await;
    let mut expected = texts(0..1);
    // A leader that is reading its log for the missing follower purges it a little later: then the
    // follower still finds all entries, and falls behind once more.
    for round in 0..10 {
        cluster.quorums.remove(&behind).unwrap().shutdown().await;
        for n in 0..40 {
            let big = format!("{:050000}", round * 40 + n);
            cluster.write(&big, &[behind]).await;
            expected.push(big);
        }
        cluster.boot(behind).await;
        cluster.settle(behind, &expected).await;
        if restored(&cluster, behind) {
            break;
        }
    }
    assert!(
        restored(&cluster, behind),
        "ten times behind, and never by a snapshot"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_restarted_cluster_has_everything() {
    let mut cluster = Cluster::start(|_| {}).await;
    for text in texts(0..10) {
        cluster.write(&text, &[]).await;
    }
    for node in NODES {
        cluster.quorums.remove(&node).unwrap().shutdown().await;
    }
    for node in NODES {
        cluster.boot(node).await;
    }
    cluster.write("entry 10", &[]).await;
    for node in NODES {
        cluster.settle(node, &texts(0..11)).await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_majority_in_a_chain_finds_a_leader() {
    // 1 - 2 - 3: 1 and 3 do not hear each other; whoever led, a leader must come that commits.
    let cluster = Cluster::start(|_| {}).await;
    let first = cluster.write("entry 0", &[]).await;
    let others: Vec<i32> = NODES.into_iter().filter(|node| *node != first).collect();
    cluster.network.cut(first, others[0], Cut::Silent);
    let start = SystemClock::new();
    for text in texts(1..10) {
        cluster.write(&text, &[]).await;
    }
    println!("nine commits in a chain: {:?}", start.monotonic());
    cluster.network.heal_all();
    for node in NODES {
        cluster.settle(node, &texts(0..10)).await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn the_lead_can_be_handed_over() {
    let cluster = Cluster::start(|_| {}).await;
    let first = cluster.write("entry 0", &[]).await;
    let to = NODES.into_iter().find(|node| *node != first).unwrap();
    let target = ReplicaId {
        node_id: to,
        directory_id: directory(to),
    };
    cluster.quorums[&first]
        .transfer_leader(target)
        .await
        .unwrap();
    until(&cluster.quorums[&to], |role| role.ready).await;
    cluster.write("entry 1", &[first]).await;
    cluster.stop().await;
}

#[tokio::test]
async fn voters_that_know_their_leader_dead_wait_for_no_time_out() {
    let cluster = Cluster::start(|config| {
        config.timers.election_min = Duration::from_secs(3);
        config.timers.election_max = LEASE;
    })
    .await;
    let first = cluster.write("entry 0", &[]).await;
    let term = cluster.quorums[&first].role().borrow().term;
    let others: Vec<i32> = NODES.into_iter().filter(|node| *node != first).collect();
    let tell = |dead: i32| {
        let told = others.iter().map(move |node| (node, dead));
        let told = told.map(|(node, dead)| cluster.quorums[node].node_died(dead));
        futures_util::future::join_all(told)
    };
    // Of no consequence: it does not lead.
    tell(others[0]).await;
    assert_eq!(cluster.quorums[&first].role().borrow().term, term);
    cluster.network.isolate(first, Cut::Silent);
    let clock = SystemClock::new();
    let cut = clock.monotonic();
    let without = [first];
    let (second, _) = tokio::join!(cluster.write("entry 1", &without), tell(first));
    let took = clock.monotonic() - cut;
    // Nobody could be elected by the end of a time-out before the lease has ended.
    assert!(took < LEASE && second != first, "{took:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn noise_from_the_network_is_refused_and_harms_nothing() {
    let cluster = Cluster::start(|_| {}).await;
    let first = cluster.write("entry 0", &[]).await;
    let stranger = cluster.network.node(9);
    let rng = odeon_kernel::Rng::from_seed(1);
    for len in 0..200 {
        let noise: Vec<u8> = (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
        let call = stranger.call(first, "raft", noise.into(), Duration::from_secs(5));
        let reply = call.await.unwrap();
        assert!(
            String::from_utf8_lossy(&reply).contains("Refused"),
            "{reply:?}"
        );
    }
    cluster.write("entry 1", &[]).await;
    cluster.stop().await;
}
