//! One queue of deadlines for all groups of a coordinator.
//!
//! A deadline that moves later costs nothing: the queue keeps the earlier entry and looks again
//! when that one is due. So a heartbeat touches no queue, and an idle group has no entry but those
//! of its members' sessions.

use std::collections::BTreeSet;
use std::sync::Arc;

/// What a queue entry is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKind {
    /// The join phase ends, or is extended.
    Rebalance,
    /// Members that did not ask for their assignment are expelled.
    Sync,
    /// A member's session.
    Session(Arc<str>),
    /// A member id that was given out and not used.
    Pending(Arc<str>),
}

/// A queue entry's name: the group and what in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    pub(crate) group: Arc<str>,
    pub(crate) kind: TimerKind,
}

/// A deadline, in ms of monotonic time, and the queue's entry for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Deadline {
    at_ms: Option<i64>,
    /// The queue's entry, never later than `at_ms`.
    queued_ms: Option<i64>,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(i64, TimerKey)>,
}

impl Timers {
    /// Moves `deadline` to `at_ms`.
    pub(crate) fn set(
        &mut self,
        deadline: &mut Deadline,
        at_ms: i64,
        key: impl FnOnce() -> TimerKey,
    ) {
        deadline.at_ms = Some(at_ms);
        match deadline.queued_ms {
            Some(queued_ms) if queued_ms <= at_ms => {}
            queued => {
                let key = key();
                if let Some(queued_ms) = queued {
                    self.queue.remove(&(queued_ms, key.clone()));
                }
                self.queue.insert((at_ms, key));
                deadline.queued_ms = Some(at_ms);
            }
        }
    }

    /// Forgets `deadline`; its entry is found to mean nothing when it is due.
    pub(crate) fn clear(deadline: &mut Deadline) {
        deadline.at_ms = None;
    }

    /// Forgets `deadline` and its entry.
    pub(crate) fn cancel(&mut self, deadline: &mut Deadline, key: impl FnOnce() -> TimerKey) {
        deadline.at_ms = None;
        if let Some(queued_ms) = deadline.queued_ms.take() {
            self.queue.remove(&(queued_ms, key()));
        }
    }

    /// Takes the first entry that is due.
    pub(crate) fn take_due(&mut self, now_ms: i64) -> Option<TimerKey> {
        let (at_ms, _) = self.queue.first()?;
        if *at_ms > now_ms {
            return None;
        }
        self.queue.pop_first().map(|(_, key)| key)
    }

    /// Whether `deadline`, whose entry was just taken, is really over. If not, it is queued again.
    pub(crate) fn is_over(&mut self, deadline: &mut Deadline, now_ms: i64, key: &TimerKey) -> bool {
        deadline.queued_ms = None;
        match deadline.at_ms {
            Some(at_ms) if at_ms <= now_ms => {
                deadline.at_ms = None;
                true
            }
            Some(at_ms) => {
                self.queue.insert((at_ms, key.clone()));
                deadline.queued_ms = Some(at_ms);
                false
            }
            None => false,
        }
    }

    /// When to look again.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        self.queue.first().map(|(at_ms, _)| *at_ms)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}
