//! One thread on which everything runs, in simulated time.

use std::future::Future;
use std::sync::Arc;

use crate::clock::SharedClock;
use crate::rng::Rng;
use crate::seams::Ambient;
use crate::sim::SimClock;
use crate::task::spawn;

#[cfg(test)]
mod tests;

/// Runs `work` and all that it starts on this thread; time moves on, timer by timer, whenever
/// everything waits. What still runs when `work` is done is dropped where it stands, as at the end
/// of a process.
///
/// What happens follows from `clock`, `rng` and the order in which tasks are started and woken. The
/// runtime has neither sockets nor timers of its own: whoever reaches for those panics. Without a
/// timer left to wait for, this never returns.
///
/// # Panics
/// When `work` panics, or no runtime can be made.
pub fn run<F>(clock: &SimClock, rng: &Arc<Rng>, work: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let ambient = Ambient {
        clock: Arc::new(clock.clone()) as SharedClock,
        rng: Arc::clone(rng),
    };
    let _entered = ambient.enter();
    let timers = clock.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .on_thread_park(move || {
            timers.step();
        })
        .build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    // As a task: the outermost future is not looked at before the thread parks.
    let done = runtime.block_on(async move { spawn(work).await });
    match done {
        Ok(output) => output,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => panic!("the work was aborted: {error}"),
    }
}
