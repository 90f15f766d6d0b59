//! Deadlines and pauses between attempts.

use std::time::Duration;

use odeon_kernel::{Rng, SharedClock};

/// A moment after which nobody waits any more.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    clock: SharedClock,
    at: Duration,
}

impl Deadline {
    pub(crate) fn after(clock: &SharedClock, whole: Duration) -> Self {
        Self {
            at: clock.monotonic().saturating_add(whole),
            clock: SharedClock::clone(clock),
        }
    }

    pub(crate) fn left(&self) -> Duration {
        self.at.saturating_sub(self.clock.monotonic())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

/// Pauses that double from attempt to attempt, each a fifth longer or shorter by chance, so that
/// clients that failed together do not come back together.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            attempts: 0,
        }
    }

    /// The pause before the next attempt.
    pub(crate) fn next(&mut self, rng: &Rng) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.attempts.min(16));
        self.attempts += 1;
        let spread = 80 + u32::try_from(rng.below(41)).unwrap_or(20);
        doubled.min(self.longest) * spread / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let rng = Rng::from_seed(1);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for _ in 0..200 {
            let pause = backoff.next(&rng);
            assert!(pause >= Duration::from_millis(80) && pause <= Duration::from_millis(1200));
        }
        assert!(backoff.next(&rng) >= Duration::from_millis(800));
    }
}
