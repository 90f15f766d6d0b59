//! What clients do: produce idempotently, read, commit; each tries until it succeeds.

use std::collections::BTreeMap;
use std::time::Duration;

use odeon_actors::group::coordinator_for;
use odeon_model::{ErrorCode, NodeId};
use odeon_tests::ClusterClient;
use odeon_tests::cluster::ops::{Tried, Trouble};
use odeon_tests::records::batch_of;

mod members;

pub use members::take_part;

use super::{OFFSETS_PARTITIONS, OFFSETS_TOPIC, Place, World};

/// How long a client waits for an answer.
const ANSWER: Duration = Duration::from_secs(5);
/// After so many attempts a producer gives its batch up and begins anew.
const ATTEMPTS: u32 = 400;

/// An idempotent producer's life under one producer id.
struct Producer {
    id: (i64, i16),
    sequences: BTreeMap<Place, i32>,
    routes: Routes,
}

/// Produces to all partitions.
pub async fn produce(world: World, number: usize) {
    let name = format!("producer-{number}");
    let mut client = world.cluster.client(&name).answers_within(ANSWER);
    let mut numbers: BTreeMap<Place, u64> = BTreeMap::new();
    let places = world.places();
    while !world.is_over() {
        let Some(id) = begin(&world, &mut client).await else {
            continue;
        };
        let mut producer = Producer {
            id,
            sequences: BTreeMap::new(),
            routes: Routes::new(),
        };
        while !world.is_over() {
            world.pause(150).await;
            let place = world.pick(&places).unwrap().clone();
            let first = *numbers.get(&place).unwrap_or(&0);
            let count = 1 + world.rng.below(3);
            let value = |n| format!("{number}.{n}");
            let values: Vec<String> = (first..first + count).map(value).collect();
            numbers.insert(place.clone(), first + count);
            if !produce_one(&world, &mut client, &mut producer, &place, &values).await {
                break;
            }
            world.known().progresses(&name);
        }
    }
}

async fn begin(world: &World, client: &mut ClusterClient) -> Option<(i64, i16)> {
    let via = any_node(world)?;
    world.known().counts.operations += 1;
    match client.init_producer(via).await {
        Ok(id) => {
            let mut known = world.known();
            if !known.producer_ids.insert(id.0) {
                known.wrong(format!("the producer id {} is given out twice", id.0));
            }
            Some(id)
        }
        Err(_) => {
            world.pause(50).await;
            None
        }
    }
}

fn any_node(world: &World) -> Option<NodeId> {
    let running = world.cluster.running();
    world.pick(&running).copied()
}

/// Who leads each partition, as a client believes until it meets with an error.
type Routes = BTreeMap<Place, NodeId>;

/// Who leads a partition, as is believed or some node says.
async fn leader(
    world: &World,
    client: &mut ClusterClient,
    routes: &mut Routes,
    place: &Place,
) -> Option<NodeId> {
    if let Some(known) = routes.get(place) {
        return Some(*known);
    }
    let via = any_node(world)?;
    world.known().counts.operations += 1;
    let found = client.find_leader(via, &place.0, place.1).await.ok()?;
    routes.insert(place.clone(), found);
    Some(found)
}

/// Produces one batch; false if it was given up, and with it the producer's id.
async fn produce_one(
    world: &World,
    client: &mut ClusterClient,
    producer: &mut Producer,
    place: &Place,
    values: &[String],
) -> bool {
    let sequence = *producer.sequences.get(place).unwrap_or(&0);
    let texts: Vec<&str> = values.iter().map(String::as_str).collect();
    let batch = batch_of((producer.id.0, producer.id.1, sequence), &texts);
    for _ in 0..ATTEMPTS {
        if world.is_over() {
            return false;
        }
        let Some(leader) = leader(world, client, &mut producer.routes, place).await else {
            world.pause(50).await;
            continue;
        };
        world.known().counts.operations += 1;
        let answer = client
            .produce(leader, &place.0, place.1, batch.clone())
            .await;
        match answer {
            Ok(_) => world.promise(leader, place),
            Err(_) => drop(producer.routes.remove(place)),
        }
        if let Some(done) = heard(world, producer, place, values, answer) {
            return done;
        }
        world.pause(60).await;
    }
    false
}

