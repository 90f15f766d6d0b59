//! Doing what the machine decides: starts, stops, pauses, giving up.

use std::sync::Arc;
use std::time::Duration;

use super::super::actor::{Msg, SupervisorMsg};
use super::super::handle::{AddChildError, RootExit};
use super::super::options::{StopOrder, count};
use super::super::spec::Child;
use super::super::state::{Effect, Key};
use super::super::stop::{StopJob, await_end};
use super::Shell;
use crate::clock::timeout;
use crate::task::{TaskGuard, catch_panic};

impl Shell {
    pub(super) fn perform_all(&mut self) {
        let effects = self.machine.effects();
        self.perform(effects);
    }

    pub(super) fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start(key) => self.begin_start(key),
                Effect::Stop(key) => self.begin_stop(key),
                Effect::Delay(key, token, delay) => self.begin_pause(key, token, delay),
                Effect::Forget(key) => self.forget(key),
                Effect::Escalate(why) => {
                    count(&self.options.counters.escalations);
                    let supervisor = &*self.options.name;
                    tracing::error!(supervisor, why, "supervisor gives up");
                    drop(self.exit.set(RootExit::Failed(why)));
                    self.myself.stop(Some("too many restarts".to_owned()));
                }
            }
        }
    }

    /// The next start of a child as a future that owns all it needs.
    pub(super) fn prepare_start(
        &mut self,
        key: Key,
    ) -> Option<impl Future<Output = Result<Child, String>> + Send + 'static + use<>> {
        let name = Arc::clone(&self.machine.child(key)?.name);
        let entry = self.entries.get_mut(&key)?;
        entry.attempt += 1;
        let (predecessor, limit) = (entry.task.take(), entry.start_timeout);
        let start = entry.start.next(self.myself.get_cell());
        let clock = Arc::clone(&self.options.clock);
        Some(async move {
            if let Some(predecessor) = predecessor {
                await_end(clock.as_ref(), &name, predecessor).await;
            }
            let start = start.ok_or("it can be started only once")?;
            let start = catch_panic(start);
            let result = match limit {
                None => start.await,
                Some(limit) => timeout(clock.as_ref(), limit, start)
                    .await
                    .unwrap_or_else(|_| Err(format!("the start took longer than {limit:?}"))),
            };
            match result {
                Ok(Ok(child)) => Ok(child),
                Ok(Err(error)) => Err(error.to_string()),
                Err(panic) => Err(panic),
            }
        })
    }

    fn begin_start(&mut self, key: Key) {
        let Some(start) = self.prepare_start(key) else {
            return;
        };
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let (myself, attempt) = (self.myself.clone(), entry.attempt);
        entry.pause = None;
        entry.starting = Some(TaskGuard::spawn(async move {
            let result = start.await;
            drop(myself.cast(SupervisorMsg(Msg::StartDone { key, attempt })));
            result
        }));
        self.starts_under_way += 1;
    }

    fn begin_stop(&mut self, key: Key) {
        let Some(job) = self.stop_job(key) else {
            return;
        };
        let myself = self.myself.clone();
        let stopping = TaskGuard::spawn(async move {
            job.run().await;
            drop(myself.cast(SupervisorMsg(Msg::Stopped { key })));
        });
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.stopping = Some(stopping);
        }
    }

    fn stop_job(&mut self, key: Key) -> Option<StopJob> {
        let name = Arc::clone(&self.machine.child(key)?.name);
        let entry = self.entries.get_mut(&key)?;
        let starting = entry.starting.take();
        let task = entry.task.take();
        let job = StopJob {
            name,
            starting,
            running: entry.cell.clone().map(|cell| Child { cell, task }),
            shutdown: entry.shutdown,
            clock: Arc::clone(&self.options.clock),
            counters: Arc::clone(&self.options.counters),
        };
        if job.starting.is_some() {
            self.start_over();
        }
        Some(job)
    }

    fn begin_pause(&mut self, key: Key, token: u64, delay: Duration) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let (myself, clock) = (self.myself.clone(), Arc::clone(&self.options.clock));
        entry.pause = Some(TaskGuard::spawn(async move {
            clock.sleep(delay).await;
            drop(myself.cast(SupervisorMsg(Msg::DelayOver { key, token })));
        }));
    }

    fn forget(&mut self, key: Key) {
        let Some(entry) = self.entries.remove(&key) else {
            return;
        };
        if let Some(cell) = entry.cell {
            self.by_actor.remove(&cell.get_id());
        }
        entry
            .removed
            .into_iter()
            .for_each(|reply| drop(reply.send(true)));
        if let Some(added) = entry.added {
            let reason = "it was removed before it was up".to_owned();
            drop(added.send(Err(AddChildError::StartFailed {
                reason,
                retrying: false,
            })));
        }
    }

    /// Stops all children in the configured order and waits for their end.
    pub(crate) async fn stop_all(&mut self) {
        let keys: Vec<Key> = self.machine.children().map(|(key, _)| key).rev().collect();
        let mut jobs = Vec::new();
        for key in keys {
            let under_way = self
                .entries
                .get_mut(&key)
                .and_then(|entry| entry.stopping.take());
            let Some(job) = self.stop_job(key) else {
                continue;
            };
            let job = async move {
                match under_way {
                    Some(mut under_way) => drop(under_way.join().await),
                    None => job.run().await,
                }
            };
            match self.options.stop_order {
                StopOrder::Reverse => Box::pin(job).await,
                StopOrder::Concurrent => jobs.push(TaskGuard::spawn(job)),
            }
        }
        for mut job in jobs {
            job.join().await;
        }
        self.entries.clear();
    }
}
