//! The effects of a PartitionLeader: staging, writing, syncing, answering.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use odeon_kernel::sim::{Bug, is_planted};
use odeon_kernel::{Blocking, SharedClock};
use odeon_log::{Lease, Log, LogError, LogWriter, Staged};
use odeon_model::config::TopicConfig;
use odeon_model::{ErrorCode, LeaderEpoch, NodeId, Offset};
use odeon_records::{PreparedBatch, TimestampType};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::handle::LeaderHandle;
use super::lost::Lost;
use super::message::{Acks, AppendError, AppendReply, Appended, LeaderMsg, LeaderStatus, Origin};
use super::replicas::Replicas;
use super::restarts::Restarts;
use super::state::{Beginning, LeaderState, Rules};
use crate::partition::isr::IsrChanger;
use crate::partition::log_error_code;
use crate::partition::newest::Settings;
use crate::partition::syncing::SyncNews;
use crate::partition::view::PartitionView;
use crate::settings::log_config;

/// The actor. See [`super`].
#[derive(Debug)]
pub(super) struct PartitionLeader;

/// What a leader is started with; the same for each restart within the epoch.
#[derive(Debug, Clone)]
pub struct LeaderArguments {
    /// The partition's log.
    pub log: Log,
    /// The epoch to lead in.
    pub leader_epoch: LeaderEpoch,
    /// Counts the leases of this node, so that each is newer than those before it.
    pub leases: Arc<AtomicU64>,
    /// This node.
    pub node_id: NodeId,
    /// All replicas.
    pub replicas: Vec<NodeId>,
    /// What readers see; it outlives a restart.
    pub view: Arc<PartitionView>,
    /// The in-sync replicas.
    pub isr: Vec<NodeId>,
    /// The partition epoch that they belong to.
    pub partition_epoch: i32,
    /// Whom to ask for another ISR.
    pub changer: IsrChanger,
    /// Its own handle, once there is one.
    pub handle: Option<LeaderHandle>,
    /// Counts its starts in this epoch.
    pub restarts: Arc<Restarts>,
    /// `replica.lag.time.max.ms`.
    pub lag_max: Duration,
    /// The topic's settings.
    pub config: Arc<TopicConfig>,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// Newer settings, once there are any.
    pub settings: Settings,
    /// Where syncs run.
    pub blocking: Blocking,
    /// Time.
    pub clock: SharedClock,
}

/// A batch that was staged and not written yet.
#[derive(Debug)]
struct Unwritten {
    producer_id: i64,
    acks: Acks,
    owed: Owed,
}

/// An acknowledgement that is owed.
#[derive(Debug)]
struct Owed {
    appended: Appended,
    reply: AppendReply,
}

/// A running leader.
#[derive(Debug)]
pub(super) struct Leading {
    arguments: LeaderArguments,
    writer: LogWriter,
    decide: LeaderState<Owed>,
    unwritten: Vec<Unwritten>,
    /// When the next upkeep is due that this actor arranged itself.
    returns_at: Option<Duration>,
    /// Whether `flush.ms` runs for something that was written.
    flush_arranged: bool,
    /// Deletions that wait for the replicas.
    deletions: Vec<deleting::Deletion>,
    /// Whether the ISR will be looked at.
    look_arranged: bool,
    /// Whether there was no room for the last write.
    is_full: bool,
    lost: Lost,
}

mod deleting;
mod insync;
mod syncing;
mod upkeep;

use insync::{Alone, give_way};

