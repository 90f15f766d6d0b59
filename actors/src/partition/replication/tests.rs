use odeon_model::Uuid;

use super::session::{Follower, Leader, Next};
use super::wire::{Answer, Outcome, Part, Position};

/// A follower in epoch 5 that has all it has on disk.
pub(super) fn at(log_end: i64, last_epoch: i32) -> Position {
    Position {
        leader_epoch: 5,
        log_start: 0,
        log_end,
        flushed: log_end,
        last_epoch,
        has_bytes: 0,
        heard: 7,
        refuses: false,
    }
}

fn leader(end_of_last_epoch: Option<(i32, i64)>) -> Leader {
    Leader {
        leader_epoch: 5,
        log_start: 10,
        log_end: 20,
        high_watermark: 15,
        end_of_last_epoch,
    }
}

#[test]
fn a_follower_is_sent_what_it_lacks_and_told_when_histories_differ() {
    let cases = [
        (at(20, 5), Some((5, 20)), Next::Tell(Outcome::Records)),
        (at(12, 5), Some((5, 20)), Next::Send),
        (at(12, 4), Some((4, 12)), Next::Send),
        (
            at(14, 4),
            Some((4, 12)),
            Next::Tell(Outcome::Diverging(4, 12)),
        ),
        (
            at(14, 4),
            Some((3, 11)),
            Next::Tell(Outcome::Diverging(3, 11)),
        ),
        (at(14, 4), None, Next::Tell(Outcome::Diverging(-1, 20))),
        (at(0, -1), None, Next::Tell(Outcome::OutOfRange(20))),
        (at(10, -1), None, Next::Send),
    ];
    for (position, end, expected) in cases {
        assert_eq!(
            Follower::new(position).next(&leader(end)),
            expected,
            "{position:?}"
        );
    }
    let old = Position {
        leader_epoch: 4,
        ..at(20, 4)
    };
    assert_eq!(
        Follower::new(old).next(&leader(None)),
        Next::Tell(Outcome::NotLeader)
    );
}

#[test]
fn a_follower_is_sent_nothing_while_it_works_and_told_offsets_once() {
    let mut follower = Follower::new(at(12, 5));
    follower.is_busy = true;
    assert_eq!(follower.next(&leader(Some((5, 20)))), Next::Nothing);
    let mut follower = Follower::new(at(20, 5));
    follower.told = (15, 10);
    assert_eq!(follower.next(&leader(Some((5, 20)))), Next::Nothing);
    follower.told = (14, 10);
    assert_eq!(
        follower.next(&leader(Some((5, 20)))),
        Next::Tell(Outcome::Records)
    );
}

#[test]
fn a_follower_with_another_history_counts_for_nothing_until_it_is_cut() {
    // It has more of epoch 4 than the leader, who begins epoch 5 at 12.
    assert!(!Follower::new(at(16, 4)).agrees(&leader(Some((4, 12)))));
    assert!(Follower::new(at(12, 4)).agrees(&leader(Some((4, 12)))));
    assert!(Follower::new(at(20, 5)).agrees(&leader(Some((5, 20)))));
    assert!(Follower::new(at(0, -1)).agrees(&leader(None)));
    assert!(!Follower::new(at(21, -1)).agrees(&leader(None)));
    assert!(!Follower::new(at(14, 4)).agrees(&leader(None)));
    let old = Position {
        leader_epoch: 4,
        ..at(12, 4)
    };
    assert!(!Follower::new(old).agrees(&leader(Some((4, 12)))));
}

#[test]
fn a_follower_that_speaks_before_it_has_heard_is_not_sent_the_same_again() {
    let mut follower = Follower::new(at(12, 5));
    (follower.sent, follower.is_busy) = (8, true);
    follower.moves(Position {
        flushed: 11,
        ..at(12, 5)
    });
    assert_eq!(follower.next(&leader(Some((5, 20)))), Next::Nothing);
    let heard = Position {
        heard: 8,
        ..at(14, 5)
    };
    follower.moves(heard);
    assert_eq!(follower.next(&leader(Some((5, 20)))), Next::Send);
    // One that begins again has heard nothing of this.
    (follower.sent, follower.is_busy) = (9, true);
    follower.moves(Position {
        heard: 0x9e37_79b9,
        ..at(14, 5)
    });
    assert_eq!(follower.next(&leader(Some((5, 20)))), Next::Send);
    assert_eq!(follower.sent, 0x9e37_79b9);
}

#[test]
fn an_answer_survives_its_bytes_and_short_ones_are_refused() {
    let part = |partition, records: &'static str| Part {
        key: (Uuid([7; 16]), partition),
        leader_epoch: 5,
        outcome: Outcome::Diverging(3, 4),
        high_watermark: 1,
        log_start: 2,
        number: 3,
        after: (4, 5),
        records: records.into(),
        is_piece: partition == 1,
    };
    let answer = Answer {
        known: true,
        parts: vec![part(0, "one"), part(1, ""), part(2, "three")],
    };
    let bytes = answer.to_bytes().unwrap();
    assert_eq!(Answer::parse(bytes.clone()).unwrap(), answer);
    for len in 0..bytes.len() {
        assert!(Answer::parse(bytes.slice(..len)).is_err(), "{len}");
    }
}
