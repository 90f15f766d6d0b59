//! Topics, settings and the cluster.

use odeon_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use odeon_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use odeon_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use odeon_protocol::messages::delete_topics_request::DeleteTopicState;
use odeon_protocol::messages::describe_configs_request::DescribeConfigsResource;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_made_and_deleted_in_every_version() {
    let (node, _, mut c) = start().await;
    for version in versions::<m::CreateTopicsRequest>() {
        let name = format!("made-{version}");
        let topic = CreatableTopic {
            name: name.clone(),
            num_partitions: 3,
            replication_factor: 1,
            configs: vec![CreatableTopicConfig {
                name: "retention.ms".to_owned(),
                value: Some("1234567".to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        };
        let mut request = m::CreateTopicsRequest {
            topics: vec![topic],
            timeout_ms: 5_000,
            validate_only: true,
            ..Default::default()
        };
        let tried = c.call(version, &request).await.topics.remove(0);
        assert_eq!(tried.error_code, 0, "{tried:?}");
        request.validate_only = false;
        let made = c.call(version, &request).await.topics.remove(0);
        assert_eq!(
            (made.error_code, made.name.as_str()),
            (0, name.as_str()),
            "{made:?}"
        );
        assert_eq!(made.topic_id.is_zero(), version < 7);
        if version >= 5 {
            assert_eq!((made.num_partitions, made.replication_factor), (3, 1));
            let configs = made.configs.unwrap();
            let retention = configs
                .iter()
                .find(|config| config.name == "retention.ms")
                .unwrap();
            assert_eq!(retention.value.as_deref(), Some("1234567"));
        }
        until_led(&mut c, &name).await;
        let again = c.call(version, &request).await.topics.remove(0).error_code;
        assert_eq!(ErrorCode::from_code(again), ErrorCode::TopicAlreadyExists);
    }
    for (version, name) in versions::<m::DeleteTopicsRequest>().zip(2..) {
        let name = format!("made-{name}");
        let mut request = m::DeleteTopicsRequest {
            timeout_ms: 5_000,
            ..Default::default()
        };
        if version >= 6 {
            let named = DeleteTopicState {
                name: Some(name),
                ..Default::default()
            };
            request.topics = vec![named];
        } else {
            request.topic_names = vec![name];
        }
        let first = c
            .call(version, &request)
            .await
            .responses
            .remove(0)
            .error_code;
        let second = c
            .call(version, &request)
            .await
            .responses
            .remove(0)
            .error_code;
        assert_eq!(ErrorCode::from_code(first), ErrorCode::None, "v{version}");
        assert_eq!(
            ErrorCode::from_code(second),
            ErrorCode::UnknownTopicOrPartition
        );
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_only_grow_and_records_go_by_offset() {
    let (node, _, mut c) = start().await;
    for (version, count) in versions::<m::CreatePartitionsRequest>().zip(3..) {
        let mut request = m::CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic {
                name: TOPIC.to_owned(),
                count,
                assignments: None,
                ..Default::default()
            }],
            timeout_ms: 5_000,
            ..Default::default()
        };
        assert_eq!(
            c.call(version, &request).await.results[0].error_code,
            0,
            "v{version}"
        );
        let same = c.call(version, &request).await.results[0].error_code;
        assert_eq!(ErrorCode::from_code(same), ErrorCode::InvalidPartitions);
        request.topics[0].count = 1;
        let fewer = c.call(version, &request).await.results[0].error_code;
        assert_eq!(ErrorCode::from_code(fewer), ErrorCode::InvalidPartitions);
        let metadata = c.call(12, &samples::metadata(12)).await;
        assert_eq!(
            metadata.topics[0].partitions.len(),
            usize::try_from(count).unwrap()
        );
    }
    for (version, offset) in versions::<m::DeleteRecordsRequest>().zip([2, 4, -1]) {
        let partition = DeleteRecordsPartition {
            offset,
            ..Default::default()
        };
        let topic = DeleteRecordsTopic {
            name: TOPIC.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let topics = vec![topic];
        let request = m::DeleteRecordsRequest {
            topics,
            timeout_ms: 5_000,
            ..Default::default()
        };
        let answer = c.call(version, &request).await;
        let partition = &answer.topics[0].partitions[0];
        let start = if offset < 0 { 9 } else { offset };
        assert_eq!(
            (partition.error_code, partition.low_watermark),
            (0, start),
            "v{version}"
        );
        let earliest = c.call(7, &samples::list_offsets(7, -2)).await;
        assert_eq!(earliest.topics[0].partitions[0].offset, start);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_of_more_partitions_than_anybody_can_bear_is_refused() {
    let (node, _, mut c) = start().await;
    for (num_partitions, replication_factor) in [
        (i32::MAX, 1),
        (1_000_000, 1),
        (0, 1),
        (-2, 1),
        (1, i16::MAX),
    ] {
        let name = "endless".to_owned();
        let topic = CreatableTopic {
            name,
            num_partitions,
            replication_factor,
            ..Default::default()
        };
        let topics = vec![topic];
        let request = m::CreateTopicsRequest {
            topics,
            timeout_ms: 5_000,
            ..Default::default()
        };
        let answer = c.call(7, &request).await.topics.remove(0);
        assert_ne!(
            answer.error_code, 0,
            "{num_partitions} x {replication_factor}"
        );
    }
    let topic = CreatePartitionsTopic {
        name: TOPIC.to_owned(),
        count: i32::MAX,
        assignments: None,
        ..Default::default()
    };
    let request = m::CreatePartitionsRequest {
        topics: vec![topic],
        timeout_ms: 5_000,
        ..Default::default()
    };
    assert_ne!(c.call(3, &request).await.results[0].error_code, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_described_with_defaults_and_sources_in_every_version() {
    let (node, _, mut c) = start().await;
    create_topic(&mut c, "set", 1, &[("retention.ms", "777000")]).await;
    for version in versions::<m::DescribeConfigsRequest>() {
        let resource = |resource_type, name: &str| DescribeConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configuration_keys: None,
            ..Default::default()
        };
        let request = m::DescribeConfigsRequest {
            resources: vec![resource(2, "set"), resource(4, "1")],
            include_synonyms: true,
            include_documentation: version >= 3,
            ..Default::default()
        };
        let answer = c.call(version, &request).await;
        let topic = &answer.results[0];
        assert!(topic.configs.len() > 25, "{}", topic.configs.len());
        let find = |name: &str| {
            topic
                .configs
                .iter()
                .find(|config| config.name == name)
                .unwrap()
        };
        let retention = find("retention.ms");
        // Source 1: set for this topic. 5: a default.
        assert_eq!(
            (retention.value.as_deref(), retention.config_source),
            (Some("777000"), 1)
        );
        assert!(!retention.synonyms.is_empty());
        let documented = retention
            .documentation
            .as_ref()
            .is_some_and(|text| !text.is_empty());
        assert_eq!(documented, version >= 3);
        let policy = find("cleanup.policy");
        assert_eq!(
            (policy.value.as_deref(), policy.config_source),
            (Some("delete"), 5)
        );
        let broker = &answer.results[1];
        assert_eq!(broker.error_code, 0);
        assert!(broker.configs.len() > 50, "{}", broker.configs.len());
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_describes_itself_in_every_version() {
    let (node, _, mut c) = start().await;
    for version in versions::<m::DescribeClusterRequest>() {
        let answer = c.call(version, &m::DescribeClusterRequest::default()).await;
        assert_eq!(
            (
                answer.error_code,
                answer.controller_id,
                answer.brokers.len()
            ),
            (0, 1, 1)
        );
        assert_eq!(answer.brokers[0].port, i32::from(node.address().port()));
        assert_eq!(answer.cluster_authorized_operations, i32::MIN);
    }
    for version in versions::<m::DescribeQuorumRequest>() {
        let answer = c.call(version, &samples::quorum()).await;
        let partition = &answer.topics[0].partitions[0];
        assert_eq!(
            (answer.error_code, partition.error_code, partition.leader_id),
            (0, 0, 1)
        );
        assert_eq!(partition.current_voters.len(), 1);
        assert_eq!(answer.nodes.len(), usize::from(version >= 2));
    }
    for version in versions::<m::AlterReplicaLogDirsRequest>() {
        let answer = c.call(version, &samples::move_to("/nowhere", TOPIC)).await;
        let partition = &answer.results[0].partitions[0];
        assert_eq!(partition.error_code, 57, "there is no such directory");
    }
    for version in versions::<m::DescribeLogDirsRequest>() {
        let request = m::DescribeLogDirsRequest {
            topics: None,
            ..Default::default()
        };
        let answer = c.call(version, &request).await;
        let dir = &answer.results[0];
        let topic = dir.topics.iter().find(|topic| topic.name == TOPIC).unwrap();
        assert!(topic.partitions[0].partition_size > 0);
        assert_eq!(dir.total_bytes > 0, version >= 4);
    }
    let mut ids = BTreeSet::new();
    for version in versions::<m::InitProducerIdRequest>() {
        let request = m::InitProducerIdRequest {
            transactional_id: None,
            ..Default::default()
        };
        let answer = c.call(version, &request).await;
        assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
        assert!(ids.insert(answer.producer_id), "an id is given once");
    }
    let advertised = c.call(3, &samples::api_versions()).await;
    assert_eq!(advertised.error_code, 0);
    assert!(
        advertised
            .supported_features
            .iter()
            .any(|f| f.name == "metadata.version")
    );
    assert!(
        advertised
            .api_keys
            .iter()
            .any(|api| api.api_key == ApiKey::Fetch as i16)
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_as_long_as_the_protocol_allows_is_refused_in_an_answer() {
    use odeon_protocol::messages::incremental_alter_configs_request::{
        AlterConfigsResource, AlterableConfig,
    };
    let (node, _, mut c) = start().await;
    let long = "n".repeat(32_767);
    let resource = DescribeConfigsResource {
        resource_type: 4,
        resource_name: long.clone(),
        ..Default::default()
    };
    let request = m::DescribeConfigsRequest {
        resources: vec![resource],
        ..Default::default()
    };
    assert_ne!(c.call(1, &request).await.results[0].error_code, 0);

    let change = AlterableConfig {
        name: long.clone(),
        config_operation: 9,
        ..Default::default()
    };
    let resource = AlterConfigsResource {
        resource_type: 2,
        resource_name: TOPIC.to_owned(),
        configs: vec![change],
        ..Default::default()
    };
    let resources = vec![resource];
    let mut request = m::IncrementalAlterConfigsRequest {
        resources,
        ..Default::default()
    };
    assert_ne!(c.call(1, &request).await.responses[0].error_code, 0);
    request.resources[0].configs[0].config_operation = 0;
    request.resources[0].configs[0].value = Some(long.clone());
    assert_ne!(c.call(1, &request).await.responses[0].error_code, 0);

    let topic = CreatableTopic {
        name: long.clone(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request = m::CreateTopicsRequest {
        topics: vec![topic],
        ..Default::default()
    };
    assert_ne!(c.call(2, &request).await.topics[0].error_code, 0);
    let request = m::DeleteTopicsRequest {
        topic_names: vec![long.clone()],
        ..Default::default()
    };
    assert_ne!(c.call(5, &request).await.responses[0].error_code, 0);
    let request = m::DescribeGroupsRequest {
        groups: vec![long.clone()],
        ..Default::default()
    };
    assert_ne!(c.call(6, &request).await.groups[0].error_code, 0);
    let topic = CreatePartitionsTopic {
        name: long,
        count: 2,
        ..Default::default()
    };
    let request = m::CreatePartitionsRequest {
        topics: vec![topic],
        ..Default::default()
    };
    assert_ne!(c.call(0, &request).await.results[0].error_code, 0);
    node.stop().await;
}
