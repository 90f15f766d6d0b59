//! A supervisor's books: which actor is which child, and what of an event goes to the machine.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ractor::{ActorCell, ActorId, ActorRef, ActorStatus, RpcReplyPort};
use tokio::task::JoinHandle;

use super::actor::{Added, Msg, SupervisorMsg};
use super::handle::{AddChildError, RootExit};
use super::options::{SupervisorOptions, count};
use super::spec::{Child, ChildSpec, Shutdown, StartError, StartFn};
use super::state::{Effect, Exit, Key, Machine};
use crate::task::TaskGuard;

mod hands;
mod picture;

/// Exits kept for children whose start is not finished yet. Beyond it the reason of such an exit
/// is lost, not the exit.
const MAX_EARLY_EXITS: usize = 4096;

/// What only the shell needs to know of a child.
struct Entry {
    start: StartFn,
    start_timeout: Option<Duration>,
    shutdown: Shutdown,
    /// Tells the results of an aborted start from those of its successor.
    attempt: u64,
    starting: Option<TaskGuard<Result<Child, String>>>,
    cell: Option<ActorCell>,
    /// The task of the current or last incarnation.
    task: Option<JoinHandle<()>>,
    stopping: Option<TaskGuard<()>>,
    pause: Option<TaskGuard<()>>,
    added: Option<Added>,
    removed: Vec<RpcReplyPort<bool>>,
}

/// A supervisor's state.
pub(crate) struct Shell {
    options: SupervisorOptions,
    myself: ActorRef<SupervisorMsg>,
    machine: Machine,
    entries: HashMap<Key, Entry>,
    by_actor: HashMap<ActorId, Key>,
    /// Starts whose result was not handled yet, and exits that may belong to them.
    starts_under_way: usize,
    early_exits: HashMap<ActorId, Exit>,
    exit: Arc<OnceLock<RootExit>>,
}

impl Shell {
    pub(crate) fn new(
        options: SupervisorOptions,
        myself: ActorRef<SupervisorMsg>,
        exit: Arc<OnceLock<RootExit>>,
    ) -> Self {
        let machine = Machine::new(options.strategy, options.intensity);
        Self {
            options,
            myself,
            machine,
            entries: HashMap::new(),
            by_actor: HashMap::new(),
            starts_under_way: 0,
            early_exits: HashMap::new(),
            exit,
        }
    }

    /// How the supervisor ends: stopped, if it has not given up before.
    pub(crate) fn exit(&self) -> RootExit {
        self.exit.get_or_init(|| RootExit::Stopped).clone()
    }

    fn now(&self) -> Duration {
        self.options.clock.monotonic()
    }

