use super::*;

fn shrink(cluster: &Cluster, leader: NodeId, isr: &[NodeId]) -> AlterPartition {
    let topic = cluster.image.topic("t").unwrap();
    let partition = topic.partition(0).unwrap();
    AlterPartition {
        broker_id: leader,
        broker_epoch: cluster.image.broker(leader).unwrap().epoch,
        partitions: vec![PartitionAlteration {
            topic_id: topic.id,
            partition: 0,
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            new_isr: isr
                .iter()
                .map(|id| (*id, cluster.image.broker(*id).map_or(-1, |b| b.epoch)))
                .collect(),
            lost: Vec::new(),
            resigns: false,
            recovering: false,
        }],
    }
}

fn alter(cluster: &mut Cluster, request: AlterPartition) -> Result<AlteredPartition, ErrorCode> {
    cluster
        .decide(|d, draft, _| d.alter_partition(draft, &request))
        .unwrap()
        .remove(0)
}

#[test]
fn a_leader_shrinks_and_grows_its_isr() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[1, 2, 3]);
    let request = shrink(&cluster, 1, &[1, 2]);
    let altered = alter(&mut cluster, request.clone()).unwrap();
    assert_eq!(
        (altered.isr, altered.leader_epoch, altered.partition_epoch),
        (vec![1, 2], 0, 1)
    );
    assert_eq!(
        alter(&mut cluster, request),
        Err(ErrorCode::InvalidUpdateVersion)
    );
    let request = shrink(&cluster, 1, &[1, 2, 3]);
    assert_eq!(alter(&mut cluster, request).unwrap().isr, [1, 2, 3]);
}

#[test]
fn a_leader_that_cannot_go_on_gives_way_or_gets_a_new_epoch() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[1, 2]);
    let mut resign = |leader, isr: &[NodeId]| {
        let mut request = shrink(&cluster, leader, isr);
        request.partitions[0].resigns = true;
        let answer = alter(&mut cluster, request);
        assert_eq!(answer, Err(ErrorCode::NewLeaderElected));
        let partition = cluster.image.topic("t").unwrap().partition(0).unwrap();
        (
            partition.leader,
            partition.leader_epoch,
            partition.isr.clone(),
        )
    };
    assert_eq!(resign(1, &[2]), (2, 1, vec![2]));
    assert_eq!(resign(2, &[2]), (2, 2, vec![2]));
}

#[test]
fn an_isr_that_cannot_be_is_refused() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[1, 2]);
    for (leader, isr, code) in [
        (1, &[1, 3][..], ErrorCode::InvalidRequest),
        (1, &[2], ErrorCode::InvalidRequest),
        (1, &[1, 1], ErrorCode::InvalidRequest),
        (2, &[1, 2], ErrorCode::InvalidRequest),
    ] {
        let request = shrink(&cluster, leader, isr);
        assert_eq!(alter(&mut cluster, request), Err(code), "{leader} {isr:?}");
    }
    let mut request = shrink(&cluster, 1, &[1, 2]);
    request.partitions[0].leader_epoch = 5;
    assert_eq!(alter(&mut cluster, request), Err(ErrorCode::NotController));
    let mut request = shrink(&cluster, 1, &[1, 2]);
    request.partitions[0].leader_epoch = -1;
    assert_eq!(
        alter(&mut cluster, request),
        Err(ErrorCode::FencedLeaderEpoch)
    );
    let mut request = shrink(&cluster, 1, &[1, 2]);
    request.partitions[0].topic_id = Uuid([9; 16]);
    assert_eq!(alter(&mut cluster, request), Err(ErrorCode::UnknownTopicId));
    let mut request = shrink(&cluster, 1, &[1, 2]);
    request.broker_epoch -= 1;
    let refusal = cluster
        .decide(|d, draft, _| d.alter_partition(draft, &request))
        .unwrap_err();
    assert_eq!(refusal.code, ErrorCode::StaleBrokerEpoch);
}

#[test]
fn a_fenced_or_restarted_replica_does_not_join_the_isr() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[1, 2]);
    let beat = BrokerHeartbeat {
        want_fence: true,
        ..cluster.beat(2)
    };
    cluster.heartbeat(beat).unwrap();
    let request = shrink(&cluster, 1, &[1, 2]);
    assert_eq!(
        alter(&mut cluster, request),
        Err(ErrorCode::IneligibleReplica)
    );
    let beat = cluster.beat(2);
    cluster.heartbeat(beat).unwrap();
    let mut request = shrink(&cluster, 1, &[1, 2]);
    request.partitions[0].new_isr[1].1 -= 1;
    assert_eq!(
        alter(&mut cluster, request),
        Err(ErrorCode::IneligibleReplica)
    );
    let request = shrink(&cluster, 1, &[1, 2]);
    assert_eq!(alter(&mut cluster, request).unwrap().isr, [1, 2]);
}

