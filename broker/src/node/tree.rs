//! The supervision tree of a node, from the ground up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use odeon_actors::broker::{BrokerArguments, BrokerStatus};
use odeon_actors::controller::{self, ControllerArguments, ControllerHandle, ControllerLink};
use odeon_actors::coordinators::GroupRouter;
use odeon_actors::group::GroupConfig;
use odeon_actors::node::{NodeHandle, NodeParts};
use odeon_actors::partition::{IsrChanger, RoutingTable};
use odeon_actors::producer_ids::ProducerIds;
use odeon_actors::quota::ReplicationQuotas;
use odeon_console::{Console, ConsoleArguments, Sources};
use odeon_gateway::connection::ConnectionLimits;
use odeon_gateway::hooks::{NoQuotas, RequestMetrics};
use odeon_gateway::listener::ListenerArguments;
use odeon_gateway::session::{FetchSessions, PARTITIONS_MAX};
use odeon_gateway::{Authorizer, GatewayState, Listener, ListenerConfig, Listening};
use odeon_kernel::supervisor::{
    Backoff, ChildSpec, Counters, Restart, RootSupervisor, Strategy, Supervisor, SupervisorHandle,
    SupervisorOptions,
};
use odeon_kernel::{Blocking, ByteBudget, Rng, SharedClock, Slot, View, Watch, watch};
use odeon_log::LogManager;
use odeon_mesh::{ClusterMesh, Mesh};
use odeon_metadata::{Endpoint, MetadataImage};
use odeon_model::Uuid;
use odeon_model::config::BrokerConfig;
use odeon_quorum::Quorum;

use super::NodeError;
use super::open::Bound;

mod ground;
mod roles;

use ground::ground;
use roles::Roles;

/// Request bytes in flight on one connection; a larger frame is admitted alone.
const CONNECTION_BYTES: usize = 2 << 20;
/// Requests in flight on one connection.
const CONNECTION_REQUESTS: usize = 1_024;
/// Request bytes in flight on all connections when `queued.max.request.bytes` is not set.
const NODE_BYTES: u64 = 512 << 20;

/// What a tree is grown from.
pub(super) struct Ingredients {
    pub(super) config: Arc<BrokerConfig>,
    pub(super) cluster_id: Arc<str>,
    pub(super) incarnation_id: Uuid,
    pub(super) clock: SharedClock,
    pub(super) rng: Arc<Rng>,
    pub(super) blocking: Blocking,
    pub(super) logs: Arc<LogManager>,
    pub(super) image: Watch<MetadataImage>,
    pub(super) quorum: Quorum,
    pub(super) mesh: Arc<dyn Mesh>,
    pub(super) cluster: Option<ClusterMesh>,
    pub(super) routing: Arc<RoutingTable>,
    pub(super) bound: Vec<Bound>,
    pub(super) console: Option<Listening>,
    pub(super) request_log: bool,
    pub(super) authorizer: Arc<dyn Authorizer>,
    pub(super) system: tokio::runtime::Handle,
}

/// A tree that runs.
pub(super) struct Grown {
    pub(super) handle: NodeHandle,
    pub(super) gateway: Arc<GatewayState>,
    pub(super) root: RootSupervisor,
    pub(super) listeners: Vec<(String, SocketAddr)>,
    pub(super) console: Option<SocketAddr>,
    pub(super) status: Watch<BrokerStatus>,
    pub(super) stopping: Arc<watch::Sender<bool>>,
}

