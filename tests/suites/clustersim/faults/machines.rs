//! Nodes that are off come on again.

use std::time::Duration;

use odeon_kernel::{Clock, spawn};
use odeon_model::NodeId;

use super::super::World;

/// How long a healed cluster may take to have all its nodes up.
const BOOTING: Duration = Duration::from_secs(60);

/// Starts a node again after a while, unless its next life has begun by then.
pub fn come_back(world: &World, id: NodeId, within_ms: u64) {
    come_back_after(world, id, 0, within_ms);
}

/// Starts a node again after `at_least_ms` and up to `within_ms` more.
pub fn come_back_after(world: &World, id: NodeId, at_least_ms: u64, within_ms: u64) {
    let world = world.clone();
    spawn(async move {
        world.clock.sleep(Duration::from_millis(at_least_ms)).await;
        world.pause(within_ms).await;
        boot(&world, id).await;
    });
}

async fn boot(world: &World, id: NodeId) {
    let cluster = &world.cluster;
    while !cluster.is_on(id) {
        world.known().counts.restarts += 1;
        cluster.note(|| format!("node {id} boots"));
        match cluster.clone().boot(id).await {
            Ok(()) => return,
            Err(error) => cluster.note(|| format!("node {id} does not start: {error}")),
        }
        world.pause(300).await;
    }
}

/// Makes everything good, and waits until all nodes are up.
pub async fn heal(world: &World) -> Result<(), String> {
    let cluster = &world.cluster;
    let until = world.clock.monotonic() + BOOTING;
    loop {
        // A delayed fault may still come.
        mend(world);
        let down: Vec<NodeId> = cluster
            .ids()
            .filter(|id| !cluster.running().contains(id))
            .collect();
        if down.is_empty() {
            return Ok(());
        }
        for id in &down {
            if !cluster.is_on(*id) {
                come_back(world, *id, 1);
            }
        }
        if world.clock.monotonic() > until {
            return Err(format!("nodes {down:?} do not come up"));
        }
        world.pause(200).await;
    }
}

/// Repairs links and disks.
pub fn mend(world: &World) {
    world.cluster.heal();
    for id in world.cluster.ids() {
        world.cluster.disk(id).clear_faults_only();
        world.cluster.slow_disk(id, None);
    }
}
