//! Static members: the tables.

use bytes::Bytes;
use odeon_model::ErrorCode;

use super::bench::*;
use crate::group::message::{HeartbeatRequest, JoinRequest, SyncRequest};
use crate::group::{GroupConfig, GroupState};

/// A stable group of the static members `a` and `b`: the leader first, as (instance, member id).
fn stable_pair(bench: &mut Bench) -> [(&'static str, String); 2] {
    let tokens = ["a", "b"].map(|instance| (instance, bench.join(static_member(instance))));
    bench.pass_ms(10_000);
    let replies = tokens.map(|(instance, token)| (instance, bench.joined(token)));
    let mut pair = replies
        .clone()
        .map(|(instance, reply)| (instance, reply.member_id));
    if replies[1].1.leader == pair[1].1 {
        pair.reverse();
    }
    let waiting = bench.sync(sync(&pair[1].1, 1));
    let assignments = pair
        .iter()
        .map(|(name, id)| (id.clone(), share_of(name)))
        .collect();
    bench.sync_now(SyncRequest {
        assignments,
        ..sync(&pair[0].1, 1)
    });
    bench.synced(waiting);
    pair
}

#[test]
fn a_static_member_needs_no_second_round_and_is_named_after_its_instance() {
    let mut bench = Bench::new();
    let token = bench.join(static_member("a"));
    bench.pass_ms(10_000);
    let reply = bench.joined(token);
    assert!(reply.member_id.starts_with("a-"), "{}", reply.member_id);
    assert_eq!(reply.members[0].instance_id.as_deref(), Some("a"));
}

#[test]
fn a_static_member_that_rejoins_keeps_its_share_without_a_rebalance() {
    let mut bench = Bench::new();
    let [leader, follower] = stable_pair(&mut bench);
    let records = bench.log.len();
    let reply = bench.join_now(static_member(follower.0));
    assert_eq!((reply.error, reply.generation), (ErrorCode::None, 1));
    assert_ne!(reply.member_id, follower.1);
    assert_eq!(reply.leader, leader.1);
    assert_eq!(bench.state(), GroupState::Stable);
    assert_eq!(bench.log.len(), records + 1, "the new id is kept");
    assert_eq!(
        bench.sync_now(sync(&reply.member_id, 1)).assignment,
        share_of(follower.0)
    );
    let mut reloaded = bench.reloaded();
    assert_eq!(reloaded.heartbeat(&reply.member_id, 1), ErrorCode::None);
    assert_eq!(
        reloaded.heartbeat(&follower.1, 1),
        ErrorCode::UnknownMemberId
    );
}

#[test]
fn a_static_leader_that_rejoins_is_told_to_leave_the_assignment_alone() {
    // supports skip_assignment: skipped, shows itself as the leader, sees the members
    for (supports, wanted) in [(true, (true, true, 2)), (false, (false, false, 0))] {
        let mut bench = Bench::new();
        let [leader, _] = stable_pair(&mut bench);
        let request = JoinRequest {
            supports_skip_assignment: supports,
            ..static_member(leader.0)
        };
        let reply = bench.join_now(request);
        let leads = reply.leader == reply.member_id;
        assert_eq!((reply.skip_assignment, leads, reply.members.len()), wanted);
        if !leads {
            assert_eq!(
                reply.leader, leader.1,
                "the id of before, so that nobody leads"
            );
        }
        assert_eq!(
            bench.sync_now(sync(&reply.member_id, 1)).assignment,
            share_of(leader.0)
        );
    }
}

#[test]
fn the_old_holder_of_an_instance_is_fenced_everywhere() {
    let mut bench = Bench::new();
    let [_, (instance, old)] = stable_pair(&mut bench);
    bench.join_now(static_member(instance));
    let instance_id = Some(instance.to_owned());
    let heartbeat = HeartbeatRequest {
        group_id: GROUP.to_owned(),
        member_id: old.clone(),
        instance_id: instance_id.clone(),
        generation: 1,
    };
    let fenced = ErrorCode::FencedInstanceId;
    assert_eq!(
        bench.act(|groups, now, fx| groups.heartbeat(now, &heartbeat, fx)),
        fenced
    );
    let request = SyncRequest {
        instance_id: instance_id.clone(),
        ..sync(&old, 1)
    };
    assert_eq!(bench.sync_now(request).error, fenced);
    let request = JoinRequest {
        member_id: old.clone(),
        ..static_member(instance)
    };
    assert_eq!(bench.join_now(request).error, fenced);
    assert_eq!(bench.leave(&old, Some(instance)), fenced);
    let mut request = commit("t", &old, 1, 9);
    request.instance_id = instance_id;
    assert_eq!(
        bench.act(|groups, now, fx| groups.commit(now, request, fx)),
        Err(fenced)
    );
    // Without its instance id it is nobody.
    assert_eq!(bench.heartbeat(&old, 1), ErrorCode::UnknownMemberId);
}

#[test]
fn the_old_holders_parked_requests_end_fenced() {
    let mut bench = Bench::new();
    let parked = bench.join(static_member("a"));
    let newer = bench.join(static_member("a"));
    assert_eq!(bench.joined(parked).error, ErrorCode::FencedInstanceId);
    bench.pass_ms(20_000);
    assert_eq!(bench.joined(newer).members.len(), 1);

    let mut bench = Bench::new();
    let tokens = ["a", "b"].map(|instance| (instance, bench.join(static_member(instance))));
    bench.pass_ms(10_000);
    let replies = tokens.map(|(instance, token)| (instance, bench.joined(token)));
    let (instance, follower) = replies
        .into_iter()
        .find(|(_, reply)| reply.members.is_empty())
        .unwrap();
    let waiting = bench.sync(sync(&follower.member_id, 1));
    bench.join(static_member(instance));
    assert_eq!(bench.synced(waiting).error, ErrorCode::FencedInstanceId);
    assert_eq!(
        bench.state(),
        GroupState::PreparingRebalance,
        "the leader knows the old id"
    );
}

#[test]
fn a_rejoin_that_changes_the_strategy_is_a_rebalance() {
    let both = |first: &str, second: &str| {
        [first, second]
            .map(|name| (name.to_owned(), subscription("t")))
            .to_vec()
    };
    let mut bench = Bench::new();
    let request = JoinRequest {
        protocols: both("range", "sticky"),
        ..static_member("a")
    };
    let token = bench.join(request.clone());
    bench.pass_ms(10_000);
    bench.finish(&[token]);
    let same = bench.join_now(request);
    assert_eq!(same.error, ErrorCode::None);
    let changed = JoinRequest {
        protocols: both("sticky", "range"),
        ..static_member("a")
    };
    let reply = bench.join_now(changed);
    assert_eq!(
        (reply.generation, reply.protocol.as_deref()),
        (2, Some("sticky"))
    );
}

#[test]
fn a_static_member_is_removed_by_its_instance_id() {
    let mut bench = Bench::new();
    let [(leader, _), (instance, id)] = stable_pair(&mut bench);
    assert_eq!(bench.leave("", Some("nobody")), ErrorCode::UnknownMemberId);
    assert_eq!(bench.leave("", None), ErrorCode::UnknownMemberId);
    assert_eq!(bench.leave("", Some(instance)), ErrorCode::None);
    assert_eq!(bench.leave(&id, Some(instance)), ErrorCode::UnknownMemberId);
    assert_eq!(bench.leave("", Some(leader)), ErrorCode::None);
    assert_eq!(bench.state(), GroupState::Empty);
}

#[test]
fn static_members_outlive_a_rebalance_that_they_missed_until_their_session_ends() {
    let mut bench = Bench::with(GroupConfig::default());
    let mut instances = Vec::new();
    for instance in ["a", "b"] {
        let request = JoinRequest {
            session_timeout_ms: 100_000,
            rebalance_timeout_ms: 20_000,
            protocols: vec![("range".to_owned(), Bytes::new())],
            ..static_member(instance)
        };
        instances.push(bench.join(request));
    }
    bench.pass_ms(15_000);
    let ids = bench.finish(&instances);
    let request = JoinRequest {
        session_timeout_ms: 100_000,
        rebalance_timeout_ms: 20_000,
        ..rejoin(&ids[0])
    };
    let token = bench.join(request);
    bench.pass_ms(20_000);
    let reply = bench.joined(token);
    assert_eq!(
        (reply.generation, reply.members.len()),
        (2, 2),
        "the one that is away counts"
    );
}
