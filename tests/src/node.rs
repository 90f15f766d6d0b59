//! A node in this process, in a directory of its own, on a port that the system chose.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon::{Node, NodeOptions};
use odeon_actors::group::coordinator_for;
use odeon_actors::node::OFFSETS_TOPIC;
use odeon_gateway::{AllowAll, Authorizer};
use odeon_model::config::BrokerConfig;
use odeon_model::{ErrorCode, Uuid};
use odeon_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use odeon_protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use odeon_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use odeon_protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use odeon_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use odeon_protocol::messages::produce_response::PartitionProduceResponse;
use odeon_protocol::messages::{CreateTopicsRequest, ListOffsetsRequest, ProduceRequest};
use tempfile::TempDir;

use crate::raw::RawConnection;

/// How a node is started.
#[derive(Debug, Clone)]
pub struct NodeBuilder {
    properties: BTreeMap<String, String>,
    authorizer: Arc<dyn Authorizer>,
}

impl Default for NodeBuilder {
    fn default() -> Self {
        let properties = [
            ("node.id", "1"),
            ("process.roles", "broker,controller"),
            (
                "listeners",
                "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
            ),
            ("controller.listener.names", "CONTROLLER"),
            ("controller.quorum.voters", "1@127.0.0.1:0"),
            ("offsets.topic.replication.factor", "1"),
            ("offsets.topic.num.partitions", "2"),
            ("group.initial.rebalance.delay.ms", "0"),
        ];
        let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self {
            properties: properties.into(),
            authorizer: Arc::new(AllowAll),
        }
    }
}

impl NodeBuilder {
    /// Sets a property of the node.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.properties.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets who may do what.
    #[must_use]
    pub fn authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizer = authorizer;
        self
    }

    /// Starts the node.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start(self) -> TestNode {
        self.start_in(TempDir::new().expect("a temporary directory"))
            .await
    }

    async fn start_in(mut self, dir: TempDir) -> TestNode {
        let path = dir.path().display().to_string();
        self.properties.insert("log.dirs".to_owned(), path);
        let properties = self.properties.clone().into_iter().collect();
        let (config, unknown) = BrokerConfig::from_properties(&properties).expect("a valid config");
        assert!(unknown.is_empty(), "unknown properties: {unknown:?}");
        let options = NodeOptions {
            authorizer: self.authorizer.clone(),
            ..NodeOptions::new(config)
        };
        let node = Box::pin(Node::start(options))
            .await
            .expect("the node starts");
        TestNode {
            node,
            builder: self,
            dir,
        }
    }
}

/// A node that runs. Dropped without order; [`TestNode::stop`] is the right way.
#[derive(Debug)]
pub struct TestNode {
    /// The node itself.
    pub node: Node,
    builder: NodeBuilder,
    dir: TempDir,
}

impl TestNode {
    /// Starts a node with the usual settings.
    pub async fn start() -> Self {
        NodeBuilder::default().start().await
    }

    /// Where the first listener for clients is.
    ///
    /// # Panics
    /// There is none.
    pub fn address(&self) -> SocketAddr {
        self.address_of("PLAINTEXT")
    }

    /// Where a listener is.
    ///
    /// # Panics
    /// There is no such listener.
    pub fn address_of(&self, listener: &str) -> SocketAddr {
        let listeners = self.node.listeners();
        listeners
            .iter()
            .find(|(name, _)| name == listener)
            .expect("the listener is there")
            .1
    }

    /// Opens a connection.
    pub async fn connect(&self) -> RawConnection {
        RawConnection::open(self.address()).await
    }

    /// Stops the node in order.
    pub async fn stop(self) {
        self.node.stop().await;
    }

    /// Stops the node in order and starts it again with what it had on disk, on other ports.
    ///
    /// # Panics
    /// It does not start.
    pub async fn restart(self) -> Self {
        let Self { node, builder, dir } = self;
        node.stop().await;
        Box::pin(builder.start_in(dir)).await
    }

    /// Creates a topic and waits until every partition is led; its id.
    pub async fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Uuid {
        create_topic(&mut self.connect().await, name, partitions, configs).await
    }

    /// Produces one batch by topic name; what became of it.
    pub async fn produce(
        &self,
        topic: &str,
        partition: i32,
        batch: Bytes,
    ) -> PartitionProduceResponse {
        produce(&mut self.connect().await, topic, partition, batch).await
    }

    /// Waits until every group has a coordinator that has loaded.
    pub async fn create_group_coordinators(&self) {
        let mut connection = self.connect().await;
        find_coordinator(&mut connection, "any").await;
        let image = self.node.handle().image.get();
        let topic = image.topic(OFFSETS_TOPIC).expect("it was just created");
        let count = topic.partition_count();
        for partition in 0..count {
            let group = (0..)
                .map(|number: u32| number.to_string())
                .find(|group| coordinator_for(group, count) == partition)
                .expect("some group falls on each partition");
            find_coordinator(&mut connection, &group).await;
        }
    }
}

