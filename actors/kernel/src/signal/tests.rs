use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::*;

async fn is_woken(waiter: &mut Waiter) -> bool {
    tokio::time::timeout(Duration::from_millis(1), waiter.wait())
        .await
        .is_ok()
}

#[tokio::test]
async fn any_of_several_signals_wakes_the_waiter_and_rings_coalesce() {
    let signals = [Signal::new(), Signal::new(), Signal::new()];
    let mut waiter = Waiter::with_capacity(3);
    signals.iter().for_each(|signal| waiter.register(signal));
    assert!(!is_woken(&mut waiter).await);
    signals[1].notify();
    signals[2].notify();
    signals[2].notify();
    assert!(is_woken(&mut waiter).await);
    assert!(!is_woken(&mut waiter).await);
    signals[0].notify();
    assert!(is_woken(&mut waiter).await);
}

#[tokio::test]
async fn all_waiters_of_one_signal_are_woken() {
    let signal = Signal::new();
    let mut waiters: Vec<_> = (0..5).map(|_| Waiter::new()).collect();
    waiters
        .iter_mut()
        .for_each(|waiter| waiter.register(&signal));
    signal.notify();
    for waiter in &mut waiters {
        assert!(is_woken(waiter).await);
    }
}

#[tokio::test]
async fn dropping_a_waiter_leaves_its_signals_and_slots_are_reused() {
    let signal = Signal::new();
    let mut stays = Waiter::new();
    stays.register(&signal);
    for _ in 0..100 {
        let mut goes = Waiter::new();
        goes.register(&signal);
        assert_eq!(signal.registered(), 2);
    }
    assert_eq!(signal.registered(), 1);
    assert!(signal.inner.slots.lock().unwrap().waiters.len() <= 2);
    signal.notify();
    assert!(is_woken(&mut stays).await);
    drop(stays);
    assert_eq!(signal.registered(), 0);
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            let mut waiter = Waiter::new();
            waiter.register(&signal);
            waiter
        })
        .collect();
    drop(crowd);
    assert_eq!(signal.inner.slots.lock().unwrap().waiters.capacity(), 0);
}

#[tokio::test]
async fn a_cancelled_wait_does_not_swallow_a_ring() {
    let signal = Signal::new();
    let mut waiter = Waiter::new();
    waiter.register(&signal);
    {
        let mut wait = Box::pin(waiter.wait());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(wait.as_mut().poll(&mut context).is_pending());
        signal.notify();
    }
    assert!(is_woken(&mut waiter).await);
}

/// Many rounds of the documented protocol on two threads: a lost wake-up hangs the test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_lost_between_register_and_wait() {
    const ROUNDS: u64 = 20_000;
    let (ping, pong) = (Signal::new(), Signal::new());
    let (there, back) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let echo = {
        let (ping, pong, there, back) = (ping.clone(), pong.clone(), there.clone(), back.clone());
        crate::spawn(async move {
            for round in 1..=ROUNDS {
                let mut waiter = Waiter::new();
                waiter.register(&ping);
                while there.load(Ordering::Relaxed) < round {
                    waiter.wait().await;
                }
                back.store(round, Ordering::Relaxed);
                pong.notify();
            }
        })
    };
    for round in 1..=ROUNDS {
        there.store(round, Ordering::Relaxed);
        ping.notify();
        let mut waiter = Waiter::new();
        waiter.register(&pong);
        while back.load(Ordering::Relaxed) < round {
            waiter.wait().await;
        }
    }
    echo.await.unwrap();
}
