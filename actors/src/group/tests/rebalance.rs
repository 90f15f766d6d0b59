//! Joining, waiting, choosing and assigning.

use bytes::Bytes;
use odeon_model::ErrorCode;

use super::bench::*;
use crate::group::message::{JoinRequest, SyncRequest};
use crate::group::{GroupConfig, GroupState};

#[test]
fn a_new_member_is_sent_back_with_its_id() {
    let mut bench = Bench::new();
    let reply = bench.join_now(new_style());
    assert_eq!(reply.error, ErrorCode::MemberIdRequired);
    assert_eq!(reply.member_id, "c-00000000-0000-0000-0000-000000000001");
    let token = bench.join(rejoin(&reply.member_id));
    bench.pass_ms(2_999);
    assert!(bench.joins.is_empty());
    bench.pass_ms(1);
    let joined = bench.joined(token);
    assert_eq!((joined.error, joined.generation), (ErrorCode::None, 1));
    assert_eq!(joined.protocol.as_deref(), Some("range"));
    assert_eq!(joined.leader, reply.member_id);
    assert_eq!(joined.members[0].metadata, subscription("t"));
}

#[test]
fn a_member_id_that_does_not_come_back_is_forgotten_and_so_is_its_group() {
    let mut bench = Bench::new();
    let id = bench.join_now(new_style()).member_id;
    assert_eq!(bench.groups.len(), 1);
    bench.pass_ms(10_000);
    assert!(bench.groups.is_empty());
    assert!(bench.log.is_empty());
    assert_eq!(
        bench.join_now(rejoin(&id)).error,
        ErrorCode::UnknownMemberId
    );
}

#[test]
fn the_first_rebalance_waits_longer_when_members_keep_coming() {
    let mut bench = Bench::new();
    let first = bench.join(old_style());
    bench.pass_ms(2_000);
    let second = bench.join(old_style());
    bench.pass_ms(1_500);
    assert!(bench.joins.is_empty(), "the delay was extended");
    bench.pass_ms(2_500);
    assert_eq!(bench.joined(first).generation, 1);
    assert_eq!(bench.joined(second).generation, 1);
}

#[test]
fn the_first_rebalance_never_waits_longer_than_the_rebalance_timeout() {
    let mut bench = Bench::new();
    let short = JoinRequest {
        rebalance_timeout_ms: 7_000,
        ..old_style()
    };
    let first = bench.join(short.clone());
    for _ in 0..7 {
        assert!(bench.joins.is_empty());
        bench.pass_ms(1_000);
        bench.join(short.clone());
    }
    bench.pass_ms(2_000);
    assert_eq!(bench.joined(first).error, ErrorCode::None);
}

