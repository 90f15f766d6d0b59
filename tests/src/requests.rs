//! Requests of one partition, topic or group, as several suites send them.

use bytes::Bytes;
use odeon_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use odeon_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use odeon_protocol::messages::leave_group_request::MemberIdentity;
use odeon_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use odeon_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use odeon_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use odeon_protocol::messages::{
    FetchRequest, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
};

/// A request for a partition's records, for version 12.
pub fn fetch_request(
    (topic, partition): (&str, i32),
    from: i64,
    max_wait_ms: i32,
    max_bytes: i32,
) -> FetchRequest {
    let asked = FetchPartition {
        partition,
        fetch_offset: from,
        partition_max_bytes: max_bytes,
        ..Default::default()
    };
    let topic = FetchTopic {
        topic: topic.to_owned(),
        partitions: vec![asked],
        ..Default::default()
    };
    FetchRequest {
        replica_id: -1,
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    }
}

/// A request to commit an offset; `member` is its id and generation, or none.
pub fn commit_request(
    group: &str,
    member: Option<(&str, i32)>,
    (topic, partition): (&str, i32),
    offset: i64,
) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: offset,
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: topic.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    let (member_id, generation) = member.unwrap_or(("", -1));
    OffsetCommitRequest {
        group_id: group.to_owned(),
        member_id: member_id.to_owned(),
        generation_id_or_member_epoch: generation,
        topics: vec![topic],
        ..Default::default()
    }
}

/// A request for a group's committed offset, for version 7.
pub fn committed_request(group: &str, (topic, partition): (&str, i32)) -> OffsetFetchRequest {
    let topic = OffsetFetchRequestTopic {
        name: topic.to_owned(),
        partition_indexes: vec![partition],
        ..Default::default()
    };
    OffsetFetchRequest {
        group_id: group.to_owned(),
        topics: Some(vec![topic]),
        ..Default::default()
    }
}

/// A request to join a group of consumers; without an id, for a first time.
pub fn join_request(group: &str, member_id: &str, rebalance_timeout_ms: i32) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol {
        name: "range".to_owned(),
        metadata: Bytes::from_static(b"topics"),
        ..Default::default()
    };
    JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: 6_000,
        rebalance_timeout_ms,
        member_id: member_id.to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![protocol],
        ..Default::default()
    }
}

/// The request that follows on a join: each member is assigned what `share` says of its number among
/// the members.
pub fn sync_request(
    group: &str,
    member_id: &str,
    joined: &JoinGroupResponse,
    share: impl Fn(usize) -> Bytes,
) -> SyncGroupRequest {
    let members = joined.members.iter().enumerate();
    let assignments = members.map(|(number, member)| SyncGroupRequestAssignment {
        member_id: member.member_id.clone(),
        assignment: share(number),
        ..Default::default()
    });
    SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id: joined.generation_id,
        member_id: member_id.to_owned(),
        protocol_type: joined.protocol_type.clone(),
        protocol_name: joined.protocol_name.clone(),
        assignments: assignments.collect(),
        ..Default::default()
    }
}

/// A member's sign of life.
pub fn heartbeat_request(group: &str, (member_id, generation): (&str, i32)) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: group.to_owned(),
        generation_id: generation,
        member_id: member_id.to_owned(),
        ..Default::default()
    }
}

/// A member's farewell.
pub fn leave_request(group: &str, member_id: &str) -> LeaveGroupRequest {
    let member = MemberIdentity {
        member_id: member_id.to_owned(),
        ..Default::default()
    };
    LeaveGroupRequest {
        group_id: group.to_owned(),
        members: vec![member],
        ..Default::default()
    }
}