#[ractor::async_trait]
impl Actor for PartitionLeader {
    type Msg = LeaderMsg;
    type State = Leading;
    type Arguments = LeaderArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<LeaderMsg>,
        mut arguments: LeaderArguments,
    ) -> Result<Leading, ActorProcessingErr> {
        // What is said from now on is heard; what was said before is read below, or asked for.
        if let Some(handle) = &arguments.handle {
            handle.leads_to(myself.clone());
        }
        if let Some((config, producer_id_expiration_ms)) = arguments.settings.get() {
            arguments.config = config;
            arguments.producer_id_expiration_ms = producer_id_expiration_ms;
        }
        let now = arguments.clock.monotonic();
        if arguments.restarts.begins(now) {
            give_way(&arguments, Alone::GoesOn);
        }
        let incarnation = arguments.leases.fetch_add(1, Ordering::AcqRel);
        let lease = Lease {
            leader_epoch: arguments.leader_epoch,
            incarnation,
        };
        let log = arguments.log.clone();
        log.set_config(log_config(
            &arguments.config,
            arguments.producer_id_expiration_ms,
        ));
        let mut writer = log.take_lease(lease)?;
        if is_planted(Bug::RestartAfterCut) && writer.latest_epoch() == Some(arguments.leader_epoch)
        {
            writer.truncate_to(log.view().flushed())?;
        }
        writer.begin_epoch()?;
        let offsets = log.view();
        let is_restart = arguments.view.begin_at(offsets.log_end()) > 0;
        if offsets.log_end() < arguments.view.high_watermark() {
            // What readers have seen is gone: only a new epoch may tell them so.
            give_way(&arguments, Alone::NeedsAnEpoch);
            return Err("the log ends below its published high watermark".into());
        }
        let mut replicas = Replicas::new(
            arguments.node_id,
            arguments.replicas.clone(),
            arguments.isr.clone(),
            arguments.partition_epoch,
            offsets.log_end(),
            now,
        );
        if is_restart {
            // What its predecessor asked for may still happen.
            replicas.doubt();
            // Those who follow say again where they are.
            arguments.view.publish_log_end();
        }
        let begins = Beginning {
            log_end: offsets.log_end(),
            flushed: offsets.recovery_point(),
            high_watermark: offsets.high_watermark(),
        };
        let decide = LeaderState::new(replicas, Rules::from(&*arguments.config), begins);
        let mut leading = Leading {
            arguments,
            writer,
            decide,
            unwritten: Vec::new(),
            returns_at: None,
            flush_arranged: false,
            deletions: Vec::new(),
            look_arranged: false,
            is_full: false,
            lost: Lost::new(is_restart, now),
        };
        leading.take_over_metadata();
        leading.publish_replicas();
        leading.publish();
        leading.sync(&myself);
        leading.look_at_isr(&myself);
        Ok(leading)
    }

    async fn handle(
        &self,
        myself: ActorRef<LeaderMsg>,
        message: LeaderMsg,
        state: &mut Leading,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            LeaderMsg::Append {
                batch,
                acks,
                origin,
                reply,
            } => {
                state.append(&myself, *batch, acks, origin, reply);
            }
            LeaderMsg::Flush => state.flush(&myself)?,
            LeaderMsg::Sync(SyncNews::Turn(slot)) => state.run_sync(&myself, slot)?,
            LeaderMsg::Sync(SyncNews::Done(done)) => state.synced(&myself, done)?,
            LeaderMsg::FlushDue => state.flush_due(&myself)?,
            LeaderMsg::DeleteRecords {
                before_offset,
                reply,
            } => {
                state.delete_records(before_offset, reply);
            }
            LeaderMsg::Configure {
                config,
                producer_id_expiration_ms,
            } => {
                state.arguments.producer_id_expiration_ms = producer_id_expiration_ms;
                state.configure(&myself, config);
            }
            LeaderMsg::SetReplicas {
                all,
                isr,
                partition_epoch,
            } => {
                state.set_replicas(all, isr, partition_epoch);
                state.publish();
                state.look_at_isr(&myself);
            }
            LeaderMsg::Report { follower, report } => state.report(&myself, follower, report),
            LeaderMsg::Altered(altered) => state.altered(&myself, altered),
            LeaderMsg::LookAtIsr => {
                state.look_arranged = false;
                state.look_at_isr(&myself);
            }
            LeaderMsg::Maintain => state.maintain(&myself)?,
            LeaderMsg::Status(reply) => {
                let _ = reply.send(state.status());
            }
        }
        Ok(())
    }
}

impl Leading {
    fn append(
        &mut self,
        myself: &ActorRef<LeaderMsg>,
        mut batch: PreparedBatch,
        acks: Acks,
        origin: Origin,
        reply: AppendReply,
    ) {
        if let Err(code) = self.decide.admit(acks) {
            let _ = reply.send(Err(code.into()));
            return;
        }
        let log_append_time_ms = self.stamp(&mut batch);
        let producer_id = batch.header().producer_id;
        let staged = match self.writer.stage(batch, origin.into()) {
            Ok(staged) => staged,
            Err(error) => {
                let now = self.arguments.clock.monotonic();
                let refusal = match self.lost.explains(&error, now) {
                    true => ErrorCode::NotLeaderOrFollower.into(),
                    false => refusal(&error),
                };
                let _ = reply.send(Err(refusal));
                return;
            }
        };
        self.lost.staged(producer_id);
        let appended = self.appended(staged, log_append_time_ms);
        self.unwritten.push(Unwritten {
            producer_id,
            acks,
            owed: Owed { appended, reply },
        });
        if self.unwritten.len() == 1 {
            // Lands behind all appends that are queued now: they become one write.
            let _ = myself.cast(LeaderMsg::Flush);
        }
    }

    /// The append time of a `LogAppendTime` batch is set here, where the order is decided.
    fn stamp(&self, batch: &mut PreparedBatch) -> i64 {
        if batch.header().timestamp_type() != TimestampType::LogAppendTime {
            return -1;
        }
        batch.header().max_timestamp
    }

