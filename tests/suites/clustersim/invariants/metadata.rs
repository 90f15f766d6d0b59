//! Nodes that have applied as much of the metadata log show the same, and what they show is sound: a
//! leader is in sync, and who is in sync is a replica.

use std::sync::Arc;

use odeon_metadata::{MetadataImage, NO_LEADER};
use odeon_model::NodeId;

use crate::clustersim::known::Known;
use crate::clustersim::monitor::Seen;

/// Images that are kept for comparison.
const KEPT: usize = 200;

pub fn check(known: &mut Known, seen: &mut Seen, id: NodeId, image: &Arc<MetadataImage>) {
    let index = image.position().index;
    match seen.images.get(&index) {
        Some(other) if Arc::ptr_eq(other, image) => {}
        Some(other) if **other != **image => {
            known.wrong(format!("node {id} shows something else at {index}"));
        }
        Some(_) => {}
        None => {
            sound(known, image);
            seen.images.insert(index, image.clone());
            if seen.images.len() > KEPT {
                seen.images.pop_first();
            }
        }
    }
}

fn sound(known: &mut Known, image: &MetadataImage) {
    for topic in image.topics() {
        for (index, partition) in &topic.partitions {
            let (isr, leader) = (&partition.isr, partition.leader);
            let leads = leader == NO_LEADER || isr.contains(&leader);
            let are_replicas = isr.iter().all(|id| partition.replicas.contains(id));
            if !leads || !are_replicas {
                let (name, replicas) = (&topic.name, &partition.replicas);
                let what = format!("{name}-{index}: {isr:?} of {replicas:?}, led by {leader}");
                known.wrong(what);
            }
        }
    }
}
