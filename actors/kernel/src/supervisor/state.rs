//! The decisions of a supervisor: pure, told the time, known by tables.
//!
//! Events come in as calls, what is to be done piles up as [`Effect`]s. For the group strategies
//! (one for all, rest for one) the machine works like a thermostat: `dirty` says from which child
//! on all must come down; while it is set, the last one that is up is stopped, one at a time; then
//! the first one that is down is started, one at a time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::options::{Intensity, Strategy};
use super::spec::{Backoff, Restart};

mod child;
#[cfg(test)]
mod tests;

pub(crate) use child::ChildRecord;
use child::{Status, Then};

/// A child's number in the order of starting.
pub(crate) type Key = u64;

/// Something the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Begin a start; `started` or `start_failed` follows.
    Start(Key),
    /// Stop it, or abort its start; `stopped` follows.
    Stop(Key),
    /// Call `delay_over` with the same token after this time.
    Delay(Key, u64, Duration),
    /// It is no child any more.
    Forget(Key),
    /// The supervisor fails.
    Escalate(String),
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exit {
    Normal(Option<String>),
    Failure(String),
}

/// A supervisor's mind.
#[derive(Debug)]
pub(crate) struct Machine {
    strategy: Strategy,
    intensity: Intensity,
    children: BTreeMap<Key, ChildRecord>,
    names: HashMap<Arc<str>, Key>,
    next_key: Key,
    /// Times of the restarts within the window.
    restarts: VecDeque<Duration>,
    /// All from this one on must come down first.
    dirty: Option<Key>,
    escalated: bool,
    effects: Vec<Effect>,
}

impl Machine {
    pub(crate) fn new(strategy: Strategy, intensity: Intensity) -> Self {
        Self {
            strategy,
            intensity,
            children: BTreeMap::new(),
            names: HashMap::new(),
            next_key: 0,
            restarts: VecDeque::new(),
            dirty: None,
            escalated: false,
            effects: Vec::new(),
        }
    }

    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn len(&self) -> usize {
        self.children.len()
    }

    pub(crate) fn key_of(&self, name: &str) -> Option<Key> {
        self.names.get(name).copied()
    }

    pub(crate) fn child(&self, key: Key) -> Option<&ChildRecord> {
        self.children.get(&key)
    }

    /// All children in the order of starting.
    pub(crate) fn children(&self) -> impl DoubleEndedIterator<Item = (Key, &ChildRecord)> {
        self.children.iter().map(|(key, child)| (*key, child))
    }

    /// Adds a child that is down; `None` when the name is taken.
    pub(crate) fn add(
        &mut self,
        name: &Arc<str>,
        restart: Restart,
        backoff: Option<Backoff>,
        dynamic: bool,
    ) -> Option<Key> {
        if self.names.contains_key(name) {
            return None;
        }
        let key = self.next_key;
        self.next_key += 1;
        self.names.insert(Arc::clone(name), key);
        let child = ChildRecord {
            name: Arc::clone(name),
            restart,
            restarts: 0,
            last_exit: None,
            backoff,
            dynamic,
            status: Status::Down,
            was_up: false,
            up_since: Duration::ZERO,
            restarts_in_row: 0,
            delay_token: 0,
        };
        self.children.insert(key, child);
        Some(key)
    }

    /// Starts a child that is down, now or when its turn comes.
    pub(crate) fn bring_up(&mut self, key: Key) {
        match self.strategy {
            Strategy::OneForOne => self.launch(key),
            Strategy::OneForAll | Strategy::RestForOne => self.step(),
        }
    }

    fn launch(&mut self, key: Key) {
        if self.escalated {
            return;
        }
        if let Some(child) = self.children.get_mut(&key)
            && child.status == Status::Down
        {
            child.status = Status::Starting;
            self.effects.push(Effect::Start(key));
        }
    }

    pub(crate) fn started(&mut self, key: Key, now: Duration) {
        self.started_quietly(key, now);
        self.step_group();
    }

    /// Like `started`, but leaves the next start to the caller.
    pub(crate) fn started_quietly(&mut self, key: Key, now: Duration) {
        if let Some(child) = self.children.get_mut(&key)
            && child.status == Status::Starting
        {
            child.status = Status::Up;
            child.was_up = true;
            child.up_since = now;
        }
    }

