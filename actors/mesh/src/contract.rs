//! What every mesh must do, as tests that any implementation runs: [`mesh_contract!`](crate::mesh_contract) makes a
//! test of each function here.
//!
//! The functions panic where the contract is broken.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::SharedClock;
use odeon_kernel::clock::timeout;
use odeon_kernel::task::TaskGuard;
use odeon_model::NodeId;
use tokio::sync::Notify;

use crate::{LinkEvent, MAX_MESSAGE_BYTES, Mesh, MeshError, handler};

/// What changing a testbed returns.
pub type Change<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Three nodes, 1 to 3, connected to each other, with messages up to [`MAX_MESSAGE_BYTES`].
pub trait Testbed: Send + Sync {
    /// The clock that deadlines run by.
    fn clock(&self) -> SharedClock;
    /// The current life of a node.
    fn mesh(&self, node: NodeId) -> Arc<dyn Mesh>;
    /// Cuts two nodes from each other; when it returns, no message passes.
    fn cut(&self, a: NodeId, b: NodeId) -> Change<'_, ()>;
    /// Repairs a cut; when it returns, messages pass.
    fn heal(&self, a: NodeId, b: NodeId) -> Change<'_, ()>;
    /// Ends a node's life without warning.
    fn crash(&self, node: NodeId) -> Change<'_, ()>;
    /// Begins a new life of a crashed node; when it returns, others reach it.
    fn restart(&self, node: NodeId) -> Change<'_, Arc<dyn Mesh>>;
}

/// Makes a test of each part of the contract. `$testbed` is an async expression that makes a
/// [`Testbed`](crate::contract::Testbed).
#[macro_export]
macro_rules! mesh_contract {
    ($testbed:expr) => {
        $crate::mesh_contract!($testbed;
            a_call_is_answered_by_the_named_service_of_the_named_node,
            a_node_may_call_itself,
            absent_nodes_and_services_are_told_apart,
            a_refusal_reaches_the_caller_with_its_reason,
            a_panicking_handler_fails_only_its_own_call,
            a_silent_handler_costs_the_caller_its_deadline,
            a_later_handler_replaces_an_earlier_one,
            a_handler_may_call_back,
            nothing_is_sent_before_the_first_poll,
            a_cut_link_fails_calls_and_a_healed_one_carries_them,
            calls_under_way_end_when_the_peer_crashes,
            a_restarted_node_is_another_incarnation_without_services,
            messages_beyond_the_limit_are_refused_and_harm_nothing,
            many_calls_at_once_each_get_their_own_reply,
            bulk_and_small_calls_share_a_link,
            forgotten_calls_leave_no_trace,
            a_life_that_ended_is_told_apart_from_a_lost_link,
        );
    };
    ($testbed:expr; $($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::contract::$name(&$testbed.await).await;
            }
        )*
    };
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(200);

fn echo(mesh: &dyn Mesh) {
    mesh.register("echo", handler(|_, request| async { Ok(request) }));
}

async fn ask(mesh: &dyn Mesh, to: NodeId, text: &'static str) -> Result<Bytes, MeshError> {
    mesh.call(to, "echo", Bytes::from_static(text.as_bytes()), LONG)
        .await
}

async fn assert_echo(mesh: &dyn Mesh, to: NodeId) {
    assert_eq!(
        ask(mesh, to, "hello").await,
        Ok(Bytes::from_static(b"hello"))
    );
}

/// See the name.
pub async fn a_call_is_answered_by_the_named_service_of_the_named_node(bed: &dyn Testbed) {
    for node in 1..=3 {
        for service in ["one", "two"] {
            let answer = handler(move |from, request: Bytes| async move {
                let text = String::from_utf8_lossy(&request).into_owned();
                Ok(format!("{node} {service} {from} {text}").into())
            });
            bed.mesh(node).register(service, answer);
        }
    }
    for (from, to, service) in [(1, 2, "one"), (2, 1, "two"), (3, 2, "one"), (1, 3, "two")] {
        let reply = bed.mesh(from).call(to, service, "x".into(), LONG).await;
        assert_eq!(reply, Ok(format!("{to} {service} {from} x").into()));
    }
}

/// See the name.
pub async fn a_node_may_call_itself(bed: &dyn Testbed) {
    echo(&*bed.mesh(1));
    assert_echo(&*bed.mesh(1), 1).await;
}

/// See the name.
pub async fn absent_nodes_and_services_are_told_apart(bed: &dyn Testbed) {
    let mesh = bed.mesh(1);
    assert_eq!(ask(&*mesh, 99, "x").await, Err(MeshError::Unreachable(99)));
    assert_eq!(
        ask(&*mesh, 2, "x").await,
        Err(MeshError::UnknownService("echo".into()))
    );
    echo(&*bed.mesh(2));
    assert_echo(&*mesh, 2).await;
    bed.mesh(2).unregister("echo");
    assert_eq!(
        ask(&*mesh, 2, "x").await,
        Err(MeshError::UnknownService("echo".into()))
    );
}

