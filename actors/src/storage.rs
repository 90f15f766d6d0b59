//! Storage: the upkeep of a node's log directories.
//!
//! - **Supervised by** `Ground`; permanent, without pauses. A restart only starts the timers anew; where no log
//!   directory works it fails again, until `Ground` gives up and the process exits with an error.
//! - **Owns** nothing: the log directories belong to the [`LogManager`], a log to its writer.
//! - **Receives** its own timers.
//!
//! Logs are scrubbed: read bit by bit, so that damage is found while other replicas can repair it.
//! Retention, checkpoints and the removal of deleted files run by Kafka's intervals. What a leader
//! must do to its log is a message to that leader.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::{Blocking, SharedClock, TaskGuard};
use odeon_log::{Log, LogManager};
use odeon_model::Offset;
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
    /// Bytes a second that are read to compare them with their checksums; 0 for none.
    pub scrub_bytes: usize,
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
    /// A little of what is on disk is compared with its checksums.
    Scrub,
}

impl ractor::Message for StorageMsg {}

impl StorageArguments {
    /// A node none of whose log directories works is of no use to anybody: it ends, as Kafka's does, and
    /// others are told by its death.
    fn check_any_works(&self) -> Result<(), ActorProcessingErr> {
        let failed = self.logs.directories().map(|dir| dir.offline_reason());
        match failed.collect::<Option<Vec<String>>>() {
            None => Ok(()),
            Some(why) => Err(format!("no log directory works any more: {}", why.join("; ")).into()),
        }
    }
}

/// A running Storage.
#[derive(Debug)]
pub struct StorageState {
    arguments: StorageArguments,
    /// The logs that are still to be scrubbed in this round.
    scrubbing: VecDeque<Log>,
    /// Up to where the first of them is.
    scrubbed_to: Offset,
    _timers: [TaskGuard<()>; 3],
}

/// How often a little is scrubbed.
const SCRUB_INTERVAL: Duration = Duration::from_secs(1);
/// Logs that are looked at in one go, most of which may hold nothing.
const SCRUBBED_AT_ONCE: usize = 64;

impl StorageState {
    /// Compares the next bytes with their checksums: the logs one after the other, over and over.
    async fn scrub(&mut self) {
        let mut left = self.arguments.scrub_bytes;
        for _ in 0..SCRUBBED_AT_ONCE {
            if left == 0 {
                return;
            }
            if self.scrubbing.is_empty() {
                self.scrubbing = self.arguments.logs.logs().into();
                self.scrubbed_to = 0;
            }
            let Some(log) = self.scrubbing.front().cloned() else {
                return;
            };
            let (log_start, log_end) = (log.view().log_start(), log.view().log_end());
            let (reader, from) = (log.reader(), self.scrubbed_to.clamp(log_start, log_end));
            let verify = move || reader.verify(from, left);
            let verified = self.arguments.blocking.run(verify).await;
            match verified {
                Ok(verified) if verified.damage.is_none() && verified.bytes > 0 => {
                    left = left.saturating_sub(verified.bytes);
                    self.scrubbed_to = verified.next;
                    continue;
                }
                Ok(verified) if verified.damage.is_some() => self.tell_of_damage(&log),
                // At its end, or closed, or its directory is offline.
                _ => {}
            }
            self.scrubbing.pop_front();
            self.scrubbed_to = 0;
        }
    }

    /// Has the replica do what there is to do: a leader gives way, a follower is repaired.
    fn tell_of_damage(&self, log: &Log) {
        let routing = &self.arguments.routing;
        let (topic_id, partition) = (log.topic_id(), log.partition().partition);
        if let Some(route) = routing.get(topic_id, partition) {
            route.leader.look_at_isr();
        } else if let Some(followed) = routing.follower(topic_id, partition) {
            followed.follower.say();
        }
    }
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
        arguments.check_any_works()?;
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
            every(SCRUB_INTERVAL, StorageMsg::Scrub),
        ];
        Ok(StorageState {
            arguments,
            scrubbing: VecDeque::new(),
            scrubbed_to: 0,
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
            StorageMsg::Scrub => {
                state.arguments.check_any_works()?;
                state.scrub().await;
            }
        }
        Ok(())
    }
}
