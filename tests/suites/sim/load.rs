//! What clients do while the node lives, each in a task of its own until the time is over.

use std::collections::HashSet;
use std::time::Duration;

use odeon_kernel::Clock;
use odeon_model::ErrorCode;
use odeon_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use odeon_protocol::messages::produce_response::PartitionProduceResponse;
use odeon_protocol::messages::{InitProducerIdRequest, ProduceRequest};

use super::World;
use super::ask;
use super::client::{Client, Done, wrong};
use super::known::{Batch, Life, Partition, Place, Producer, Topic};
use super::records::encode;

/// Batches of one producer and partition on their way at once, at most.
const IN_FLIGHT: usize = 3;

/// Creates and deletes topics, deletes records.
pub async fn administer(world: &World, mut client: Client, until: Duration) -> Done<()> {
    create(world, &mut client, "orders", 3, false).await?;
    create(world, &mut client, "short", 2, true).await?;
    while world.clock.monotonic() < until {
        world.pause(250_000).await;
        match world.rng.below(8) {
            0 => {
                let number = world.known().next_topic;
                world.known().next_topic += 1;
                create(world, &mut client, &format!("t{number}"), 2, false).await?;
            }
            1 => delete(world, &mut client).await?,
            _ => delete_records(world, &mut client).await?,
        }
    }
    Ok(())
}

async fn create(
    world: &World,
    client: &mut Client,
    name: &str,
    partitions: i32,
    retained: bool,
) -> Done<()> {
    if world.known().topics.contains_key(name) {
        return Ok(());
    }
    let topic = Topic {
        life: Life::Creating,
        id: None,
        partitions,
        epochs: Vec::new(),
        retained,
    };
    world.known().topics.insert(name.to_owned(), topic);
    let mut configs = vec![
        ("internal.segment.bytes", "2000"),
        ("index.interval.bytes", "300"),
    ];
    if retained {
        configs.extend([("retention.bytes", "5000"), ("file.delete.delay.ms", "100")]);
    }
    let answer = ask::create_topic(client, name, partitions, &configs).await?;
    let mut known = world.known();
    match answer {
        Ok(id) => {
            known.counts.topics += 1;
            let topic = known.topics.get_mut(name).unwrap();
            (topic.life, topic.id) = (Life::There, Some(id));
        }
        Err(error) => return wrong(format!("{name} cannot be created: {error:?}")),
    }
    Ok(())
}

async fn delete(world: &World, client: &mut Client) -> Done<()> {
    let there = world.known().there();
    let victim = there.iter().find(|(name, _)| name.starts_with('t'));
    let Some((name, _)) = victim else {
        return Ok(());
    };
    world.known().topics.get_mut(name).unwrap().life = Life::Deleting;
    match ask::delete_topic(client, name).await? {
        Ok(()) => {
            let mut known = world.known();
            known.counts.deletions += 1;
            known.topics.get_mut(name).unwrap().life = Life::Gone;
            Ok(())
        }
        Err(error) => wrong(format!("{name} cannot be deleted: {error:?}")),
    }
}

async fn delete_records(world: &World, client: &mut Client) -> Done<()> {
    let Some(place) = world.any_place() else {
        return Ok(());
    };
    let earliest = ask::offset(client, &place, ask::EARLIEST).await?;
    let latest = ask::offset(client, &place, ask::LATEST).await?;
    let (Ok(start), Ok(end)) = (earliest, latest) else {
        return Ok(());
    };
    let to = start + world.rng.below((end - start).max(0) as u64 + 1) as i64;
    {
        let mut known = world.known();
        let partition: &mut Partition = known.partitions.entry(place.clone()).or_default();
        partition.start_asked = partition.start_asked.max(to);
    }
    if let Ok(start) = ask::delete_records(client, &place, to).await? {
        let now = world.clock.monotonic();
        let mut known = world.known();
        known.counts.starts_moved += 1;
        let partition = known.partitions.entry(place).or_default();
        partition.starts_answered.push((start, now));
    }
    Ok(())
}

/// Produces idempotently, several batches at once; goes on with what an earlier life left open.
pub async fn produce(
    world: &World,
    mut client: Client,
    name: &'static str,
    until: Duration,
) -> Done<()> {
    if world.rng.below(3) == 0 {
        world.known().producers.remove(name);
    }
    while world.clock.monotonic() < until {
        world.pause(60_000).await;
        let known = world.known().producers.entry(name).or_default().id;
        let id = match known {
            Some(id) => id,
            None => match new_id(world, &mut client, name).await? {
                Some(id) => id,
                None => continue,
            },
        };
        send_round(world, &mut client, name, id).await?;
    }
    Ok(())
}

