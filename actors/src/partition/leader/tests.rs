use std::time::Duration;

use odeon_log::LogError;
use odeon_model::config::Durability;
use odeon_model::{ErrorCode, TopicPartition};
use proptest::prelude::*;

use super::lost::Lost;
use super::message::Acks;
use super::replicas::{Fitness, Replicas, Report};
use super::state::{Beginning, LeaderState, Rules};

fn leader(durability: Durability, log_end: i64, flushed: i64) -> LeaderState<i64> {
    LeaderState::new(
        replicas(&[1], &[1]),
        rules(1, durability),
        begins(log_end, flushed, 0),
    )
}

const NOW: Duration = Duration::from_secs(100);
const LAG: Duration = Duration::from_secs(30);

fn replicas(all: &[i32], isr: &[i32]) -> Replicas {
    Replicas::new(1, all.to_vec(), isr.to_vec(), 0, 0, NOW)
}

fn begins(log_end: i64, flushed: i64, high_watermark: i64) -> Beginning {
    Beginning {
        log_end,
        flushed,
        high_watermark,
    }
}

fn rules(min_insync_replicas: usize, durability: Durability) -> Rules {
    Rules {
        min_insync_replicas,
        durability,
        flush_messages: i64::MAX,
    }
}

fn answered(state: &mut LeaderState<i64>) -> Vec<i64> {
    state.advance().collect()
}

#[test]
fn a_durable_write_is_acknowledged_by_its_sync_and_not_before() {
    let mut state = leader(Durability::Fsync, 0, 0);
    state.written(10, NOW);
    state.wait(9, 9);
    assert!(answered(&mut state).is_empty());
    assert_eq!(state.high_watermark(), 0);
    assert!(state.wants_sync());
    state.set_syncing(true);
    assert!(!state.wants_sync(), "one sync at a time");
    state.written(20, NOW);
    state.wait(19, 19);
    state.synced(10);
    assert_eq!(answered(&mut state), [9]);
    assert_eq!(state.high_watermark(), 10);
    assert!(
        state.wants_sync(),
        "what was written during the sync needs the next one"
    );
    state.set_syncing(true);
    state.synced(20);
    assert_eq!(answered(&mut state), [19]);
    assert_eq!(state.pending_acks(), 0);
}

#[test]
fn a_page_cache_write_is_acknowledged_at_once_and_asks_for_no_sync() {
    let mut state = leader(Durability::PageCache, 0, 0);
    state.written(10, NOW);
    state.wait(9, 9);
    assert_eq!(answered(&mut state), [9]);
    assert!(!state.wants_sync());
}

#[test]
fn in_the_page_cache_fewer_than_flush_messages_records_count_before_they_are_on_disk() {
    let mut state = leader(Durability::PageCache, 0, 0);
    state.configure(Rules {
        flush_messages: 5,
        ..rules(1, Durability::PageCache)
    });
    state.written(4, NOW);
    state.wait(3, 3);
    assert_eq!(answered(&mut state), [3]);
    assert!(!state.wants_sync());
    state.written(6, NOW);
    state.wait(5, 5);
    assert_eq!(answered(&mut state), [0; 0]);
    assert_eq!(state.high_watermark(), 4);
    assert!(state.wants_sync());
    state.set_syncing(true);
    state.synced(6);
    assert_eq!(answered(&mut state), [5]);
    assert_eq!((state.high_watermark(), state.unflushed()), (6, 0));
}

#[test]
fn a_restarted_leader_serves_only_what_was_synced() {
    let mut state = leader(Durability::Fsync, 10, 6);
    assert_eq!(state.high_watermark(), 6);
    assert!(state.wants_sync());
    state.set_syncing(true);
    state.synced(10);
    answered(&mut state);
    assert_eq!(state.high_watermark(), 10);
}

#[test]
fn a_duplicate_waits_for_its_original_even_behind_later_batches() {
    let mut state = leader(Durability::Fsync, 0, 0);
    state.written(20, NOW);
    state.wait(19, 19);
    state.wait(9, 9);
    state.set_syncing(true);
    state.synced(10);
    assert_eq!(answered(&mut state), [9]);
    state.set_syncing(true);
    state.synced(20);
    assert_eq!(answered(&mut state), [19]);
}

