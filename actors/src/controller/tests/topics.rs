use super::*;
use crate::controller::{CreateTopicPolicy, TopicOrigin, check_topic_name, topic_name_problem};

fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> NewTopic {
    NewTopic {
        num_partitions,
        replication_factor,
        ..NewTopic::automatic(name, None)
    }
}

#[test]
fn a_topic_gets_the_defaults_that_hold() {
    let properties = [("num.partitions", "3"), ("default.replication.factor", "2")];
    let mut cluster = Cluster::with_properties(&properties);
    cluster.start(1);
    cluster.start(2);
    let created = cluster.create(topic("t", -1, -1));
    assert_eq!((created.num_partitions, created.replication_factor), (3, 2));
    assert_eq!(cluster.image.topic("t").unwrap().id, created.topic_id);
    let changed = cluster.set(ConfigResource::default_broker(), "num.partitions", "5");
    if changed.error.is_none() {
        assert_eq!(cluster.create(topic("u", -1, -1)).num_partitions, 5);
    }
}

#[test]
fn an_adopted_topic_keeps_its_id_and_goes_on_above_its_epochs() {
    let mut cluster = Cluster::of(1);
    let adopted = |name: &str, id: u8, latest_epochs: &[i32]| NewTopic {
        origin: Some(TopicOrigin {
            topic_id: Uuid([id; 16]),
            latest_epochs: latest_epochs.to_vec(),
        }),
        ..topic(name, 3, 1)
    };
    let created = cluster.create(adopted("t", 9, &[-1, 0, 41]));
    assert_eq!(created.topic_id, Uuid([9; 16]));
    let image = cluster.image.topic("t").unwrap();
    let epochs: Vec<_> = (0..3)
        .map(|index| image.partition(index).unwrap().leader_epoch)
        .collect();
    assert_eq!(epochs, [0, 1, 42]);
    let refused = |cluster: &mut Cluster, topic| cluster.create(topic).error;
    let twin = adopted("u", 9, &[0, 0, 0]);
    assert_eq!(
        refused(&mut cluster, twin),
        ErrorCode::TopicAlreadyExists,
        "the id is taken"
    );
    let short = adopted("u", 8, &[0]);
    assert_eq!(refused(&mut cluster, short), ErrorCode::InvalidRequest);
    let no_id = adopted("u", 0, &[0, 0, 0]);
    assert_eq!(refused(&mut cluster, no_id), ErrorCode::InvalidRequest);
}

#[test]
fn to_ask_twice_under_one_id_makes_one_topic() {
    let mut cluster = Cluster::of(2);
    let wanted = |name: &str| NewTopic {
        topic_id: Some(Uuid([7; 16])),
        configs: vec![("retention.ms".to_owned(), Some("1234".to_owned()))],
        ..topic(name, 3, 2)
    };
    let created = cluster.create(wanted("t"));
    assert_eq!(
        (created.error, created.topic_id),
        (ErrorCode::None, Uuid([7; 16]))
    );
    assert_eq!(cluster.create(wanted("t")), created);
    let other = cluster.create(wanted("u"));
    assert_eq!(other.error, ErrorCode::None);
    assert_ne!(other.topic_id, created.topic_id, "an id is one topic's");
    assert_eq!(
        cluster.create(topic("t", 3, 2)).error,
        ErrorCode::TopicAlreadyExists
    );
}

#[test]
fn the_answer_shows_what_is_set_on_the_topic() {
    let mut cluster = Cluster::of(1);
    let mut wanted = topic("t", 1, 1);
    wanted.configs = vec![("retention.ms".to_owned(), Some("1234".to_owned()))];
    let created = cluster.create(wanted);
    let set = created.configs.into_iter().collect::<Vec<_>>();
    assert_eq!(set, [("retention.ms".to_owned(), "1234".to_owned())]);
    let stored = cluster.image.topic_config("t");
    assert_eq!(stored.len(), 1);
}

