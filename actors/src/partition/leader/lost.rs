//! Batches that a leader staged and did not write, and the gaps they leave.
//!
//! Pure. What a producer sent behind such a batch is out of sequence by the leader's fault. Told so, it
//! would begin a new epoch (librdkafka), in which nobody recognizes what it sends again, though an
//! earlier batch of it may be in the log: so it is told what lets it repeat everything in order.

use std::collections::BTreeSet;
use std::time::Duration;

use odeon_log::LogError;

/// Requests that were on their way when the leader's predecessor ended have come by then.
const IN_FLIGHT: Duration = Duration::from_secs(30);
/// More producers than that are not remembered.
const MAX_PRODUCERS: usize = 10_000;

/// Whose batches were lost.
#[derive(Debug)]
pub(super) struct Lost {
    producers: BTreeSet<i64>,
    /// Until then, any producer's: a predecessor in this epoch has taken its batches along.
    anyones_until: Duration,
}

impl Lost {
    pub(super) fn new(is_restart: bool, now: Duration) -> Self {
        Self {
            producers: BTreeSet::new(),
            anyones_until: if is_restart { now + IN_FLIGHT } else { now },
        }
    }

    /// A batch was staged, and is not in the log.
    pub(super) fn lose(&mut self, producer_id: i64) {
        if self.producers.len() < MAX_PRODUCERS {
            self.producers.insert(producer_id);
        }
    }

    /// A batch was staged: what was lost has been sent again.
    pub(super) fn staged(&mut self, producer_id: i64) {
        self.producers.remove(&producer_id);
    }

    /// Whether a batch is refused because of what was lost.
    pub(super) fn explains(&self, error: &LogError, now: Duration) -> bool {
        match error {
            LogError::OutOfOrderSequence { producer_id, .. } => {
                now < self.anyones_until || self.producers.contains(producer_id)
            }
            _ => false,
        }
    }
}
