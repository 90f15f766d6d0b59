//! Strategies, intensity, nesting, order.

use super::*;

async fn abc(stage: &Stage, options: SupervisorOptions) -> RootSupervisor {
    let children = ["a", "b", "c"]
        .into_iter()
        .map(|name| stage.puppet(name, Restart::Permanent))
        .collect();
    let root = Supervisor::start_root(options, children).await.unwrap();
    assert_eq!(stage.take_log(), "+a +b +c");
    root
}

#[tokio::test]
async fn one_for_one_restarts_only_the_failed_one() {
    let stage = Stage::new();
    let root = abc(&stage, stage.options()).await;
    for (incarnation, what) in [(1, Do::Panic), (2, Do::Fail)] {
        stage.tell("b", what);
        stage.incarnation("b", incarnation).await;
        assert_eq!(
            stage.take_log(),
            "~b +b",
            "the old state is gone before the new one is made"
        );
    }
    stage.slot("b").get().unwrap().kill();
    stage.incarnation("b", 3).await;
    stage.incarnation("a", 0).await;
    let info = child(&root, "b").await;
    assert_eq!(
        (info.restarts, info.last_exit.as_deref()),
        (3, Some("killed"))
    );
    assert_eq!(root.shutdown().await, RootExit::Stopped);
}

#[tokio::test]
async fn one_for_all_stops_all_in_reverse_and_starts_all_in_order() {
    let stage = Stage::new();
    let _root = abc(&stage, stage.options().strategy(Strategy::OneForAll)).await;
    stage.tell("b", Do::Panic);
    stage.incarnation("c", 1).await;
    assert_eq!(stage.take_log(), "~b -c ~c -a ~a +a +b +c");
}

#[tokio::test]
async fn rest_for_one_leaves_the_earlier_ones_alone() {
    let stage = Stage::new();
    let _root = abc(&stage, stage.options().strategy(Strategy::RestForOne)).await;
    stage.tell("b", Do::Panic);
    stage.incarnation("c", 1).await;
    stage.incarnation("a", 0).await;
    assert_eq!(stage.take_log(), "~b -c ~c +b +c");
}

#[tokio::test]
async fn children_stop_in_reverse_order() {
    let stage = Stage::new();
    let root = abc(&stage, stage.options()).await;
    assert_eq!(root.shutdown().await, RootExit::Stopped);
    let log = stage.take_log();
    let stops: Vec<_> = log
        .split(' ')
        .filter(|entry| entry.starts_with('-'))
        .collect();
    assert_eq!(stops, ["-c", "-b", "-a"]);
}

#[tokio::test]
async fn too_many_restarts_stop_the_rest_and_fail_the_supervisor() {
    let stage = Stage::new();
    let options = stage.options().intensity(2, Duration::from_secs(5));
    let counters = options.counters.clone();
    let mut root = abc(&stage, options).await;
    for incarnation in 1..=2 {
        stage.tell("b", Do::Panic);
        stage.incarnation("b", incarnation).await;
    }
    stage.tell("b", Do::Panic);
    let exit = root.ended().await;
    assert!(
        matches!(&exit, RootExit::Failed(why) if why.contains("'b'")),
        "{exit:?}"
    );
    assert!(stage.take_log().contains("-c -a"));
    let now = counters.now();
    assert_eq!(
        (now.escalations, now.failures, now.restarts, now.starts),
        (1, 3, 3, 5)
    );
}

#[tokio::test]
async fn restarts_spread_over_time_do_not_escalate() {
    let stage = Stage::new();
    let root = abc(&stage, stage.options().intensity(1, Duration::from_secs(5))).await;
    for incarnation in 1..=5 {
        stage.tell("b", Do::Panic);
        stage.incarnation("b", incarnation).await;
        stage.clock.sleep(Duration::from_secs(6)).await;
    }
    assert_eq!(root.shutdown().await, RootExit::Stopped);
}

#[tokio::test]
async fn a_failing_subtree_is_restarted_as_a_whole_by_its_parent() {
    let stage = Arc::new(Stage::new());
    let inner = SupervisorHandle::new(stage.clock.clone());
    let inner_options =
        SupervisorOptions::new("inner", stage.clock.clone()).intensity(0, Duration::from_secs(5));
    let maker = stage.clone();
    let nested = Supervisor::child(&inner, inner_options, Restart::Permanent, move || {
        vec![
            maker.puppet("x", Restart::Permanent),
            maker.puppet("y", Restart::Permanent),
        ]
    });
    let root = Supervisor::start_root(
        stage.options(),
        vec![stage.puppet("a", Restart::Permanent), nested],
    );
    let root = root.await.unwrap();
    assert_eq!(stage.take_log(), "+a +x +y");
    let tree = root
        .handle()
        .tree(10, Duration::from_secs(1))
        .await
        .unwrap();
    let names = |node: &SupervisionNode| -> Vec<String> {
        node.children
            .iter()
            .map(|child| child.name.to_string())
            .collect()
    };
    assert_eq!(
        (names(&tree), names(&tree.children[1])),
        (
            vec!["a".to_owned(), "inner".to_owned()],
            vec!["x".to_owned(), "y".to_owned()],
        )
    );

    stage.tell("x", Do::Panic);
    while child(&root, "inner").await.restarts == 0 {
        stage.clock.sleep(Duration::from_millis(1)).await;
    }
    until(&stage, &root, "inner", ChildState::Running).await;
    stage.incarnation("y", 0).await;
    stage.incarnation("a", 0).await;
    let log = stage.take_log();
    assert!(log.starts_with("~x -y") && log.ends_with("+x +y"), "{log}");
    assert_eq!(
        inner.which_children(1).await.unwrap().1,
        2,
        "the handle finds the new incarnation"
    );
    assert_eq!(root.shutdown().await, RootExit::Stopped);
    let log = stage.take_log();
    let stops: Vec<_> = log
        .split(' ')
        .filter(|entry| entry.starts_with('-'))
        .collect();
    assert_eq!(stops, ["-y", "-x", "-a"]);
}

#[tokio::test]
async fn a_failed_first_start_fails_the_supervisor_and_undoes_the_earlier_ones() {
    let stage = Stage::new();
    let fails = ChildSpec::new("b", Restart::Permanent, |_| async {
        Err::<ActorCell, _>(StartError::from("no disk"))
    });
    let children = vec![stage.puppet("a", Restart::Permanent), fails];
    let error = Supervisor::start_root(stage.options(), children)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("'b' failed to start: no disk"),
        "{error}"
    );
    assert!(stage.take_log().starts_with("+a -a"));
}