#[test]
fn too_few_in_sync_replicas_refuse_only_acks_all() {
    let rule = rules(2, Durability::Fsync);
    let mut state = LeaderState::<()>::new(replicas(&[1, 2, 3], &[1]), rule, begins(0, 0, 0));
    assert_eq!(state.admit(Acks::All), Err(ErrorCode::NotEnoughReplicas));
    assert_eq!(state.admit(Acks::Leader), Ok(()));
    assert_eq!(state.admit(Acks::None), Ok(()));
    state.set_replicas(vec![1, 2, 3], vec![1, 2], 1);
    assert_eq!(state.admit(Acks::All), Ok(()));
    state.configure(rules(3, Durability::Fsync));
    assert_eq!(state.admit(Acks::All), Err(ErrorCode::NotEnoughReplicas));
}

#[test]
fn a_topic_that_turns_to_page_cache_releases_those_who_wait() {
    let mut state = leader(Durability::Fsync, 0, 0);
    state.written(5, NOW);
    state.wait(4, 4);
    assert!(answered(&mut state).is_empty());
    state.configure(rules(1, Durability::PageCache));
    assert_eq!(answered(&mut state), [4]);
}

#[test]
fn the_high_watermark_never_goes_back() {
    let mut state = leader(Durability::PageCache, 0, 0);
    state.written(5, NOW);
    answered(&mut state);
    state.configure(rules(1, Durability::Fsync));
    answered(&mut state);
    assert_eq!(state.high_watermark(), 5);
}

#[test]
#[should_panic(expected = "the log end went back")]
fn a_log_end_that_goes_back_is_a_bug() {
    leader(Durability::Fsync, 5, 5).written(4, NOW);
}

proptest! {
    /// Whatever the order of writes and syncs: an acknowledgement leaves once, and only when the
    /// batch is below the high watermark, which is never beyond what was synced.
    #[test]
    fn every_wait_ends_once_and_never_early(steps in prop::collection::vec((0..3u8, 1..5i64), 1..60)) {
        let mut state = leader(Durability::Fsync, 0, 0);
        let (mut end, mut target, mut flushed) = (0, None, 0);
        let (mut waiting, mut released) = (Vec::new(), Vec::new());
        for (step, size) in steps {
            match step {
                0 => {
                    end += size;
                    state.written(end, NOW);
                    state.wait(end - 1, end - 1);
                    waiting.push(end - 1);
                }
                1 => if state.wants_sync() {
                    state.set_syncing(true);
                    target = Some(end);
                },
                _ => if let Some(done) = target.take() {
                    flushed = done;
                    state.synced(done);
                },
            }
            for last in state.advance().collect::<Vec<_>>() {
                prop_assert!(last < flushed);
                released.push(last);
            }
            prop_assert!(state.high_watermark() <= flushed);
        }
        let expected: Vec<i64> = waiting.into_iter().filter(|last| *last < flushed).collect();
        prop_assert_eq!(released, expected);
    }
}

fn at(log_end: i64, flushed: i64) -> Report {
    Report {
        broker_epoch: 7,
        log_start: 0,
        log_end,
        flushed,
    }
}

fn wanted(
    state: &mut LeaderState<i64>,
    now: Duration,
    may_join: impl Fn(i32, i64) -> bool,
) -> Option<Vec<(i32, i64)>> {
    let wanted = state.wanted_isr(LAG, now, Fitness::Sound, may_join)?;
    assert!(wanted.lost.is_empty(), "{wanted:?}");
    Some(wanted.isr)
}

fn three(durability: Durability, isr: &[i32]) -> LeaderState<i64> {
    LeaderState::new(
        replicas(&[1, 2, 3], isr),
        rules(2, durability),
        begins(0, 0, 0),
    )
}

#[test]
fn a_durable_write_is_acknowledged_by_the_slowest_in_sync_disk() {
    let mut state = three(Durability::Fsync, &[1, 2, 3]);
    state.written(10, NOW);
    state.wait(9, 9);
    state.set_syncing(true);
    state.synced(10);
    assert!(answered(&mut state).is_empty(), "nobody was heard");
    assert!(state.report(2, at(10, 10), NOW));
    assert!(answered(&mut state).is_empty(), "3 was not heard");
    assert!(state.report(3, at(10, 4), NOW));
    assert!(answered(&mut state).is_empty());
    assert_eq!(state.high_watermark(), 4);
    assert!(state.report(3, at(10, 10), NOW));
    assert_eq!(answered(&mut state), [9]);
    assert!(!state.report(4, at(10, 10), NOW), "4 is no replica");
}

