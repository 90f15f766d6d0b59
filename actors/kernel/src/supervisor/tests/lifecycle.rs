//! Back-off, dynamic children, kills, stubborn children, crowds.

use super::*;

async fn empty(stage: &Stage) -> RootSupervisor {
    Supervisor::start_root(stage.options(), Vec::new())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_child_with_back_off_is_retried_with_growing_pauses_and_never_escalates() {
    let stage = Stage::new();
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let spec = {
        let (attempts, clock) = (attempts.clone(), stage.clock.clone());
        ChildSpec::new("flaky", Restart::Permanent, move |_| {
            let mut attempts = attempts.lock().unwrap();
            attempts.push(clock.monotonic());
            async { Err::<ActorCell, _>(StartError::from("not yet")) }
        })
        .backoff(Backoff::new(Duration::from_secs(1), Duration::from_secs(4)).give_up_after(5))
    };
    let children = vec![stage.puppet("a", Restart::Permanent), spec];
    let root = Supervisor::start_root(stage.options(), children)
        .await
        .unwrap();
    until(&stage, &root, "flaky", ChildState::Failed).await;
    let attempts = attempts.lock().unwrap().clone();
    let pauses: Vec<_> = attempts
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64().round())
        .collect();
    assert_eq!(pauses, [1.0, 2.0, 4.0, 4.0, 4.0]);
    assert_eq!(
        child(&root, "flaky").await.last_exit.as_deref(),
        Some("not yet")
    );
    stage.incarnation("a", 0).await;
}

