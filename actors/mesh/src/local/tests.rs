use bytes::Bytes;
use odeon_kernel::Clock;
use odeon_kernel::sim::SimClock;
use odeon_kernel::task::TaskGuard;

use super::*;
use crate::contract::{Change, Testbed};
use crate::{Mesh, MeshError, handler};

/// Three nodes in simulated time.
struct Bed {
    clock: SimClock,
    network: LocalNetwork,
    meshes: Mutex<HashMap<NodeId, LocalMesh>>,
    cut: Cut,
    _time: TaskGuard<()>,
}

impl Bed {
    fn new(cut: Cut) -> Self {
        let clock = SimClock::default();
        let network = LocalNetwork::new(Arc::new(clock.clone()));
        let meshes = (1..=3).map(|node| (node, network.node(node))).collect();
        let time = clock.run_by_itself();
        Self {
            clock,
            network,
            meshes: Mutex::new(meshes),
            cut,
            _time: time,
        }
    }
}

impl Testbed for Bed {
    fn clock(&self) -> SharedClock {
        Arc::new(self.clock.clone())
    }

    fn mesh(&self, node: NodeId) -> Arc<dyn Mesh> {
        Arc::new(self.meshes.lock().unwrap()[&node].clone())
    }

    fn cut(&self, a: NodeId, b: NodeId) -> Change<'_, ()> {
        self.network.cut(a, b, self.cut);
        Box::pin(std::future::ready(()))
    }

    fn heal(&self, a: NodeId, b: NodeId) -> Change<'_, ()> {
        self.network.heal(a, b);
        Box::pin(std::future::ready(()))
    }

    fn crash(&self, node: NodeId) -> Change<'_, ()> {
        self.network.crash(node);
        Box::pin(std::future::ready(()))
    }

    fn restart(&self, node: NodeId) -> Change<'_, Arc<dyn Mesh>> {
        self.meshes
            .lock()
            .unwrap()
            .insert(node, self.network.node(node));
        Box::pin(std::future::ready(self.mesh(node)))
    }
}

mod known_cuts {
    crate::mesh_contract!(async { super::Bed::new(super::Cut::Known) });
}

mod silent_cuts {
    crate::mesh_contract!(async { super::Bed::new(super::Cut::Silent) });
}

const LONG: Duration = Duration::from_secs(30);
const MS: Duration = Duration::from_millis(1);

fn echo(mesh: &dyn Mesh) {
    mesh.register("echo", handler(|_, request| async { Ok(request) }));
}

#[tokio::test]
async fn delay_is_paid_once_per_direction() {
    let bed = Bed::new(Cut::Known);
    echo(&*bed.mesh(2));
    let slow = LinkFault {
        delay: 70 * MS,
        ..LinkFault::default()
    };
    bed.network.set_fault(1, 2, slow);
    bed.network.set_fault(
        2,
        1,
        LinkFault {
            delay: 30 * MS,
            ..slow
        },
    );
    let before = bed.clock.monotonic();
    bed.mesh(1).call(2, "echo", "x".into(), LONG).await.unwrap();
    assert_eq!(bed.clock.monotonic() - before, 100 * MS);
}

#[tokio::test]
async fn a_reply_can_be_lost_although_the_request_was_handled() {
    let bed = Bed::new(Cut::Silent);
    let handled = Arc::new(Mutex::new(0));
    let count = handled.clone();
    bed.mesh(2).register(
        "count",
        handler(move |_, _| {
            *count.lock().unwrap() += 1;
            async { Ok(Bytes::new()) }
        }),
    );
    bed.network.set_fault(
        2,
        1,
        LinkFault {
            cut: Some(Cut::Silent),
            ..LinkFault::default()
        },
    );
    let lost = bed.mesh(1).call(2, "count", Bytes::new(), 50 * MS).await;
    assert_eq!(lost, Err(MeshError::DeadlineExceeded));
    assert_eq!(*handled.lock().unwrap(), 1);
}

