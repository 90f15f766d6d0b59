use bytes::Bytes;
use odeon_model::Uuid;
use odeon_records::BatchBuilder;
use proptest::prelude::*;

use super::state::{FollowerState, Own, Step};
use crate::partition::replication::wire::{Outcome, Part};

fn part(outcome: Outcome, records: impl Into<Bytes>, is_piece: bool) -> Part {
    Part {
        key: (Uuid::ONE, 0),
        leader_epoch: 5,
        outcome,
        high_watermark: 0,
        log_start: 3,
        number: 1,
        after: (5, 0),
        records: records.into(),
        is_piece,
    }
}

fn own(log_end: i64, end_of_epoch: Option<(i32, i64)>) -> Own {
    Own {
        log_end,
        is_empty: false,
        end_of_epoch,
    }
}

fn batch(base_offset: i64, count: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new().base_offset(base_offset).leader_epoch(5);
    for n in 0..count {
        builder
            .push(n as i64, Some(b"key"), Some(b"value"), &[])
            .unwrap();
    }
    builder.build().unwrap()
}

fn offsets(step: Step) -> Vec<(i64, i64)> {
    match step {
        Step::Append(batches) => batches
            .iter()
            .map(|batch| (batch.header().base_offset, batch.header().last_offset()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn batches_are_appended_from_the_log_end_on() {
    let mut state = FollowerState::default();
    let records = [batch(2, 3), batch(5, 2), batch(9, 1)].concat();
    let step = state.step(&part(Outcome::Records, records, false), own(5, None));
    assert_eq!(offsets(step), [(5, 6), (9, 9)]);
}

#[test]
fn an_empty_log_may_begin_with_a_batch_that_the_leaders_first_offset_lies_within() {
    let records = [batch(2, 3), batch(5, 2)].concat();
    let empty = Own {
        is_empty: true,
        ..own(4, None)
    };
    let part = part(Outcome::Records, records, false);
    let step = FollowerState::default().step(&part, empty);
    assert_eq!(offsets(step), [(2, 4), (5, 6)]);
    let step = FollowerState::default().step(&part, own(4, None));
    assert!(matches!(step, Step::Refuse(_)), "{step:?}");
}

#[test]
fn damage_and_overlaps_are_refused() {
    let mut state = FollowerState::default();
    let mut damaged = batch(5, 2);
    *damaged.last_mut().unwrap() ^= 1;
    for records in [damaged, batch(4, 3), batch(5, 2)[..40].to_vec()] {
        let step = state.step(&part(Outcome::Records, records, false), own(5, None));
        assert!(matches!(step, Step::Refuse(_)), "{step:?}");
    }
}

#[test]
fn a_batch_in_pieces_is_appended_when_its_last_piece_is_there() {
    let mut state = FollowerState::default();
    let whole = batch(5, 9);
    let (first, rest) = whole.split_at(30);
    let (second, third) = rest.split_at(50);
    let piece = |records: &[u8], after, is_piece| Part {
        after: (5, after),
        ..part(Outcome::Records, records.to_vec(), is_piece)
    };
    // A piece that comes twice, or out of turn, changes nothing.
    for (records, after, has) in [
        (first, 0, 30),
        (first, 0, 30),
        (second, 30, 80),
        (second, 30, 80),
    ] {
        let step = state.step(&piece(records, after, true), own(5, None));
        assert!(matches!(step, Step::AskOn), "{step:?}");
        assert_eq!(state.has_bytes(), has);
    }
    let step = state.step(&piece(third, 79, false), own(5, None));
    assert!(matches!(step, Step::AskOn), "{step:?}");
    let step = state.step(&piece(third, 80, false), own(5, None));
    assert_eq!(offsets(step), [(5, 13)]);
    assert_eq!(state.has_bytes(), 0);
}

#[test]
fn a_log_is_cut_where_the_histories_part() {
    let cases = [
        // The leader's end of the epoch, ours, and where to cut a log that ends at 20.
        ((4, 12), Some((4, 15)), 12),
        ((4, 15), Some((4, 12)), 12),
        // We have no epoch 4: ours before it ends at 8, and the next answer tells more.
        ((4, 12), Some((3, 8)), 8),
        ((-1, 6), None, 6),
        ((4, 12), None, 12),
    ];
    for ((epoch, end), ours, expected) in cases {
        let outcome = Outcome::Diverging(epoch, end);
        let step = FollowerState::default().step(&part(outcome, "", false), own(20, ours));
        assert!(
            matches!(step, Step::Truncate(at) if at == expected),
            "{step:?}"
        );
    }
}

#[test]
fn a_log_that_ends_before_the_leaders_starts_begins_anew_there() {
    let outcome = Outcome::OutOfRange(40);
    let step = FollowerState::default().step(&part(outcome, "", false), own(2, None));
    assert!(matches!(step, Step::StartAt(3)), "{step:?}");
    let step = FollowerState::default().step(&part(outcome, "", false), own(50, None));
    assert!(matches!(step, Step::Truncate(40)), "{step:?}");
}

/// A log as its epochs: where each begins, and where it ends.
#[derive(Debug, Clone, PartialEq)]
struct History(Vec<i32>);

impl History {
    fn end_of(&self, epoch: i32) -> Option<(i32, i64)> {
        let upto = self.0.iter().take_while(|of| **of <= epoch).count();
        let found = upto.checked_sub(1).map_or(epoch, |at| self.0[at]);
        (epoch >= 0).then_some((found, upto as i64))
    }

    fn end(&self) -> i64 {
        self.0.len() as i64
    }
}

proptest! {
    /// Whatever two logs of ascending epochs hold, cutting ends at a common history, after as many
    /// rounds as there are epochs at most, and never cuts below it.
    #[test]
    fn cutting_ends_at_the_common_history(
        common in prop::collection::vec(0..3i32, 0..10),
        mut leader in prop::collection::vec(3..9i32, 0..10),
        mut ours in prop::collection::vec(3..9i32, 0..10),
    ) {
        let mut base = common;
        base.sort_unstable();
        leader.sort_unstable();
        ours.sort_unstable();
        // No epoch has two leaders: where both have one, its records are the same from its start.
        ours.retain(|epoch| !leader.contains(epoch));
        let leader = History([base.clone(), leader].concat());
        let mut follower = History([base.clone(), ours].concat());
        for _ in 0..12 {
            let Some(last) = follower.0.last().copied() else { break };
            let (epoch, end) = leader.end_of(last).unwrap();
            if epoch == last && end >= follower.end() {
                break;
            }
            let outcome = Outcome::Diverging(epoch, end);
            let own = own(follower.end(), follower.end_of(epoch));
            match FollowerState::default().step(&part(outcome, "", false), own) {
                Step::Truncate(at) => {
                    prop_assert!(at < follower.end());
                    follower.0.truncate(at as usize);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert!(leader.0.starts_with(&follower.0), "{:?} is no part of {:?}", follower, leader);
        prop_assert!(follower.end() >= base.len() as i64);
    }
}
