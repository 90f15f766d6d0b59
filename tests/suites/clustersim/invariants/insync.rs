//! Who is in sync has on its disk all that was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::Clock;
use odeon_metadata::MetadataImage;
use odeon_model::{NodeId, TopicPartition};

use crate::clustersim::monitor::Seen;
use crate::clustersim::{Place, World};

/// How long it may look otherwise: nodes are looked at one after the other.
const BLINK: Duration = Duration::from_millis(50);

/// Up to where a member of an ISR lacks something, and since when.
pub type Lacking = BTreeMap<(Place, NodeId), (i64, Duration)>;

pub fn check(world: &World, seen: &mut Seen) {
    let Some(image) = newest(world, seen.term) else {
        seen.lacking.clear();
        return;
    };
    let now = world.clock.monotonic();
    let before = std::mem::take(&mut seen.lacking);
    for place in world.places() {
        let last = {
            let known = world.known();
            let acknowledged = known.acknowledged.get(&place);
            acknowledged.and_then(|offsets| offsets.last().copied())
        };
        let partition = image.partition(&place.0, place.1);
        let (Some(last), Some(partition)) = (last, partition) else {
            continue;
        };
        for id in &partition.isr {
            let Some(flushed) = flushed(world, *id, &place) else {
                continue;
            };
            let key = (place.clone(), *id);
            let (end, since) = before.get(&key).copied().unwrap_or((last + 1, now));
            if flushed >= end {
                continue;
            }
            if now.saturating_sub(since) >= BLINK {
                world.known().wrong(format!(
                    "{place:?}: node {id} is in sync and has {flushed} records on its disk, {end} are \
                     acknowledged"
                ));
            }
            seen.lacking.insert(key, (end, since));
        }
    }
}

/// What the quorum's leader knows, if one leads in the newest term.
fn newest(world: &World, term: u64) -> Option<Arc<MetadataImage>> {
    let running = world.cluster.running().into_iter();
    let mut images = running.filter_map(|id| {
        let shown = world.cluster.with_node(id, |node| {
            let role = *node.handle().quorum.role().borrow();
            (role.ready && role.term == term).then(|| node.handle().image.get())
        });
        shown.flatten()
    });
    images.next()
}

fn flushed(world: &World, id: NodeId, place: &Place) -> Option<i64> {
    let name = TopicPartition::new(place.0.as_str(), place.1);
    let flushed = world.cluster.with_node(id, |node| {
        let log = node.handle().logs.get(&name)?;
        Some(log.view().flushed())
    });
    flushed.flatten()
}
