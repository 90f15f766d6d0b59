//! After a restart: is everything there that was promised, and nothing else?

use std::time::Duration;

use odeon_kernel::Clock;
use odeon_model::ErrorCode;

use super::World;
use super::ask;
use super::client::{Client, Done, wrong};
use super::group::GROUP;
use super::known::{Found, Life, Place};

/// How long a node may take to lead everything and to load its groups.
const PATIENCE: Duration = Duration::from_secs(30);

/// Compares all that a node serves with what is known.
pub async fn check(world: &World, mut client: Client) -> Done<()> {
    check_quorum(world, &mut client).await?;
    check_topics(world, &mut client).await?;
    let there = world.known().there();
    for (name, partitions) in there {
        for index in 0..partitions {
            check_partition(world, &mut client, &(name.clone(), index)).await?;
        }
    }
    let keys: Vec<i32> = world.known().commits.keys().map(|key| key.1).collect();
    for index in keys {
        check_commit(world, &mut client, index).await?;
    }
    Ok(())
}

/// A start begins a new term, or it could not be told from what came before.
async fn check_quorum(world: &World, client: &mut Client) -> Done<()> {
    let (term, committed) = ask::quorum(client).await?;
    let mut known = world.known();
    let before = known.quorum;
    if term <= before.0 || committed < before.1 {
        return wrong(format!(
            "the quorum is in term {term} at {committed}, and was in {} at {}",
            before.0, before.1
        ));
    }
    known.quorum = (term, committed);
    Ok(())
}

async fn check_topics(world: &World, client: &mut Client) -> Done<()> {
    let found = ask::topics(client).await?;
    let mut known = world.known();
    for (name, topic) in &mut known.topics {
        let there = found.iter().find(|(found, ..)| found == name);
        match (topic.life, there) {
            (Life::There, None) => return wrong(format!("topic {name} is lost")),
            (Life::Gone, Some(_)) => return wrong(format!("topic {name} came back")),
            (Life::There | Life::Creating | Life::Deleting, Some((_, id, epochs))) => {
                if epochs.len() != topic.partitions as usize {
                    return wrong(format!("topic {name} has {} partitions", epochs.len()));
                }
                if epochs
                    .iter()
                    .zip(&topic.epochs)
                    .any(|(now, seen)| now <= seen)
                {
                    let seen = &topic.epochs;
                    return wrong(format!(
                        "topic {name} is in epochs {epochs:?} after {seen:?}"
                    ));
                }
                topic.epochs.clone_from(epochs);
                if topic.id.as_ref().is_some_and(|known| known != id) {
                    return wrong(format!("topic {name} has another id"));
                }
                (topic.life, topic.id) = (Life::There, Some(id.clone()));
            }
            (Life::Creating | Life::Deleting, None) => topic.life = Life::Gone,
            (Life::Gone, None) => {}
        }
    }
    for lost in ["orders", "short"] {
        // Asked for again at once, unlike the others.
        if known.topics.get(lost).is_some_and(|t| t.life == Life::Gone) {
            known.topics.remove(lost);
        }
    }
    let stranger = found
        .iter()
        .find(|(name, ..)| !name.starts_with("__") && !known.topics.contains_key(name));
    match stranger {
        Some((name, ..)) => wrong(format!("nobody asked for topic {name}")),
        None => Ok(()),
    }
}

async fn check_partition(world: &World, client: &mut Client, place: &Place) -> Done<()> {
    let until = world.clock.monotonic() + PATIENCE;
    let start = loop {
        match ask::offset(client, place, ask::EARLIEST).await? {
            Ok(start) => break start,
            Err(error) if world.clock.monotonic() > until => {
                return wrong(format!("{place:?} is not served: {error:?}"));
            }
            Err(_) => world.pause(20_000).await,
        }
    };
    let end = match ask::offset(client, place, ask::LATEST).await? {
        Ok(end) => end,
        Err(error) => return wrong(format!("{place:?} has no end: {error:?}")),
    };
    let mut records = Vec::new();
    let mut next = start;
    while next < end {
        match ask::fetch(client, place, next, 0).await? {
            Ok(more) if more.is_empty() => {
                return wrong(format!("{place:?}: {start}..{end}, but nothing at {next}"));
            }
            Ok(more) => {
                next = more.last().map_or(next, |(offset, _)| offset + 1);
                records.extend(more);
            }
            // Retention may go on meanwhile.
            Err(ErrorCode::OffsetOutOfRange) => return Ok(()),
            Err(error) => return wrong(format!("{place:?} cannot be read at {next}: {error:?}")),
        }
    }
    let found = Found {
        start,
        end: next,
        records,
    };
    let now = world.clock.monotonic();
    let mut known = world.known();
    if let Err(what) = known.check(place, &found) {
        return wrong(what);
    }
    let partition = known.partitions.entry(place.clone()).or_default();
    partition.starts_answered.push((start, now));
    Ok(())
}

async fn check_commit(world: &World, client: &mut Client, index: i32) -> Done<()> {
    let until = world.clock.monotonic() + PATIENCE;
    let found = loop {
        match ask::committed(client, GROUP, index).await? {
            Ok(offset) => break offset,
            // No coordinator yet: the topic may not have come to be.
            Err(_)
                if world.known().commits[&(GROUP, index)]
                    .acknowledged
                    .is_none() =>
            {
                return Ok(());
            }
            Err(error) if world.clock.monotonic() > until => {
                return wrong(format!("commits of {index} cannot be read: {error:?}"));
            }
            Err(_) => world.pause(20_000).await,
        }
    };
    let mut known = world.known();
    let commit = known.commits.entry((GROUP, index)).or_default();
    let acknowledged = commit.acknowledged.unwrap_or(-1);
    if found != acknowledged && !commit.unanswered.contains(&found) {
        return wrong(format!(
            "the commit of {index} was {acknowledged}, not {found}"
        ));
    }
    commit.acknowledged = (found != -1).then_some(found);
    commit.unanswered.clear();
    Ok(())
}
