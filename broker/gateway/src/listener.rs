//! One listening socket: accepts, applies the connection limits, starts a `Connection` per client.
//!
//! ```text
//! Edge
//! `- Gateway LISTENER            permanent; the socket outlives a restart
//!    `- Connection               temporary, one a client: its faults end with it
//! ```

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use odeon_actors::broker::BrokerStatus;
use odeon_actors::node::NodeHandle;
use odeon_kernel::{SharedClock, Watch, spawn};
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::net::{TcpListener, TcpStream};

use crate::connection::{ConnectionLimits, serve_split};
use crate::context::{GatewayState, Peer};
use crate::door::{Door, Takeover};

/// How a listener behaves.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// Its name, as in `listeners`.
    pub name: Arc<str>,
    /// Its security protocol, as in `listener.security.protocol.map`.
    pub security_protocol: Arc<str>,
    /// Limits of each connection.
    pub connection: ConnectionLimits,
}

/// How many connections there may be. The settings change while the listener runs, and hold for
/// whoever comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Limits {
    /// `max.connections`.
    connections: usize,
    /// `max.connections.per.ip`.
    per_ip: usize,
    /// `max.connections.per.ip.overrides`: `address:count`, separated by commas.
    overrides: String,
}

impl Limits {
    fn now(node: &NodeHandle) -> Self {
        let count = |name| {
            let count = node.broker_number(name).unwrap_or(i64::MAX);
            usize::try_from(count).unwrap_or(0)
        };
        Self {
            connections: count("max.connections"),
            per_ip: count("max.connections.per.ip"),
            overrides: node
                .broker_text("max.connections.per.ip.overrides")
                .unwrap_or_default(),
        }
    }

    /// How many connections an address may have. Overrides that name a host are not looked up.
    fn of(&self, ip: IpAddr) -> usize {
        let entries = self.overrides.split(',');
        let own = entries
            .filter_map(|entry| entry.trim().rsplit_once(':'))
            .find(|(host, _)| host.trim_matches(['[', ']']).parse() == Ok(ip))
            .and_then(|(_, count)| count.trim().parse().ok());
        own.unwrap_or(self.per_ip)
    }
}

/// A bound socket. It is bound before any actor runs, so that a taken port stops the start with a
/// clear message, and it outlives a restart of its listener.
#[derive(Debug, Clone)]
pub struct Listening {
    socket: Arc<std::net::TcpListener>,
    address: SocketAddr,
    door: Option<Door>,
}

impl Listening {
    /// Binds `host:port`; port 0 takes any free one.
    ///
    /// # Errors
    /// The address is in use, may not be used, or does not resolve.
    pub async fn bind(host: &str, port: u16) -> io::Result<Self> {
        let host = if host.is_empty() { "0.0.0.0" } else { host };
        let listener = TcpListener::bind((host, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self {
            socket: Arc::new(listener.into_std()?),
            address,
            door: None,
        })
    }

    /// From now on, connections that begin with a preamble are given to `takeover`; the others
    /// wait for the [`Listener`]. To be called on the runtime that shall sort them.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub fn share(&mut self, takeover: Arc<dyn Takeover>, clock: SharedClock) -> io::Result<()> {
        self.door = Some(Door::open(self.socket.try_clone()?, takeover, clock)?);
        Ok(())
    }

    fn visitors(&self) -> io::Result<Visitors> {
        Ok(match &self.door {
            Some(door) => Visitors::Sorted(door.clone()),
            None => Visitors::All(TcpListener::from_std(self.socket.try_clone()?)?),
        })
    }

    /// The socket itself, for a server that is not a [`Listener`].
    pub fn socket(&self) -> Arc<std::net::TcpListener> {
        self.socket.clone()
    }

    /// The address bound, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Who comes to a socket.
enum Visitors {
    All(TcpListener),
    Sorted(Door),
}

impl Visitors {
    async fn next(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            Self::All(socket) => socket.accept().await,
            Self::Sorted(door) => door.next().await,
        }
    }
}

/// The actor. See the module.
#[derive(Debug)]
pub struct Listener;

/// What a listener is started with.
#[derive(Debug, Clone)]
pub struct ListenerArguments {
    /// How it behaves.
    pub config: ListenerConfig,
    /// Its socket.
    pub listening: Listening,
    /// What all connections share.
    pub gateway: Arc<GatewayState>,
    /// Clients wait in the socket's queue until the broker is unfenced for the first time: before
    /// that its image is older than what it had answered in its last life.
    pub status: Watch<BrokerStatus>,
}

/// What a listener understands; only its own accept loop speaks to it.
#[derive(Debug)]
pub enum ListenerMsg {
    /// A client came.
    Accepted(TcpStream, SocketAddr),
}

impl ractor::Message for ListenerMsg {}

/// A listener's state.
#[derive(Debug)]
pub struct ListenerState {
    arguments: ListenerArguments,
    accepting: tokio::task::JoinHandle<()>,
    connections: HashMap<ActorId, IpAddr>,
    by_ip: HashMap<IpAddr, usize>,
}

