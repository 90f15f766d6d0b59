//! Groups: what Apache Kafka 4.4 answers to odd requests, and we do.

use odeon_model::ErrorCode;
use odeon_protocol::messages as m;
use odeon_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use odeon_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use odeon_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use odeon_tests::{RawConnection, TestNode};

use ErrorCode as E;

async fn node() -> (TestNode, RawConnection) {
    let node = TestNode::start().await;
    node.create_topic("t", 1, &[]).await;
    node.create_group_coordinators().await;
    let connection = node.connect().await;
    (node, connection)
}

#[derive(Debug, Clone, Copy)]
struct Commit<'a> {
    version: i16,
    group: &'a str,
    generation: i32,
    member: &'a str,
    topic: &'a str,
    partition: i32,
    metadata_bytes: usize,
}

/// From outside of any membership.
const SIMPLE: Commit<'_> = Commit {
    version: 9,
    group: "simple",
    generation: -1,
    member: "",
    topic: "t",
    partition: 0,
    metadata_bytes: 3,
};

async fn commit(connection: &mut RawConnection, commit: Commit<'_>) -> ErrorCode {
    let partition = OffsetCommitRequestPartition {
        partition_index: commit.partition,
        committed_offset: 5,
        committed_metadata: Some("m".repeat(commit.metadata_bytes)),
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: commit.topic.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = m::OffsetCommitRequest {
        group_id: commit.group.to_owned(),
        generation_id_or_member_epoch: commit.generation,
        member_id: commit.member.to_owned(),
        topics: vec![topic],
        ..Default::default()
    };
    let answer = connection.call(commit.version, &request).await;
    E::from_code(answer.topics[0].partitions[0].error_code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_taken_from_where_kafka_takes_them() {
    let (node, mut connection) = node().await;
    let of = |generation, member| Commit {
        generation,
        member,
        ..SIMPLE
    };
    let unknown = Commit {
        group: "unknown",
        ..of(3, "who")
    };
    let cases = [
        (SIMPLE, E::None),
        (
            Commit {
                topic: "absent",
                ..SIMPLE
            },
            E::UnknownTopicOrPartition,
        ),
        (
            Commit {
                partition: 9,
                ..SIMPLE
            },
            E::UnknownTopicOrPartition,
        ),
        (
            Commit {
                metadata_bytes: 4096,
                ..SIMPLE
            },
            E::None,
        ),
        (
            Commit {
                metadata_bytes: 4097,
                ..SIMPLE
            },
            E::OffsetMetadataTooLarge,
        ),
        (of(3, "who"), E::UnknownMemberId),
        (unknown, E::GroupIdNotFound),
        (
            Commit {
                version: 8,
                ..unknown
            },
            E::IllegalGeneration,
        ),
        (
            Commit {
                group: "",
                ..SIMPLE
            },
            E::None,
        ),
    ];
    for (asked, expected) in cases {
        let code = commit(&mut connection, asked).await;
        assert_eq!(code, expected, "{asked:?}");
    }
    node.stop().await;
}

async fn join(
    connection: &mut RawConnection,
    (group, session_timeout_ms): (&str, i32),
    member: &str,
    (protocol_type, protocols): (&str, &[&str]),
) -> m::JoinGroupResponse {
    let protocols = protocols.iter().map(|name| JoinGroupRequestProtocol {
        name: (*name).to_owned(),
        ..Default::default()
    });
    let request = m::JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms,
        rebalance_timeout_ms: 5_000,
        member_id: member.to_owned(),
        protocol_type: protocol_type.to_owned(),
        protocols: protocols.collect(),
        ..Default::default()
    };
    connection.call(9, &request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_syncs_and_heartbeats_are_refused_as_kafka_does() {
    let (node, mut connection) = node().await;
    let consumer: (&str, &[&str]) = ("consumer", &["range", "other"]);
    let joins = [
        (("g", 1), "", consumer, E::InvalidSessionTimeout),
        (("g", 10_000_000), "", consumer, E::InvalidSessionTimeout),
        (("g", 10_000), "who", consumer, E::UnknownMemberId),
        (
            ("g", 10_000),
            "",
            ("consumer", &[][..]),
            E::InconsistentGroupProtocol,
        ),
        (
            ("g", 10_000),
            "",
            ("", &["range"][..]),
            E::InconsistentGroupProtocol,
        ),
        (("", 10_000), "", consumer, E::InvalidGroupId),
    ];
    for (group, member, protocols, expected) in joins {
        let answer = join(&mut connection, group, member, protocols).await;
        let code = E::from_code(answer.error_code);
        assert_eq!(code, expected, "{group:?} {member} {protocols:?}");
    }
    let first = join(&mut connection, ("g", 10_000), "", consumer).await;
    assert_eq!(E::from_code(first.error_code), E::MemberIdRequired);
    let id = first.member_id;
    let joined = join(&mut connection, ("g", 10_000), &id, consumer).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    let member = Commit {
        group: "g",
        generation: 1,
        member: &id,
        ..SIMPLE
    };
    let stale = Commit {
        generation: 9,
        ..member
    };
    let outside = Commit {
        group: "g",
        ..SIMPLE
    };
    for (asked, expected) in [
        (member, E::RebalanceInProgress),
        (stale, E::IllegalGeneration),
        (outside, E::UnknownMemberId),
    ] {
        let code = commit(&mut connection, asked).await;
        assert_eq!(code, expected, "before the sync: {asked:?}");
    }
    let syncs = [
        (5, &*id, "consumer", "range", E::IllegalGeneration),
        (1, "who", "consumer", "range", E::UnknownMemberId),
        (1, &id, "connect", "range", E::InconsistentGroupProtocol),
        (1, &id, "consumer", "other", E::InconsistentGroupProtocol),
        (1, &id, "consumer", "range", E::None),
        (1, &id, "consumer", "range", E::None),
    ];
    for (generation_id, member_id, protocol_type, protocol_name, expected) in syncs {
        let request = m::SyncGroupRequest {
            group_id: "g".to_owned(),
            generation_id,
            member_id: member_id.to_owned(),
            protocol_type: Some(protocol_type.to_owned()),
            protocol_name: Some(protocol_name.to_owned()),
            ..Default::default()
        };
        let code = E::from_code(connection.call(5, &request).await.error_code);
        assert_eq!(code, expected, "{request:?}");
    }
    assert_eq!(commit(&mut connection, member).await, E::None);
    assert_eq!(commit(&mut connection, outside).await, E::UnknownMemberId);
    let beats = [
        ("g", 1, &*id, E::None),
        ("g", 2, &id, E::IllegalGeneration),
        ("g", 1, "who", E::UnknownMemberId),
        ("unknown", 1, "who", E::UnknownMemberId),
        ("", 1, "who", E::InvalidGroupId),
    ];
    for (group, generation_id, member_id, expected) in beats {
        let request = m::HeartbeatRequest {
            group_id: group.to_owned(),
            generation_id,
            member_id: member_id.to_owned(),
            ..Default::default()
        };
        let code = E::from_code(connection.call(4, &request).await.error_code);
        assert_eq!(code, expected, "{request:?}");
    }
    let deletions = [
        ("g", "t", 0, E::GroupSubscribedToTopic),
        ("g", "t", 9, E::UnknownTopicOrPartition),
        ("g", "absent", 0, E::UnknownTopicOrPartition),
    ];
    for (group, topic, partition, expected) in deletions {
        let answer = delete_offset(&mut connection, group, topic, partition).await;
        assert_eq!(answer.error_code, 0);
        let code = E::from_code(answer.topics[0].partitions[0].error_code);
        assert_eq!(code, expected, "{topic} {partition}");
    }
    for (group, expected) in [("unknown", E::GroupIdNotFound), ("", E::InvalidGroupId)] {
        let answer = delete_offset(&mut connection, group, "t", 0).await;
        assert_eq!(E::from_code(answer.error_code), expected, "{group}");
    }
    node.stop().await;
}

async fn delete_offset(
    connection: &mut RawConnection,
    group: &str,
    topic: &str,
    partition_index: i32,
) -> m::OffsetDeleteResponse {
    let topic = OffsetDeleteRequestTopic {
        name: topic.to_owned(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index }],
    };
    let request = m::OffsetDeleteRequest {
        group_id: group.to_owned(),
        topics: vec![topic],
    };
    connection.call(0, &request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_listed_described_and_deleted_as_kafka_does() {
    let (node, mut connection) = node().await;
    assert_eq!(commit(&mut connection, SIMPLE).await, E::None);
    // It waits for its member's second request.
    let consumer: (&str, &[&str]) = ("consumer", &["range"]);
    let answer = join(&mut connection, ("joining", 10_000), "", consumer).await;
    let id = answer.member_id;
    join(&mut connection, ("joining", 10_000), &id, consumer).await;

    let both: &[&str] = &["joining", "simple"];
    let filters: [(&[&str], &[&str], &[&str]); 9] = [
        (&[], &[], both),
        (&["CompletingRebalance"], &[], &["joining"]),
        (&["eMPTY"], &[], &["simple"]),
        (&["Empty", "CompletingRebalance"], &[], both),
        (&["Bogus"], &[], &[]),
        (&[], &["Classic"], both),
        (&[], &["consumer"], &[]),
        (&[], &["bogus"], &[]),
        (&["Empty"], &["classic"], &["simple"]),
    ];
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    for (states, types, expected) in filters {
        let request = m::ListGroupsRequest {
            states_filter: owned(states),
            types_filter: owned(types),
            ..Default::default()
        };
        let answer = connection.call(5, &request).await;
        let mut listed: Vec<_> = answer.groups.iter().map(|group| &*group.group_id).collect();
        listed.sort_unstable();
        assert_eq!((answer.error_code, &*listed), (0, expected), "{request:?}");
    }

    let describe = |group: &str, version: i16| m::DescribeGroupsRequest {
        groups: vec![group.to_owned()],
        include_authorized_operations: version >= 3,
        ..Default::default()
    };
    for version in 0..=6 {
        let answer = connection
            .call(version, &describe("unknown", version))
            .await;
        let group = &answer.groups[0];
        let (code, operations) = match version {
            6 => (E::GroupIdNotFound, i32::MIN),
            3.. => (E::None, 3_400),
            _ => (E::None, i32::MIN),
        };
        assert_eq!(E::from_code(group.error_code), code, "v{version}");
        assert_eq!(group.group_state, "Dead", "v{version}");
        assert_eq!(group.authorized_operations, operations, "v{version}");
    }
    let known = connection.call(6, &describe("joining", 6)).await;
    let known = &known.groups[0];
    assert_eq!(
        (
            &*known.group_state,
            &*known.protocol_type,
            known.members.len()
        ),
        ("CompletingRebalance", "consumer", 1)
    );

    let request = m::DeleteGroupsRequest {
        groups_names: owned(&["simple", "joining", "unknown", "simple"]),
        ..Default::default()
    };
    let answer = connection.call(3, &request).await;
    let mut deleted: Vec<_> = answer
        .results
        .iter()
        .map(|group| (&*group.group_id, E::from_code(group.error_code)))
        .collect();
    deleted.sort_by_key(|(group, _)| *group);
    let expected = [
        ("joining", E::NonEmptyGroup),
        ("simple", E::None),
        ("unknown", E::GroupIdNotFound),
    ];
    assert_eq!(deleted, expected);
    node.stop().await;
}
