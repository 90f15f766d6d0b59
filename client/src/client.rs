//! A client of one cluster: what its producers, consumers and admin calls share.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use odeon_kernel::{Rng, SharedClock, SystemClock};
use odeon_model::config::HostPort;
use odeon_model::{ErrorCode, NodeId};
use odeon_protocol::Request;
use odeon_protocol::messages::metadata_request::MetadataRequestTopic;
use odeon_protocol::messages::{FindCoordinatorRequest, MetadataRequest};

use crate::address::parse_addresses;
use crate::connection::ConnectionOptions;
use crate::error::check;
use crate::pool::Pool;
use crate::retry::{Backoff, Deadline};
use crate::{
    Admin, ClientError, Cluster, Connection, Consumer, ConsumerConfig, Producer, ProducerConfig,
    Topic,
};

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Brokers to begin with; the rest of the cluster is learned from them.
    pub bootstrap: Vec<HostPort>,
    /// What the brokers' logs and metrics call this client.
    pub client_id: String,
    /// How long a connection may take to be made (10 s).
    pub connect_timeout: Duration,
    /// How long an answer may take (30 s).
    pub request_timeout: Duration,
    /// How long a call goes on trying (60 s).
    pub api_timeout: Duration,
    /// How long an unknown topic is asked for, since it may be about to appear (5 s).
    pub unknown_topic_timeout: Duration,
    /// The first pause between attempts (100 ms).
    pub retry_backoff: Duration,
    /// The longest pause between attempts (1 s).
    pub retry_backoff_max: Duration,
    /// The age at which metadata is asked for anew (5 min).
    pub metadata_max_age: Duration,
    /// The largest answer that is taken, in bytes (256 MiB).
    pub max_response_bytes: usize,
    /// Where time comes from.
    pub clock: SharedClock,
}

impl ClientConfig {
    /// The defaults, for a cluster with brokers at `bootstrap`.
    pub fn new(bootstrap: Vec<HostPort>) -> Self {
        Self {
            bootstrap,
            client_id: "odeon".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            api_timeout: Duration::from_secs(60),
            unknown_topic_timeout: Duration::from_secs(5),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            metadata_max_age: Duration::from_secs(300),
            max_response_bytes: 256 * 1024 * 1024,
            clock: Arc::new(SystemClock::new()),
        }
    }

    fn connection_options(&self) -> ConnectionOptions {
        ConnectionOptions {
            client_id: self.client_id.as_str().into(),
            clock: SharedClock::clone(&self.clock),
            connect_timeout: self.connect_timeout,
            request_timeout: self.request_timeout,
            max_response_bytes: self.max_response_bytes,
        }
    }
}

