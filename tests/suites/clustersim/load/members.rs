//! Members of one group: they join, share the partitions out, keep their place by heartbeats, commit
//! offsets of what is theirs, and leave now and then.

use bytes::Bytes;
use odeon_actors::group::coordinator_for;
use odeon_model::{ErrorCode, NodeId};
use odeon_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use odeon_protocol::messages::leave_group_request::MemberIdentity;
use odeon_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use odeon_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use odeon_tests::ClusterClient;

use super::{ANSWER, OFFSETS_PARTITIONS, OFFSETS_TOPIC, Place, World, any_node};
use crate::clustersim::invariants;

/// The group of all members.
const GROUP: &str = "crew";

/// A member's place in a generation.
struct Membership {
    coordinator: NodeId,
    generation: i32,
    /// The numbers of its partitions.
    owns: Vec<usize>,
}

/// Lives as a member of the group.
pub async fn take_part(world: World, number: usize) {
    let name = format!("member-{number}");
    let mut client = world.cluster.client(&name).answers_within(ANSWER * 3);
    let mut id = String::new();
    while !world.is_over() {
        world.pause(200).await;
        let Some(membership) = join(&world, &mut client, &mut id).await else {
            continue;
        };
        world.known().counts.joined += 1;
        world.known().progresses(&name);
        while !world.is_over() {
            world.pause(600).await;
            if !stay(&world, &mut client, &id, &membership).await {
                break;
            }
            world.known().progresses(&name);
            if world.rng.below(60) == 0 {
                leave(&mut client, &membership, &id).await;
                id.clear();
                break;
            }
        }
    }
}

/// Joins and syncs, unless something has to be tried again.
async fn join(world: &World, client: &mut ClusterClient, id: &mut String) -> Option<Membership> {
    let via = any_node(world)?;
    world.known().counts.operations += 3;
    let coordinator = client.find_coordinator(via, GROUP).await.ok()?;
    let protocol = JoinGroupRequestProtocol {
        name: "range".to_owned(),
        metadata: Bytes::from_static(b"topics"),
        ..Default::default()
    };
    let request = JoinGroupRequest {
        group_id: GROUP.to_owned(),
        session_timeout_ms: 6_000,
        rebalance_timeout_ms: 3_000,
        member_id: id.clone(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![protocol],
        ..Default::default()
    };
    let joined = client.call(coordinator, 9, &request).await.ok()?;
    match ErrorCode::from_code(joined.error_code) {
        ErrorCode::None => id.clone_from(&joined.member_id),
        ErrorCode::MemberIdRequired => {
            *id = joined.member_id;
            return None;
        }
        ErrorCode::UnknownMemberId => {
            id.clear();
            return None;
        }
        _ => return None,
    }
    let request = SyncGroupRequest {
        group_id: GROUP.to_owned(),
        generation_id: joined.generation_id,
        member_id: id.clone(),
        protocol_type: joined.protocol_type.clone(),
        protocol_name: joined.protocol_name.clone(),
        assignments: share_out(&joined, world.places().len()),
        ..Default::default()
    };
    let synced = client.call(coordinator, 5, &request).await.ok()?;
    if synced.error_code != 0 {
        return None;
    }
    let owns: Vec<usize> = synced.assignment.iter().copied().map(usize::from).collect();
    let (generation, member) = (joined.generation_id, id.as_str());
    world
        .cluster
        .note(|| format!("{member} owns {owns:?} in generation {generation}"));
    invariants::groups::owned(&mut world.known(), generation, member, &owns);
    Some(Membership {
        coordinator,
        generation,
        owns,
    })
}

/// What the leader of a generation gives to each member: the numbers of its partitions.
fn share_out(joined: &JoinGroupResponse, partitions: usize) -> Vec<SyncGroupRequestAssignment> {
    let count = joined.members.len();
    let members = joined.members.iter().enumerate();
    let assignments = members.map(|(n, member)| {
        let own = (0..partitions).filter(|place| place % count == n);
        SyncGroupRequestAssignment {
            member_id: member.member_id.clone(),
            assignment: own.map(|place| place as u8).collect(),
            ..Default::default()
        }
    });
    assignments.collect()
}

/// A heartbeat, and a commit for one of its partitions; whether the member still belongs to the
/// generation, as far as it knows.
async fn stay(
    world: &World,
    client: &mut ClusterClient,
    id: &str,
    membership: &Membership,
) -> bool {
    let Membership {
        coordinator,
        generation,
        ..
    } = *membership;
    world.known().counts.operations += 2;
    let request = HeartbeatRequest {
        group_id: GROUP.to_owned(),
        generation_id: generation,
        member_id: id.to_owned(),
        ..Default::default()
    };
    let beat = client.call(coordinator, 4, &request).await;
    if !beat.is_ok_and(|beat| beat.error_code == 0) {
        return false;
    }
    let places = world.places();
    let Some(place) = world.pick(&membership.owns).and_then(|n| places.get(*n)) else {
        return true;
    };
    let key = (GROUP.to_owned(), place.clone());
    let offset = {
        let mut known = world.known();
        let commit = known.commits.entry(key.clone()).or_default();
        commit.tried += 1;
        commit.tried
    };
    let member = Some((id, generation));
    let committed = client
        .commit(coordinator, GROUP, member, (&place.0, place.1, offset))
        .await;
    if committed.is_err() {
        return false;
    }
    let home = coordinator_for(GROUP, OFFSETS_PARTITIONS);
    let home: Place = (OFFSETS_TOPIC.to_owned(), home);
    world.promise(coordinator, &home);
    let mut known = world.known();
    known.counts.commits += 1;
    let commit = known.commits.entry(key).or_default();
    commit.acknowledged = commit.acknowledged.max(Some(offset));
    true
}

async fn leave(client: &mut ClusterClient, membership: &Membership, id: &str) {
    let member = MemberIdentity {
        member_id: id.to_owned(),
        ..Default::default()
    };
    let request = LeaveGroupRequest {
        group_id: GROUP.to_owned(),
        members: vec![member],
        ..Default::default()
    };
    let _ = client.call(membership.coordinator, 5, &request).await;
}