    /// The first start of all children, one after the other. One with a back-off that fails is
    /// tried again later; in a group those behind it wait for it.
    pub(crate) async fn start_all(&mut self, specs: Vec<ChildSpec>) -> Result<(), StartError> {
        let mut keys = Vec::with_capacity(specs.len());
        for spec in specs {
            let name = Arc::clone(&spec.name);
            let key = self.insert(spec, false, None);
            keys.push(key.ok_or_else(|| format!("two children are called '{name}'"))?);
        }
        for key in keys {
            self.machine.bring_up(key);
            // In a group a failed one is in the way: the machine goes on when its pause is over.
            let effects = self.machine.effects();
            if !effects.contains(&Effect::Start(key)) {
                self.perform(effects);
                continue;
            }
            let Some(start) = self.prepare_start(key) else {
                continue;
            };
            match start.await {
                Ok(child) => {
                    self.install(key, child);
                    let now = self.now();
                    self.machine.started_quietly(key, now);
                }
                Err(why) => {
                    let child = self.machine.child(key);
                    if child.is_none_or(|child| !child.has_backoff()) {
                        let name = child.map_or("", |child| &*child.name);
                        return Err(format!("'{name}' failed to start: {why}").into());
                    }
                    self.start_failed(key, &why);
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, spec: ChildSpec, dynamic: bool, added: Option<Added>) -> Option<Key> {
        let key = self
            .machine
            .add(&spec.name, spec.restart, spec.backoff, dynamic)?;
        let entry = Entry {
            start: spec.start,
            start_timeout: spec.start_timeout,
            shutdown: spec.shutdown,
            attempt: 0,
            starting: None,
            cell: None,
            task: None,
            stopping: None,
            pause: None,
            added,
            removed: Vec::new(),
        };
        self.entries.insert(key, entry);
        Some(key)
    }

    pub(crate) fn add(&mut self, spec: ChildSpec, reply: Option<Added>) {
        let refusal = if self.machine.len() >= self.options.max_children {
            Some(AddChildError::TooManyChildren)
        } else if self.machine.key_of(&spec.name).is_some() {
            Some(AddChildError::NameTaken)
        } else {
            None
        };
        match (refusal, reply) {
            (Some(refusal), Some(reply)) => drop(reply.send(Err(refusal))),
            (Some(refusal), None) => {
                let supervisor = &*self.options.name;
                tracing::warn!(supervisor, child = %spec.name, %refusal, "child refused");
            }
            (None, reply) => {
                if let Some(key) = self.insert(spec, true, reply) {
                    self.machine.bring_up(key);
                    self.perform_all();
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, name: &str, reply: RpcReplyPort<bool>) {
        let Some(key) = self.machine.key_of(name) else {
            return drop(reply.send(false));
        };
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.removed.push(reply);
        }
        self.machine.remove(key);
        self.perform_all();
    }

    pub(crate) fn restart(&mut self, name: &str, reply: RpcReplyPort<bool>) {
        let key = self.machine.key_of(name);
        drop(reply.send(key.is_some()));
        if let Some(key) = key {
            self.machine.restart_now(key);
            self.perform_all();
        }
    }

    pub(crate) async fn start_done(&mut self, key: Key, attempt: u64) {
        let Some(entry) = self
            .entries
            .get_mut(&key)
            .filter(|entry| entry.attempt == attempt)
        else {
            return;
        };
        // Without the task, a stop has taken it over.
        let Some(mut task) = entry.starting.take() else {
            return;
        };
        match task
            .join()
            .await
            .unwrap_or_else(|| Err("the start was aborted".to_owned()))
        {
            Ok(child) => {
                let id = self.install(key, child);
                let now = self.now();
                self.machine.started(key, now);
                if let Some(exit) = self.early_exits.remove(&id) {
                    self.exited(id, exit);
                }
                self.perform_all();
            }
            Err(why) => self.start_failed(key, &why),
        }
        self.start_over();
    }

    fn start_over(&mut self) {
        self.starts_under_way = self.starts_under_way.saturating_sub(1);
        if self.starts_under_way == 0 {
            self.early_exits.clear();
        }
    }

    /// Takes a started actor in.
    fn install(&mut self, key: Key, child: Child) -> ActorId {
        count(&self.options.counters.starts);
        let id = child.cell.get_id();
        let is_ours = |cell: &ActorCell| {
            cell.try_get_supervisor()
                .is_some_and(|own| own.get_id() == self.myself.get_id())
        };
        if !is_ours(&child.cell) {
            child.cell.link(self.myself.get_cell());
        }
        if child.cell.get_status() >= ActorStatus::Draining || !is_ours(&child.cell) {
            // Its exit may have been handled already, or never come: look again once all
            // supervision events that are queued now are handled.
            drop(self.myself.cast(SupervisorMsg(Msg::CheckAlive { key, id })));
        }
        self.by_actor.insert(id, key);
        if let Some(entry) = self.entries.get_mut(&key) {
            if let Some(reply) = entry.added.take() {
                drop(reply.send(Ok(child.cell.clone())));
            }
            entry.cell = Some(child.cell);
            entry.task = child.task;
        }
        if let Some(record) = self.machine.child(key) {
            let supervisor = &*self.options.name;
            tracing::debug!(supervisor, child = %record.name, actor = %id, "child started");
        }
        id
    }

    fn start_failed(&mut self, key: Key, why: &str) {
        count(&self.options.counters.failed_starts);
        let supervisor = &*self.options.name;
        let Some(record) = self.machine.child(key) else {
            return;
        };
        tracing::warn!(supervisor, child = %record.name, why, "child failed to start");
        let restarts = record.restarts;
        let now = self.now();
        self.machine.start_failed(key, why, now);
        self.count_restart(key, restarts);
        let retrying = self.machine.child(key).is_some();
        if let Some(reply) = self
            .entries
            .get_mut(&key)
            .and_then(|entry| entry.added.take())
        {
            let reason = why.to_owned();
            drop(reply.send(Err(AddChildError::StartFailed { reason, retrying })));
        }
        self.perform_all();
    }

    fn count_restart(&self, key: Key, before: u64) {
        if self
            .machine
            .child(key)
            .is_some_and(|record| record.restarts > before)
        {
            count(&self.options.counters.restarts);
        }
    }

    pub(crate) fn exited(&mut self, id: ActorId, exit: Exit) {
        let Some(key) = self.by_actor.remove(&id) else {
            if self.starts_under_way > 0 && self.early_exits.len() < MAX_EARLY_EXITS {
                self.early_exits.insert(id, exit);
            }
            return;
        };
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.cell = None;
        }
        let Some(record) = self.machine.child(key) else {
            return;
        };
        let (supervisor, restarts) = (&*self.options.name, record.restarts);
        match &exit {
            Exit::Normal(reason) => {
                count(&self.options.counters.exits);
                let why = reason.as_deref().unwrap_or("");
                tracing::debug!(supervisor, child = %record.name, actor = %id, why, "child ended");
            }
            Exit::Failure(why) => {
                count(&self.options.counters.failures);
                tracing::warn!(supervisor, child = %record.name, actor = %id, why, "child failed");
            }
        }
        let now = self.now();
        self.machine.exited(key, &exit, now);
        self.count_restart(key, restarts);
        self.perform_all();
    }

    pub(crate) fn check_alive(&mut self, key: Key, id: ActorId) {
        if self.by_actor.get(&id) == Some(&key) {
            self.exited(id, Exit::Failure("ended unseen".to_owned()));
        }
    }

    pub(crate) fn stopped(&mut self, key: Key) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.stopping = None;
            if let Some(cell) = entry.cell.take() {
                self.by_actor.remove(&cell.get_id());
            }
        }
        self.machine.stopped(key);
        self.perform_all();
    }

    pub(crate) fn delay_over(&mut self, key: Key, token: u64) {
        self.machine.delay_over(key, token);
        self.perform_all();
    }
}
