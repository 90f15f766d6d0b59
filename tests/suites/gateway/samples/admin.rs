//! What is about topics, settings and the cluster.

use odeon_protocol::messages as m;
use odeon_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use odeon_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use odeon_protocol::messages::delete_topics_request::DeleteTopicState;
use odeon_protocol::messages::describe_configs_request::DescribeConfigsResource;
use odeon_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use odeon_protocol::messages::{
    add_raft_voter_request, alter_configs_request, alter_partition_reassignments_request,
    describe_producers_request, describe_quorum_request, describe_topic_partitions_request,
    elect_leaders_request, incremental_alter_configs_request, list_partition_reassignments_request,
};

use super::{MISSING_ID, Samples, TOPIC, World, name};

pub(super) fn add(samples: &mut Samples, _: &World) {
    topics(samples);
    replicas(samples);
    members(samples);
    configs(samples);
    samples.add(|_, label| m::DescribeLogDirsRequest {
        topics: Some(vec![DescribableLogDirTopic {
            topic: name(label),
            partitions: vec![0],
            ..Default::default()
        }]),
        ..Default::default()
    });
    samples.add(|_, label| describe_quorum(if label == "wrong" { "other" } else { "" }));
    samples.add(|version, label| m::DescribeClusterRequest {
        include_cluster_authorized_operations: true,
        endpoint_type: if version >= 1 && label == "wrong" {
            2
        } else {
            1
        },
        include_fenced_brokers: version >= 2,
        ..Default::default()
    });
    samples.add(|_, label| m::DescribeProducersRequest {
        topics: vec![describe_producers_request::TopicRequest {
            name: name(label),
            partition_indexes: vec![0],
            ..Default::default()
        }],
        ..Default::default()
    });
    samples.add(|_, label| m::DescribeTopicPartitionsRequest {
        topics: vec![describe_topic_partitions_request::TopicRequest {
            name: name(label),
            ..Default::default()
        }],
        response_partition_limit: 10,
        ..Default::default()
    });
}

fn replicas(samples: &mut Samples) {
    samples.add(|version, label| m::ElectLeadersRequest {
        election_type: i8::from(version >= 1 && label == "wrong"),
        topic_partitions: Some(vec![elect_leaders_request::TopicPartitions {
            topic: name(label),
            partitions: vec![0],
            ..Default::default()
        }]),
        ..Default::default()
    });
    samples.add(|_, label| reassign(&name(label)));
    samples.add(|_, label| move_to("/nowhere", &name(label)));
    samples.add(|_, label| m::ListPartitionReassignmentsRequest {
        topics: (label == "wrong").then(|| {
            vec![
                list_partition_reassignments_request::ListPartitionReassignmentsTopics {
                    name: name(label),
                    partition_indexes: vec![0],
                    ..Default::default()
                },
            ]
        }),
        ..Default::default()
    });
}

