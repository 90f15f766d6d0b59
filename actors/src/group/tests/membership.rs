//! Heartbeats, sessions, leaving; describe, list, delete.

use odeon_model::ErrorCode;

use super::bench::*;
use crate::group::message::{LeaveRequest, LeavingMember, ListFilter};
use crate::group::{GroupConfig, GroupState};

#[test]
fn a_heartbeat_is_judged_by_the_table() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(1);
    let table = [
        (&*ids[0], 1, ErrorCode::None),
        (&*ids[0], 0, ErrorCode::IllegalGeneration),
        (&*ids[0], 2, ErrorCode::IllegalGeneration),
        ("nobody", 1, ErrorCode::UnknownMemberId),
        ("", 1, ErrorCode::UnknownMemberId),
    ];
    for (member, generation, wanted) in table {
        assert_eq!(
            bench.heartbeat(member, generation),
            wanted,
            "{member} {generation}"
        );
    }
}

#[test]
fn a_silent_member_is_expelled_and_the_group_falls_empty() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(1);
    bench.pass_ms(9_999);
    assert_eq!(bench.heartbeat(&ids[0], 1), ErrorCode::None);
    bench.pass_ms(9_999);
    assert_eq!(bench.state(), GroupState::Stable);
    bench.pass_ms(1);
    assert_eq!(bench.state(), GroupState::Empty);
    assert_eq!(bench.generation(), 2);
    assert_eq!(bench.heartbeat(&ids[0], 1), ErrorCode::UnknownMemberId);
}

#[test]
fn a_commit_shows_that_a_member_lives() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(1);
    for _ in 0..5 {
        bench.pass_ms(9_000);
        assert_eq!(bench.commit(&ids[0], 1), ErrorCode::None);
    }
}

#[test]
fn a_new_member_does_not_wait_for_ever_but_others_do() {
    let config = GroupConfig {
        new_member_join_timeout_ms: 20_000,
        ..GroupConfig::default()
    };
    let mut bench = Bench::with(config);
    let ids = bench.stable_group(2);
    let rejoining = bench.join(rejoin(&ids[0]));
    let new = bench.join(old_style());
    for _ in 0..5 {
        bench.pass_ms(5_000);
        bench.heartbeat(&ids[1], 1);
    }
    assert_eq!(bench.joined(new).error, ErrorCode::UnknownMemberId);
    assert!(
        bench.joins.is_empty(),
        "the one that rejoins waits beyond its session"
    );
    bench.join(rejoin(&ids[1]));
    assert_eq!(bench.joined(rejoining).generation, 2);
}

#[test]
fn leaving_makes_the_rest_share_anew() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(2);
    assert_eq!(bench.leave("nobody", None), ErrorCode::UnknownMemberId);
    assert_eq!(bench.state(), GroupState::Stable);
    assert_eq!(bench.leave(&ids[0], None), ErrorCode::None);
    assert_eq!(bench.heartbeat(&ids[1], 1), ErrorCode::RebalanceInProgress);
    assert_eq!(bench.leave(&ids[1], None), ErrorCode::None);
    assert_eq!(bench.state(), GroupState::Empty);
    assert_eq!(bench.leave(&ids[1], None), ErrorCode::UnknownMemberId);
}

#[test]
fn who_leaves_while_parked_is_answered() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(2);
    let parked = bench.join(rejoin(&ids[0]));
    assert_eq!(bench.leave(&ids[0], None), ErrorCode::None);
    assert_eq!(bench.joined(parked).error, ErrorCode::UnknownMemberId);
    // The other one is all there is.
    let parked = bench.join(rejoin(&ids[1]));
    assert_eq!(bench.joined(parked).generation, 2);
    // It leads now; a follower that waits for its assignment and leaves is answered, too.
    let follower = bench.join(old_style());
    let leader = bench.join(rejoin(&ids[1]));
    assert_eq!(bench.joined(leader).members.len(), 2);
    let follower = bench.joined(follower).member_id;
    let waiting = bench.sync(sync(&follower, 3));
    assert_eq!(bench.leave(&follower, None), ErrorCode::None);
    assert_eq!(bench.synced(waiting).error, ErrorCode::UnknownMemberId);
}

