//! Clusters of three to five nodes from a seed: simulated disks, network and time in one thread,
//! clients that speak Kafka's protocol, faults, and what must hold through all of it.
//!
//! | module | what |
//! |---|---|
//! | `faults` | what goes wrong, and when it is made good |
//! | `load` | what clients do meanwhile |
//! | `known` | what they were promised and saw |
//! | `monitor` | what nodes show of themselves, looked at all the time |
//! | `invariants` | what must hold, one file each |
//! | `counts` | what happened in a run, so that a test can tell that something did |
//!
//! A run: faults under load for a simulated minute, then everything is made good, and within a
//! bounded time every client gets on again, all replicas are in sync, and all that was promised is
//! there. `cargo xtask sim` runs many seeds.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use odeon_actors::node::OFFSETS_TOPIC;
use odeon_kernel::clock::timeout;
use odeon_kernel::sim::{self, Bug, IgnoredSync, SimClock};
use odeon_kernel::{Clock, Rng, spawn, watch};
use odeon_model::NodeId;
use odeon_tests::cluster::History;
use odeon_tests::{ClusterBuilder, TestCluster};

mod counts;
mod faults;
mod invariants;
mod known;
mod load;
mod monitor;
mod tests;

use counts::Counts;
use known::Known;

/// How long faults come.
const FAULTY: Duration = Duration::from_secs(60);
/// How long a healed cluster may take until everything works.
const HEALING: Duration = Duration::from_secs(90);

/// How long a fault waits for a promise to come.
const PROMISE: Duration = Duration::from_millis(700);
/// Partitions of the topic of committed offsets.
const OFFSETS_PARTITIONS: i32 = 2;

/// A topic that nobody produces to: what its replicas say, they say once.
const QUIET: &str = "quiet";

/// What all tasks of a run share. Clones are the same.
#[derive(Clone)]
struct World {
    cluster: TestCluster,
    clock: SimClock,
    rng: Arc<Rng>,
    known: Arc<Mutex<Known>>,
    topics: Arc<Vec<(String, i32)>>,
    stopping: Arc<std::sync::atomic::AtomicBool>,
    promises: Arc<watch::Sender<Option<Promise>>>,
}

/// Who last promised something to a client, and where.
type Promise = (NodeId, Place);

/// A partition of a topic.
type Place = (String, i32);

impl World {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    fn is_over(&self) -> bool {
        self.stopping.load(std::sync::atomic::Ordering::SeqCst) || self.known().wrong.is_some()
    }

    /// Lets up to `max_ms` pass.
    async fn pause(&self, max_ms: u64) {
        let pause = Duration::from_micros(self.rng.below(max_ms * 1_000) + 100);
        self.clock.sleep(pause).await;
    }

    /// One of them.
    fn pick<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.rng.below(all.len() as u64) as usize)
    }

    /// Somebody was promised something.
    fn promise(&self, by: NodeId, place: &Place) {
        self.promises.send_replace(Some((by, place.clone())));
    }

    /// Waits until somebody is promised something, for a while.
    async fn promised(&self) -> Option<Promise> {
        let mut promises = self.promises.subscribe();
        let next = async {
            let _ = promises.changed().await;
            promises.borrow().clone()
        };
        timeout(&self.clock, PROMISE, next).await.unwrap_or(None)
    }

    /// The epoch in which a node leads a partition, if the newest metadata and the node agree.
    fn leads(&self, id: NodeId, place: &Place) -> Option<i32> {
        let (leader, epoch) = self.cluster.leader_of(&place.0, place.1)?;
        let routes = self
            .cluster
            .with_node(id, |node| node.handle().routing.all());
        let mut routes = routes?.into_iter();
        let acts = routes.any(|route| {
            let view = &route.view;
            *view.topic == *place.0 && view.partition == place.1 && view.leader_epoch == epoch
        });
        (leader == id && acts).then_some(epoch)
    }

    /// Takes a node's power away, and looks whether all is there that it said it had on its disk.
    fn cut_power(&self, id: NodeId, losing_all: bool) {
        let before = invariants::durable::flushed(self, id);
        match losing_all {
            true => self.cluster.power_cut_losing_all(id),
            false => self.cluster.power_cut(id),
        }
        invariants::durable::check(self, id, &before);
    }

    /// All partitions, the quiet one and those of the committed offsets included.
    fn all_places(&self) -> Vec<Place> {
        let mut places = self.places();
        places.push((QUIET.to_owned(), 0));
        places.extend((0..OFFSETS_PARTITIONS).map(|index| (OFFSETS_TOPIC.to_owned(), index)));
        places
    }

    fn places(&self) -> Vec<Place> {
        let topics = self.topics.iter();
        topics
            .flat_map(|(name, count)| (0..*count).map(move |index| (name.clone(), index)))
            .collect()
    }
}

