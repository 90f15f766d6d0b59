use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Register(i32, u8),
    Beat(i32, bool, bool),
    Silence(u64),
    Create(u8, i32, i16),
    Delete(u8),
    Grow(u8, i32),
    Isr(u8, Vec<i32>),
    Elect(bool),
    Reassign(u8, Option<Vec<i32>>),
    Failover,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1..4i32, 0..3u8).prop_map(|(id, n)| Step::Register(id, n)),
        6 => (1..4i32, prop::bool::weighted(0.1), prop::bool::weighted(0.1))
            .prop_map(|(id, fence, stop)| Step::Beat(id, fence, stop)),
        1 => (0..10u64).prop_map(Step::Silence),
        2 => (0..3u8, 1..3i32, 1..4i16).prop_map(|(t, p, r)| Step::Create(t, p, r)),
        1 => (0..3u8).prop_map(Step::Delete),
        1 => (0..3u8, 1..5i32).prop_map(|(t, p)| Step::Grow(t, p)),
        4 => (0..3u8, prop::collection::vec(1..4i32, 1..4)).prop_map(|(t, isr)| Step::Isr(t, isr)),
        1 => any::<bool>().prop_map(Step::Elect),
        2 => (0..3u8, prop::option::weighted(0.8, prop::collection::vec(1..4i32, 1..4)))
            .prop_map(|(t, replicas)| Step::Reassign(t, replicas)),
        1 => Just(Step::Failover),
    ]
}

fn settings(elr: bool) -> ControllerSettings {
    let mut settings = ControllerSettings::new(Arc::default());
    if elr {
        settings.bootstrap_features = vec![("eligible.leader.replicas.version".to_owned(), 1)];
    }
    settings
}

fn run(cluster: &mut Cluster, step: Step, elr: bool) {
    match step {
        Step::Register(id, n) => {
            let mut request = registration(id, 10 * id as u8 + n);
            let name = "eligible.leader.replicas.version".to_owned();
            request.features.push(FeatureRange {
                name,
                min: 0,
                max: 1,
            });
            let _ = cluster.decide(|d, draft, now| d.register_broker(draft, request, now));
        }
        Step::Beat(id, want_fence, want_shutdown) => {
            let _ = cluster.heartbeat(BrokerHeartbeat {
                want_fence,
                want_shutdown,
                ..cluster.beat(id)
            });
        }
        Step::Silence(seconds) => {
            cluster.pass(seconds);
            cluster.decide(|d, draft, now| d.fence_silent_brokers(draft, now));
        }
        Step::Create(t, num_partitions, replication_factor) => {
            let name = format!("t{t}");
            let automatic = NewTopic::automatic(&name, None);
            cluster.create(NewTopic {
                num_partitions,
                replication_factor,
                ..automatic
            });
        }
        Step::Delete(t) => {
            let topics = vec![TopicRef::Name(format!("t{t}"))];
            cluster.decide(|d, draft, _| d.delete_topics(draft, topics));
        }
        Step::Grow(t, count) => {
            let wanted = NewPartitions {
                name: format!("t{t}"),
                count,
                assignments: None,
            };
            cluster.decide(|d, draft, _| d.create_partitions(draft, vec![wanted], false));
        }
        Step::Isr(t, isr) => propose_isr(cluster, &format!("t{t}"), isr),
        Step::Elect(unclean) => {
            let election = if unclean {
                Election::Unclean
            } else {
                Election::Preferred
            };
            cluster.decide(|d, draft, _| d.elect_leaders(draft, election, None));
        }
        Step::Reassign(t, replicas) => {
            let request = Reassignment {
                topic: format!("t{t}"),
                partition: 0,
                replicas,
            };
            cluster.decide(|d, draft, _| d.alter_reassignments(draft, &[request], true));
        }
        Step::Failover => {
            let rng = odeon_kernel::Rng::from_seed(3);
            cluster.decisions = Decisions::new(settings(elr), &cluster.image, rng, cluster.now);
        }
    }
}

