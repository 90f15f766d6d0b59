//! PartitionLeader: the one writer of a partition on this node, for the length of one leader epoch.
//!
//! - **Supervised by** `Replicas`. A restart takes a new lease on the log in the same epoch. If the log
//!   ends before what was published, or restarts come too often, it asks the controller for another
//!   leader; where nobody else is in sync, for a new epoch in the first case, and it goes on in the
//!   second.
//! - **Owns** the log's writer lease, the pending acknowledgements and the high watermark.
//! - **Receives** appends from connections and coordinators, record deletion from the admin handlers,
//!   configuration from the broker actor, upkeep from the storage timer.
//! - **Publishes** a [`super::PartitionView`]; fetches read that and never pass through here.
//!
//! The mailbox is the batch: the first append of a group casts `Flush` to the actor itself, so the
//! write takes all appends that were queued until then, and one sync covers every write that was
//! made while the sync before it ran.

mod actor;
mod handle;
mod lost;
mod message;
mod replicas;
mod restarts;
mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

use odeon_kernel::Slot;
use odeon_kernel::supervisor::{Backoff, ChildSpec, Restart};

pub use actor::LeaderArguments;
pub use handle::LeaderHandle;
pub use message::{Acks, AppendError, Appended, LeaderStatus, Origin};
pub use replicas::Report;
pub use restarts::Restarts;

/// The child that leads a partition, and the handle to it. It is restarted within its epoch, with
/// growing pauses, for as long as it takes: a partition whose disk is broken must not take its
/// neighbours along. After a few restarts in a minute it asks the controller for another leader.
pub fn child(mut arguments: LeaderArguments) -> (ChildSpec, LeaderHandle) {
    let slot = Slot::new(arguments.clock.clone());
    let handle = LeaderHandle::new(slot.clone(), arguments.settings.clone());
    arguments.handle = Some(handle.clone());
    let name = format!("{}-{}", arguments.view.topic, arguments.view.partition);
    let spec = ChildSpec::actor(name, Restart::Permanent, &slot, move || {
        (actor::PartitionLeader, arguments.clone())
    });
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(5));
    (spec.backoff(backoff), handle)
}
