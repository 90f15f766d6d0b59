//! Mover: moves replicas from one log directory of this node to another.
//!
//! - **Supervised by** `Ground`; permanent. A restart finds what is to be moved in the log directories.
//! - **Owns** nothing: what is to be moved is there as copies that grow, which [`LogManager`] knows.
//! - **Receives** only its own message: go on.
//!
//! Leaders and followers notice nothing but the moment in which their log changes its directory.

use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::{Blocking, SharedClock, TaskGuard, Waiter, spawn};
use odeon_log::{LogManager, Move, MoveStep};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::quota::BrokerQuota;

/// Bytes that are copied of one log before it is the next one's turn.
const STEP_BYTES: usize = 256 << 10;
/// Until a writer is tried again that was busy.
const BUSY: Duration = Duration::from_millis(1);
/// Until a move is tried again that failed.
const RETRY: Duration = Duration::from_secs(1);

/// The actor. See the module.
#[derive(Debug)]
pub struct Mover;

/// What it is started with.
#[derive(Debug, Clone)]
pub struct MoverArguments {
    /// The log directories.
    pub logs: Arc<LogManager>,
    /// Bounds what is copied.
    pub quota: Arc<BrokerQuota>,
    /// Where copying is done.
    pub blocking: Blocking,
    /// Time.
    pub clock: SharedClock,
}

/// What it understands: only its own message.
#[derive(Debug)]
pub enum MoverMsg {
    /// There may be something to move.
    Step,
}

impl ractor::Message for MoverMsg {}

/// A running Mover.
#[derive(Debug)]
pub struct MoverState {
    arguments: MoverArguments,
    /// A step is arranged.
    is_arranged: bool,
    _watching: TaskGuard<()>,
}

#[ractor::async_trait]
impl Actor for Mover {
    type Msg = MoverMsg;
    type State = MoverState;
    type Arguments = MoverArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<MoverMsg>,
        arguments: MoverArguments,
    ) -> Result<MoverState, ActorProcessingErr> {
        let logs = arguments.logs.clone();
        let watching = TaskGuard::spawn(async move {
            let mut waiter = Waiter::new();
            waiter.register(logs.moves_begin());
            while myself.cast(MoverMsg::Step).is_ok() {
                waiter.wait().await;
            }
        });
        Ok(MoverState {
            arguments,
            is_arranged: false,
            _watching: watching,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<MoverMsg>,
        MoverMsg::Step: MoverMsg,
        state: &mut MoverState,
    ) -> Result<(), ActorProcessingErr> {
        state.is_arranged = false;
        if let Some(pause) = state.step().await {
            state.arrange(&myself, pause);
        }
        Ok(())
    }
}

impl MoverState {
    /// Moves each log a little further. How long to wait with the next step; `None` when nothing moves.
    async fn step(&mut self) -> Option<Duration> {
        let mut pause = None;
        for Move { current, .. } in self.arguments.logs.moves() {
            if let Some(wait) = self.arguments.quota.wait() {
                return Some(wait);
            }
            let (logs, name) = (self.arguments.logs.clone(), current.partition().clone());
            let advance = move || logs.advance_move(&name, STEP_BYTES);
            let wants = match self.arguments.blocking.run(advance).await {
                Ok(MoveStep::Copied(bytes)) => {
                    self.arguments.quota.spend(bytes);
                    Duration::ZERO
                }
                Ok(MoveStep::Waits) => BUSY,
                Ok(MoveStep::Done | MoveStep::Gone) => continue,
                Err(error) => {
                    let partition = current.partition();
                    tracing::error!(%partition, %error, "a replica cannot be moved now");
                    RETRY
                }
            };
            pause = Some(pause.map_or(wants, |pause: Duration| pause.min(wants)));
        }
        pause
    }

    fn arrange(&mut self, myself: &ActorRef<MoverMsg>, pause: Duration) {
        if std::mem::replace(&mut self.is_arranged, true) {
            return;
        }
        if pause.is_zero() {
            let _ = myself.cast(MoverMsg::Step);
            return;
        }
        let (sleep, myself) = (self.arguments.clock.sleep(pause), myself.clone());
        spawn(async move {
            sleep.await;
            let _ = myself.cast(MoverMsg::Step);
        });
    }
}
