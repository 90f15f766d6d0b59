//! The effects of a PartitionFollower: appending, cutting, syncing, saying where it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use odeon_kernel::budget::Permit;
use odeon_kernel::sim::{Bug, is_planted};
use odeon_kernel::{Blocking, SharedClock, Watch, spawn};
use odeon_log::{Lease, Log, LogError, LogWriter, Origin, SyncDone, later_if_full};
use odeon_metadata::MetadataImage;
use odeon_model::config::{Durability, TopicConfig};
use odeon_model::{LeaderEpoch, NodeId};
use odeon_records::PreparedBatch;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::handle::FollowerHandle;
use super::message::FollowerMsg;
use super::state::{FollowerState, Own, Step};
use crate::partition::newest::Settings;
use crate::partition::replication::Key;
use crate::partition::replication::fetcher::FetcherHandle;
use crate::partition::replication::wire::{Outcome, Part, Position};
use crate::partition::syncing::{self, SyncNews};
use crate::partition::view::PartitionView;
use crate::settings::log_config;

/// How long a follower waits that could not write, or was sent nonsense.
const RETRY: Duration = Duration::from_millis(500);

/// The actor. See [`super`].
#[derive(Debug)]
pub(super) struct PartitionFollower;

/// What a follower is started with; the same for each restart within the epoch.
#[derive(Debug, Clone)]
pub struct FollowerArguments {
    /// This node.
    pub node_id: NodeId,
    /// Where it is seen who counts on this replica.
    pub image: Watch<MetadataImage>,
    /// The partition.
    pub key: Key,
    /// Its log.
    pub log: Log,
    /// The epoch to follow in.
    pub leader_epoch: LeaderEpoch,
    /// Counts the leases of this node, so that each is newer than those before it.
    pub leases: Arc<AtomicU64>,
    /// Who fetches for it; `None` while nobody leads.
    pub fetcher: Option<FetcherHandle>,
    /// Its own handle, once there is one.
    pub handle: Option<FollowerHandle>,
    /// What readers see; it outlives a restart.
    pub view: Arc<PartitionView>,
    /// The topic's settings.
    pub config: Arc<TopicConfig>,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// Newer settings, once there are any.
    pub settings: Settings,
    /// Where syncs and cuts run.
    pub blocking: Blocking,
    /// Time.
    pub clock: SharedClock,
}

/// A running follower.
#[derive(Debug)]
pub(super) struct Following {
    arguments: FollowerArguments,
    writer: LogWriter,
    state: FollowerState,
    is_syncing: bool,
    /// The number of the last part it took in.
    heard: u32,
    /// What the leader sent last did not fit its checksum.
    refuses: bool,
}

#[ractor::async_trait]
impl Actor for PartitionFollower {
    type Msg = FollowerMsg;
    type State = Following;
    type Arguments = FollowerArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<FollowerMsg>,
        mut arguments: FollowerArguments,
    ) -> Result<Following, ActorProcessingErr> {
        if let Some(handle) = &arguments.handle {
            handle.leads_to(myself.clone());
        }
        if let Some((config, producer_id_expiration_ms)) = arguments.settings.get() {
            arguments.config = config;
            arguments.producer_id_expiration_ms = producer_id_expiration_ms;
        }
        let lease = Lease {
            leader_epoch: arguments.leader_epoch,
            incarnation: arguments.leases.fetch_add(1, Ordering::AcqRel),
        };
        let settings = log_config(&arguments.config, arguments.producer_id_expiration_ms);
        arguments.log.set_config(settings);
        let writer = arguments.log.take_lease(lease)?;
        let mut following = Following {
            arguments,
            writer,
            state: FollowerState::default(),
            is_syncing: false,
            // Far from those of earlier lives.
            heard: (lease.incarnation as u32).wrapping_mul(0x9e37_79b9),
            refuses: false,
        };
        let known = following.arguments.log.view().high_watermark();
        following.arguments.view.publish_high_watermark(known);
        if is_planted(Bug::CutToWatermark) {
            following.writer.truncate_to(known)?;
        }
        following.sync(&myself)?;
        following.introduce();
        Ok(following)
    }

    async fn handle(
        &self,
        myself: ActorRef<FollowerMsg>,
        message: FollowerMsg,
        following: &mut Following,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            FollowerMsg::Fetched(part) => following.fetched(&myself, *part).await?,
            FollowerMsg::Report(fetcher) => following.introduce_to(&fetcher),
            FollowerMsg::Sync(SyncNews::Turn(slot)) => following.run_sync(&myself, slot)?,
            FollowerMsg::Sync(SyncNews::Done(done)) => following.synced(&myself, done)?,
            FollowerMsg::TryAgain => following.say(),
            FollowerMsg::Configure {
                config,
                producer_id_expiration_ms,
            } => {
                let settings = log_config(&config, producer_id_expiration_ms);
                following.arguments.log.set_config(settings);
                following.arguments.producer_id_expiration_ms = producer_id_expiration_ms;
                following.arguments.config = config;
                following.sync(&myself)?;
            }
            FollowerMsg::Maintain => following.maintain(&myself)?,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<FollowerMsg>,
        following: &mut Following,
    ) -> Result<(), ActorProcessingErr> {
        let arguments = &following.arguments;
        if let Some(fetcher) = &arguments.fetcher {
            fetcher.unfollow(arguments.key, arguments.leader_epoch);
        }
        Ok(())
    }
}

