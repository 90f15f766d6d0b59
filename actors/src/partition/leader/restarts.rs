//! How often a leader was started lately: one that keeps failing had better give way.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Restarts within [`WINDOW`] that are taken as bad luck.
const RESTARTS_MAX: usize = 3;
/// How far back restarts are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// The starts of a leader within its epoch; it outlives them.
#[derive(Debug, Default)]
pub struct Restarts {
    starts: Mutex<VecDeque<Duration>>,
}

impl Restarts {
    /// Notes a start; whether there were too many.
    pub(super) fn begins(&self, now: Duration) -> bool {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        starts.push_back(now);
        // One more than allowed tells enough.
        while starts.len() > RESTARTS_MAX + 2
            || starts
                .front()
                .is_some_and(|at| now.saturating_sub(*at) > WINDOW)
        {
            starts.pop_front();
        }
        starts.len() - 1 > RESTARTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_within_a_minute_are_too_many() {
        let restarts = Restarts::default();
        let seconds = [0, 1, 2, 3, 4, 5, 70, 71, 72, 73, 74];
        let often = seconds.map(|at| restarts.begins(Duration::from_secs(at)));
        assert_eq!(often[..6], [false, false, false, false, true, true]);
        assert_eq!(often[6..], [false, false, false, false, true]);
    }
}
