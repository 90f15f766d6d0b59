//! What a PartitionLeader publishes, and a PartitionFollower: fetches, offset look-ups and metadata read
//! this.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use odeon_kernel::signal::Signal;
use odeon_log::LogReader;
use odeon_model::config::TopicConfig;
use odeon_model::{LeaderEpoch, NodeId, Offset, PartitionId, TopicId};
use odeon_records::ValidationRules;

use super::replication::subscription::Subscribers;
use crate::settings::validation_rules;

/// A read-only view on a partition that this node leads or follows, for the length of one leader epoch.
///
/// `log_start <= last_stable <= high_watermark <= log_end` holds at every moment.
#[derive(Debug)]
pub struct PartitionView {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition's index.
    pub partition: PartitionId,
    /// The epoch this view belongs to.
    pub leader_epoch: LeaderEpoch,
    /// The log, for reading.
    pub reader: LogReader,
    /// Notified when an offset moved or the view was closed.
    pub signal: Signal,
    /// The sessions of other nodes that follow this partition.
    pub(crate) followers: Subscribers,
    /// Where the leader's epoch begins.
    epoch_start: AtomicI64,
    beginnings: AtomicU64,
    high_watermark: AtomicI64,
    closed: AtomicBool,
    /// The replicas that the leader counts.
    replicas: RwLock<Vec<NodeId>>,
    /// The replica on this node is throttled, as a leader and as a follower.
    throttled: [AtomicBool; 2],
    rules: RwLock<ValidationRules>,
}

impl PartitionView {
    pub(crate) fn new(
        topic: Arc<str>,
        topic_id: TopicId,
        partition: PartitionId,
        leader_epoch: LeaderEpoch,
        reader: LogReader,
        config: &TopicConfig,
    ) -> Self {
        Self {
            topic,
            topic_id,
            partition,
            leader_epoch,
            reader,
            signal: Signal::new(),
            followers: Subscribers::default(),
            epoch_start: AtomicI64::new(0),
            beginnings: AtomicU64::new(0),
            high_watermark: AtomicI64::new(0),
            closed: AtomicBool::new(false),
            replicas: RwLock::default(),
            throttled: [AtomicBool::new(false), AtomicBool::new(false)],
            rules: RwLock::new(validation_rules(config)),
        }
    }

    /// What a batch sent now, by this version of Produce, is checked against.
    pub fn rules(&self, now_ms: i64, api_version: i16) -> ValidationRules {
        let rules = *self.rules.read().unwrap_or_else(PoisonError::into_inner);
        ValidationRules {
            now_ms,
            api_version,
            ..rules
        }
    }

    /// The offset behind the last record that consumers may see.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
            .load(Ordering::Acquire)
            .max(self.reader.view().log_start())
    }

    /// The offset behind the last record that `read_committed` consumers may see.
    pub fn last_stable_offset(&self) -> Offset {
        // Without transactions nothing is ever undecided.
        self.high_watermark()
    }

    /// The first offset that is still there.
    pub fn log_start_offset(&self) -> Offset {
        self.reader.view().log_start()
    }

    /// The offset of the next record.
    pub fn log_end_offset(&self) -> Offset {
        self.reader.view().log_end()
    }

    /// Whether the leader of this epoch is gone: whoever waits must ask for the route again.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes over changed settings.
    pub(crate) fn configure(&self, config: &TopicConfig) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = validation_rules(config);
    }

    /// Takes over which replicas are throttled.
    pub(crate) fn throttle(&self, node: NodeId, config: &TopicConfig) {
        let sides = [
            &config.leader_throttled_replicas,
            &config.follower_throttled_replicas,
        ];
        for (is_throttled, replicas) in self.throttled.iter().zip(sides) {
            let includes = replicas.includes(self.partition, node);
            is_throttled.store(includes, Ordering::Relaxed);
        }
    }

    /// Whether what its leader here sends to followers that are not in sync counts.
    pub(crate) fn throttles_leader(&self) -> bool {
        self.throttled[0].load(Ordering::Relaxed)
    }

    /// Whether what its follower here takes while it is not in sync counts.
    pub(crate) fn throttles_follower(&self) -> bool {
        self.throttled[1].load(Ordering::Relaxed)
    }

    /// Moves the high watermark up and wakes whoever waits.
    pub(crate) fn publish_high_watermark(&self, offset: Offset) {
        if self.high_watermark.fetch_max(offset, Ordering::AcqRel) < offset {
            self.signal.notify();
            self.followers.ring();
        }
    }

    /// Where this epoch begins in the log. A high watermark below it is an earlier leader's, and
    /// readers may have seen more than it says.
    pub fn epoch_start_offset(&self) -> Offset {
        self.epoch_start.load(Ordering::Acquire)
    }

    /// Notes where this epoch begins, for a leader that begins or begins again; how often it had begun.
    pub(crate) fn begin_at(&self, offset: Offset) -> u64 {
        self.epoch_start.store(offset, Ordering::Release);
        self.beginnings.fetch_add(1, Ordering::AcqRel)
    }

    /// How often a leader of this epoch has begun: another number is another actor.
    pub(crate) fn beginnings(&self) -> u64 {
        self.beginnings.load(Ordering::Acquire)
    }

    /// Takes over whom the leader counts as a replica.
    pub(crate) fn publish_replicas(&self, all: &[NodeId]) {
        let mut replicas = self
            .replicas
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.clone_into(&mut replicas);
    }

    /// Whether the leader counts a node as a replica: what others say it does not hear.
    pub(crate) fn has_replica(&self, node: NodeId) -> bool {
        let replicas = self.replicas.read().unwrap_or_else(PoisonError::into_inner);
        replicas.contains(&node)
    }

    /// Says that the log end moved, to those who follow it.
    pub(crate) fn publish_log_end(&self) {
        self.followers.ring();
    }

    /// Ends the view and wakes whoever waits.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.signal.notify();
        self.followers.ring();
    }
}
