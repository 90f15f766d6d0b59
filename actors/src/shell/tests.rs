use proptest::prelude::*;

use super::*;

#[derive(Debug, Default, Clone, PartialEq)]
struct Sum(i64);

impl ReplicatedState for Sum {
    type Record = i64;

    fn apply(&mut self, record: &i64) {
        self.0 += record;
    }
}

#[test]
fn a_decision_sees_what_is_not_committed_and_its_reply_waits_for_it() {
    let mut shell = Shell::new(Sum(0));
    assert_eq!(shell.stage(vec![1, 2], "a"), None);
    assert_eq!(*shell.state(), Sum(3));
    let batch = shell.take_batch().unwrap();
    assert_eq!(batch.records, [1, 2]);
    // A read decided on the proposed state waits for the batch it may have seen.
    assert_eq!(shell.stage(vec![], "read"), None);
    assert_eq!(shell.take_batch(), None);
    assert_eq!(shell.committed(10), Released::default());
    shell.appended(batch.ticket, 7);
    assert_eq!(shell.committed(6), Released::default());
    let released = shell.committed(7);
    assert_eq!(released.replies, ["a", "read"]);
    assert_eq!(released.records, [1, 2]);
    assert_eq!(shell.stage(vec![], "now"), Some("now"));
}

#[test]
fn a_reply_without_records_behind_staged_ones_goes_with_them() {
    let mut shell = Shell::new(Sum(0));
    assert_eq!(shell.stage(vec![1], "a"), None);
    let first = shell.take_batch().unwrap();
    assert_eq!(shell.stage(vec![2], "b"), None);
    assert_eq!(shell.stage(vec![], "read"), None);
    shell.appended(first.ticket, 0);
    assert_eq!(shell.committed(0).replies, ["a"]);
    let second = shell.take_batch().unwrap();
    shell.appended(second.ticket, 1);
    assert_eq!(shell.committed(1).replies, ["b", "read"]);
    assert!(shell.ledger().is_idle());
}

#[test]
fn an_ended_shell_gives_every_reply_back() {
    let mut shell = Shell::new(Sum(0));
    assert_eq!(shell.stage(vec![1], 1), None);
    shell.take_batch();
    assert_eq!(shell.stage(vec![1], 2), None);
    assert_eq!(shell.ledger().waiting(), 2);
    assert_eq!(shell.into_replies(), [1, 2]);
}

proptest! {
    /// Whatever the order of decisions, batches and commits: replies leave in order, each only when
    /// all records decided up to it are committed, and the committed copy ends equal.
    #[test]
    fn no_reply_overtakes_a_record_it_depends_on(
        steps in prop::collection::vec((0..4u8, 0..3usize), 1..80),
    ) {
        let mut shell = Shell::new(Sum(0));
        let mut committed = Sum(0);
        let (mut log, mut tickets) = (0u64, VecDeque::new());
        let (mut decided, mut answered) = (0usize, 0usize);
        let check = |reply: (usize, i64), answered: &mut usize, committed: &Sum| {
            prop_assert_eq!(reply.0, *answered);
            prop_assert!(committed.0 >= reply.1);
            *answered += 1;
            Ok(())
        };
        for (step, count) in steps.into_iter().chain([(1, 0), (2, 0), (3, 0)]) {
            match step {
                0 => {
                    let records = vec![1; count];
                    let after = shell.state().0 + count as i64;
                    if let Some(reply) = shell.stage(records, (decided, after)) {
                        check(reply, &mut answered, &committed)?;
                    }
                    decided += 1;
                }
                1 => tickets.extend(shell.take_batch()),
                2 => for batch in tickets.drain(..) {
                    log += batch.records.len() as u64;
                    shell.appended(batch.ticket, log);
                },
                _ => {
                    let released = shell.committed(log);
                    released.records.iter().for_each(|record| committed.apply(record));
                    for reply in released.replies {
                        check(reply, &mut answered, &committed)?;
                    }
                }
            }
        }
        prop_assert_eq!(answered, decided);
        prop_assert_eq!(&committed, shell.state());
    }
}