pub(super) async fn grow(parts: Ingredients) -> Result<Grown, NodeError> {
    let clock = parts.clock.clone();
    let new_handle = || SupervisorHandle::new(clock.clone());
    let counters: Arc<Counters> = Arc::default();
    let (replicas, coordinators) = (new_handle(), new_handle());
    let link = ControllerLink {
        mesh: parts.mesh.clone(),
        role: parts.quorum.role(),
        image: parts.image.clone(),
        clock: clock.clone(),
        rng: parts.rng.clone(),
    };
    let controller = ControllerHandle::new(Slot::new(clock.clone()), link);
    controller::serve(&*parts.mesh, controller.slot().clone());
    let groups = Arc::new(GroupRouter::new(
        coordinators.clone(),
        group_config(&parts.config),
        clock.clone(),
        parts.rng.clone(),
    ));
    // Who is no broker has nothing to wait for.
    let is_broker = parts.config.roles.broker;
    let status = Arc::new(View::new(BrokerStatus {
        broker_epoch: -1,
        unfenced: !is_broker,
        may_stop: !is_broker,
    }));
    let stopping = Arc::new(watch::Sender::new(false));
    let watch = status.watch();
    let handle = NodeHandle::new(NodeParts {
        node_id: parts.config.node_id,
        cluster_id: parts.cluster_id.clone(),
        incarnation_id: parts.incarnation_id,
        config: parts.config.clone(),
        properties: parts.config.properties.clone(),
        clock: clock.clone(),
        blocking: parts.blocking,
        image: parts.image.clone(),
        routing: parts.routing.clone(),
        controller: controller.clone(),
        groups: groups.clone(),
        logs: parts.logs.clone(),
        quorum: parts.quorum.clone(),
        mesh: parts.mesh.clone(),
        producer_ids: ProducerIds::default(),
        actors: counters.clone(),
    });
    let gateway = Arc::new(gateway_state(&parts, handle.clone()));
    let properties = &parts.config.properties;
    let quotas = ReplicationQuotas::new(parts.config.node_id, &parts.image, properties, &clock);
    let options =
        |name: &str| SupervisorOptions::new(name, clock.clone()).counters(counters.clone());
    let broker = broker_arguments(
        &parts,
        &controller,
        &replicas,
        &groups,
        &quotas,
        status,
        stopping.clone(),
    );
    let roles = {
        let parts = Roles {
            broker,
            is_broker,
            controller: controller_arguments(&parts, &controller),
            controller_handle: controller,
            replicas: replicas.clone(),
            coordinators: coordinators.clone(),
            system: parts.system.clone(),
            counters: counters.clone(),
        };
        Supervisor::child(
            &new_handle(),
            options("Roles"),
            Restart::Permanent,
            move || parts.children(),
        )
    };
    let ground = ground(
        &parts,
        &quotas,
        options("Ground").intensity(3, Duration::from_secs(60)),
        &new_handle(),
    );
    // The root is needed by the console below it: its handle is known before it runs.
    let root_handle = new_handle();
    let edge = edge(
        &parts,
        &gateway,
        &root_handle,
        watch.clone(),
        options("Edge"),
        &new_handle(),
    );
    let node = options("Node")
        .strategy(Strategy::RestForOne)
        .intensity(3, Duration::from_secs(60));
    let root = Supervisor::start_root_as(root_handle, node, vec![ground, roles, edge])
        .await
        .map_err(|error| NodeError::Failed(error.to_string()))?;
    let listeners = parts
        .bound
        .iter()
        .map(|bound| (bound.listener.name.clone(), bound.listening.address()))
        .collect();
    let console = parts.console.as_ref().map(Listening::address);
    Ok(Grown {
        handle,
        gateway,
        root,
        listeners,
        console,
        status: watch,
        stopping,
    })
}

/// What the broker's settings say about groups.
fn group_config(config: &BrokerConfig) -> GroupConfig {
    let (groups, offsets) = (&config.groups, &config.offsets);
    let int = |setting: i64| i32::try_from(setting).unwrap_or(i32::MAX);
    let size = |setting: i64| usize::try_from(setting).unwrap_or(0);
    GroupConfig {
        min_session_timeout_ms: int(groups.min_session_timeout_ms),
        max_session_timeout_ms: int(groups.max_session_timeout_ms),
        initial_rebalance_delay_ms: int(groups.initial_rebalance_delay_ms),
        max_size: size(groups.max_size),
        offset_metadata_max_bytes: size(offsets.metadata_max_bytes),
        offsets_retention_ms: offsets.retention_minutes.saturating_mul(60_000),
        offsets_retention_check_interval_ms: offsets.retention_check_interval_ms,
        ..GroupConfig::default()
    }
}

fn gateway_state(parts: &Ingredients, node: NodeHandle) -> GatewayState {
    let network = &parts.config.network;
    let slots = usize::try_from(network.max_incremental_fetch_session_cache_slots).unwrap_or(0);
    let bytes = u64::try_from(network.queued_max_request_bytes)
        .ok()
        .filter(|bytes| *bytes > 0);
    GatewayState {
        node,
        authorizer: parts.authorizer.clone(),
        quotas: Arc::new(NoQuotas),
        metrics: RequestMetrics::default(),
        pace: std::sync::Mutex::default(),
        fetch_sessions: FetchSessions::new(
            slots,
            PARTITIONS_MAX,
            Rng::from_seed(parts.rng.next_u64()),
        ),
        budget: ByteBudget::new(bytes.unwrap_or(NODE_BYTES)),
        request_log: parts.request_log,
    }
}

fn controller_arguments(parts: &Ingredients, controller: &ControllerHandle) -> ControllerArguments {
    ControllerArguments {
        quorum: parts.quorum.clone(),
        mesh: parts.mesh.clone(),
        controller: controller.clone(),
        image: parts.image.clone(),
        config: parts.config.clone(),
        clock: parts.clock.clone(),
        rng: parts.rng.clone(),
    }
}

