//! What goes wrong: nodes die and come back, links break, disks fail and crawl, clocks jump, actors end,
//! partitions move.

use std::io;
use std::time::Duration;

use odeon_kernel::sim::{DiskFault, DiskOp};
use odeon_kernel::supervisor::SupervisionNode;
use odeon_kernel::{Clock, spawn};
use odeon_mesh::{Cut, LinkFault};
use odeon_model::NodeId;

use super::{Place, World};

mod disasters;
mod leaders;
mod machines;

pub use machines::{come_back, heal, mend};

/// How long a supervisor may take to answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// Injects faults for a while.
pub async fn inject(world: &World, for_a_while: Duration) {
    let until = world.clock.monotonic() + for_a_while;
    while world.clock.monotonic() < until && world.known().wrong.is_none() {
        world.pause(4_000).await;
        one(world).await;
    }
}

/// A node that is to suffer; most times one whose loss leaves a majority.
async fn victim(world: &World) -> Option<NodeId> {
    let running = world.cluster.running();
    let all = world.cluster.ids().count();
    let few = running.len() <= all / 2 + 1;
    if few && world.rng.below(6) != 0 {
        return None;
    }
    let special = match world.rng.below(5) {
        0 => world.cluster.controller(),
        1 => {
            let places = world.all_places();
            let place = world.pick(&places)?;
            let leader = world.cluster.leader_of(&place.0, place.1);
            leader.map(|(id, _)| id)
        }
        // At the worst of moments.
        2 | 3 => world.promised().await.map(|(id, _)| id),
        _ => None,
    };
    let running = world.cluster.running();
    let special = special.filter(|id| running.contains(id));
    special.or_else(|| world.pick(&running).copied())
}

async fn one(world: &World) {
    let kind = world.rng.below(32);
    match kind {
        0..=2 => return note_and(world, kind, disasters::all_at_once(world)).await,
        3..=5 => return note_and(world, kind, disasters::one_after_the_other(world)).await,
        6..=8 => return note_and(world, kind, actor(world)).await,
        9 | 10 => return note_and(world, kind, mover(world)).await,
        26 | 27 => return note_and(world, kind, leaders::cut_off(world)).await,
        28 | 29 => return note_and(world, kind, leaders::ends_unsynced(world)).await,
        30 | 31 => return note_and(world, kind, leaders::controller(world)).await,
        _ => {}
    }
    let Some(id) = victim(world).await else {
        return;
    };
    world.known().counts.faults += 1;
    world.cluster.note(|| format!("fault {kind} on node {id}"));
    match kind {
        11..=17 => goes_down(world, id, kind),
        18..=23 => is_not_heard(world, id, kind),
        24 if world.rng.below(2) == 0 => {
            let slow = Duration::from_millis(20 + world.rng.below(600));
            world.cluster.slow_disk(id, Some(slow));
            heal_later(world, 4_000);
        }
        24 => world.cluster.disk(id).fail(DiskFault {
            path_contains: "orders-".to_owned(),
            times: 1 + world.rng.below(3),
            error: io::ErrorKind::StorageFull,
            ..DiskFault::next(DiskOp::Write)
        }),
        _ => {
            let by_ms = world.rng.below(7_200_000) as i64 - 3_600_000;
            world.cluster.node_clock(id).shift_wall_ms(by_ms);
        }
    }
}

async fn note_and(world: &World, kind: u64, fault: impl Future<Output = ()>) {
    world.known().counts.faults += 1;
    world.cluster.note(|| format!("fault {kind}"));
    fault.await;
}

/// A node's life ends, and another begins.
fn goes_down(world: &World, id: NodeId, kind: u64) {
    let cluster = &world.cluster;
    match kind {
        11 | 12 => {
            cluster.kill(id);
            come_back(world, id, 4_000);
        }
        13 | 14 => {
            world.cut_power(id, false);
            come_back(world, id, 4_000);
        }
        15 => {
            // At once: a process that is restarted before anybody misses it.
            cluster.kill(id);
            come_back(world, id, 30);
        }
        16 => {
            world.cut_power(id, true);
            come_back(world, id, 30);
        }
        _ => {
            let world = world.clone();
            spawn(async move {
                world.cluster.stop(id).await;
                come_back(&world, id, 2_000);
            });
        }
    }
}

