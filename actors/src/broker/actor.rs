//! The effects of a BrokerActor: registering, beating, starting and stopping replicas.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use odeon_kernel::supervisor::{AddChildError, SupervisorHandle};
use odeon_kernel::{Blocking, Rng, SharedClock, TaskGuard, View, Watch, watch};
use odeon_log::{LogError, LogManager};
use odeon_mesh::Mesh;
use odeon_metadata::{BrokerImage, Endpoint, MetadataImage};
use odeon_model::config::{BrokerConfig, ConfigMap};
use odeon_model::{BrokerEpoch, NodeId, TopicId, Uuid};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::directories;
use super::logs::set_aside;
use super::reconcile::{Action, Which, actions, is_stray};
use super::session::Session;
use crate::controller::ControllerHandle;
use crate::coordinators::GroupRouter;
use crate::node::OFFSETS_TOPIC;
use crate::partition::replication::fetcher::{self, Fetchers};
use crate::partition::replication::server::ReplicaServer;
use crate::partition::{IsrChanger, RoutingTable};
use crate::quota::ReplicationQuotas;
use crate::settings::{broker_setting, topic_config};

/// How many partitions change their role at once: a step waits for other actors, or for a disk.
const AT_ONCE: usize = 32;
/// How long a partition that could not be led waits for the next attempt.
const RETRY: Duration = Duration::from_secs(1);

mod hosting;

use hosting::set_replicas;

/// Why a replica does not run.
#[derive(Debug, thiserror::Error)]
enum LeadError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Start(#[from] AddChildError),
    #[error("nothing fetches from node {0}")]
    NoFetcher(NodeId),
}

/// What a broker says of itself to the cluster, beyond the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerStatus {
    /// The epoch of the registration, -1 before the first.
    pub broker_epoch: BrokerEpoch,
    /// Whether the controller lets it serve.
    pub unfenced: bool,
    /// Whether it wanted to stop, and nothing is left that others would miss.
    pub may_stop: bool,
}

/// The actor. See [`super`].
#[derive(Debug)]
pub struct BrokerActor;

/// What a broker actor is started with.
#[derive(Debug, Clone)]
pub struct BrokerArguments {
    /// Where logs are read and written: a disk that blocks must not stall what decides who lives.
    pub data: tokio::runtime::Handle,
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
    /// The supervisor of leaders, followers and fetchers.
    pub replicas: SupervisorHandle,
    /// Bounds what is copied for throttled replicas.
    pub quotas: ReplicationQuotas,
    /// The fetchers that run.
    pub fetchers: Arc<Fetchers>,
    /// Whom leaders ask for another ISR.
    pub changer: IsrChanger,
    /// Counts the leases of this node.
    pub leases: Arc<AtomicU64>,
    /// Names the sessions of the fetchers.
    pub rng: Arc<Rng>,
    /// The coordinators it keeps.
    pub groups: Arc<GroupRouter>,
    /// Whether it shall hand over what it leads, and stop then.
    pub stopping: Arc<watch::Sender<bool>>,
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
    /// Replicas that could not be started.
    unled: Vec<Action>,
    /// Whether the logs that were found at the start have been compared with the image.
    sorted_out: bool,
    _watching: TaskGuard<()>,
    _session: TaskGuard<()>,
    _directories: TaskGuard<()>,
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
        let server = ReplicaServer::new(
            arguments.routing.clone(),
            arguments.image.clone(),
            arguments.quotas.leader.clone(),
            arguments.clock.clone(),
            arguments.blocking,
            arguments.data.clone(),
        );
        server.serve(&*arguments.mesh);
        let mut image = arguments.image.clone();
        let watching = TaskGuard::spawn(async move {
            while myself.cast(BrokerMsg::Reconcile).is_ok() && image.changed().await.is_ok() {}
        });
        let session = TaskGuard::spawn(Session::new(arguments.clone()).run());
        let directories = TaskGuard::spawn(directories::tell(arguments.clone()));
        // A restart starts over: replicas that still run are found by their routes.
        let acted_on = Arc::new(MetadataImage::new(arguments.cluster_id.clone()));
        Ok(BrokerState {
            arguments,
            acted_on,
            unled: Vec::new(),
            sorted_out: false,
            _watching: watching,
            _session: session,
            _directories: directories,
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
            self.forget_the_dead().await;
            self.set_strays_aside(&image).await;
        }
        let again = std::mem::take(&mut self.unled).into_iter();
        let again: Vec<Action> = again
            .filter(|action| self.is_wanted(&image, action))
            .collect();
        let mut unled = self.act_on_all(&image, again).await;
        let new = actions(self.arguments.node_id, &self.acted_on, &image);
        // A topic's successor of the same name starts when it is gone.
        let (deletions, others) = new
            .into_iter()
            .partition(|action| matches!(action, Action::Delete(_)));
        for actions in [deletions, others] {
            unled.extend(self.act_on_all(&image, actions).await);
        }
        self.unled = unled;
        let joins = |broker: &BrokerImage| {
            let before = self.acted_on.broker(broker.id);
            let is_known =
                before.is_some_and(|before| before.is_active() && before.epoch == broker.epoch);
            broker.is_active() && !is_known
        };
        if image.brokers().any(|broker| joins(broker)) {
            // Its replicas may join their ISRs now.
            let led = self.arguments.routing.all();
            led.iter().for_each(|route| route.leader.look_at_isr());
        }
        self.acted_on = image;
    }

