//! PartitionFollower: keeps a partition's log equal to its leader's, for the length of one leader
//! epoch.
//!
//! - **Supervised by** `Replicas`. A restart takes a new lease on the log and says again where it is.
//! - **Owns** the log's writer lease. What it appends is the leader's, byte for byte.
//! - **Receives** what a [`ReplicaFetcher`](super::replication::fetcher) fetched for it, configuration
//!   from the broker actor, upkeep from the storage timer.
//! - **Says** where it is after each append, cut and sync.
//!
//! A pull never waits for a sync: what is written is said at once, what is on disk when it is.

mod actor;
mod handle;
mod message;
mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

use odeon_kernel::Slot;
use odeon_kernel::supervisor::{Backoff, ChildSpec, Restart};

pub use actor::FollowerArguments;
pub use handle::FollowerHandle;

/// The child that follows a partition, and the handle to it. Restarted with growing pauses, for as
/// long as its disk lets it hope.
pub fn child(mut arguments: FollowerArguments) -> (ChildSpec, FollowerHandle) {
    let slot = Slot::new(arguments.clock.clone());
    let handle = FollowerHandle::new(slot.clone(), arguments.settings.clone());
    arguments.handle = Some(handle.clone());
    let name = arguments.log.partition().to_string();
    let spec = ChildSpec::actor(name, Restart::Permanent, &slot, move || {
        (actor::PartitionFollower, arguments.clone())
    });
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(5));
    (spec.backoff(backoff), handle)
}