#[test]
fn a_lagging_follower_is_asked_out_and_holds_the_watermark_until_it_is() {
    let mut state = three(Durability::PageCache, &[1, 2, 3]);
    let nobody = |_, _| false;
    state.report(2, at(0, 0), NOW);
    state.report(3, at(0, 0), NOW);
    state.written(10, NOW);
    state.wait(9, 9);
    state.report(2, at(10, 10), NOW);
    assert_eq!(wanted(&mut state, NOW + LAG, nobody), None);
    assert!(state.is_unsettled());
    let late = NOW + LAG + Duration::from_millis(1);
    assert_eq!(
        wanted(&mut state, late, nobody),
        Some(vec![(1, -1), (2, 7)])
    );
    assert!(
        answered(&mut state).is_empty(),
        "it may still be in the ISR"
    );
    assert_eq!(
        wanted(&mut state, late, nobody),
        None,
        "one alteration at a time"
    );
    state.set_replicas(vec![1, 2, 3], vec![1, 2], 1);
    assert_eq!(answered(&mut state), [9]);
}

#[test]
fn a_follower_joins_once_it_has_what_readers_may_see_and_counts_from_when_it_was_asked_for() {
    let mut state = three(Durability::PageCache, &[1, 2]);
    state.written(10, NOW);
    state.report(2, at(10, 10), NOW);
    answered(&mut state);
    state.report(3, at(9, 9), NOW);
    assert_eq!(wanted(&mut state, NOW, |_, _| true), None);
    state.report(3, at(10, 10), NOW);
    assert_eq!(wanted(&mut state, NOW, |_, _| false), None, "it is fenced");
    let asked = wanted(&mut state, NOW, |id, epoch| (id, epoch) == (3, 7));
    assert_eq!(asked, Some(vec![(1, -1), (2, 7), (3, 7)]));
    state.written(12, NOW);
    state.report(2, at(12, 12), NOW);
    answered(&mut state);
    assert_eq!(state.high_watermark(), 10, "3 may be in the ISR by now");
    state.isr_failed(ErrorCode::IneligibleReplica);
    answered(&mut state);
    assert_eq!(state.high_watermark(), 12);
}

#[test]
fn an_alteration_by_which_another_may_lead_counts_until_the_metadata_tells() {
    for code in [
        // It completed a move, and the leader is none of the new replicas.
        ErrorCode::NewLeaderElected,
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::InvalidUpdateVersion,
        ErrorCode::InvalidRequest,
        ErrorCode::UnknownTopicId,
        ErrorCode::NotController,
        ErrorCode::RequestTimedOut,
    ] {
        let mut state = three(Durability::PageCache, &[1, 2]);
        state.report(2, at(0, 0), NOW);
        state.report(3, at(0, 0), NOW);
        assert!(wanted(&mut state, NOW, |_, _| true).is_some());
        state.written(10, NOW);
        state.wait(9, 9);
        state.report(2, at(10, 10), NOW);
        state.isr_failed(code);
        assert!(answered(&mut state).is_empty(), "{code}: 3 may lead by now");
        state.report(3, at(10, 10), NOW);
        assert_eq!(answered(&mut state), [9], "{code}");
    }
}

#[test]
fn a_gap_is_the_leaders_until_its_producer_is_back_or_requests_of_a_predecessor_have_come() {
    let gap = |producer_id| LogError::OutOfOrderSequence {
        partition: TopicPartition::new("orders", 0),
        producer_id,
        offset: 10,
        incoming: 9,
        current: 5,
    };
    let mut lost = Lost::new(false, NOW);
    assert!(!lost.explains(&gap(1), NOW));
    lost.lose(1);
    assert!(lost.explains(&gap(1), NOW));
    assert!(!lost.explains(&gap(2), NOW), "it lost nothing");
    lost.staged(1);
    assert!(!lost.explains(&gap(1), NOW));
    let restarted = Lost::new(true, NOW);
    assert!(restarted.explains(&gap(2), NOW));
    assert!(!restarted.explains(&gap(2), NOW + Duration::from_secs(30)));
}

#[test]
fn a_follower_that_would_leave_at_once_does_not_join() {
    let mut state = three(Durability::Fsync, &[1, 2, 3]);
    state.set_replicas(vec![1, 2, 3], vec![1, 2], 1);
    state.written(10, NOW);
    let late = NOW + LAG + Duration::from_millis(1);
    // The watermark stands still, so that this follower has reached it; its disk has not got on.
    state.report(2, at(10, 10), late);
    state.report(3, at(10, 4), late);
    assert_eq!(wanted(&mut state, late, |_, _| true), None);
    state.report(3, at(10, 10), late);
    assert!(wanted(&mut state, late, |_, _| true).is_some());
}

