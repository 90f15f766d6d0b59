use proptest::prelude::*;

use super::*;

fn header(epoch: i16, sequence: i32, count: i32, offset: i64) -> BatchHeader {
    BatchHeader {
        base_offset: offset,
        batch_length: 100,
        partition_leader_epoch: 0,
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: 1000,
        max_timestamp: 1000,
        producer_id: 7,
        producer_epoch: epoch,
        base_sequence: sequence,
        record_count: count,
    }
}

fn states(batches: &[(i16, i32, i32)]) -> ProducerStates {
    let mut states = ProducerStates::default();
    let mut offset = 0;
    for (epoch, sequence, count) in batches {
        states.apply(&header(*epoch, *sequence, *count, offset));
        offset += i64::from(*count);
    }
    states
}

#[test]
fn a_retry_of_the_last_five_batches_gets_its_original_offset() {
    let states = states(&[
        (0, 0, 10),
        (0, 10, 10),
        (0, 20, 10),
        (0, 30, 10),
        (0, 40, 10),
        (0, 50, 10),
    ]);
    for n in 1..6 {
        match states.check(&header(0, n * 10, 10, 999)) {
            Check::Duplicate(original) => assert_eq!(original.base_offset(), i64::from(n) * 10),
            other => panic!("{n}: {other:?}"),
        }
    }
    assert_eq!(states.check(&header(0, 0, 10, 999)), Check::Gap(59));
    assert_eq!(states.check(&header(0, 50, 9, 999)), Check::Gap(59));
    assert_eq!(states.check(&header(0, 60, 10, 999)), Check::Fresh);
}

#[test]
fn a_gap_is_out_of_order() {
    let states = states(&[(0, 0, 10)]);
    assert_eq!(states.check(&header(0, 11, 1, 10)), Check::Gap(9));
    assert_eq!(states.check(&header(0, 5, 1, 10)), Check::Gap(9));
}

#[test]
fn an_old_epoch_is_refused_and_a_new_one_starts_at_zero() {
    let states = states(&[(3, 0, 10)]);
    assert_eq!(states.check(&header(2, 10, 1, 10)), Check::OldEpoch(3));
    assert_eq!(states.check(&header(2, 0, 10, 10)), Check::OldEpoch(3));
    assert_eq!(states.check(&header(4, 0, 1, 10)), Check::Fresh);
    assert_eq!(states.check(&header(4, 10, 1, 10)), Check::Gap(NO_SEQUENCE));
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    assert_eq!(states(&[]).check(&header(5, 1234, 1, 0)), Check::Fresh);
}

#[test]
fn sequences_wrap_at_the_largest_int() {
    let max = i32::MAX;
    let wrapping = states(&[(0, max - 4, 10)]);
    assert_eq!(wrapping.get(7).map(ProducerEntry::last_sequence), Some(4));
    assert_eq!(wrapping.check(&header(0, 5, 1, 10)), Check::Fresh);
    assert!(matches!(
        wrapping.check(&header(0, max - 4, 10, 10)),
        Check::Duplicate(_)
    ));
    let at_end = states(&[(0, max, 1)]);
    assert_eq!(at_end.check(&header(0, 0, 1, 10)), Check::Fresh);
    assert_eq!(at_end.check(&header(0, 1, 1, 10)), Check::Gap(max));
}

#[test]
fn a_marker_ends_the_transaction_and_fences_older_coordinators() {
    let mut states = ProducerStates::default();
    let mut data = header(0, 0, 3, 20);
    data.attributes = 0x10;
    states.apply(&data);
    assert_eq!(states.first_open_offset(), Some(20));
    let marker = header(0, -1, 1, 23);
    let commit = |coordinator_epoch| ControlRecord::Commit { coordinator_epoch };
    states.apply_marker(&marker, &commit(5));
    assert_eq!(states.first_open_offset(), None);
    assert_eq!(
        states.check_marker(&marker, &commit(4)),
        Check::OldCoordinator(5)
    );
    assert_eq!(states.check_marker(&marker, &commit(5)), Check::Fresh);
    // The same epoch goes on with its sequence, a bumped one starts anew.
    assert_eq!(states.check(&header(0, 3, 1, 24)), Check::Fresh);
    states.apply_marker(&header(1, -1, 1, 24), &commit(5));
    assert_eq!(states.check(&header(1, 3, 1, 25)), Check::Gap(NO_SEQUENCE));
    assert_eq!(states.check(&header(1, 0, 1, 25)), Check::Fresh);
}

#[test]
fn a_silent_producer_is_forgotten_unless_its_transaction_is_open() {
    let mut states = states(&[(0, 0, 1)]);
    assert_eq!(states.expire(5000, 1000), 0);
    assert_eq!(states.expire(5999, 1000), 0);
    states.apply(&header(0, 1, 1, 1));
    assert_eq!(states.expire(6000, 1000), 0);
    states.entry_mut(7).current_txn_first_offset = Some(0);
    assert_eq!(states.expire(9000, 1000), 0);
    states.entry_mut(7).current_txn_first_offset = None;
    assert_eq!((states.expire(9000, 1000), states.len()), (1, 0));
}

proptest! {
    /// The model remembers everything; the state must agree wherever five batches suffice.
    #[test]
    fn the_state_agrees_with_a_model_that_forgets_nothing(
        steps in prop::collection::vec((0i16..3, 0usize..8, 1i32..4, any::<bool>()), 1..60)
    ) {
        let mut states = ProducerStates::default();
        let mut log: Vec<(i16, i32, i32, i64)> = Vec::new();
        let mut end = 0i64;
        for (epoch, back, count, retry) in steps {
            let newest = log.iter().map(|b| b.0).max();
            let mine: Vec<_> = log.iter().filter(|b| b.0 == epoch).collect();
            let next = mine.last().map_or(0, |b| b.1 + b.2);
            let (sequence, count) = match mine.len().checked_sub(back + 1).map(|at| mine[at]) {
                Some(old) if retry => (old.1, old.2),
                _ => (next + back as i32 / 4, count),
            };
            let incoming = header(epoch, sequence, count, end);
            let known = mine.iter().rev().take(REMEMBERED_BATCHES)
                .find(|b| b.1 == sequence && b.2 == count);
            let verdict = states.check(&incoming);
            match newest {
                Some(newest) if epoch < newest => prop_assert_eq!(verdict, Check::OldEpoch(newest)),
                _ => match known {
                    Some(original) => match verdict {
                        Check::Duplicate(found) => prop_assert_eq!(found.base_offset(), original.3),
                        other => prop_assert!(false, "{:?}", other),
                    },
                    None if newest.is_none() || sequence == next => {
                        prop_assert_eq!(verdict, Check::Fresh);
                        states.apply(&incoming);
                        log.push((epoch, sequence, count, end));
                        end += i64::from(count);
                    }
                    None => prop_assert!(matches!(verdict, Check::Gap(_))),
                },
            }
        }
    }
}
