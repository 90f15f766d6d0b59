//! What may be asked of a group coordinator, and what it answers.
//!
//! These are the words of Kafka's group requests without their versions: a handler fills in what
//! an old version lacks, and leaves out of a reply what an old version cannot say.

use bytes::Bytes;
use odeon_model::{ErrorCode, LeaderEpoch, Offset, PartitionId, Uuid};

/// Asks for a place in a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JoinRequest {
    /// The group.
    pub group_id: String,
    /// The member's id, or empty for a member that has none yet.
    pub member_id: String,
    /// The `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// The client's name of itself; a new member's id starts with it.
    pub client_id: String,
    /// Where the client connects from, as `/1.2.3.4`.
    pub client_host: String,
    /// How long the member may be silent before it is expelled, in ms.
    pub session_timeout_ms: i32,
    /// How long the member may take to join a rebalance, in ms. Version 0 has none: the handler
    /// passes the session time-out.
    pub rebalance_timeout_ms: i32,
    /// What kind of group this is: `consumer`, `connect`, ...
    pub protocol_type: String,
    /// The assignment strategies the member knows, best first, with what it says under each.
    pub protocols: Vec<(String, Bytes)>,
    /// Why the client joins, for the log.
    pub reason: Option<String>,
    /// Whether a member without an id gets one and must ask again (version 4 and later).
    pub require_known_member_id: bool,
    /// Whether the client understands `skip_assignment` (version 9 and later).
    pub supports_skip_assignment: bool,
}

/// A member as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member's id.
    pub member_id: String,
    /// The static member's instance id.
    pub instance_id: Option<String>,
    /// What the member said under the chosen protocol.
    pub metadata: Bytes,
}

/// The answer to [`JoinRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinReply {
    /// What went wrong, or none.
    pub error: ErrorCode,
    /// The generation the member is in, -1 with an error.
    pub generation: i32,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The protocol that all members know and most prefer. Versions before 7 write none as empty.
    pub protocol: Option<String>,
    /// The leader's member id.
    pub leader: String,
    /// The leader need not assign anything: the assignment stands.
    pub skip_assignment: bool,
    /// The id of the member that asked; with `MEMBER_ID_REQUIRED` the id to come back with.
    pub member_id: String,
    /// All members, for the leader only.
    pub members: Vec<JoinedMember>,
}

impl JoinReply {
    /// A refusal.
    pub fn refused(error: ErrorCode, member_id: impl Into<String>) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            skip_assignment: false,
            member_id: member_id.into(),
            members: Vec::new(),
        }
    }
}

/// A member asks for its assignment; the leader brings everybody's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncRequest {
    /// The group.
    pub group_id: String,
    /// The member.
    pub member_id: String,
    /// The static member's instance id.
    pub instance_id: Option<String>,
    /// The generation that the member joined.
    pub generation: i32,
    /// The protocol type the member believes in; none in versions before 5.
    pub protocol_type: Option<String>,
    /// The protocol the member believes in; none in versions before 5.
    pub protocol: Option<String>,
    /// From the leader: the assignment of each member id.
    pub assignments: Vec<(String, Bytes)>,
}

/// The answer to [`SyncRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncReply {
    /// What went wrong, or none.
    pub error: ErrorCode,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The group's protocol.
    pub protocol: Option<String>,
    /// The member's share.
    pub assignment: Bytes,
}

impl SyncReply {
    /// A refusal.
    pub fn refused(error: ErrorCode) -> Self {
        Self {
            error,
            protocol_type: None,
            protocol: None,
            assignment: Bytes::new(),
        }
    }
}

/// A member says that it lives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeartbeatRequest {
    /// The group.
    pub group_id: String,
    /// The member.
    pub member_id: String,
    /// The static member's instance id.
    pub instance_id: Option<String>,
    /// The generation the member is in.
    pub generation: i32,
}

/// One member that leaves: by member id, by instance id, or by both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeavingMember {
    /// The member's id; empty to name a static member by its instance id only.
    pub member_id: String,
    /// The static member's instance id.
    pub instance_id: Option<String>,
    /// Why, for the log.
    pub reason: Option<String>,
}

/// Members leave a group. Versions before 3 name one member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaveRequest {
    /// The group.
    pub group_id: String,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// What became of one [`LeavingMember`]. Versions before 3 show the first one's error at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftMember {
    /// As asked.
    pub member_id: String,
    /// As asked.
    pub instance_id: Option<String>,
    /// What went wrong, or none.
    pub error: ErrorCode,
}

