//! Supervision: who restarts whom, how often, and in which order all end.
//!
//! A [`Supervisor`] is an actor that starts its children in order from [`ChildSpec`]s, restarts
//! them by its [`Strategy`], fails itself when restarts come too often (its own supervisor
//! decides then), and stops the children in reverse order when it is stopped. A nested supervisor
//! is an ordinary child.
//!
//! ```text
//! state.rs    what to do about an exit, a failed start, a stop: pure, no actor, no clock
//! actor.rs    the actor around it;  shell.rs   its books and hands: ids, starts, stops, timers
//! stop.rs     stops one child: ask, wait, kill, wait
//! spec.rs     what a child is;  options.rs  what a supervisor is
//! handle.rs   what others hold;  tree.rs    the picture for people
//! ```
//!
//! What holds:
//! - An exit is normal when the actor was stopped or stopped itself; a panic, an `Err` or a kill
//!   is a failure. Only supervision events are relied on: `post_stop` is skipped after a failure.
//! - A successor is started only after its predecessor's task has ended, so that what the old
//!   state held (locks, leases, files) is free, unless that takes longer than [`GRACE`].
//! - Starts run beside the supervisor, which stays able to answer, to stop and to be killed; a
//!   start that is no longer wanted is aborted. The first start of all children is the exception:
//!   it is part of the supervisor's own start, which fails if one of them does.
//! - A start function must not await anything after it has spawned its actor: aborted there, it
//!   would leave an actor behind that only dies with the supervisor.
//! - Children with a [`Backoff`] are retried for ever (or until they give up) and never use up the
//!   supervisor's [`Intensity`].
//! - With [`Strategy::OneForOne`] no event costs more than O(log n) for n children. The other
//!   strategies look at all children at each event and are meant for a handful.

use std::time::Duration;

mod actor;
mod handle;
mod options;
mod shell;
mod spec;
mod state;
mod stop;
#[cfg(test)]
mod tests;
mod tree;

pub use actor::{Supervisor, SupervisorMsg};
pub use handle::{AddChildError, RootExit, RootSupervisor, SupervisorHandle};
pub use options::{Counters, CountersNow, Intensity, StopOrder, Strategy, SupervisorOptions};
pub use spec::{Backoff, Child, ChildSpec, Restart, Shutdown, StartError};
pub use tree::{ChildInfo, ChildState, SupervisionNode};

/// How long a killed actor may take to end, and an ended one to drop its state, before the
/// supervisor goes on without it. Only blocking code inside a handler takes that long.
pub const GRACE: Duration = Duration::from_secs(5);
