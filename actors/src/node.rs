//! What the edge holds of a node: its views, its handles, its settings. Cheap to clone.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::supervisor::Counters;
use odeon_kernel::{Blocking, SharedClock, Waiter, Watch};
use odeon_log::LogManager;
use odeon_mesh::Mesh;
use odeon_metadata::{ConfigResource, MetadataImage};
use odeon_model::config::{
    BrokerConfig, BrokerLayers, ConfigMap, DescribedConfig, TopicConfig, describe_topic,
};
use odeon_model::{NodeId, TopicId, Uuid};
use odeon_quorum::Quorum;
pub use odeon_quorum::{MemberError, QuorumStatus, ReplicaId, ReplicaProgress};

use crate::controller::{ControllerHandle, InternalTopic};
use crate::coordinators::GroupRouter;
use crate::partition::RoutingTable;
use crate::producer_ids::ProducerIds;
use crate::settings;

/// The name of the topic that keeps the groups' state.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What the edge holds of a node.
#[derive(Debug, Clone)]
pub struct NodeHandle(Arc<NodeParts>);

/// The parts of a [`NodeHandle`].
#[derive(Debug)]
pub struct NodeParts {
    /// This node's id.
    pub node_id: NodeId,
    /// The cluster's id.
    pub cluster_id: Arc<str>,
    /// This process's incarnation.
    pub incarnation_id: Uuid,
    /// The node's settings as they were at the start.
    pub config: Arc<BrokerConfig>,
    /// The same as text, for describing them.
    pub properties: Arc<ConfigMap>,
    /// Time.
    pub clock: SharedClock,
    /// Where blocking work goes.
    pub blocking: Blocking,
    /// The newest committed metadata.
    pub image: Watch<MetadataImage>,
    /// The partitions led here.
    pub routing: Arc<RoutingTable>,
    /// The cluster's controller.
    pub controller: ControllerHandle,
    /// The group coordinators led here.
    pub groups: Arc<GroupRouter>,
    /// The log directories.
    pub logs: Arc<LogManager>,
    /// The metadata quorum.
    pub quorum: Quorum,
    /// The way to the other nodes.
    pub mesh: Arc<dyn Mesh>,
    /// The producer ids that this node may hand out.
    pub producer_ids: ProducerIds,
    /// Counts what happens to this node's actors.
    pub actors: Arc<Counters>,
}

impl NodeHandle {
    /// Puts the parts together.
    pub fn new(parts: NodeParts) -> Self {
        Self(Arc::new(parts))
    }

    /// One of this broker's settings that are numbers, as it holds now.
    pub fn broker_number(&self, name: &str) -> Option<i64> {
        self.broker_text(name)?.parse().ok()
    }

    /// One of this broker's settings as text, as it holds now.
    pub fn broker_text(&self, name: &str) -> Option<String> {
        settings::broker_setting(&self.image.get(), self.node_id, &self.properties, name)
    }

    /// Every setting of a topic that has set these itself, by the cluster's defaults.
    pub fn describe_topic(&self, overrides: &ConfigMap) -> Vec<DescribedConfig> {
        let dynamic_default = self
            .image
            .get()
            .config_map(&ConfigResource::default_broker());
        let layers = BrokerLayers {
            dynamic_default: &dynamic_default,
            ..BrokerLayers::of_statics(&self.properties)
        };
        describe_topic(overrides, layers)
    }

    /// A topic's settings as they hold on this node now.
    pub fn topic_config(&self, topic: &str) -> TopicConfig {
        settings::topic_config(&self.image.get(), self.node_id, &self.properties, topic)
    }
}

/// How long a creation waits for its partitions to be led, on top of their commit.
const LEAD_LIMIT: Duration = Duration::from_secs(5);

impl NodeParts {
    /// Waits until every partition of these topics that this node shall lead is led, so that whoever
    /// created them can use them at once; gives up after a few seconds. Cancel safe.
    pub async fn until_led(&self, topics: &[TopicId]) {
        let led = || {
            let image = self.image.get();
            topics
                .iter()
                .filter_map(|id| image.topic_by_id(*id))
                .all(|topic| {
                    topic.partitions.iter().all(|(index, partition)| {
                        partition.leader != self.node_id
                            || self.routing.get(topic.id, *index).is_some()
                    })
                })
        };
        let waiting = async {
            let mut waiter = Waiter::new();
            waiter.register(&self.routing.added);
            while !led() {
                waiter.wait().await;
            }
        };
        if odeon_kernel::clock::timeout(&*self.clock, LEAD_LIMIT, waiting)
            .await
            .is_err()
        {
            tracing::warn!("created partitions are not led yet");
        }
    }

    /// How an internal topic of this name is made, if it is one that a node makes for itself.
    pub fn internal_topic(&self, name: &str) -> Option<InternalTopic> {
        let offsets = &self.config.offsets;
        (name == OFFSETS_TOPIC).then(|| InternalTopic {
            num_partitions: offsets.topic_num_partitions,
            replication_factor: offsets.topic_replication_factor,
            configs: vec![
                ("cleanup.policy".to_owned(), "compact".to_owned()),
                ("compression.type".to_owned(), "producer".to_owned()),
                (
                    "segment.bytes".to_owned(),
                    offsets.topic_segment_bytes.to_string(),
                ),
            ],
        })
    }
}

impl Deref for NodeHandle {
    type Target = NodeParts;

    fn deref(&self) -> &NodeParts {
        &self.0
    }
}
