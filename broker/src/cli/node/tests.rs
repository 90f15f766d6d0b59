use std::sync::Arc;

use super::*;

fn topic(name: &str, partitions: &[(&[NodeId], &[NodeId])]) -> Arc<Topic> {
    let partition = |(index, (replicas, isr)): (i32, &(&[NodeId], &[NodeId]))| Partition {
        index,
        leader: isr.first().copied(),
        leader_epoch: 0,
        replicas: replicas.to_vec(),
        isr: isr.to_vec(),
        offline_replicas: Vec::new(),
    };
    Arc::new(Topic {
        name: name.into(),
        id: odeon_model::TopicId::default(),
        internal: false,
        partitions: (0..).zip(partitions).map(partition).collect(),
    })
}

fn shown(placements: &[Placement]) -> Vec<String> {
    let show = |one: &Placement| format!("{}-{} {:?}", one.topic, one.partition, one.replicas);
    placements.iter().map(show).collect()
}

#[test]
fn a_drained_node_is_the_last_choice_behind_those_that_are_in_sync() {
    let topics = [topic(
        "t",
        &[
            (&[1, 2, 3], &[1, 3]),
            (&[2, 1, 3], &[2, 1, 3]),
            (&[2, 1], &[1]),
            (&[1], &[1]),
        ],
    )];
    let placed = last_choice(&topics, 1);
    assert_eq!(shown(&placed), ["t-0 [3, 2, 1]", "t-2 [2, 1]"]);
}

#[test]
fn a_decommissioned_node_is_replaced_by_the_one_that_holds_the_fewest() {
    let topics = [topic(
        "t",
        &[(&[1, 2], &[1, 2]), (&[2, 1], &[2, 1]), (&[2, 3], &[2, 3])],
    )];
    let placed = without(&topics, 1, &[2, 3, 4]).unwrap();
    assert_eq!(shown(&placed), ["t-0 [4, 2]", "t-1 [2, 3]"]);
    let refused = without(&topics, 1, &[2]).unwrap_err();
    assert!(refused.contains("t-0 has 2 replicas"), "{refused}");
}
