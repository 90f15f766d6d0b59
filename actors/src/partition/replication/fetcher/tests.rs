use odeon_model::Uuid;

use super::state::{FetcherState, Send};
use crate::partition::replication::tests::at;
use crate::partition::replication::wire::{MAX_CHANGES, Position, Progress};

const ONE: (Uuid, i32) = (Uuid::ONE, 0);
const TWO: (Uuid, i32) = (Uuid::ONE, 1);

fn fetch(state: &mut FetcherState<()>) -> Progress {
    match state.next() {
        Some(Send::Fetch(progress)) => progress,
        other => panic!("{other:?}"),
    }
}

fn report(state: &mut FetcherState<()>) -> Progress {
    match state.next() {
        Some(Send::Progress(progress)) => progress,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_changed_is_said_and_beside_a_waiting_fetch() {
    let mut state = FetcherState::new(1);
    assert!(state.next().is_none(), "nothing is followed");
    state.follow(ONE, (), at(0, -1));
    state.follow(TWO, (), at(0, -1));
    let first = fetch(&mut state);
    assert!(first.begins);
    assert_eq!(first.changes.len(), 2);
    assert!(state.next().is_none(), "one fetch at a time");
    state.moved(ONE, at(3, 5));
    let beside = report(&mut state);
    assert_eq!((beside.begins, beside.changes.len()), (false, 1));
    state.moved(TWO, at(4, 5));
    assert!(state.next().is_none(), "one report at a time");
    state.reported();
    assert_eq!(report(&mut state).changes[0].key(), TWO);
    state.fetched();
    assert!(fetch(&mut state).changes.is_empty());
}

#[test]
fn the_next_fetch_waits_for_those_who_append_but_not_for_ever() {
    let mut state = FetcherState::new(1);
    state.follow(ONE, (), at(0, -1));
    state.follow(TWO, (), at(0, -1));
    fetch(&mut state);
    state.fetched();
    state.awaits(ONE);
    state.awaits(TWO);
    assert!(state.next().is_none());
    state.moved(ONE, at(3, 5));
    assert!(state.next().is_none());
    state.lose_patience();
    assert_eq!(fetch(&mut state).changes.len(), 1);
    state.moved(TWO, at(9, 5));
    assert_eq!(report(&mut state).changes[0].at.log_end, 9);
}

#[test]
fn a_new_session_says_everything_again_in_bounded_pieces() {
    let mut state = FetcherState::new(1);
    let count = MAX_CHANGES as i32 + 7;
    for partition in 0..count {
        state.follow((Uuid::ONE, partition), (), at(0, -1));
    }
    assert_eq!(fetch(&mut state).changes.len(), MAX_CHANGES);
    assert_eq!(report(&mut state).changes.len(), 7);
    state.begin(2);
    let again = fetch(&mut state);
    assert!(again.begins);
    assert_eq!((again.session, again.changes.len()), (2, MAX_CHANGES));
}

#[test]
fn who_is_followed_again_is_not_forgotten_afterwards() {
    let mut state = FetcherState::new(1);
    let count = MAX_CHANGES as i32 + 1;
    let last = (Uuid::ONE, count - 1);
    for partition in 0..count {
        state.follow((Uuid::ONE, partition), (), at(0, -1));
    }
    fetch(&mut state);
    report(&mut state);
    for partition in 0..count {
        state.unfollow((Uuid::ONE, partition), 5);
    }
    state.follow(last, (), at(0, -1));
    state.reported();
    let first = report(&mut state);
    assert_eq!(first.changes.len(), 1);
    assert_eq!(first.forgotten.len(), MAX_CHANGES);
    assert!(!first.forgotten.contains(&last));
    state.reported();
    assert!(state.next().is_none(), "nobody else is forgotten");
}

#[test]
fn positions_of_an_older_epoch_change_nothing() {
    let mut state = FetcherState::new(1);
    state.follow(
        ONE,
        (),
        Position {
            leader_epoch: 6,
            ..at(0, -1)
        },
    );
    fetch(&mut state);
    state.moved(ONE, at(8, 5));
    state.follow(ONE, (), at(8, 5));
    state.unfollow(ONE, 5);
    assert!(state.next().is_none());
    assert!(state.follower(ONE, 6).is_some());
    assert!(state.follower(ONE, 5).is_none());
    state.unfollow(ONE, 6);
    assert_eq!(report(&mut state).forgotten, [ONE]);
}

#[test]
fn a_follower_that_is_held_back_says_where_it_is_when_it_is_asked_for_again() {
    let mut state = FetcherState::new(1);
    state.follow(ONE, (), at(0, -1));
    assert!(!state.is_behind(ONE), "nobody knows yet");
    fetch(&mut state);
    state.saw_high_watermark(ONE, 9);
    state.moved(ONE, at(3, 5));
    assert!(state.is_behind(ONE));
    state.hold(ONE);
    assert!(state.next().is_none(), "it is held back");
    state.again(ONE);
    assert_eq!(report(&mut state).changes.len(), 1);
    state.reported();
    state.moved(ONE, at(9, 5));
    assert!(!state.is_behind(ONE));
}
