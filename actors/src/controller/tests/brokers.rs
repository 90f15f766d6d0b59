use super::*;

#[test]
fn a_broker_is_unfenced_only_after_it_has_applied_its_own_registration() {
    let mut cluster = Cluster::of(0);
    cluster.register(1, 1).unwrap();
    let mut beat = cluster.beat(1);
    let wanted = beat.metadata_index;
    beat.metadata_index = wanted - 1;
    let reply = cluster.heartbeat(beat.clone()).unwrap();
    assert!(!reply.is_caught_up && reply.is_fenced);
    // The log went on; what counts is where it stood at the first heartbeat.
    beat.metadata_index = wanted;
    let reply = cluster.heartbeat(beat).unwrap();
    assert!(reply.is_caught_up && !reply.is_fenced);
    assert!(cluster.image.is_active(1));
}

#[test]
fn a_second_process_with_the_same_id_is_refused_while_the_first_lives() {
    let mut cluster = Cluster::of(1);
    let refusal = cluster.register(1, 9).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::DuplicateBrokerRegistration);
    cluster.pass(9);
    cluster.register(1, 9).unwrap();
}

#[test]
fn the_same_process_may_register_again_and_keeps_its_epoch() {
    let mut cluster = Cluster::of(1);
    let epoch = cluster.image.broker(1).unwrap().epoch;
    assert_eq!(cluster.register(1, 1), Ok(epoch));
    assert!(cluster.image.is_active(1));
}

#[test]
fn a_new_controller_accepts_a_restarted_broker_that_it_never_heard() {
    let mut cluster = Cluster::of(1);
    let settings = ControllerSettings::new(Arc::default());
    cluster.decisions = Decisions::new(settings, &cluster.image, Rng::from_seed(1), cluster.now);
    cluster.register(1, 2).unwrap();
}

#[test]
fn the_silence_of_the_controller_before_counts_up_to_half_a_session() {
    let settings = ControllerSettings::new(Arc::default());
    let session = settings.broker_session_timeout;
    for (silent, left) in [(1, 3), (2, 2), (100, 2)] {
        let mut cluster = Cluster::of(2);
        cluster.pass(60);
        let heard = cluster.now.monotonic.saturating_sub(session * silent / 4);
        let rng = Rng::from_seed(1);
        cluster.decisions = Decisions::new(settings.clone(), &cluster.image, rng, cluster.now);
        cluster.decisions.succeeds(1, heard, cluster.now);
        let mut fenced = |after: Duration| {
            cluster.now.monotonic += after;
            cluster.decide(|d, draft, now| d.fence_silent_brokers(draft, now))
        };
        let almost = session * left / 4 - Duration::from_millis(1);
        assert_eq!(fenced(almost), [], "silent for {silent} quarters");
        assert_eq!(
            fenced(Duration::from_millis(1)),
            [1],
            "silent for {silent} quarters"
        );
    }
}

#[test]
fn a_new_incarnation_raises_the_epoch_of_every_partition_that_the_broker_led() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("alone", &[1]);
    cluster.create_on("both", &[1, 2]);
    cluster.create_on("other", &[2, 1]);
    cluster.pass(9);
    let beat = cluster.beat(2);
    cluster.heartbeat(beat).unwrap();
    let before = cluster.image.broker(1).unwrap().epoch;
    let epoch = cluster.register(1, 9).unwrap();
    assert!(epoch > before);
    assert_eq!(cluster.partition("alone"), (NO_LEADER, 1, vec![1]));
    assert_eq!(cluster.partition("both"), (2, 1, vec![2]));
    assert_eq!(cluster.partition("other"), (2, 0, vec![2]));
    let beat = cluster.beat(1);
    cluster.heartbeat(beat).unwrap();
    assert_eq!(cluster.partition("alone"), (1, 2, vec![1]));
    assert_eq!(cluster.partition("both"), (2, 1, vec![2]));
}

#[test]
fn a_silent_broker_is_fenced_and_its_leaders_move() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[1, 2]);
    cluster.pass(8);
    let beat = cluster.beat(2);
    cluster.heartbeat(beat).unwrap();
    assert_eq!(
        cluster.decide(|d, draft, now| d.fence_silent_brokers(draft, now)),
        []
    );
    cluster.pass(1);
    assert_eq!(
        cluster.decide(|d, draft, now| d.fence_silent_brokers(draft, now)),
        [1]
    );
    assert!(cluster.image.broker(1).unwrap().fenced);
    assert_eq!(cluster.partition("t"), (2, 1, vec![2]));
    // It was only slow: the next heartbeat brings it back.
    let beat = cluster.beat(1);
    assert!(!cluster.heartbeat(beat).unwrap().is_fenced);
}

#[test]
fn a_new_controller_gives_every_broker_a_whole_session() {
    let mut cluster = Cluster::of(2);
    cluster.pass(60);
    let settings = ControllerSettings::new(Arc::default());
    cluster.decisions = Decisions::new(settings, &cluster.image, Rng::from_seed(1), cluster.now);
    assert_eq!(
        cluster.decide(|d, draft, now| d.fence_silent_brokers(draft, now)),
        []
    );
    cluster.pass(9);
    assert_eq!(
        cluster.decide(|d, draft, now| d.fence_silent_brokers(draft, now)),
        [1, 2]
    );
}

