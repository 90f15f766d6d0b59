use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::sim::Pace;
use crate::task::Blocking;

fn rng(seed: u64) -> Arc<Rng> {
    Arc::new(Rng::from_seed(seed))
}

#[test]
fn time_moves_when_everything_waits_and_no_further_than_to_the_next_timer() {
    let clock = SimClock::new(0);
    let ends = run(&clock, &rng(1), {
        let clock = clock.clone();
        async move {
            let other = spawn({
                let clock = clock.clone();
                async move {
                    clock.sleep(Duration::from_secs(3)).await;
                    clock.monotonic()
                }
            });
            clock.sleep(Duration::from_secs(50)).await;
            (other.await.unwrap(), clock.monotonic())
        }
    });
    assert_eq!(ends, (Duration::from_secs(3), Duration::from_secs(50)));
}

#[test]
fn what_still_runs_at_the_end_is_dropped() {
    struct Flag(Arc<Mutex<bool>>);
    impl Drop for Flag {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = true;
        }
    }
    let clock = SimClock::new(0);
    let dropped = Arc::new(Mutex::new(false));
    let flag = Flag(dropped.clone());
    run(&clock, &rng(1), {
        let clock = clock.clone();
        async move {
            spawn(async move {
                let _flag = flag;
                std::future::pending::<()>().await;
            });
            clock.sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(*dropped.lock().unwrap());
}

/// The order in which delayed works of one seed are done.
fn order(seed: u64) -> Vec<u64> {
    let done = Arc::new(Mutex::new(Vec::new()));
    let clock = SimClock::new(0);
    run(&clock, &rng(seed), {
        let done = done.clone();
        async move {
            let works = (0..8).map(|work| {
                let done = done.clone();
                spawn(
                    Blocking::Delayed(Pace::default()).run(move || done.lock().unwrap().push(work)),
                )
            });
            for work in works.collect::<Vec<_>>() {
                work.await.unwrap();
            }
        }
    });
    Arc::try_unwrap(done).unwrap().into_inner().unwrap()
}

#[test]
fn delayed_work_is_done_in_an_order_that_the_seed_decides() {
    assert_eq!(order(7), order(7));
    assert!((0..10).any(|seed| order(seed) != order(seed + 1)));
}

#[test]
fn whoever_asks_the_runtime_for_a_timer_panics() {
    let asked = std::panic::catch_unwind(|| {
        run(&SimClock::new(0), &rng(1), async {
            tokio::time::sleep(Duration::from_millis(1)).await;
        });
    });
    assert!(asked.is_err());
}

#[test]
fn a_library_finds_the_simulations_clock_and_randomness_and_only_inside() {
    let clock = SimClock::new(5_000);
    let (now_ms, number) = run(&clock, &rng(3), async {
        let ambient = Ambient::current();
        (ambient.clock.now_ms(), ambient.rng.next_u64())
    });
    assert_eq!((now_ms, number), (5_000, Rng::from_seed(3).next_u64()));
    assert!(Ambient::current().clock.now_ms() > 5_000);
}
