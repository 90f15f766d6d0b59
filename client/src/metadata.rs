//! What a client knows of the cluster: brokers, topics, leaders.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use odeon_model::config::HostPort;
use odeon_model::{ErrorCode, LeaderEpoch, NodeId, PartitionId, TopicId};
use odeon_protocol::messages::MetadataResponse;
use odeon_protocol::messages::metadata_response::{
    MetadataResponsePartition, MetadataResponseTopic,
};

/// A broker as clients reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its node id.
    pub id: NodeId,
    /// Where it is, on the listener that was asked.
    pub address: HostPort,
    /// Its rack, if it has one.
    pub rack: Option<String>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its index.
    pub index: PartitionId,
    /// The broker that leads it, if one does.
    pub leader: Option<NodeId>,
    /// The leader's epoch; -1 when the broker does not tell.
    pub leader_epoch: LeaderEpoch,
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Those that are in sync.
    pub isr: Vec<NodeId>,
    /// Those that are offline.
    pub offline_replicas: Vec<NodeId>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; zero when the broker does not tell.
    pub id: TopicId,
    /// Whether it is one of the cluster's own topics.
    pub internal: bool,
    /// Its partitions, by rising index.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// The partition of that index.
    pub fn partition(&self, index: PartitionId) -> Option<&Partition> {
        let at = self
            .partitions
            .binary_search_by_key(&index, |partition| partition.index);
        at.ok().map(|at| &self.partitions[at])
    }

    fn read(topic: MetadataResponseTopic) -> Result<Self, ErrorCode> {
        let code = ErrorCode::from_code(topic.error_code);
        if code.is_error() {
            return Err(code);
        }
        let mut partitions: Vec<_> = topic.partitions.into_iter().map(Partition::read).collect();
        partitions.sort_by_key(|partition| partition.index);
        partitions.dedup_by_key(|partition| partition.index);
        Ok(Self {
            name: topic.name.unwrap_or_default().into(),
            id: topic.topic_id,
            internal: topic.is_internal,
            partitions,
        })
    }
}

impl Partition {
    fn read(partition: MetadataResponsePartition) -> Self {
        Self {
            index: partition.partition_index,
            leader: Some(partition.leader_id).filter(|id| *id >= 0),
            leader_epoch: partition.leader_epoch,
            replicas: partition.replica_nodes,
            isr: partition.isr_nodes,
            offline_replicas: partition.offline_replicas,
        }
    }
}

/// A snapshot of the cluster. Topics are those that were asked for, each as of its last answer.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// The cluster's id.
    pub id: Option<String>,
    /// The broker to send changes to, if one is named.
    pub controller: Option<NodeId>,
    /// The brokers.
    pub brokers: BTreeMap<NodeId, Broker>,
    topics: HashMap<Arc<str>, Known>,
}

/// A topic and when (on the client's monotonic clock) it was learned.
#[derive(Debug, Clone)]
struct Known {
    topic: Arc<Topic>,
    learned: Duration,
}

impl Cluster {
    /// Where a broker is.
    pub fn address(&self, id: NodeId) -> Option<&HostPort> {
        self.brokers.get(&id).map(|broker| &broker.address)
    }