#[test]
fn a_dead_process_is_fenced_at_once_but_not_its_successor() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[1, 2]);
    let other = Uuid([77; 16]);
    assert!(!cluster.decide(|d, draft, _| d.fence_dead_broker(draft, 1, other)));
    assert!(cluster.image.is_active(1));
    assert!(cluster.decide(|d, draft, _| d.fence_dead_broker(draft, 1, Uuid([1; 16]))));
    assert_eq!(cluster.partition("t"), (2, 1, vec![2]));
    cluster.register(1, 3).unwrap();
}

#[test]
fn a_heartbeat_of_an_older_registration_is_refused() {
    let mut cluster = Cluster::of(1);
    let mut beat = cluster.beat(1);
    beat.broker_epoch -= 1;
    assert_eq!(
        cluster.heartbeat(beat).unwrap_err().code,
        ErrorCode::StaleBrokerEpoch
    );
    let beat = BrokerHeartbeat {
        broker_id: 5,
        ..cluster.beat(1)
    };
    assert_eq!(
        cluster.heartbeat(beat).unwrap_err().code,
        ErrorCode::StaleBrokerEpoch
    );
}

#[test]
fn a_controlled_shutdown_moves_the_leaders_first() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[1, 2]);
    let stop = |cluster: &mut Cluster| {
        let beat = BrokerHeartbeat {
            want_shutdown: true,
            ..cluster.beat(1)
        };
        cluster.heartbeat(beat).unwrap()
    };
    assert!(!stop(&mut cluster).should_shut_down);
    assert_eq!(cluster.partition("t"), (2, 1, vec![2]));
    // Broker 2 has not said yet that it knows.
    assert!(!stop(&mut cluster).should_shut_down);
    let beat = cluster.beat(2);
    cluster.heartbeat(beat).unwrap();
    let reply = stop(&mut cluster);
    assert!(reply.should_shut_down && reply.is_fenced);
}

#[test]
fn a_cluster_of_one_may_stop_at_once() {
    let mut cluster = Cluster::of(1);
    cluster.create_on("t", &[1]);
    let beat = BrokerHeartbeat {
        want_shutdown: true,
        ..cluster.beat(1)
    };
    let reply = cluster.heartbeat(beat).unwrap();
    assert!(reply.should_shut_down && reply.is_fenced);
    assert_eq!(cluster.partition("t"), (NO_LEADER, 1, vec![1]));
}

#[test]
fn bad_registrations_are_refused() {
    let mut cluster = Cluster::of(1);
    let ok = || registration(2, 2);
    let cases = [
        (
            BrokerRegistration {
                cluster_id: "x".into(),
                ..ok()
            },
            ErrorCode::InconsistentClusterId,
        ),
        (
            BrokerRegistration {
                broker_id: -1,
                ..ok()
            },
            ErrorCode::InvalidRegistration,
        ),
        (
            BrokerRegistration {
                log_dirs: vec![],
                ..ok()
            },
            ErrorCode::InvalidRegistration,
        ),
        (
            BrokerRegistration {
                log_dirs: vec![Uuid([101; 16])],
                ..ok()
            },
            ErrorCode::InvalidRegistration,
        ),
        (
            BrokerRegistration {
                features: vec![],
                ..ok()
            },
            ErrorCode::UnsupportedVersion,
        ),
        (
            BrokerRegistration {
                rack: Some("r".repeat(2000)),
                ..ok()
            },
            ErrorCode::InvalidRegistration,
        ),
    ];
    for (request, code) in cases {
        let outcome = cluster.decide(|d, draft, now| d.register_broker(draft, request, now));
        assert_eq!(outcome.unwrap_err().code, code);
    }
}

#[test]
fn a_failed_directory_moves_only_its_partitions() {
    let mut cluster = Cluster::of(2);
    let dirs = vec![Uuid([201; 16]), Uuid([202; 16])];
    let request = BrokerRegistration {
        log_dirs: dirs.clone(),
        ..registration(3, 3)
    };
    cluster
        .decide(|d, draft, now| d.register_broker(draft, request, now))
        .unwrap();
    let beat = cluster.beat(3);
    cluster.heartbeat(beat).unwrap();
    cluster.create_on("t", &[3, 1]);
    cluster.create_on("u", &[3, 1]);
    let id = cluster.image.topic("t").unwrap().id;
    let other = cluster.image.topic("u").unwrap().id;
    let assign = AssignDirectories {
        broker_id: 3,
        broker_epoch: cluster.image.broker(3).unwrap().epoch,
        replicas: vec![(id, 0, dirs[0]), (other, 0, dirs[1]), (id, 7, dirs[1])],
    };
    cluster
        .decide(|d, draft, _| d.assign_directories(draft, &assign))
        .unwrap();
    let held = cluster.image.partition("t", 0).unwrap().directories.clone();
    assert_eq!(held, [dirs[0], Uuid([101; 16])]);
    let beat = BrokerHeartbeat {
        offline_log_dirs: vec![dirs[0]],
        ..cluster.beat(3)
    };
    cluster.heartbeat(beat).unwrap();
    assert_eq!(cluster.partition("t"), (1, 1, vec![1]));
    assert_eq!(cluster.partition("u"), (3, 0, vec![3, 1]));
    assert_eq!(cluster.image.broker(3).unwrap().log_dirs, [dirs[1]]);
}

