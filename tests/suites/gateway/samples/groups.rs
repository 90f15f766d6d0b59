//! What is about consumer groups.

use bytes::Bytes;
use odeon_protocol::messages as m;
use odeon_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use odeon_protocol::messages::leave_group_request::MemberIdentity;
use odeon_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use odeon_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use odeon_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use odeon_protocol::messages::sync_group_request::SyncGroupRequestAssignment;

use super::{GROUP, Samples, World, name, name_and_id};

pub(super) fn add(samples: &mut Samples, world: &World) {
    samples.add(|version, label| commit(world, version, label));
    samples.add(|version, label| offset_fetch(world, version, label));
    for version in 2..=10 {
        samples.push(version, "all topics", &all_offsets(version));
    }
    samples.add(|version, label| m::FindCoordinatorRequest {
        key: if version < 4 {
            GROUP.to_owned()
        } else {
            String::new()
        },
        key_type: if version >= 1 && label == "wrong" {
            9
        } else {
            0
        },
        coordinator_keys: if version >= 4 {
            vec![GROUP.to_owned()]
        } else {
            Vec::new()
        },
        ..Default::default()
    });
    members(samples);
    samples.add(|version, label| m::DescribeGroupsRequest {
        groups: vec![group(label)],
        include_authorized_operations: version >= 3,
        ..Default::default()
    });
    samples.add(|version, label| m::ListGroupsRequest {
        states_filter: filter(
            version >= 4,
            if label == "wrong" {
                "Nonsense"
            } else {
                "Empty"
            },
        ),
        types_filter: filter(
            version >= 5,
            if label == "wrong" {
                "nonsense"
            } else {
                "classic"
            },
        ),
        ..Default::default()
    });
    samples.add(|_, _| m::DeleteGroupsRequest {
        groups_names: vec![group("wrong")],
        ..Default::default()
    });
    samples.add(|_, label| {
        let partition = OffsetDeleteRequestPartition { partition_index: 1 };
        let partitions = vec![partition];
        let topic = OffsetDeleteRequestTopic {
            name: name(label),
            partitions,
        };
        m::OffsetDeleteRequest {
            group_id: GROUP.into(),
            topics: vec![topic],
        }
    });
}

fn group(label: &str) -> String {
    if label == "wrong" { "unknown" } else { GROUP }.to_owned()
}

fn filter(present: bool, word: &str) -> Vec<String> {
    if present {
        vec![word.to_owned()]
    } else {
        Vec::new()
    }
}

/// A commit of offset 5 of partition 0 without a member.
pub(super) fn commit(world: &World, version: i16, label: &str) -> m::OffsetCommitRequest {
    let (name, topic_id) = name_and_id(world, version >= 10, label);
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: 5,
        committed_leader_epoch: if version >= 6 { 0 } else { -1 },
        committed_metadata: Some("note".to_owned()),
        ..Default::default()
    };
    let partitions = vec![partition];
    m::OffsetCommitRequest {
        group_id: GROUP.to_owned(),
        generation_id_or_member_epoch: -1,
        retention_time_ms: -1,
        topics: vec![OffsetCommitRequestTopic {
            name,
            topic_id,
            partitions,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// What [`GROUP`] committed for the first partitions of the topic.
fn offset_fetch(world: &World, version: i16, label: &str) -> m::OffsetFetchRequest {
    let (name, topic_id) = name_and_id(world, version >= 10, label);
    let partition_indexes = vec![0, 1];
    if version < 8 {
        let topic = OffsetFetchRequestTopic {
            name,
            partition_indexes,
            ..Default::default()
        };
        return m::OffsetFetchRequest {
            group_id: GROUP.to_owned(),
            topics: Some(vec![topic]),
            require_stable: version >= 7,
            ..Default::default()
        };
    }
    let topic = OffsetFetchRequestTopics {
        name,
        topic_id,
        partition_indexes,
        ..Default::default()
    };
    let group = OffsetFetchRequestGroup {
        group_id: GROUP.to_owned(),
        topics: Some(vec![topic]),
        ..Default::default()
    };
    m::OffsetFetchRequest {
        groups: vec![group],
        require_stable: true,
        ..Default::default()
    }
}

/// Everything that [`GROUP`] committed.
pub fn all_offsets(version: i16) -> m::OffsetFetchRequest {
    if version < 8 {
        let group_id = GROUP.to_owned();
        return m::OffsetFetchRequest {
            group_id,
            topics: None,
            ..Default::default()
        };
    }
    let group = OffsetFetchRequestGroup {
        group_id: GROUP.into(),
        topics: None,
        ..Default::default()
    };
    m::OffsetFetchRequest {
        groups: vec![group],
        ..Default::default()
    }
}

/// A join of a group of one; `member` empty for a first time.
pub(super) fn join(version: i16, group: &str, member: &str) -> m::JoinGroupRequest {
    let metadata = Bytes::from_static(b"subscription");
    m::JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: if version >= 1 { 10_000 } else { -1 },
        member_id: member.to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The leader's assignment to itself.
pub fn sync(version: i16, group: &str, member: &str, generation: i32) -> m::SyncGroupRequest {
    m::SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id: generation,
        member_id: member.to_owned(),
        protocol_type: (version >= 5).then(|| "consumer".to_owned()),
        protocol_name: (version >= 5).then(|| "range".to_owned()),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: member.to_owned(),
            assignment: Bytes::from_static(b"assignment"),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A member leaves.
pub fn leave(version: i16, group: &str, member: &str) -> m::LeaveGroupRequest {
    let mut request = m::LeaveGroupRequest {
        group_id: group.to_owned(),
        ..Default::default()
    };
    if version < 3 {
        request.member_id = member.to_owned();
    } else {
        let reason = (version >= 5).then(|| "done".to_owned());
        let member = MemberIdentity {
            member_id: member.to_owned(),
            reason,
            ..Default::default()
        };
        request.members = vec![member];
    }
    request
}

fn members(samples: &mut Samples) {
    samples.add(|version, label| {
        let mut request = join(version, "joined", "");
        if label == "wrong" {
            request.session_timeout_ms = 1;
        }
        request
    });
    samples.add(|version, _| sync(version, "joined", "nobody", 1));
    samples.add(|_, _| m::HeartbeatRequest {
        group_id: "joined".to_owned(),
        generation_id: 1,
        member_id: "nobody".to_owned(),
        ..Default::default()
    });
    samples.add(|version, _| leave(version, "joined", "nobody"));
}

/// A commit without a member.
pub fn commit_sensible(world: &World, version: i16) -> m::OffsetCommitRequest {
    commit(world, version, "sensible")
}

/// What [`GROUP`] committed for the first partitions.
pub fn fetch_committed(world: &World, version: i16) -> m::OffsetFetchRequest {
    offset_fetch(world, version, "sensible")
}
