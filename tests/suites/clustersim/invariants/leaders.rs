//! In one epoch of a partition one node leads, and no other acts as if it did.

use odeon_model::NodeId;

use crate::clustersim::known::Known;
use crate::clustersim::monitor::Seen;

/// `led` is what a node leads by its own account: topic, partition and epoch.
pub fn check(known: &mut Known, seen: &mut Seen, id: NodeId, led: &[(String, i32, i32)]) {
    for key in led {
        match seen.leaders.get(key) {
            Some(other) if *other != id => {
                let what = format!("{key:?} is led by node {other} and by node {id}");
                known.wrong(what);
            }
            Some(_) => {}
            None => {
                seen.leaders.insert(key.clone(), id);
            }
        }
    }
}
