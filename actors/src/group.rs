//! The coordinator of classic groups: members, generations, assignments, committed offsets.
//!
//! One [`GroupCoordinator`] lives per led partition of `__consumer_offsets`, a child of the
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
//!
//! Everything decided while the last append ran becomes the next one. A reply waits until the
//! records of its decision, and of all decisions it may have seen, are committed; only heartbeats
//! do not wait. An append that fails, or whose outcome is not known, ends the actor: its
//! supervisor starts it anew, and it reads the log again. Members notice nothing but their parked
//! requests' end, and keep their sessions by the next heartbeat.

mod classic;
mod config;
mod member;
pub mod message;
mod offsets;
mod placement;
mod record;
mod state;
mod timers;
mod turn;

pub use config::GroupConfig;
pub use message::GroupState;
pub use offsets::CommittedOffset;
pub use placement::coordinator_for;
pub use record::CoordinatorRecord;
pub use state::Groups;
pub use turn::{Effects, Now, Token};

#[cfg(test)]
mod tests;