fn broker_arguments(
    parts: &Ingredients,
    controller: &ControllerHandle,
    replicas: &SupervisorHandle,
    groups: &Arc<GroupRouter>,
    quotas: &ReplicationQuotas,
    status: Arc<View<BrokerStatus>>,
    stopping: Arc<watch::Sender<bool>>,
) -> BrokerArguments {
    BrokerArguments {
        data: tokio::runtime::Handle::current(),
        node_id: parts.config.node_id,
        cluster_id: parts.cluster_id.clone(),
        incarnation_id: parts.incarnation_id,
        endpoints: endpoints(parts),
        config: parts.config.clone(),
        properties: parts.config.properties.clone(),
        image: parts.image.clone(),
        mesh: parts.mesh.clone(),
        controller: controller.clone(),
        logs: parts.logs.clone(),
        routing: parts.routing.clone(),
        replicas: replicas.clone(),
        fetchers: Arc::default(),
        quotas: quotas.clone(),
        changer: IsrChanger::new(
            parts.config.node_id,
            controller.clone(),
            parts.image.clone(),
            parts.clock.clone(),
        ),
        leases: Arc::default(),
        rng: parts.rng.clone(),
        groups: groups.clone(),
        status,
        stopping,
        blocking: parts.blocking,
        clock: parts.clock.clone(),
    }
}

/// Where clients are told to go: the advertised listeners, with ports really bound in place of 0.
fn endpoints(parts: &Ingredients) -> Vec<Endpoint> {
    let network = &parts.config.network;
    let advertised = network.advertised_listeners.iter();
    advertised
        .filter(|listener| !network.controller_listener_names.contains(&listener.name))
        .map(|listener| {
            let bound = parts
                .bound
                .iter()
                .find(|bound| bound.listener.name == listener.name);
            let bound_port = bound.map_or(0, |bound| bound.listening.address().port());
            let port = if listener.port == 0 {
                bound_port
            } else {
                listener.port
            };
            let host = if listener.host.is_empty() {
                odeon_kernel::system::host_name()
            } else {
                listener.host.clone()
            };
            let security_protocol = listener.protocol.code();
            Endpoint {
                name: listener.name.clone(),
                host,
                port,
                security_protocol,
            }
        })
        .collect()
}

fn edge(
    parts: &Ingredients,
    gateway: &Arc<GatewayState>,
    root: &SupervisorHandle,
    status: Watch<BrokerStatus>,
    options: SupervisorOptions,
    handle: &SupervisorHandle,
) -> ChildSpec {
    let listener = |bound: &Bound| {
        let arguments = ListenerArguments {
            config: listener_config(&parts.config, bound),
            listening: bound.listening.clone(),
            gateway: gateway.clone(),
            status: status.clone(),
        };
        (bound.listener.name.clone(), arguments)
    };
    let arguments: Vec<_> = parts.bound.iter().map(listener).collect();
    let sources = Sources {
        metrics: {
            let gateway = gateway.clone();
            Arc::new(move || gateway.metrics.prometheus())
        },
        ready: Arc::new(move || status.get().unfenced),
        tree: root.clone(),
        may_kill: parts.config.developer_kill_actors,
    };
    let console = parts.console.as_ref().map(|listening| ConsoleArguments {
        socket: listening.socket(),
        sources,
    });
    let clock = parts.clock.clone();
    Supervisor::child(handle, options, Restart::Permanent, move || {
        let backoff = || Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let listeners = arguments.clone().into_iter().map(|(name, arguments)| {
            let name = format!("Gateway {name}");
            let slot = Slot::new(clock.clone());
            ChildSpec::actor(name, Restart::Permanent, &slot, move || {
                (Listener, arguments.clone())
            })
            .backoff(backoff())
        });
        let console = console.clone().map(|arguments| {
            let slot = Slot::new(clock.clone());
            ChildSpec::actor("Console", Restart::Permanent, &slot, move || {
                (Console, arguments.clone())
            })
            .backoff(backoff())
        });
        listeners.chain(console).collect()
    })
}

fn listener_config(config: &BrokerConfig, bound: &Bound) -> ListenerConfig {
    let network = &config.network;
    // Whoever comes to a controller is told where brokers reach each other.
    let name = match &bound.listener.name {
        name if network.controller_listener_names.contains(name) => {
            &network.inter_broker_listener_name
        }
        name => name,
    };
    ListenerConfig {
        name: Arc::from(&**name),
        security_protocol: Arc::from(bound.listener.protocol.name()),
        connection: connection_limits(config),
    }
}

pub(super) fn connection_limits(config: &BrokerConfig) -> ConnectionLimits {
    let network = &config.network;
    let count = |setting: i64| usize::try_from(setting).unwrap_or(0);
    ConnectionLimits {
        frame_bytes: count(network.socket_request_max_bytes),
        in_flight_bytes: CONNECTION_BYTES,
        in_flight_requests: CONNECTION_REQUESTS,
        idle: Duration::from_millis(u64::try_from(network.connections_max_idle_ms).unwrap_or(0)),
    }
}