#[test]
fn a_member_id_given_out_can_be_given_back() {
    let mut bench = Bench::new();
    bench.stable_group(1);
    let id = bench.join_now(new_style()).member_id;
    assert_eq!(bench.leave(&id, None), ErrorCode::None);
    assert_eq!(
        bench.join_now(rejoin(&id)).error,
        ErrorCode::UnknownMemberId
    );
}

#[test]
fn an_unknown_groups_members_are_unknown_each() {
    let mut bench = Bench::new();
    let members = vec![LeavingMember::default(), LeavingMember::default()];
    let request = LeaveRequest {
        group_id: "nope".to_owned(),
        members,
    };
    let left = bench
        .act(|groups, now, effects| groups.leave(now, request, effects))
        .unwrap();
    assert_eq!(left.len(), 2);
    assert!(
        left.iter()
            .all(|member| member.error == ErrorCode::UnknownMemberId)
    );
    let request = LeaveRequest::default();
    let refused = bench.act(|groups, now, effects| groups.leave(now, request, effects));
    assert_eq!(refused, Err(ErrorCode::InvalidGroupId));
}

#[test]
fn a_group_is_described_in_full_only_while_it_is_stable() {
    let mut bench = Bench::new();
    let unknown = bench.groups.describe(GROUP);
    assert_eq!(
        (unknown.error, unknown.state),
        (ErrorCode::GroupIdNotFound, GroupState::Dead)
    );
    let ids = bench.stable_group(1);
    let stable = bench.groups.describe(GROUP);
    assert_eq!(
        (&*stable.protocol_type, &*stable.protocol),
        ("consumer", "range")
    );
    assert_eq!(stable.members[0].member_id, ids[0]);
    assert_eq!(stable.members[0].assignment, share_of(&ids[0]));
    assert_eq!(stable.members[0].metadata, subscription("t"));
    assert_eq!(stable.members[0].client_host, "/10.0.0.1");
    bench.join(old_style());
    let preparing = bench.groups.describe(GROUP);
    assert_eq!(preparing.protocol, "");
    assert!(
        preparing
            .members
            .iter()
            .all(|member| member.assignment.is_empty())
    );
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut bench = Bench::new();
    bench.stable_group(1);
    let mut simple = commit("t", "", -1, 1);
    simple.group_id = "simple".to_owned();
    bench
        .act(|groups, now, effects| groups.commit(now, simple, effects))
        .unwrap();
    let table: [(&[&str], &[&str], &[&str]); 6] = [
        (&[], &[], &["g", "simple"]),
        (&["stable"], &[], &["g"]),
        (&["Empty", "Dead"], &[], &["simple"]),
        (&[], &["Classic"], &["g", "simple"]),
        (&[], &["consumer"], &[]),
        (&["nonsense"], &[], &[]),
    ];
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for (states, types, wanted) in table {
        let filter = ListFilter {
            states: owned(states),
            types: owned(types),
        };
        let listed: Vec<String> = bench
            .groups
            .list(&filter)
            .into_iter()
            .map(|group| group.group_id)
            .collect();
        assert_eq!(listed, wanted, "{states:?} {types:?}");
    }
}

#[test]
fn only_a_group_without_members_is_deleted() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(1);
    bench.commit(&ids[0], 1);
    let delete = |bench: &mut Bench| {
        let names = [GROUP.to_owned()];
        bench.act(|groups, now, effects| groups.delete(now, &names, effects))[0].1
    };
    assert_eq!(delete(&mut bench), ErrorCode::NonEmptyGroup);
    bench.leave(&ids[0], None);
    let before = bench.log.len();
    assert_eq!(delete(&mut bench), ErrorCode::None);
    assert_eq!(bench.log.len() - before, 2);
    assert!(
        bench.log[before..]
            .iter()
            .all(|record| record.value.is_none())
    );
    assert!(bench.groups.is_empty());
    assert!(bench.reloaded().groups.is_empty());
    assert_eq!(delete(&mut bench), ErrorCode::GroupIdNotFound);
}
