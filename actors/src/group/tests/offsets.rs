//! Commit, fetch, delete, expire.

use odeon_model::{ErrorCode, Uuid};

use super::bench::*;
use crate::group::GroupState;
use crate::group::message::{
    CommitPartition, CommitRequest, FetchRequest, OffsetDeleteRequest, TopicPartitions,
};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn send(bench: &mut Bench, request: CommitRequest) -> ErrorCode {
    match bench.act(|groups, now, effects| groups.commit(now, request, effects)) {
        Ok(topics) => topics[0].partitions[0].1,
        Err(error) => error,
    }
}

#[test]
fn a_commit_is_judged_by_state_generation_and_member() {
    use GroupState::{CompletingRebalance, Empty, PreparingRebalance, Stable};
    let unknown = ErrorCode::UnknownMemberId;
    // state, the member is in the group, generation relative to the group's (none: -1), wanted
    let table = [
        (Empty, false, None, ErrorCode::None),
        (Empty, false, Some(0), unknown),
        (Stable, true, Some(0), ErrorCode::None),
        (Stable, true, Some(-1), ErrorCode::IllegalGeneration),
        (Stable, true, Some(1), ErrorCode::IllegalGeneration),
        (Stable, false, Some(0), unknown),
        (Stable, false, None, unknown),
        (PreparingRebalance, true, Some(0), ErrorCode::None),
        (PreparingRebalance, false, None, unknown),
        (
            CompletingRebalance,
            true,
            Some(0),
            ErrorCode::RebalanceInProgress,
        ),
        (
            CompletingRebalance,
            true,
            Some(-1),
            ErrorCode::IllegalGeneration,
        ),
        (CompletingRebalance, false, None, unknown),
    ];
    for (state, known, generation, wanted) in table {
        let mut bench = Bench::new();
        let mut member = bench.stable_group(1).remove(0);
        let mut current = 1;
        match state {
            Empty => {
                bench.leave(&member, None);
                current = 2;
            }
            PreparingRebalance => {
                bench.join(old_style());
            }
            CompletingRebalance => {
                bench.join(rejoin(&member));
                current = 2;
            }
            _ => {}
        }
        assert_eq!(bench.state(), state);
        if !known {
            member = if generation.is_none() {
                String::new()
            } else {
                "nobody".to_owned()
            };
        }
        let generation = generation.map_or(-1, |relative| current + relative);
        assert_eq!(
            bench.commit(&member, generation),
            wanted,
            "{state:?} {known} {generation}"
        );
        let kept = bench.fetch("t");
        assert_eq!(kept, if wanted == ErrorCode::None { 5 } else { -1 });
    }
}

#[test]
fn a_client_without_a_group_makes_one_that_only_keeps_offsets() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit("", 3), ErrorCode::GroupIdNotFound);
    assert!(bench.groups.is_empty());
    assert_eq!(bench.commit("", -1), ErrorCode::None);
    let described = bench.groups.describe(GROUP);
    assert_eq!(
        (described.state, &*described.protocol_type),
        (GroupState::Empty, "")
    );
    let mut anonymous = commit("t", "", -1, 1);
    anonymous.group_id = String::new();
    assert_eq!(
        send(&mut bench, anonymous),
        ErrorCode::None,
        "the empty group id may commit"
    );
}

#[test]
fn what_was_committed_comes_back_also_after_a_reload() {
    let mut bench = Bench::new();
    let mut request = commit("t", "", -1, 77);
    request.topics[0].topic_id = Uuid::ONE;
    assert_eq!(send(&mut bench, request), ErrorCode::None);
    let ask = |topic_id, partition| FetchRequest {
        group_id: GROUP.to_owned(),
        topics: Some(vec![TopicPartitions {
            topic: "t".to_owned(),
            topic_id,
            partitions: vec![partition],
        }]),
        require_stable: true,
    };
    for bench in [&bench, &bench.reloaded()] {
        let all = FetchRequest {
            group_id: GROUP.to_owned(),
            ..FetchRequest::default()
        };
        for request in [ask(Uuid::ONE, 0), ask(Uuid::ZERO, 0), all] {
            let topics = bench.groups.fetch(&request).unwrap();
            let fetched = &topics[0].partitions[0];
            assert_eq!((fetched.offset, fetched.leader_epoch), (77, 3));
            assert_eq!(
                (&*fetched.metadata, fetched.error),
                ("kept", ErrorCode::None)
            );
        }
        // Another partition, and another topic of the same name.
        for request in [ask(Uuid::ONE, 1), ask(Uuid([9; 16]), 0)] {
            let topics = bench.groups.fetch(&request).unwrap();
            let fetched = &topics[0].partitions[0];
            assert_eq!(
                (fetched.offset, fetched.leader_epoch, &*fetched.metadata),
                (-1, -1, "")
            );
        }
    }
    let unknown = FetchRequest {
        group_id: "nope".to_owned(),
        ..ask(Uuid::ZERO, 0)
    };
    assert_eq!(
        bench.groups.fetch(&unknown).unwrap()[0].partitions[0].offset,
        -1
    );
    let unknown = FetchRequest {
        topics: None,
        ..unknown
    };
    assert_eq!(bench.groups.fetch(&unknown).unwrap(), []);
}