impl Following {
    fn position(&self) -> Position {
        let (log, reader) = (&self.arguments.log, self.arguments.log.reader());
        let view = log.view();
        // What is damaged does not count as there.
        let log_end = log.damage().unwrap_or(i64::MAX).min(view.log_end());
        let last_epoch = match log_end > view.log_start() {
            true => reader.epoch_at(log_end - 1).unwrap_or(-1),
            false => -1,
        };
        Position {
            leader_epoch: self.arguments.leader_epoch,
            log_start: view.log_start(),
            log_end,
            flushed: view.flushed().min(log_end),
            last_epoch,
            has_bytes: self.state.has_bytes(),
            heard: self.heard,
            refuses: self.refuses,
        }
    }

    /// Has itself fetched for.
    fn introduce(&self) {
        if let Some(fetcher) = &self.arguments.fetcher {
            self.introduce_to(fetcher);
        }
    }

    fn introduce_to(&self, fetcher: &FetcherHandle) {
        if let Some(handle) = &self.arguments.handle {
            fetcher.follow(self.arguments.key, handle.clone(), self.position());
        }
    }

    /// Says where it is.
    fn say(&self) {
        if let Some(fetcher) = &self.arguments.fetcher {
            fetcher.moved(self.arguments.key, self.position());
        }
    }

    fn say_later(&self, myself: &ActorRef<FollowerMsg>) {
        let sleep = self.arguments.clock.sleep(RETRY);
        let myself = myself.clone();
        spawn(async move {
            sleep.await;
            let _ = myself.cast(FollowerMsg::TryAgain);
        });
    }

    async fn fetched(
        &mut self,
        myself: &ActorRef<FollowerMsg>,
        part: Part,
    ) -> Result<(), LogError> {
        if part.leader_epoch != self.arguments.leader_epoch {
            return Ok(());
        }
        self.refuses = false;
        self.heard = part.number;
        if let Some(from) = self.arguments.log.damage() {
            return self.repair(myself, from).await;
        }
        let reader = self.arguments.log.reader();
        let own = Own {
            log_end: self.arguments.log.view().log_end(),
            is_empty: reader.size_bytes() == 0,
            end_of_epoch: match part.outcome {
                Outcome::Diverging(epoch, _) => reader.end_offset_for_epoch(epoch),
                _ => None,
            },
        };
        match self.state.step(&part, own) {
            Step::Append(batches) if batches.is_empty() => {
                self.follow_leader(&part)?;
                if !part.records.is_empty() {
                    self.say();
                }
            }
            Step::Append(batches) => self.append(myself, batches, &part).await?,
            Step::AskOn => self.say(),
            Step::Truncate(offset) => self.truncate(offset, own.log_end).await?,
            Step::StartAt(offset) => {
                self.start_at(offset).await?;
                self.say();
            }
            Step::Refuse(error) => {
                let partition = self.arguments.log.partition();
                tracing::warn!(%partition, %error, "what the leader sent cannot be appended");
                self.refuses = true;
                self.say_later(myself);
            }
        }
        Ok(())
    }

    async fn append(
        &mut self,
        myself: &ActorRef<FollowerMsg>,
        batches: Vec<PreparedBatch>,
        part: &Part,
    ) -> Result<(), LogError> {
        let first = batches.first().map(|batch| batch.header().base_offset);
        if let Some(base) = first.filter(|base| *base < self.arguments.log.view().log_end()) {
            self.start_at(base).await?;
        }
        for batch in batches {
            self.writer.stage(batch, Origin::Replica)?;
        }
        if let Err(error) = self.writer.write() {
            tracing::error!(partition = %self.arguments.log.partition(), %error, "a replica's write failed");
            if error.takes_dir_offline() || matches!(error, LogError::Fenced { .. }) {
                return Err(error);
            }
            // A full disk: it may have room later.
            self.say_later(myself);
            return Ok(());
        }
        self.follow_leader(part)?;
        self.say();
        self.sync(myself)
    }

