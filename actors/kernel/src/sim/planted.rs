//! Known bugs, put back on demand: a simulation that does not find them is worth little.
//!
//! A bug holds on the thread that planted it, on which a simulation runs as a whole. Without debug
//! assertions there are none.

use std::cell::Cell;

/// A bug that somebody has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The high watermark counts what followers have written and not synced.
    UnsyncedFollowers,
    /// A follower cuts its log to its high watermark, not to where the leader's history differs.
    CutToWatermark,
    /// The controller takes an ISR from any leader of any epoch.
    UncheckedEpochs,
    /// What a log knows of its producers is not rebuilt from its records.
    ForgottenProducers,
    /// A coordinator answers when its leader has written, not when the record is committed.
    EarlyCommit,
    /// A record is acknowledged once it is written, on leader and followers, not once it is synced.
    EarlyAcknowledgement,
    /// A leader of the quorum serves before it has applied its term's first entry.
    EagerLeader,
    /// A leader of the quorum whom no majority answers any more goes on as if it led.
    UncheckedLease,
    /// A leader that its supervisor restarts has only what was on its disk, and leads on in its epoch.
    RestartAfterCut,
    /// A process that registers anew leads on in the epochs of the one before it.
    KeptEpoch,
    /// What a replica says is for nobody if its leader does not know of it yet.
    UnheardReplica,
    /// A leader takes an alteration by which another leads for refused.
    RevertedIsr,
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether this bug is planted here.
#[inline]
pub fn is_planted(bug: Bug) -> bool {
    cfg!(debug_assertions) && PLANTED.get() == Some(bug)
}

/// As long as it lives, the bug is there.
#[derive(Debug)]
pub struct Planted(());

/// Plants a bug on this thread, in place of another.
#[must_use]
pub fn plant(bug: Bug) -> Planted {
    PLANTED.set(Some(bug));
    Planted(())
}

impl Drop for Planted {
    fn drop(&mut self) {
        PLANTED.set(None);
    }
}
