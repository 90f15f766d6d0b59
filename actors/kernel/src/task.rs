//! Where tasks start and where blocking work goes.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::Duration;

use crate::seams::Ambient;
use crate::sim::Pace;

/// Starts a task on the current runtime. The task is not supervised: use it only for work whose
/// owner keeps the handle or does not depend on its end.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

/// A task that does not outlive its owner: dropping the guard aborts it at its next await.
#[derive(Debug)]
pub struct TaskGuard<T> {
    handle: tokio::task::JoinHandle<T>,
}

impl<T: Send + 'static> TaskGuard<T> {
    /// Starts `future` on the current runtime.
    pub fn spawn<F>(future: F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        Self {
            handle: spawn(future),
        }
    }

    /// Waits for the end; `None` when the task was aborted or has panicked. Cancel safe.
    pub async fn join(&mut self) -> Option<T> {
        (&mut self.handle).await.ok()
    }

    /// Aborts the task and waits until it has ended; what it returned if it was faster.
    pub async fn abort(mut self) -> Option<T> {
        self.handle.abort();
        self.join().await
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T> Drop for TaskGuard<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// Runs `future` and turns a panic into `Err` with its text. As cancel safe as `future`.
///
/// # Errors
/// The panic's text.
pub async fn catch_panic<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| {
        let poll = AssertUnwindSafe(|| future.as_mut().poll(context));
        match std::panic::catch_unwind(poll) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic_text(panic.as_ref()))),
        }
    })
    .await
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

/// Runs blocking work (syncs, cold reads, heavy compression, foreign code) off the actors' threads.
#[derive(Debug, Clone, Copy, Default)]
pub enum Blocking {
    /// The runtime's blocking pool.
    #[default]
    Pool,
    /// On the caller's thread, for a deterministic simulation.
    Inline,
    /// On the caller's thread at some moment of the next milliseconds, and its end is heard of
    /// some milliseconds later: a deterministic simulation in which others act meanwhile. How many
    /// milliseconds is the pace of a machine.
    Delayed(Pace),
}

/// Lets a random short time pass.
async fn delay(pace: Pace) {
    let Ambient { clock, rng } = Ambient::current();
    let at_most_us = u64::try_from(pace.delay_max().as_micros()).unwrap_or(u64::MAX);
    clock
        .sleep(Duration::from_micros(rng.below(at_most_us)))
        .await;
}

impl Blocking {
    /// Runs `work` and returns what it returned. A panic inside `work` continues in the caller.
    ///
    /// Not cancel safe: the work goes on when the future is dropped.
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    pub async fn run<T, W>(self, work: W) -> T
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        match self {
            Self::Inline => work(),
            Self::Delayed(pace) => {
                delay(pace).await;
                let value = work();
                delay(pace).await;
                value
            }
            Self::Pool => match tokio::task::spawn_blocking(work).await {
                Ok(value) => value,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime is shutting down: nobody is left to read an answer.
                Err(_) => std::future::pending().await,
            },
        }
    }
}
