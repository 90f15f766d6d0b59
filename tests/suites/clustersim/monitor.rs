//! Looks at what nodes show of themselves, all the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::Clock;
use odeon_metadata::MetadataImage;
use odeon_model::NodeId;

use super::invariants::{insync, leaders, metadata, quorum};
use super::{World, faults};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(20);
/// Between two looks when a leader of the quorum is about to begin.
const CLOSELY: Duration = Duration::from_millis(1);

/// What was seen before.
#[derive(Default)]
pub struct Seen {
    pub images: BTreeMap<u64, Arc<MetadataImage>>,
    /// What each node showed last.
    pub shown: BTreeMap<NodeId, Arc<MetadataImage>>,
    pub partitions: BTreeMap<(String, i32), (i32, NodeId, Vec<NodeId>)>,
    /// How far any node has applied the metadata log.
    pub applied: u64,
    /// The newest term whose leader said that it was ready, and when it was first seen to.
    pub ready: (u64, Duration),
    pub leaders: BTreeMap<leaders::Led, (leaders::Life, i64)>,
    pub term: u64,
    pub lacking: insync::Lacking,
}

pub async fn run(world: World) {
    let mut seen = Seen::default();
    while !world.is_over() {
        let is_close = world.clock.monotonic() < world.known().closely_until;
        let interval = if is_close { CLOSELY } else { INTERVAL };
        world.clock.sleep(interval).await;
        for id in world.cluster.running() {
            look(&world, &mut seen, id);
        }
        insync::check(&world, &mut seen);
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
                let key = (view.topic.to_string(), view.partition, view.leader_epoch);
                (key, view.log_end_offset())
            })
            .collect();
        let role = *handle.quorum.role().borrow();
        let life = (id, handle.incarnation_id);
        (handle.image.get(), role, life, led)
    });
    let Some((image, role, life, led)) = shown else {
        return;
    };
    let term = role.term;
    let mut known = world.known();
    let now = world.clock.monotonic();
    let role = quorum::Role {
        id,
        term,
        is_ready: role.ready,
        applied: image.position().index,
    };
    quorum::check(&mut known, seen, role, now);
    leaders::check(&mut known, seen, life, led);
    if term > seen.term {
        known.counts.elections += u64::from(seen.term > 0);
        seen.term = term;
    }
    let shown = seen.shown.get(&id);
    if shown.is_some_and(|shown| Arc::ptr_eq(shown, &image)) {
        return;
    }
    metadata::check(&mut known, seen, id, &image);
    seen.shown.insert(id, image.clone());
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
                Some(before) if before.0 == now.0 && *before != now => {
                    known.wrong(format!("{key:?} in one epoch: {before:?} and {now:?}"));
                }
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