#[test]
fn only_an_unclean_election_makes_a_replica_outside_the_isr_lead() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[1, 2]);
    let request = shrink(&cluster, 1, &[1]);
    alter(&mut cluster, request).unwrap();
    assert!(cluster.decide(|d, draft, _| d.fence_dead_broker(draft, 1, Uuid([1; 16]))));
    assert_eq!(cluster.partition("t"), (NO_LEADER, 1, vec![1]));
    let elect = |cluster: &mut Cluster, election| {
        let wanted = Some(vec![
            ("t".to_owned(), 0),
            ("t".to_owned(), 1),
            ("u".to_owned(), 0),
        ]);
        let results = cluster.decide(|d, draft, _| d.elect_leaders(draft, election, wanted));
        results
            .into_iter()
            .map(|result| result.error)
            .collect::<Vec<_>>()
    };
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(
        elect(&mut cluster, Election::Preferred),
        [ErrorCode::PreferredLeaderNotAvailable, unknown, unknown]
    );
    assert_eq!(
        elect(&mut cluster, Election::Unclean),
        [ErrorCode::None, unknown, unknown]
    );
    assert_eq!(cluster.partition("t"), (2, 2, vec![2]));
    assert_eq!(
        elect(&mut cluster, Election::Unclean)[0],
        ErrorCode::ElectionNotNeeded
    );
}

#[test]
fn a_topic_may_allow_unclean_elections() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[1, 2]);
    cluster.set(
        ConfigResource::topic("t"),
        "unclean.leader.election.enable",
        "true",
    );
    let request = shrink(&cluster, 1, &[1]);
    alter(&mut cluster, request).unwrap();
    cluster.decide(|d, draft, _| d.fence_dead_broker(draft, 1, Uuid([1; 16])));
    assert_eq!(cluster.partition("t"), (2, 1, vec![2]));
}

#[test]
fn a_preferred_election_brings_the_first_replica_back() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[1, 2]);
    cluster.decide(|d, draft, _| d.fence_dead_broker(draft, 1, Uuid([1; 16])));
    cluster.register(1, 5).unwrap();
    let beat = cluster.beat(1);
    cluster.heartbeat(beat).unwrap();
    let request = shrink(&cluster, 2, &[2, 1]);
    alter(&mut cluster, request).unwrap();
    let results = cluster.decide(|d, draft, _| d.elect_leaders(draft, Election::Preferred, None));
    assert_eq!(
        results.iter().map(|r| r.error).collect::<Vec<_>>(),
        [ErrorCode::None]
    );
    assert_eq!(cluster.partition("t").0, 1);
    let again = cluster.decide(|d, draft, _| d.elect_leaders(draft, Election::Preferred, None));
    assert_eq!(again, []);
}

#[test]
fn leaders_go_back_to_preferred_replicas_every_so_often_unless_switched_off() {
    for (enabled, leader) in [("true", 1), ("false", 2)] {
        let mut cluster = Cluster::with_properties(&[("auto.leader.rebalance.enable", enabled)]);
        cluster.start(1);
        cluster.start(2);
        cluster.create_on("t", &[1, 2]);
        cluster.decide(|d, draft, _| d.fence_dead_broker(draft, 1, Uuid([1; 16])));
        let beat = cluster.beat(1);
        cluster.heartbeat(beat).unwrap();
        let request = shrink(&cluster, 2, &[2, 1]);
        alter(&mut cluster, request).unwrap();
        let balance = |cluster: &mut Cluster| {
            cluster.decide(|d, draft, now| d.balance_leaders(draft, now));
            cluster.partition("t").0
        };
        cluster.pass(299);
        assert_eq!(balance(&mut cluster), 2);
        cluster.pass(1);
        assert_eq!(balance(&mut cluster), leader);
    }
}

#[test]
fn replicas_that_leave_a_small_isr_stay_eligible_to_lead() {
    let mut settings = ControllerSettings::new(Arc::default());
    let elr = "eligible.leader.replicas.version".to_owned();
    settings.bootstrap_features = vec![(elr.clone(), 1)];
    let mut cluster = Cluster::with_settings(settings);
    for id in 1..=3 {
        let mut request = registration(id, id as u8);
        request.features.push(FeatureRange {
            name: elr.clone(),
            min: 0,
            max: 1,
        });
        cluster
            .decide(|d, draft, now| d.register_broker(draft, request, now))
            .unwrap();
        let beat = cluster.beat(id);
        cluster.heartbeat(beat).unwrap();
    }
    cluster.create_on("t", &[1, 2, 3]);
    cluster.set(ConfigResource::topic("t"), "min.insync.replicas", "2");
    let kill = |cluster: &mut Cluster, id: i32| {
        cluster.decide(|d, draft, _| d.fence_dead_broker(draft, id, Uuid([id as u8; 16])));
        let partition = cluster.image.partition("t", 0).unwrap();
        (
            partition.leader,
            partition.isr.clone(),
            partition.elr.clone(),
        )
    };
    assert_eq!(kill(&mut cluster, 3), (1, vec![1, 2], vec![]));
    assert_eq!(kill(&mut cluster, 2), (1, vec![1], vec![2]));
    assert_eq!(kill(&mut cluster, 1), (NO_LEADER, vec![], vec![2, 1]));
    // Broker 3 lacks records, broker 2 does not.
    for (id, leader, isr) in [(3, NO_LEADER, vec![]), (2, 2, vec![2])] {
        let beat = cluster.beat(id);
        cluster.heartbeat(beat).unwrap();
        let partition = cluster.image.partition("t", 0).unwrap();
        assert_eq!((partition.leader, &partition.isr), (leader, &isr), "{id}");
    }
    assert_eq!(cluster.image.partition("t", 0).unwrap().elr, [1]);
}
