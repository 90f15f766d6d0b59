//! Replicas that come, vote and go.

use std::time::Duration;

use odeon_kernel::clock::{Clock, SystemClock};
use odeon_model::Uuid;

use super::three::{Cluster, NODES, texts};
use super::{directory, until};
use crate::{MemberError, QuorumStatus, ReplicaId};

fn replica(node_id: i32) -> ReplicaId {
    ReplicaId {
        node_id,
        directory_id: directory(node_id),
    }
}

impl Cluster {
    /// What the leader says once it is as wanted.
    async fn described(
        &self,
        through: i32,
        wanted: impl Fn(&QuorumStatus) -> bool,
    ) -> QuorumStatus {
        let last = std::cell::RefCell::new(String::new());
        let clock = SystemClock::new();
        let looking = async {
            loop {
                let status = self.quorums[&through].describe().await;
                last.replace(format!("{status:?}"));
                match status {
                    Ok(status) if wanted(&status) => return status,
                    _ => clock.sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(20), looking).await;
        found.unwrap_or_else(|_| panic!("not in time: {}", last.borrow()))
    }
}

fn voters(status: &QuorumStatus) -> Vec<(i32, Uuid)> {
    let voters = status.voters.iter();
    voters.map(|one| (one.node_id, one.directory_id)).collect()
}

fn observers(status: &QuorumStatus) -> Vec<i32> {
    status.observers.iter().map(|one| one.node_id).collect()
}

#[tokio::test]
async fn a_replica_without_a_vote_follows_and_is_listed_by_everybody() {
    let mut cluster = Cluster::start(|_| {}).await;
    for text in texts(0..5) {
        cluster.write(&text, &[]).await;
    }
    cluster.boot_as(4, directory(4), &[]).await;
    cluster.settle(4, &texts(0..5)).await;
    let (leader, term) = cluster.leader(&[4]).await;
    for node in [1, 2, 3, 4] {
        let status = cluster
            .described(node, |status| {
                let mut all = status.voters.iter().chain(&status.observers);
                all.all(|one| one.log_end_offset == status.high_watermark)
            })
            .await;
        assert_eq!((status.leader_id, status.leader_epoch), (leader, term));
        assert_eq!(voters(&status), NODES.map(|id| (id, directory(id))));
        assert_eq!(observers(&status), [4]);
    }
    // A majority of the voters decides, whoever else follows.
    cluster.write("entry 5", &[4]).await;
    cluster.settle(4, &texts(0..6)).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_voter_that_lost_its_disk_votes_as_another_and_only_once_it_has_caught_up() {
    let mut cluster = Cluster::start(|_| {}).await;
    for text in texts(0..5) {
        cluster.write(&text, &[]).await;
    }
    let (leader, _) = cluster.leader(&[]).await;
    let lost = NODES.into_iter().find(|node| *node != leader).unwrap();
    cluster.quorums.remove(&lost).unwrap().shutdown().await;
    let new = Uuid([99; 16]);
    cluster.boot_as(lost, new, &[]).await;
    // In place of its old self.
    let is_new =
        |status: &QuorumStatus| voters(status).contains(&(lost, new)) && status.voters.len() == 3;
    let status = cluster.described(lost, is_new).await;
    assert_eq!(observers(&status), [0_i32; 0]);
    cluster.settle(lost, &texts(0..5)).await;
    // And its vote counts: with another one gone, it is needed.
    let gone = NODES
        .into_iter()
        .find(|node| ![leader, lost].contains(node))
        .unwrap();
    cluster.quorums.remove(&gone).unwrap().shutdown().await;
    cluster.write("entry 5", &[gone]).await;
    cluster.settle(lost, &texts(0..6)).await;
    cluster.stop().await;
}

#[tokio::test]
async fn voters_are_added_and_removed_by_node_and_directory() {
    let mut cluster = Cluster::start(|_| {}).await;
    cluster.write("entry 0", &[]).await;
    let (leader, _) = cluster.leader(&[]).await;
    let follower = NODES.into_iter().find(|node| *node != leader).unwrap();
    let ask = cluster.quorums[&follower].clone();

    let taken = ask.add_voter(replica(leader)).await;
    assert!(
        matches!(taken, Err(MemberError::DuplicateVoter(_))),
        "{taken:?}"
    );
    let other = ReplicaId {
        directory_id: Uuid([99; 16]),
        ..replica(leader)
    };
    let taken = ask.add_voter(other).await;
    assert!(
        matches!(taken, Err(MemberError::DuplicateVoter(_))),
        "{taken:?}"
    );
    let unknown = ask.remove_voter(other).await;
    assert!(
        matches!(unknown, Err(MemberError::VoterNotFound(_))),
        "{unknown:?}"
    );
    let absent = ask.add_voter(replica(4)).await;
    assert!(matches!(absent, Err(MemberError::NotNow(_))), "{absent:?}");

    cluster.boot_as(4, directory(4), &[]).await;
    cluster.settle(4, &texts(0..1)).await;
    let follows = |status: &QuorumStatus| {
        let ends = status.observers.iter().map(|one| one.log_end_offset);
        ends.eq([status.high_watermark])
    };
    cluster.described(follower, follows).await;
    ask.add_voter(replica(4)).await.unwrap();
    let status = cluster
        .described(4, |status| status.voters.len() == 4)
        .await;
    assert_eq!(observers(&status), [0_i32; 0]);

    // The leader itself: it goes on without a vote, and another leads.
    ask.remove_voter(replica(leader)).await.unwrap();
    let status = cluster
        .described(follower, |status| observers(status) == [leader])
        .await;
    assert_ne!(status.leader_id, leader);
    cluster.write("entry 1", &[leader]).await;
    cluster.settle(leader, &texts(0..2)).await;
    cluster.stop().await;
}

#[tokio::test]
async fn the_last_voter_cannot_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let quorum = crate::Quorum::start(super::alone(dir.path(), &super::Recorder::default()));
    let quorum = quorum.await.unwrap();
    super::ready(&quorum).await;
    let last = quorum.remove_voter(replica(1)).await;
    assert!(
        matches!(last, Err(MemberError::VoterNotFound(_))),
        "{last:?}"
    );
    assert_eq!(
        voters(&quorum.describe().await.unwrap()),
        [(1, directory(1))]
    );
    quorum.shutdown().await;
}

#[tokio::test]
async fn a_leader_that_stops_hands_over_before_it_does() {
    let mut cluster = Cluster::start(|config| {
        // Nobody would stand for election by itself for long.
        config.timers.election_min = Duration::from_secs(2);
        config.timers.election_max = Duration::from_secs(3);
    })
    .await;
    cluster.write("entry 0", &[]).await;
    let (leader, _) = cluster.leader(&[]).await;
    let clock = SystemClock::new();
    let before = clock.monotonic();
    cluster.quorums.remove(&leader).unwrap().shutdown().await;
    cluster.write("entry 1", &[leader]).await;
    let took = clock.monotonic() - before;
    assert!(took < Duration::from_millis(1500), "{took:?}");
    let other = NODES.into_iter().find(|node| *node != leader).unwrap();
    until(&cluster.quorums[&other], |role| role.leader.is_some()).await;
    cluster.stop().await;
}