    /// Takes over the leader's high watermark and log start.
    fn follow_leader(&mut self, part: &Part) -> Result<(), LogError> {
        let view = self.arguments.log.view();
        let high_watermark = part.high_watermark.min(view.log_end());
        view.set_high_watermark(high_watermark);
        self.arguments.view.publish_high_watermark(high_watermark);
        let log_start = part.log_start.min(high_watermark);
        if log_start > view.log_start() {
            self.writer.delete_records(log_start, high_watermark)?;
        }
        Ok(())
    }

    async fn truncate(&mut self, offset: i64, log_end: i64) -> Result<(), LogError> {
        let high_watermark = self.arguments.log.view().high_watermark();
        tracing::info!(
            partition = %self.arguments.log.partition(),
            log_end,
            offset,
            high_watermark,
            "the leader has another history: the log is cut"
        );
        let writer = self.writer.clone();
        let cut = move || {
            let mut writer = writer;
            writer.truncate_to(offset)
        };
        self.arguments.blocking.run(cut).await?;
        self.is_syncing = false;
        self.say();
        Ok(())
    }

    /// Cuts a damaged log where the damage begins, so that the leader's takes its place; but not before
    /// nobody counts on this replica any more.
    async fn repair(&mut self, myself: &ActorRef<FollowerMsg>, from: i64) -> Result<(), LogError> {
        let image = self.arguments.image.get();
        let (topic_id, partition) = self.arguments.key;
        let own = self.arguments.node_id;
        let counted = image
            .partition_by_id(topic_id, partition)
            .is_none_or(|is| is.isr.contains(&own) || is.elr.contains(&own) || is.leader == own);
        if counted {
            self.say_later(myself);
            return Ok(());
        }
        let log = &self.arguments.log;
        tracing::warn!(partition = %log.partition(), from, "a damaged log is repaired from its leader");
        let segments = log.reader().segments();
        let base = segments
            .iter()
            .rev()
            .find(|segment| segment.base_offset <= from);
        let base = base.map_or(0, |segment| segment.base_offset);
        let writer = self.writer.clone();
        let cut = move || {
            let mut writer = writer;
            match writer.truncate_to(from) {
                // Not even its place can be found: the whole segment goes.
                Err(LogError::Corrupt { .. }) => writer.truncate_to(base.saturating_sub(1)),
                other => other,
            }
        };
        self.arguments.blocking.run(cut).await?;
        self.is_syncing = false;
        self.say();
        Ok(())
    }

    async fn start_at(&mut self, offset: i64) -> Result<(), LogError> {
        tracing::info!(partition = %self.arguments.log.partition(), offset, "the log starts anew");
        let writer = self.writer.clone();
        let begin = move || {
            let mut writer = writer;
            writer.truncate_fully_and_start_at(offset)
        };
        self.arguments.blocking.run(begin).await?;
        self.is_syncing = false;
        Ok(())
    }

    /// Starts a sync if the topic's settings ask for one and none runs.
    fn sync(&mut self, myself: &ActorRef<FollowerMsg>) -> Result<(), LogError> {
        let is_durable = self.arguments.config.durability == Durability::Fsync;
        if !is_durable || self.is_syncing || !self.writer.needs_sync()? {
            return Ok(());
        }
        self.start_sync(myself)
    }

    fn start_sync(&mut self, myself: &ActorRef<FollowerMsg>) -> Result<(), LogError> {
        self.is_syncing = syncing::begin(&mut self.writer, self.arguments.blocking, myself)?;
        Ok(())
    }

    fn run_sync(&mut self, myself: &ActorRef<FollowerMsg>, slot: Permit) -> Result<(), LogError> {
        self.is_syncing = syncing::run(&mut self.writer, slot, self.arguments.blocking, myself)?;
        Ok(())
    }

    fn synced(&mut self, myself: &ActorRef<FollowerMsg>, done: SyncDone) -> Result<(), LogError> {
        self.is_syncing = false;
        self.writer.complete_sync(done)?;
        self.say();
        self.sync(myself)
    }

    fn maintain(&mut self, myself: &ActorRef<FollowerMsg>) -> Result<(), LogError> {
        let clock = self.arguments.clock.clone();
        let (now_ms, now) = (clock.now_ms(), clock.monotonic());
        let high_watermark = self.arguments.log.view().high_watermark();
        self.writer.expire_producers(now_ms)?;
        later_if_full(self.writer.apply_retention(now_ms, now, high_watermark))?;
        self.writer.run_deletions(now)?;
        self.writer.trim()?;
        let is_lazy = self.arguments.config.durability == Durability::PageCache;
        if is_lazy && !self.is_syncing && self.writer.needs_sync()? {
            self.start_sync(myself)?;
        }
        Ok(())
    }
}
