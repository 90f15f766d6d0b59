//! What every actor shares, and the only room that touches time, disks, randomness and spawning.
//!
//! | module | what |
//! |---|---|
//! | [`clock`] | wall and monotonic time, sleeping |
//! | [`disk`] | files and directories, real or simulated |
//! | [`rng`] | seeded randomness |
//! | [`seams`] | all of these as one thing, real or simulated |
//! | [`system`] | the machine's name and limits |
//! | [`task`] | spawning of tasks, the blocking pool |
//! | [`supervisor`] | who restarts whom, and in which order all end |
//! | [`slot`] | handles to permanent actors that survive their restarts |
//! | [`sim`] | simulated time and disks |
//! | [`view`] | read-only views that an actor publishes |
//! | [`watch`] | a value that others wait on |
//! | [`signal`] | waiting on many things at once |
//! | [`budget`] | bytes in flight |
//!
//! Nothing here knows a Kafka request, a topic or a partition.

pub mod budget;
pub mod clock;
pub mod disk;
pub mod rng;
pub mod seams;
pub mod signal;
pub mod sim;
pub mod slot;
pub mod supervisor;
pub mod system;
pub mod task;
pub mod view;
pub mod watch;

pub use budget::{ByteBudget, Permit};
pub use clock::{Clock, SharedClock, SystemClock};
pub use disk::{Disk, DiskFile, OpenMode, RealDisk, SharedDisk};
pub use rng::Rng;
pub use seams::{Ambient, Seams};
pub use signal::{Signal, Waiter};
pub use slot::{Slot, SlotError};
pub use supervisor::{ChildSpec, Supervisor, SupervisorHandle};
pub use task::{Blocking, TaskGuard, spawn};
pub use view::{View, ViewClosed, Watch};
