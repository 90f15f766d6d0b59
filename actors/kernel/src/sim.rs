//! Simulated time, for tests.

mod clock;

pub use clock::SimClock;
