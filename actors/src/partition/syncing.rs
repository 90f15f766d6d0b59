//! How leaders and followers have their logs synced: only so many syncs run in a log directory beside
//! each other, and what is written while one waits for its turn is covered by it.

use odeon_kernel::budget::Permit;
use odeon_kernel::{Blocking, spawn};
use odeon_log::{LogError, LogWriter, SyncDone};
use ractor::{ActorRef, Message};

/// What a sync tells its actor.
#[derive(Debug)]
pub(super) enum SyncNews {
    /// It is the turn of the sync that waits.
    Turn(Permit),
    /// The sync ended.
    Done(SyncDone),
}

/// Begins a sync, now or when its turn comes; whether one is under way then.
///
/// # Errors
/// As [`LogWriter::sync_job`].
pub(super) fn begin<M>(
    writer: &mut LogWriter,
    blocking: Blocking,
    to: &ActorRef<M>,
) -> Result<bool, LogError>
where
    M: Message + From<SyncNews>,
{
    let slots = writer.log().directory().sync_slots().clone();
    if let Some(slot) = slots.try_acquire(1) {
        return run(writer, slot, blocking, to);
    }
    let to = to.clone();
    spawn(async move {
        let slot = slots.acquire(1).await;
        // Who has ended gives the slot back by dropping it.
        let _ = to.cast(SyncNews::Turn(slot).into());
    });
    Ok(true)
}

/// Runs the sync whose turn it is; false if there is nothing to sync.
///
/// # Errors
/// As [`LogWriter::sync_job`].
pub(super) fn run<M>(
    writer: &mut LogWriter,
    slot: Permit,
    blocking: Blocking,
    to: &ActorRef<M>,
) -> Result<bool, LogError>
where
    M: Message + From<SyncNews>,
{
    let Some(job) = writer.sync_job()? else {
        return Ok(false);
    };
    let to = to.clone();
    let work = move || {
        let done = job.run();
        drop(slot);
        done
    };
    spawn(async move {
        let done = blocking.run(work).await;
        let _ = to.cast(SyncNews::Done(done).into());
    });
    Ok(true)
}