/// What came of a run.
struct Outcome {
    result: Result<(), String>,
    history: Vec<String>,
    counts: Counts,
}

/// What may be planted, so that the invariants have something to find.
#[derive(Debug, Clone, Copy)]
enum Plant {
    /// A bug of the nodes.
    Bug(Bug),
    /// Disks that do not sync the records of topics: acknowledged is not durable.
    IgnoredSyncs,
}

/// Runs a seed; with `record`, everything that happened is kept.
fn run(seed: u64, record: bool, planted: Option<Plant>) -> Outcome {
    let _planted = match planted {
        Some(Plant::Bug(bug)) => Some(sim::plant(bug)),
        _ => None,
    };
    let ignores_syncs = matches!(planted, Some(Plant::IgnoredSyncs));
    let (clock, rng) = (SimClock::default(), Arc::new(Rng::from_seed(seed)));
    let history = History::new(Arc::new(clock.clone()), record);
    let known = Arc::new(Mutex::new(Known::default()));
    let (for_scenario, events) = (history.clone(), counts::Events::new(&history));
    let _subscribed = events.subscribe();
    let scenario = {
        let (clock, rng, known) = (clock.clone(), rng.clone(), known.clone());
        async move {
            let scenario = scenario(clock, rng, known, for_scenario, ignores_syncs);
            Box::pin(scenario).await
        }
    };
    invariants::panics::watch();
    let mut result = sim::run(&clock, &rng, scenario);
    let mut known = known.lock().unwrap();
    if let Some(wrong) = known.wrong.take().or_else(invariants::panics::seen) {
        result = Err(wrong);
    }
    let mut counts = known.counts;
    counts.runs = 1;
    counts.seconds = clock.monotonic().as_secs();
    events.add_to(&mut counts);
    Outcome {
        result,
        history: history.lines(),
        counts,
    }
}

async fn scenario(
    clock: SimClock,
    rng: Arc<Rng>,
    known: Arc<Mutex<Known>>,
    history: History,
    ignores_syncs: bool,
) -> Result<(), String> {
    let nodes = 3 + rng.below(3) as i32;
    let latency_max_ms = [0, 1, 5, 20][rng.below(4) as usize];
    let lag_max_ms = [500, 1_500, 3_000][rng.below(3) as usize];
    let builder = ClusterBuilder::new(nodes)
        .simulated(&clock, &rng)
        .watched(history)
        .latency(Duration::from_millis(latency_max_ms))
        .set("min.insync.replicas", "2")
        .set("replica.lag.time.max.ms", &lag_max_ms.to_string())
        .set(
            "offsets.topic.num.partitions",
            &OFFSETS_PARTITIONS.to_string(),
        )
        .set("log.flush.offset.checkpoint.interval.ms", "2000")
        .set("metadata.log.max.record.bytes.between.snapshots", "20000");
    let world = World {
        cluster: builder.start().await,
        clock,
        rng,
        known,
        topics: Arc::new(vec![("orders".to_owned(), 2), ("short".to_owned(), 1)]),
        stopping: Arc::default(),
        promises: Arc::new(watch::Sender::new(None)),
    };
    let copies = nodes.min(3) as i16;
    for (name, partitions) in &*world.topics {
        world.cluster.create_topic(name, *partitions, copies).await;
    }
    world.cluster.create_topic(QUIET, 1, copies).await;
    if ignores_syncs {
        for id in world.cluster.ids() {
            let records = |path: &std::path::Path| path.to_string_lossy().contains("orders-");
            let disk = world.cluster.disk(id);
            disk.ignore_sync_of(IgnoredSync::Files, Arc::new(records));
        }
    }
    let mut clients = Vec::new();
    for number in 0..3 {
        clients.push(spawn(load::produce(world.clone(), number)));
    }
    for number in 0..2 {
        clients.push(spawn(load::consume(world.clone(), number)));
    }
    for number in 0..4 {
        clients.push(spawn(load::commit(world.clone(), number)));
    }
    for number in 0..2 {
        clients.push(spawn(load::take_part(world.clone(), number)));
    }
    let monitor = spawn(monitor::run(world.clone()));
    faults::inject(&world, FAULTY).await;
    world.cluster.note(|| "everything is made good".to_owned());
    faults::heal(&world).await?;
    faults::move_all(&world).await;
    invariants::liveness::check(&world, HEALING).await?;
    world
        .stopping
        .store(true, std::sync::atomic::Ordering::SeqCst);
    for client in clients {
        client.await.map_err(|error| error.to_string())?;
    }
    monitor.await.map_err(|error| error.to_string())?;
    if let Some(wrong) = world.known().wrong.clone() {
        return Err(wrong);
    }
    invariants::check(&world).await
}