#[test]
fn every_refusal_names_its_reason() {
    let mut cluster = Cluster::of(1);
    cluster.create_on("a.b", &[1]);
    let with_config = |key: &str, value: Option<&str>| NewTopic {
        configs: vec![(key.to_owned(), value.map(str::to_owned))],
        ..topic("t", 1, 1)
    };
    let assigned = |list: &[(i32, &[i32])]| NewTopic {
        assignments: list
            .iter()
            .map(|(index, replicas)| (*index, replicas.to_vec()))
            .collect(),
        ..topic("t", -1, -1)
    };
    let long = "x".repeat(250);
    let cases = [
        (
            topic("a.b", 1, 1),
            ErrorCode::TopicAlreadyExists,
            "Topic 'a.b' already exists.",
        ),
        (
            topic("a_b", 1, 1),
            ErrorCode::InvalidTopicException,
            "from the existing topic a.b",
        ),
        (
            topic("", 1, 1),
            ErrorCode::InvalidTopicException,
            "it is empty",
        ),
        (
            topic("..", 1, 1),
            ErrorCode::InvalidTopicException,
            "'..' is not a name",
        ),
        (
            topic("a b", 1, 1),
            ErrorCode::InvalidTopicException,
            "may hold only ASCII",
        ),
        (
            topic(&long, 1, 1),
            ErrorCode::InvalidTopicException,
            "longer than 249 characters",
        ),
        (
            topic("__cluster_metadata", 1, 1),
            ErrorCode::InvalidRequest,
            "cannot be created",
        ),
        (
            topic("t", 0, 1),
            ErrorCode::InvalidPartitions,
            "must be positive",
        ),
        (
            topic("t", -2, 1),
            ErrorCode::InvalidPartitions,
            "must be positive",
        ),
        (
            topic("t", 1, 0),
            ErrorCode::InvalidReplicationFactor,
            "must be positive",
        ),
        (
            topic("t", 1, 2),
            ErrorCode::InvalidReplicationFactor,
            "1 broker(s) are registered",
        ),
        (
            topic("t", 10_001, 1),
            ErrorCode::PolicyViolation,
            "Too many partitions",
        ),
        (
            topic("t", i32::MAX, 1),
            ErrorCode::PolicyViolation,
            "Too many partitions",
        ),
        (
            with_config("no.such", Some("1")),
            ErrorCode::InvalidConfig,
            "no.such",
        ),
        (
            with_config("retention.ms", Some("x")),
            ErrorCode::InvalidConfig,
            "retention.ms",
        ),
        (
            with_config("retention.ms", None),
            ErrorCode::InvalidConfig,
            "cannot be null",
        ),
        (
            NewTopic {
                num_partitions: 1,
                ..assigned(&[(0, &[1])])
            },
            ErrorCode::InvalidRequest,
            "numPartitions",
        ),
        (
            NewTopic {
                replication_factor: 1,
                ..assigned(&[(0, &[1])])
            },
            ErrorCode::InvalidRequest,
            "replication factor",
        ),
        (
            assigned(&[(0, &[1]), (0, &[1])]),
            ErrorCode::InvalidReplicaAssignment,
            "assigned twice",
        ),
        (
            assigned(&[(1, &[1])]),
            ErrorCode::InvalidReplicaAssignment,
            "without a gap",
        ),
        (
            assigned(&[(0, &[])]),
            ErrorCode::InvalidReplicaAssignment,
            "no replica for a partition",
        ),
        (
            assigned(&[(0, &[1, 1])]),
            ErrorCode::InvalidReplicaAssignment,
            "twice for a partition",
        ),
        (
            assigned(&[(0, &[9])]),
            ErrorCode::InvalidReplicaAssignment,
            "which is not registered",
        ),
    ];
    for (wanted, code, reason) in cases {
        let created = cluster.create(wanted.clone());
        let message = created.message.clone().unwrap_or_default();
        assert_eq!(created.error, code, "{wanted:?}: {message}");
        assert!(message.contains(reason), "{message} / {reason}");
        assert_eq!((created.topic_id, created.num_partitions), (Uuid::ZERO, -1));
    }
    assert_eq!(cluster.image.topic_count(), 1);
}

#[test]
fn assignments_must_agree_in_their_number_of_replicas_and_have_somebody_alive() {
    let mut cluster = Cluster::of(2);
    let mut wanted = topic("t", -1, -1);
    wanted.assignments = vec![(0, vec![1, 2]), (1, vec![1])];
    let message = cluster.create(wanted.clone()).message.unwrap();
    assert!(message.contains("the others have 2"), "{message}");
    let beat = BrokerHeartbeat {
        want_fence: true,
        ..cluster.beat(2)
    };
    cluster.heartbeat(beat).unwrap();
    wanted.assignments = vec![(0, vec![2])];
    let message = cluster.create(wanted.clone()).message.unwrap();
    assert!(message.contains("is live"), "{message}");
    wanted.assignments = vec![(0, vec![2, 1])];
    assert_eq!(cluster.create(wanted).error, ErrorCode::None);
    assert_eq!(cluster.partition("t"), (1, 0, vec![1]));
}

#[test]
fn topics_of_one_request_see_each_other() {
    let mut cluster = Cluster::of(1);
    let wanted = vec![
        topic("a.b", 1, 1),
        topic("x", 1, 1),
        topic("a_b", 1, 1),
        topic("x", 2, 1),
    ];
    let results = cluster.decide(|d, draft, _| d.create_topics(draft, wanted, false));
    let errors: Vec<_> = results.iter().map(|result| result.error).collect();
    let duplicate = ErrorCode::InvalidRequest;
    assert_eq!(
        errors,
        [
            ErrorCode::None,
            duplicate,
            ErrorCode::InvalidTopicException,
            duplicate
        ]
    );
    assert_eq!(cluster.image.topic_count(), 1);
}

#[test]
fn a_validation_changes_nothing() {
    let mut cluster = Cluster::of(1);
    let results =
        cluster.decide(|d, draft, _| d.create_topics(draft, vec![topic("t", 2, 1)], true));
    assert_eq!(
        (results[0].error, results[0].num_partitions),
        (ErrorCode::None, 2)
    );
    cluster.create_on("t", &[1]);
    let more = NewPartitions {
        name: "t".to_owned(),
        count: 3,
        assignments: None,
    };
    let results = cluster.decide(|d, draft, _| d.create_partitions(draft, vec![more], true));
    assert_eq!(results[0].error, ErrorCode::None);
    assert_eq!(cluster.image.topic("t").unwrap().partition_count(), 1);
}

