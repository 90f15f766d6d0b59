//! Once everything is made good, every client gets on, and all replicas come to be in sync.

use std::time::Duration;

use odeon_kernel::Clock;

use crate::clustersim::{World, faults};

pub async fn check(world: &World, within: Duration) -> Result<(), String> {
    let until = world.clock.monotonic() + within;
    let before = world.known().progress.clone();
    loop {
        if let Some(wrong) = world.known().wrong.clone() {
            return Err(wrong);
        }
        faults::mend(world);
        let stuck: Vec<String> = {
            let known = world.known();
            let stuck = known.progress.iter();
            let stuck = stuck.filter(|(name, count)| before.get(*name) == Some(count));
            stuck.map(|(name, _)| name.clone()).collect()
        };
        let behind = out_of_sync(world);
        if stuck.is_empty() && behind.is_empty() {
            return Ok(());
        }
        if world.clock.monotonic() > until {
            return Err(format!(
                "healed for {within:?}, and {stuck:?} do not get on, {behind:?} lack replicas"
            ));
        }
        world.pause(200).await;
    }
}

/// Partitions whose ISR lacks a replica, or that nobody leads.
fn out_of_sync(world: &World) -> Vec<String> {
    let images = world.cluster.running().into_iter();
    let images = images.filter_map(|id| world.cluster.image(id));
    let Some(image) = images.max_by_key(|image| image.position().index) else {
        return vec!["all".to_owned()];
    };
    let mut behind = Vec::new();
    for topic in image.topics() {
        for (index, partition) in &topic.partitions {
            if partition.leader < 0 || partition.isr.len() < partition.replicas.len() {
                let (isr, leader) = (&partition.isr, partition.leader);
                behind.push(format!("{}-{index}: {isr:?} led by {leader}", topic.name));
            }
        }
    }
    behind
}
