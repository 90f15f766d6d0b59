//! The picture of a supervision tree, for people and consoles.

use std::sync::Arc;

use ractor::ActorId;

use super::spec::Restart;

/// What a child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// Not started yet, or waiting for its turn in a restart of its group.
    Down,
    /// Its start is under way.
    Starting,
    /// It runs.
    Running,
    /// It was asked to stop.
    Stopping,
    /// It failed and waits for its back-off to pass.
    BackingOff,
    /// It ended normally and is not to be restarted.
    Done,
    /// It failed too often in a row and is left alone.
    Failed,
}

/// A child as its supervisor knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildInfo {
    /// Its name, unique under its supervisor.
    pub name: Arc<str>,
    /// When it is restarted.
    pub restart: Restart,
    /// What it is doing.
    pub state: ChildState,
    /// The current incarnation, if one runs.
    pub actor_id: Option<ActorId>,
    /// How often it was started again.
    pub restarts: u64,
    /// Why the last incarnation ended or a start failed.
    pub last_exit: Option<Arc<str>>,
}

/// A supervisor or another actor in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisionNode {
    /// Its name.
    pub name: Arc<str>,
    /// The current incarnation, if one runs.
    pub actor_id: Option<ActorId>,
    /// What it is doing.
    pub state: ChildState,
    /// How often it was started again.
    pub restarts: u64,
    /// Why the last incarnation ended or a start failed.
    pub last_exit: Option<Arc<str>>,
    /// Its children in the order of starting; empty for actors that are no supervisors.
    pub children: Vec<SupervisionNode>,
    /// Children left out because there are too many, or because the supervisor did not answer.
    pub omitted: usize,
}

impl From<ChildInfo> for SupervisionNode {
    fn from(info: ChildInfo) -> Self {
        Self {
            name: info.name,
            actor_id: info.actor_id,
            state: info.state,
            restarts: info.restarts,
            last_exit: info.last_exit,
            children: Vec::new(),
            omitted: 0,
        }
    }
}
