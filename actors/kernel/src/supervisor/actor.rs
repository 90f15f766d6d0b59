//! The supervising actor: turns messages and supervision events into calls on the shell.

use std::fmt;
use std::sync::{Arc, OnceLock};

use ractor::{
    Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent,
};

use super::handle::{AddChildError, RootExit, RootSupervisor, SupervisorHandle};
use super::options::SupervisorOptions;
use super::shell::Shell;
use super::spec::{ChildSpec, Restart, Shutdown, StartError};
use super::state::{Exit, Key};
use super::tree::{ChildInfo, SupervisionNode};

/// Starts supervisors.
#[derive(Debug, Clone, Copy)]
pub struct Supervisor;

impl Supervisor {
    /// Starts the top of a tree and all its children, in order.
    ///
    /// # Errors
    /// When a child without a back-off fails to start; those started before are stopped again.
    pub async fn start_root(
        options: SupervisorOptions,
        children: Vec<ChildSpec>,
    ) -> Result<RootSupervisor, StartError> {
        let handle = SupervisorHandle::new(Arc::clone(&options.clock));
        Self::start_root_as(handle, options, children).await
    }

    /// Like [`Supervisor::start_root`], for a tree whose children hold the handle to its top.
    ///
    /// # Errors
    /// As [`Supervisor::start_root`].
    pub async fn start_root_as(
        handle: SupervisorHandle,
        options: SupervisorOptions,
        children: Vec<ChildSpec>,
    ) -> Result<RootSupervisor, StartError> {
        let exit = Arc::new(OnceLock::new());
        let arguments = Arguments {
            options,
            children,
            exit: Arc::clone(&exit),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the root of the tree has no supervisor"
        )]
        let (actor, task) = Actor::spawn(None, SupervisorActor, arguments).await?;
        handle.publish(actor.clone());
        Ok(RootSupervisor::new(handle, actor.get_cell(), task, exit))
    }

    /// A supervisor as a child of another one. `children` makes its children anew for each start;
    /// `handle` (from [`SupervisorHandle::new`]) reaches whichever incarnation is alive.
    pub fn child(
        handle: &SupervisorHandle,
        options: SupervisorOptions,
        restart: Restart,
        children: impl Fn() -> Vec<ChildSpec> + Send + Sync + 'static,
    ) -> ChildSpec {
        let (handle, name) = (handle.clone(), Arc::clone(&options.name));
        let spec = ChildSpec::new(name, restart, move |parent| {
            let handle = handle.clone();
            let (options, children) = (options.clone(), children());
            let arguments = Arguments {
                options,
                children,
                exit: Arc::default(),
            };
            async move {
                let (actor, task) =
                    Actor::spawn_linked(None, SupervisorActor, arguments, parent).await?;
                handle.publish(actor.clone());
                Ok((actor, task))
            }
        });
        spec.shutdown(Shutdown::Unlimited)
    }
}

/// What a supervisor is sent; opaque, see [`SupervisorHandle`].
pub struct SupervisorMsg(pub(crate) Msg);

impl ractor::Message for SupervisorMsg {}

impl fmt::Debug for SupervisorMsg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SupervisorMsg")
    }
}

/// Answers a request to add a child.
pub(crate) type Added = RpcReplyPort<Result<ActorCell, AddChildError>>;

pub(crate) enum Msg {
    /// Add and start a child.
    Add {
        spec: Box<ChildSpec>,
        reply: Option<Added>,
    },
    /// Stop and forget a child; answers whether there was one, after it has ended.
    Remove {
        name: Arc<str>,
        reply: RpcReplyPort<bool>,
    },
    /// Start a child again now; answers whether there is one.
    Restart {
        name: Arc<str>,
        reply: RpcReplyPort<bool>,
    },
    /// The children in the order of starting, at most `limit`, and how many there are.
    Children {
        limit: usize,
        reply: RpcReplyPort<(Vec<ChildInfo>, usize)>,
    },
    /// The tree from here on, at most `limit` children of each supervisor.
    Tree {
        limit: usize,
        reply: RpcReplyPort<SupervisionNode>,
    },
    /// Kill the actor at a path of names below here; answers whether there is one.
    Kill {
        path: Vec<Arc<str>>,
        reply: RpcReplyPort<bool>,
    },
    /// The task of a start has ended.
    StartDone { key: Key, attempt: u64 },
    /// The task that stopped a child has ended.
    Stopped { key: Key },
    /// A back-off has passed.
    DelayOver { key: Key, token: u64 },
    /// This incarnation may have ended before we knew it: if its exit was not seen, it is lost.
    CheckAlive { key: Key, id: ActorId },
}

/// The actor itself: it has no state of its own.
pub(crate) struct SupervisorActor;

pub(crate) struct Arguments {
    options: SupervisorOptions,
    children: Vec<ChildSpec>,
    /// How it ended, for whoever waits for a root.
    exit: Arc<OnceLock<RootExit>>,
}

#[ractor::async_trait]
impl Actor for SupervisorActor {
    type Msg = SupervisorMsg;
    type State = Shell;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMsg>,
        arguments: Arguments,
    ) -> Result<Shell, ActorProcessingErr> {
        let Arguments {
            options,
            children,
            exit,
        } = arguments;
        let mut shell = Shell::new(options, myself, exit);
        match shell.start_all(children).await {
            Ok(()) => Ok(shell),
            Err(error) => {
                shell.stop_all().await;
                Err(error)
            }
        }
    }

    async fn handle(
        &self,
        _myself: ActorRef<SupervisorMsg>,
        message: SupervisorMsg,
        shell: &mut Shell,
    ) -> Result<(), ActorProcessingErr> {
        match message.0 {
            Msg::Add { spec, reply } => shell.add(*spec, reply),
            Msg::Remove { name, reply } => shell.remove(&name, reply),
            Msg::Restart { name, reply } => shell.restart(&name, reply),
            Msg::Children { limit, reply } => drop(reply.send(shell.children(limit))),
            Msg::Tree { limit, reply } => shell.tree(limit, reply),
            Msg::Kill { path, reply } => shell.kill(path, reply),
            Msg::StartDone { key, attempt } => shell.start_done(key, attempt).await,
            Msg::Stopped { key } => shell.stopped(key),
            Msg::DelayOver { key, token } => shell.delay_over(key, token),
            Msg::CheckAlive { key, id } => shell.check_alive(key, id),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<SupervisorMsg>,
        event: SupervisionEvent,
        shell: &mut Shell,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(cell, state, reason) => {
                // Whatever the child held must be free before its successor starts.
                drop(state);
                let exit = match reason.as_deref() {
                    Some(why @ ("killed" | "actor_task_cancelled")) => Exit::Failure(why.into()),
                    _ => Exit::Normal(reason),
                };
                shell.exited(cell.get_id(), exit);
            }
            SupervisionEvent::ActorFailed(cell, error) => {
                shell.exited(cell.get_id(), Exit::Failure(error.to_string()));
            }
            _ => {}
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<SupervisorMsg>,
        shell: &mut Shell,
    ) -> Result<(), ActorProcessingErr> {
        shell.stop_all().await;
        match shell.exit() {
            RootExit::Failed(why) => Err(why.into()),
            RootExit::Stopped => Ok(()),
        }
    }
}