#[test]
fn metadata_too_large_is_refused_for_its_partition_only() {
    let mut bench = Bench::new();
    let mut request = commit("t", "", -1, 1);
    let metadata = |text: String| Some(text);
    let at = |partition, metadata| CommitPartition {
        partition,
        offset: 1,
        leader_epoch: -1,
        metadata,
    };
    request.topics[0].partitions = vec![
        at(0, metadata("x".repeat(4_096))),
        at(1, metadata("x".repeat(4_097))),
        at(2, metadata("é".repeat(4_096))),
        at(3, None),
    ];
    let topics = bench
        .act(|groups, now, fx| groups.commit(now, request, fx))
        .unwrap();
    let too_large = ErrorCode::OffsetMetadataTooLarge;
    let wanted = [
        (0, ErrorCode::None),
        (1, too_large),
        (2, ErrorCode::None),
        (3, ErrorCode::None),
    ];
    assert_eq!(topics[0].partitions, wanted);
    assert_eq!(bench.log.len(), 3);
}

#[test]
fn offsets_of_subscribed_topics_are_not_deleted() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(1);
    bench.commit_to("t", &ids[0], 1);
    bench.commit_to("other", &ids[0], 1);
    let topics = ["t", "other", "never"]
        .map(|topic| TopicPartitions {
            topic: topic.to_owned(),
            ..partitions()
        })
        .to_vec();
    let mut request = OffsetDeleteRequest {
        group_id: GROUP.to_owned(),
        topics,
    };
    let deleted = bench
        .act(|groups, now, fx| groups.delete_offsets(now, &request, fx))
        .unwrap();
    let errors: Vec<ErrorCode> = deleted.iter().map(|topic| topic.partitions[0].1).collect();
    assert_eq!(
        errors,
        [
            ErrorCode::GroupSubscribedToTopic,
            ErrorCode::None,
            ErrorCode::None
        ]
    );
    assert_eq!((bench.fetch("t"), bench.fetch("other")), (5, -1));
    assert_eq!(bench.reloaded().fetch("other"), -1);
    bench.leave(&ids[0], None);
    bench
        .act(|groups, now, fx| groups.delete_offsets(now, &request, fx))
        .unwrap();
    assert_eq!(bench.fetch("t"), -1);
    request.group_id = "nope".to_owned();
    let refused = bench.act(|groups, now, fx| groups.delete_offsets(now, &request, fx));
    assert_eq!(refused, Err(ErrorCode::GroupIdNotFound));
}

#[test]
fn a_group_that_is_not_of_consumers_must_be_empty_to_lose_offsets() {
    let mut bench = Bench::new();
    let mut request = old_style();
    request.protocol_type = "connect".to_owned();
    bench.join(request);
    let request = OffsetDeleteRequest {
        group_id: GROUP.to_owned(),
        topics: vec![partitions()],
    };
    let refused = bench.act(|groups, now, fx| groups.delete_offsets(now, &request, fx));
    assert_eq!(refused, Err(ErrorCode::NonEmptyGroup));
}

#[test]
fn offsets_of_an_empty_group_age_from_the_moment_it_was_empty() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(1);
    bench.commit(&ids[0], 1);
    for _ in 0..(10 * DAY_MS / 9_000) {
        bench.pass_ms(9_000);
        bench.heartbeat(&ids[0], 1);
    }
    assert_eq!(bench.fetch("t"), 5, "its topic is subscribed");
    bench.leave(&ids[0], None);
    bench.pass_ms(7 * DAY_MS - 600_001);
    assert_eq!(bench.fetch("t"), 5);
    bench.pass_ms(1_200_002);
    assert!(bench.groups.is_empty());
    assert!(bench.reloaded().groups.is_empty(), "the log has tombstones");
}

#[test]
fn offsets_of_topics_that_nobody_reads_any_more_age_from_their_commit() {
    let mut bench = Bench::new();
    let ids = bench.stable_group(1);
    bench.commit_to("t", &ids[0], 1);
    bench.commit_to("other", &ids[0], 1);
    for _ in 0..(8 * DAY_MS / 9_000) {
        bench.pass_ms(9_000);
        bench.heartbeat(&ids[0], 1);
    }
    assert_eq!((bench.fetch("t"), bench.fetch("other")), (5, -1));
    assert_eq!(bench.state(), GroupState::Stable);
}

#[test]
fn offsets_without_a_group_age_from_their_commit() {
    let mut bench = Bench::new();
    bench.commit_to("t", "", -1);
    bench.pass_ms(4 * DAY_MS);
    bench.commit_to("other", "", -1);
    bench.pass_ms(4 * DAY_MS);
    assert_eq!((bench.fetch("t"), bench.fetch("other")), (-1, 5));
    bench.pass_ms(4 * DAY_MS);
    assert!(bench.groups.is_empty());
}

#[test]
fn a_commit_may_bring_its_own_retention() {
    let mut bench = Bench::new();
    let mut request = commit("t", "", -1, 1);
    request.retention_time_ms = Some(DAY_MS);
    assert_eq!(send(&mut bench, request), ErrorCode::None);
    let mut bench = bench.reloaded();
    bench.pass_ms(DAY_MS - 1);
    assert_eq!(bench.fetch("t"), 1);
    bench.pass_ms(600_001);
    assert_eq!(bench.fetch("t"), -1);
}

#[test]
fn a_deleted_topics_offsets_go_with_it() {
    let mut bench = Bench::new();
    bench.commit_to("t", "", -1);
    bench.commit_to("other", "", -1);
    let gone = ["t".to_owned()];
    bench.act(|groups, now, effects| groups.topics_deleted(now, &gone, effects));
    let mut reloaded = bench.reloaded();
    for bench in [&mut bench, &mut reloaded] {
        assert_eq!((bench.fetch("t"), bench.fetch("other")), (-1, 5));
    }
}
