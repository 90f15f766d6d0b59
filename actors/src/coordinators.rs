//! The coordinators of a node: which run here, and the log each of them keeps its state in.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use dashmap::DashMap;
use odeon_kernel::sim::{Bug, is_planted};
use odeon_kernel::supervisor::SupervisorHandle;
use odeon_kernel::{Rng, SharedClock, Waiter};
use odeon_metadata::MetadataImage;
use odeon_model::{ErrorCode, Offset, PartitionId};
use odeon_records::PreparedBatch;

use crate::group::{
    self, CoordinatorLog, CoordinatorLogError, GroupArguments, GroupConfig, GroupHandle, LogChunk,
    LogFuture, coordinator_for,
};
use crate::node::OFFSETS_TOPIC;
use crate::partition::{Acks, Origin, Route};

/// Bytes of one chunk when a coordinator reads its log.
const CHUNK_BYTES: usize = 4 << 20;

/// The group coordinators that run on this node. Written by the broker actor, read by everyone.
#[derive(Debug)]
pub struct GroupRouter {
    coordinators: DashMap<PartitionId, GroupHandle>,
    supervisor: SupervisorHandle,
    config: RwLock<GroupConfig>,
    clock: SharedClock,
    rng: Arc<Rng>,
}

impl GroupRouter {
    /// A router without coordinators; those to come are children of `supervisor`.
    pub fn new(
        supervisor: SupervisorHandle,
        config: GroupConfig,
        clock: SharedClock,
        rng: Arc<Rng>,
    ) -> Self {
        Self {
            coordinators: DashMap::new(),
            supervisor,
            config: RwLock::new(config),
            clock,
            rng,
        }
    }

