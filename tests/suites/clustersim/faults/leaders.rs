//! What befalls leaders, of partitions and of the quorum, when they have just promised something.

use std::time::Duration;

use odeon_kernel::Clock;
use odeon_model::{NodeId, TopicPartition};

use super::super::{Place, World};
use super::machines::come_back;
use super::{DEADLINE, heal_later, paths};

/// How long it is waited for a leader that its followers are ahead of.
const AHEAD: Duration = Duration::from_secs(1);
/// How long a new leader of the quorum is looked at closely.
const CLOSELY: Duration = Duration::from_secs(3);

/// A leader is cut off from all others for longer than its session, and now and then its actor ends
/// meanwhile. What it asked for before and in vain reaches its successor's controller.
pub async fn cut_off(world: &World) {
    let Some((id, place)) = world.promised().await else {
        return;
    };
    world.cluster.isolate(id);
    world
        .cluster
        .note(|| format!("node {id}, which leads {place:?}, is cut off"));
    if world.rng.below(3) == 0 {
        world.pause(1_000).await;
        end_replica(world, id, &place).await;
    }
    world
        .clock
        .sleep(Duration::from_millis(1_500 + world.rng.below(3_500)))
        .await;
    super::mend(world);
}

/// A leader's actor ends when followers have what it does not have on its own disk.
pub async fn ends_unsynced(world: &World) {
    let Some((id, place)) = world.promised().await else {
        return;
    };
    let slow = Duration::from_millis(50 + world.rng.below(300));
    world.cluster.slow_disk(id, Some(slow));
    heal_later(world, 2_000);
    let until = world.clock.monotonic() + AHEAD;
    while !others_are_ahead(world, id, &place) {
        if world.clock.monotonic() > until || world.is_over() {
            return;
        }
        world.pause(5).await;
    }
    end_replica(world, id, &place).await;
}

/// Whether a follower has something that the leader does not have on its disk.
fn others_are_ahead(world: &World, leader: NodeId, place: &Place) -> bool {
    let name = TopicPartition::new(place.0.as_str(), place.1);
    let ends = |id: NodeId| {
        let ends = world.cluster.with_node(id, |node| {
            let log = node.handle().logs.get(&name)?;
            Some((log.view().flushed(), log.view().log_end()))
        });
        ends.flatten()
    };
    let Some((flushed, _)) = ends(leader) else {
        return false;
    };
    let others = world.cluster.running().into_iter();
    let mut others = others.filter(|id| *id != leader);
    others.any(|id| ends(id).is_some_and(|(_, log_end)| log_end > flushed))
}

/// The actor of a replica ends where it stands.
async fn end_replica(world: &World, id: NodeId, place: &Place) {
    let supervisor = world
        .cluster
        .with_node(id, |node| node.supervisor().clone());
    let Some(supervisor) = supervisor else {
        return;
    };
    let Ok(tree) = supervisor.tree(1_000, DEADLINE).await else {
        return;
    };
    let (mut all, name) = (Vec::new(), format!("/{}-{}", place.0, place.1));
    paths(&tree, "", &mut all);
    if let Some(path) = all.iter().find(|path| path.ends_with(&name)) {
        world
            .cluster
            .note(|| format!("node {id}: {path} is killed"));
        let _ = supervisor.kill(path, DEADLINE).await;
    }
}

/// The quorum's leader goes down when it has just acknowledged a change.
pub async fn controller(world: &World) {
    let Some(leader) = world.cluster.controller() else {
        return;
    };
    let running = world.cluster.running();
    let others: Vec<NodeId> = running.into_iter().filter(|id| *id != leader).collect();
    if let Some(slow) = world.pick(&others).filter(|_| world.rng.below(2) == 0) {
        // It has what the others have, and not yet on its disk.
        let by = Duration::from_millis(20 + world.rng.below(200));
        world.cluster.slow_disk(*slow, Some(by));
        heal_later(world, 3_000);
    }
    let topics: Vec<&str> = world.topics.iter().map(|(name, _)| name.as_str()).collect();
    let topic = world.pick(&topics).copied().unwrap_or_default();
    let mut client = world.cluster.client("operator").answers_within(DEADLINE);
    let value = (60_000 + world.rng.below(60_000)).to_string();
    let set = client.set_topic_config(leader, topic, "file.delete.delay.ms", &value);
    if set.await.is_err() || !world.cluster.is_on(leader) {
        return;
    }
    if let Some(image) = world.cluster.image(leader) {
        let mut known = world.known();
        known.decided = known.decided.max(image.position().index);
        known.closely_until = world.clock.monotonic() + CLOSELY;
    }
    world
        .cluster
        .note(|| format!("node {leader}, the controller, goes down"));
    match world.rng.below(2) {
        0 => world.cluster.kill(leader),
        _ => world.cut_power(leader, true),
    }
    come_back(world, leader, 600);
}
