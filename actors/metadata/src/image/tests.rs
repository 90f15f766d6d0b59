use odeon_schema::metadata::*;
use proptest::prelude::*;

use super::*;
use crate::{MetadataDelta, entry, snapshot};

mod fixture;

fn topic_id(n: u8) -> Uuid {
    Uuid([n; 16])
}

fn topic(n: u8) -> MetadataRecord {
    TopicRecord {
        name: format!("t{n}"),
        topic_id: topic_id(n),
        ..Default::default()
    }
    .into()
}

fn partition(n: u8, index: i32) -> MetadataRecord {
    PartitionRecord {
        topic_id: topic_id(n),
        partition_id: index,
        replicas: vec![1, 2],
        isr: vec![1, 2],
        leader: 1,
        leader_epoch: 0,
        partition_epoch: 0,
        ..Default::default()
    }
    .into()
}

fn broker(id: i32, epoch: i64) -> MetadataRecord {
    RegisterBrokerRecord {
        broker_id: id,
        broker_epoch: epoch,
        log_dirs: vec![topic_id(9)],
        ..Default::default()
    }
    .into()
}

fn config(name: &str, key: &str, value: Option<&str>) -> MetadataRecord {
    ConfigRecord {
        resource_type: 2,
        resource_name: name.into(),
        name: key.into(),
        value: value.map(str::to_owned),
        ..Default::default()
    }
    .into()
}

fn image_of(records: &[MetadataRecord]) -> MetadataImage {
    let mut image = MetadataImage::new("c");
    for record in records {
        assert_eq!(image.apply(record), Effect::Applied, "{record:?}");
    }
    image
}

#[test]
fn a_leader_change_raises_both_epochs_and_an_isr_change_only_one() {
    let mut image = image_of(&[topic(1), partition(1, 0)]);
    let shrink = PartitionChangeRecord {
        topic_id: topic_id(1),
        partition_id: 0,
        isr: Some(vec![1]),
        ..Default::default()
    };
    image.apply(&shrink.clone().into());
    let state = image.partition("t1", 0).unwrap();
    assert_eq!((state.leader_epoch, state.partition_epoch), (0, 1));
    image.apply(
        &PartitionChangeRecord {
            leader: 1,
            isr: None,
            ..shrink
        }
        .into(),
    );
    let state = image.partition("t1", 0).unwrap();
    assert_eq!(
        (state.leader, state.leader_epoch, state.partition_epoch),
        (1, 1, 2)
    );
}

#[test]
fn replicas_keep_their_directories_when_others_change() {
    let base = PartitionImage {
        replicas: vec![1, 2],
        directories: vec![topic_id(1), topic_id(2)],
        ..Default::default()
    };
    let change = PartitionChangeRecord {
        replicas: Some(vec![2, 3]),
        ..Default::default()
    };
    assert_eq!(
        base.merge(&change).directories,
        [topic_id(2), directory::UNASSIGNED]
    );
}

#[test]
fn removing_a_topic_removes_its_configuration_and_frees_its_name() {
    let mut image = image_of(&[topic(1), partition(1, 0), config("t1", "k", Some("v"))]);
    image.apply(
        &RemoveTopicRecord {
            topic_id: topic_id(1),
            ..Default::default()
        }
        .into(),
    );
    assert_eq!(image, image_of(&[]));
    let again = TopicRecord {
        name: "t1".into(),
        topic_id: topic_id(2),
        ..Default::default()
    };
    assert_eq!(image.apply(&again.into()), Effect::Applied);
}

