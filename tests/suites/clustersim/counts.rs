//! What happened in a run.

use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use odeon_tests::cluster::History;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// How often each thing happened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub runs: u64,
    /// Simulated time.
    pub seconds: u64,
    pub operations: u64,
    pub acknowledged: u64,
    pub read: u64,
    pub commits: u64,
    pub joined: u64,
    pub faults: u64,
    pub restarts: u64,
    pub gave_up: u64,
    pub failovers: u64,
    pub isr_changes: u64,
    pub elections: u64,
    pub truncations: u64,
    pub stale_refused: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.seconds += other.seconds;
        self.operations += other.operations;
        self.acknowledged += other.acknowledged;
        self.read += other.read;
        self.commits += other.commits;
        self.joined += other.joined;
        self.faults += other.faults;
        self.restarts += other.restarts;
        self.gave_up += other.gave_up;
        self.failovers += other.failovers;
        self.isr_changes += other.isr_changes;
        self.elections += other.elections;
        self.truncations += other.truncations;
        self.stale_refused += other.stale_refused;
    }
}

impl Counts {
    /// Whether something never happened that should.
    pub fn lacks_something(&self) -> bool {
        [
            self.failovers,
            self.truncations,
            self.isr_changes,
            self.elections,
            self.restarts,
            self.stale_refused,
        ]
        .contains(&0)
    }
}

/// Counts what nodes say in their logs, and notes it in the history.
#[derive(Debug, Clone)]
pub struct Events(Arc<Counters>, History);

#[derive(Debug, Default)]
struct Counters {
    truncations: AtomicU64,
    refused: AtomicU64,
}

impl Events {
    pub fn new(history: &History) -> Self {
        Self(Arc::default(), history.clone())
    }

    /// Counts on this thread until the guard is dropped.
    pub fn subscribe(&self) -> DefaultGuard {
        let words = tracing_subscriber::filter::filter_fn(|metadata| {
            let target = metadata.target();
            metadata.is_event() && target.starts_with("odeon")
        });
        let layer = self.clone().with_filter(words);
        tracing::subscriber::set_default(tracing_subscriber::registry().with(layer))
    }

    pub fn add_to(&self, counts: &mut Counts) {
        counts.truncations += self.0.truncations.load(Ordering::Relaxed);
        counts.stale_refused += self.0.refused.load(Ordering::Relaxed);
    }
}

impl<S: tracing::Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        self.1.note(|| format!("log {}{}", message.0, message.1));
        if message.0.contains("the log is cut") {
            self.0.truncations.fetch_add(1, Ordering::Relaxed);
        }
        if ["the ISR stays as it is", "a heartbeat was refused"]
            .iter()
            .any(|word| message.0.contains(word))
        {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What was said, and the values with it.
#[derive(Default)]
struct Message(String, String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        } else {
            self.1 += &format!(" {}={value:?}", field.name());
        }
    }
}