#[test]
fn the_watermark_stands_still_below_min_insync_replicas() {
    let mut state = three(Durability::PageCache, &[1, 2, 3]);
    state.set_replicas(vec![1, 2, 3], vec![1], 1);
    state.written(10, NOW);
    answered(&mut state);
    assert_eq!(state.high_watermark(), 0);
    assert_eq!(state.admit(Acks::All), Err(ErrorCode::NotEnoughReplicas));
    state.report(2, at(10, 10), NOW);
    assert!(wanted(&mut state, NOW, |_, _| true).is_some());
    state.set_replicas(vec![1, 2, 3], vec![1, 2], 2);
    answered(&mut state);
    assert_eq!(state.high_watermark(), 10);
}

#[test]
fn a_new_leader_keeps_the_watermark_it_knew_until_its_followers_are_heard() {
    let rule = rules(2, Durability::Fsync);
    let mut state = LeaderState::<i64>::new(replicas(&[1, 2], &[1, 2]), rule, begins(10, 10, 6));
    assert_eq!(state.high_watermark(), 6);
    state.report(2, at(8, 8), NOW);
    answered(&mut state);
    assert_eq!(state.high_watermark(), 8);
}

#[test]
fn a_leader_that_begins_again_counts_all_replicas_until_earlier_alterations_are_settled() {
    let mut replicas = replicas(&[1, 2, 3], &[1, 2]);
    replicas.doubt();
    let mut state: LeaderState<i64> =
        LeaderState::new(replicas, rules(2, Durability::Fsync), begins(0, 0, 0));
    state.written(10, NOW);
    state.wait(9, 9);
    state.set_syncing(true);
    state.synced(10);
    state.report(2, at(10, 10), NOW);
    assert!(answered(&mut state).is_empty(), "3 may be in sync");
    let nobody = |_, _| false;
    let asked = state.wanted_isr(LAG, NOW, Fitness::Sound, nobody);
    let asked = asked.expect("it asks for what there is");
    assert_eq!((asked.isr, asked.lost), (vec![(1, -1), (2, 7)], vec![]));
    state.isr_settled();
    assert_eq!(answered(&mut state), [9]);
    assert_eq!(state.wanted_isr(LAG, NOW, Fitness::Sound, nobody), None);
}

#[test]
fn a_leader_without_room_gives_way_to_those_who_can_go_on_without_it() {
    let mut state = three(Durability::Fsync, &[1, 2, 3]);
    state.report(2, at(0, 0), NOW);
    state.report(3, at(0, 0), NOW);
    let asked = state.wanted_isr(LAG, NOW, Fitness::Full, |_, _| true);
    let asked = asked.expect("others are in sync");
    assert_eq!((asked.isr, asked.lost), (vec![(2, 7), (3, 7)], vec![1]));
    state.set_replicas(vec![1, 2, 3], vec![1, 2], 1);
    let nobody = |_, _| false;
    let asked = state.wanted_isr(LAG, NOW, Fitness::Full, nobody);
    assert_eq!(asked, None, "one alone is below min.insync.replicas");
}

#[test]
fn a_replica_that_lacks_what_readers_saw_is_lost_and_a_damaged_leader_gives_way() {
    let mut state = three(Durability::Fsync, &[1, 2, 3]);
    state.written(10, NOW);
    state.set_syncing(true);
    state.synced(10);
    state.report(2, at(10, 10), NOW);
    state.report(3, at(10, 10), NOW);
    answered(&mut state);
    assert_eq!(state.high_watermark(), 10);
    state.report(3, at(4, 4), NOW);
    let asked = state
        .wanted_isr(LAG, NOW, Fitness::Sound, |_, _| true)
        .unwrap();
    assert_eq!((asked.isr, asked.lost), (vec![(1, -1), (2, 7)], vec![3]));
    state.set_replicas(vec![1, 2, 3], vec![1, 2], 1);
    assert_eq!(
        state.wanted_isr(LAG, NOW, Fitness::Sound, |_, _| true),
        None
    );
    let asked = state
        .wanted_isr(LAG, NOW, Fitness::Damaged, |_, _| true)
        .unwrap();
    assert_eq!((asked.isr, asked.lost), (vec![(2, 7)], vec![1]));
    state.set_replicas(vec![1, 2, 3], vec![1], 2);
    let nobody = |_, _| false;
    let asked = state.wanted_isr(LAG, NOW, Fitness::Damaged, nobody);
    assert_eq!(asked, None, "nobody else can lead");
}
