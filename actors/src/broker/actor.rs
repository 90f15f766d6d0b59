//! The effects of a BrokerActor: registering, beating, starting and stopping replicas.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use odeon_kernel::supervisor::SupervisorHandle;
use odeon_kernel::{Blocking, SharedClock, TaskGuard, View, Watch};
use odeon_log::{LogError, LogManager};
use odeon_metadata::{Endpoint, MetadataImage};
use odeon_model::config::{BrokerConfig, ConfigMap};
use odeon_model::{BrokerEpoch, LeaderEpoch, NodeId, TopicId, TopicPartition, Uuid};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::reconcile::{Action, actions};
use crate::controller::{BrokerHeartbeat, BrokerRegistration, ControllerHandle};
use crate::coordinators::GroupRouter;
use crate::node::OFFSETS_TOPIC;
use crate::partition::leader::{LeaderArguments, child};
use crate::partition::{PartitionView, Route, RoutingTable};
use crate::settings::{log_config, topic_config};

/// How long the first retry waits when the controller does not answer.
const RETRY: Duration = Duration::from_millis(50);

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
    /// There is a newer image.
    ImageChanged,
    /// Time to say that we live.
    Beat,
}

impl ractor::Message for BrokerMsg {}

/// A running broker actor.
#[derive(Debug)]
pub struct BrokerState {
    arguments: BrokerArguments,
    acted_on: Arc<MetadataImage>,
    broker_epoch: BrokerEpoch,
    _watching: TaskGuard<()>,
    _beating: TaskGuard<()>,
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
        let to = myself.clone();
        let watching = TaskGuard::spawn(async move {
            while image.changed().await.is_ok() && to.cast(BrokerMsg::ImageChanged).is_ok() {}
        });
        let (clock, to) = (arguments.clock.clone(), myself.clone());
        let interval = millis(arguments.config.broker_heartbeat_interval_ms);
        let beating = TaskGuard::spawn(async move {
            loop {
                clock.sleep(interval).await;
                if to.cast(BrokerMsg::Beat).is_err() {
                    return;
                }
            }
        });
        myself.cast(BrokerMsg::Beat)?;
        // A restart starts over: replicas that still run are found by their routes.
        let acted_on = Arc::new(MetadataImage::new(arguments.cluster_id.clone()));
        Ok(BrokerState {
            arguments,
            acted_on,
            broker_epoch: -1,
            _watching: watching,
            _beating: beating,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<BrokerMsg>,
        message: BrokerMsg,
        state: &mut BrokerState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            BrokerMsg::ImageChanged => state.reconcile(&myself).await,
            BrokerMsg::Beat => state.beat(&myself).await,
        }
        Ok(())
    }
}

impl BrokerState {
    /// Registers if that is not done yet, then says that we live.
    async fn beat(&mut self, myself: &ActorRef<BrokerMsg>) {
        if self.broker_epoch < 0 && !self.register().await {
            let (clock, myself) = (self.arguments.clock.clone(), myself.clone());
            odeon_kernel::spawn(async move {
                clock.sleep(RETRY).await;
                let _ = myself.cast(BrokerMsg::Beat);
            });
            return;
        }
        let arguments = &self.arguments;
        let heartbeat = BrokerHeartbeat {
            broker_id: arguments.node_id,
            broker_epoch: self.broker_epoch,
            metadata_index: arguments.image.get().position().index,
            want_fence: false,
            want_shutdown: false,
            offline_log_dirs: offline_dirs(&arguments.logs),
        };
        match arguments.controller.broker_heartbeat(heartbeat).await {
            Ok(reply) => {
                let status = BrokerStatus {
                    broker_epoch: self.broker_epoch,
                    unfenced: !reply.is_fenced,
                };
                if *arguments.status.get() != status {
                    arguments.status.publish(status);
                }
                if !reply.is_caught_up {
                    // Our own registration is on its way to us: its arrival beats again.
                    tracing::debug!("waiting for our own registration");
                }
            }
            Err(refusal) => {
                tracing::warn!(%refusal, "a heartbeat was refused");
                if refusal.code == odeon_model::ErrorCode::StaleBrokerEpoch {
                    self.broker_epoch = -1;
                }
            }
        }
    }

