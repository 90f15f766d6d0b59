//! One whole node on simulated disk and time, in one thread: clients speak Kafka's protocol to it
//! over streams in memory, the power goes at a disk operation that the seed chooses, and what is
//! left must keep what was promised.
//!
//! | module | what |
//! |---|---|
//! | `client`, `ask` | real frames, noted in the history |
//! | `load`, `group` | what clients do while the node lives |
//! | `end` | the disk operation at which it dies |
//! | `known`, `check` | what was promised, and whether it was kept |
//! | `history` | all that happened, for the comparison of two runs |
//!
//! `cargo xtask powercut` runs the same with many seeds.

// A history goes to a real file.
#![allow(clippy::disallowed_methods)]

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use odeon::{Node, NodeOptions};
use odeon_kernel::sim::{self, IgnoredSync, Pace, PathFilter, SimClock, SimDisk};
use odeon_kernel::{Blocking, Clock, Rng, Seams, spawn};
use odeon_tests::node::simulated_options;

mod ask;
mod check;
mod client;
mod end;
mod group;
mod history;
mod known;
mod load;
mod records;
mod tests;

use client::{Client, Done, Stop};
use end::End;
use history::{History, digest_of};
use known::{Counts, Known, Place};

/// How often log starts and recovery points go to disk.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(800);

/// What may be planted, so that the checks have something to find.
#[derive(Clone)]
enum Bug {
    /// A sync that does nothing, from the second life on.
    Sync(IgnoredSync, PathFilter),
    /// A client whose steps depend on the order of a hash map.
    HashOrder,
}

/// What clients share, and the disk and the clock that outlive the node. Clones are the same world.
#[derive(Clone)]
struct World {
    clock: SimClock,
    disk: SimDisk,
    rng: Arc<Rng>,
    known: Arc<Mutex<Known>>,
    history: History,
    hash_order: bool,
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    PowerCut,
    Kill,
    /// The node is stopped in order, and then the power goes.
    Stop,
}

fn options() -> NodeOptions {
    simulated_options(&[
        ("log.dirs", "/one,/two"),
        ("offsets.topic.replication.factor", "1"),
        ("offsets.topic.num.partitions", "2"),
        ("group.initial.rebalance.delay.ms", "100"),
        ("log.retention.check.interval.ms", "300"),
        ("log.flush.offset.checkpoint.interval.ms", "800"),
        ("log.flush.start.offset.checkpoint.interval.ms", "800"),
        ("metadata.log.max.record.bytes.between.snapshots", "1500"),
    ])
}

