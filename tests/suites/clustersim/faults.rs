//! What goes wrong: nodes die and come back, links break, disks fail, clocks jump.

use std::io;
use std::time::Duration;

use odeon_kernel::sim::{DiskFault, DiskOp};
use odeon_kernel::{Clock, spawn};
use odeon_mesh::{Cut, LinkFault};
use odeon_model::NodeId;

use super::World;

/// How long a healed cluster may take to have all its nodes up.
const BOOTING: Duration = Duration::from_secs(60);

/// Injects faults for a while.
pub async fn inject(world: &World, for_a_while: Duration) {
    let until = world.clock.monotonic() + for_a_while;
    while world.clock.monotonic() < until && world.known().wrong.is_none() {
        world.pause(5_000).await;
        world.known().counts.faults += 1;
        one(world).await;
    }
}

/// A node that is to suffer; most times one whose loss leaves a majority.
fn victim(world: &World) -> Option<NodeId> {
    let running = world.cluster.running();
    let all = world.cluster.ids().count();
    let few = running.len() <= all / 2 + 1;
    if few && world.rng.below(6) != 0 {
        return None;
    }
    let leader = world.cluster.leader_of("orders", 0).map(|(id, _)| id);
    let special = match world.rng.below(4) {
        0 => world.cluster.controller(),
        1 | 2 => leader,
        _ => None,
    };
    let special = special.filter(|id| running.contains(id));
    special.or_else(|| world.pick(&running).copied())
}

async fn one(world: &World) {
    let Some(id) = victim(world) else {
        return;
    };
    let cluster = &world.cluster;
    let others: Vec<NodeId> = cluster.ids().filter(|other| *other != id).collect();
    let kind = world.rng.below(16);
    cluster.note(|| format!("fault {kind} on node {id}"));
    match kind {
        0..=2 => {
            cluster.kill(id);
            come_back(world, id, 4_000);
        }
        3..=5 => {
            cluster.power_cut(id);
            come_back(world, id, 4_000);
        }
        6 => {
            // At once: a process that is restarted before anybody misses it.
            cluster.kill(id);
            come_back(world, id, 30);
        }
        7 => {
            for id in cluster.running() {
                cluster.power_cut_losing_all(id);
                come_back(world, id, 2_000);
            }
        }
        8 => {
            let world = world.clone();
            spawn(async move {
                world.cluster.stop(id).await;
                come_back(&world, id, 2_000);
            });
        }
        9 | 10 => {
            cluster.isolate(id);
            heal_later(world, 5_000);
        }
        11 => {
            let other = *world.pick(&others).unwrap();
            let cut = match world.rng.below(2) {
                0 => Cut::Known,
                _ => Cut::Silent,
            };
            cluster.network().cut(id, other, cut);
            heal_later(world, 5_000);
        }
        12 => {
            // One direction only: it hears, and is not heard.
            for other in others {
                let fault = LinkFault {
                    cut: Some(Cut::Silent),
                    ..LinkFault::default()
                };
                cluster.set_fault(id, other, fault);
            }
            heal_later(world, 4_000);
        }
        13 => {
            let fault = LinkFault {
                delay: Duration::from_millis(world.rng.below(60)),
                jitter: Duration::from_millis(1 + world.rng.below(150)),
                drop_probability: world.rng.below(20) as f64 / 100.0,
                ..LinkFault::default()
            };
            for other in others {
                cluster.set_fault(id, other, fault);
                cluster.set_fault(other, id, fault);
            }
            heal_later(world, 6_000);
        }
        14 => cluster.disk(id).fail(DiskFault {
            path_contains: "orders-".to_owned(),
            times: 1 + world.rng.below(3),
            error: io::ErrorKind::StorageFull,
            ..DiskFault::next(DiskOp::Write)
        }),
        _ => {
            let by_ms = world.rng.below(7_200_000) as i64 - 3_600_000;
            cluster.node_clock(id).shift_wall_ms(by_ms);
        }
    }
}

/// Starts a node again after a while, unless its next life has begun by then.
pub fn come_back(world: &World, id: NodeId, within_ms: u64) {
    let world = world.clone();
    spawn(async move {
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

fn heal_later(world: &World, within_ms: u64) {
    let world = world.clone();
    spawn(async move {
        world.pause(within_ms).await;
        world.cluster.note(|| "links are healed".to_owned());
        world.cluster.heal();
    });
}

/// Makes everything good, and waits until all nodes are up.
pub async fn heal(world: &World) -> Result<(), String> {
    let cluster = &world.cluster;
    cluster.heal();
    for id in cluster.ids() {
        cluster.disk(id).clear_faults_only();
    }
    let until = world.clock.monotonic() + BOOTING;
    loop {
        // A delayed fault may still come.
        cluster.heal();
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
