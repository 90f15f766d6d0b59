//! What a PartitionLeader understands.

use std::sync::Arc;

use odeon_log::ProducerStates;
use odeon_model::config::TopicConfig;
use odeon_model::{ErrorCode, NodeId, Offset};
use odeon_records::PreparedBatch;
use tokio::sync::oneshot;

use super::replicas::Report;
use crate::partition::isr::Altered;
use crate::partition::syncing::SyncNews;

/// What a producer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Nothing (`acks=0`).
    None,
    /// The leader's write (`acks=1`).
    Leader,
    /// Every in-sync replica, durably unless the topic says otherwise (`acks=all`).
    All,
}

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client's Produce request.
    Client,
    /// A coordinator, to its internal topic.
    Coordinator,
}

/// Where a batch landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// The append time in milliseconds with `LogAppendTime`, else -1.
    pub log_append_time_ms: i64,
    /// The partition's log start offset.
    pub log_start_offset: Offset,
    /// Whether the batch had been appended before (idempotence): the offsets are the original's.
    pub duplicate: bool,
}

/// Why a batch was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendError {
    /// Kafka's error code.
    pub code: ErrorCode,
    /// Details for the producer.
    pub message: Option<String>,
}

impl From<ErrorCode> for AppendError {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
        }
    }
}

/// A leader's own account of itself.
#[derive(Debug, Clone)]
pub struct LeaderStatus {
    /// Its epoch.
    pub leader_epoch: i32,
    /// The in-sync replicas.
    pub isr: Vec<NodeId>,
    /// Acknowledgements it owes.
    pub pending_acks: usize,
    /// Producers with state, for DescribeProducers.
    pub producers: ProducerStates,
}

/// Where an append's answer goes.
pub(super) type AppendReply = oneshot::Sender<Result<Appended, AppendError>>;

/// The vocabulary. `Flush`, `Sync`, `FlushDue`, `Altered` and `LookAtIsr` are the actor's
/// own.
#[derive(Debug)]
pub(super) enum LeaderMsg {
    /// Append one batch.
    Append {
        /// The checked batch, boxed to keep the mailbox small.
        batch: Box<PreparedBatch>,
        /// What the sender waits for.
        acks: Acks,
        /// Who sends.
        origin: Origin,
        /// Where the answer goes.
        reply: AppendReply,
    },
    /// Write all that was staged.
    Flush,
    /// News of a sync.
    Sync(SyncNews),
    /// What is in the page cache has been there for `flush.ms`.
    FlushDue,
    /// Move the log start offset up; -1 means the high watermark. Answers the new log start.
    DeleteRecords {
        /// The first offset to keep.
        before_offset: Offset,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Offset, ErrorCode>>,
    },
    /// The topic's configuration changed, or the broker's.
    Configure {
        /// The topic's settings.
        config: Arc<TopicConfig>,
        /// `producer.id.expiration.ms`.
        producer_id_expiration_ms: i64,
    },
    /// The replicas or the in-sync ones changed.
    SetReplicas {
        /// All replicas.
        all: Vec<NodeId>,
        /// The in-sync replicas.
        isr: Vec<NodeId>,
        /// The partition epoch that they belong to.
        partition_epoch: i32,
    },
    /// A follower is somewhere.
    Report {
        /// Whose.
        follower: NodeId,
        /// Where.
        report: Report,
    },
    /// What became of the ISR that was asked for.
    Altered(Altered),
    /// Followers that are behind may have been so for too long, or an alteration failed a while ago.
    LookAtIsr,
    /// Roll, delete and trim what is due.
    Maintain,
    /// Tell about yourself.
    Status(oneshot::Sender<LeaderStatus>),
}

impl ractor::Message for LeaderMsg {}

impl From<SyncNews> for LeaderMsg {
    fn from(news: SyncNews) -> Self {
        Self::Sync(news)
    }
}
