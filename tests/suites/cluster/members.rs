//! Who votes, who only follows, and where replicas are.

use std::collections::BTreeSet;
use std::path::Path;

use odeon_kernel::disk::Disk;
use odeon_model::{ErrorCode, NodeId, Uuid};
use odeon_protocol::messages as m;
use odeon_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use odeon_protocol::messages::describe_quorum_request;
use odeon_protocol::messages::describe_quorum_response::PartitionData;
use odeon_protocol::messages::elect_leaders_request::TopicPartitions;
use odeon_tests::cluster::ClusterBuilder;
use odeon_tests::{ClusterClient, TestCluster};

use super::threads;

/// What a node says of the quorum, once it is as wanted.
async fn quorum(
    client: &mut ClusterClient,
    via: NodeId,
    wanted: impl Fn(&PartitionData) -> bool,
) -> PartitionData {
    let request = m::DescribeQuorumRequest {
        topics: vec![describe_quorum_request::TopicData {
            topic_name: "__cluster_metadata".to_owned(),
            partitions: vec![describe_quorum_request::PartitionData::default()],
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut last = None;
    for _ in 0..2_000 {
        if let Ok(mut answer) = client.call(via, 2, &request).await {
            let partition = answer.topics.remove(0).partitions.remove(0);
            if partition.error_code == 0 && wanted(&partition) {
                return partition;
            }
            last = Some(partition);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("in vain: {last:?}");
}

fn ids(replicas: &[m::describe_quorum_response::ReplicaState]) -> Vec<NodeId> {
    replicas.iter().map(|replica| replica.replica_id).collect()
}

/// Moves the first partition of a topic, or takes the move back.
pub async fn reassign(
    client: &mut ClusterClient,
    via: NodeId,
    topic: &str,
    replicas: Option<&[NodeId]>,
) -> ErrorCode {
    let partition = ReassignablePartition {
        replicas: replicas.map(<[_]>::to_vec),
        ..Default::default()
    };
    let request = m::AlterPartitionReassignmentsRequest {
        topics: vec![ReassignableTopic {
            name: topic.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = client.call(via, 1, &request).await.unwrap();
    assert_eq!(answer.error_code, 0, "{answer:?}");
    ErrorCode::from_code(answer.responses[0].partitions[0].error_code)
}

pub async fn until_on(cluster: &TestCluster, topic: &str, replicas: &[NodeId]) {
    let what = format!("{topic}-0 on {replicas:?}");
    cluster
        .until(&what, |image| {
            let partition = image.partition(topic, 0);
            partition.is_some_and(|partition| {
                let mut isr = partition.isr.clone();
                let mut wanted = replicas.to_vec();
                isr.sort_unstable();
                wanted.sort_unstable();
                partition.replicas == replicas && !partition.is_reassigning() && isr == wanted
            })
        })
        .await;
}

#[test]
fn a_node_that_is_only_a_broker_follows_the_quorum_and_takes_replicas() {
    threads(async {
        let cluster = ClusterBuilder::new(4).voters(3).start().await;
        let mut client = cluster.client("admin");
        for via in cluster.ids() {
            let told = quorum(&mut client, via, |told| ids(&told.observers) == [4]).await;
            assert_eq!(ids(&told.current_voters), [1, 2, 3]);
        }
        let topic = cluster.create_topic("orders", 1, 1).await;
        let first = topic.produce(0, "a").await;
        for replicas in [&[4, 1, 2][..], &[4], &[2, 3, 1]] {
            let code = reassign(&mut client, 4, "orders", Some(replicas)).await;
            assert_eq!(code, ErrorCode::None);
            topic.produce(0, "b").await;
            until_on(&cluster, "orders", replicas).await;
        }
        topic.produce(0, "c").await;
        assert_eq!(topic.fetch(0, first).await, ["a", "b", "b", "b", "c"]);
        let none = reassign(&mut client, 1, "orders", None).await;
        assert_eq!(none, ErrorCode::NoReassignmentInProgress);
        cluster.shutdown().await;
    });
}

/// Nothing is ever appended, so the new replica has only one thing to say, and says it to a leader that
/// does not know of it.
#[test]
fn a_replica_that_speaks_before_its_leader_knows_of_it_is_heard_later() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let quiet = cluster.create_topic("quiet", 1, 1).await;
        let mut client = cluster.client("admin");
        let controller = cluster.controller().expect("a controller");
        let other = cluster.ids().find(|id| *id != controller).unwrap();
        let third = 6 - controller - other;
        let code = reassign(&mut client, controller, "quiet", Some(&[other])).await;
        assert_eq!(code, ErrorCode::None);
        until_on(&cluster, "quiet", &[other]).await;
        assert_eq!(quiet.leader(0).await, other);
        cluster.cut(other, controller);
        let code = reassign(&mut client, controller, "quiet", Some(&[other, third])).await;
        assert_eq!(code, ErrorCode::None);
        while !has_log(&mut client, third, "quiet").await {
            tokio::task::yield_now().await;
        }
        cluster.heal();
        until_on(&cluster, "quiet", &[other, third]).await;
        cluster.shutdown().await;
    });
}

async fn has_log(client: &mut ClusterClient, node: NodeId, topic: &str) -> bool {
    let request = m::DescribeLogDirsRequest {
        topics: None,
        ..Default::default()
    };
    let answer = client.call(node, 4, &request).await.unwrap();
    let mut topics = answer.results.iter().flat_map(|dir| &dir.topics);
    topics.any(|found| found.name == topic)
}

#[test]
fn a_metadata_log_that_lies_apart_has_a_directory_id_of_its_own() {
    threads(async {
        let builder = ClusterBuilder::new(3).set("metadata.log.dir", "/metadata");
        let cluster = builder.start().await;
        let mut client = cluster.client("admin");
        let directories = |told: &PartitionData| -> Vec<Uuid> {
            let voters = told.current_voters.iter();
            voters.map(|voter| voter.replica_directory_id).collect()
        };
        let all = |told: &PartitionData| told.current_voters.len() == 3;
        let before = directories(&quorum(&mut client, 1, all).await);
        assert!(before.iter().all(|id| !id.is_zero()));
        cluster.kill(2);
        cluster.restart(2).await;
        let told = quorum(&mut client, 2, |told| {
            all(told) && directories(told) == before
        })
        .await;
        assert!(told.observers.is_empty());
        cluster.shutdown().await;
    });
}

#[test]
fn a_move_that_cannot_end_is_listed_and_taken_back() {
    threads(async {
        let cluster = ClusterBuilder::new(4).voters(3).start().await;
        let topic = cluster.create_topic("orders", 1, 1).await;
        let leader = topic.leader(0).await;
        let first = topic.produce(0, "a").await;
        cluster.kill(4);
        let mut client = cluster.client("admin");
        let code = reassign(&mut client, 1, "orders", Some(&[4])).await;
        let code = match (leader, code) {
            // It was there already, and is gone.
            (4, _) => return cluster.shutdown().await,
            (_, code) => code,
        };
        assert_eq!(code, ErrorCode::None);
        let request = m::ListPartitionReassignmentsRequest {
            topics: None,
            ..Default::default()
        };
        let listed = client.call(1, 0, &request).await.unwrap();
        let moving = &listed.topics[0].partitions[0];
        assert_eq!(
            (&*moving.adding_replicas, &*moving.removing_replicas),
            (&[4][..], &[leader][..])
        );
        assert_eq!(
            reassign(&mut client, 2, "orders", None).await,
            ErrorCode::None
        );
        until_on(&cluster, "orders", &[leader]).await;
        topic.produce(0, "b").await;
        assert_eq!(topic.fetch(0, first).await, ["a", "b"]);
        cluster.shutdown().await;
    });
}

#[test]
fn a_preferred_leader_is_elected_on_request() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let topic = cluster.create_topic("orders", 1, 3).await;
        let preferred = topic.leader(0).await;
        topic.produce(0, "a").await;
        cluster.kill(preferred);
        topic.produce(0, "b").await;
        cluster.restart(preferred).await;
        cluster
            .until("all in sync", |image| {
                image
                    .partition("orders", 0)
                    .is_some_and(|p| p.isr.len() == 3)
            })
            .await;
        assert_ne!(topic.leader(0).await, preferred);
        let request = m::ElectLeadersRequest {
            topic_partitions: Some(vec![TopicPartitions {
                topic: "orders".to_owned(),
                partitions: vec![0],
                ..Default::default()
            }]),
            ..Default::default()
        };
        let mut client = cluster.client("admin");
        let answer = client.call(preferred, 2, &request).await.unwrap();
        let result = &answer.replica_election_results[0].partition_result[0];
        assert_eq!(ErrorCode::from_code(result.error_code), ErrorCode::None);
        assert_eq!(cluster.leader_of("orders", 0).unwrap().0, preferred);
        topic.produce(0, "c").await;
        cluster.shutdown().await;
    });
}

#[test]
fn a_node_that_lost_its_disk_comes_back_as_another_voter_and_gets_its_replicas() {
    threads(async {
        let cluster = TestCluster::start(3).await;
        let topic = cluster.create_topic("orders", 1, 3).await;
        let first = topic.produce(0, "a").await;
        let mut client = cluster.client("admin");
        let all = |told: &PartitionData| told.current_voters.len() == 3;
        let before = quorum(&mut client, 1, all).await;
        let lost = topic.leader(0).await;
        cluster.kill(lost);
        topic.produce(0, "b").await;
        cluster
            .disk(lost)
            .remove_dir_all(Path::new("/data"))
            .unwrap();
        cluster.restart(lost).await;
        let others: Vec<NodeId> = cluster.ids().filter(|id| *id != lost).collect();
        let directory = |told: &PartitionData, id: NodeId| {
            let voters = told.current_voters.iter();
            let mut of = voters.filter(|voter| voter.replica_id == id);
            of.next().map(|voter| voter.replica_directory_id)
        };
        let old = directory(&before, lost);
        // The others know it too: until then, the old self would be missed in an election.
        let is_known = |told: &PartitionData| {
            let ends = told.current_voters.iter().map(|one| one.log_end_offset);
            ends.collect::<BTreeSet<_>>().len() == 1
        };
        let votes_again =
            |told: &PartitionData| all(told) && directory(told, lost) != old && is_known(told);
        let after = quorum(&mut client, others[0], votes_again).await;
        for id in &others {
            assert_eq!(directory(&after, *id), directory(&before, *id));
        }
        cluster
            .until("all in sync", |image| {
                image
                    .partition("orders", 0)
                    .is_some_and(|p| p.isr.len() == 3)
            })
            .await;
        // Its vote and its copies are as good as any.
        cluster.kill(others[0]);
        topic.produce(0, "c").await;
        assert_eq!(topic.fetch(0, first).await, ["a", "b", "c"]);
        cluster.shutdown().await;
    });
}