/// See the name.
pub async fn a_refusal_reaches_the_caller_with_its_reason(bed: &dyn Testbed) {
    bed.mesh(2).register(
        "echo",
        handler(|_, _| async { Err("not the leader".to_owned()) }),
    );
    let refused = ask(&*bed.mesh(1), 2, "x")
        .await
        .expect_err("it was refused");
    assert_eq!(refused, MeshError::Refused("not the leader".into()));
    assert!(!refused.may_have_acted());
}

/// See the name.
pub async fn a_panicking_handler_fails_only_its_own_call(bed: &dyn Testbed) {
    echo(&*bed.mesh(2));
    bed.mesh(2).register(
        "panic",
        handler(|_, _| async { panic!("a fault in the service") }),
    );
    for _ in 0..3 {
        let failed = bed.mesh(1).call(2, "panic", Bytes::new(), LONG).await;
        assert!(matches!(failed, Err(MeshError::Failed(_))), "{failed:?}");
        assert_echo(&*bed.mesh(1), 2).await;
    }
}

/// See the name.
pub async fn a_silent_handler_costs_the_caller_its_deadline(bed: &dyn Testbed) {
    bed.mesh(2)
        .register("never", handler(|_, _| std::future::pending()));
    echo(&*bed.mesh(2));
    let before = bed.clock().monotonic();
    let late = bed.mesh(1).call(2, "never", Bytes::new(), SHORT).await;
    assert_eq!(late, Err(MeshError::DeadlineExceeded));
    let took = bed.clock().monotonic() - before;
    assert!((SHORT..SHORT * 10).contains(&took), "{took:?}");
    assert_echo(&*bed.mesh(1), 2).await;
}

/// See the name.
pub async fn a_later_handler_replaces_an_earlier_one(bed: &dyn Testbed) {
    bed.mesh(2)
        .register("echo", handler(|_, _| async { Ok("old".into()) }));
    bed.mesh(2)
        .register("echo", handler(|_, _| async { Ok("new".into()) }));
    assert_eq!(ask(&*bed.mesh(1), 2, "x").await, Ok("new".into()));
}

/// See the name.
pub async fn a_handler_may_call_back(bed: &dyn Testbed) {
    echo(&*bed.mesh(1));
    let two = bed.mesh(2);
    let back = handler(move |from, request| {
        let call = two.call(from, "echo", request, LONG);
        async move { call.await.map_err(|error| error.to_string()) }
    });
    bed.mesh(2).register("back", back);
    let reply = bed.mesh(1).call(2, "back", "ping".into(), LONG).await;
    assert_eq!(reply, Ok("ping".into()));
}

/// See the name.
pub async fn nothing_is_sent_before_the_first_poll(bed: &dyn Testbed) {
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    bed.mesh(2).register(
        "count",
        handler(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok(Bytes::new()) }
        }),
    );
    drop(bed.mesh(1).call(2, "count", Bytes::new(), LONG));
    bed.mesh(1)
        .call(2, "count", Bytes::new(), LONG)
        .await
        .expect("it is answered");
    assert_eq!(handled.load(Ordering::Relaxed), 1);
}

/// See the name.
pub async fn a_cut_link_fails_calls_and_a_healed_one_carries_them(bed: &dyn Testbed) {
    (1..=3).for_each(|node| echo(&*bed.mesh(node)));
    bed.cut(1, 2).await;
    for (from, to) in [(1, 2), (2, 1)] {
        let error = bed.mesh(from).call(to, "echo", "x".into(), SHORT).await;
        let error = error.expect_err("the link is cut");
        let fits = matches!(
            error,
            MeshError::Unreachable(_) | MeshError::LinkLost(_) | MeshError::DeadlineExceeded
        );
        assert!(fits, "{error:?}");
    }
    assert_echo(&*bed.mesh(1), 3).await;
    assert_echo(&*bed.mesh(3), 2).await;
    bed.heal(1, 2).await;
    assert_echo(&*bed.mesh(1), 2).await;
    assert_echo(&*bed.mesh(2), 1).await;
}

/// See the name.
pub async fn calls_under_way_end_when_the_peer_crashes(bed: &dyn Testbed) {
    let arrived = Arc::new(Notify::new());
    let bell = Arc::clone(&arrived);
    bed.mesh(2).register(
        "never",
        handler(move |_, _| {
            bell.notify_one();
            std::future::pending()
        }),
    );
    let call = bed.mesh(1).call(2, "never", Bytes::new(), LONG);
    let mut call = TaskGuard::spawn(call);
    arrived.notified().await;
    bed.crash(2).await;
    let ended = call.join().await.expect("the call does not panic");
    let error = ended.expect_err("nobody answered");
    assert!(error.may_have_acted(), "{error:?}");
    let gone = ask(&*bed.mesh(1), 2, "x")
        .await
        .expect_err("the node is gone");
    assert!(
        matches!(gone, MeshError::Unreachable(2) | MeshError::LinkLost(2)),
        "{gone:?}"
    );
}

