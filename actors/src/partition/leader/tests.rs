use odeon_model::ErrorCode;
use odeon_model::config::Durability;
use proptest::prelude::*;

use super::message::Acks;
use super::state::{LeaderState, Rules};

fn leader(durability: Durability, log_end: i64, flushed: i64) -> LeaderState<i64> {
    LeaderState::new(vec![1], rules(1, durability), log_end, flushed)
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
    state.written(10);
    state.wait(9, 9);
    assert!(answered(&mut state).is_empty());
    assert_eq!(state.high_watermark(), 0);
    assert!(state.wants_sync());
    state.sync_started();
    assert!(!state.wants_sync(), "one sync at a time");
    state.written(20);
    state.wait(19, 19);
    state.synced(10);
    assert_eq!(answered(&mut state), [9]);
    assert_eq!(state.high_watermark(), 10);
    assert!(
        state.wants_sync(),
        "what was written during the sync needs the next one"
    );
    state.sync_started();
    state.synced(20);
    assert_eq!(answered(&mut state), [19]);
    assert_eq!(state.pending_acks(), 0);
}

#[test]
fn a_page_cache_write_is_acknowledged_at_once_and_asks_for_no_sync() {
    let mut state = leader(Durability::PageCache, 0, 0);
    state.written(10);
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
    state.written(4);
    state.wait(3, 3);
    assert_eq!(answered(&mut state), [3]);
    assert!(!state.wants_sync());
    state.written(6);
    state.wait(5, 5);
    assert_eq!(answered(&mut state), [0; 0]);
    assert_eq!(state.high_watermark(), 4);
    assert!(state.wants_sync());
    state.sync_started();
    state.synced(6);
    assert_eq!(answered(&mut state), [5]);
    assert_eq!((state.high_watermark(), state.unflushed()), (6, 0));
}

#[test]
fn a_restarted_leader_serves_only_what_was_synced() {
    let mut state = leader(Durability::Fsync, 10, 6);
    assert_eq!(state.high_watermark(), 6);
    assert!(state.wants_sync());
    state.sync_started();
    state.synced(10);
    answered(&mut state);
    assert_eq!(state.high_watermark(), 10);
}

#[test]
fn a_duplicate_waits_for_its_original_even_behind_later_batches() {
    let mut state = leader(Durability::Fsync, 0, 0);
    state.written(20);
    state.wait(19, 19);
    state.wait(9, 9);
    state.sync_started();
    state.synced(10);
    assert_eq!(answered(&mut state), [9]);
    state.sync_started();
    state.synced(20);
    assert_eq!(answered(&mut state), [19]);
}

#[test]
fn too_few_in_sync_replicas_refuse_only_acks_all() {
    let mut state = LeaderState::<()>::new(vec![1], rules(2, Durability::Fsync), 0, 0);
    assert_eq!(state.admit(Acks::All), Err(ErrorCode::NotEnoughReplicas));
    assert_eq!(state.admit(Acks::Leader), Ok(()));
    assert_eq!(state.admit(Acks::None), Ok(()));
    state.set_isr(vec![1, 2]);
    assert_eq!(state.admit(Acks::All), Ok(()));
    state.configure(rules(3, Durability::Fsync));
    assert_eq!(state.admit(Acks::All), Err(ErrorCode::NotEnoughReplicas));
}

#[test]
fn a_topic_that_turns_to_page_cache_releases_those_who_wait() {
    let mut state = leader(Durability::Fsync, 0, 0);
    state.written(5);
    state.wait(4, 4);
    assert!(answered(&mut state).is_empty());
    state.configure(rules(1, Durability::PageCache));
    assert_eq!(answered(&mut state), [4]);
}

#[test]
fn the_high_watermark_never_goes_back() {
    let mut state = leader(Durability::PageCache, 0, 0);
    state.written(5);
    answered(&mut state);
    state.configure(rules(1, Durability::Fsync));
    answered(&mut state);
    assert_eq!(state.high_watermark(), 5);
}

#[test]
#[should_panic(expected = "the log end went back")]
fn a_log_end_that_goes_back_is_a_bug() {
    leader(Durability::Fsync, 5, 5).written(4);
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
                    state.written(end);
                    state.wait(end - 1, end - 1);
                    waiting.push(end - 1);
                }
                1 => if state.wants_sync() {
                    state.sync_started();
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