#[tokio::test]
async fn children_come_and_go_at_run_time() {
    let stage = Stage::new();
    let root = empty(&stage).await;
    let handle = root.handle();
    handle
        .add_child(stage.puppet("a", Restart::Permanent))
        .await
        .unwrap();
    let again = handle
        .add_child(stage.puppet("a", Restart::Permanent))
        .await;
    assert_eq!(again, Err(AddChildError::NameTaken));
    handle
        .add_child(stage.puppet("t", Restart::Temporary))
        .await
        .unwrap();
    stage.tell("t", Do::Panic);
    while handle.which_children(9).await.unwrap().1 > 1 {
        stage.clock.sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(handle.remove_child("a").await, Ok(true));
    assert_eq!(handle.remove_child("a").await, Ok(false));
    assert_eq!(stage.take_log(), "+a +t ~t -a ~a");
    let fails = ChildSpec::temporary("f", |_| async {
        Err::<ActorCell, _>(StartError::from("no"))
    });
    let failed = handle.add_child(fails).await;
    let reason = "no".to_owned();
    assert_eq!(
        failed,
        Err(AddChildError::StartFailed {
            reason,
            retrying: false
        })
    );
    let panics = ChildSpec::new("p", Restart::Permanent, |_| async {
        if true {
            panic!("in the start");
        }
        Err::<ActorCell, _>(StartError::from("never"))
    });
    let failed = handle.add_child(panics).await.unwrap_err();
    assert!(failed.to_string().contains("in the start"), "{failed}");
    assert_eq!(handle.which_children(9).await.unwrap().1, 0);
}

#[tokio::test]
async fn a_start_that_hangs_can_be_removed_times_out_and_does_not_block_a_shutdown() {
    let stage = Stage::new();
    let root = empty(&stage).await;
    let hang = || {
        ChildSpec::new("hang", Restart::Permanent, |_| {
            std::future::pending::<Result<ActorCell, StartError>>()
        })
    };
    let handle = root.handle().clone();
    let adding = {
        let handle = handle.clone();
        crate::spawn(async move { handle.add_child(hang()).await })
    };
    while handle.which_children(9).await.unwrap().1 == 0 {
        stage.clock.sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(handle.remove_child("hang").await, Ok(true));
    assert!(matches!(
        adding.await.unwrap(),
        Err(AddChildError::StartFailed { .. })
    ));
    let slow = hang().start_timeout(Duration::from_secs(3));
    let error = handle.add_child(slow).await.unwrap_err();
    assert!(error.to_string().contains("longer than 3s"), "{error}");
    handle.add_child_later(hang()).unwrap();
    assert_eq!(root.shutdown().await, RootExit::Stopped);
}

#[tokio::test]
async fn a_child_that_does_not_stop_is_killed_after_its_time() {
    let stage = Stage::new();
    let options = stage.options();
    let counters = options.counters.clone();
    let stubborn = stage
        .puppet_that("s", Restart::Permanent, true)
        .shutdown(Shutdown::After(Duration::from_secs(7)));
    let children = vec![stage.puppet("a", Restart::Permanent), stubborn];
    let root = Supervisor::start_root(options, children).await.unwrap();
    stage.tell("a", Do::Hang);
    let before = stage.clock.monotonic();
    assert_eq!(root.shutdown().await, RootExit::Stopped);
    let took = stage.clock.monotonic() - before;
    assert_eq!(took.as_secs(), 12, "7 s for one, 5 s for the other");
    assert_eq!(counters.now().kills, 2);
    assert!(!stage.take_log().contains('-'));
}

#[tokio::test]
async fn a_killed_supervisor_takes_its_children_along() {
    let stage = Stage::new();
    let mut root =
        Supervisor::start_root(stage.options(), vec![stage.puppet("a", Restart::Permanent)])
            .await
            .unwrap();
    let a = stage.slot("a").get().unwrap();
    root.handle().slot().get().unwrap().kill();
    assert!(matches!(root.ended().await, RootExit::Failed(_)));
    a.wait(None).await.unwrap();
    assert!(stage.slot("a").get().is_none());
    let refused = root
        .handle()
        .add_child(stage.puppet("b", Restart::Permanent))
        .await;
    assert_eq!(refused, Err(AddChildError::Unavailable));
}

/// An actor that dies between its spawn and the supervisor's knowledge of it.
#[tokio::test]
async fn a_child_that_dies_right_after_its_spawn_is_restarted() {
    let stage = Stage::new();
    let root = empty(&stage).await;
    let (log, starts) = (stage.log.clone(), Arc::new(AtomicU32::new(0)));
    let slot = stage.slot("d");
    let spec = ChildSpec::new("d", Restart::Permanent, move |parent| {
        let incarnation = starts.fetch_add(1, Ordering::Relaxed);
        let puppet = Puppet {
            name: "d",
            log: log.clone(),
            incarnation,
            slow_stop: false,
        };
        let slot = slot.clone();
        async move {
            let (actor, task) = Actor::spawn_linked(None, puppet, (), parent).await?;
            slot.publish(actor.clone());
            if incarnation == 0 {
                actor.kill();
                actor.wait(None).await?;
            }
            Ok((actor, task))
        }
    });
    root.handle().add_child(spec).await.unwrap();
    stage.incarnation("d", 1).await;
    assert_eq!(child(&root, "d").await.restarts, 1);
}

/// An actor that was spawned without a supervisor is adopted, alive or dead.
#[tokio::test]
async fn an_unlinked_child_is_adopted_or_counted_as_failed() {
    let stage = Stage::new();
    let root = empty(&stage).await;
    let (log, starts) = (stage.log.clone(), Arc::new(AtomicU32::new(0)));
    let slot = stage.slot("u");
    let spec = ChildSpec::new("u", Restart::Permanent, move |_| {
        let incarnation = starts.fetch_add(1, Ordering::Relaxed);
        let puppet = Puppet {
            name: "u",
            log: log.clone(),
            incarnation,
            slow_stop: false,
        };
        let slot = slot.clone();
        async move {
            #[expect(clippy::disallowed_methods, reason = "the mistake under test")]
            let (actor, _) = Actor::spawn(None, puppet, ()).await?;
            slot.publish(actor.clone());
            if incarnation == 0 {
                actor.kill();
                actor.wait(None).await?;
            }
            Ok(actor)
        }
    });
    root.handle().add_child(spec).await.unwrap();
    stage.incarnation("u", 1).await;
    stage.tell("u", Do::Panic);
    stage.incarnation("u", 2).await;
}

#[tokio::test]
async fn a_child_is_restarted_on_request() {
    let stage = Stage::new();
    let root = Supervisor::start_root(stage.options(), vec![stage.puppet("a", Restart::Transient)])
        .await
        .unwrap();
    assert_eq!(root.handle().restart_child("a").await, Ok(true));
    stage.incarnation("a", 1).await;
    stage.slot("a").get().unwrap().stop(None);
    until(&stage, &root, "a", ChildState::Done).await;
    assert_eq!(root.handle().restart_child("a").await, Ok(true));
    stage.incarnation("a", 2).await;
    assert_eq!(root.handle().restart_child("b").await, Ok(false));
}

#[tokio::test]
async fn a_crowd_of_temporary_children_comes_and_goes() {
    const CROWD: usize = 5_000;
    let stage = Stage::new();
    let options = stage
        .options()
        .stop_order(StopOrder::Concurrent)
        .max_children(CROWD);
    let counters = options.counters.clone();
    let root = Supervisor::start_root(options, Vec::new()).await.unwrap();
    let handle = root.handle();
    let mut cells = Vec::new();
    for index in 0..CROWD {
        let log = Log::default();
        let spec = ChildSpec::temporary(format!("crowd-{index}"), move |parent| async move {
            let puppet = Puppet {
                name: "p",
                log,
                incarnation: 0,
                slow_stop: false,
            };
            Ok(Actor::spawn_linked(None, puppet, (), parent).await?)
        });
        cells.push(handle.add_child(spec).await.unwrap());
    }
    let extra = handle
        .add_child(stage.puppet("extra", Restart::Temporary))
        .await;
    assert_eq!(extra, Err(AddChildError::TooManyChildren));
    cells.drain(..CROWD / 2).for_each(|cell| cell.kill());
    while handle.which_children(0).await.unwrap().1 > CROWD / 2 {
        tokio::task::yield_now().await;
    }
    let tree = handle.tree(10, Duration::from_secs(5)).await.unwrap();
    assert_eq!((tree.children.len(), tree.omitted), (10, CROWD / 2 - 10));
    assert_eq!(root.shutdown().await, RootExit::Stopped);
    assert!(
        cells
            .iter()
            .all(|cell| cell.get_status() == ractor::ActorStatus::Stopped)
    );
    assert_eq!(counters.now().failures as usize, CROWD / 2);
}