/// Messages from or to a node are lost or late.
fn is_not_heard(world: &World, id: NodeId, kind: u64) {
    let cluster = &world.cluster;
    let others: Vec<NodeId> = cluster.ids().filter(|other| *other != id).collect();
    let silent = LinkFault {
        cut: Some(Cut::Silent),
        ..LinkFault::default()
    };
    let cut = match world.rng.below(2) {
        0 => Cut::Known,
        _ => Cut::Silent,
    };
    match kind {
        18 => {
            cluster.isolate(id);
            heal_later(world, 5_000);
        }
        19 => {
            let other = *world.pick(&others).expect("there are others");
            cluster.network().cut(id, other, cut);
            heal_later(world, 5_000);
        }
        20 => {
            // From its followers, not from the controller.
            let controller = cluster.controller();
            for other in others
                .into_iter()
                .filter(|other| Some(*other) != controller)
            {
                cluster.network().cut(id, other, cut);
            }
            heal_later(world, 6_000);
        }
        21 => {
            // One direction only: it hears, and is not heard.
            for other in others {
                cluster.set_fault(id, other, silent);
            }
            heal_later(world, 4_000);
        }
        _ => {
            let slow = [150, 600][world.rng.below(2) as usize];
            let fault = LinkFault {
                delay: Duration::from_millis(world.rng.below(60)),
                jitter: Duration::from_millis(1 + world.rng.below(slow)),
                drop_probability: world.rng.below(20) as f64 / 100.0,
                ..LinkFault::default()
            };
            for other in others {
                cluster.set_fault(id, other, fault);
                if kind == 22 {
                    cluster.set_fault(other, id, fault);
                }
            }
            heal_later(world, 6_000);
        }
    }
}

fn heal_later(world: &World, within_ms: u64) {
    let world = world.clone();
    spawn(async move {
        world.pause(within_ms).await;
        world.cluster.note(|| "all is healed".to_owned());
        mend(&world);
    });
}

/// An actor ends where it stands; every other time one that leads a partition.
async fn actor(world: &World) {
    let promised = world.promised().await;
    let running = world.cluster.running();
    let id = match promised {
        Some((id, _)) if world.rng.below(2) == 0 => id,
        _ => match world.pick(&running) {
            Some(id) => *id,
            None => return,
        },
    };
    let Some(supervisor) = world
        .cluster
        .with_node(id, |node| node.supervisor().clone())
    else {
        return;
    };
    if world.rng.below(3) == 0 {
        // With much that is written and not synced.
        let slow = Duration::from_millis(50 + world.rng.below(300));
        world.cluster.slow_disk(id, Some(slow));
        heal_later(world, 1_000);
        world.pause(300).await;
    }
    let Ok(tree) = supervisor.tree(1_000, DEADLINE).await else {
        return;
    };
    let mut all = Vec::new();
    paths(&tree, "", &mut all);
    let places = world.all_places();
    let names: Vec<String> = places
        .iter()
        .map(|(name, n)| format!("/{name}-{n}"))
        .collect();
    if world.rng.below(2) == 0 {
        all.retain(|path| names.iter().any(|name| path.ends_with(name)));
    }
    let Some(path) = world.pick(&all) else {
        return;
    };
    world
        .cluster
        .note(|| format!("node {id}: {path} is killed"));
    let _ = supervisor.kill(path, DEADLINE).await;
}

/// The paths of all actors below a supervisor.
fn paths(node: &SupervisionNode, prefix: &str, found: &mut Vec<String>) {
    for child in &node.children {
        let path = format!("{prefix}{}", child.name);
        paths(child, &format!("{path}/"), found);
        found.push(path);
    }
}

/// A partition gets other replicas, or its preferred leader.
async fn mover(world: &World) {
    let places = world.all_places();
    let Some(place) = world.pick(&places) else {
        return;
    };
    if world.rng.below(3) == 0 {
        return prefer(world, place).await;
    }
    move_anywhere(world, place, 3).await;
    if world.rng.below(2) == 0 {
        world.pause(500).await;
        prefer(world, place).await;
    }
}

/// Every partition moves some times, with nothing broken.
pub async fn move_all(world: &World) {
    let places = world.all_places();
    for place in places.iter().chain(&places) {
        // While faults come, fewer copies than three would be too few.
        let copies = 1 + world.rng.below(3) as usize;
        move_anywhere(world, place, copies).await;
        world.pause(200).await;
    }
}

async fn prefer(world: &World, place: &Place) {
    let running = world.cluster.running();
    let Some(via) = world.pick(&running).copied() else {
        return;
    };
    let mut client = world.cluster.client("mover").answers_within(DEADLINE);
    let _ = client.elect_preferred(via, &place.0, place.1).await;
}

async fn move_anywhere(world: &World, place: &Place, copies: usize) {
    let running = world.cluster.running();
    let Some(via) = world.pick(&running).copied() else {
        return;
    };
    let mut ids: Vec<NodeId> = world.cluster.ids().collect();
    for n in (1..ids.len()).rev() {
        ids.swap(n, world.rng.below(n as u64 + 1) as usize);
    }
    ids.truncate(copies);
    world.cluster.note(|| format!("{place:?} moves to {ids:?}"));
    let mut client = world.cluster.client("mover").answers_within(DEADLINE);
    let _ = client.reassign(via, &place.0, place.1, &ids).await;
}
