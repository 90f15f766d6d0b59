//! A member of a group: joins, syncs, commits, leaves.

use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::Clock;
use odeon_model::ErrorCode;
use odeon_protocol::messages::FindCoordinatorRequest;
use odeon_tests::requests::{heartbeat_request, join_request, leave_request, sync_request};

use super::World;
use super::ask;
use super::client::{Client, Done, wrong};

/// The group of all members.
pub const GROUP: &str = "readers";

/// Lives as a member that commits offsets of partition `index` until the time is over.
pub async fn member(world: &World, mut client: Client, index: i32, until: Duration) -> Done<()> {
    let mut id = String::new();
    while world.clock.monotonic() < until {
        world.pause(50_000).await;
        let find = FindCoordinatorRequest {
            key: GROUP.to_owned(),
            ..Default::default()
        };
        if client.call(3, &find).await?.error_code != 0 {
            continue;
        }
        let Some(generation) = join(world, &mut client, &mut id).await? else {
            continue;
        };
        while world.clock.monotonic() < until {
            world.pause(150_000).await;
            if !take_part(world, &mut client, (&id, generation), index).await? {
                break;
            }
            if world.rng.below(30) == 0 {
                leave(&mut client, &id).await?;
                id.clear();
                break;
            }
        }
    }
    Ok(())
}

/// Joins and syncs; the generation, unless something has to be tried again.
async fn join(world: &World, client: &mut Client, id: &mut String) -> Done<Option<i32>> {
    let request = join_request(GROUP, id, 2_000);
    let joined = client.call(9, &request).await?;
    match ErrorCode::from_code(joined.error_code) {
        ErrorCode::None => {}
        ErrorCode::MemberIdRequired => {
            *id = joined.member_id;
            return Ok(None);
        }
        ErrorCode::UnknownMemberId => {
            id.clear();
            return Ok(None);
        }
        _ => return Ok(None),
    }
    *id = joined.member_id.clone();
    let request = sync_request(GROUP, id, &joined, |_| Bytes::from_static(b"all"));
    world.pause(20_000).await;
    let synced = client.call(5, &request).await?;
    if synced.error_code == 0 && &*synced.assignment != b"all" {
        return wrong(format!("an assignment of {:?}", synced.assignment));
    }
    Ok((synced.error_code == 0).then_some(joined.generation_id))
}

/// A heartbeat and perhaps a commit; whether the member still belongs to the generation.
async fn take_part(
    world: &World,
    client: &mut Client,
    member: (&str, i32),
    index: i32,
) -> Done<bool> {
    let request = heartbeat_request(GROUP, member);
    if client.call(4, &request).await?.error_code != 0 {
        return Ok(false);
    }
    let offset = {
        let mut known = world.known();
        known.next_value += 1;
        let offset = known.next_value as i64;
        let commit = known.commits.entry((GROUP, index)).or_default();
        commit.unanswered.push(offset);
        offset
    };
    match ask::commit(client, GROUP, member, index, offset).await? {
        Ok(()) => {
            let mut known = world.known();
            known.counts.commits += 1;
            let commit = known.commits.entry((GROUP, index)).or_default();
            commit.acknowledged = Some(offset);
            commit.unanswered.clear();
            Ok(true)
        }
        Err(_) => Ok(false),
    }
}

async fn leave(client: &mut Client, id: &str) -> Done<()> {
    let request = leave_request(GROUP, id);
    client.call(5, &request).await.map(drop)
}
