//! What a replica counts as on its disk is there when the power comes back.

use std::path::Path;

use odeon_kernel::disk::{Disk, OpenMode};
use odeon_model::{NodeId, TopicPartition};

use super::replicas::read_to;
use crate::clustersim::{Place, World};

/// For each replica of a node, what it says it has on disk.
pub fn flushed(world: &World, id: NodeId) -> Vec<(Place, Vec<u8>)> {
    let held = world.cluster.with_node(id, |node| {
        let places = world.all_places().into_iter();
        let held = places.filter_map(|place| {
            let name = TopicPartition::new(place.0.as_str(), place.1);
            let log = node.handle().logs.get(&name)?;
            let bytes = read_to(&log, log.view().flushed()).ok()?;
            Some((place, bytes))
        });
        held.collect()
    });
    held.unwrap_or_default()
}

/// Compares that with what the disk holds after a power cut.
pub fn check(world: &World, id: NodeId, before: &[(Place, Vec<u8>)]) {
    for (place, bytes) in before {
        let there = on_disk(world, id, place);
        if !there.starts_with(bytes) {
            let same = there.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            let what = format!(
                "node {id} had {} bytes of {place:?} on its disk, and {same} are there",
                bytes.len()
            );
            world.known().wrong(what);
        }
    }
}

/// The bytes of a partition's segments, one behind the other.
fn on_disk(world: &World, id: NodeId, place: &Place) -> Vec<u8> {
    let disk = world.cluster.disk(id);
    let folder = Path::new("/data").join(format!("{}-{}", place.0, place.1));
    let mut names: Vec<String> = match disk.read_dir(&folder) {
        Ok(entries) => entries.into_iter().map(|entry| entry.name).collect(),
        Err(_) => return Vec::new(),
    };
    names.retain(|name| name.ends_with(".log"));
    names.sort_unstable();
    let mut all = Vec::new();
    for name in names {
        let file = disk.open(&folder.join(name), OpenMode::Read);
        let file = file.expect("a file that is listed");
        let from = all.len();
        all.resize(from + file.len().unwrap_or(0) as usize, 0);
        let read = file.read_at(&mut all[from..], 0).unwrap_or(0);
        all.truncate(from + read);
    }
    all
}
