//! The actor: runs decisions, appends their records, keeps replies until they are committed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::{Rng, SharedClock, TaskGuard};
use odeon_model::{ErrorCode, Offset, Uuid};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::command::{Command, GroupMessage};
use super::config::GroupConfig;
use super::log::{self, CoordinatorLog, CoordinatorLogError};
use super::message::{JoinReply, JoinRequest, SyncReply, SyncRequest};
use super::record::CoordinatorRecord;
use super::state::Groups;
use super::turn::{Effects, Now, Token};
use crate::shell::{Ledger, Ticket};

/// What a coordinator works with.
#[derive(Debug, Clone)]
pub struct GroupArguments {
    /// Names the actor among its siblings: the partition of `__consumer_offsets`.
    pub partition: i32,
    /// The partition's log.
    pub log: Arc<dyn CoordinatorLog>,
    /// Time.
    pub clock: SharedClock,
    /// Makes member ids.
    pub rng: Arc<Rng>,
    /// The settings.
    pub config: GroupConfig,
}

/// See [`crate::group`].
#[derive(Debug)]
pub(super) struct GroupCoordinator;

/// Sends a reply that had to wait.
type Release = Box<dyn FnOnce() + Send>;

/// What the actor owns.
pub(super) struct CoordinatorState {
    arguments: GroupArguments,
    /// None until the log was read.
    groups: Option<Box<Groups>>,
    ledger: Ledger<CoordinatorRecord, Vec<Release>>,
    flush_is_due: bool,
    joins: HashMap<Token, RpcReplyPort<JoinReply>>,
    syncs: HashMap<Token, RpcReplyPort<SyncReply>>,
    next_token: Token,
    /// The one sleep until the next deadline, and when it ends, in ms of monotonic time.
    wake: Option<(i64, TaskGuard<()>)>,
    /// The read of the log; the append on its way.
    work: Option<TaskGuard<()>>,
}