#[test]
fn a_policy_may_refuse_a_topic() {
    struct NoCats;
    impl CreateTopicPolicy for NoCats {
        fn check(&self, topic: &NewTopic, partitions: i32, factor: i16) -> Result<(), String> {
            assert_eq!((partitions, factor), (4, 1));
            if topic.name.contains("cat") {
                Err("no cats".to_owned())
            } else {
                Ok(())
            }
        }
    }
    let mut settings = ControllerSettings::new(Arc::default());
    settings.create_topic_policy = Some(Arc::new(NoCats));
    let mut cluster = Cluster::with_settings(settings);
    cluster.start(1);
    assert_eq!(cluster.create(topic("dogs", 4, 1)).error, ErrorCode::None);
    let refused = cluster.create(topic("cats", 4, 1));
    assert_eq!(refused.error, ErrorCode::PolicyViolation);
    assert_eq!(refused.message.as_deref(), Some("no cats"));
}

#[test]
fn a_topic_is_deleted_by_name_or_id_and_comes_back_with_another_id() {
    let mut cluster = Cluster::of(1);
    cluster.create_on("a", &[1]);
    cluster.create_on("b", &[1]);
    let id = cluster.image.topic("b").unwrap().id;
    let wanted = vec![
        TopicRef::Name("a".to_owned()),
        TopicRef::Id(id),
        TopicRef::Id(id),
        TopicRef::Name("c".to_owned()),
    ];
    let results = cluster.decide(|d, draft, _| d.delete_topics(draft, wanted));
    let errors: Vec<_> = results.iter().map(|result| result.error).collect();
    assert_eq!(
        errors,
        [
            ErrorCode::None,
            ErrorCode::None,
            ErrorCode::UnknownTopicId,
            ErrorCode::UnknownTopicOrPartition
        ]
    );
    assert_eq!(results[1].name.as_deref(), Some("b"));
    cluster.create_on("b", &[1]);
    assert_ne!(cluster.image.topic("b").unwrap().id, id);
}

#[test]
fn deletion_can_be_switched_off() {
    let mut cluster = Cluster::with_properties(&[("delete.topic.enable", "false")]);
    cluster.start(1);
    cluster.create_on("a", &[1]);
    let wanted = vec![TopicRef::Name("a".to_owned())];
    let results = cluster.decide(|d, draft, _| d.delete_topics(draft, wanted));
    assert_eq!(results[0].error, ErrorCode::TopicDeletionDisabled);
    assert!(cluster.image.topic("a").is_some());
}

#[test]
fn partitions_only_become_more() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[1, 2]);
    let mut grow = |name: &str, count, assignments: Option<Vec<Vec<i32>>>| {
        let wanted = NewPartitions {
            name: name.to_owned(),
            count,
            assignments,
        };
        let result = cluster
            .decide(|d, draft, _| d.create_partitions(draft, vec![wanted], false))
            .remove(0);
        (result.error, result.message.unwrap_or_default())
    };
    let (code, message) = grow("t", 1, None);
    assert_eq!(
        (code, &*message),
        (
            ErrorCode::InvalidPartitions,
            "The topic already has 1 partition(s)."
        )
    );
    let (code, message) = grow("t", 0, None);
    assert_eq!(code, ErrorCode::InvalidPartitions);
    assert!(message.contains("cannot be reduced to 0"), "{message}");
    assert_eq!(grow("u", 2, None).0, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(grow("t", 20_000, None).0, ErrorCode::PolicyViolation);
    let (code, message) = grow("t", 3, Some(vec![vec![1, 2]]));
    assert_eq!(code, ErrorCode::InvalidReplicaAssignment);
    assert!(
        message.contains("2 partition(s) are to be added"),
        "{message}"
    );
    assert_eq!(
        grow("t", 2, Some(vec![vec![1]])).0,
        ErrorCode::InvalidReplicaAssignment
    );
    assert_eq!(
        grow("t", 2, Some(vec![vec![2, 1]])),
        (ErrorCode::None, String::new())
    );
    assert_eq!(grow("t", 4, None), (ErrorCode::None, String::new()));
    let topic = cluster.image.topic("t").unwrap();
    assert_eq!(topic.partition(1).unwrap().replicas, [2, 1]);
    assert_eq!(topic.partition(3).unwrap().replicas.len(), 2);
}

#[test]
fn legal_names_are_legal() {
    for name in ["a", "A-b_c.1", "...", &"x".repeat(249)] {
        assert_eq!(check_topic_name(name), Ok(()), "{name}");
    }
    for name in ["", ".", "..", "ü", "a/b", "a\0", &"x".repeat(250)] {
        assert_eq!(
            check_topic_name(name),
            Err(ErrorCode::InvalidTopicException),
            "{name}"
        );
    }
    assert!(topic_name_problem(&"ü".repeat(1_000_000)).unwrap().len() < 1_000);
}
