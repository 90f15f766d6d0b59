//! What every actor shares, and the only room that touches time, disks, randomness and spawning.
//!
//! | module | what |
//! |---|---|
//! | [`clock`] | wall and monotonic time, sleeping |
//! | [`disk`] | files and directories, real or simulated |
//! | [`rng`] | seeded randomness |
//! | [`task`] | spawning of tasks, the blocking pool |
//!
//! Nothing here knows a Kafka request, a topic or a partition.

pub mod clock;
pub mod disk;
pub mod rng;
pub mod task;

pub use clock::{Clock, SystemClock};
pub use disk::{Disk, DiskFile, OpenMode, RealDisk};
pub use rng::Rng;
pub use task::{Blocking, spawn};
