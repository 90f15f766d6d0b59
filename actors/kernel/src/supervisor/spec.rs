//! What a child is: its name, how to start it, when to restart it, how long it may take to stop.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorRef};
use tokio::task::JoinHandle;

use crate::slot::Slot;

/// When a child that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// After a failure, not after a normal end.
    Transient,
    /// Never; once it has ended it is forgotten.
    Temporary,
}

/// How a child is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// It is asked to stop and killed after this time.
    After(Duration),
    /// It is asked to stop and waited for without limit. Right for supervisors.
    Unlimited,
    /// It is killed at once; its `post_stop` does not run.
    Kill,
}

/// Growing pauses between the restarts of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure; doubled with each further one.
    pub initial: Duration,
    /// The longest pause.
    pub max: Duration,
    /// A child that ran this long starts over with the initial pause.
    pub reset_after: Duration,
    /// After this many restarts in a row the child is left alone as failed.
    pub give_up_after: Option<u32>,
}

impl Backoff {
    /// From `initial` to `max`, for ever; reset by a run of twice `max`.
    pub fn new(initial: Duration, max: Duration) -> Self {
        Self {
            initial,
            max,
            reset_after: max.saturating_mul(2),
            give_up_after: None,
        }
    }

    /// Giving up after `restarts` in a row.
    #[must_use]
    pub fn give_up_after(mut self, restarts: u32) -> Self {
        self.give_up_after = Some(restarts);
        self
    }

    /// The pause before restart number `restart` (from 1).
    pub fn delay(&self, restart: u32) -> Duration {
        let factor = 1u32
            .checked_shl(restart.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.max)
    }
}

/// Why a start failed.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// A started child: what its spawn returned.
#[derive(Debug)]
pub struct Child {
    pub(crate) cell: ActorCell,
    /// Ends when the actor's state is dropped. Without it a successor may be started earlier.
    pub(crate) task: Option<JoinHandle<()>>,
}

impl<M> From<(ActorRef<M>, JoinHandle<()>)> for Child {
    fn from((actor, task): (ActorRef<M>, JoinHandle<()>)) -> Self {
        Self {
            cell: actor.get_cell(),
            task: Some(task),
        }
    }
}

impl<M> From<ActorRef<M>> for Child {
    fn from(actor: ActorRef<M>) -> Self {
        Self {
            cell: actor.get_cell(),
            task: None,
        }
    }
}

impl From<ActorCell> for Child {
    fn from(cell: ActorCell) -> Self {
        Self { cell, task: None }
    }
}

type Started = Pin<Box<dyn Future<Output = Result<Child, StartError>> + Send>>;

/// Starts the child once, or as often as it takes.
pub(crate) enum StartFn {
    Once(Option<Box<dyn FnOnce(ActorCell) -> Started + Send>>),
    Many(Arc<dyn Fn(ActorCell) -> Started + Send + Sync>),
}

impl StartFn {
    /// The next start, to be run; `None` when it can be started only once and was.
    pub(crate) fn next(&mut self, parent: ActorCell) -> Option<Started> {
        match self {
            Self::Once(start) => start
                .take()
                .map(|start| -> Started { Box::pin(async { start(parent).await }) }),
            Self::Many(start) => {
                let start = Arc::clone(start);
                Some(Box::pin(async move { start(parent).await }))
            }
        }
    }
}

/// A child to be supervised.
///
/// The start function gets the supervisor's cell and spawns the actor linked to it, as the last
/// thing it awaits; see the module documentation.
pub struct ChildSpec {
    pub(crate) name: Arc<str>,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) start: StartFn,
}

impl ChildSpec {
    /// A child that can be restarted: `start` is called for each start. It has 5 s to stop.
    pub fn new<S, F, C>(name: impl Into<Arc<str>>, restart: Restart, start: S) -> Self
    where
        S: Fn(ActorCell) -> F + Send + Sync + 'static,
        F: Future<Output = Result<C, StartError>> + Send + 'static,
        C: Into<Child>,
    {
        let start = move |parent| -> Started {
            let started = start(parent);
            Box::pin(async move { Ok(started.await?.into()) })
        };
        Self::build(name.into(), restart, StartFn::Many(Arc::new(start)))
    }

    /// A child that runs once: `start` may own what cannot be cloned (a socket).
    pub fn temporary<S, F, C>(name: impl Into<Arc<str>>, start: S) -> Self
    where
        S: FnOnce(ActorCell) -> F + Send + 'static,
        F: Future<Output = Result<C, StartError>> + Send + 'static,
        C: Into<Child>,
    {
        let start = move |parent| -> Started {
            let started = start(parent);
            Box::pin(async move { Ok(started.await?.into()) })
        };
        let start = StartFn::Once(Some(Box::new(start)));
        Self::build(name.into(), Restart::Temporary, start)
    }

    /// An actor that `make` constructs for each start and that is published in `slot`.
    pub fn actor<A: Actor>(
        name: impl Into<Arc<str>>,
        restart: Restart,
        slot: &Slot<A::Msg>,
        make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static,
    ) -> Self {
        let slot = slot.clone();
        Self::new(name, restart, move |parent| {
            let (slot, (actor, arguments)) = (slot.clone(), make());
            async move {
                let (actor, task) = A::spawn_linked(None, actor, arguments, parent).await?;
                slot.publish(actor.clone());
                Ok((actor, task))
            }
        })
    }

    fn build(name: Arc<str>, restart: Restart, start: StartFn) -> Self {
        let shutdown = Shutdown::After(Duration::from_secs(5));
        Self {
            name,
            restart,
            shutdown,
            start_timeout: None,
            backoff: None,
            start,
        }
    }

    /// Stopped this way.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// Restarted after growing pauses, without using up the supervisor's intensity.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// A start that takes longer has failed. By default a start may take as long as it wants.
    #[must_use]
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.start_timeout = Some(limit);
        self
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("name", &self.name)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}
