use super::*;
use crate::supervisor::tree::ChildState;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn failure() -> Exit {
    Exit::Failure("boom".into())
}

fn machine(strategy: Strategy, max_restarts: u32) -> Machine {
    Machine::new(
        strategy,
        Intensity {
            max_restarts,
            window: at(10),
        },
    )
}

/// Four permanent children that are up.
fn four(strategy: Strategy) -> Machine {
    let mut machine = machine(strategy, 3);
    for name in NAMES {
        machine
            .add(&name.into(), Restart::Permanent, None, false)
            .unwrap();
    }
    for key in 0..4 {
        machine.bring_up(key);
        machine.started(key, at(0));
    }
    machine.effects();
    machine
}

/// Does at once what the machine wants, until it wants nothing; the starts and stops in order.
fn settle(machine: &mut Machine, now: Duration) -> Vec<String> {
    let mut log = Vec::new();
    loop {
        let effects = machine.effects();
        if effects.is_empty() {
            return log;
        }
        for effect in effects {
            match effect {
                Effect::Start(key) => {
                    log.push(format!("+{key}"));
                    machine.started(key, now);
                }
                Effect::Stop(key) => {
                    log.push(format!("-{key}"));
                    machine.exited(key, &Exit::Normal(None), now);
                    machine.stopped(key);
                }
                Effect::Delay(key, _, delay) => log.push(format!("~{key} {delay:?}")),
                Effect::Forget(key) => log.push(format!("x{key}")),
                Effect::Escalate(_) => log.push("!".to_owned()),
            }
        }
    }
}

fn states(machine: &Machine) -> Vec<ChildState> {
    machine.children().map(|(_, child)| child.state()).collect()
}

#[test]
fn each_strategy_takes_along_whom_it_should_in_reverse_and_back_in_order() {
    let table: [(Strategy, &[&str]); 3] = [
        (Strategy::OneForOne, &["+1"]),
        (Strategy::RestForOne, &["-3", "-2", "+1", "+2", "+3"]),
        (
            Strategy::OneForAll,
            &["-3", "-2", "-0", "+0", "+1", "+2", "+3"],
        ),
    ];
    for (strategy, expected) in table {
        let mut machine = four(strategy);
        machine.exited(1, &failure(), at(1));
        assert_eq!(settle(&mut machine, at(1)), expected, "{strategy:?}");
        assert_eq!(states(&machine), [ChildState::Running; 4]);
        assert_eq!(machine.child(1).unwrap().restarts, 1);
        assert_eq!(machine.child(2).unwrap().restarts, 0);
    }
}

#[test]
fn the_kind_of_child_and_of_exit_decide_about_a_restart() {
    use Restart::{Permanent, Temporary, Transient};
    for strategy in [
        Strategy::OneForOne,
        Strategy::RestForOne,
        Strategy::OneForAll,
    ] {
        for (restart, exit, dynamic, expected) in [
            (
                Permanent,
                Exit::Normal(None),
                false,
                Some(ChildState::Running),
            ),
            (Permanent, failure(), false, Some(ChildState::Running)),
            (Transient, Exit::Normal(None), false, Some(ChildState::Done)),
            (Transient, Exit::Normal(None), true, None),
            (Transient, failure(), true, Some(ChildState::Running)),
            (Temporary, Exit::Normal(None), false, None),
            (Temporary, failure(), true, None),
        ] {
            let mut machine = machine(strategy, 3);
            let key = machine.add(&"a".into(), restart, None, dynamic).unwrap();
            machine.bring_up(key);
            settle(&mut machine, at(0));
            machine.exited(key, &exit, at(1));
            settle(&mut machine, at(1));
            let state = machine.child(key).map(ChildRecord::state);
            assert_eq!(
                state, expected,
                "{strategy:?} {restart:?} {exit:?} {dynamic}"
            );
        }
    }
}

#[test]
fn one_restart_too_many_within_the_window_escalates() {
    let mut machine = four(Strategy::OneForOne);
    for second in 1..=3 {
        machine.exited(second, &failure(), at(second));
        settle(&mut machine, at(second));
    }
    machine.exited(0, &failure(), at(11));
    assert!(matches!(&machine.effects()[..], [Effect::Escalate(why)] if why.contains("'a': boom")));
    machine.exited(1, &failure(), at(11));
    assert_eq!(
        machine.effects(),
        [],
        "after that nothing is started any more"
    );
}

#[test]
fn restarts_outside_the_window_are_forgiven() {
    let mut machine = four(Strategy::OneForOne);
    for second in (0..100).step_by(4) {
        machine.exited(0, &failure(), at(second));
        assert_eq!(settle(&mut machine, at(second)), ["+0"]);
    }
}

