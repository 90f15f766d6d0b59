//! What befalls several nodes at once, or one after the other, at the worst of moments.

use std::time::Duration;

use odeon_kernel::Clock;
use odeon_model::NodeId;

use super::super::World;
use super::machines::{come_back, come_back_after};

/// How long a new leader is waited for.
const ELECTION: Duration = Duration::from_secs(4);

/// How nodes go down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Down {
    /// The process ends, the machine goes on.
    Killed,
    /// What was not synced is lost in part.
    Cut,
    /// What was not synced is lost.
    CutLosingAll,
}

fn down(world: &World, id: NodeId, how: Down) {
    match how {
        Down::Killed => world.cluster.kill(id),
        Down::Cut => world.cut_power(id, false),
        Down::CutLosingAll => world.cut_power(id, true),
    }
}

/// All nodes go down at once; the leader of a partition comes back first, or last, or at any time.
pub async fn all_at_once(world: &World) {
    let Some((leader, others)) = leader_and_others(world) else {
        return;
    };
    // Slow disks leave much that is written and not synced.
    let slow = Some(Duration::from_millis(50 + world.rng.below(400)));
    match world.rng.below(3) {
        0 => world.cluster.slow_disk(leader, slow),
        1 => {
            for id in &others {
                world.cluster.slow_disk(*id, slow);
            }
        }
        _ => {}
    }
    world.pause(400).await;
    if world.rng.below(3) > 0 {
        world.promised().await;
    }
    let how = match world.rng.below(3) {
        0 => Down::Killed,
        1 => Down::Cut,
        _ => Down::CutLosingAll,
    };
    let order = world.rng.below(3);
    world
        .cluster
        .note(|| format!("all go down: {how:?}, led by {leader}, back in order {order}"));
    let on: Vec<NodeId> = world.cluster.ids().collect();
    for id in on.into_iter().filter(|id| world.cluster.is_on(*id)) {
        down(world, id, how);
        world.cluster.slow_disk(id, None);
        let (at_least_ms, within_ms) = match (order, id == leader) {
            (0, true) | (1, false) => (0, 100),
            (0, false) => (world.rng.below(2) * 1_500, 500),
            (1, true) => (2_500, 1_500),
            _ => (0, 2_000),
        };
        come_back_after(world, id, at_least_ms, within_ms);
    }
}

fn leader_and_others(world: &World) -> Option<(NodeId, Vec<NodeId>)> {
    let places = world.all_places();
    let place = world.pick(&places)?;
    let (leader, _) = world.cluster.leader_of(&place.0, place.1)?;
    let others = world.cluster.running().into_iter();
    Some((leader, others.filter(|id| *id != leader).collect()))
}

/// A leader goes down when it has just promised something, and its successor as soon as it leads.
pub async fn one_after_the_other(world: &World) {
    let Some((first, place)) = world.promised().await else {
        return;
    };
    let Some((_, epoch)) = world.cluster.leader_of(&place.0, place.1) else {
        return;
    };
    let how = match world.rng.below(2) {
        0 => Down::Killed,
        _ => Down::Cut,
    };
    if !world.cluster.is_on(first) {
        return;
    }
    down(world, first, how);
    come_back(world, first, 600);
    let until = world.clock.monotonic() + ELECTION;
    let second = loop {
        let leader = world.cluster.leader_of(&place.0, place.1);
        if let Some((id, now)) = leader
            && now > epoch
            && id >= 0
            && id != first
        {
            break id;
        }
        if world.clock.monotonic() > until || world.is_over() {
            return;
        }
        world.pause(4).await;
    };
    world.pause([1, 10, 60][world.rng.below(3) as usize]).await;
    if world.cluster.is_on(second) {
        world
            .cluster
            .note(|| format!("and node {second}, which leads {place:?} now"));
        down(world, second, how);
        come_back_after(world, second, 1_500, 3_000);
    }
}
