//! What others hold of a GroupCoordinator.

use odeon_kernel::{Slot, SlotError};
use odeon_model::ErrorCode;
use ractor::RpcReplyPort;

use super::command::{Command, GroupMessage};
use super::config::GroupConfig;
use super::message::*;

/// A replaceable handle: it reaches whichever incarnation of the coordinator runs now. Cheap to
/// clone.
///
/// Where no coordinator runs, or it ends before it has answered, the answer is
/// `COORDINATOR_NOT_AVAILABLE`: what was asked may have been done or not. While it reads its log
/// the answer is `COORDINATOR_LOAD_IN_PROGRESS`. No method has a deadline of its own, and
/// all are cancel safe: what was asked is done without anybody who hears the answer.
#[derive(Debug, Clone)]
pub struct GroupHandle {
    slot: Slot<GroupMessage>,
}

impl GroupHandle {
    pub(super) fn new(slot: Slot<GroupMessage>) -> Self {
        Self { slot }
    }

    /// JoinGroup. Takes as long as the rebalance.
    pub async fn join(&self, request: JoinRequest) -> JoinReply {
        let member_id = request.member_id.clone();
        let request = Box::new(request);
        let reply = self.ask(|port| Command::Join(request, port)).await;
        reply.unwrap_or_else(|error| JoinReply::refused(error, member_id))
    }

    /// SyncGroup. Takes until the leader's assignment is there.
    pub async fn sync(&self, request: SyncRequest) -> SyncReply {
        let reply = self.ask(|port| Command::Sync(request, port)).await;
        reply.unwrap_or_else(SyncReply::refused)
    }

    /// Heartbeat.
    pub async fn heartbeat(&self, request: HeartbeatRequest) -> ErrorCode {
        self.ask(|port| Command::Heartbeat(request, port))
            .await
            .unwrap_or_else(|error| error)
    }

    /// LeaveGroup.
    ///
    /// # Errors
    /// The code for the whole request.
    pub async fn leave(&self, request: LeaveRequest) -> Result<Vec<LeftMember>, ErrorCode> {
        self.ask(|port| Command::Leave(request, port)).await?
    }

    /// OffsetCommit.
    ///
    /// # Errors
    /// The code for every partition. Versions before 9 show `GROUP_ID_NOT_FOUND` as
    /// `ILLEGAL_GENERATION`.
    pub async fn commit(&self, request: CommitRequest) -> Result<Vec<TopicErrors>, ErrorCode> {
        self.ask(|port| Command::Commit(request, port)).await?
    }

    /// OffsetFetch, for one group.
    ///
    /// # Errors
    /// The code for the whole group.
    pub async fn fetch(&self, request: FetchRequest) -> Result<Vec<FetchedTopic>, ErrorCode> {
        self.ask(|port| Command::Fetch(request, port)).await?
    }

    /// OffsetDelete.
    ///
    /// # Errors
    /// The code for the whole request: `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`.
    pub async fn offset_delete(
        &self,
        request: OffsetDeleteRequest,
    ) -> Result<Vec<TopicErrors>, ErrorCode> {
        self.ask(|port| Command::DeleteOffsets(request, port))
            .await?
    }

    /// DescribeGroups; each group has its own error.
    ///
    /// # Errors
    /// The code for every group.
    pub async fn describe(&self, group_ids: Vec<String>) -> Result<Vec<DescribedGroup>, ErrorCode> {
        self.ask(|port| Command::Describe(group_ids, port)).await?
    }

    /// ListGroups: those of this coordinator.
    ///
    /// # Errors
    /// The code for the whole answer.
    pub async fn list(&self, filter: ListFilter) -> Result<Vec<ListedGroup>, ErrorCode> {
        self.ask(|port| Command::List(filter, port)).await?
    }

    /// DeleteGroups; each group has its own error.
    ///
    /// # Errors
    /// The code for every group.
    pub async fn delete(
        &self,
        group_ids: Vec<String>,
    ) -> Result<Vec<(String, ErrorCode)>, ErrorCode> {
        self.ask(|port| Command::Delete(group_ids, port)).await?
    }

    /// Says that topics were deleted: all groups forget their offsets in them. A coordinator that
    /// reads its log, or does not run, does not hear it; its offsets expire in their time.
    pub fn topics_deleted(&self, topics: Vec<String>) {
        let _ = self.slot.cast(GroupMessage(Command::TopicsDeleted(topics)));
    }

    /// Says that the settings changed.
    pub fn configure(&self, config: GroupConfig) {
        let _ = self.slot.cast(GroupMessage(Command::Configure(config)));
    }

    async fn ask<R: Send + 'static>(
        &self,
        command: impl FnOnce(RpcReplyPort<R>) -> Command,
    ) -> Result<R, ErrorCode> {
        self.slot
            .call_unbounded(|port| GroupMessage(command(port)))
            .await
            .map_err(|error: SlotError| {
                tracing::debug!(%error, "a group coordinator did not answer");
                ErrorCode::CoordinatorNotAvailable
            })
    }
}