/// Moves a replica to another directory.
pub(super) fn move_to(path: &str, topic: &str) -> m::AlterReplicaLogDirsRequest {
    use m::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
    let topic = AlterReplicaLogDirTopic {
        name: topic.to_owned(),
        partitions: vec![0],
        ..Default::default()
    };
    m::AlterReplicaLogDirsRequest {
        dirs: vec![AlterReplicaLogDir {
            path: path.to_owned(),
            topics: vec![topic],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Moves a partition to where it is.
pub(super) fn reassign(topic: &str) -> m::AlterPartitionReassignmentsRequest {
    use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    let partition = ReassignablePartition {
        replicas: Some(vec![1]),
        ..Default::default()
    };
    m::AlterPartitionReassignmentsRequest {
        topics: vec![ReassignableTopic {
            name: topic.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Nothing here names what is there: the node shall go on.
fn members(samples: &mut Samples) {
    samples.add(|_, _| m::UnregisterBrokerRequest {
        broker_id: 99,
        ..Default::default()
    });
    samples.add(|_, label| m::AddRaftVoterRequest {
        cluster_id: (label == "wrong").then(|| "another".to_owned()),
        voter_id: 99,
        voter_directory_id: MISSING_ID,
        listeners: vec![add_raft_voter_request::Listener::default()],
        ..Default::default()
    });
    samples.add(|_, label| m::RemoveRaftVoterRequest {
        cluster_id: (label == "wrong").then(|| "another".to_owned()),
        voter_id: 99,
        voter_directory_id: MISSING_ID,
        ..Default::default()
    });
}

/// The quorum of a topic; the metadata's for an empty name.
pub(super) fn describe_quorum(topic: &str) -> m::DescribeQuorumRequest {
    let topic_name = if topic.is_empty() {
        "__cluster_metadata"
    } else {
        topic
    }
    .to_owned();
    let partitions = vec![describe_quorum_request::PartitionData::default()];
    let topic = describe_quorum_request::TopicData {
        topic_name,
        partitions,
        ..Default::default()
    };
    m::DescribeQuorumRequest {
        topics: vec![topic],
        ..Default::default()
    }
}

fn topics(samples: &mut Samples) {
    for version in 2..=7 {
        for label in ["sensible", "wrong", "twice"] {
            let topic = CreatableTopic {
                name: match label {
                    "wrong" => "not/a name".to_owned(),
                    _ => format!("created-{version}"),
                },
                num_partitions: if version >= 4 { -1 } else { 1 },
                replication_factor: if version >= 4 { -1 } else { 1 },
                configs: vec![CreatableTopicConfig {
                    name: "retention.ms".to_owned(),
                    value: Some("60000".to_owned()),
                    ..Default::default()
                }],
                ..Default::default()
            };
            let again = (label == "twice").then(|| topic.clone());
            let request = m::CreateTopicsRequest {
                topics: [topic].into_iter().chain(again).collect(),
                timeout_ms: 5_000,
                validate_only: false,
                ..Default::default()
            };
            samples.push(version, label, &request);
        }
        samples.push(version, "empty", &m::CreateTopicsRequest::default());
    }
    samples.add(|version, label| {
        let name = if label == "wrong" {
            "missing".to_owned()
        } else {
            format!("created-{version}")
        };
        let mut request = m::DeleteTopicsRequest {
            timeout_ms: 5_000,
            ..Default::default()
        };
        if version < 6 {
            request.topic_names = vec![name];
        } else if label == "wrong" {
            let topic_id = MISSING_ID;
            request.topics = vec![DeleteTopicState {
                name: None,
                topic_id,
                ..Default::default()
            }];
        } else {
            request.topics = vec![DeleteTopicState {
                name: Some(name),
                ..Default::default()
            }];
        }
        request
    });
    samples.add(|_, label| m::CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: TOPIC.to_owned(),
            count: if label == "wrong" { 1 } else { 4 },
            ..Default::default()
        }],
        timeout_ms: 5_000,
        validate_only: true,
        ..Default::default()
    });
}

/// Kinds of resources, with names.
const RESOURCES: [(i8, &str); 4] = [(2, TOPIC), (4, "1"), (4, ""), (32, "some-group")];
const WRONG_RESOURCES: [(i8, &str); 5] =
    [(2, "missing"), (4, "77"), (4, "x"), (32, ""), (99, "what")];

fn resources(label: &str) -> &'static [(i8, &'static str)] {
    if label == "wrong" {
        &WRONG_RESOURCES
    } else {
        &RESOURCES
    }
}

fn configs(samples: &mut Samples) {
    samples.add(|version, label| m::DescribeConfigsRequest {
        resources: resources(label)
            .iter()
            .map(|(resource_type, name)| DescribeConfigsResource {
                resource_type: *resource_type,
                resource_name: (*name).to_owned(),
                configuration_keys: None,
                ..Default::default()
            })
            .collect(),
        include_synonyms: true,
        include_documentation: version >= 3,
        ..Default::default()
    });
    samples.add(|_, label| m::AlterConfigsRequest {
        resources: resources(label)
            .iter()
            .map(
                |(resource_type, name)| alter_configs_request::AlterConfigsResource {
                    resource_type: *resource_type,
                    resource_name: (*name).to_owned(),
                    configs: vec![alter_configs_request::AlterableConfig {
                        name: "retention.ms".to_owned(),
                        value: Some("70000".to_owned()),
                        ..Default::default()
                    }],
                    ..Default::default()
                },
            )
            .collect(),
        validate_only: true,
        ..Default::default()
    });
    samples.add(|_, label| m::IncrementalAlterConfigsRequest {
        resources: resources(label)
            .iter()
            .map(
                |(resource_type, name)| incremental_alter_configs_request::AlterConfigsResource {
                    resource_type: *resource_type,
                    resource_name: (*name).to_owned(),
                    configs: vec![incremental_alter_configs_request::AlterableConfig {
                        name: "cleanup.policy".to_owned(),
                        config_operation: 2,
                        value: Some("compact".to_owned()),
                        ..Default::default()
                    }],
                    ..Default::default()
                },
            )
            .collect(),
        validate_only: true,
        ..Default::default()
    });
}