#[test]
fn a_replica_in_a_directory_that_has_failed_already_leads_nothing() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[1, 2]);
    let epoch = cluster.image.broker(1).unwrap().epoch;
    let mut assign = AssignDirectories {
        broker_id: 1,
        broker_epoch: epoch,
        replicas: vec![(cluster.image.topic("t").unwrap().id, 0, Uuid([9; 16]))],
    };
    cluster
        .decide(|d, draft, _| d.assign_directories(draft, &assign))
        .unwrap();
    assert_eq!(cluster.partition("t"), (2, 1, vec![2]));
    assign.broker_epoch -= 1;
    let stale = cluster.decide(|d, draft, _| d.assign_directories(draft, &assign));
    assert_eq!(stale.unwrap_err().code, ErrorCode::StaleBrokerEpoch);
}

#[test]
fn an_unregistered_broker_leads_nothing_and_its_epoch_is_not_reused() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[1, 2]);
    let epoch = cluster.image.broker(1).unwrap().epoch;
    cluster
        .decide(|d, draft, _| d.unregister_broker(draft, 1))
        .unwrap();
    assert_eq!(cluster.partition("t"), (2, 1, vec![2]));
    let refusal = cluster
        .decide(|d, draft, _| d.unregister_broker(draft, 1))
        .unwrap_err();
    assert_eq!(refusal.code, ErrorCode::BrokerIdNotRegistered);
    assert!(cluster.register(1, 8).unwrap() > epoch);
}

#[test]
fn blocks_of_producer_ids_never_overlap() {
    let mut cluster = Cluster::of(2);
    let mut next = 0;
    for id in [1, 2, 1, 1] {
        let epoch = cluster.image.broker(id).unwrap().epoch;
        let block = cluster
            .decide(|d, draft, _| d.allocate_producer_ids(draft, id, epoch))
            .unwrap();
        assert_eq!((block.first, block.len), (next, 1000));
        next += 1000;
    }
    let refusal = cluster
        .decide(|d, draft, _| d.allocate_producer_ids(draft, 1, -1))
        .unwrap_err();
    assert_eq!(refusal.code, ErrorCode::StaleBrokerEpoch);
}

#[test]
fn features_move_within_what_everybody_supports() {
    let mut settings = ControllerSettings::new(Arc::default());
    let range = FeatureRange {
        name: "x".to_owned(),
        min: 1,
        max: 3,
    };
    settings.supported_features = vec![range.clone()];
    let mut cluster = Cluster::with_settings(settings);
    let mut request = registration(1, 1);
    request.features.push(FeatureRange { max: 2, ..range });
    cluster
        .decide(|d, draft, now| d.register_broker(draft, request, now))
        .unwrap();
    let mut update = |name: &str, level, update| {
        let updates = vec![FeatureUpdate {
            name: name.to_owned(),
            level,
            update,
        }];
        let result = cluster.decide(|d, draft, _| d.update_features(draft, &updates, false));
        (result[0].error, cluster.image.feature(name))
    };
    let refused = ErrorCode::InvalidUpdateVersion;
    assert_eq!(update("y", 1, UpdateType::Upgrade), (refused, 0));
    assert_eq!(update("x", 3, UpdateType::Upgrade), (refused, 0));
    assert_eq!(update("x", 2, UpdateType::Upgrade), (ErrorCode::None, 2));
    assert_eq!(update("x", 1, UpdateType::Upgrade), (refused, 2));
    assert_eq!(
        update("x", 1, UpdateType::SafeDowngrade),
        (ErrorCode::None, 1)
    );
    assert_eq!(
        update("x", 0, UpdateType::UnsafeDowngrade),
        (ErrorCode::None, 0)
    );
    assert_eq!(
        update("metadata.version", 1, UpdateType::UnsafeDowngrade),
        (refused, odeon_metadata::LATEST_METADATA_VERSION)
    );
}

#[test]
fn a_new_controller_aborts_the_bracket_of_its_predecessor() {
    let settings = ControllerSettings::new(Arc::default());
    let mut image = MetadataImage::new("c");
    for record in Decisions::activate(&settings, &image) {
        image.apply(&record);
    }
    assert_eq!(
        image.metadata_version(),
        odeon_metadata::LATEST_METADATA_VERSION
    );
    image.apply(&odeon_schema::metadata::BeginTransactionRecord::default().into());
    for record in Decisions::activate(&settings, &image) {
        image.apply(&record);
    }
    assert!(!image.has_open_transaction());
}