    fn appended(&self, staged: Staged, log_append_time_ms: i64) -> Appended {
        Appended {
            base_offset: staged.base_offset,
            last_offset: staged.last_offset,
            log_append_time_ms,
            log_start_offset: self.arguments.log.view().log_start(),
            duplicate: staged.duplicate,
        }
    }

    fn flush(&mut self, myself: &ActorRef<LeaderMsg>) -> Result<(), LogError> {
        let unwritten = std::mem::take(&mut self.unwritten);
        let written = match self.writer.write() {
            Ok(written) => written,
            Err(error) => return self.failed_write(myself, unwritten, error),
        };
        self.is_full = false;
        self.is_written(written.log_end, unwritten);
        if written.rolls > 0 {
            self.start_sync(myself)?;
        }
        self.sync(myself);
        self.arrange_flush(myself);
        self.arrange_look(myself);
        Ok(())
    }

    /// The log goes up to there, with these batches.
    fn is_written(&mut self, log_end: Offset, batches: Vec<Unwritten>) {
        let now = self.arguments.clock.monotonic();
        self.decide.written(log_end, now);
        self.arguments.view.publish_log_end();
        for Unwritten { acks, owed, .. } in batches {
            match acks {
                Acks::All => self.decide.wait(owed.appended.last_offset, owed),
                Acks::None | Acks::Leader => {
                    let _ = owed.reply.send(Ok(owed.appended));
                }
            }
        }
        self.publish();
    }

    /// A full disk refuses this write only, and somebody else had better lead; everything else ends
    /// the actor, whose supervisor decides.
    fn failed_write(
        &mut self,
        myself: &ActorRef<LeaderMsg>,
        unwritten: Vec<Unwritten>,
        error: LogError,
    ) -> Result<(), LogError> {
        tracing::error!(
            topic = &*self.arguments.view.topic,
            partition = self.arguments.view.partition,
            %error,
            "a write failed"
        );
        let refusal = refusal(&error);
        let is_over = error.takes_dir_offline() || matches!(error, LogError::Fenced { .. });
        // The first of several batches may be there; of a log that another has taken over, nobody knows.
        let log_end = self.arguments.log.view().log_end();
        let is_written = |one: &Unwritten| !is_over && one.owed.appended.last_offset < log_end;
        let (written, refused) = unwritten.into_iter().partition(is_written);
        for Unwritten {
            producer_id, owed, ..
        } in refused
        {
            self.lost.lose(producer_id);
            let _ = owed.reply.send(Err(refusal.clone()));
        }
        if is_over {
            self.refuse_all(&refusal);
            return Err(error);
        }
        self.is_written(log_end, written);
        self.sync(myself);
        self.is_full = true;
        self.look_at_isr(myself);
        Ok(())
    }

    fn refuse_all(&mut self, refusal: &AppendError) {
        for owed in self.decide.abandon() {
            let _ = owed.reply.send(Err(refusal.clone()));
        }
    }

    /// Publishes the high watermark and answers those whose wait is over.
    fn publish(&mut self) {
        let done: Vec<_> = self.decide.advance().collect();
        let high_watermark = self.decide.high_watermark();
        self.arguments.log.view().set_high_watermark(high_watermark);
        self.arguments.view.publish_high_watermark(high_watermark);
        let is_short = self.decide.is_under_min_isr();
        for Owed { appended, reply } in done {
            let outcome = match is_short {
                true => Err(ErrorCode::NotEnoughReplicasAfterAppend.into()),
                false => Ok(appended),
            };
            let _ = reply.send(outcome);
        }
    }

    fn configure(&mut self, myself: &ActorRef<LeaderMsg>, config: Arc<TopicConfig>) {
        let log = &self.arguments.log;
        log.set_config(log_config(
            &config,
            self.arguments.producer_id_expiration_ms,
        ));
        self.decide.configure(Rules::from(&*config));
        self.arguments.view.configure(&config);
        self.arguments.config = config;
        self.publish();
        self.sync(myself);
        self.arrange_flush(myself);
    }

    fn status(&self) -> LeaderStatus {
        LeaderStatus {
            leader_epoch: self.arguments.leader_epoch,
            isr: self.decide.isr().to_vec(),
            pending_acks: self.decide.pending_acks(),
            producers: self.writer.producers().unwrap_or_default(),
        }
    }
}

impl From<Origin> for odeon_log::Origin {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Client => Self::Client,
            Origin::Coordinator => Self::Coordinator,
        }
    }
}

fn refusal(error: &LogError) -> AppendError {
    AppendError {
        code: log_error_code(error),
        message: Some(error.to_string()),
    }
}