    /// A topic, as last seen.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name).map(|known| &known.topic)
    }

    /// A topic that was learned at `since` or later.
    pub(crate) fn topic_since(&self, name: &str, since: Duration) -> Option<&Arc<Topic>> {
        let known = self.topics.get(name)?;
        (known.learned >= since).then_some(&known.topic)
    }

    /// All topics known, by name.
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<_> = self
            .topics
            .values()
            .map(|known| Arc::clone(&known.topic))
            .collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    /// The broker that leads a partition, and its address.
    pub fn leader(&self, topic: &str, partition: PartitionId) -> Option<(NodeId, &HostPort)> {
        let leader = self.topic(topic)?.partition(partition)?.leader?;
        Some((leader, self.address(leader)?))
    }

    /// Forgets a topic, so that its next user asks anew.
    pub(crate) fn forget(&mut self, name: &str) {
        self.topics.remove(name);
    }

    /// The snapshot with an answer laid over it, and the errors of single topics. An answer about
    /// all topics replaces them; leaders of an older epoch than known are not taken over.
    pub(crate) fn with(
        &self,
        response: MetadataResponse,
        all: bool,
        now: Duration,
    ) -> (Self, HashMap<String, ErrorCode>) {
        let mut errors = HashMap::new();
        let mut topics = if all {
            HashMap::new()
        } else {
            self.topics.clone()
        };
        for topic in response.topics {
            let name = topic.name.clone().unwrap_or_default();
            match Topic::read(topic) {
                Ok(mut topic) => {
                    if let Some(old) = self.topic(&name) {
                        keep_newer_leaders(&mut topic, old);
                    }
                    let known = Known {
                        topic: Arc::new(topic),
                        learned: now,
                    };
                    topics.insert(name.into(), known);
                }
                Err(code) => {
                    topics.remove(&*name);
                    errors.insert(name, code);
                }
            }
        }
        let brokers = response.brokers.into_iter().filter_map(|broker| {
            let address = HostPort {
                host: broker.host,
                port: u16::try_from(broker.port).ok()?,
            };
            let broker = Broker {
                id: broker.node_id,
                address,
                rack: broker.rack,
            };
            Some((broker.id, broker))
        });
        let cluster = Self {
            id: response.cluster_id.or_else(|| self.id.clone()),
            controller: Some(response.controller_id).filter(|id| *id >= 0),
            brokers: brokers.collect(),
            topics,
        };
        (cluster, errors)
    }
}

/// A broker that lags behind may still name the leader of before.
fn keep_newer_leaders(topic: &mut Topic, old: &Topic) {
    if topic.id != old.id {
        return;
    }
    for partition in &mut topic.partitions {
        if let Some(known) = old.partition(partition.index)
            && known.leader_epoch > partition.leader_epoch
            && partition.leader_epoch >= 0
        {
            *partition = known.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use odeon_protocol::messages::metadata_response::MetadataResponseBroker;

    fn answer(epoch: i32, leader: i32, error_code: i16) -> MetadataResponse {
        MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: 1,
                host: "h".to_owned(),
                port: 9,
                ..Default::default()
            }],
            topics: vec![MetadataResponseTopic {
                name: Some("t".to_owned()),
                error_code,
                partitions: vec![MetadataResponsePartition {
                    partition_index: 0,
                    leader_id: leader,
                    leader_epoch: epoch,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn a_leader_of_an_older_epoch_is_not_taken_over() {
        let (cluster, _) = Cluster::default().with(answer(5, 1, 0), false, Duration::ZERO);
        let (cluster, _) = cluster.with(answer(4, 2, 0), false, Duration::ZERO);
        assert_eq!(cluster.leader("t", 0).unwrap().0, 1);
        let (cluster, _) = cluster.with(answer(6, -1, 0), false, Duration::ZERO);
        assert!(cluster.leader("t", 0).is_none());
        assert!(cluster.topic("t").unwrap().partition(1).is_none());
    }

    #[test]
    fn a_topic_that_fails_is_forgotten_and_its_error_told() {
        let (cluster, _) = Cluster::default().with(answer(5, 1, 0), false, Duration::ZERO);
        let (cluster, errors) = cluster.with(answer(0, 0, 3), false, Duration::ZERO);
        assert_eq!(errors["t"], ErrorCode::UnknownTopicOrPartition);
        assert!(cluster.topic("t").is_none());
    }

    #[test]
    fn an_answer_about_all_topics_replaces_them() {
        let (cluster, _) = Cluster::default().with(answer(5, 1, 0), true, Duration::ZERO);
        let (cluster, _) = cluster.with(MetadataResponse::default(), true, Duration::ZERO);
        assert!(cluster.topics().is_empty());
    }

    #[test]
    fn a_topic_grows_too_old() {
        let (cluster, _) = Cluster::default().with(answer(5, 1, 0), true, Duration::from_secs(5));
        assert!(cluster.topic_since("t", Duration::from_secs(5)).is_some());
        assert!(cluster.topic_since("t", Duration::from_secs(6)).is_none());
    }
}