#[test]
fn a_record_about_nothing_changes_nothing() {
    let mut image = image_of(&[topic(1), broker(1, 5)]);
    let before = image.clone();
    for record in [
        partition(2, 0),
        topic(1),
        PartitionChangeRecord {
            topic_id: topic_id(1),
            ..Default::default()
        }
        .into(),
        RemoveTopicRecord {
            topic_id: topic_id(7),
            ..Default::default()
        }
        .into(),
        UnregisterBrokerRecord {
            broker_id: 1,
            broker_epoch: 4,
            ..Default::default()
        }
        .into(),
        UnfenceBrokerRecord {
            id: 1,
            epoch: 6,
            ..Default::default()
        }
        .into(),
        EndTransactionRecord::default().into(),
        AbortTransactionRecord::default().into(),
    ] {
        assert_eq!(image.apply(&record), Effect::Ignored, "{record:?}");
    }
    assert_eq!(image, before);
}

#[test]
fn the_records_of_a_bracket_count_together_or_not_at_all() {
    let mut image = MetadataImage::new("c");
    image.apply(&BeginTransactionRecord::default().into());
    image.apply(&topic(1));
    assert!(image.topic("t1").is_none() && image.has_open_transaction());
    let mut aborted = image.clone();
    aborted.apply(&AbortTransactionRecord::default().into());
    assert_eq!(aborted, MetadataImage::new("c"));
    image.apply(&EndTransactionRecord::default().into());
    assert!(image.topic("t1").is_some() && !image.has_open_transaction());
}

#[test]
fn the_producer_id_mark_never_falls() {
    let ids = |next| {
        ProducerIdsRecord {
            next_producer_id: next,
            ..Default::default()
        }
        .into()
    };
    let mut image = image_of(&[ids(2000)]);
    assert_eq!(image.apply(&ids(1000)), Effect::Ignored);
    assert_eq!(image.next_producer_id(), 2000);
}

#[test]
fn a_fencing_counts_only_for_its_broker_epoch() {
    let change = |epoch, fenced| {
        MetadataRecord::from(BrokerRegistrationChangeRecord {
            broker_id: 1,
            broker_epoch: epoch,
            fenced,
            ..Default::default()
        })
    };
    let mut image = image_of(&[broker(1, 5), change(5, -1)]);
    assert!(image.is_active(1));
    assert_eq!(image.apply(&change(4, 1)), Effect::Ignored);
    image.apply(&change(5, 1));
    assert!(!image.is_active(1));
}

#[test]
fn a_delta_names_what_changed_and_nothing_else() {
    let before = image_of(&[
        topic(1),
        partition(1, 0),
        partition(1, 1),
        topic(2),
        broker(1, 1),
        broker(2, 1),
    ]);
    let mut after = before.clone();
    after.set_position(Position { index: 9, term: 1 });
    assert!(MetadataDelta::between(&before, &after).is_empty());
    let change = PartitionChangeRecord {
        topic_id: topic_id(1),
        partition_id: 1,
        leader: 2,
        ..Default::default()
    };
    after.apply(&change.into());
    after.apply(
        &RemoveTopicRecord {
            topic_id: topic_id(2),
            ..Default::default()
        }
        .into(),
    );
    after.apply(&topic(3));
    after.apply(&config("t1", "k", Some("v")));
    after.apply(
        &UnregisterBrokerRecord {
            broker_id: 2,
            broker_epoch: 1,
            ..Default::default()
        }
        .into(),
    );
    let delta = MetadataDelta::between(&before, &after);
    let names: Vec<_> = delta
        .topics
        .iter()
        .map(|d| (&*d.topic.name, &d.partitions[..]))
        .collect();
    assert_eq!(names, [("t1", &[1][..]), ("t3", &[][..])]);
    assert_eq!(&*delta.deleted_topics[0].name, "t2");
    assert_eq!((delta.brokers, delta.removed_brokers), (vec![], vec![2]));
    assert_eq!(delta.configs, [ConfigResource::topic("t1")]);
}

