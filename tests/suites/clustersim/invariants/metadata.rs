//! Nodes that have applied as much of the metadata log show the same.

use std::sync::Arc;

use odeon_metadata::MetadataImage;
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
            seen.images.insert(index, image.clone());
            if seen.images.len() > KEPT {
                seen.images.pop_first();
            }
        }
    }
}