    /// The settings that all coordinators obey now.
    pub fn config(&self) -> GroupConfig {
        self.config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes over a changed `max.message.bytes` of `__consumer_offsets`. All else that coordinators
    /// obey is fixed at the start, as in Kafka.
    pub(crate) fn set_max_batch_bytes(&self, bytes: i32) {
        let bytes = usize::try_from(bytes).unwrap_or(0);
        let config = {
            let mut config = self.config.write().unwrap_or_else(PoisonError::into_inner);
            if config.max_batch_bytes == bytes {
                return;
            }
            config.max_batch_bytes = bytes;
            config.clone()
        };
        for entry in &self.coordinators {
            entry.value().configure(config.clone());
        }
    }

    /// The coordinator of a group.
    ///
    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE` while there is no `__consumer_offsets`, `NOT_COORDINATOR` when
    /// another node leads the group's partition.
    pub fn coordinator(
        &self,
        image: &MetadataImage,
        group_id: &str,
    ) -> Result<GroupHandle, ErrorCode> {
        let topic = image
            .topic(OFFSETS_TOPIC)
            .ok_or(ErrorCode::CoordinatorNotAvailable)?;
        let partition = coordinator_for(group_id, topic.partition_count());
        let found = self
            .coordinators
            .get(&partition)
            .map(|entry| entry.value().clone());
        found.ok_or(ErrorCode::NotCoordinator)
    }

    /// Says that a topic was deleted: no group keeps offsets in it.
    pub(crate) fn topic_deleted(&self, topic: &str) {
        for (_, coordinator) in self.all() {
            coordinator.topics_deleted(vec![topic.to_owned()]);
        }
    }

    /// All coordinators that run here, by partition.
    pub fn all(&self) -> Vec<(PartitionId, GroupHandle)> {
        let mut all: Vec<_> = self
            .coordinators
            .iter()
            .map(|entry| (*entry.key(), entry.value().clone()))
            .collect();
        all.sort_by_key(|(partition, _)| *partition);
        all
    }

    /// Whether the coordinator of a partition runs here.
    pub(crate) fn has(&self, partition: PartitionId) -> bool {
        self.coordinators.contains_key(&partition)
    }

    /// Forgets the coordinators that ended with their supervisor.
    pub(crate) async fn forget_the_dead(&self) {
        let living = self.supervisor.which_children(usize::MAX).await;
        let living = living.map(|(children, _)| children).unwrap_or_default();
        for (partition, _) in self.all() {
            let name = group::child_name(partition);
            if !living.iter().any(|child| *child.name == *name) {
                self.coordinators.remove(&partition);
            }
        }
    }

    /// Starts the coordinator of a partition that is led here now, in place of an older epoch's.
    pub(crate) async fn lead(&self, partition: PartitionId, route: Route) {
        self.resign(partition).await;
        let (spec, handle) = group::child(GroupArguments {
            partition,
            log: Arc::new(LeaderLog(route)),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            config: self.config(),
        });
        match self.supervisor.add_child(spec).await {
            Ok(_) => {
                self.coordinators.insert(partition, handle);
            }
            Err(error) => tracing::error!(partition, %error, "a coordinator did not start"),
        }
    }

    /// Stops the coordinator of a partition that is not led here any more.
    pub(crate) async fn resign(&self, partition: PartitionId) {
        if self.coordinators.remove(&partition).is_some() {
            let _ = self
                .supervisor
                .remove_child(&group::child_name(partition))
                .await;
        }
    }
}

/// A coordinator's log: the partition's leader for appending, its view for reading.
#[derive(Debug)]
struct LeaderLog(Route);

impl CoordinatorLog for LeaderLog {
    fn append(&self, batches: Vec<Bytes>) -> LogFuture<Offset> {
        let pending: Vec<_> = batches
            .into_iter()
            .map(|batch| {
                let batch = PreparedBatch::from_trusted(batch)?;
                let acks = match is_planted(Bug::EarlyCommit) {
                    true => Acks::Leader,
                    false => Acks::All,
                };
                Ok(self.0.leader.append(batch, acks, Origin::Coordinator))
            })
            .collect();
        Box::pin(async move {
            let mut last_offset = -1;
            for receiver in pending {
                let receiver = receiver.map_err(|error: odeon_records::RecordsError| {
                    CoordinatorLogError::Failed(error.to_string())
                })?;
                let ended = || CoordinatorLogError::Failed("the leader ended".to_owned());
                let appended = receiver.await.map_err(|_| ended())?;
                last_offset = appended.map_err(|error| refusal(error.code))?.last_offset;
            }
            Ok(last_offset)
        })
    }

    fn read(&self, from: Option<Offset>) -> LogFuture<LogChunk> {
        let (view, leader) = (self.0.view.clone(), self.0.leader.clone());
        Box::pin(async move {
            if from.is_none() {
                // What a predecessor left in the leader's mailbox must be written before the end is
                // looked at: the first answer lies behind its appends, the second behind their flush.
                let _ = leader.status().await;
                let _ = leader.status().await;
            }
            let from = from.unwrap_or(0).max(view.log_start_offset());
            let end = view.log_end_offset();
            if from < end {
                let read = view.reader.read(from, CHUNK_BYTES, end, true);
                let read = read.map_err(|error| CoordinatorLogError::Failed(error.to_string()))?;
                return Ok(LogChunk {
                    batches: read.records,
                    next: Some(read.next_offset),
                });
            }
            // Nothing may be served from a log whose end is not committed.
            loop {
                let mut waiter = Waiter::new();
                waiter.register(&view.signal);
                if view.is_closed() {
                    return Err(CoordinatorLogError::NotLeader);
                }
                if view.high_watermark() >= end {
                    return Ok(LogChunk::default());
                }
                waiter.wait().await;
            }
        })
    }
}

fn refusal(code: ErrorCode) -> CoordinatorLogError {
    match code {
        ErrorCode::NotLeaderOrFollower => CoordinatorLogError::NotLeader,
        code => CoordinatorLogError::Failed(code.name().to_owned()),
    }
}