fn any_record() -> impl Strategy<Value = MetadataRecord> {
    let ids = || prop::collection::vec(1..4i32, 0..3);
    prop_oneof![
        (1..4u8).prop_map(topic),
        (1..4u8, 0..3i32).prop_map(|(t, p)| partition(t, p)),
        (
            1..4u8,
            0..3i32,
            -2..3i32,
            prop::option::of(ids()),
            prop::option::of(ids()),
            ids()
        )
            .prop_map(|(t, p, leader, isr, replicas, elr)| {
                PartitionChangeRecord {
                    topic_id: topic_id(t),
                    partition_id: p,
                    leader,
                    isr,
                    replicas,
                    eligible_leader_replicas: Some(elr),
                    ..Default::default()
                }
                .into()
            }),
        (1..4u8).prop_map(|t| RemoveTopicRecord {
            topic_id: topic_id(t),
            ..Default::default()
        }
        .into()),
        ("t[1-3]", "[ab]", prop::option::of("[xy]")).prop_map(|(t, k, v)| config(
            &t,
            &k,
            v.as_deref()
        )),
        (1..4i32, 1..4i64).prop_map(|(id, epoch)| broker(id, epoch)),
        (1..4i32, 1..4i64, -1..2i8, 0..2i8).prop_map(|(id, epoch, fenced, shutdown)| {
            BrokerRegistrationChangeRecord {
                broker_id: id,
                broker_epoch: epoch,
                fenced,
                in_controlled_shutdown: shutdown,
                ..Default::default()
            }
            .into()
        }),
        (1..4i32, 1..4i64).prop_map(|(broker_id, broker_epoch)| {
            UnregisterBrokerRecord {
                broker_id,
                broker_epoch,
                ..Default::default()
            }
            .into()
        }),
        ("[fg]", 0..3i16).prop_map(|(name, feature_level)| {
            FeatureLevelRecord {
                name,
                feature_level,
                ..Default::default()
            }
            .into()
        }),
        (0..9i64).prop_map(|next_producer_id| {
            ProducerIdsRecord {
                next_producer_id,
                ..Default::default()
            }
            .into()
        }),
        Just(BeginTransactionRecord::default().into()),
        Just(EndTransactionRecord::default().into()),
        Just(EndTransactionRecord::default().into()),
        Just(AbortTransactionRecord::default().into()),
        Just(ClearElrRecord::default().into()),
        (any::<bool>(), "[ab]").prop_map(|(remove, key)| {
            ClientQuotaRecord {
                key,
                remove,
                value: 1.5,
                ..Default::default()
            }
            .into()
        }),
    ]
}

proptest! {
    #[test]
    fn a_replay_equals_a_snapshot_and_the_rest_of_the_replay(
        records in prop::collection::vec(any_record(), 0..120),
        cut in 0..120usize,
    ) {
        let cut = cut.min(records.len());
        let mut whole = MetadataImage::new("c");
        whole.apply_entry(&records[..cut], Position { index: cut as u64, term: 1 });
        let mut restored = snapshot::decode(snapshot::encode(&whole).unwrap()).unwrap();
        prop_assert_eq!(&restored, &whole);
        let mut rest = Vec::new();
        for entry in entry::encode(&records[cut..]).unwrap() {
            rest.extend(entry::decode(entry).unwrap());
        }
        let a = whole.apply_entry(&records[cut..], Position { index: 200, term: 2 });
        let b = restored.apply_entry(&rest, Position { index: 200, term: 2 });
        prop_assert_eq!(a, b);
        prop_assert_eq!(restored, whole);
    }

    #[test]
    fn a_delta_is_empty_exactly_when_the_images_are_alike(
        records in prop::collection::vec(any_record(), 0..60),
        cut in 0..60usize,
    ) {
        let cut = cut.min(records.len());
        let mut before = MetadataImage::new("c");
        before.apply_entry(&records[..cut], Position::default());
        let mut after = before.clone();
        after.apply_entry(&records[cut..], Position::default());
        let delta = MetadataDelta::between(&before, &after);
        let alike = before.snapshot_records() == after.snapshot_records();
        if alike {
            prop_assert!(delta.is_empty());
        } else {
            let producer_ids = before.next_producer_id != after.next_producer_id;
            let open = before.open_transaction != after.open_transaction;
            prop_assert!(!delta.is_empty() || producer_ids || open);
        }
    }
}
