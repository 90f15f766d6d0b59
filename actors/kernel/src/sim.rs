//! Simulated time and disks, for tests: what the real ones may do, on demand and reproducibly.

mod clock;
mod disk;
mod pace;
mod planted;
mod run;

pub use clock::SimClock;
pub use disk::{DiskFault, DiskHook, DiskOp, IgnoredSync, PathFilter, SimDisk};
pub use pace::Pace;
pub use planted::{Bug, Planted, is_planted, plant};
pub use run::run;