/// Creates a topic on any Kafka and waits until every partition is led; its id.
///
/// # Panics
/// The topic cannot be created.
pub async fn create_topic(
    connection: &mut RawConnection,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Uuid {
    let request = create_topic_request(name, partitions, configs);
    let answer = connection.call(7, &request).await;
    assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
    until_led(connection, name).await;
    answer.topics[0].topic_id
}

/// What a node without sockets is started with, on simulated disk and time; `more` goes before.
///
/// # Panics
/// The settings are not valid.
pub fn simulated_options(more: &[(&str, &str)]) -> NodeOptions {
    let properties = [
        ("node.id", "1"),
        ("process.roles", "broker,controller"),
        ("listeners", "PLAINTEXT://sim:9092,CONTROLLER://sim:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("controller.quorum.voters", "1@sim:9093"),
    ];
    let properties = properties.iter().chain(more);
    let properties = properties.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let (config, unknown) =
        BrokerConfig::from_properties(&properties.collect()).expect("a valid config");
    assert!(unknown.is_empty(), "unknown properties: {unknown:?}");
    NodeOptions::new(config)
}

/// A request to create one topic without copies.
pub fn create_topic_request(
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> CreateTopicsRequest {
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
        ..Default::default()
    });
    let topic = CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.collect(),
        ..Default::default()
    };
    CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 10_000,
        ..Default::default()
    }
}

/// A request for the metadata of one topic by name.
pub fn metadata_request(name: &str) -> MetadataRequest {
    let asked = MetadataRequestTopic {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    MetadataRequest {
        topics: Some(vec![asked]),
        ..Default::default()
    }
}

/// A request for one offset by its time, or -1 for the latest and -2 for the earliest.
pub fn list_offset_request(name: &str, partition: i32, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition {
        partition_index: partition,
        timestamp,
        ..Default::default()
    };
    let topic = ListOffsetsTopic {
        name: name.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    ListOffsetsRequest {
        replica_id: -1,
        topics: vec![topic],
        ..Default::default()
    }
}

/// Waits until the metadata names a leader for every partition, and it serves reads.
///
/// # Panics
/// It takes too long.
pub async fn until_led(connection: &mut RawConnection, name: &str) {
    let request = metadata_request(name);
    for _ in 0..2_000 {
        let answer = connection.call(12, &request).await;
        let topic = &answer.topics[0];
        let led = topic.partitions.iter().all(|p| p.error_code == 0);
        if topic.error_code == 0 && led && serves(connection, name, topic.partitions.len()).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{name} has no leader");
}

async fn serves(connection: &mut RawConnection, name: &str, partitions: usize) -> bool {
    let partitions = (0..partitions as i32).map(|partition_index| ListOffsetsPartition {
        partition_index,
        timestamp: -1,
        ..Default::default()
    });
    let partitions = partitions.collect();
    let topic = ListOffsetsTopic {
        name: name.to_owned(),
        partitions,
        ..Default::default()
    };
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let answer = connection.call(7, &request).await;
    answer.topics[0]
        .partitions
        .iter()
        .all(|partition| partition.error_code == 0)
}

/// A request to produce one batch by topic name, acknowledged by all replicas.
pub fn produce_request(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData {
        index: partition,
        records: Some(batch),
        ..Default::default()
    };
    let topic = TopicProduceData {
        name: topic.to_owned(),
        partition_data: vec![data],
        ..Default::default()
    };
    ProduceRequest {
        acks: -1,
        timeout_ms: 10_000,
        topic_data: vec![topic],
        ..Default::default()
    }
}

/// Produces one batch by topic name; what became of it.
pub async fn produce(
    connection: &mut RawConnection,
    topic: &str,
    partition: i32,
    batch: Bytes,
) -> PartitionProduceResponse {
    let mut answer = connection
        .call(12, &produce_request(topic, partition, batch))
        .await;
    answer.responses.remove(0).partition_responses.remove(0)
}

/// Waits until a group has a coordinator.
///
/// # Panics
/// It takes too long.
pub async fn find_coordinator(connection: &mut RawConnection, group: &str) {
    use odeon_protocol::messages::HeartbeatRequest;
    let request = FindCoordinatorRequest {
        key: group.to_owned(),
        ..Default::default()
    };
    let heartbeat = HeartbeatRequest {
        group_id: group.to_owned(),
        ..Default::default()
    };
    for _ in 0..2_000 {
        if connection.call(3, &request).await.error_code == 0 {
            let code = ErrorCode::from_code(connection.call(3, &heartbeat).await.error_code);
            if code == ErrorCode::UnknownMemberId {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{group} has no coordinator");
}
