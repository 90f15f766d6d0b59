//! A clock that stands still until a test moves it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::Clock;
use crate::task::TaskGuard;

#[cfg(test)]
mod tests;

/// How often [`SimClock::settle`] lets all other tasks run before it calls them idle.
const SETTLE_ROUNDS: usize = 64;

/// A manual clock. Timers fire in the order of their deadlines, equal ones in the order in which
/// they were set. Clones are the same clock.
#[derive(Clone)]
pub struct SimClock {
    state: Arc<Mutex<State>>,
}

struct State {
    now: Duration,
    wall_offset_ms: i64,
    next_timer: u64,
    timers: BTreeMap<(Duration, u64), Waker>,
}

impl SimClock {
    /// A clock whose monotonic time is 0 and whose wall clock shows `wall_ms`.
    pub fn new(wall_ms: i64) -> Self {
        let timers = BTreeMap::new();
        let state = State {
            now: Duration::ZERO,
            wall_offset_ms: wall_ms,
            next_timer: 0,
            timers,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves time on at once and fires what is due. A task that a timer wakes runs afterwards and
    /// sees the new time; see [`SimClock::run_for`] for the other way.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.lock();
        let target = state.now.saturating_add(duration);
        state.now = target;
        let later = state.timers.split_off(&(target, u64::MAX));
        let due = std::mem::replace(&mut state.timers, later);
        drop(state);
        due.into_values().for_each(Waker::wake);
    }

    /// Moves time on to the next timer and fires all that are due then; `false` without a timer.
    pub fn step(&self) -> bool {
        match self.next_timer() {
            Some(deadline) => {
                let now = self.monotonic();
                self.advance(deadline.saturating_sub(now));
                true
            }
            None => false,
        }
    }

    /// When the next timer fires, in monotonic time.
    pub fn next_timer(&self) -> Option<Duration> {
        self.lock()
            .timers
            .keys()
            .next()
            .map(|(deadline, _)| *deadline)
    }

    /// Shifts the wall clock against monotonic time, as an operator or NTP does.
    pub fn shift_wall_ms(&self, by_ms: i64) {
        let mut state = self.lock();
        state.wall_offset_ms = state.wall_offset_ms.saturating_add(by_ms);
    }

    /// Lets all other tasks run until they wait. On a current-thread runtime without I/O and
    /// blocking pool this is exact for chains of less than 64 wake-ups.
    pub async fn settle(&self) {
        for _ in 0..SETTLE_ROUNDS {
            tokio::task::yield_now().await;
        }
    }

    /// Moves time on timer by timer and lets the woken tasks run in between.
    pub async fn run_for(&self, duration: Duration) {
        let target = self.monotonic().saturating_add(duration);
        self.settle().await;
        while self.next_timer().is_some_and(|deadline| deadline <= target) {
            self.step();
            self.settle().await;
        }
        let rest = target.saturating_sub(self.monotonic());
        self.advance(rest);
        self.settle().await;
    }

    /// Moves time on whenever all other tasks wait, until the guard is dropped. For a
    /// current-thread runtime without I/O and blocking pool.
    pub fn run_by_itself(&self) -> TaskGuard<()> {
        let clock = self.clone();
        TaskGuard::spawn(async move {
            loop {
                clock.settle().await;
                clock.step();
            }
        })
    }
}

impl Default for SimClock {
    /// A clock that shows the first of January 2026.
    fn default() -> Self {
        Self::new(1_767_225_600_000)
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("SimClock")
            .field("now", &state.now)
            .field("timers", &state.timers.len())
            .finish_non_exhaustive()
    }
}

impl Clock for SimClock {
    fn now_ms(&self) -> i64 {
        let state = self.lock();
        let since_start = i64::try_from(state.now.as_millis()).unwrap_or(i64::MAX);
        state.wall_offset_ms.saturating_add(since_start)
    }

    fn monotonic(&self) -> Duration {
        self.lock().now
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut state = self.lock();
        let key = (state.now.saturating_add(duration), state.next_timer);
        state.next_timer += 1;
        Box::pin(Sleep {
            clock: self.clone(),
            key,
        })
    }
}

struct Sleep {
    clock: SimClock,
    key: (Duration, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        if state.now >= self.key.0 {
            state.timers.remove(&self.key);
            return Poll::Ready(());
        }
        state.timers.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.lock().timers.remove(&self.key);
    }
}