/// What an answer means: done, given up, or to be tried again.
fn heard(
    world: &World,
    producer: &mut Producer,
    place: &Place,
    values: &[String],
    answer: Tried<i64>,
) -> Option<bool> {
    let name = (producer.id, place, values);
    world.cluster.note(|| format!("{name:?} {answer:?}"));
    let sequence = *producer.sequences.get(place).unwrap_or(&0);
    let mut known = world.known();
    match answer {
        Ok(base) => {
            for (offset, value) in (base..).zip(values) {
                known.lies_at(place, offset, value, "acknowledged as");
                let acknowledged = known.acknowledged.entry(place.clone()).or_default();
                acknowledged.insert(offset);
            }
            known.counts.acknowledged += values.len() as u64;
            let next = sequence + values.len() as i32;
            producer.sequences.insert(place.clone(), next);
            Some(true)
        }
        Err(Trouble::Code(
            code @ (ErrorCode::OutOfOrderSequenceNumber
            | ErrorCode::InvalidProducerEpoch
            | ErrorCode::DuplicateSequenceNumber
            | ErrorCode::UnknownProducerId),
        )) => {
            // It sends one batch at a time, so its partition has forgotten what it had.
            let what = format!("{place:?}: {values:?} in sequence got {}", code.name());
            known.wrong(what);
            Some(false)
        }
        Err(Trouble::Code(ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch)) => {
            known.counts.stale_refused += 1;
            None
        }
        Err(_) => None,
    }
}

/// Reads all partitions from their beginning on.
pub async fn consume(world: World, number: usize) {
    let name = format!("consumer-{number}");
    let mut client = world.cluster.client(&name).answers_within(ANSWER);
    let mut next: BTreeMap<Place, i64> = BTreeMap::new();
    let mut routes = Routes::new();
    let places = world.places();
    while !world.is_over() {
        world.pause(100).await;
        let place = world.pick(&places).unwrap().clone();
        let from = *next.get(&place).unwrap_or(&0);
        let Some(leader) = leader(&world, &mut client, &mut routes, &place).await else {
            continue;
        };
        world.known().counts.operations += 1;
        let answer = client.fetch(leader, &place.0, place.1, from, 200).await;
        let mut known = world.known();
        match answer {
            Ok((records, _)) => {
                known.counts.read += records.len() as u64;
                for (offset, value) in records {
                    known.lies_at(&place, offset, &value, "read as");
                    next.insert(place.clone(), offset + 1);
                }
                known.progresses(&name);
            }
            Err(Trouble::Code(ErrorCode::OffsetOutOfRange)) => {
                let what =
                    format!("{place:?}: {name} had read up to {from}, which node {leader} lacks");
                world.cluster.note(|| what.clone());
                known.wrong(what);
            }
            Err(_) => drop(routes.remove(&place)),
        }
    }
}

/// Commits offsets that rise, and looks at what is committed.
pub async fn commit(world: World, number: usize) {
    let name = format!("committer-{number}");
    let group = format!("group-{number}");
    let mut client = world.cluster.client(&name).answers_within(ANSWER);
    let place: Place = world.places()[0].clone();
    let key = (group.clone(), place.clone());
    let home = coordinator_for(&group, OFFSETS_PARTITIONS);
    let home: Place = (OFFSETS_TOPIC.to_owned(), home);
    while !world.is_over() {
        world.pause(400).await;
        let Some(via) = any_node(&world) else {
            continue;
        };
        world.known().counts.operations += 2;
        let Ok(coordinator) = client.find_coordinator(via, &group).await else {
            continue;
        };
        let before = world.known().commits.get(&key).copied().unwrap_or_default();
        if world.rng.below(2) == 0 {
            let epoch = world.leads(coordinator, &home);
            let found = client
                .committed(coordinator, &group, &place.0, place.1)
                .await;
            let is_it = epoch.is_some() && world.leads(coordinator, &home) == epoch;
            if let Ok(found) = found {
                let mut known = world.known();
                super::invariants::commits::check_now(&mut known, &key, before, found, is_it);
            }
            continue;
        }
        let offset = before.tried + 1;
        world.known().commits.entry(key.clone()).or_default().tried = offset;
        let committed = client
            .commit(coordinator, &group, None, (&place.0, place.1, offset))
            .await;
        if committed.is_ok() {
            world.promise(coordinator, &home);
            let mut known = world.known();
            known.commits.entry(key.clone()).or_default().acknowledged = Some(offset);
            known.counts.commits += 1;
            known.progresses(&name);
        }
    }
}