#[test]
fn a_refused_join_changes_nothing() {
    let table = [
        (
            JoinRequest {
                group_id: String::new(),
                ..old_style()
            },
            ErrorCode::InvalidGroupId,
        ),
        (
            JoinRequest {
                group_id: "g".repeat(40_000),
                ..old_style()
            },
            ErrorCode::InvalidGroupId,
        ),
        (
            JoinRequest {
                session_timeout_ms: 5_999,
                ..old_style()
            },
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            JoinRequest {
                session_timeout_ms: 1_800_001,
                ..old_style()
            },
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            JoinRequest {
                protocols: vec![],
                ..old_style()
            },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            JoinRequest {
                protocol_type: String::new(),
                ..old_style()
            },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (rejoin("nobody"), ErrorCode::UnknownMemberId),
        (
            JoinRequest {
                instance_id: Some("i".repeat(2_000)),
                ..old_style()
            },
            ErrorCode::InvalidRequest,
        ),
    ];
    for (request, wanted) in table {
        let mut bench = Bench::new();
        assert_eq!(bench.join_now(request).error, wanted);
        assert!(bench.groups.is_empty(), "{wanted:?}");
    }
}

#[test]
fn a_member_that_shares_no_strategy_or_type_is_refused() {
    let mut bench = Bench::new();
    bench.stable_group(1);
    let other = JoinRequest {
        protocols: vec![("sticky".to_owned(), Bytes::new())],
        ..old_style()
    };
    assert_eq!(
        bench.join_now(other).error,
        ErrorCode::InconsistentGroupProtocol
    );
    let other = JoinRequest {
        protocol_type: "connect".to_owned(),
        ..old_style()
    };
    assert_eq!(
        bench.join_now(other).error,
        ErrorCode::InconsistentGroupProtocol
    );
    assert_eq!(bench.state(), GroupState::Stable);
}

#[test]
fn the_strategy_most_prefer_is_chosen_among_those_all_know() {
    let with = |names: &[&str]| JoinRequest {
        protocols: names
            .iter()
            .map(|name| ((*name).to_owned(), subscription("t")))
            .collect(),
        ..old_style()
    };
    let mut bench = Bench::new();
    let tokens = [
        bench.join(with(&["own", "range", "sticky"])),
        bench.join(with(&["sticky", "range"])),
        bench.join(with(&["sticky", "sticky", "range"])),
    ];
    bench.pass_ms(10_000);
    for token in tokens {
        assert_eq!(bench.joined(token).protocol.as_deref(), Some("sticky"));
    }
}

#[test]
fn only_the_leader_sees_the_members() {
    let mut bench = Bench::new();
    let tokens = [bench.join(old_style()), bench.join(old_style())];
    bench.pass_ms(10_000);
    let replies = tokens.map(|token| bench.joined(token));
    for reply in &replies {
        let wanted = if reply.leader == reply.member_id {
            2
        } else {
            0
        };
        assert_eq!(reply.members.len(), wanted);
    }
    assert_eq!(replies[0].leader, replies[1].leader);
}

#[test]
fn a_group_that_is_full_refuses_the_next_member() {
    let mut bench = Bench::with(GroupConfig {
        max_size: 2,
        ..GroupConfig::default()
    });
    let (first, second) = (bench.join(old_style()), bench.join(old_style()));
    assert_eq!(
        bench.join_now(old_style()).error,
        ErrorCode::GroupMaxSizeReached
    );
    bench.pass_ms(10_000);
    let ids = bench.finish(&[first, second]);
    assert_eq!(
        bench.join_now(new_style()).error,
        ErrorCode::GroupMaxSizeReached
    );
    assert_eq!(bench.state(), GroupState::Stable);
    let again = bench.join(rejoin(&ids[0]));
    bench.join(rejoin(&ids[1]));
    assert_eq!(bench.joined(again).generation, 2);
}

#[test]
fn a_group_loaded_above_its_limit_expels_the_last_to_rejoin() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(3);
    bench.config.max_size = 2;
    let mut bench = bench.reloaded();
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
    let kept = [bench.join(rejoin(&ids[1])), bench.join(rejoin(&ids[2]))];
    assert_eq!(
        bench.join_now(rejoin(&ids[0])).error,
        ErrorCode::GroupMaxSizeReached
    );
    for token in kept {
        assert_eq!(bench.joined(token).generation, 2);
    }
}

#[test]
fn a_second_member_makes_the_first_rejoin() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(1);
    assert_eq!(bench.heartbeat(&ids[0], 1), ErrorCode::None);
    let second = bench.join(old_style());
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
    assert_eq!(bench.heartbeat(&ids[0], 1), ErrorCode::RebalanceInProgress);
    let first = bench.join(rejoin(&ids[0]));
    let all = bench.finish(&[first, second]);
    assert_eq!(all[0], ids[0], "the leader stays");
    assert_eq!(bench.generation(), 2);
}

#[test]
fn a_member_that_does_not_rejoin_in_time_is_out() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(2);
    let first = bench.join(rejoin(&ids[0]));
    for _ in 0..9 {
        assert_eq!(bench.heartbeat(&ids[1], 1), ErrorCode::RebalanceInProgress);
        bench.pass_ms(6_666);
    }
    assert!(bench.joins.is_empty());
    bench.pass_ms(100);
    assert_eq!(bench.joined(first).members.len(), 1);
    assert_eq!(bench.heartbeat(&ids[1], 1), ErrorCode::UnknownMemberId);
}

#[test]
fn a_leader_that_does_not_rejoin_is_replaced() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(2);
    let changed = JoinRequest {
        protocols: vec![("range".to_owned(), subscription("u"))],
        ..rejoin(&ids[1])
    };
    let token = bench.join(changed);
    bench.pass_ms(60_000);
    assert_eq!(bench.joined(token).leader, ids[1]);
}

#[test]
fn members_that_do_not_sync_in_time_are_out() {
    let mut bench = Bench::new();
    let tokens = [bench.join(old_style()), bench.join(old_style())];
    bench.pass_ms(6_000);
    let replies = tokens.map(|token| bench.joined(token));
    let leader = replies
        .iter()
        .find(|reply| !reply.members.is_empty())
        .unwrap();
    let other = replies
        .iter()
        .find(|reply| reply.members.is_empty())
        .unwrap();
    let waiting = bench.sync(sync(&other.member_id, 1));
    for _ in 0..12 {
        assert_eq!(bench.heartbeat(&leader.member_id, 1), ErrorCode::None);
        bench.pass_ms(5_000);
    }
    assert_eq!(bench.synced(waiting).error, ErrorCode::RebalanceInProgress);
    assert_eq!(
        bench.heartbeat(&leader.member_id, 1),
        ErrorCode::UnknownMemberId
    );
    assert_eq!(
        bench.heartbeat(&other.member_id, 1),
        ErrorCode::RebalanceInProgress
    );
}

