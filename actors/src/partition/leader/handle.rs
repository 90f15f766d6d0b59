//! What others hold of a PartitionLeader.

use std::sync::Arc;

use odeon_kernel::Slot;
use odeon_model::config::TopicConfig;
use odeon_model::{ErrorCode, NodeId, Offset};
use odeon_records::PreparedBatch;
use ractor::ActorRef;
use tokio::sync::oneshot;

use super::message::{Acks, AppendError, Appended, LeaderMsg, LeaderStatus, Origin};
use super::replicas::Report;
use crate::partition::newest::Settings;

/// A replaceable handle: it reaches whichever incarnation of the leader runs now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LeaderHandle {
    slot: Slot<LeaderMsg>,
    settings: Settings,
}

impl LeaderHandle {
    pub(super) fn new(slot: Slot<LeaderMsg>, settings: Settings) -> Self {
        Self { slot, settings }
    }

    /// An incarnation that starts has what is sent from now on in its mailbox.
    pub(super) fn leads_to(&self, leader: ActorRef<LeaderMsg>) {
        self.slot.publish(leader);
    }

    /// Queues a batch behind those queued before it. The answer comes when the acknowledgement that
    /// `acks` asks for is reached. A receiver that ends without an answer means that the outcome is
    /// unknown: the batch may or may not be written.
    pub fn append(
        &self,
        batch: PreparedBatch,
        acks: Acks,
        origin: Origin,
    ) -> oneshot::Receiver<Result<Appended, AppendError>> {
        let (reply, receiver) = oneshot::channel();
        // Refused sends drop the reply, which says "unknown"; the client retries.
        let _ = self.slot.cast(LeaderMsg::Append {
            batch: Box::new(batch),
            acks,
            origin,
            reply,
        });
        receiver
    }

    /// Moves the log start offset to `before_offset`, or to the high watermark for -1, and waits until
    /// all replicas on live brokers have followed. Answers the low watermark. Cancel safe; the log
    /// start stays moved.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` beyond the high watermark, `NOT_LEADER_OR_FOLLOWER` when no leader runs.
    pub async fn delete_records(&self, before_offset: Offset) -> Result<Offset, ErrorCode> {
        self.ask(|reply| LeaderMsg::DeleteRecords {
            before_offset,
            reply,
        })
        .await
        .unwrap_or(Err(ErrorCode::NotLeaderOrFollower))
    }

    /// The leader's own account of itself, `None` when none runs.
    pub async fn status(&self) -> Option<LeaderStatus> {
        self.ask(LeaderMsg::Status).await
    }

    /// Rolls, deletes and trims what is due.
    pub(crate) fn maintain(&self) {
        let _ = self.slot.cast(LeaderMsg::Maintain);
    }

    /// Takes over changed settings.
    pub(crate) fn configure(&self, config: Arc<TopicConfig>, producer_id_expiration_ms: i64) {
        self.settings.put(config.clone(), producer_id_expiration_ms);
        let _ = self.slot.cast(LeaderMsg::Configure {
            config,
            producer_id_expiration_ms,
        });
    }

    /// Takes over changed replicas or a changed ISR.
    pub(crate) fn set_replicas(&self, all: Vec<NodeId>, isr: Vec<NodeId>, partition_epoch: i32) {
        let _ = self.slot.cast(LeaderMsg::SetReplicas {
            all,
            isr,
            partition_epoch,
        });
    }

    /// Says that somebody who may not have been fit for the ISR may be now.
    pub(crate) fn look_at_isr(&self) {
        let _ = self.slot.cast(LeaderMsg::LookAtIsr);
    }

    /// Says where a follower is.
    pub(crate) fn report(&self, follower: NodeId, report: Report) {
        let _ = self.slot.cast(LeaderMsg::Report { follower, report });
    }

    async fn ask<R>(&self, message: impl FnOnce(oneshot::Sender<R>) -> LeaderMsg) -> Option<R> {
        let (reply, receiver) = oneshot::channel();
        self.slot.cast(message(reply)).ok()?;
        receiver.await.ok()
    }
}