    /// Drops the routes to replicas and fetchers that ended with their supervisor while this actor did
    /// not run: they are started anew.
    async fn forget_the_dead(&self) {
        let arguments = &self.arguments;
        let routing = &arguments.routing;
        let living = arguments.replicas.which_children(usize::MAX).await;
        let living: BTreeSet<Arc<str>> = match living {
            Ok((children, _)) => children.into_iter().map(|child| child.name).collect(),
            // Its own restart is under way, and nobody lives.
            Err(_) => BTreeSet::new(),
        };
        let followed = routing.followers().into_iter().map(|one| one.view);
        for view in routing
            .all()
            .into_iter()
            .map(|route| route.view)
            .chain(followed)
        {
            let which = Which {
                topic: view.topic.clone(),
                topic_id: view.topic_id,
                partition: view.partition,
            };
            if !living.contains(&*which.name().to_string()) {
                self.stop(&which).await;
            }
        }
        arguments
            .fetchers
            .retain(|source| living.contains(&*fetcher::child_name(source)));
        arguments.groups.forget_the_dead().await;
    }

    /// Renames the folders of logs that no partition of this node claims, and keeps them: as Kafka,
    /// a broker never deletes what nobody told it to delete.
    async fn set_strays_aside(&self, image: &MetadataImage) {
        for log in self.arguments.logs.logs() {
            let (name, topic_id) = (log.partition(), log.topic_id());
            if is_stray(self.arguments.node_id, image, name, topic_id) {
                let which = Which {
                    topic: name.topic.clone(),
                    topic_id,
                    partition: name.partition,
                };
                self.stop(&which).await;
                let (logs, partition) = (self.arguments.logs.clone(), name.clone());
                let moved = move || set_aside(&logs, &partition, topic_id);
                if let Err(error) = self.arguments.blocking.run(moved).await {
                    tracing::error!(partition = %name, %error, "a stray log stays where it is");
                }
            }
        }
    }

    /// Whether a replica that could not be started shall still be, in that epoch.
    fn is_wanted(&self, image: &MetadataImage, action: &Action) -> bool {
        let (Action::Lead(which, was) | Action::Follow(which, was)) = action else {
            return false;
        };
        image
            .partition_by_id(which.topic_id, which.partition)
            .is_some_and(|is| (is.leader, is.leader_epoch) == (was.leader, was.leader_epoch))
    }

    /// Acts on several partitions at once, each at most once in `actions`; which replicas could not
    /// be started.
    async fn act_on_all(&self, image: &MetadataImage, actions: Vec<Action>) -> Vec<Action> {
        self.start_fetchers(&actions).await;
        stream::iter(actions)
            .map(|action| self.act(image, action))
            .buffer_unordered(AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    /// Acts, and answers the action if it wants another attempt.
    async fn act(&self, image: &MetadataImage, action: Action) -> Option<Action> {
        match &action {
            Action::Lead(which, partition) => {
                if let Err(error) = self.lead(image, which, partition).await {
                    tracing::error!(partition = %which.name(), %error, "a partition could not be led");
                    return Some(action);
                }
            }
            Action::Follow(which, partition) => {
                if let Err(error) = self.follow(image, which, partition).await {
                    tracing::error!(partition = %which.name(), %error, "a partition could not be followed");
                    return Some(action);
                }
            }
            Action::SetReplicas(which, partition) => {
                let routing = &self.arguments.routing;
                if let Some(route) = routing.get(which.topic_id, which.partition) {
                    set_replicas(&route, partition);
                }
            }
            Action::Configure { topic, topic_id } => self.configure(image, topic, *topic_id),
            Action::Delete(which) => {
                self.stop(which).await;
                self.delete(&which.name()).await;
                if image.topic(&which.topic).is_none() {
                    self.arguments.groups.topic_deleted(&which.topic);
                }
            }
        }
        None
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
            let known = arguments.routing.view(topic_id, *partition);
            if let Some(view) = known {
                view.throttle(arguments.node_id, &config);
            }
            if let Some(route) = arguments.routing.get(topic_id, *partition) {
                route.leader.configure(config.clone(), expiration_ms);
            } else if let Some(known) = arguments.routing.follower(topic_id, *partition) {
                known.follower.configure(config.clone(), expiration_ms);
            }
        }
    }
}
