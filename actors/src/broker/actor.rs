//! The effects of a BrokerActor: registering, beating, starting and stopping replicas.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use odeon_kernel::supervisor::{AddChildError, SupervisorHandle};
use odeon_kernel::{Blocking, SharedClock, TaskGuard, View, Watch};
use odeon_log::{LogError, LogManager};
use odeon_mesh::Mesh;
use odeon_metadata::{Endpoint, MetadataImage};
use odeon_model::config::{BrokerConfig, ConfigMap};
use odeon_model::{BrokerEpoch, LeaderEpoch, NodeId, TopicId, TopicPartition, Uuid};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::logs::{open, set_aside};
use super::reconcile::{Action, actions, is_stray};
use super::session::Session;
use crate::controller::ControllerHandle;
use crate::coordinators::GroupRouter;
use crate::node::OFFSETS_TOPIC;
use crate::partition::leader::{LeaderArguments, child};
use crate::partition::{PartitionView, Route, RoutingTable};
use crate::settings::{broker_setting, log_config, topic_config};

/// How long a partition that could not be led waits for the next attempt.
const RETRY: Duration = Duration::from_secs(1);

/// Why a partition is not led.
#[derive(Debug, thiserror::Error)]
enum LeadError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Start(#[from] AddChildError),
}

/// What a broker says of itself to the cluster, beyond the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerStatus {
    /// The epoch of the registration, -1 before the first.
    pub broker_epoch: BrokerEpoch,
    /// Whether the controller lets it serve.
    pub unfenced: bool,
}

/// The actor. See [`super`].
#[derive(Debug)]
pub struct BrokerActor;

/// What a broker actor is started with.
#[derive(Debug, Clone)]
pub struct BrokerArguments {
    /// This node.
    pub node_id: NodeId,
    /// The cluster it belongs to.
    pub cluster_id: Arc<str>,
    /// This start of the process.
    pub incarnation_id: Uuid,
    /// Where clients reach it.
    pub endpoints: Vec<Endpoint>,
    /// The node's settings.
    pub config: Arc<BrokerConfig>,
    /// The same as text.
    pub properties: Arc<ConfigMap>,
    /// The committed metadata.
    pub image: Watch<MetadataImage>,
    /// The way to the other nodes.
    pub mesh: Arc<dyn Mesh>,
    /// Whom it registers with.
    pub controller: ControllerHandle,
    /// The log directories.
    pub logs: Arc<LogManager>,
    /// The routes it keeps.
    pub routing: Arc<RoutingTable>,
    /// The supervisor of the leaders.
    pub replicas: SupervisorHandle,
    /// The coordinators it keeps.
    pub groups: Arc<GroupRouter>,
    /// What it tells the node.
    pub status: Arc<View<BrokerStatus>>,
    /// Where blocking work goes.
    pub blocking: Blocking,
    /// Time.
    pub clock: SharedClock,
}

/// What a broker actor understands: only its own messages.
#[derive(Debug)]
pub enum BrokerMsg {
    /// There is a newer image, or time to try again what failed.
    Reconcile,
}

impl ractor::Message for BrokerMsg {}

/// A running broker actor.
#[derive(Debug)]
pub struct BrokerState {
    arguments: BrokerArguments,
    acted_on: Arc<MetadataImage>,
    /// Partitions that could not be led.
    unled: Vec<Action>,
    /// Whether the logs that were found at the start have been compared with the image.
    sorted_out: bool,
    _watching: TaskGuard<()>,
    _session: TaskGuard<()>,
}