/// One offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPartition {
    /// The partition.
    pub partition: PartitionId,
    /// The next offset to read.
    pub offset: Offset,
    /// The leader epoch of the last record read, -1 if unknown.
    pub leader_epoch: LeaderEpoch,
    /// What the client wants to keep with it.
    pub metadata: Option<String>,
}

/// The offsets to commit for one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitTopic {
    /// The topic's name.
    pub topic: String,
    /// The topic's id, or zero where it is not known.
    pub topic_id: Uuid,
    /// The offsets.
    pub partitions: Vec<CommitPartition>,
}

/// Commits offsets for a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitRequest {
    /// The group; empty is allowed.
    pub group_id: String,
    /// The member, or empty for a client outside of group management.
    pub member_id: String,
    /// The static member's instance id.
    pub instance_id: Option<String>,
    /// The generation, or -1 for a client outside of group management.
    pub generation: i32,
    /// How long to keep these offsets, in ms: versions 2 to 4 only, and there -1 means none.
    pub retention_time_ms: Option<i64>,
    /// The offsets.
    pub topics: Vec<CommitTopic>,
}

/// Per partition of one topic: what went wrong, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicErrors {
    /// The topic's name.
    pub topic: String,
    /// The topic's id as asked.
    pub topic_id: Uuid,
    /// The partitions in the order they were asked for.
    pub partitions: Vec<(PartitionId, ErrorCode)>,
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicPartitions {
    /// The topic's name.
    pub topic: String,
    /// The topic's id, or zero where it is not known.
    pub topic_id: Uuid,
    /// The partitions.
    pub partitions: Vec<PartitionId>,
}

/// Asks for a group's committed offsets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FetchRequest {
    /// The group.
    pub group_id: String,
    /// The partitions asked for, or none for all that the group has.
    pub topics: Option<Vec<TopicPartitions>>,
    /// Refuse partitions with offsets of a transaction that is not decided.
    pub require_stable: bool,
}

/// A committed offset as clients get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedPartition {
    /// The partition.
    pub partition: PartitionId,
    /// The next offset to read, -1 if nothing was committed.
    pub offset: Offset,
    /// The leader epoch that was committed with it, -1 if none.
    pub leader_epoch: LeaderEpoch,
    /// What the client kept with it.
    pub metadata: String,
    /// What went wrong, or none.
    pub error: ErrorCode,
}

/// The committed offsets of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedTopic {
    /// The topic's name.
    pub topic: String,
    /// The topic's id as asked, or as committed if all topics were asked for.
    pub topic_id: Uuid,
    /// The offsets.
    pub partitions: Vec<FetchedPartition>,
}

/// Forgets committed offsets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetDeleteRequest {
    /// The group.
    pub group_id: String,
    /// Whose offsets.
    pub topics: Vec<TopicPartitions>,
}

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupState {
    /// No members; there may be offsets.
    Empty,
    /// Members are asked to join the next generation.
    PreparingRebalance,
    /// All joined; the leader's assignment is awaited.
    CompletingRebalance,
    /// Everybody works on what was assigned.
    Stable,
    /// There is no such group.
    Dead,
}

impl GroupState {
    /// Kafka's name of the state.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// A member as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member's id.
    pub member_id: String,
    /// The static member's instance id.
    pub instance_id: Option<String>,
    /// The client's name of itself.
    pub client_id: String,
    /// Where the client connects from.
    pub client_host: String,
    /// What the member said under the chosen protocol; empty unless the group is stable.
    pub metadata: Bytes,
    /// The member's share; empty unless the group is stable.
    pub assignment: Bytes,
}

/// A group as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedGroup {
    /// The group.
    pub group_id: String,
    /// `GROUP_ID_NOT_FOUND` with the state `Dead` for an unknown group; versions before 6 show
    /// that as no error.
    pub error: ErrorCode,
    /// Where the group stands.
    pub state: GroupState,
    /// The protocol type, empty for a group that only keeps offsets.
    pub protocol_type: String,
    /// The protocol, empty unless the group is stable.
    pub protocol: String,
    /// The members.
    pub members: Vec<DescribedMember>,
}

/// Which groups to list. An empty filter lets all pass; case does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFilter {
    /// Names of states.
    pub states: Vec<String>,
    /// Names of group types.
    pub types: Vec<String>,
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group_id: String,
    /// The protocol type, empty for a group that only keeps offsets.
    pub protocol_type: String,
    /// Where the group stands.
    pub state: GroupState,
    /// The group's type as Kafka writes it: `classic`.
    pub group_type: &'static str,
}