#[test]
fn a_sync_is_judged_by_the_table() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(1);
    let good = sync(&ids[0], 1);
    let named = |kind: &str, name: &str| SyncRequest {
        protocol_type: Some(kind.to_owned()),
        protocol: Some(name.to_owned()),
        ..good.clone()
    };
    let table = [
        (good.clone(), ErrorCode::None),
        (named("consumer", "range"), ErrorCode::None),
        (
            named("connect", "range"),
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            named("consumer", "sticky"),
            ErrorCode::InconsistentGroupProtocol,
        ),
        (sync(&ids[0], 0), ErrorCode::IllegalGeneration),
        (sync("nobody", 1), ErrorCode::UnknownMemberId),
        (
            SyncRequest {
                group_id: "other".to_owned(),
                ..good.clone()
            },
            ErrorCode::UnknownMemberId,
        ),
        (
            SyncRequest {
                group_id: String::new(),
                ..good.clone()
            },
            ErrorCode::InvalidGroupId,
        ),
    ];
    for (request, wanted) in table {
        assert_eq!(bench.sync_now(request.clone()).error, wanted, "{request:?}");
    }
    bench.join(old_style());
    assert_eq!(bench.sync_now(good).error, ErrorCode::RebalanceInProgress);
}

#[test]
fn a_rebalance_answers_those_who_wait_for_an_assignment() {
    let mut bench = Bench::new();
    let tokens = [bench.join(old_style()), bench.join(old_style())];
    bench.pass_ms(10_000);
    let replies = tokens.map(|token| bench.joined(token));
    let other = replies
        .iter()
        .find(|reply| reply.members.is_empty())
        .unwrap();
    let waiting = bench.sync(sync(&other.member_id, 1));
    bench.join(old_style());
    assert_eq!(bench.synced(waiting).error, ErrorCode::RebalanceInProgress);
}

#[test]
fn an_assignment_too_large_for_the_log_is_refused() {
    let mut bench = Bench::with(GroupConfig {
        max_batch_bytes: 1_000,
        ..GroupConfig::default()
    });
    let token = bench.join(old_style());
    bench.pass_ms(10_000);
    let id = bench.joined(token).member_id;
    let assignments = vec![(id.clone(), Bytes::from(vec![0; 2_000]))];
    let reply = bench.sync_now(SyncRequest {
        assignments,
        ..sync(&id, 1)
    });
    assert_eq!(reply.error, ErrorCode::UnknownServerError);
    assert!(bench.log.is_empty());
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
}

#[test]
fn a_repeated_join_is_answered_by_the_table() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(2);
    // A follower that says the same gets its generation again.
    let reply = bench.join_now(rejoin(&ids[1]));
    assert_eq!((reply.error, reply.generation), (ErrorCode::None, 1));
    assert!(reply.members.is_empty());
    // The leader's makes a rebalance.
    let leader = bench.join(rejoin(&ids[0]));
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
    // A newer JoinGroup takes the older one's place.
    let newer = bench.join(rejoin(&ids[0]));
    assert_eq!(bench.joined(leader).error, ErrorCode::RebalanceInProgress);
    let other = bench.join(rejoin(&ids[1]));
    assert_eq!(bench.joined(newer).generation, 2);
    assert_eq!(bench.joined(other).generation, 2);
    // While the assignment is awaited, the same again is the same answer.
    let reply = bench.join_now(rejoin(&ids[0]));
    assert_eq!((reply.generation, reply.members.len()), (2, 2));
    // Something else is a rebalance.
    let protocols = vec![("range".to_owned(), subscription("u"))];
    bench.join(JoinRequest {
        protocols,
        ..rejoin(&ids[0])
    });
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
}

#[test]
fn a_reloaded_group_is_stable_and_its_members_must_show_that_they_live() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(2);
    let mut bench = bench.reloaded();
    assert_eq!(bench.state(), GroupState::Stable);
    assert_eq!(
        bench.sync_now(sync(&ids[1], 1)).assignment,
        share_of(&ids[1])
    );
    bench.pass_ms(9_000);
    assert_eq!(bench.heartbeat(&ids[0], 1), ErrorCode::None);
    bench.pass_ms(2_000);
    assert_eq!(bench.heartbeat(&ids[1], 1), ErrorCode::UnknownMemberId);
    assert_eq!(bench.heartbeat(&ids[0], 1), ErrorCode::RebalanceInProgress);
}