#[ractor::async_trait]
impl Actor for BrokerActor {
    type Msg = BrokerMsg;
    type State = BrokerState;
    type Arguments = BrokerArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<BrokerMsg>,
        arguments: BrokerArguments,
    ) -> Result<BrokerState, ActorProcessingErr> {
        let mut image = arguments.image.clone();
        let watching = TaskGuard::spawn(async move {
            while myself.cast(BrokerMsg::Reconcile).is_ok() && image.changed().await.is_ok() {}
        });
        let session = TaskGuard::spawn(Session::new(arguments.clone()).run());
        // A restart starts over: replicas that still run are found by their routes.
        let acted_on = Arc::new(MetadataImage::new(arguments.cluster_id.clone()));
        Ok(BrokerState {
            arguments,
            acted_on,
            unled: Vec::new(),
            sorted_out: false,
            _watching: watching,
            _session: session,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<BrokerMsg>,
        BrokerMsg::Reconcile: BrokerMsg,
        state: &mut BrokerState,
    ) -> Result<(), ActorProcessingErr> {
        state.reconcile().await;
        if !state.unled.is_empty() {
            let clock = state.arguments.clock.clone();
            odeon_kernel::spawn(async move {
                clock.sleep(RETRY).await;
                let _ = myself.cast(BrokerMsg::Reconcile);
            });
        }
        Ok(())
    }
}

impl BrokerState {
    /// Repairs the difference between what runs and what the newest image wants.
    async fn reconcile(&mut self) {
        let image = self.arguments.image.get();
        // Before our registration is applied, an epoch in the image may be our predecessor's.
        let registered = image
            .broker(self.arguments.node_id)
            .is_some_and(|broker| broker.incarnation_id == self.arguments.incarnation_id);
        if !registered {
            return;
        }
        if !std::mem::replace(&mut self.sorted_out, true) {
            self.set_strays_aside(&image).await;
        }
        let again = std::mem::take(&mut self.unled).into_iter();
        let again: Vec<Action> = again
            .filter(|action| self.is_wanted(&image, action))
            .collect();
        for action in
            again
                .into_iter()
                .chain(actions(self.arguments.node_id, &self.acted_on, &image))
        {
            self.act(&image, action).await;
        }
        self.acted_on = image;
    }

    /// Renames the folders of logs that no partition of this node claims, and keeps them: as Kafka,
    /// a broker never deletes what nobody told it to delete.
    async fn set_strays_aside(&self, image: &MetadataImage) {
        for log in self.arguments.logs.logs() {
            let (name, topic_id) = (log.partition(), log.topic_id());
            if is_stray(self.arguments.node_id, image, name, topic_id) {
                self.stop(name, topic_id).await;
                let (logs, partition) = (self.arguments.logs.clone(), name.clone());
                let moved = move || set_aside(&logs, &partition, topic_id);
                if let Err(error) = self.arguments.blocking.run(moved).await {
                    tracing::error!(partition = %name, %error, "a stray log stays where it is");
                }
            }
        }
    }

    /// Whether a partition that could not be led shall still be led in that epoch.
    fn is_wanted(&self, image: &MetadataImage, action: &Action) -> bool {
        let Action::Lead {
            topic_id,
            partition,
            leader_epoch,
            ..
        } = action
        else {
            return false;
        };
        image
            .partition_by_id(*topic_id, *partition)
            .is_some_and(|partition| {
                partition.leader == self.arguments.node_id
                    && partition.leader_epoch == *leader_epoch
            })
    }

    async fn act(&mut self, image: &MetadataImage, action: Action) {
        match action {
            Action::Lead {
                ref topic,
                topic_id,
                partition,
                leader_epoch,
                ref isr,
            } => {
                let name = TopicPartition {
                    topic: topic.clone(),
                    partition,
                };
                let led = self
                    .lead(image, &name, topic_id, leader_epoch, isr.clone())
                    .await;
                if let Err(error) = led {
                    tracing::error!(partition = %name, %error, "a partition could not be led");
                    self.unled.push(action);
                }
            }
            Action::SetIsr {
                topic_id,
                partition,
                isr,
            } => {
                if let Some(route) = self.arguments.routing.get(topic_id, partition) {
                    route.leader.set_isr(isr);
                }
            }
            Action::Configure { topic, topic_id } => self.configure(image, &topic, topic_id),
            Action::Stop {
                topic,
                topic_id,
                partition,
                delete,
            } => {
                let name = TopicPartition { topic, partition };
                self.stop(&name, topic_id).await;
                if delete {
                    self.delete(&name).await;
                    if image.topic(&name.topic).is_none() {
                        self.arguments.groups.topic_deleted(&name.topic);
                    }
                }
            }
        }
    }

    async fn lead(
        &self,
        image: &MetadataImage,
        name: &TopicPartition,
        topic_id: TopicId,
        leader_epoch: LeaderEpoch,
        isr: Vec<NodeId>,
    ) -> Result<(), LeadError> {
        let arguments = &self.arguments;
        if let Some(route) = arguments.routing.get(topic_id, name.partition)
            && route.view.leader_epoch == leader_epoch
        {
            // It runs: this is a restart of the broker actor, not of the leader.
            route.leader.set_isr(isr);
            return Ok(());
        }
        self.stop(name, topic_id).await;
        let properties = &arguments.properties;
        let config = Arc::new(topic_config(
            image,
            arguments.node_id,
            properties,
            &name.topic,
        ));
        let expiration_ms = self.producer_id_expiration_ms(image);
        let (logs, partition) = (arguments.logs.clone(), name.clone());
        let settings = log_config(&config, expiration_ms);
        let max_batch_bytes = config.max_message_bytes;
        let log = arguments
            .blocking
            .run(move || open(&logs, &partition, topic_id, settings))
            .await?;
        let view = Arc::new(PartitionView::new(
            name.topic.clone(),
            topic_id,
            name.partition,
            leader_epoch,
            log.reader(),
            &config,
        ));
        let (spec, leader) = child(LeaderArguments {
            log,
            leader_epoch,
            incarnations: Arc::new(AtomicU64::new(0)),
            view: view.clone(),
            isr,
            config,
            producer_id_expiration_ms: expiration_ms,
            blocking: arguments.blocking,
            clock: arguments.clock.clone(),
        });
        if let Err(error) = arguments.replicas.add_child(spec).await {
            let _ = arguments.replicas.remove_child(&name.to_string()).await;
            return Err(error.into());
        }
        let route = Route { leader, view };
        arguments.routing.insert(route.clone());
        if *name.topic == *OFFSETS_TOPIC {
            arguments.groups.set_max_batch_bytes(max_batch_bytes);
            arguments.groups.lead(name.partition, route).await;
        }
        Ok(())
    }

    async fn stop(&self, name: &TopicPartition, topic_id: TopicId) {
        if self
            .arguments
            .routing
            .get(topic_id, name.partition)
            .is_none()
        {
            return;
        }
        if *name.topic == *OFFSETS_TOPIC {
            self.arguments.groups.resign(name.partition).await;
        }
        self.arguments.routing.remove(topic_id, name.partition);
        let _ = self
            .arguments
            .replicas
            .remove_child(&name.to_string())
            .await;
    }

    async fn delete(&self, name: &TopicPartition) {
        let (logs, partition) = (self.arguments.logs.clone(), name.clone());
        let deleted = self
            .arguments
            .blocking
            .run(move || logs.delete(&partition))
            .await;
        if let Err(error) = deleted {
            tracing::error!(partition = %name, %error, "a deleted partition's files stay");
        }
    }

    /// `producer.id.expiration.ms`, which may change while the broker runs.
    fn producer_id_expiration_ms(&self, image: &MetadataImage) -> i64 {
        let arguments = &self.arguments;
        let (node, statics) = (arguments.node_id, &arguments.properties);
        broker_setting(image, node, statics, "producer.id.expiration.ms")
            .and_then(|text| text.parse().ok())
            .unwrap_or(arguments.config.logs.producer_id_expiration_ms)
    }

    fn configure(&self, image: &MetadataImage, topic: &Arc<str>, topic_id: TopicId) {
        let arguments = &self.arguments;
        let properties = &arguments.properties;
        let config = Arc::new(topic_config(image, arguments.node_id, properties, topic));
        let expiration_ms = self.producer_id_expiration_ms(image);
        if **topic == *OFFSETS_TOPIC {
            arguments
                .groups
                .set_max_batch_bytes(config.max_message_bytes);
        }
        let Some(found) = image.topic_by_id(topic_id) else {
            return;
        };
        for partition in found.partitions.keys() {
            if let Some(route) = arguments.routing.get(topic_id, *partition) {
                route.leader.configure(config.clone(), expiration_ms);
            }
        }
    }
}