    async fn register(&mut self) -> bool {
        let arguments = &self.arguments;
        let registration = BrokerRegistration {
            broker_id: arguments.node_id,
            cluster_id: arguments.cluster_id.to_string(),
            incarnation_id: arguments.incarnation_id,
            endpoints: arguments.endpoints.clone(),
            features: odeon_metadata::supported_features(),
            rack: arguments.config.rack.clone(),
            log_dirs: arguments.logs.directories().map(|dir| dir.id()).collect(),
            previous_broker_epoch: -1,
        };
        match arguments.controller.register_broker(registration).await {
            Ok(epoch) => {
                self.broker_epoch = epoch;
                tracing::info!(broker_epoch = epoch, "registered");
                true
            }
            Err(refusal) => {
                tracing::debug!(%refusal, "registration was refused");
                false
            }
        }
    }

    /// Repairs the difference between what runs and what the newest image wants.
    async fn reconcile(&mut self, myself: &ActorRef<BrokerMsg>) {
        let image = self.arguments.image.get();
        // Before our registration is applied, an epoch in the image may be our predecessor's.
        let registered = image
            .broker(self.arguments.node_id)
            .is_some_and(|broker| broker.incarnation_id == self.arguments.incarnation_id);
        if !registered {
            return;
        }
        if !self.arguments.status.get().unfenced {
            let _ = myself.cast(BrokerMsg::Beat);
        }
        for action in actions(self.arguments.node_id, &self.acted_on, &image) {
            self.act(&image, action).await;
        }
        self.acted_on = image;
    }

    async fn act(&self, image: &MetadataImage, action: Action) {
        match action {
            Action::Lead {
                topic,
                topic_id,
                partition,
                leader_epoch,
                isr,
            } => {
                let name = TopicPartition { topic, partition };
                if let Err(error) = self.lead(image, &name, topic_id, leader_epoch, isr).await {
                    tracing::error!(partition = %name, %error, "a partition could not be led");
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
    ) -> Result<(), LogError> {
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
        let expiration_ms = arguments.config.logs.producer_id_expiration_ms;
        let (logs, partition) = (arguments.logs.clone(), name.clone());
        let settings = log_config(&config, expiration_ms);
        let opened = arguments
            .blocking
            .run(move || logs.create(&partition, topic_id, settings));
        let log = opened.await?;
        let view = Arc::new(PartitionView::new(
            name.topic.clone(),
            topic_id,
            name.partition,
            leader_epoch,
            log.reader(),
            &config,
        ));
        let (spec, leader) = child(LeaderArguments {
            node_id: arguments.node_id,
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
            tracing::error!(partition = %name, %error, "a leader did not start");
            return Ok(());
        }
        let route = Route { leader, view };
        arguments.routing.insert(route.clone());
        if *name.topic == *OFFSETS_TOPIC {
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

    fn configure(&self, image: &MetadataImage, topic: &Arc<str>, topic_id: TopicId) {
        let arguments = &self.arguments;
        let properties = &arguments.properties;
        let config = Arc::new(topic_config(image, arguments.node_id, properties, topic));
        let Some(found) = image.topic_by_id(topic_id) else {
            return;
        };
        for partition in found.partitions.keys() {
            if let Some(route) = arguments.routing.get(topic_id, *partition) {
                route.leader.configure(config.clone());
            }
        }
    }
}

/// A setting in milliseconds, at least one.
fn millis(setting: i64) -> Duration {
    Duration::from_millis(u64::try_from(setting).unwrap_or(1).max(1))
}

fn offline_dirs(logs: &LogManager) -> Vec<Uuid> {
    logs.directories()
        .filter(|dir| dir.is_offline())
        .map(|dir| dir.id())
        .collect()
}