/// A client of one cluster, against any Kafka since 3.0. Clones are the same client.
///
/// Needs a tokio runtime with I/O and timers.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    pool: Pool,
    rng: Rng,
    cluster: Mutex<Arc<Cluster>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("bootstrap", &self.inner.config.bootstrap)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to the cluster with a broker at one of `bootstrap` (`HOST:PORT,...`).
    ///
    /// # Errors
    /// No valid address, or no broker that answers.
    pub async fn connect(bootstrap: &str) -> Result<Self, ClientError> {
        Self::with_config(ClientConfig::new(parse_addresses(bootstrap)?)).await
    }

    /// Connects as `config` says.
    ///
    /// # Errors
    /// No broker answers.
    pub async fn with_config(config: ClientConfig) -> Result<Self, ClientError> {
        if config.bootstrap.is_empty() {
            let message = "an address to connect to is wanted".to_owned();
            return Err(ClientError::InvalidConfig(message));
        }
        let inner = Inner {
            pool: Pool::new(config.connection_options()),
            rng: Rng::from_entropy(),
            cluster: Mutex::default(),
            config,
        };
        let client = Self {
            inner: Arc::new(inner),
        };
        client.refresh(Some(&[]), false).await?;
        Ok(client)
    }

    /// The calls that describe and change the cluster.
    pub fn admin(&self) -> Admin {
        Admin::new(self.clone())
    }

    /// Starts a producer.
    ///
    /// # Errors
    /// [`ClientError::InvalidConfig`].
    pub fn producer(&self, config: ProducerConfig) -> Result<Producer, ClientError> {
        Producer::start(self.clone(), config)
    }

    /// A consumer that reads nothing yet: assign partitions to it, or let it join a group.
    pub fn consumer(&self, config: ConsumerConfig) -> Consumer {
        Consumer::new(self.clone(), config)
    }

    /// The cluster, as far as it is known now.
    pub fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.lock())
    }

    /// How this client behaves.
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.inner.config.clock
    }

    pub(crate) fn rng(&self) -> &Rng {
        &self.inner.rng
    }

    /// An empty pool with this client's settings.
    pub(crate) fn new_pool(&self) -> Pool {
        Pool::new(self.inner.config.connection_options())
    }

    pub(crate) fn backoff(&self) -> Backoff {
        let config = &self.inner.config;
        Backoff::new(config.retry_backoff, config.retry_backoff_max)
    }

    /// Waits before the next attempt; `false` when the deadline comes first.
    pub(crate) async fn pause(&self, backoff: &mut Backoff, deadline: &Deadline) -> bool {
        let pause = backoff.next(self.rng());
        if deadline.left() <= pause {
            return false;
        }
        self.clock().sleep(pause).await;
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<Cluster>> {
        let guard = self.inner.cluster.lock();
        guard.unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to a broker of the cluster.
    pub(crate) async fn broker(&self, id: NodeId) -> Result<Connection, ClientError> {
        let cluster = self.cluster();
        match cluster.address(id) {
            Some(address) => self.inner.pool.get(address).await,
            None => Err(ClientError::refused(
                format!("find broker {id}"),
                ErrorCode::BrokerNotAvailable.code(),
                None,
            )),
        }
    }

    /// A connection to whichever broker answers: one that is connected, a known one, or a bootstrap
    /// address, in this order.
    pub(crate) async fn any_broker(&self) -> Result<Connection, ClientError> {
        if let Some(connection) = self.inner.pool.any_open() {
            return Ok(connection);
        }
        let cluster = self.cluster();
        let mut addresses: Vec<HostPort> = Vec::new();
        let known = cluster.brokers.values().map(|broker| &broker.address);
        for address in known.chain(&self.inner.config.bootstrap) {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        let mut last = ClientError::Closed;
        for address in &addresses {
            match self.inner.pool.get(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        if let [_] = addresses.as_slice() {
            return Err(last);
        }
        let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        Err(ClientError::NoBroker {
            addresses: shown.join(", "),
            last: Box::new(last),
        })
    }

    /// Asks the cluster for its brokers and for some topics, or all of them with `None`, and keeps
    /// the answer. Also returns the errors of single topics.
    pub(crate) async fn refresh(
        &self,
        topics: Option<&[&str]>,
        auto_create: bool,
    ) -> Result<(Arc<Cluster>, HashMap<String, ErrorCode>), ClientError> {
        let wanted = topics.map(|names| {
            let topics = names.iter().map(|name| MetadataRequestTopic {
                name: Some((*name).to_owned()),
                ..Default::default()
            });
            topics.collect()
        });
        let request = MetadataRequest {
            topics: wanted,
            allow_auto_topic_creation: auto_create,
            ..Default::default()
        };
        let response = self.any_broker().await?.call(&request).await?;
        check(|| "ask for metadata".to_owned(), response.error_code, None)?;
        let now = self.clock().monotonic();
        let mut current = self.lock();
        let (cluster, errors) = current.with(response, topics.is_none(), now);
        *current = Arc::new(cluster);
        Ok((Arc::clone(&current), errors))
    }

    /// A topic; the cluster is asked when it is not known or known for long. A topic that does not
    /// exist is asked for again for a while: it may have been created a moment ago.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// The topic does not exist, or the cluster does not answer.
    pub async fn topic(&self, name: &str, auto_create: bool) -> Result<Arc<Topic>, ClientError> {
        let now = self.clock().monotonic();
        let since = now.saturating_sub(self.inner.config.metadata_max_age);
        if let Some(topic) = self.lock().topic_since(name, since) {
            return Ok(Arc::clone(topic));
        }
        let whole = self.inner.config.api_timeout;
        let deadline = Deadline::after(self.clock(), whole);
        let unknown = whole.min(self.inner.config.unknown_topic_timeout);
        let unknown = Deadline::after(self.clock(), unknown);
        let mut backoff = self.backoff();
        loop {
            let error = match self.refresh(Some(&[name]), auto_create).await {
                Ok((cluster, errors)) => match (cluster.topic(name), errors.get(name)) {
                    (Some(topic), _) => return Ok(Arc::clone(topic)),
                    (None, code) => {
                        let code = code.copied().unwrap_or(ErrorCode::UnknownTopicOrPartition);
                        ClientError::refused(format!("topic '{name}'"), code.code(), None)
                    }
                },
                Err(error) => error,
            };
            let limit = match error.code() {
                Some(ErrorCode::UnknownTopicOrPartition) => &unknown,
                _ => &deadline,
            };
            if !error.is_retriable() || !self.pause(&mut backoff, limit).await {
                return Err(error);
            }
        }
    }

    /// Forgets what is known of a topic, since a broker disagreed.
    pub(crate) fn forget_topic(&self, name: &str) {
        let mut current = self.lock();
        if current.topic(name).is_some() {
            Arc::make_mut(&mut current).forget(name);
        }
    }

    /// Sends a request to any broker; tries again when a connection fails.
    pub(crate) async fn call_any<R: Request>(
        &self,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        let deadline = Deadline::after(self.clock(), self.inner.config.api_timeout);
        let mut backoff = self.backoff();
        loop {
            let result = match self.any_broker().await {
                Ok(connection) => connection.call(request).await,
                Err(error) => return Err(error),
            };
            match result {
                Err(error) if error.is_retriable() && self.pause(&mut backoff, &deadline).await => {
                }
                result => return result,
            }
        }
    }

    /// The address of a group's coordinator; tries again while there is none.
    pub(crate) async fn find_group_coordinator(
        &self,
        group: &str,
    ) -> Result<HostPort, ClientError> {
        let deadline = Deadline::after(self.clock(), self.inner.config.api_timeout);
        let mut backoff = self.backoff();
        loop {
            match self.ask_group_coordinator(group).await {
                Err(error) if error.is_retriable() && self.pause(&mut backoff, &deadline).await => {
                }
                result => return result,
            }
        }
    }

    async fn ask_group_coordinator(&self, group: &str) -> Result<HostPort, ClientError> {
        let connection = self.any_broker().await?;
        let version = connection.version_up_to::<FindCoordinatorRequest>(i16::MAX)?;
        let mut request = FindCoordinatorRequest::default();
        if version >= 4 {
            request.coordinator_keys = vec![group.to_owned()];
        } else {
            request.key = group.to_owned();
        }
        let timeout = self.inner.config.request_timeout;
        let mut response = connection.call_at(&request, version, timeout).await?;
        let what = || format!("find the coordinator of group '{group}'");
        let (host, port) = match response.coordinators.pop() {
            Some(found) => {
                check(what, found.error_code, found.error_message.as_ref())?;
                (found.host, found.port)
            }
            None => {
                check(what, response.error_code, response.error_message.as_ref())?;
                (response.host, response.port)
            }
        };
        let unavailable = ErrorCode::CoordinatorNotAvailable.code();
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| ClientError::refused(what(), unavailable, None))?;
        Ok(HostPort { host, port })
    }
}
