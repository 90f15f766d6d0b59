//! The coordinator of classic groups: members, generations, assignments, committed offsets.
//!
//! One coordinator ([`child`]) lives per led partition of `__consumer_offsets`, a child of the
//! broker's coordinators. That partition's log is its only memory: it reads it when it starts,
//! and answers `COORDINATOR_LOAD_IN_PROGRESS` until then. It owns the groups of the partition
//! ([`Groups`], pure); nobody else sees them but through [`GroupHandle`].
//!
//! | file | what |
//! |---|---|
//! | [`message`] | requests and replies, without API versions |
//! | `state`, `classic` | the decisions: [`Groups`] over all groups, one group's rebalance |
//! | `record` | Kafka's formats in `__consumer_offsets` |
//! | `timers` | one queue of deadlines |
//! | `log` | [`CoordinatorLog`]: what is asked of the partition's log, and its replay |
//! | `actor`, `command`, `handle` | the actor, its mailbox, what others hold of it |
//!
//! Everything decided while the last append ran becomes the next one. A reply waits until the
//! records of its decision, and of all decisions it may have seen, are committed; only heartbeats
//! do not wait. An append that fails, or whose outcome is not known, ends the actor: its
//! supervisor starts it anew, and it reads the log again. Members notice nothing but their parked
//! requests' end, and keep their sessions by the next heartbeat.

mod actor;
mod classic;
mod command;
mod config;
mod describe;
mod handle;
mod log;
mod member;
pub mod message;
mod offsets;
mod placement;
mod record;
mod state;
mod timers;
mod turn;

use std::time::Duration;

use odeon_kernel::Slot;
use odeon_kernel::supervisor::{Backoff, ChildSpec, Restart};

pub use actor::GroupArguments;
pub use command::GroupMessage;
pub use config::GroupConfig;
pub use describe::describe_record;
pub use handle::GroupHandle;
pub use log::{CoordinatorLog, CoordinatorLogError, LogChunk, LogFuture};
pub use message::GroupState;
pub use offsets::CommittedOffset;
pub use placement::coordinator_for;
pub use record::CoordinatorRecord;
pub use state::Groups;
pub use turn::{Effects, Now, Token};

#[cfg(test)]
mod tests;

/// The child that coordinates the groups of one partition, and the handle to it. It ends normally
/// when the partition has another leader, and is restarted after anything else, after growing
/// pauses: a log that takes no appends for a while must not take the node down.
pub fn child(arguments: GroupArguments) -> (ChildSpec, GroupHandle) {
    let slot = Slot::new(arguments.clock.clone());
    let name = child_name(arguments.partition);
    let spec = ChildSpec::actor(name, Restart::Transient, &slot, move || {
        (actor::GroupCoordinator, arguments.clone())
    })
    .backoff(Backoff::new(
        Duration::from_millis(50),
        Duration::from_secs(5),
    ));
    (spec, GroupHandle::new(slot))
}

/// The name of a partition's coordinator among the broker's coordinators.
pub(crate) fn child_name(partition: odeon_model::PartitionId) -> String {
    format!("groups-{partition}")
}
