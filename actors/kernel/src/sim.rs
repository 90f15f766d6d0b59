//! Simulated time and disks, for tests: what the real ones may do, on demand and reproducibly.

mod clock;
mod disk;

pub use clock::SimClock;
pub use disk::{DiskFault, DiskHook, DiskOp, IgnoredSync, SimDisk};
