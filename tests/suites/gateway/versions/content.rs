//! What is in the answers, in every version.

use std::collections::BTreeSet;

use odeon_gateway::dispatch::versions_of;
use odeon_model::ErrorCode;
use odeon_protocol::messages as m;
use odeon_protocol::{ApiKey, Request};
use odeon_tests::node::{create_topic, produce_request, until_led};
use odeon_tests::records::{batch, read};
use odeon_tests::{RawConnection, TestNode};

use crate::gateway::samples::{self, GROUP, TOPIC, World};

mod administration;

fn versions<R: Request>() -> std::ops::RangeInclusive<i16> {
    versions_of(R::KEY).expect("it is served")
}

async fn start() -> (TestNode, World, RawConnection) {
    let node = TestNode::start().await;
    let world = World::make(&node).await;
    let connection = node.connect().await;
    (node, world, connection)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_in_and_come_out_in_every_version() {
    let (node, world, mut c) = start().await;
    for version in versions::<m::ProduceRequest>() {
        let mut request = produce_request(TOPIC, 1, batch(1, &["v"]));
        if version >= 13 {
            request.topic_data[0].name.clear();
            request.topic_data[0].topic_id = world.topic_id;
        }
        let answer = c.call(version, &request).await;
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(
            (partition.error_code, partition.base_offset),
            (0, i64::from(version - 3))
        );
        assert_eq!(partition.log_append_time_ms, -1);
        if version >= 13 {
            assert_eq!(answer.responses[0].topic_id, world.topic_id);
        } else {
            assert_eq!(answer.responses[0].name, TOPIC);
        }
    }
    let values: Vec<String> = ["a", "b", "c"]
        .repeat(3)
        .into_iter()
        .map(str::to_owned)
        .collect();
    for version in versions::<m::FetchRequest>() {
        let answer = c.call(version, &samples::fetch(&world, version)).await;
        let data = &answer.responses[0].partitions[0];
        assert_eq!(
            (
                data.error_code,
                data.high_watermark,
                data.last_stable_offset
            ),
            (0, 9, 9)
        );
        let found = read(&data.records.clone().unwrap());
        let found: Vec<String> = found.into_iter().map(|(_, _, value)| value).collect();
        assert_eq!(found, values, "v{version}");
        assert_eq!(answer.session_id != 0, version >= 7, "v{version}");
    }
    let mut twice = samples::list_offsets(7, -1);
    let again = twice.topics[0].partitions[0].clone();
    twice.topics[0].partitions.push(again);
    let answer = c.call(7, &twice).await.topics.remove(0).partitions;
    let codes: Vec<_> = answer
        .iter()
        .map(|p| ErrorCode::from_code(p.error_code))
        .collect();
    assert_eq!(
        codes,
        [ErrorCode::InvalidRequest],
        "asked twice, answered once"
    );
    for version in versions::<m::ListOffsetsRequest>() {
        let mut found = Vec::new();
        for timestamp in [-1, -2, -3, 0, 1_001, 1_500, 3_002, 9_999] {
            if timestamp == -3 && version < 7 {
                continue;
            }
            let answer = c
                .call(version, &samples::list_offsets(version, timestamp))
                .await;
            let partition = &answer.topics[0].partitions[0];
            assert_eq!(partition.error_code, 0, "v{version} {timestamp}");
            let epoch = if version >= 4 && partition.offset >= 0 {
                0
            } else {
                -1
            };
            assert_eq!(partition.leader_epoch, epoch, "v{version} {timestamp}");
            found.push((timestamp, partition.offset, partition.timestamp));
        }
        let expected = [
            (-1, 9, -1),
            (-2, 0, -1),
            (-3, 8, 3_002),
            (0, 0, 1_000),
            (1_001, 1, 1_001),
            (1_500, 3, 2_000),
            (3_002, 8, 3_002),
            (9_999, -1, -1),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .filter(|row| row.0 != -3 || version >= 7)
            .collect();
        assert_eq!(found, expected, "v{version}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_describes_the_cluster_in_every_version() {
    let (node, world, mut c) = start().await;
    for version in versions::<m::MetadataRequest>() {
        let answer = c.call(version, &samples::metadata(version)).await;
        let broker = &answer.brokers[0];
        assert_eq!(answer.brokers.len(), 1);
        assert_eq!(
            (broker.node_id, broker.port),
            (1, i32::from(node.address().port()))
        );
        assert_eq!(answer.cluster_id.is_some(), version >= 2);
        assert_eq!(answer.controller_id, if version >= 1 { 1 } else { -1 });
        let topic = &answer.topics[0];
        assert_eq!((topic.error_code, topic.name.as_deref()), (0, Some(TOPIC)));
        assert_eq!(topic.topic_id == world.topic_id, version >= 10);
        assert_eq!(topic.topic_authorized_operations != i32::MIN, version >= 8);
        let cluster_told = answer.cluster_authorized_operations != i32::MIN;
        assert_eq!(cluster_told, (8..=10).contains(&version));
        assert_eq!(topic.partitions.len(), 2);
        for partition in &topic.partitions {
            assert_eq!((partition.leader_id, partition.error_code), (1, 0));
            assert_eq!(
                (&partition.replica_nodes, &partition.isr_nodes),
                (&vec![1], &vec![1])
            );
            assert_eq!(partition.leader_epoch, if version >= 7 { 0 } else { -1 });
        }
        let nothing = m::MetadataRequest {
            topics: Some(Vec::new()),
            ..Default::default()
        };
        let all = c.call(version, &nothing).await.topics.len();
        assert_eq!(
            all > 0,
            version == 0,
            "an empty list means all in version 0 only"
        );
    }
    // Once more with a topic that is not there: made on the way, then led.
    let mut wanted = samples::metadata(12);
    wanted.topics.as_mut().unwrap()[0].name = Some("made-on-the-way".to_owned());
    let refused = c.call(12, &wanted).await.topics[0].error_code;
    assert_eq!(
        ErrorCode::from_code(refused),
        ErrorCode::UnknownTopicOrPartition
    );
    wanted.allow_auto_topic_creation = true;
    c.call(12, &wanted).await;
    until_led(&mut c, "made-on-the-way").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_offsets_come_back_in_every_version() {
    let (node, world, mut c) = start().await;
    for version in versions::<m::OffsetCommitRequest>() {
        let mut request = samples::commit(&world, version);
        let offset = 100 + i64::from(version);
        let partitions = &mut request.topics[0].partitions;
        partitions[0].committed_offset = offset;
        let mut absent = partitions[0].clone();
        absent.partition_index = 77;
        partitions.insert(0, absent);
        let answer = c.call(version, &request).await;
        let codes: Vec<ErrorCode> = answer.topics[0]
            .partitions
            .iter()
            .map(|partition| ErrorCode::from_code(partition.error_code))
            .collect();
        assert_eq!(
            codes,
            [ErrorCode::UnknownTopicOrPartition, ErrorCode::None],
            "v{version}"
        );
        let found = committed(&mut c, &world, 5).await;
        assert_eq!(
            found,
            (offset, if version >= 6 { 0 } else { -1 }, "note".to_owned())
        );
    }
    let offset = 100 + i64::from(*versions::<m::OffsetCommitRequest>().end());
    for version in versions::<m::OffsetFetchRequest>() {
        let (found, epoch, note) = committed(&mut c, &world, version).await;
        assert_eq!((found, note.as_str()), (offset, "note"), "v{version}");
        assert_eq!(epoch, if version >= 5 { 0 } else { -1 });
        if version >= 2 {
            let all = c.call(version, &samples::all_offsets(version)).await;
            let topics = if version >= 8 {
                all.groups[0].topics.len()
            } else {
                all.topics.len()
            };
            assert_eq!(topics, 1, "v{version}");
        }
    }
    node.stop().await;
}

/// Offset, epoch and metadata of partition 0; partition 1 has none.
async fn committed(c: &mut RawConnection, world: &World, version: i16) -> (i64, i32, String) {
    let answer = c
        .call(version, &samples::offset_fetch(world, version))
        .await;
    if version >= 8 {
        let group = &answer.groups[0];
        assert_eq!((group.error_code, group.group_id.as_str()), (0, GROUP));
        let partitions = &group.topics[0].partitions;
        assert_eq!(
            (partitions[1].committed_offset, partitions[1].error_code),
            (-1, 0)
        );
        let found = &partitions[0];
        let note = found.metadata.clone().unwrap_or_default();
        return (found.committed_offset, found.committed_leader_epoch, note);
    }
    let partitions = &answer.topics[0].partitions;
    assert_eq!(
        (partitions[1].committed_offset, partitions[1].error_code),
        (-1, 0)
    );
    let found = &partitions[0];
    let note = found.metadata.clone().unwrap_or_default();
    (found.committed_offset, found.committed_leader_epoch, note)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_joins_syncs_and_leaves_in_every_version() {
    let (node, _, mut c) = start().await;
    for version in versions::<m::JoinGroupRequest>() {
        let group = format!("members-{version}");
        let mut joined = c.call(version, &samples::join(version, &group)).await;
        if version >= 4 {
            assert_eq!(
                ErrorCode::from_code(joined.error_code),
                ErrorCode::MemberIdRequired
            );
            let mut again = samples::join(version, &group);
            again.member_id.clone_from(&joined.member_id);
            joined = c.call(version, &again).await;
        }
        assert_eq!(
            (joined.error_code, joined.generation_id),
            (0, 1),
            "v{version}"
        );
        assert_eq!(joined.leader, joined.member_id);
        assert_eq!(&*joined.members[0].metadata, b"subscription");
        let member = joined.member_id.as_str();
        let sync_version = version.min(5);
        let sync = samples::sync(sync_version, &group, member, 1);
        let synced = c.call(sync_version, &sync).await;
        assert_eq!(
            (synced.error_code, &*synced.assignment),
            (0, &b"assignment"[..])
        );
        let heartbeat = m::HeartbeatRequest {
            group_id: group.clone(),
            generation_id: 1,
            member_id: member.to_owned(),
            ..Default::default()
        };
        assert_eq!(c.call(version.min(4), &heartbeat).await.error_code, 0);
        described(&mut c, version.min(6), &group).await;
        let leave_version = version.min(5);
        let left = c
            .call(
                leave_version,
                &samples::leave(leave_version, &group, member),
            )
            .await;
        assert_eq!(left.error_code, 0);
        let gone = c.call(version.min(4), &heartbeat).await.error_code;
        assert_eq!(ErrorCode::from_code(gone), ErrorCode::UnknownMemberId);
    }
    for version in versions::<m::ListGroupsRequest>() {
        let listed = c.call(version, &m::ListGroupsRequest::default()).await;
        let names: BTreeSet<String> = listed.groups.into_iter().map(|g| g.group_id).collect();
        assert!(
            names.contains(GROUP) && names.contains("members-0"),
            "{names:?}"
        );
    }
    node.stop().await;
}

async fn described(c: &mut RawConnection, version: i16, group: &str) {
    let groups = vec![group.to_owned(), "nobody-knows".to_owned()];
    let request = m::DescribeGroupsRequest {
        groups,
        ..Default::default()
    };
    let answer = c.call(version, &request).await;
    let known = &answer.groups[0];
    assert_eq!(
        (known.error_code, known.group_state.as_str()),
        (0, "Stable")
    );
    assert_eq!(
        (known.protocol_type.as_str(), known.protocol_data.as_str()),
        ("consumer", "range")
    );
    assert_eq!(known.members[0].client_id, odeon_tests::raw::CLIENT_ID);
    assert_eq!(known.members[0].client_host, "/127.0.0.1");
    assert_eq!(&*known.members[0].member_assignment, b"assignment");
    let unknown = &answer.groups[1];
    assert_eq!(unknown.group_state, "Dead");
    let code = ErrorCode::from_code(unknown.error_code);
    assert_eq!(code == ErrorCode::GroupIdNotFound, version >= 6, "{code:?}");
}
