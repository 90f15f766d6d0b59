use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn sleeper(clock: &SimClock, log: &Arc<Mutex<Vec<u64>>>, seconds: u64) -> TaskGuard<()> {
    let (clock, log) = (clock.clone(), log.clone());
    TaskGuard::spawn(async move {
        clock.sleep(SECOND * u32::try_from(seconds).unwrap()).await;
        log.lock().unwrap().push(seconds);
    })
}

#[tokio::test]
async fn timers_fire_in_order_and_not_before_their_time() {
    let (clock, log) = (SimClock::default(), Arc::default());
    let _guards: Vec<_> = [3, 1, 2, 9].map(|s| sleeper(&clock, &log, s)).into();
    clock.settle().await;
    assert_eq!(clock.next_timer(), Some(SECOND));
    clock.advance(SECOND / 2);
    clock.settle().await;
    assert!(log.lock().unwrap().is_empty());
    clock.advance(SECOND * 3);
    clock.settle().await;
    assert_eq!(*log.lock().unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn a_dropped_sleep_leaves_no_timer() {
    let clock = SimClock::default();
    let limit = crate::clock::timeout(&clock, SECOND, clock.sleep(Duration::ZERO));
    assert_eq!(limit.await, Ok(()));
    assert_eq!(clock.next_timer(), None);
}

#[tokio::test]
async fn running_for_a_time_sees_every_timer_at_its_own_time() {
    let clock = SimClock::default();
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let ticker = {
        let (clock, ticks) = (clock.clone(), ticks.clone());
        TaskGuard::spawn(async move {
            loop {
                clock.sleep(SECOND).await;
                ticks.lock().unwrap().push(clock.monotonic().as_secs());
            }
        })
    };
    clock.run_for(SECOND * 3 + SECOND / 2).await;
    assert_eq!(*ticks.lock().unwrap(), [1, 2, 3]);
    assert_eq!(clock.monotonic(), SECOND * 3 + SECOND / 2);
    drop(ticker);
}

#[tokio::test]
async fn time_runs_by_itself_while_all_wait() {
    let clock = SimClock::new(5);
    let guard = clock.run_by_itself();
    clock.sleep(SECOND * 3600).await;
    assert_eq!(
        (clock.monotonic(), clock.now_ms()),
        (SECOND * 3600, 3_600_005)
    );
    clock.shift_wall_ms(-10);
    assert_eq!(clock.now_ms(), 3_599_995);
    drop(guard);
}