impl World {
    fn new(seed: u64, bug: Option<&Bug>) -> Self {
        let clock = SimClock::default();
        let disk = SimDisk::new(Arc::new(clock.clone()));
        let hash_order = matches!(bug, Some(Bug::HashOrder));
        Self {
            disk,
            rng: Arc::new(Rng::from_seed(seed)),
            known: Arc::default(),
            history: History::new(clock.clone()),
            clock,
            hash_order,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// Lets up to `max_us` pass.
    async fn pause(&self, max_us: u64) {
        let pause = Duration::from_micros(self.rng.below(max_us));
        self.clock.sleep(pause).await;
    }

    /// A partition of a topic that is there.
    fn any_place(&self) -> Option<Place> {
        let there = self.known().there();
        let places = there
            .into_iter()
            .flat_map(|(name, count)| (0..count).map(move |index| (name.clone(), index)));
        let mut places: Vec<Place> = if self.hash_order {
            let shuffled: std::collections::HashSet<Place> = places.collect();
            shuffled.into_iter().collect()
        } else {
            places.collect()
        };
        if places.is_empty() {
            return None;
        }
        Some(places.swap_remove(self.rng.below(places.len() as u64) as usize))
    }

    /// Starts the node on what is left, looks at everything, lets clients work.
    async fn live(self, end: End, for_a_while: Duration) -> Done<()> {
        let seams = Seams {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::new(self.clock.clone()),
            rng: self.rng.clone(),
            blocking: Blocking::Delayed(Pace::default()),
            system: Some(tokio::runtime::Handle::current()),
        };
        let node = Box::pin(Node::start_on(seams, options())).await;
        let node = match node {
            Ok(node) => node,
            Err(_) if end.has_come() => return Err(Stop::Gone),
            Err(error) => return client::wrong(format!("the node does not start: {error}")),
        };
        let connect = |name| Client::connect(&node, name, &end, &self.history);
        check::check(&self, connect("checker")).await?;
        let until = self.clock.monotonic() + for_a_while;
        let mut tasks = Vec::new();
        macro_rules! start {
            ($task:path, $name:literal $(, $argument:expr)*) => {{
                let (world, client) = (self.clone(), connect($name));
                tasks.push(spawn(async move {
                    $task(&world, client, $($argument,)* until).await
                }));
            }};
        }
        start!(load::administer, "admin");
        start!(load::produce, "producer-1", "producer-1");
        start!(load::produce, "producer-2", "producer-2");
        start!(load::consume, "consumer");
        start!(group::member, "member-0", 0);
        start!(group::member, "member-1", 1);
        for task in tasks {
            task.await.expect("a client does not panic")?;
        }
        let clean = Box::pin(node.stop()).await;
        if clean != 2 && !end.has_come() {
            return client::wrong(format!("only {clean} directories are clean after a stop"));
        }
        Ok(())
    }

    /// One life of the node, from start to death.
    fn one_life(&self, death: Death) -> Result<(), String> {
        let operations = match (death, self.rng.below(4)) {
            (Death::Stop, _) => u64::MAX,
            (_, 0) => self.rng.below(300),
            _ => 200 + self.rng.below(1_500),
        };
        let end = End::at(operations);
        let killed = (death == Death::Kill).then(|| self.disk.clone());
        self.disk.set_hook(end.hook(self.history.clone(), killed));
        let for_a_while = Duration::from_millis(500 + self.rng.below(2_500));
        self.history
            .note(format!("begins to live until {death:?} at {operations}"));
        let (world, life_end) = (self.clone(), end.clone());
        let outcome = sim::run(&self.clock, &self.rng, async move {
            tokio::select! {
                biased;
                () = life_end.comes() => Err(Stop::Gone),
                outcome = Box::pin(world.live(life_end.clone(), for_a_while)) => outcome,
            }
        });
        self.disk.clear_faults();
        let stopped = outcome.is_ok();
        self.known().counts.operations += end.operations();
        self.die(death);
        match outcome {
            Err(Stop::Wrong(what)) => return Err(what),
            Err(Stop::Gone) if !end.has_come() => {
                return Err("the node closed a connection".to_owned());
            }
            Ok(()) | Err(Stop::Gone) => {}
        }
        let interval = if stopped {
            Duration::ZERO
        } else {
            CHECKPOINT_INTERVAL * 2
        };
        self.known()
            .promise_starts(self.clock.monotonic(), interval);
        let left = digest_of(&self.disk, Path::new("/"));
        self.history.note(format!("leaves {left:x}"));
        Ok(())
    }

    fn die(&self, death: Death) {
        self.known().counts.lives += 1;
        match death {
            Death::Kill => self.disk.kill_process(),
            Death::PowerCut | Death::Stop => {
                self.known().counts.power_cuts += 1;
                self.disk.power_cut(self.rng.next_u64());
            }
        }
    }
}

/// What came of a run.
struct Outcome {
    result: Result<(), String>,
    history: Vec<String>,
    counts: Counts,
}

/// A few lives of a node; the last ends in order, so that all was looked at once more before.
fn run(seed: u64, bug: Option<Bug>) -> Outcome {
    let world = World::new(seed, bug.as_ref());
    let mut result = Ok(());
    for life in 0..5 {
        if let (1, Some(Bug::Sync(what, of))) = (life, &bug) {
            world.disk.ignore_sync_of(*what, of.clone());
        }
        let death = match world.rng.below(8) {
            _ if life == 4 => Death::Stop,
            0 => Death::Stop,
            1 => Death::Kill,
            _ => Death::PowerCut,
        };
        result = world.one_life(death);
        if result.is_err() {
            break;
        }
    }
    let counts = Counts {
        runs: 1,
        ..world.known().counts
    };
    Outcome {
        result,
        history: world.history.lines(),
        counts,
    }
}