#[tokio::test]
async fn the_same_seed_drops_the_same_messages() {
    async fn run(seed: u64) -> Vec<bool> {
        let clock = SimClock::default();
        let _time = clock.run_by_itself();
        let options = LocalOptions {
            seed,
            ..LocalOptions::default()
        };
        let network = LocalNetwork::with_options(Arc::new(clock), options);
        let (one, two) = (network.node(1), network.node(2));
        echo(&two);
        let lossy = LinkFault {
            drop_probability: 0.3,
            ..LinkFault::default()
        };
        network.set_fault(1, 2, lossy);
        let mut passed = Vec::new();
        for _ in 0..100 {
            passed.push(one.call(2, "echo", Bytes::new(), MS).await.is_ok());
        }
        passed
    }
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
    assert!((50..90).contains(&first.iter().filter(|ok| **ok).count()));
}

#[tokio::test]
async fn a_known_cut_ends_calls_under_way_at_once() {
    let bed = Bed::new(Cut::Known);
    bed.mesh(2)
        .register("never", handler(|_, _| std::future::pending()));
    let before = bed.clock.monotonic();
    let mut call = TaskGuard::spawn(bed.mesh(1).call(2, "never", Bytes::new(), LONG));
    // Less than the deadline: time runs only while all wait.
    bed.clock.sleep(MS).await;
    bed.network.cut(1, 2, Cut::Known);
    assert_eq!(call.join().await, Some(Err(MeshError::LinkLost(2))));
    assert_eq!(bed.clock.monotonic() - before, MS);
}

#[tokio::test]
async fn bytes_outstanding_on_a_link_are_bounded() {
    let clock = SimClock::default();
    let _time = clock.run_by_itself();
    let options = LocalOptions {
        link_budget_bytes: 1000,
        ..LocalOptions::default()
    };
    let network = LocalNetwork::with_options(Arc::new(clock.clone()), options);
    let (one, two) = (network.node(1), network.node(2));
    echo(&two);
    network.set_fault(
        1,
        2,
        LinkFault {
            delay: 10 * MS,
            ..LinkFault::default()
        },
    );
    let before = clock.monotonic();
    let calls: Vec<_> = (0..10)
        .map(|_| TaskGuard::spawn(one.call(2, "echo", vec![0; 900].into(), LONG)))
        .collect();
    for mut call in calls {
        call.join().await.unwrap().unwrap();
    }
    assert_eq!(clock.monotonic() - before, 100 * MS, "one at a time");
}

#[tokio::test]
async fn an_isolated_node_reaches_nobody_but_itself() {
    let bed = Bed::new(Cut::Known);
    (1..=3).for_each(|node| echo(&*bed.mesh(node)));
    bed.network.isolate(2, Cut::Known);
    for (from, to, passes) in [(1, 2, false), (2, 3, false), (2, 2, true), (1, 3, true)] {
        let reply = bed.mesh(from).call(to, "echo", Bytes::new(), LONG).await;
        assert_eq!(reply.is_ok(), passes, "{from} to {to}");
    }
    bed.network.heal_all();
    bed.mesh(1)
        .call(2, "echo", Bytes::new(), LONG)
        .await
        .unwrap();
}

#[tokio::test]
async fn typed_services_refuse_what_they_cannot_read() {
    let bed = Bed::new(Cut::Known);
    crate::serve(
        &*bed.mesh(2),
        "add",
        1000,
        |_, (a, b): (u32, u32)| async move { a.checked_add(b).ok_or_else(|| "too much".to_owned()) },
    );
    let one = bed.mesh(1);
    let sum = crate::call::<_, u32>(&*one, 2, "add", &(1u32, 2u32), LONG, 1000).await;
    assert_eq!(sum, Ok(3));
    let refused = crate::call::<_, u32>(&*one, 2, "add", &(u32::MAX, 1u32), LONG, 1000).await;
    assert_eq!(refused, Err(MeshError::Refused("too much".into())));
    let garbage = crate::call::<_, u32>(&*one, 2, "add", "text", LONG, 1000).await;
    assert!(matches!(garbage, Err(MeshError::Refused(_))), "{garbage:?}");
    let misread = crate::call::<_, String>(&*one, 2, "add", &(1u32, 2u32), LONG, 1000).await;
    assert!(matches!(misread, Err(MeshError::Failed(_))), "{misread:?}");
    let large = crate::call::<_, u32>(&*one, 2, "add", &vec![0u8; 2000], LONG, 1000).await;
    assert!(
        matches!(large, Err(MeshError::TooLarge { .. })),
        "{large:?}"
    );
}