async fn new_id(
    world: &World,
    client: &mut Client,
    name: &'static str,
) -> Done<Option<(i64, i16)>> {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 1_000,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let answer = client.call(4, &request).await?;
    if answer.error_code != 0 {
        return Ok(None);
    }
    let mut known = world.known();
    if !known.producer_ids.insert(answer.producer_id) {
        return wrong(format!(
            "producer id {} was given out before",
            answer.producer_id
        ));
    }
    let id = Some((answer.producer_id, answer.producer_epoch));
    let producer = Producer {
        id,
        ..Producer::default()
    };
    known.producers.insert(name, producer);
    Ok(id)
}

/// Sends a few requests without waiting, then hears all answers.
async fn send_round(
    world: &World,
    client: &mut Client,
    name: &'static str,
    id: (i64, i16),
) -> Done<()> {
    let mut sent: Vec<(Place, Batch)> = Vec::new();
    for _ in 0..=world.rng.below(IN_FLIGHT as u64) {
        let Some(place) = world.any_place() else {
            break;
        };
        let position = sent.iter().filter(|(other, _)| *other == place).count();
        let batch = batch_at(world, name, &place, position);
        let data = PartitionProduceData {
            index: place.1,
            records: Some(encode(id, &batch, world.clock.now_ms())),
            ..Default::default()
        };
        let topic = TopicProduceData {
            name: place.0.clone(),
            partition_data: vec![data],
            ..Default::default()
        };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 10_000,
            topic_data: vec![topic],
            ..Default::default()
        };
        client.send(12, &request).await?;
        sent.push((place, batch));
    }
    let mut refused = HashSet::new();
    for (place, batch) in sent {
        let mut answer = client.answer::<ProduceRequest>(12).await?;
        let answer = answer.responses.remove(0).partition_responses.remove(0);
        let first = !refused.contains(&place);
        if !heard(world, name, &place, &batch, &answer, first)? {
            refused.insert(place);
        }
    }
    Ok(())
}

/// The batch at a position behind those that are known to be there, made if it is new.
fn batch_at(world: &World, name: &'static str, place: &Place, position: usize) -> Batch {
    let mut known = world.known();
    let first = known.next_value;
    let producer = known.producers.entry(name).or_default();
    let pending = producer.pending.entry(place.clone()).or_default();
    if let Some(batch) = pending.get(position).cloned() {
        known.counts.resent += 1;
        return batch;
    }
    let next = producer.next_sequence.entry(place.clone()).or_default();
    let count = 1 + world.rng.below(12);
    let batch = Batch {
        sequence: *next,
        values: (first..first + count).collect(),
    };
    *next += count as i32;
    pending.push_back(batch.clone());
    known.next_value += count;
    let partition = known.partitions.entry(place.clone()).or_default();
    partition.sent.extend(&batch.values);
    batch
}

/// Whether the batch is there now. `first` when no batch before it was refused.
fn heard(
    world: &World,
    name: &'static str,
    place: &Place,
    batch: &Batch,
    answer: &PartitionProduceResponse,
    first: bool,
) -> Done<bool> {
    let mut known = world.known();
    match ErrorCode::from_code(answer.error_code) {
        ErrorCode::None => {
            for (offset, value) in (answer.base_offset..).zip(&batch.values) {
                if let Err(what) = known.witness(place, offset, *value) {
                    return wrong(what);
                }
            }
            known.counts.acknowledged += batch.values.len() as u64;
        }
        ErrorCode::DuplicateSequenceNumber => {}
        ErrorCode::OutOfOrderSequenceNumber if first => {
            let sequence = batch.sequence;
            return wrong(format!("{place:?}: sequence {sequence} is out of order"));
        }
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotLeaderOrFollower
        | ErrorCode::OutOfOrderSequenceNumber => return Ok(false),
        error => return wrong(format!("{place:?}: producing fails: {error:?}")),
    }
    let producer = known.producers.entry(name).or_default();
    let pending = producer.pending.entry(place.clone()).or_default();
    pending.retain(|other| other.sequence != batch.sequence);
    Ok(true)
}

/// Reads what there is, sometimes waiting for more.
pub async fn consume(world: &World, mut client: Client, until: Duration) -> Done<()> {
    while world.clock.monotonic() < until {
        world.pause(80_000).await;
        let Some(place) = world.any_place() else {
            continue;
        };
        let from = {
            let known = world.known();
            let partition = known.partitions.get(&place);
            let last = partition.and_then(|p| p.witnessed.last_key_value());
            let end = last.map_or(0, |(offset, _)| offset + 1);
            (end - world.rng.below(10) as i64).max(0)
        };
        let read = ask::fetch(&mut client, &place, from, world.rng.below(3) as i32 * 100).await?;
        let mut known = world.known();
        for (offset, value) in read.unwrap_or_default() {
            known.counts.read += 1;
            if let Err(what) = known.witness(&place, offset, value) {
                return wrong(what);
            }
        }
    }
    Ok(())
}
