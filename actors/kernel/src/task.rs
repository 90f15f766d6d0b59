//! Where tasks start and where blocking work goes.

use std::future::Future;

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

/// Runs blocking work (syncs, cold reads, heavy compression, foreign code) off the actors' threads.
#[derive(Debug, Clone, Copy, Default)]
pub enum Blocking {
    /// The runtime's blocking pool.
    #[default]
    Pool,
    /// On the caller's thread, for a deterministic simulation.
    Inline,
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
            Self::Pool => match tokio::task::spawn_blocking(work).await {
                Ok(value) => value,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime is shutting down: nobody is left to read an answer.
                Err(_) => std::future::pending().await,
            },
        }
    }
}
