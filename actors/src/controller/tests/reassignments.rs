use super::*;
use odeon_metadata::PartitionImage;

fn reassign(
    cluster: &mut Cluster,
    replicas: Option<&[NodeId]>,
    may_change: bool,
) -> Result<(), ErrorCode> {
    let request = Reassignment {
        topic: "t".to_owned(),
        partition: 0,
        replicas: replicas.map(<[_]>::to_vec),
    };
    let outcome =
        cluster.decide(|d, draft, _| d.alter_reassignments(draft, &[request], may_change));
    outcome
        .into_iter()
        .next()
        .unwrap()
        .map_err(|refusal| refusal.code)
}

fn partition(cluster: &Cluster) -> PartitionImage {
    PartitionImage::clone(cluster.image.partition("t", 0).unwrap())
}

/// (replicas, adding, removing, ISR, leader)
type Shape = (Vec<NodeId>, Vec<NodeId>, Vec<NodeId>, Vec<NodeId>, NodeId);

fn shape(cluster: &Cluster) -> Shape {
    let p = partition(cluster);
    (
        p.replicas,
        p.adding_replicas,
        p.removing_replicas,
        p.isr,
        p.leader,
    )
}

/// The leader asks for this ISR.
fn isr(cluster: &mut Cluster, isr: &[NodeId]) -> Result<AlteredPartition, ErrorCode> {
    let now = partition(cluster);
    let request = AlterPartition {
        broker_id: now.leader,
        broker_epoch: cluster.image.broker(now.leader).unwrap().epoch,
        partitions: vec![PartitionAlteration {
            topic_id: cluster.image.topic("t").unwrap().id,
            partition: 0,
            leader_epoch: now.leader_epoch,
            partition_epoch: now.partition_epoch,
            new_isr: isr.iter().map(|id| (*id, -1)).collect(),
            lost: Vec::new(),
            resigns: false,
            recovering: false,
        }],
    };
    cluster
        .decide(|d, draft, _| d.alter_partition(draft, &request))
        .unwrap()
        .remove(0)
}

#[test]
fn a_replica_goes_only_when_all_that_come_are_in_sync() {
    let mut cluster = Cluster::of(5);
    cluster.create_on("t", &[1, 2]);
    reassign(&mut cluster, Some(&[3, 4]), true).unwrap();
    let under_way = vec![3, 4, 1, 2];
    assert_eq!(
        shape(&cluster),
        (under_way.clone(), vec![3, 4], vec![1, 2], vec![1, 2], 1)
    );
    let p = partition(&cluster);
    let directory = |id: NodeId| Uuid([100 + id as u8; 16]);
    assert_eq!(
        p.directories,
        under_way.iter().copied().map(directory).collect::<Vec<_>>()
    );
    assert_eq!(isr(&mut cluster, &[1, 2, 3]).unwrap().isr, [1, 2, 3]);
    assert_eq!(shape(&cluster).0, under_way);
    // The last one comes in: the old ones go, their leader with them, who has to look again.
    assert_eq!(
        isr(&mut cluster, &[1, 2, 3, 4]),
        Err(ErrorCode::NewLeaderElected)
    );
    assert_eq!(shape(&cluster), (vec![3, 4], vec![], vec![], vec![3, 4], 3));
    let after = partition(&cluster);
    assert_eq!(after.leader_epoch, p.leader_epoch + 1);
    assert_eq!(after.directories, [directory(3), directory(4)]);
}

#[test]
fn replicas_that_only_go_go_at_once_and_the_leader_stays_in_a_new_epoch() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[1, 2, 3]);
    let before = partition(&cluster);
    reassign(&mut cluster, Some(&[1, 3]), true).unwrap();
    assert_eq!(shape(&cluster), (vec![1, 3], vec![], vec![], vec![1, 3], 1));
    assert_eq!(partition(&cluster).leader_epoch, before.leader_epoch + 1);
    // Another order is no move, but another preference.
    reassign(&mut cluster, Some(&[3, 1]), true).unwrap();
    assert_eq!(shape(&cluster), (vec![3, 1], vec![], vec![], vec![1, 3], 1));
    // Nobody who would stay is in sync: it waits.
    isr(&mut cluster, &[1]).unwrap();
    reassign(&mut cluster, Some(&[3]), true).unwrap();
    assert_eq!(shape(&cluster), (vec![3, 1], vec![], vec![1], vec![1], 1));
    assert_eq!(isr(&mut cluster, &[1, 3]), Err(ErrorCode::NewLeaderElected));
    assert_eq!(shape(&cluster), (vec![3], vec![], vec![], vec![3], 3));
}

#[test]
fn a_reassignment_is_taken_back_or_replaced_by_another() {
    let mut cluster = Cluster::of(5);
    cluster.create_on("t", &[1, 2]);
    assert_eq!(
        reassign(&mut cluster, None, true),
        Err(ErrorCode::NoReassignmentInProgress)
    );
    reassign(&mut cluster, Some(&[3, 4]), true).unwrap();
    isr(&mut cluster, &[1, 2, 3]).unwrap();
    reassign(&mut cluster, None, true).unwrap();
    assert_eq!(shape(&cluster), (vec![1, 2], vec![], vec![], vec![1, 2], 1));
    reassign(&mut cluster, Some(&[3, 4]), true).unwrap();
    reassign(&mut cluster, Some(&[4, 5]), true).unwrap();
    assert_eq!(
        shape(&cluster),
        (
            vec![4, 5, 3, 1, 2],
            vec![4, 5],
            vec![3, 1, 2],
            vec![1, 2],
            1
        )
    );
}

#[test]
fn a_move_is_not_taken_back_to_replicas_that_lack_records_unless_the_topic_allows_it() {
    let mut cluster = Cluster::of(4);
    cluster.create_on("t", &[1, 2]);
    reassign(&mut cluster, Some(&[3, 4]), true).unwrap();
    isr(&mut cluster, &[1, 3]).unwrap();
    cluster.decide(|d, draft, _| d.fence_dead_broker(draft, 1, Uuid([1; 16])));
    assert_eq!((shape(&cluster).3, shape(&cluster).4), (vec![3], 3));
    assert_eq!(
        reassign(&mut cluster, None, true),
        Err(ErrorCode::InvalidReplicaAssignment)
    );
    cluster.set(
        ConfigResource::topic("t"),
        "unclean.leader.election.enable",
        "true",
    );
    reassign(&mut cluster, None, true).unwrap();
    assert_eq!(shape(&cluster), (vec![1, 2], vec![], vec![], vec![2], 2));
}

#[test]
fn an_assignment_that_cannot_be_is_refused() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[1, 2]);
    for (replicas, may_change, code) in [
        (&[][..], true, ErrorCode::InvalidReplicaAssignment),
        (&[1, 1], true, ErrorCode::InvalidReplicaAssignment),
        (&[1, 9], true, ErrorCode::InvalidReplicaAssignment),
        (&[1, 2, 3], false, ErrorCode::InvalidReplicationFactor),
        (&[1], false, ErrorCode::InvalidReplicationFactor),
    ] {
        assert_eq!(
            reassign(&mut cluster, Some(replicas), may_change),
            Err(code),
            "{replicas:?}"
        );
    }
    reassign(&mut cluster, Some(&[3, 2]), false).unwrap();
    let other = Reassignment {
        topic: "u".to_owned(),
        partition: 0,
        replicas: None,
    };
    let outcome = cluster.decide(|d, draft, _| d.alter_reassignments(draft, &[other], true));
    let code = outcome[0].as_ref().unwrap_err().code;
    assert_eq!(code, ErrorCode::UnknownTopicOrPartition);
}