#[test]
fn failed_restarts_count_and_are_tried_at_once() {
    let mut machine = four(Strategy::OneForAll);
    machine.exited(3, &failure(), at(1));
    let mut starts = 0;
    loop {
        match machine.effects().pop() {
            Some(Effect::Stop(key)) => machine.stopped(key),
            Some(Effect::Start(3)) => {
                starts += 1;
                machine.start_failed(3, "no", at(2));
            }
            Some(Effect::Start(key)) => machine.started(key, at(2)),
            Some(Effect::Escalate(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(starts, 3);
    assert_eq!(states(&machine)[..3], [ChildState::Running; 3]);
}

#[test]
fn an_earlier_failure_during_a_group_restart_widens_it() {
    let mut machine = four(Strategy::RestForOne);
    machine.exited(2, &failure(), at(1));
    assert_eq!(machine.effects(), [Effect::Stop(3)]);
    machine.exited(0, &failure(), at(1));
    assert_eq!(machine.effects(), [], "one stop at a time");
    machine.stopped(3);
    assert_eq!(settle(&mut machine, at(1)), ["-1", "+0", "+1", "+2", "+3"]);
}

#[test]
fn pauses_grow_up_to_the_cap_and_start_over_after_a_long_run() {
    let mut machine = machine(Strategy::OneForOne, 0);
    let backoff = Backoff::new(at(1), at(5));
    let key = machine
        .add(&"a".into(), Restart::Permanent, Some(backoff), false)
        .unwrap();
    machine.bring_up(key);
    settle(&mut machine, at(0));
    let mut now = 0;
    for (run, pause) in [
        (1, "~0 1s"),
        (1, "~0 2s"),
        (9, "~0 4s"),
        (9, "~0 5s"),
        (10, "~0 1s"),
    ] {
        now += run;
        machine.exited(key, &failure(), at(now));
        assert_eq!(settle(&mut machine, at(now)), [pause]);
        let token = machine.child(key).unwrap().delay_token;
        machine.delay_over(key, token - 1);
        assert_eq!(machine.effects(), [], "an older pause means nothing");
        machine.delay_over(key, token);
        assert_eq!(settle(&mut machine, at(now)), ["+0"]);
    }
}

#[test]
fn a_child_that_gives_up_is_left_alone_until_it_is_asked_for() {
    let mut machine = machine(Strategy::OneForOne, 0);
    let backoff = Backoff::new(at(1), at(5)).give_up_after(1);
    let key = machine
        .add(&"a".into(), Restart::Permanent, Some(backoff), false)
        .unwrap();
    machine.bring_up(key);
    machine.effects();
    machine.start_failed(key, "no", at(0));
    let token = machine.child(key).unwrap().delay_token;
    machine.delay_over(key, token);
    machine.start_failed(key, "no", at(1));
    machine.effects();
    assert_eq!(states(&machine), [ChildState::Failed]);
    machine.restart_now(key);
    assert_eq!(settle(&mut machine, at(2)), ["+0"]);
}

#[test]
fn in_a_group_a_pausing_child_holds_up_those_behind_it() {
    let mut machine = machine(Strategy::RestForOne, 0);
    let backoff = Backoff::new(at(1), at(5));
    machine
        .add(&"a".into(), Restart::Permanent, Some(backoff), false)
        .unwrap();
    machine
        .add(&"b".into(), Restart::Permanent, None, false)
        .unwrap();
    machine.bring_up(0);
    assert_eq!(settle(&mut machine, at(0)), ["+0", "+1"]);
    machine.exited(0, &failure(), at(1));
    assert_eq!(settle(&mut machine, at(1)), ["~0 1s", "-1"]);
    let token = machine.child(0).unwrap().delay_token;
    machine.delay_over(0, token);
    assert_eq!(settle(&mut machine, at(2)), ["+0", "+1"]);
}

#[test]
fn children_are_removed_whatever_they_are_doing() {
    for strategy in [Strategy::OneForOne, Strategy::RestForOne] {
        let mut machine = four(strategy);
        machine.remove(1);
        assert_eq!(settle(&mut machine, at(1)), ["-1", "x1"]);
        let key = machine
            .add(&"b".into(), Restart::Permanent, None, true)
            .unwrap();
        machine.bring_up(key);
        assert_eq!(machine.effects(), [Effect::Start(key)]);
        machine.remove(key);
        assert_eq!(
            machine.effects(),
            [Effect::Stop(key)],
            "its start is aborted"
        );
        machine.started(key, at(1));
        machine.stopped(key);
        assert_eq!(machine.effects(), [Effect::Forget(key)]);
        assert_eq!((machine.len(), machine.key_of("b")), (3, None));
    }
}

#[test]
fn a_dynamic_child_whose_first_start_fails_is_not_kept() {
    let mut machine = four(Strategy::OneForOne);
    let key = machine
        .add(&"e".into(), Restart::Permanent, None, true)
        .unwrap();
    machine.bring_up(key);
    machine.effects();
    machine.start_failed(key, "no", at(1));
    assert_eq!(machine.effects(), [Effect::Forget(key)]);
    assert!(
        machine
            .add(&"a".into(), Restart::Permanent, None, true)
            .is_none()
    );
}

mod random {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        /// Whatever fails in whatever order: a group strategy comes to rest with all children up,
        /// never starts one behind a child that is down, never stops one before a later one.
        #[test]
        fn groups_recover_in_order(
            rest_for_one: bool,
            events in prop::collection::vec((0u64..4, 0usize..4), 1..40),
        ) {
            let strategy =
                if rest_for_one { Strategy::RestForOne } else { Strategy::OneForAll };
            let mut machine = four(strategy);
            machine.intensity.max_restarts = u32::MAX;
            let mut up = [true; 4];
            let mut pending: Vec<Effect> = Vec::new();
            let mut steps = events.into_iter();
            loop {
                pending.extend(machine.effects());
                let event = steps.next();
                if event.is_none() && pending.is_empty() {
                    break;
                }
                if let Some((key, 0)) = event
                    && up[key as usize]
                {
                    up[key as usize] = false;
                    machine.exited(key, &failure(), at(1));
                    continue;
                }
                let Some(effect) = pending.pop() else { continue };
                match effect {
                    Effect::Start(key) => {
                        prop_assert!(up[..key as usize].iter().all(|up| *up) || rest_for_one);
                        up[key as usize] = true;
                        machine.started(key, at(1));
                    }
                    Effect::Stop(key) => {
                        prop_assert!(!up[key as usize + 1..].iter().any(|up| *up));
                        up[key as usize] = false;
                        machine.stopped(key);
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            prop_assert_eq!(states(&machine), [ChildState::Running; 4]);
            prop_assert_eq!(up, [true; 4]);
        }
    }
}
