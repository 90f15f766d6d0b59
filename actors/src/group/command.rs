//! What the coordinator's mailbox holds.

use odeon_model::{ErrorCode, Offset};
use ractor::RpcReplyPort;

use super::config::GroupConfig;
use super::log::CoordinatorLogError;
use super::message::*;
use super::state::Groups;
use crate::shell::Ticket;

/// A message of [`super::GroupCoordinator`]; only [`super::GroupHandle`] makes them.
#[derive(Debug)]
pub struct GroupMessage(pub(super) Command);

impl ractor::Message for GroupMessage {}

/// The answers of a request about several partitions.
pub(super) type TopicsReply = Result<Vec<TopicErrors>, ErrorCode>;

/// The vocabulary. The last four are the actor's own.
#[derive(Debug)]
pub(super) enum Command {
    /// JoinGroup; parked until its generation begins.
    Join(Box<JoinRequest>, RpcReplyPort<JoinReply>),
    /// SyncGroup; parked until the leader's assignment is there.
    Sync(SyncRequest, RpcReplyPort<SyncReply>),
    /// Heartbeat.
    Heartbeat(HeartbeatRequest, RpcReplyPort<ErrorCode>),
    /// LeaveGroup.
    Leave(
        LeaveRequest,
        RpcReplyPort<Result<Vec<LeftMember>, ErrorCode>>,
    ),
    /// OffsetCommit.
    Commit(CommitRequest, RpcReplyPort<TopicsReply>),
    /// OffsetFetch, one group.
    Fetch(
        FetchRequest,
        RpcReplyPort<Result<Vec<FetchedTopic>, ErrorCode>>,
    ),
    /// OffsetDelete.
    DeleteOffsets(OffsetDeleteRequest, RpcReplyPort<TopicsReply>),
    /// DescribeGroups, those of this coordinator.
    Describe(
        Vec<String>,
        RpcReplyPort<Result<Vec<DescribedGroup>, ErrorCode>>,
    ),
    /// ListGroups, those of this coordinator.
    List(
        ListFilter,
        RpcReplyPort<Result<Vec<ListedGroup>, ErrorCode>>,
    ),
    /// DeleteGroups, those of this coordinator.
    Delete(
        Vec<String>,
        RpcReplyPort<Result<Vec<(String, ErrorCode)>, ErrorCode>>,
    ),
    /// Topics were deleted; the names.
    TopicsDeleted(Vec<String>),
    /// The settings changed.
    Configure(GroupConfig),
    /// The log was read.
    Loaded(Result<Box<Groups>, CoordinatorLogError>),
    /// Append what was decided.
    Flush,
    /// An append is committed, or failed.
    Committed(Ticket, Result<Offset, CoordinatorLogError>),
    /// A deadline may be due.
    Wake,
}
