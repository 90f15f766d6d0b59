//! What a supervisor's machine remembers of one child.

use std::sync::Arc;
use std::time::Duration;

use crate::supervisor::spec::{Backoff, Restart};
use crate::supervisor::tree::ChildState;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Down until the group is started again.
    Wait,
    Remove,
    Start,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Down,
    Starting,
    Up,
    Stopping(Then),
    /// Down until a delay is over.
    Pausing,
    /// Ended normally, not to be restarted.
    Done,
    /// Given up.
    Failed,
}

/// What the machine knows of a child.
#[derive(Debug)]
pub(crate) struct ChildRecord {
    pub(crate) name: Arc<str>,
    pub(crate) restart: Restart,
    pub(crate) restarts: u64,
    pub(crate) last_exit: Option<Arc<str>>,
    pub(super) backoff: Option<Backoff>,
    /// Added later on: forgotten when it is done or its first start fails.
    pub(super) dynamic: bool,
    pub(super) status: Status,
    pub(super) was_up: bool,
    pub(super) up_since: Duration,
    pub(super) restarts_in_row: u32,
    pub(super) delay_token: u64,
}

impl ChildRecord {
    pub(crate) fn state(&self) -> ChildState {
        match self.status {
            Status::Down => ChildState::Down,
            Status::Starting => ChildState::Starting,
            Status::Up => ChildState::Running,
            Status::Stopping(_) => ChildState::Stopping,
            Status::Pausing => ChildState::BackingOff,
            Status::Done => ChildState::Done,
            Status::Failed => ChildState::Failed,
        }
    }

    pub(crate) fn has_backoff(&self) -> bool {
        self.backoff.is_some()
    }

    pub(super) fn note_exit(&mut self, why: &str) {
        const MAX_CHARS: usize = 300;
        self.last_exit = Some(why.chars().take(MAX_CHARS).collect::<String>().into());
    }
}
