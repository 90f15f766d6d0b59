//! Stopping one child: ask, wait, kill, wait.

use std::sync::Arc;

use super::GRACE;
use super::options::{Counters, count};
use super::spec::{Child, Shutdown};
use crate::clock::{Clock, SharedClock, timeout};
use crate::task::TaskGuard;

/// All it takes to stop one child wherever it is in its life.
pub(crate) struct StopJob {
    pub(crate) name: Arc<str>,
    pub(crate) starting: Option<TaskGuard<Result<Child, String>>>,
    pub(crate) running: Option<Child>,
    pub(crate) shutdown: Shutdown,
    pub(crate) clock: SharedClock,
    pub(crate) counters: Arc<Counters>,
}

impl StopJob {
    /// Returns when the child has ended and dropped its state, or is beyond help.
    pub(crate) async fn run(self) {
        let clock = self.clock.as_ref();
        let mut child = self.running;
        if let Some(starting) = self.starting {
            // The start may have been faster than its abortion.
            child = starting.abort().await.and_then(Result::ok).or(child);
        }
        let Some(child) = child else { return };
        let cell = &child.cell;
        let stopped = match self.shutdown {
            Shutdown::Kill => false,
            Shutdown::After(limit) => {
                cell.stop(Some("shutdown".to_owned()));
                timeout(clock, limit, cell.wait(None)).await.is_ok()
            }
            Shutdown::Unlimited => {
                cell.stop(Some("shutdown".to_owned()));
                cell.wait(None).await.is_ok()
            }
        };
        if !stopped {
            if self.shutdown != Shutdown::Kill {
                count(&self.counters.kills);
                tracing::warn!(child = %self.name, "child did not stop in time and is killed");
            }
            cell.kill();
            if timeout(clock, GRACE, cell.wait(None)).await.is_err() {
                tracing::error!(child = %self.name, "child survives its kill: a handler blocks");
                return;
            }
        }
        if let Some(task) = child.task {
            await_end(clock, &self.name, task).await;
        }
    }
}

/// Waits until an ended actor has dropped its state.
pub(crate) async fn await_end(clock: &dyn Clock, name: &str, task: tokio::task::JoinHandle<()>) {
    if timeout(clock, GRACE, task).await.is_err() {
        tracing::error!(child = %name, "child has ended but does not drop its state");
    }
}
