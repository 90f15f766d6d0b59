//! Looks at what nodes show of themselves, all the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::Clock;
use odeon_metadata::MetadataImage;
use odeon_model::NodeId;

use super::invariants::{leaders, metadata};
use super::{World, faults};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(20);

/// What was seen before.
#[derive(Default)]
pub struct Seen {
    pub images: BTreeMap<u64, Arc<MetadataImage>>,
    pub partitions: BTreeMap<(String, i32), (i32, NodeId, Vec<NodeId>)>,
    pub leaders: BTreeMap<(String, i32, i32), NodeId>,
    pub term: u64,
}

pub async fn run(world: World) {
    let mut seen = Seen::default();
    while !world.is_over() {
        world.clock.sleep(INTERVAL).await;
        for id in world.cluster.running() {
            look(&world, &mut seen, id);
        }
        restart_the_ended(&world);
    }
}

fn look(world: &World, seen: &mut Seen, id: NodeId) {
    let shown = world.cluster.with_node(id, |node| {
        let handle = node.handle();
        let routes: Vec<_> = handle.routing.all();
        let routes = routes.into_iter().filter(|route| !route.view.is_closed());
        let led: Vec<_> = routes
            .map(|route| {
                let view = &route.view;
                (view.topic.to_string(), view.partition, view.leader_epoch)
            })
            .collect();
        (handle.image.get(), handle.quorum.role().borrow().term, led)
    });
    let Some((image, term, led)) = shown else {
        return;
    };
    let mut known = world.known();
    metadata::check(&mut known, seen, id, &image);
    leaders::check(&mut known, seen, id, &led);
    if term > seen.term {
        known.counts.elections += u64::from(seen.term > 0);
        seen.term = term;
    }
    for topic in image.topics() {
        for (index, partition) in &topic.partitions {
            let key = (topic.name.to_string(), *index);
            let now = (
                partition.partition_epoch,
                partition.leader,
                partition.isr.clone(),
            );
            match seen.partitions.get(&key) {
                Some(before) if before.0 > now.0 => {}
                Some(before) => {
                    let moved = before.1 != now.1 && now.1 >= 0;
                    known.counts.failovers += u64::from(moved);
                    known.counts.isr_changes += u64::from(before.2 != now.2);
                    seen.partitions.insert(key, now);
                }
                None => {
                    seen.partitions.insert(key, now);
                }
            }
        }
    }
}

/// A node that gave up is a process that ended: somebody starts it again.
fn restart_the_ended(world: &World) {
    for id in world.cluster.running() {
        let ended = world
            .cluster
            .with_node(id, |node| node.supervisor().slot().get().is_none());
        if ended == Some(true) && !world.cluster.is_stopping(id) {
            world.cluster.note(|| format!("node {id} gave up"));
            world.known().counts.gave_up += 1;
            world.cluster.kill(id);
            faults::come_back(world, id, 500);
        }
    }
}
