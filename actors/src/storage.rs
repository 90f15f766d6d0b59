//! Storage: the upkeep of a node's log directories.
//!
//! - **Supervised by** `Ground`; permanent. A restart only starts the timers anew.
//! - **Owns** nothing: the log directories belong to the [`LogManager`], a log to its writer.
//! - **Receives** its own timers.
//!
//! Retention, checkpoints and the removal of deleted files run by Kafka's intervals. What a leader
//! must do to its log is a message to that leader.

use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::{Blocking, SharedClock, TaskGuard};
use odeon_log::LogManager;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::partition::RoutingTable;

/// The actor. See the module.
#[derive(Debug)]
pub struct Storage;

/// What it is started with.
#[derive(Debug, Clone)]
pub struct StorageArguments {
    /// The log directories.
    pub logs: Arc<LogManager>,
    /// The leaders and followers to remind.
    pub routing: Arc<RoutingTable>,
    /// `log.retention.check.interval.ms`.
    pub retention_interval: Duration,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub checkpoint_interval: Duration,
    /// Where blocking work goes.
    pub blocking: Blocking,
    /// Time.
    pub clock: SharedClock,
}

/// Its timers.
#[derive(Debug, Clone, Copy)]
pub enum StorageMsg {
    /// Every log may have something to roll or to delete.
    Retain,
    /// Recovery points and high watermarks go to disk; deleted folders go.
    Checkpoint,
}

impl ractor::Message for StorageMsg {}

/// A running Storage.
#[derive(Debug)]
pub struct StorageState {
    arguments: StorageArguments,
    _timers: [TaskGuard<()>; 2],
}

#[ractor::async_trait]
impl Actor for Storage {
    type Msg = StorageMsg;
    type State = StorageState;
    type Arguments = StorageArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<StorageMsg>,
        arguments: StorageArguments,
    ) -> Result<StorageState, ActorProcessingErr> {
        let every = |interval: Duration, message: StorageMsg| {
            let (clock, to) = (arguments.clock.clone(), myself.clone());
            let interval = interval.max(Duration::from_millis(1));
            TaskGuard::spawn(async move {
                loop {
                    clock.sleep(interval).await;
                    if to.cast(message).is_err() {
                        return;
                    }
                }
            })
        };
        let timers = [
            every(arguments.retention_interval, StorageMsg::Retain),
            every(arguments.checkpoint_interval, StorageMsg::Checkpoint),
        ];
        Ok(StorageState {
            arguments,
            _timers: timers,
        })
    }

    async fn handle(
        &self,
        _: ActorRef<StorageMsg>,
        message: StorageMsg,
        state: &mut StorageState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            StorageMsg::Retain => {
                for route in state.arguments.routing.all() {
                    route.leader.maintain();
                }
                for followed in state.arguments.routing.followers() {
                    followed.follower.maintain();
                }
            }
            StorageMsg::Checkpoint => {
                let logs = state.arguments.logs.clone();
                let upkeep = move || {
                    logs.run_deletions();
                    logs.refresh_space();
                    logs.checkpoint();
                };
                state.arguments.blocking.run(upkeep).await;
            }
        }
        Ok(())
    }
}
