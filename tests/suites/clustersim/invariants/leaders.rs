//! In one epoch of a partition one life of one node leads, no other acts as if it did, and its log only
//! grows.

use odeon_model::{NodeId, Uuid};

use crate::clustersim::known::Known;
use crate::clustersim::monitor::Seen;

/// A partition that a node leads by its own account: topic, partition and epoch.
pub type Led = (String, i32, i32);

/// A life of a node.
pub type Life = (NodeId, Uuid);

/// `led` is what a node leads, and where each log ends.
pub fn check(known: &mut Known, seen: &mut Seen, life: Life, led: Vec<(Led, i64)>) {
    for (key, log_end) in led {
        let before = seen.leaders.get(&key).copied();
        match before {
            Some((other, _)) if other != life => {
                known.wrong(format!("{key:?} is led by {other:?} and by {life:?}"));
            }
            Some((_, end)) if log_end < end => {
                known.wrong(format!("{key:?} ended at {end} and ends at {log_end}"));
            }
            _ => {}
        }
        seen.leaders.insert(key, (life, log_end));
    }
}
