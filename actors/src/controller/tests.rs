use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::Rng;
use odeon_metadata::{ConfigResource, Effect, Endpoint, FeatureRange, MetadataImage, NO_LEADER};
use odeon_model::config::{AlterOp, ConfigMap};
use odeon_model::{ErrorCode, NodeId, Uuid};

use super::message::*;
use super::state::{ControllerSettings, Decisions, Draft};
use super::vocabulary::Now;

mod actor;
mod brokers;
mod configs;
mod elections;
mod eligible;
mod invariants;
mod link;
mod reassignments;
mod topics;

/// A controller whose every decision is committed at once.
struct Cluster {
    image: MetadataImage,
    decisions: Decisions,
    now: Now,
}

impl Cluster {
    fn with_properties(properties: &[(&str, &str)]) -> Self {
        let properties: ConfigMap = properties
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Self::with_settings(ControllerSettings::new(Arc::new(properties)))
    }

    fn with_settings(settings: ControllerSettings) -> Self {
        let mut image = MetadataImage::new("c");
        for record in Decisions::activate(&settings, &image) {
            assert_eq!(image.apply(&record), Effect::Applied);
        }
        let now = Now {
            monotonic: Duration::from_secs(100),
            committed_index: 1,
        };
        let decisions = Decisions::new(settings, &image, Rng::from_seed(7), now);
        Self {
            image,
            decisions,
            now,
        }
    }

    /// `count` live brokers, numbered from 1.
    fn of(count: i32) -> Self {
        let mut cluster = Self::with_properties(&[]);
        for id in 1..=count {
            cluster.start(id);
        }
        cluster
    }

    fn decide<T>(&mut self, work: impl FnOnce(&mut Decisions, &mut Draft, Now) -> T) -> T {
        let mut draft = Draft::new(&self.image);
        let reply = work(&mut self.decisions, &mut draft, self.now);
        for record in &draft.records {
            assert_eq!(self.image.apply(record), Effect::Applied, "{record:?}");
        }
        assert_eq!(draft.image, self.image);
        self.now.committed_index += 1;
        reply
    }

    fn pass(&mut self, seconds: u64) {
        self.now.monotonic += Duration::from_secs(seconds);
    }

    fn register(&mut self, id: NodeId, incarnation: u8) -> Result<i64, Refusal> {
        self.decide(|d, draft, now| d.register_broker(draft, registration(id, incarnation), now))
    }

    fn heartbeat(&mut self, beat: BrokerHeartbeat) -> Result<HeartbeatReply, Refusal> {
        self.decide(|d, draft, now| d.broker_heartbeat(draft, &beat, now))
    }

    /// A heartbeat of a broker that is up to date and wants to live.
    fn beat(&self, id: NodeId) -> BrokerHeartbeat {
        BrokerHeartbeat {
            broker_id: id,
            broker_epoch: self.image.broker(id).map_or(-1, |broker| broker.epoch),
            metadata_index: self.now.committed_index,
            want_fence: false,
            want_shutdown: false,
            offline_log_dirs: Vec::new(),
        }
    }

    fn start(&mut self, id: NodeId) {
        self.register(id, id as u8).unwrap();
        let beat = self.beat(id);
        assert!(!self.heartbeat(beat).unwrap().is_fenced);
    }

    fn create(&mut self, topic: NewTopic) -> TopicCreation {
        self.decide(|d, draft, _| d.create_topics(draft, vec![topic], false))
            .remove(0)
    }

    /// A topic of one partition on the given brokers.
    fn create_on(&mut self, name: &str, replicas: &[NodeId]) {
        let mut topic = NewTopic::automatic(name, None);
        topic.assignments = vec![(0, replicas.to_vec())];
        let created = self.create(topic);
        assert_eq!(created.error, ErrorCode::None, "{:?}", created.message);
    }

    fn set(&mut self, resource: ConfigResource, key: &str, value: &str) -> ConfigResult {
        let operation = ConfigOperation {
            op: AlterOp::Set,
            name: key.to_owned(),
            value: Some(value.to_owned()),
        };
        self.alter(resource, vec![operation], false)
    }

    fn alter(
        &mut self,
        resource: ConfigResource,
        operations: Vec<ConfigOperation>,
        replace_all: bool,
    ) -> ConfigResult {
        let resources = vec![ConfigAlteration {
            resource,
            operations,
        }];
        let request = AlterConfigs {
            resources,
            replace_all,
            validate_only: false,
        };
        self.decide(|d, draft, _| d.alter_configs(draft, request))
            .remove(0)
    }

    /// (leader, leader epoch, ISR) of partition 0.
    fn partition(&self, topic: &str) -> (NodeId, i32, Vec<NodeId>) {
        let partition = self.image.partition(topic, 0).unwrap();
        (
            partition.leader,
            partition.leader_epoch,
            partition.isr.clone(),
        )
    }
}

fn registration(id: NodeId, incarnation: u8) -> BrokerRegistration {
    BrokerRegistration {
        broker_id: id,
        cluster_id: "c".to_owned(),
        incarnation_id: Uuid([incarnation; 16]),
        endpoints: vec![Endpoint {
            name: "PLAINTEXT".to_owned(),
            host: "localhost".to_owned(),
            port: 9092,
            security_protocol: 0,
        }],
        features: vec![
            FeatureRange {
                name: "metadata.version".to_owned(),
                min: 1,
                max: 99,
            },
            FeatureRange {
                name: "eligible.leader.replicas.version".to_owned(),
                min: 0,
                max: 1,
            },
        ],
        rack: None,
        log_dirs: vec![Uuid([100 + id as u8; 16])],
        previous_broker_epoch: -1,
    }
}