    pub(crate) fn start_failed(&mut self, key: Key, why: &str, now: Duration) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        if child.status != Status::Starting {
            return;
        }
        child.note_exit(why);
        child.up_since = now;
        let never_up = child.dynamic && !child.was_up && child.backoff.is_none();
        if child.restart == Restart::Temporary || never_up {
            self.forget(key);
            self.step_group();
        } else {
            // Those before it are up and those behind it are down: nobody else is concerned.
            self.restart(key, why, now, false);
        }
    }

    pub(crate) fn exited(&mut self, key: Key, exit: &Exit, now: Duration) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        let why = match exit {
            Exit::Normal(reason) => reason.as_deref().unwrap_or("ended"),
            Exit::Failure(reason) => reason,
        };
        child.note_exit(why);
        if child.status != Status::Up {
            return;
        }
        match (child.restart, exit) {
            (Restart::Temporary, _) => self.forget(key),
            (Restart::Transient, Exit::Normal(_)) if child.dynamic => self.forget(key),
            (Restart::Transient, Exit::Normal(_)) => child.status = Status::Done,
            _ => self.restart(key, why, now, true),
        }
    }

    fn restart(&mut self, key: Key, why: &str, now: Duration, group: bool) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        child.restarts += 1;
        if let Some(backoff) = child.backoff {
            if now.saturating_sub(child.up_since) >= backoff.reset_after {
                child.restarts_in_row = 0;
            }
            child.restarts_in_row = child.restarts_in_row.saturating_add(1);
            if backoff
                .give_up_after
                .is_some_and(|most| child.restarts_in_row > most)
            {
                child.status = Status::Failed;
                self.step_group();
                return;
            }
            child.status = Status::Pausing;
            child.delay_token += 1;
            let delay = backoff.delay(child.restarts_in_row);
            self.effects
                .push(Effect::Delay(key, child.delay_token, delay));
        } else {
            child.status = Status::Down;
            if self.too_many_restarts(now) {
                self.escalate(key, why);
                return;
            }
        }
        match self.strategy {
            Strategy::OneForOne => self.launch(key),
            Strategy::OneForAll if group => self.soil(0),
            Strategy::RestForOne if group => self.soil(key),
            Strategy::OneForAll | Strategy::RestForOne => self.step(),
        }
    }

    fn too_many_restarts(&mut self, now: Duration) -> bool {
        let Intensity {
            max_restarts,
            window,
        } = self.intensity;
        self.restarts.push_back(now);
        while self
            .restarts
            .front()
            .is_some_and(|at| now.saturating_sub(*at) > window)
        {
            self.restarts.pop_front();
        }
        self.restarts.len() > max_restarts as usize
    }

    fn escalate(&mut self, key: Key, why: &str) {
        if self.escalated {
            return;
        }
        self.escalated = true;
        let name = self
            .children
            .get(&key)
            .map_or("a child", |child| &child.name);
        let Intensity {
            max_restarts,
            window,
        } = self.intensity;
        self.effects.push(Effect::Escalate(format!(
            "more than {max_restarts} restarts in {window:?}, the last one of '{name}': {why}"
        )));
    }

    fn soil(&mut self, from: Key) {
        self.dirty = Some(self.dirty.map_or(from, |dirty| dirty.min(from)));
        self.step();
    }

    fn step_group(&mut self) {
        if self.strategy != Strategy::OneForOne {
            self.step();
        }
    }

    /// The next move of a group strategy, if nothing is under way that must end first.
    fn step(&mut self) {
        if self.escalated {
            return;
        }
        if let Some(from) = self.dirty {
            let mut range = self.children.range_mut(from..);
            if range.any(|(_, child)| matches!(child.status, Status::Stopping(_))) {
                return;
            }
            let mut range = self.children.range_mut(from..).rev();
            let up = range.find(|(_, child)| matches!(child.status, Status::Up | Status::Starting));
            if let Some((key, child)) = up {
                child.status = Status::Stopping(Then::Wait);
                self.effects.push(Effect::Stop(*key));
                return;
            }
            for (_, child) in self.children.range_mut(from..) {
                if child.status == Status::Done {
                    child.status = Status::Down;
                }
            }
            self.dirty = None;
        }
        for (key, child) in &mut self.children {
            match child.status {
                Status::Up | Status::Done | Status::Failed => {}
                Status::Starting | Status::Stopping(_) | Status::Pausing => return,
                Status::Down => {
                    child.status = Status::Starting;
                    self.effects.push(Effect::Start(*key));
                    return;
                }
            }
        }
    }

    pub(crate) fn stopped(&mut self, key: Key) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        let Status::Stopping(then) = child.status else {
            return;
        };
        let gone = child.restart == Restart::Temporary && then == Then::Wait;
        child.status = Status::Down;
        if gone || then == Then::Remove {
            self.forget(key);
        } else if then == Then::Start {
            self.bring_up(key);
            return;
        }
        self.step_group();
    }

    pub(crate) fn delay_over(&mut self, key: Key, token: u64) {
        if let Some(child) = self.children.get_mut(&key)
            && child.status == Status::Pausing
            && child.delay_token == token
        {
            child.status = Status::Down;
            self.bring_up(key);
        }
    }

    /// Stops a child and forgets it.
    pub(crate) fn remove(&mut self, key: Key) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        match child.status {
            Status::Up | Status::Starting => {
                child.status = Status::Stopping(Then::Remove);
                self.effects.push(Effect::Stop(key));
            }
            Status::Stopping(_) => child.status = Status::Stopping(Then::Remove),
            Status::Down | Status::Pausing | Status::Done | Status::Failed => {
                self.forget(key);
                self.step_group();
            }
        }
    }

    /// Starts a child again on request: stops it first if it runs, and forgets earlier failures.
    pub(crate) fn restart_now(&mut self, key: Key) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        child.restarts_in_row = 0;
        match child.status {
            Status::Up => {
                child.status = Status::Stopping(Then::Start);
                self.effects.push(Effect::Stop(key));
            }
            Status::Pausing | Status::Done | Status::Failed | Status::Down => {
                child.status = Status::Down;
                self.bring_up(key);
            }
            Status::Starting | Status::Stopping(_) => {}
        }
    }

    fn forget(&mut self, key: Key) {
        if let Some(child) = self.children.remove(&key) {
            self.names.remove(&child.name);
            self.effects.push(Effect::Forget(key));
        }
    }
}
