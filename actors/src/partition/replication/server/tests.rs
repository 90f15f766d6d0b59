use std::sync::{Arc, Mutex};

use bytes::Bytes;
use odeon_model::Uuid;

use super::Session;
use crate::partition::replication::session::Next;
use crate::partition::replication::tests::at;
use crate::partition::replication::wire::{Change, Outcome, Part, Position};

#[test]
fn what_a_follower_is_told_in_an_older_epoch_does_not_touch_where_it_is_now() {
    let session = Session {
        id: 1,
        node: 2,
        queue: Arc::default(),
        entries: Mutex::default(),
    };
    let key = (Uuid::ONE, 0);
    let place = |leader_epoch| {
        let change = Change {
            topic_id: key.0,
            partition: key.1,
            at: Position {
                leader_epoch,
                ..at(3, 1)
            },
        };
        session.place(&mut session.entries(), change, None, 1);
    };
    let part = |leader_epoch, outcome| Part {
        key,
        leader_epoch,
        outcome,
        high_watermark: -1,
        log_start: -1,
        number: 8,
        after: (3, 0),
        records: Bytes::from_static(b"records"),
        is_piece: false,
    };
    place(4);
    place(5);
    for outcome in [Outcome::NotLeader, Outcome::Failed, Outcome::Records] {
        session.told(&part(4, outcome));
        let (_, follower, next, _) = session.look(key).expect("it is known");
        assert_eq!((follower.sent, follower.is_busy), (7, false), "{outcome:?}");
        assert_eq!(next, Next::Tell(Outcome::NotLeader));
    }
    session.told(&part(5, Outcome::NotLeader));
    assert!(session.look(key).is_none(), "it comes again");
}