impl Drop for ListenerState {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[ractor::async_trait]
impl Actor for Listener {
    type Msg = ListenerMsg;
    type State = ListenerState;
    type Arguments = ListenerArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<ListenerMsg>,
        arguments: ListenerArguments,
    ) -> Result<ListenerState, ActorProcessingErr> {
        let visitors = arguments.listening.visitors()?;
        let (gateway, clock) = (
            arguments.gateway.clone(),
            arguments.gateway.node.clock.clone(),
        );
        let mut status = arguments.status.clone();
        let accepting = spawn(async move {
            if status.wait_for(|status| status.unfenced).await.is_err() {
                return;
            }
            loop {
                match visitors.next().await {
                    Ok((stream, address)) => {
                        let wait = creation_wait(&gateway);
                        if !wait.is_zero() {
                            clock.sleep(wait).await;
                        }
                        if myself.cast(ListenerMsg::Accepted(stream, address)).is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        // Out of descriptors, usually: others will close theirs.
                        tracing::warn!(%error, "accept failed");
                        clock.sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
        Ok(ListenerState {
            arguments,
            accepting,
            connections: HashMap::new(),
            by_ip: HashMap::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<ListenerMsg>,
        message: ListenerMsg,
        state: &mut ListenerState,
    ) -> Result<(), ActorProcessingErr> {
        let ListenerMsg::Accepted(stream, address) = message;
        let config = &state.arguments.config;
        let metrics = &state.arguments.gateway.metrics;
        let ip = address.ip();
        let from_ip = state.by_ip.get(&ip).copied().unwrap_or(0);
        let limits = Limits::now(&state.arguments.gateway.node);
        if state.connections.len() >= limits.connections || from_ip >= limits.of(ip) {
            metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%address, "connection refused: too many");
            return Ok(());
        }
        let arguments = ConnectionArguments {
            stream,
            peer: Peer {
                principal: "User:ANONYMOUS".to_owned(),
                host: ip.to_string(),
                listener: config.name.clone(),
                security_protocol: config.security_protocol.clone(),
            },
            limits: config.connection.clone(),
            gateway: state.arguments.gateway.clone(),
        };
        let started = Actor::spawn_linked(None, Connection, arguments, myself.get_cell()).await;
        match started {
            Ok((connection, _)) => {
                metrics.connections_accepted.fetch_add(1, Ordering::Relaxed);
                metrics.connections_open.fetch_add(1, Ordering::Relaxed);
                state.connections.insert(connection.get_id(), ip);
                *state.by_ip.entry(ip).or_default() += 1;
            }
            Err(error) => tracing::debug!(%address, %error, "a connection did not start"),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<ListenerMsg>,
        event: SupervisionEvent,
        state: &mut ListenerState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(connection, error) => {
                tracing::error!(%error, "a connection failed");
                state.forget(&connection);
            }
            SupervisionEvent::ActorTerminated(connection, _, _) => state.forget(&connection),
            _ => {}
        }
        Ok(())
    }
}

/// How long a connection that was just accepted waits; those behind it stay in the socket's queue.
fn creation_wait(gateway: &GatewayState) -> Duration {
    let per_second = gateway.node.broker_number("max.connection.creation.rate");
    let per_second = per_second.and_then(|rate| u64::try_from(rate).ok());
    let now = gateway.node.clock.monotonic();
    let mut pace = gateway.pace.lock().unwrap_or_else(PoisonError::into_inner);
    pace.admit(now, per_second.unwrap_or(u64::MAX))
}

impl ListenerState {
    fn forget(&mut self, connection: &ActorCell) {
        let Some(ip) = self.connections.remove(&connection.get_id()) else {
            return;
        };
        self.arguments
            .gateway
            .metrics
            .connections_open
            .fetch_sub(1, Ordering::Relaxed);
        if let Some(count) = self.by_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.by_ip.remove(&ip);
            }
        }
    }
}

/// One client, for as long as it stays. Its work runs in two tasks (see [`crate::connection`]);
/// the actor is their place in the tree: ending it ends them.
#[derive(Debug)]
struct Connection;

struct ConnectionArguments {
    stream: TcpStream,
    peer: Peer,
    limits: ConnectionLimits,
    gateway: Arc<GatewayState>,
}

struct ConnectionState {
    abort: tokio::task::AbortHandle,
}

impl Drop for ConnectionState {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

#[derive(Debug)]
struct Served(Result<(), String>);

impl ractor::Message for Served {}

#[ractor::async_trait]
impl Actor for Connection {
    type Msg = Served;
    type State = ConnectionState;
    type Arguments = ConnectionArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Served>,
        arguments: ConnectionArguments,
    ) -> Result<ConnectionState, ActorProcessingErr> {
        let ConnectionArguments {
            stream,
            peer,
            limits,
            gateway,
        } = arguments;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let serving = spawn(serve_split(read, write, gateway, peer, limits));
        let abort = serving.abort_handle();
        spawn(async move {
            let outcome = serving.await.map_err(|error| error.to_string());
            let _ = myself.cast(Served(outcome));
        });
        Ok(ConnectionState { abort })
    }

    async fn handle(
        &self,
        myself: ActorRef<Served>,
        Served(outcome): Served,
        _: &mut ConnectionState,
    ) -> Result<(), ActorProcessingErr> {
        myself.stop(None);
        outcome.map_err(ActorProcessingErr::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_an_override_has_its_own_limit() {
        let limits = Limits {
            connections: 10,
            per_ip: 5,
            overrides: "10.0.0.1:2, [::1]:0,somewhere:7,10.0.0.3:x".to_owned(),
        };
        let of = |ip: &str| limits.of(ip.parse().unwrap());
        assert_eq!(
            ["10.0.0.1", "::1", "10.0.0.2", "10.0.0.3"].map(of),
            [2, 0, 5, 5]
        );
    }
}
