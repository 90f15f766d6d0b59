use odeon_metadata::{MetadataImage, MetadataRecord};
use odeon_model::{TopicPartition, Uuid};
use odeon_schema::metadata::{
    ConfigRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};

use super::reconcile::{Action, actions, is_stray};

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

fn lead(leader_epoch: i32, isr: &[i32]) -> Action {
    Action::Lead {
        topic: "t".into(),
        topic_id: ID,
        partition: 0,
        leader_epoch,
        isr: isr.to_vec(),
    }
}

fn stop(delete: bool) -> Action {
    Action::Stop {
        topic: "t".into(),
        topic_id: ID,
        partition: 0,
        delete,
    }
}

#[test]
fn a_start_leads_what_the_image_gives_to_this_node() {
    let image = apply(&empty(), topic(&[1], 1));
    assert_eq!(actions(NODE, &empty(), &image), [lead(3, &[1])]);
    assert_eq!(actions(2, &empty(), &image), []);
}

#[test]
fn nothing_changes_when_nothing_changed() {
    let image = apply(&empty(), topic(&[1], 1));
    assert_eq!(actions(NODE, &image, &image), []);
}

#[test]
fn a_new_leader_epoch_is_a_new_leader_and_a_lost_one_stops() {
    let before = apply(&empty(), topic(&[1, 2], 2));
    let after = apply(&before, vec![change(1, &[1])]);
    assert_eq!(actions(NODE, &before, &after), [lead(4, &[1])]);
    assert_eq!(actions(2, &before, &after), [stop(false)]);
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
    let expected = Action::SetIsr {
        topic_id: ID,
        partition: 0,
        isr: vec![1],
    };
    assert_eq!(actions(NODE, &before, &after), [expected]);
}

#[test]
fn a_deleted_topic_takes_its_files_along_and_its_successor_starts_anew() {
    let before = apply(&empty(), topic(&[1], 1));
    let gone = MetadataRecord::RemoveTopic(RemoveTopicRecord {
        topic_id: ID,
        ..Default::default()
    });
    let after = apply(&before, vec![gone]);
    assert_eq!(actions(NODE, &before, &after), [stop(true)]);
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
