//! Clients that know a leader epoch or a topic that is no more.

use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use odeon_protocol::messages::fetch_response::PartitionData;
use odeon_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use odeon_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use odeon_protocol::messages::offset_for_leader_epoch_response::EpochEndOffset;
use odeon_protocol::messages::{
    DeleteTopicsRequest, FetchRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest,
};
use odeon_tests::node::{metadata_request, produce_request, until_led};
use odeon_tests::records::batch;
use odeon_tests::{RawConnection, TestNode};

async fn epoch_of(connection: &mut RawConnection, name: &str) -> i32 {
    let request = metadata_request(name);
    connection.call(12, &request).await.topics[0].partitions[0].leader_epoch
}

fn wanted(fetch_offset: i64, current_leader_epoch: i32, last_fetched_epoch: i32) -> FetchPartition {
    FetchPartition {
        fetch_offset,
        current_leader_epoch,
        last_fetched_epoch,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    }
}

async fn fetch(connection: &mut RawConnection, id: Uuid, wanted: FetchPartition) -> PartitionData {
    let topic = FetchTopic {
        topic_id: id,
        partitions: vec![wanted],
        ..Default::default()
    };
    let request = FetchRequest {
        topics: vec![topic],
        ..Default::default()
    };
    let mut answer = connection.call(17, &request).await;
    answer.responses.remove(0).partitions.remove(0)
}

async fn latest(connection: &mut RawConnection, current_leader_epoch: i32) -> (ErrorCode, i64) {
    let partition = ListOffsetsPartition {
        current_leader_epoch,
        timestamp: -1,
        ..Default::default()
    };
    let topic = ListOffsetsTopic {
        name: "t".to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let answer = connection.call(7, &request).await;
    let found = &answer.topics[0].partitions[0];
    (ErrorCode::from_code(found.error_code), found.offset)
}

async fn end_of(
    connection: &mut RawConnection,
    current_leader_epoch: i32,
    leader_epoch: i32,
) -> EpochEndOffset {
    let partition = OffsetForLeaderPartition {
        current_leader_epoch,
        leader_epoch,
        ..Default::default()
    };
    let topic = OffsetForLeaderTopic {
        topic: "t".to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let mut answer = connection.call(4, &request).await;
    answer.topics.remove(0).partitions.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_fences_those_who_know_the_epoch_before_it() {
    let node = TestNode::start().await;
    let id = node.create_topic("t", 1, &[]).await;
    assert_eq!(
        node.produce("t", 0, batch(1, &["a", "b"])).await.error_code,
        0
    );
    let old = epoch_of(&mut node.connect().await, "t").await;

    let node = Box::pin(node.restart()).await;
    let mut connection = node.connect().await;
    until_led(&mut connection, "t").await;
    let new = epoch_of(&mut connection, "t").await;
    assert!(new > old);
    assert_eq!(node.produce("t", 0, batch(1, &["c"])).await.base_offset, 2);

    let fenced = fetch(&mut connection, id, wanted(0, old, -1)).await;
    assert_eq!(
        ErrorCode::from_code(fenced.error_code),
        ErrorCode::FencedLeaderEpoch
    );
    let told = &fenced.current_leader;
    assert_eq!((told.leader_id, told.leader_epoch), (1, new));
    let ahead = fetch(&mut connection, id, wanted(0, new + 1, -1)).await;
    assert_eq!(
        ErrorCode::from_code(ahead.error_code),
        ErrorCode::UnknownLeaderEpoch
    );
    assert_eq!(ahead.current_leader.leader_id, -1, "nobody to go to");
    assert_eq!(
        fetch(&mut connection, id, wanted(0, new, -1))
            .await
            .error_code,
        0
    );

    assert_eq!(
        latest(&mut connection, old).await,
        (ErrorCode::FencedLeaderEpoch, -1)
    );
    assert_eq!(
        latest(&mut connection, new + 1).await,
        (ErrorCode::UnknownLeaderEpoch, -1)
    );
    assert_eq!(latest(&mut connection, new).await, (ErrorCode::None, 3));

    let refused = end_of(&mut connection, old, old).await.error_code;
    assert_eq!(ErrorCode::from_code(refused), ErrorCode::FencedLeaderEpoch);
    let refused = end_of(&mut connection, new + 1, old).await.error_code;
    assert_eq!(ErrorCode::from_code(refused), ErrorCode::UnknownLeaderEpoch);
    for (asked, epoch, end) in [(old, old, 2), (new, new, 3), (new + 1, -1, -1)] {
        let found = end_of(&mut connection, new, asked).await;
        assert_eq!(
            (found.error_code, found.leader_epoch, found.end_offset),
            (0, epoch, end),
            "epoch {asked}"
        );
    }

    // A reader whose last record of the old epoch lies behind that epoch's end has to go back.
    let diverged = fetch(&mut connection, id, wanted(3, new, old)).await;
    assert_eq!(diverged.error_code, 0);
    let end = &diverged.diverging_epoch;
    assert_eq!((end.epoch, end.end_offset), (old, 2));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_know_the_topic_of_the_same_name_before_do_not_reach_the_new_one() {
    let node = TestNode::start().await;
    let old = node.create_topic("t", 1, &[]).await;
    let mut connection = node.connect().await;
    let topic = FetchTopic {
        topic_id: old,
        partitions: vec![wanted(0, -1, -1)],
        ..Default::default()
    };
    let full = FetchRequest {
        session_epoch: 0,
        topics: vec![topic],
        ..Default::default()
    };
    let session_id = connection.call(17, &full).await.session_id;
    assert_ne!(session_id, 0);

    let deletion = DeleteTopicsRequest {
        topic_names: vec!["t".to_owned()],
        timeout_ms: 5_000,
        ..Default::default()
    };
    let deleted = connection.call(5, &deletion).await;
    assert_eq!(deleted.responses[0].error_code, 0);
    let new = node.create_topic("t", 1, &[]).await;
    assert_eq!(node.produce("t", 0, batch(1, &["new"])).await.error_code, 0);

    for session_epoch in [1, 2] {
        let next = FetchRequest {
            session_id,
            session_epoch,
            ..Default::default()
        };
        let answer = connection.call(17, &next).await;
        assert_eq!(answer.responses[0].topic_id, old);
        let data = &answer.responses[0].partitions[0];
        assert_eq!(
            ErrorCode::from_code(data.error_code),
            ErrorCode::UnknownTopicId,
            "in every answer"
        );
        assert!(data.records.clone().unwrap_or_default().is_empty());
    }

    let produce = |id: Uuid| {
        let mut request = produce_request("", 0, batch(1, &["late"]));
        request.topic_data[0].topic_id = id;
        request
    };
    let refused = connection.call(13, &produce(old)).await;
    let refused = refused.responses[0].partition_responses[0].error_code;
    assert_eq!(ErrorCode::from_code(refused), ErrorCode::UnknownTopicId);
    let taken = connection.call(13, &produce(new)).await;
    let taken = &taken.responses[0].partition_responses[0];
    assert_eq!((taken.error_code, taken.base_offset), (0, 1));
    node.stop().await;
}
