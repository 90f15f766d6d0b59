use std::sync::Arc;

use odeon_metadata::{MetadataImage, MetadataRecord, PartitionImage};
use odeon_model::{TopicPartition, Uuid};
use odeon_schema::metadata::{
    ConfigRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};

use super::reconcile::{Action, Which, actions, is_stray};

const NODE: i32 = 1;
const ID: Uuid = Uuid([7; 16]);

fn apply(image: &MetadataImage, records: Vec<MetadataRecord>) -> MetadataImage {
    let mut image = image.clone();
    for record in &records {
        image.apply(record);
    }
    image
}

fn empty() -> MetadataImage {
    MetadataImage::new("cluster")
}

fn topic(replicas: &[i32], leader: i32) -> Vec<MetadataRecord> {
    vec![
        MetadataRecord::Topic(TopicRecord {
            name: "t".into(),
            topic_id: ID,
            ..Default::default()
        }),
        MetadataRecord::Partition(PartitionRecord {
            partition_id: 0,
            topic_id: ID,
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
            leader,
            leader_epoch: 3,
            ..Default::default()
        }),
    ]
}

fn change(leader: i32, isr: &[i32]) -> MetadataRecord {
    MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition_id: 0,
        topic_id: ID,
        leader,
        isr: Some(isr.to_vec()),
        ..Default::default()
    })
}

fn which() -> Which {
    Which {
        topic: "t".into(),
        topic_id: ID,
        partition: 0,
    }
}

fn held(image: &MetadataImage) -> Arc<PartitionImage> {
    image.partition_by_id(ID, 0).unwrap().clone()
}

#[test]
fn a_start_leads_and_follows_what_the_image_gives_to_this_node() {
    let image = apply(&empty(), topic(&[1, 2], 1));
    let lead = Action::Lead(which(), held(&image));
    assert_eq!(actions(NODE, &empty(), &image), [lead]);
    let follow = Action::Follow(which(), held(&image));
    assert_eq!(actions(2, &empty(), &image), [follow]);
    assert_eq!(actions(3, &empty(), &image), []);
}

#[test]
fn nothing_changes_when_nothing_changed() {
    let image = apply(&empty(), topic(&[1], 1));
    assert_eq!(actions(NODE, &image, &image), []);
}

#[test]
fn leader_and_follower_change_places_and_a_partition_without_leader_is_followed() {
    let before = apply(&empty(), topic(&[1, 2], 2));
    let after = apply(&before, vec![change(1, &[1])]);
    let lead = Action::Lead(which(), held(&after));
    assert_eq!(actions(NODE, &before, &after), [lead]);
    let follow = Action::Follow(which(), held(&after));
    assert_eq!(actions(2, &before, &after), [follow]);
    let nobody = apply(&after, vec![change(-1, &[1])]);
    let follow = Action::Follow(which(), held(&nobody));
    assert_eq!(actions(NODE, &after, &nobody), [follow]);
}

#[test]
fn an_isr_that_changes_within_the_epoch_restarts_nothing() {
    let before = apply(&empty(), topic(&[1, 2], 1));
    let isr = MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition_id: 0,
        topic_id: ID,
        isr: Some(vec![1]),
        ..Default::default()
    });
    let after = apply(&before, vec![isr]);
    let expected = Action::SetReplicas(which(), held(&after));
    assert_eq!(actions(NODE, &before, &after), [expected]);
    assert_eq!(actions(2, &before, &after), []);
}

#[test]
fn a_replica_that_is_taken_away_is_deleted_and_one_that_is_added_follows() {
    let before = apply(&empty(), topic(&[1, 2], 1));
    let moved = MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition_id: 0,
        topic_id: ID,
        replicas: Some(vec![1, 3]),
        ..Default::default()
    });
    let after = apply(&before, vec![moved]);
    assert_eq!(actions(2, &before, &after), [Action::Delete(which())]);
    let follow = Action::Follow(which(), held(&after));
    assert_eq!(actions(3, &before, &after), [follow]);
}

#[test]
fn a_deleted_topic_takes_its_files_along_and_its_successor_starts_anew() {
    let before = apply(&empty(), topic(&[1], 1));
    let gone = MetadataRecord::RemoveTopic(RemoveTopicRecord {
        topic_id: ID,
        ..Default::default()
    });
    let after = apply(&before, vec![gone]);
    assert_eq!(actions(NODE, &before, &after), [Action::Delete(which())]);
}

#[test]
fn a_topics_settings_reach_its_leaders_and_the_brokers_settings_reach_all() {
    let before = apply(&empty(), topic(&[1], 1));
    let set = |resource_type, resource_name: &str| {
        MetadataRecord::Config(ConfigRecord {
            resource_type,
            resource_name: resource_name.into(),
            name: "retention.ms".into(),
            value: Some("5".into()),
            ..Default::default()
        })
    };
    let configure = Action::Configure {
        topic: "t".into(),
        topic_id: ID,
    };
    let topic_set = apply(&before, vec![set(2, "t")]);
    assert_eq!(
        actions(NODE, &before, &topic_set),
        std::slice::from_ref(&configure)
    );
    let broker_set = apply(&before, vec![set(4, "")]);
    assert_eq!(actions(NODE, &before, &broker_set), [configure]);
}

#[test]
fn a_log_without_a_partition_of_this_broker_is_a_stray() {
    let image = apply(&empty(), topic(&[1], 1));
    let stray = |name: &str, partition, id, node| {
        is_stray(node, &image, &TopicPartition::new(name, partition), id)
    };
    assert!(!stray("t", 0, ID, NODE));
    assert!(!stray("t", 0, Uuid::ZERO, NODE), "an old folder has no id");
    assert!(stray("t", 0, Uuid([8; 16]), NODE), "an older topic's");
    assert!(stray("u", 0, Uuid([8; 16]), NODE), "a deleted topic's");
    assert!(stray("t", 1, ID, NODE), "no such partition");
    assert!(stray("t", 0, ID, 2), "another broker's");
    assert!(stray("u", 0, ID, NODE), "under another name");
}
