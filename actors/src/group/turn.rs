//! What one decision has at hand: the time, the settings, the timers, and where effects go.

use super::config::GroupConfig;
use super::message::{JoinReply, SyncReply};
use super::record::CoordinatorRecord;
use super::timers::Timers;

/// Names a request that may be answered later.
pub type Token = u64;

/// Both clocks, read once per message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds since 1970: goes into records, decides the expiry of offsets.
    pub wall_ms: i64,
    /// Milliseconds since some fixed point, never going back: decides time-outs.
    pub monotonic_ms: i64,
}

/// What a decision wants done. A reply may be given once the records of its decision, and of all
/// decisions before it, are committed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Records to append, in this order.
    pub records: Vec<CoordinatorRecord>,
    /// Answers to parked and new JoinGroups.
    pub joins: Vec<(Token, JoinReply)>,
    /// Answers to parked and new SyncGroups.
    pub syncs: Vec<(Token, SyncReply)>,
}

/// What one decision has at hand.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) config: &'a GroupConfig,
    pub(crate) timers: &'a mut Timers,
    pub(crate) effects: &'a mut Effects,
}

impl Turn<'_> {
    /// Monotonic time `delay_ms` from now.
    pub(crate) fn after_ms(&self, delay_ms: i64) -> i64 {
        self.now.monotonic_ms.saturating_add(delay_ms)
    }
}
