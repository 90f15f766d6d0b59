//! A member of a group: joins, syncs, commits, leaves.

use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::Clock;
use odeon_model::ErrorCode;
use odeon_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use odeon_protocol::messages::leave_group_request::MemberIdentity;
use odeon_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use odeon_protocol::messages::{
    FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
};

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
            if !take_part(world, &mut client, (generation, &id), index).await? {
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
    let protocol = JoinGroupRequestProtocol {
        name: "range".to_owned(),
        metadata: Bytes::from_static(b"topics"),
        ..Default::default()
    };
    let request = JoinGroupRequest {
        group_id: GROUP.to_owned(),
        session_timeout_ms: 6_000,
        rebalance_timeout_ms: 2_000,
        member_id: id.clone(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![protocol],
        ..Default::default()
    };
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
    let assignments = joined
        .members
        .iter()
        .map(|member| SyncGroupRequestAssignment {
            member_id: member.member_id.clone(),
            assignment: Bytes::from_static(b"all"),
            ..Default::default()
        });
    let request = SyncGroupRequest {
        group_id: GROUP.to_owned(),
        generation_id: joined.generation_id,
        member_id: id.clone(),
        protocol_type: joined.protocol_type.clone(),
        protocol_name: joined.protocol_name.clone(),
        assignments: assignments.collect(),
        ..Default::default()
    };
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
    member: (i32, &str),
    index: i32,
) -> Done<bool> {
    let request = HeartbeatRequest {
        group_id: GROUP.to_owned(),
        generation_id: member.0,
        member_id: member.1.to_owned(),
        ..Default::default()
    };
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
    let member = MemberIdentity {
        member_id: id.to_owned(),
        ..Default::default()
    };
    let request = LeaveGroupRequest {
        group_id: GROUP.to_owned(),
        members: vec![member],
        ..Default::default()
    };
    client.call(5, &request).await.map(drop)
}