fn propose_isr(cluster: &mut Cluster, topic: &str, isr: Vec<i32>) {
    let Some(topic) = cluster.image.topic(topic).cloned() else {
        return;
    };
    let Some(partition) = topic.partition(0) else {
        return;
    };
    let Some(leader) = cluster.image.broker(partition.leader) else {
        return;
    };
    let request = AlterPartition {
        broker_id: partition.leader,
        broker_epoch: leader.epoch,
        partitions: vec![PartitionAlteration {
            topic_id: topic.id,
            partition: 0,
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            new_isr: isr.into_iter().map(|id| (id, -1)).collect(),
            lost: Vec::new(),
            resigns: false,
            recovering: false,
        }],
    };
    let _ = cluster.decide(|d, draft, _| d.alter_partition(draft, &request));
}

/// A move names replicas, and is under way only as long as it must be.
fn check_move(now: &odeon_metadata::PartitionImage) {
    let (adding, removing) = (&now.adding_replicas, &now.removing_replicas);
    assert_eq!(now.directories.len(), now.replicas.len(), "{now:?}");
    let all = adding.iter().chain(removing);
    assert!(
        all.into_iter().all(|id| now.replicas.contains(id)),
        "{now:?}"
    );
    assert!(adding.iter().all(|id| !removing.contains(id)), "{now:?}");
    let stays = |id: &i32| !removing.contains(id);
    let is_ready = adding.iter().all(|id| now.isr.contains(id)) && now.isr.iter().any(stays);
    assert!(!is_ready || !now.is_reassigning(), "{now:?}");
}

fn check(before: &MetadataImage, after: &MetadataImage, elr: bool) {
    for topic in after.topics() {
        for (index, now) in &topic.partitions {
            let name = format!("{}-{index}: {now:?}", topic.name);
            assert!(now.isr.iter().all(|id| now.replicas.contains(id)), "{name}");
            assert!(now.elr.iter().all(|id| now.replicas.contains(id)), "{name}");
            assert!(now.elr.iter().all(|id| !now.isr.contains(id)), "{name}");
            check_move(now);
            assert!(elr || !now.isr.is_empty(), "{name}");
            if now.leader != NO_LEADER {
                assert!(
                    now.isr.contains(&now.leader),
                    "the leader is in sync: {name}"
                );
                assert!(
                    !after.broker(now.leader).unwrap().fenced,
                    "the leader lives: {name}"
                );
            } else {
                let live = |id: &i32| after.is_active(*id);
                assert!(
                    !now.isr.iter().chain(&now.elr).any(live),
                    "nobody could lead: {name}"
                );
            }
            let Some(was) = before.partition_by_id(topic.id, *index) else {
                continue;
            };
            assert!(now.partition_epoch >= was.partition_epoch);
            // A replica that goes has the leader begin anew, so that it is not counted any more.
            let goes = !was.replicas.iter().all(|id| now.replicas.contains(id));
            assert_eq!(
                now.leader != was.leader || goes,
                now.leader_epoch != was.leader_epoch,
                "{name}"
            );
            assert_eq!(
                now == was,
                now.partition_epoch == was.partition_epoch,
                "{name}"
            );
        }
    }
    for broker in after.brokers() {
        let was = before.broker(broker.id).map_or(0, |was| was.epoch);
        assert!(broker.epoch >= was);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Whatever happens in whatever order: leaders live and are in sync, epochs rise with what they
    /// count, nobody who could lead is left out, and no decision writes a record about nothing.
    #[test]
    fn no_sequence_of_commands_breaks_a_partition(
        steps in prop::collection::vec(any_step(), 1..80),
        elr: bool,
    ) {
        let mut cluster = Cluster::with_settings(settings(elr));
        for step in steps {
            let before = cluster.image.clone();
            // A new incarnation changes the leader to none and back within one decision at most.
            run(&mut cluster, step, elr);
            check(&before, &cluster.image, elr);
        }
    }
}
