//! The roles of a node: controller, broker, and what the broker hosts.

use std::sync::Arc;
use std::time::Duration;

use odeon_actors::broker::{BrokerActor, BrokerArguments};
use odeon_actors::controller::{ClusterController, ControllerArguments, ControllerHandle};
use odeon_kernel::Slot;
use odeon_kernel::supervisor::{
    Child, ChildSpec, Counters, Restart, StopOrder, Strategy, Supervisor, SupervisorHandle,
    SupervisorOptions,
};

/// What the roles are made of, kept for their restarts.
pub(super) struct Roles {
    pub(super) broker: BrokerArguments,
    /// Whether there is a broker at all.
    pub(super) is_broker: bool,
    pub(super) controller: ControllerArguments,
    pub(super) controller_handle: ControllerHandle,
    pub(super) replicas: SupervisorHandle,
    pub(super) coordinators: SupervisorHandle,
    pub(super) system: tokio::runtime::Handle,
    /// Counts what happens to the actors of the whole node.
    pub(super) counters: Arc<Counters>,
}

impl Roles {
    /// The supervisors and actors of a node's roles.
    pub(super) fn children(&self) -> Vec<ChildSpec> {
        let clock = &self.broker.clock;
        let many = |name: &str| {
            SupervisorOptions::new(name, clock.clone())
                .counters(self.counters.clone())
                .stop_order(StopOrder::Concurrent)
                .intensity(20, Duration::from_secs(60))
        };
        let controller = {
            let (system, arguments) = (self.system.clone(), self.controller.clone());
            let slot = self.controller_handle.slot().clone();
            ChildSpec::new("ClusterController", Restart::Permanent, move |parent| {
                on(
                    system.clone(),
                    ClusterController,
                    arguments.clone(),
                    slot.clone(),
                    parent,
                )
            })
        };
        let (system, arguments) = (self.system.clone(), self.broker.clone());
        let slot = Slot::new(clock.clone());
        let broker = move || {
            let (system, arguments, slot) = (system.clone(), arguments.clone(), slot.clone());
            ChildSpec::new("BrokerActor", Restart::Permanent, move |parent| {
                on(
                    system.clone(),
                    BrokerActor,
                    arguments.clone(),
                    slot.clone(),
                    parent,
                )
            })
        };
        // The broker actor knows its replicas and coordinators: it starts over when they do.
        let hosts = SupervisorOptions::new("Broker", clock.clone())
            .counters(self.counters.clone())
            .strategy(Strategy::RestForOne)
            .intensity(5, Duration::from_secs(60));
        let handles = (self.replicas.clone(), self.coordinators.clone());
        let (replicas, coordinators) = (many("Replicas"), many("Coordinators"));
        let hosted = move || {
            let child = |handle, options: &SupervisorOptions| {
                Supervisor::child(handle, options.clone(), Restart::Permanent, Vec::new)
            };
            vec![
                child(&handles.0, &replicas),
                child(&handles.1, &coordinators),
                broker(),
            ]
        };
        let handle = SupervisorHandle::new(clock.clone());
        let broker = Supervisor::child(&handle, hosts, Restart::Permanent, hosted);
        let broker = self.is_broker.then_some(broker);
        [controller].into_iter().chain(broker).collect()
    }
}

/// Starts an actor on another runtime than its supervisor's.
async fn on<A>(
    runtime: tokio::runtime::Handle,
    actor: A,
    arguments: A::Arguments,
    slot: Slot<A::Msg>,
    parent: ractor::ActorCell,
) -> Result<Child, odeon_kernel::supervisor::StartError>
where
    A: ractor::Actor,
{
    let started = runtime
        .spawn(A::spawn_linked(None, actor, arguments, parent))
        .await??;
    slot.publish(started.0.clone());
    Ok(started.into())
}
