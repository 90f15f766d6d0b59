//! When a leader was last heard, for whoever takes over from it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The leader that spoke last, and when.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<Option<(i32, Duration)>>);

impl Heard {
    pub(crate) fn note(&self, leader: i32, now: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((leader, now));
    }

    pub(crate) fn last(&self) -> Option<(i32, Duration)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
