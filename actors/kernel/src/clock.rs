//! Time: the one place that asks the operating system what time it is.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A source of time. A simulation brings its own.
pub trait Clock: Send + Sync + Debug + 'static {
    /// Wall-clock time in milliseconds since the Unix epoch. It may jump.
    fn now_ms(&self) -> i64;

    /// Time since an arbitrary fixed point. It never goes back.
    fn monotonic(&self) -> Duration;

    /// Completes once `duration` has passed. Cancel safe: dropping it forgets the timer.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A shared clock, as it is passed around.
pub type SharedClock = Arc<dyn Clock>;

/// The time ran out before the work was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline has passed")]
pub struct Elapsed;

/// Runs `work` for at most `limit`. Work that is ready at the limit wins.
///
/// As cancel safe as `work`, which is dropped when the time is over.
///
/// # Errors
/// [`Elapsed`] when `work` was not done in time.
pub async fn timeout<F: Future>(
    clock: &dyn Clock,
    limit: Duration,
    work: F,
) -> Result<F::Output, Elapsed> {
    tokio::select! {
        biased;
        output = work => Ok(output),
        () = clock.sleep(limit) => Err(Elapsed),
    }
}

/// The operating system's clocks and tokio's timer.
///
/// Monotonic time is tokio's, so that a paused test runtime also pauses it.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    pub fn new() -> Self {
        Self {
            start: tokio::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn now_ms(&self) -> i64 {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn monotonic(&self) -> Duration {
        tokio::time::Instant::now().saturating_duration_since(self.start)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}
