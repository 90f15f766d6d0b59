//! How much an answer is worth on a client's link. Pure.
//!
//! A large answer costs more than it saves when the client is back for the next one at once: what is read
//! for its end has left the processor's cache before it is sent. Far away it is the other way round, and
//! an answer has to hold what the link carries until the next request is here.
//!
//! How far away a client is shows in the shortest time between an answer and its next request, which
//! the first exchanges of a connection tell.

use std::time::Duration;

/// So much stays in a processor's cache.
const LEAST_BYTES: u64 = 1 << 20;
/// Eight times what the fastest usual link carries, ten gigabits a second: the pause between two answers
/// is a ninth of the time at most.
const BYTES_PER_US: u64 = 10_000;

/// How soon a client comes back.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turnaround {
    shortest: Option<Duration>,
}

impl Turnaround {
    /// A request came so long after the answer before it, with nothing in flight in between.
    pub fn note(&mut self, pause: Duration) {
        self.shortest = Some(self.shortest.map_or(pause, |known| known.min(pause)));
    }

    /// What an answer should hold at most; whatever the client allows as long as nothing is known.
    pub fn worthwhile_bytes(&self) -> usize {
        let Some(shortest) = self.shortest else {
            return usize::MAX;
        };
        let pause_us = u64::try_from(shortest.as_micros()).unwrap_or(u64::MAX);
        let carried = pause_us.saturating_mul(BYTES_PER_US).max(LEAST_BYTES);
        usize::try_from(carried).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_a_client_the_less_an_answer_holds_but_never_less_than_a_mebibyte() {
        let after = |pauses: &[u64]| {
            let mut turnaround = Turnaround::default();
            for pause in pauses {
                turnaround.note(Duration::from_micros(*pause));
            }
            turnaround.worthwhile_bytes()
        };
        assert_eq!(after(&[]), usize::MAX);
        assert_eq!(after(&[0]), 1 << 20);
        assert_eq!(after(&[50]), 1 << 20);
        assert_eq!(after(&[1_000]), 10_000_000);
        assert_eq!(after(&[100_000]), 1_000_000_000);
        // A client that thought for a while is as near as it was.
        assert_eq!(after(&[200, 5_000_000, 300]), 2_000_000);
    }
}
