//! What others hold of a supervisor.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ractor::{ActorCell, ActorRef};
use tokio::task::JoinHandle;

use super::actor::{Msg, SupervisorMsg};
use super::spec::ChildSpec;
use super::tree::{ChildInfo, SupervisionNode};
use crate::clock::SharedClock;
use crate::slot::{Slot, SlotError};

/// Why a child was not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddChildError {
    /// A child of this name exists.
    #[error("a child of this name exists")]
    NameTaken,
    /// The supervisor has all the children it may have.
    #[error("the supervisor has too many children")]
    TooManyChildren,
    /// Its start failed.
    #[error("the start failed: {reason}")]
    StartFailed {
        /// What the start function said.
        reason: String,
        /// Whether the child is kept and tried again.
        retrying: bool,
    },
    /// The supervisor is not running, or ended meanwhile.
    #[error("the supervisor is not running")]
    Unavailable,
}

/// Reaches a supervisor through its restarts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    slot: Slot<SupervisorMsg>,
}

impl SupervisorHandle {
    /// A handle to a supervisor that will be started with it.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            slot: Slot::new(clock),
        }
    }

    pub(crate) fn publish(&self, actor: ActorRef<SupervisorMsg>) {
        self.slot.publish(actor);
    }

    /// The slot behind it: the supervisor's cell, or waiting until it runs.
    pub fn slot(&self) -> &Slot<SupervisorMsg> {
        &self.slot
    }

    /// Adds a child behind all others and waits until it has started. Giving up the wait does not
    /// take the request back.
    ///
    /// # Errors
    /// See [`AddChildError`]. Unless it says `retrying`, the child is not kept.
    pub async fn add_child(&self, spec: ChildSpec) -> Result<ActorCell, AddChildError> {
        let spec = Box::new(spec);
        let build = |reply| {
            SupervisorMsg(Msg::Add {
                spec,
                reply: Some(reply),
            })
        };
        self.slot
            .call_unbounded(build)
            .await
            .map_err(|_| AddChildError::Unavailable)?
    }

    /// Adds a child without waiting; a refusal or a failed start is logged.
    ///
    /// # Errors
    /// [`SlotError::Unavailable`] when the supervisor is not running.
    pub fn add_child_later(&self, spec: ChildSpec) -> Result<(), SlotError> {
        self.slot.cast(SupervisorMsg(Msg::Add {
            spec: Box::new(spec),
            reply: None,
        }))
    }

    /// Stops and forgets a child, and waits for its end; whether there was one. Giving up the wait
    /// does not take the request back.
    ///
    /// # Errors
    /// [`SlotError::Unavailable`] or [`SlotError::NoReply`] when the supervisor is not running.
    pub async fn remove_child(&self, name: &str) -> Result<bool, SlotError> {
        let name = Arc::from(name);
        self.slot
            .call_unbounded(|reply| SupervisorMsg(Msg::Remove { name, reply }))
            .await
    }

    /// Starts a child again, also one that has given up; whether there is one. Does not wait for
    /// the start.
    ///
    /// # Errors
    /// [`SlotError::Unavailable`] or [`SlotError::NoReply`] when the supervisor is not running.
    pub async fn restart_child(&self, name: &str) -> Result<bool, SlotError> {
        let name = Arc::from(name);
        self.slot
            .call_unbounded(|reply| SupervisorMsg(Msg::Restart { name, reply }))
            .await
    }

    /// The children in the order of starting, at most `limit`, and how many there are.
    ///
    /// # Errors
    /// [`SlotError::Unavailable`] or [`SlotError::NoReply`] when the supervisor is not running.
    pub async fn which_children(&self, limit: usize) -> Result<(Vec<ChildInfo>, usize), SlotError> {
        self.slot
            .call_unbounded(|reply| SupervisorMsg(Msg::Children { limit, reply }))
            .await
    }

    /// The tree from this supervisor on, with at most `limit` children of each supervisor.
    /// A nested supervisor that does not answer within a second is shown without its children.
    ///
    /// # Errors
    /// See [`SlotError`].
    pub async fn tree(
        &self,
        limit: usize,
        deadline: Duration,
    ) -> Result<SupervisionNode, SlotError> {
        self.slot
            .call(|reply| SupervisorMsg(Msg::Tree { limit, reply }), deadline)
            .await
    }

    /// Kills the actor at a path of names below this supervisor, such as `Roles/BrokerActor`, where it
    /// stands: for showing that its supervisor copes. Whether there is such an actor.
    ///
    /// # Errors
    /// See [`SlotError`].
    pub async fn kill(&self, path: &str, deadline: Duration) -> Result<bool, SlotError> {
        let path = path.split('/').map(Arc::from).collect();
        self.slot
            .call(|reply| SupervisorMsg(Msg::Kill { path, reply }), deadline)
            .await
    }

    /// Asks the supervisor to stop its children and itself; does not wait.
    pub fn stop(&self) {
        if let Some(actor) = self.slot.get() {
            actor.stop(Some("shutdown".to_owned()));
        }
    }
}

/// How a root supervisor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootExit {
    /// It was stopped.
    Stopped,
    /// It gave up, panicked or was killed.
    Failed(String),
}

/// The top of a supervision tree. Dropping it asks the tree to stop.
#[derive(Debug)]
pub struct RootSupervisor {
    handle: SupervisorHandle,
    cell: ActorCell,
    task: JoinHandle<()>,
    exit: Arc<OnceLock<RootExit>>,
}

impl RootSupervisor {
    pub(crate) fn new(
        handle: SupervisorHandle,
        actor: ActorCell,
        task: JoinHandle<()>,
        exit: Arc<OnceLock<RootExit>>,
    ) -> Self {
        Self {
            handle,
            cell: actor,
            task,
            exit,
        }
    }

    /// The supervisor's handle.
    pub fn handle(&self) -> &SupervisorHandle {
        &self.handle
    }

    /// Waits until the tree has ended. Cancel safe; once it has returned it must not be called
    /// again.
    pub async fn ended(&mut self) -> RootExit {
        drop((&mut self.task).await);
        let killed = || RootExit::Failed("it was killed or has panicked".to_owned());
        self.exit.get().cloned().unwrap_or_else(killed)
    }

    /// Stops the tree in order and waits for its end.
    pub async fn shutdown(mut self) -> RootExit {
        self.handle.stop();
        self.ended().await
    }
}

impl Drop for RootSupervisor {
    fn drop(&mut self) {
        self.cell.stop(Some("shutdown".to_owned()));
    }
}
