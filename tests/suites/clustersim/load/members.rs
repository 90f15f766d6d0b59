//! Members of one group: they join, share the partitions out, keep their place by heartbeats, commit
//! offsets of what is theirs, and leave now and then.

use bytes::Bytes;
use odeon_actors::group::coordinator_for;
use odeon_model::{ErrorCode, NodeId};
use odeon_tests::ClusterClient;
use odeon_tests::requests::{heartbeat_request, join_request, leave_request, sync_request};

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
    let request = join_request(GROUP, id, 3_000);
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
    let partitions = world.places().len();
    let share = |number| share(number, joined.members.len(), partitions);
    let request = sync_request(GROUP, id, &joined, share);
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

/// What the leader of a generation gives to a member by its number: the numbers of its partitions.
fn share(number: usize, members: usize, partitions: usize) -> Bytes {
    let own = (0..partitions).filter(|place| place % members == number);
    own.map(|place| place as u8).collect::<Vec<u8>>().into()
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
    let request = heartbeat_request(GROUP, (id, generation));
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
    let request = leave_request(GROUP, id);
    let _ = client.call(membership.coordinator, 5, &request).await;
}