#[ractor::async_trait]
impl Actor for GroupCoordinator {
    type Msg = GroupMessage;
    type State = CoordinatorState;
    type Arguments = GroupArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<GroupMessage>,
        arguments: GroupArguments,
    ) -> Result<CoordinatorState, ActorProcessingErr> {
        let (log, config) = (Arc::clone(&arguments.log), arguments.config.clone());
        let load = TaskGuard::spawn(async move {
            let loaded = log::load(log.as_ref(), config).await.map(Box::new);
            let _ = myself.cast(GroupMessage(Command::Loaded(loaded)));
        });
        Ok(CoordinatorState {
            arguments,
            groups: None,
            ledger: Ledger::default(),
            flush_is_due: false,
            joins: HashMap::new(),
            syncs: HashMap::new(),
            next_token: 0,
            wake: None,
            work: Some(load),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<GroupMessage>,
        GroupMessage(command): GroupMessage,
        state: &mut CoordinatorState,
    ) -> Result<(), ActorProcessingErr> {
        let done = match command {
            Command::Loaded(loaded) => state.loaded(&myself, loaded),
            Command::Flush => {
                state.flush_is_due = false;
                state.append(&myself)
            }
            Command::Committed(ticket, result) => state.committed(&myself, ticket, result),
            Command::Wake => {
                state.wake = None;
                state.decide(&myself, |groups, now, effects| groups.tick(now, effects));
                Ok(())
            }
            command => {
                state.serve(&myself, command);
                Ok(())
            }
        };
        match done {
            Ok(()) => Ok(()),
            Err(CoordinatorLogError::NotLeader) => {
                myself.stop(Some("the partition has another leader".to_owned()));
                Ok(())
            }
            // What was decided is worthless: the next incarnation reads the log again.
            Err(error) => Err(Box::new(error)),
        }
    }
}

impl CoordinatorState {
    fn now(&self) -> Now {
        let monotonic = self.arguments.clock.monotonic().as_millis();
        Now {
            wall_ms: self.arguments.clock.now_ms(),
            monotonic_ms: i64::try_from(monotonic).unwrap_or(i64::MAX),
        }
    }

    fn loaded(
        &mut self,
        myself: &ActorRef<GroupMessage>,
        loaded: Result<Box<Groups>, CoordinatorLogError>,
    ) -> Result<(), CoordinatorLogError> {
        let mut groups = loaded?;
        groups.reconfigure(self.arguments.config.clone());
        self.groups = Some(groups);
        self.decide(myself, |groups, now, effects| groups.loaded(now, effects));
        Ok(())
    }

    /// Answers a request, now or later.
    fn serve(&mut self, myself: &ActorRef<GroupMessage>, command: Command) {
        if self.groups.is_none() {
            return self.serve_while_loading(command);
        }
        match command {
            Command::Join(request, port) => self.join(myself, *request, port),
            Command::Sync(request, port) => self.sync(myself, request, port),
            Command::Heartbeat(request, port) => {
                // Waits for nothing: what it says binds nobody.
                let error = self.decide(myself, |groups, now, effects| {
                    groups.heartbeat(now, &request, effects)
                });
                let _ = port.send(error.unwrap_or(ErrorCode::CoordinatorLoadInProgress));
            }
            Command::Leave(request, port) => {
                self.decide_for(myself, port, |groups, now, fx| {
                    groups.leave(now, request, fx)
                });
            }
            Command::Commit(request, port) => {
                self.decide_for(myself, port, |groups, now, fx| {
                    groups.commit(now, request, fx)
                });
            }
            Command::DeleteOffsets(request, port) => {
                self.decide_for(myself, port, |groups, now, fx| {
                    groups.delete_offsets(now, &request, fx)
                });
            }
            Command::Delete(ids, port) => {
                self.decide_for(myself, port, |groups, now, fx| {
                    Ok(groups.delete(now, &ids, fx))
                });
            }
            Command::Fetch(request, port) => {
                self.decide_for(myself, port, |groups, _, _| groups.fetch(&request));
            }
            Command::Describe(ids, port) => self.decide_for(myself, port, |groups, _, _| {
                Ok(ids.iter().map(|id| groups.describe(id)).collect())
            }),
            Command::List(filter, port) => {
                self.decide_for(myself, port, |groups, _, _| Ok(groups.list(&filter)));
            }
            Command::TopicsDeleted(topics) => {
                self.decide(myself, |groups, now, fx| {
                    groups.topics_deleted(now, &topics, fx)
                });
            }
            Command::Configure(config) => {
                self.arguments.config.clone_from(&config);
                self.decide(myself, |groups, _, _| groups.reconfigure(config));
            }
            Command::Loaded(_) | Command::Flush | Command::Committed(..) | Command::Wake => {}
        }
    }

    fn serve_while_loading(&mut self, command: Command) {
        let error = ErrorCode::CoordinatorLoadInProgress;
        match command {
            Command::Join(request, port) => {
                let _ = port.send(JoinReply::refused(error, request.member_id));
            }
            Command::Sync(_, port) => {
                let _ = port.send(SyncReply::refused(error));
            }
            // Members have a whole session from the end of the read on.
            Command::Heartbeat(_, port) => {
                let _ = port.send(ErrorCode::None);
            }
            Command::Leave(_, port) => drop(port.send(Err(error))),
            Command::Commit(_, port) | Command::DeleteOffsets(_, port) => {
                drop(port.send(Err(error)));
            }
            Command::Fetch(_, port) => drop(port.send(Err(error))),
            Command::Describe(_, port) => drop(port.send(Err(error))),
            Command::List(_, port) => drop(port.send(Err(error))),
            Command::Delete(_, port) => drop(port.send(Err(error))),
            Command::Configure(config) => self.arguments.config = config,
            Command::TopicsDeleted(_)
            | Command::Loaded(_)
            | Command::Flush
            | Command::Committed(..)
            | Command::Wake => {}
        }
    }

    fn join(
        &mut self,
        myself: &ActorRef<GroupMessage>,
        request: JoinRequest,
        port: RpcReplyPort<JoinReply>,
    ) {
        let token = self.token();
        self.joins.insert(token, port);
        let unique = Uuid::from_random(self.arguments.rng.bytes16());
        self.decide(myself, |groups, now, fx| {
            groups.join(now, request, unique, token, fx)
        });
    }

    fn sync(
        &mut self,
        myself: &ActorRef<GroupMessage>,
        request: SyncRequest,
        port: RpcReplyPort<SyncReply>,
    ) {
        let token = self.token();
        self.syncs.insert(token, port);
        self.decide(myself, |groups, now, fx| {
            groups.sync(now, request, token, fx)
        });
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        self.next_token
    }

    /// Decides, and answers `port` when the decision, and all it may have seen, is committed.
    fn decide_for<T: Send + 'static>(
        &mut self,
        myself: &ActorRef<GroupMessage>,
        port: RpcReplyPort<Result<T, ErrorCode>>,
        decide: impl FnOnce(&mut Groups, Now, &mut Effects) -> Result<T, ErrorCode>,
    ) {
        let mut effects = Effects::default();
        let now = self.now();
        let Some(groups) = &mut self.groups else {
            return;
        };
        let reply = decide(groups, now, &mut effects);
        self.perform(
            myself,
            effects,
            Some(Box::new(move || drop(port.send(reply)))),
        );
    }

    /// Decides something that answers nobody but those who are parked.
    fn decide<T>(
        &mut self,
        myself: &ActorRef<GroupMessage>,
        decide: impl FnOnce(&mut Groups, Now, &mut Effects) -> T,
    ) -> Option<T> {
        let mut effects = Effects::default();
        let now = self.now();
        let result = decide(self.groups.as_mut()?, now, &mut effects);
        self.perform(myself, effects, None);
        Some(result)
    }

    fn perform(
        &mut self,
        myself: &ActorRef<GroupMessage>,
        effects: Effects,
        reply: Option<Release>,
    ) {
        let Effects {
            records,
            joins,
            syncs,
        } = effects;
        let mut releases: Vec<Release> = reply.into_iter().collect();
        for (token, reply) in joins {
            if let Some(port) = self.joins.remove(&token) {
                releases.push(Box::new(move || drop(port.send(reply))));
            }
        }
        for (token, reply) in syncs {
            if let Some(port) = self.syncs.remove(&token) {
                releases.push(Box::new(move || drop(port.send(reply))));
            }
        }
        if !(records.is_empty() && releases.is_empty()) {
            release(self.ledger.stage(records, releases));
        }
        if self.ledger.has_staged() && self.ledger.in_flight() == 0 && !self.flush_is_due {
            // Lands behind all that is queued: the mailbox is the batch.
            self.flush_is_due = myself.cast(GroupMessage(Command::Flush)).is_ok();
        }
        self.sleep_until_next(myself);
    }

    /// Appends what was decided, one append at a time: an append that fails leaves nothing behind
    /// it that was decided on its strength.
    fn append(&mut self, myself: &ActorRef<GroupMessage>) -> Result<(), CoordinatorLogError> {
        if self.ledger.in_flight() > 0 {
            return Ok(());
        }
        let Some(batch) = self.ledger.take_batch() else {
            return Ok(());
        };
        let max_batch_bytes = self.arguments.config.max_batch_bytes;
        let batches = log::encode_batches(&batch.records, self.now().wall_ms, max_batch_bytes)?;
        let appending = self.arguments.log.append(batches);
        let myself = myself.clone();
        self.work = Some(TaskGuard::spawn(async move {
            let committed = Command::Committed(batch.ticket, appending.await);
            let _ = myself.cast(GroupMessage(committed));
        }));
        Ok(())
    }

    fn committed(
        &mut self,
        myself: &ActorRef<GroupMessage>,
        ticket: Ticket,
        result: Result<Offset, CoordinatorLogError>,
    ) -> Result<(), CoordinatorLogError> {
        let offset = u64::try_from(result?)
            .map_err(|_| CoordinatorLogError::Failed("an append has no offset".to_owned()))?;
        self.ledger.appended(ticket, offset);
        for releases in self.ledger.committed(offset).replies {
            release(Some(releases));
        }
        self.append(myself)
    }

    /// Sees to it that the next deadline is noticed.
    fn sleep_until_next(&mut self, myself: &ActorRef<GroupMessage>) {
        let Some(at_ms) = self
            .groups
            .as_ref()
            .and_then(|groups| groups.next_deadline_ms())
        else {
            return;
        };
        if self
            .wake
            .as_ref()
            .is_some_and(|(wake_ms, _)| *wake_ms <= at_ms)
        {
            return;
        }
        let delay_ms = at_ms
            .saturating_sub(self.now().monotonic_ms)
            .max(0)
            .unsigned_abs();
        let sleep = self.arguments.clock.sleep(Duration::from_millis(delay_ms));
        let myself = myself.clone();
        let task = TaskGuard::spawn(async move {
            sleep.await;
            let _ = myself.cast(GroupMessage(Command::Wake));
        });
        self.wake = Some((at_ms, task));
    }
}

fn release(releases: Option<Vec<Release>>) {
    for release in releases.into_iter().flatten() {
        release();
    }
}

impl fmt::Debug for CoordinatorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoordinatorState")
            .field("partition", &self.arguments.partition)
            .field("loaded", &self.groups.is_some())
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}
