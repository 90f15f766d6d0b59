//! How fast connections may come: `max.connection.creation.rate`, over all listeners. Pure.
//!
//! A second's worth may come at once; who comes faster waits in turn, as in Kafka, and is not
//! refused.

use std::time::Duration;

/// When the next connection is due if they come evenly.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    due: Duration,
}

impl Pace {
    /// Counts a connection that came at `now`, with at most `per_second` of them; how long it has to
    /// wait. A rate of 0 lets one a second through, so that the setting can be taken back.
    pub fn admit(&mut self, now: Duration, per_second: u64) -> Duration {
        const BURST: Duration = Duration::from_secs(1);
        let step = BURST.div_f64(per_second.max(1) as f64);
        let due = self.due.max(now);
        self.due = due + step;
        (due + step).saturating_sub(now + BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_seconds_worth_may_come_at_once_and_more_waits_in_turn() {
        let mut pace = Pace::default();
        let waits: Vec<_> = (0..6).map(|_| pace.admit(SECOND, 4)).collect();
        let quarter = SECOND / 4;
        assert_eq!(waits[..4], [Duration::ZERO; 4]);
        assert_eq!(waits[4..], [quarter, quarter * 2]);
        assert_eq!(
            pace.admit(SECOND * 10, 4),
            Duration::ZERO,
            "a pause is made up for"
        );
    }

    #[test]
    fn without_a_limit_nobody_waits_and_with_none_allowed_one_comes_a_second() {
        let mut pace = Pace::default();
        for _ in 0..100_000 {
            assert_eq!(pace.admit(SECOND, i32::MAX as u64), Duration::ZERO);
        }
        let mut pace = Pace::default();
        let waits: Vec<_> = (0..3).map(|_| pace.admit(SECOND, 0)).collect();
        assert_eq!(waits, [Duration::ZERO, SECOND, SECOND * 2]);
    }
}
