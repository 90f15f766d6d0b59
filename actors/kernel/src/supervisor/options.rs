//! What a supervisor is: strategy, intensity, order of stopping, counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::SharedClock;

/// Which children a failed one takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Only itself.
    #[default]
    OneForOne,
    /// All: they are stopped in reverse order and started again in order.
    OneForAll,
    /// Itself and those started after it.
    RestForOne,
}

/// How many restarts are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts allowed within the window; one more and the supervisor fails. 0 allows none.
    pub max_restarts: u32,
    /// The window's length.
    pub window: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Self {
            max_restarts: 3,
            window: Duration::from_secs(5),
        }
    }
}

/// How children are stopped when the supervisor ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StopOrder {
    /// One after the other, last started first.
    #[default]
    Reverse,
    /// All at once, for large groups of equals.
    Concurrent,
}

/// A supervisor's settings.
#[derive(Debug, Clone)]
pub struct SupervisorOptions {
    /// Its name in logs and in the tree.
    pub name: Arc<str>,
    /// Which children a failed one takes along.
    pub strategy: Strategy,
    /// How many restarts are too many. Children with a back-off do not count.
    pub intensity: Intensity,
    /// How children are stopped when the supervisor ends.
    pub stop_order: StopOrder,
    /// Adding beyond this many children is refused.
    pub max_children: usize,
    /// Time for windows, back-off and shutdown limits.
    pub clock: SharedClock,
    /// Counts what happens; may be shared by many supervisors.
    pub counters: Arc<Counters>,
}

impl SupervisorOptions {
    /// One for one, 3 restarts in 5 s, stopped in reverse order, at most 100,000 children.
    pub fn new(name: impl Into<Arc<str>>, clock: SharedClock) -> Self {
        Self {
            name: name.into(),
            strategy: Strategy::default(),
            intensity: Intensity::default(),
            stop_order: StopOrder::default(),
            max_children: 100_000,
            clock,
            counters: Arc::default(),
        }
    }

    /// With this strategy.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Allowing `max_restarts` within `window`.
    #[must_use]
    pub fn intensity(mut self, max_restarts: u32, window: Duration) -> Self {
        self.intensity = Intensity {
            max_restarts,
            window,
        };
        self
    }

    /// With this order of stopping.
    #[must_use]
    pub fn stop_order(mut self, stop_order: StopOrder) -> Self {
        self.stop_order = stop_order;
        self
    }

    /// With at most this many children.
    #[must_use]
    pub fn max_children(mut self, max_children: usize) -> Self {
        self.max_children = max_children;
        self
    }

    /// Counting here.
    #[must_use]
    pub fn counters(mut self, counters: Arc<Counters>) -> Self {
        self.counters = counters;
        self
    }
}

/// Counts what supervisors see and do.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) starts: AtomicU64,
    pub(crate) failed_starts: AtomicU64,
    pub(crate) exits: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) kills: AtomicU64,
    pub(crate) escalations: AtomicU64,
}

/// The values of [`Counters`] at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CountersNow {
    /// Children started, restarts included.
    pub starts: u64,
    /// Starts that failed.
    pub failed_starts: u64,
    /// Children that ended normally, stopped ones included.
    pub exits: u64,
    /// Children that panicked, returned an error or were killed.
    pub failures: u64,
    /// Decisions to start a child again after it ended or failed to start.
    pub restarts: u64,
    /// Children that had to be killed because they did not stop in time.
    pub kills: u64,
    /// Supervisors that gave up.
    pub escalations: u64,
}

impl Counters {
    /// The values now.
    pub fn now(&self) -> CountersNow {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CountersNow {
            starts: read(&self.starts),
            failed_starts: read(&self.failed_starts),
            exits: read(&self.exits),
            failures: read(&self.failures),
            restarts: read(&self.restarts),
            kills: read(&self.kills),
            escalations: read(&self.escalations),
        }
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
