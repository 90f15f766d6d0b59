//! All replicas of a partition come to hold the same, byte by byte.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::Clock;
use odeon_model::{NodeId, TopicPartition};
use odeon_tests::records;

use crate::clustersim::{Place, World};

/// How long followers may take to have what their leader has.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of one read.
const CHUNK: usize = 1 << 20;

/// The values of each partition by offset.
pub type Logs = BTreeMap<Place, BTreeMap<i64, String>>;

/// Waits until all replicas agree; what they hold then.
pub async fn check(world: &World) -> Result<Logs, String> {
    let mut logs = Logs::new();
    for place in world.places() {
        let until = world.clock.monotonic() + PATIENCE;
        let bytes = loop {
            let held = replicas(world, &place)?;
            let first = held.values().next().cloned().unwrap_or_default();
            if !held.is_empty() && held.values().all(|bytes| *bytes == first) {
                break first;
            }
            if world.clock.monotonic() > until {
                let ends: Vec<_> = held.iter().map(|(id, bytes)| (id, bytes.len())).collect();
                return Err(format!("{place:?}: replicas differ: {ends:?} bytes"));
            }
            world.pause(200).await;
        };
        let values = records::read(&bytes).into_iter();
        let values = values.map(|(offset, _, value)| (offset, value));
        logs.insert(place, values.collect());
    }
    Ok(logs)
}

fn replicas(world: &World, place: &Place) -> Result<BTreeMap<NodeId, Bytes>, String> {
    let name = TopicPartition::new(place.0.as_str(), place.1);
    let mut held = BTreeMap::new();
    for id in world.cluster.running() {
        let read = world.cluster.with_node(id, |node| {
            let handle = node.handle();
            let image = handle.image.get();
            let partition = image.partition(&place.0, place.1)?.clone();
            if !partition.replicas.contains(&id) {
                return None;
            }
            let log = handle.logs.get(&name)?;
            Some(whole(&log))
        });
        if let Some(Some(bytes)) = read {
            held.insert(id, bytes?);
        }
    }
    Ok(held)
}

fn whole(log: &odeon_log::Log) -> Result<Bytes, String> {
    read_to(log, log.view().log_end()).map(Bytes::from)
}

/// What a log holds up to an offset.
pub fn read_to(log: &odeon_log::Log, end: i64) -> Result<Vec<u8>, String> {
    let (view, reader) = (log.view(), log.reader());
    let (mut next, mut all) = (view.log_start(), Vec::new());
    while next < end {
        let read = reader.read(next, CHUNK, end, true);
        let read = read.map_err(|error| error.to_string())?;
        all.extend_from_slice(&read.records);
        next = read.next_offset;
    }
    Ok(all)
}