/// See the name.
pub async fn a_restarted_node_is_another_incarnation_without_services(bed: &dyn Testbed) {
    let old = bed.mesh(2);
    echo(&*old);
    echo(&*bed.mesh(1));
    bed.crash(2).await;
    let new = bed.restart(2).await;
    assert_ne!(old.incarnation(), new.incarnation());
    assert_ne!(new.incarnation(), 0);
    assert_eq!(new.node_id(), 2);
    let bare = ask(&*bed.mesh(1), 2, "x").await;
    assert_eq!(bare, Err(MeshError::UnknownService("echo".into())));
    echo(&*new);
    assert_echo(&*bed.mesh(1), 2).await;
    assert_echo(&*new, 1).await;
    assert!(ask(&*old, 1, "x").await.is_err(), "the old life is over");
}

/// See the name.
pub async fn messages_beyond_the_limit_are_refused_and_harm_nothing(bed: &dyn Testbed) {
    echo(&*bed.mesh(2));
    let large = Bytes::from(vec![1; MAX_MESSAGE_BYTES]);
    let reply = bed.mesh(1).call(2, "echo", large.clone(), LONG).await;
    assert_eq!(
        reply.map(|reply| reply == large),
        Ok(true),
        "the limit itself is allowed"
    );
    let larger = Bytes::from(vec![1; MAX_MESSAGE_BYTES + 1]);
    let refused = bed.mesh(1).call(2, "echo", larger.clone(), LONG).await;
    assert!(
        matches!(refused, Err(MeshError::TooLarge { .. })),
        "{refused:?}"
    );
    bed.mesh(2).register(
        "large",
        handler(move |_, _| {
            let larger = larger.clone();
            async { Ok(larger) }
        }),
    );
    let refused = bed.mesh(1).call(2, "large", Bytes::new(), LONG).await;
    assert!(
        matches!(refused, Err(MeshError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_echo(&*bed.mesh(1), 2).await;
}

/// See the name.
pub async fn many_calls_at_once_each_get_their_own_reply(bed: &dyn Testbed) {
    (1..=3).for_each(|node| echo(&*bed.mesh(node)));
    let mut calls = Vec::new();
    for number in 0..600u32 {
        let (from, to) = ((number % 3 + 1) as NodeId, (number / 3 % 3 + 1) as NodeId);
        let request = Bytes::copy_from_slice(&number.to_be_bytes());
        let call = bed.mesh(from).call(to, "echo", request.clone(), LONG);
        calls.push(TaskGuard::spawn(async move {
            assert_eq!(call.await, Ok(request))
        }));
    }
    for mut call in calls {
        call.join().await.expect("the reply is the request");
    }
}

/// See the name.
pub async fn bulk_and_small_calls_share_a_link(bed: &dyn Testbed) {
    bed.mesh(2).register(
        "bulk",
        handler(|_, _| async { Ok(vec![9; 700_000].into()) }),
    );
    echo(&*bed.mesh(2));
    let bulk: Vec<_> = (0..20)
        .map(|_| TaskGuard::spawn(bed.mesh(1).call(2, "bulk", Bytes::new(), LONG)))
        .collect();
    for _ in 0..20 {
        assert_echo(&*bed.mesh(1), 2).await;
    }
    for mut call in bulk {
        let reply = call.join().await.expect("the call does not panic");
        assert_eq!(reply.map(|reply| reply.len()), Ok(700_000));
    }
}

/// See the name.
pub async fn forgotten_calls_leave_no_trace(bed: &dyn Testbed) {
    bed.mesh(2)
        .register("sink", handler(|_, request| async move { Ok(request) }));
    let request = Bytes::from(vec![3; 300_000]);
    let clock = bed.clock();
    for _ in 0..50 {
        let call = bed.mesh(1).call(2, "sink", request.clone(), LONG);
        drop(timeout(clock.as_ref(), Duration::ZERO, call).await);
    }
    let reply = bed.mesh(1).call(2, "sink", request.clone(), LONG).await;
    assert_eq!(
        reply.map(|reply| reply == request),
        Ok(true),
        "the link's budget came back"
    );
}

/// See the name.
pub async fn a_life_that_ended_is_told_apart_from_a_lost_link(bed: &dyn Testbed) {
    let (two, three) = (bed.mesh(2).incarnation(), bed.mesh(3).incarnation());
    let mut events = bed.mesh(1).links();
    let clock = bed.clock();
    let mut next = async || {
        let event = timeout(clock.as_ref(), LONG, events.recv()).await;
        event.expect("an event comes").expect("the mesh lives")
    };
    let mut up = [next().await, next().await];
    up.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(up, [LinkEvent::Up(2, two), LinkEvent::Up(3, three)]);
    bed.cut(1, 3).await;
    bed.crash(2).await;
    let mut life_of_two = Vec::new();
    while life_of_two.len() < 2 {
        match next().await {
            LinkEvent::Down(3, life) => assert_eq!(life, three),
            event => life_of_two.push(event),
        }
    }
    assert_eq!(
        life_of_two,
        [LinkEvent::Down(2, two), LinkEvent::Dead(2, two)]
    );
    let again = bed.restart(2).await.incarnation();
    loop {
        match next().await {
            LinkEvent::Down(3, life) => assert_eq!(life, three, "a cut proves nothing"),
            event => break assert_eq!(event, LinkEvent::Up(2, again)),
        }
    }
}
