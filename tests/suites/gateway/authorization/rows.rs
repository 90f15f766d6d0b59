//! The rows of the table, one an API.

use odeon_gateway::Operation::{
    Alter, AlterConfigs, Create, Delete, Describe, DescribeConfigs, IdempotentWrite, Read, Write,
};
use odeon_model::ErrorCode::{
    self, ClusterAuthorizationFailed, GroupAuthorizationFailed, TopicAuthorizationFailed,
};
use odeon_protocol::messages as m;
use odeon_protocol::messages::{
    alter_configs_request, create_partitions_request, create_topics_request,
    delete_records_request, describe_configs_request, describe_producers_request,
    describe_topic_partitions_request, elect_leaders_request, fetch_request,
    incremental_alter_configs_request, list_offsets_request, metadata_request,
    offset_commit_request, offset_delete_request, offset_fetch_request,
    offset_for_leader_epoch_request,
};
use odeon_tests::node::produce_request;
use odeon_tests::records::batch;

use super::{Names, On, Table};
use crate::gateway::samples::TOPIC;

/// Read only, or allowed for absent names only.
const READS: bool = false;
const CHANGES: bool = true;

fn list_offsets(topic: &str) -> m::ListOffsetsRequest {
    let partition = list_offsets_request::ListOffsetsPartition {
        timestamp: -1,
        ..Default::default()
    };
    let topic = list_offsets_request::ListOffsetsTopic {
        name: topic.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    m::ListOffsetsRequest {
        replica_id: -1,
        topics: vec![topic],
        ..Default::default()
    }
}

pub(super) async fn end_offset(table: &mut Table) -> i64 {
    let answer = table.connection.call(7, &list_offsets(TOPIC)).await;
    answer.topics[0].partitions[0].offset
}

pub(super) async fn data(t: &mut Table) {
    let make = |n: Names| produce_request(n.topic, 0, batch(1, &["x"]));
    let codes = |a: &m::ProduceResponse| {
        a.responses[0]
            .partition_responses
            .iter()
            .map(|p| p.error_code)
            .collect()
    };
    t.row(
        (12, CHANGES),
        make,
        codes,
        TopicAuthorizationFailed,
        &[(Write, On::Topic)],
    )
    .await;

    let make = |n: Names| m::FetchRequest {
        topics: vec![fetch_request::FetchTopic {
            topic: n.topic.to_owned(),
            partitions: vec![fetch_request::FetchPartition::default()],
            ..Default::default()
        }],
        ..Default::default()
    };
    let codes = |a: &m::FetchResponse| {
        a.responses[0]
            .partitions
            .iter()
            .map(|p| p.error_code)
            .collect()
    };
    t.row(
        (12, READS),
        make,
        codes,
        TopicAuthorizationFailed,
        &[(Read, On::Topic)],
    )
    .await;

    let codes = |a: &m::ListOffsetsResponse| vec![a.topics[0].partitions[0].error_code];
    let make = |n: Names| list_offsets(n.topic);
    t.row(
        (7, READS),
        make,
        codes,
        TopicAuthorizationFailed,
        &[(Describe, On::Topic)],
    )
    .await;

    let make = |n: Names| m::MetadataRequest {
        topics: Some(vec![metadata_request::MetadataRequestTopic {
            name: Some(n.topic.to_owned()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let codes = |a: &m::MetadataResponse| a.topics.iter().map(|t| t.error_code).collect();
    t.row(
        (12, READS),
        make,
        codes,
        TopicAuthorizationFailed,
        &[(Describe, On::Topic)],
    )
    .await;

    let make = |n: Names| m::DeleteRecordsRequest {
        topics: vec![delete_records_request::DeleteRecordsTopic {
            name: n.topic.to_owned(),
            partitions: vec![delete_records_request::DeleteRecordsPartition {
                offset: -1,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let codes = |a: &m::DeleteRecordsResponse| vec![a.topics[0].partitions[0].error_code];
    t.row(
        (2, CHANGES),
        make,
        codes,
        TopicAuthorizationFailed,
        &[(Delete, On::Topic)],
    )
    .await;

    let make = |_: Names| m::InitProducerIdRequest {
        transactional_id: None,
        ..Default::default()
    };
    let codes = |a: &m::InitProducerIdResponse| vec![a.error_code];
    let asked = [(IdempotentWrite, On::Cluster)];
    t.row((4, READS), make, codes, ClusterAuthorizationFailed, &asked)
        .await;

    let make = |n: Names| m::OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![offset_for_leader_epoch_request::OffsetForLeaderTopic {
            topic: n.topic.to_owned(),
            partitions: vec![offset_for_leader_epoch_request::OffsetForLeaderPartition::default()],
            ..Default::default()
        }],
        ..Default::default()
    };
    let codes = |a: &m::OffsetForLeaderEpochResponse| vec![a.topics[0].partitions[0].error_code];
    t.row(
        (4, READS),
        make,
        codes,
        TopicAuthorizationFailed,
        &[(Describe, On::Topic)],
    )
    .await;

    let make = |n: Names| m::DescribeProducersRequest {
        topics: vec![describe_producers_request::TopicRequest {
            name: n.topic.to_owned(),
            partition_indexes: vec![0],
            ..Default::default()
        }],
        ..Default::default()
    };
    let codes = |a: &m::DescribeProducersResponse| vec![a.topics[0].partitions[0].error_code];
    t.row(
        (0, READS),
        make,
        codes,
        TopicAuthorizationFailed,
        &[(Read, On::Topic)],
    )
    .await;
}

pub(super) async fn groups(t: &mut Table) {
    let failed = GroupAuthorizationFailed;
    let make = |n: Names| m::OffsetCommitRequest {
        group_id: n.group.to_owned(),
        generation_id_or_member_epoch: -1,
        topics: vec![offset_commit_request::OffsetCommitRequestTopic {
            name: n.topic.to_owned(),
            partitions: vec![offset_commit_request::OffsetCommitRequestPartition::default()],
            ..Default::default()
        }],
        ..Default::default()
    };
    let codes = |a: &m::OffsetCommitResponse| vec![a.topics[0].partitions[0].error_code];
    let asked = [(Read, On::Group), (Read, On::Topic)];
    t.row((9, CHANGES), make, codes, failed, &asked).await;

    let make = |n: Names| m::OffsetFetchRequest {
        groups: vec![offset_fetch_request::OffsetFetchRequestGroup {
            group_id: n.group.to_owned(),
            topics: Some(vec![offset_fetch_request::OffsetFetchRequestTopics {
                name: n.topic.to_owned(),
                partition_indexes: vec![0],
                ..Default::default()
            }]),
            ..Default::default()
        }],
        ..Default::default()
    };
    let codes = |a: &m::OffsetFetchResponse| vec![a.groups[0].error_code];
    t.row(
        (9, READS),
        make,
        codes,
        failed,
        &[(Describe, On::Group), (Describe, On::Topic)],
    )
    .await;

    let make = |n: Names| m::FindCoordinatorRequest {
        coordinator_keys: vec![n.group.to_owned()],
        ..Default::default()
    };
    let codes = |a: &m::FindCoordinatorResponse| vec![a.coordinators[0].error_code];
    t.row((4, READS), make, codes, failed, &[(Describe, On::Group)])
        .await;

    let read = [(Read, On::Group)];
    let make = |n: Names| crate::gateway::samples::join(9, n.group);
    let codes = |a: &m::JoinGroupResponse| vec![a.error_code];
    t.row((9, CHANGES), make, codes, failed, &read).await;
    let make = |n: Names| m::SyncGroupRequest {
        group_id: n.group.to_owned(),
        ..Default::default()
    };
    let codes = |a: &m::SyncGroupResponse| vec![a.error_code];
    t.row((4, READS), make, codes, failed, &read).await;
    let make = |n: Names| m::HeartbeatRequest {
        group_id: n.group.to_owned(),
        ..Default::default()
    };
    let codes = |a: &m::HeartbeatResponse| vec![a.error_code];
    t.row((4, READS), make, codes, failed, &read).await;
    let make = |n: Names| m::LeaveGroupRequest {
        group_id: n.group.to_owned(),
        ..Default::default()
    };
    let codes = |a: &m::LeaveGroupResponse| vec![a.error_code];
    t.row((4, READS), make, codes, failed, &read).await;

    let make = |n: Names| m::DescribeGroupsRequest {
        groups: vec![n.group.to_owned()],
        ..Default::default()
    };
    let codes = |a: &m::DescribeGroupsResponse| vec![a.groups[0].error_code];
    t.row((6, READS), make, codes, failed, &[(Describe, On::Group)])
        .await;
    // A list of groups leaves out what may not be seen.
    let make = |_: Names| m::ListGroupsRequest::default();
    let codes = |a: &m::ListGroupsResponse| vec![a.error_code, a.groups.len() as i16];
    t.row(
        (5, READS),
        make,
        codes,
        ErrorCode::None,
        &[(Describe, On::Cluster)],
    )
    .await;

    let make = |n: Names| m::DeleteGroupsRequest {
        groups_names: vec![n.group.to_owned()],
        ..Default::default()
    };
    let codes = |a: &m::DeleteGroupsResponse| vec![a.results[0].error_code];
    t.row((2, CHANGES), make, codes, failed, &[(Delete, On::Group)])
        .await;
    let make = |n: Names| m::OffsetDeleteRequest {
        group_id: n.group.to_owned(),
        topics: vec![offset_delete_request::OffsetDeleteRequestTopic {
            name: n.topic.to_owned(),
            partitions: vec![offset_delete_request::OffsetDeleteRequestPartition::default()],
        }],
    };
    let codes = |a: &m::OffsetDeleteResponse| vec![a.error_code];
    let asked = [(Delete, On::Group), (Read, On::Topic)];
    t.row((0, CHANGES), make, codes, failed, &asked).await;
}

pub(super) async fn admin(t: &mut Table) {
    let failed = TopicAuthorizationFailed;
    let make = |n: Names| m::DeleteTopicsRequest {
        topic_names: vec![n.topic.to_owned()],
        ..Default::default()
    };
    let codes = |a: &m::DeleteTopicsResponse| a.responses.iter().map(|r| r.error_code).collect();
    t.row((5, CHANGES), make, codes, failed, &[(Delete, On::Topic)])
        .await;
    let make = |n: Names| m::CreatePartitionsRequest {
        topics: vec![create_partitions_request::CreatePartitionsTopic {
            name: n.topic.to_owned(),
            count: 9,
            ..Default::default()
        }],
        ..Default::default()
    };
    let codes = |a: &m::CreatePartitionsResponse| vec![a.results[0].error_code];
    t.row((3, CHANGES), make, codes, failed, &[(Alter, On::Topic)])
        .await;

    for (kind, failed, on) in [
        (2, TopicAuthorizationFailed, On::Topic),
        (4, ClusterAuthorizationFailed, On::Cluster),
        (32, GroupAuthorizationFailed, On::Group),
    ] {
        configs(t, kind, failed, on).await;
    }

    let make = |_: Names| m::DescribeLogDirsRequest::default();
    let codes = |a: &m::DescribeLogDirsResponse| vec![a.error_code];
    let cluster = [(Describe, On::Cluster)];
    t.row(
        (4, READS),
        make,
        codes,
        ClusterAuthorizationFailed,
        &cluster,
    )
    .await;
    let make = |_: Names| crate::gateway::samples::quorum();
    let codes = |a: &m::DescribeQuorumResponse| vec![a.error_code];
    t.row(
        (2, READS),
        make,
        codes,
        ClusterAuthorizationFailed,
        &cluster,
    )
    .await;

    cluster_changes(t).await;
    let make = |n: Names| m::DescribeTopicPartitionsRequest {
        topics: vec![describe_topic_partitions_request::TopicRequest {
            name: n.topic.to_owned(),
            ..Default::default()
        }],
        response_partition_limit: 5,
        ..Default::default()
    };
    let codes =
        |a: &m::DescribeTopicPartitionsResponse| a.topics.iter().map(|t| t.error_code).collect();
    // Its answer always says what else may be done; with an absent name there is nothing to say.
    let asked = [(Describe, On::Topic)];
    t.row((0, CHANGES), make, codes, TopicAuthorizationFailed, &asked)
        .await;
}

/// What takes the right to alter the cluster, and what it takes to see that.
async fn cluster_changes(t: &mut Table) {
    let (failed, alter) = (ClusterAuthorizationFailed, [(Alter, On::Cluster)]);
    let make = |n: Names| m::ElectLeadersRequest {
        topic_partitions: Some(vec![elect_leaders_request::TopicPartitions {
            topic: n.topic.to_owned(),
            partitions: vec![0],
            ..Default::default()
        }]),
        ..Default::default()
    };
    let codes = |a: &m::ElectLeadersResponse| vec![a.error_code];
    t.row((2, CHANGES), make, codes, failed, &alter).await;
    let make = |n: Names| crate::gateway::samples::move_to("/nowhere", n.topic);
    let codes = |a: &m::AlterReplicaLogDirsResponse| vec![a.results[0].partitions[0].error_code];
    t.row((2, READS), make, codes, failed, &alter).await;
    let make = |n: Names| crate::gateway::samples::reassign(n.topic);
    let codes = |a: &m::AlterPartitionReassignmentsResponse| vec![a.error_code];
    t.row((1, CHANGES), make, codes, failed, &alter).await;
    let make = |_: Names| m::ListPartitionReassignmentsRequest {
        topics: None,
        ..Default::default()
    };
    let codes = |a: &m::ListPartitionReassignmentsResponse| vec![a.error_code];
    let describe = [(Describe, On::Cluster)];
    t.row((0, READS), make, codes, failed, &describe).await;
    let make = |_: Names| m::UnregisterBrokerRequest {
        broker_id: 99,
        ..Default::default()
    };
    let codes = |a: &m::UnregisterBrokerResponse| vec![a.error_code];
    t.row((0, READS), make, codes, failed, &alter).await;
    let make = |_: Names| m::AddRaftVoterRequest {
        cluster_id: None,
        ..Default::default()
    };
    let codes = |a: &m::AddRaftVoterResponse| vec![a.error_code];
    t.row((1, READS), make, codes, failed, &alter).await;
    let make = |_: Names| m::RemoveRaftVoterRequest {
        cluster_id: None,
        ..Default::default()
    };
    let codes = |a: &m::RemoveRaftVoterResponse| vec![a.error_code];
    t.row((0, READS), make, codes, failed, &alter).await;
}

async fn configs(t: &mut Table, kind: i8, failed: ErrorCode, on: On) {
    let name = move |n: Names| match kind {
        2 => n.topic.to_owned(),
        4 => "1".to_owned(),
        _ => n.group.to_owned(),
    };
    let make = |n: Names| m::DescribeConfigsRequest {
        resources: vec![describe_configs_request::DescribeConfigsResource {
            resource_type: kind,
            resource_name: name(n),
            configuration_keys: None,
            ..Default::default()
        }],
        ..Default::default()
    };
    let codes = |a: &m::DescribeConfigsResponse| {
        vec![
            a.results[0].error_code,
            a.results[0].error_code + a.results[0].configs.len() as i16,
        ]
    };
    t.row((4, READS), make, codes, failed, &[(DescribeConfigs, on)])
        .await;
    let make = |n: Names| m::AlterConfigsRequest {
        resources: vec![alter_configs_request::AlterConfigsResource {
            resource_type: kind,
            resource_name: name(n),
            ..Default::default()
        }],
        validate_only: true,
        ..Default::default()
    };
    let codes = |a: &m::AlterConfigsResponse| vec![a.responses[0].error_code];
    t.row((2, CHANGES), make, codes, failed, &[(AlterConfigs, on)])
        .await;
    let make = |n: Names| m::IncrementalAlterConfigsRequest {
        resources: vec![incremental_alter_configs_request::AlterConfigsResource {
            resource_type: kind,
            resource_name: name(n),
            ..Default::default()
        }],
        validate_only: true,
        ..Default::default()
    };
    let codes = |a: &m::IncrementalAlterConfigsResponse| vec![a.responses[0].error_code];
    t.row((1, CHANGES), make, codes, failed, &[(AlterConfigs, on)])
        .await;
}

pub(super) async fn creation(t: &mut Table) {
    let make = |n: Names| m::CreateTopicsRequest {
        topics: vec![create_topics_request::CreatableTopic {
            name: n.topic.to_owned(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        }],
        timeout_ms: 5_000,
        ..Default::default()
    };
    let codes = |a: &m::CreateTopicsResponse| vec![a.topics[0].error_code];
    let asked = [(Create, On::Cluster), (DescribeConfigs, On::Topic)];
    t.row((7, CHANGES), make, codes, TopicAuthorizationFailed, &asked)
        .await;
}
