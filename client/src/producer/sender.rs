//! The task that sends: connects to leaders, drains the queues, judges the answers.
//!
//! One task owns all of it; what takes time (connecting, asking for metadata or an identity, waiting
//! for an answer) runs beside it and comes back as an [`Event`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use odeon_model::{NodeId, TopicId};
use odeon_protocol::messages::{InitProducerIdRequest, ProduceResponse};
use tokio::sync::mpsc;

use super::batch::{Batch, Identity, Stamp};
use super::request::{Verdicts, build};
use super::{Acks, ProducerConfig, Shared, Target};
use crate::pool::Pool;
use crate::retry::Backoff;
use crate::{Client, ClientError, Connection};

mod verdict;

/// What came back.
enum Event {
    Connected(NodeId, Result<Connection, ClientError>),
    Answered {
        node: NodeId,
        batches: Vec<Batch>,
        topic_ids: HashMap<Arc<str>, TopicId>,
        answer: Result<ProduceResponse, ClientError>,
    },
    Refreshed(bool),
    Identified(Result<Identity, ClientError>),
}

/// A broker, as the sender uses it.
struct Node {
    connection: Option<Connection>,
    connecting: bool,
    in_flight: usize,
    not_before: Duration,
    backoff: Backoff,
}

/// Under which identity batches go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identification {
    /// None is needed.
    Unused,
    /// One is to be asked for, at this time.
    Wanted(Duration),
    /// It was asked for.
    Asked,
    /// This one.
    Have(Identity),
    /// This one no more, once nothing is in flight.
    Leaving,
}

/// The state of the task.
pub(super) struct Sender {
    client: Client,
    config: ProducerConfig,
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    nodes: BTreeMap<NodeId, Node>,
    identification: Identification,
    refreshing: bool,
    refresh_not_before: Duration,
    refresh_backoff: Backoff,
    events: mpsc::UnboundedReceiver<Event>,
    events_in: mpsc::UnboundedSender<Event>,
}

impl Sender {
    pub(super) fn new(client: Client, config: ProducerConfig, shared: Arc<Shared>) -> Self {
        let (events_in, events) = mpsc::unbounded_channel();
        let identification = if config.is_idempotent() {
            Identification::Wanted(Duration::ZERO)
        } else {
            Identification::Unused
        };
        Self {
            pool: Arc::new(client.new_pool()),
            refresh_backoff: client.backoff(),
            client,
            config,
            shared,
            nodes: BTreeMap::new(),
            identification,
            refreshing: false,
            refresh_not_before: Duration::ZERO,
            events,
            events_in,
        }
    }

    /// Runs until the producer is closed and everything is done with.
    pub(super) async fn run(mut self) {
        loop {
            let wake = self.step();
            if self.is_over() {
                return;
            }
            let now = self.now();
            let pause = wake.map_or(Duration::from_secs(3600), |at| at.saturating_sub(now));
            let clock = Arc::clone(self.client.clock());
            tokio::select! {
                event = self.events.recv() => self.take(event),
                () = self.shared.wake.notified() => {}
                () = clock.sleep(pause) => {}
            }
            while let Ok(event) = self.events.try_recv() {
                self.take(Some(event));
            }
        }
    }

    fn is_over(&self) -> bool {
        let accumulator = self.shared.lock();
        accumulator.closed && accumulator.is_idle()
    }

    fn now(&self) -> Duration {
        self.client.clock().monotonic()
    }

    /// Sends what can be sent; returns when to look again.
    fn step(&mut self) -> Option<Duration> {
        let now = self.now();
        self.expire(now);
        let mut wake = self.care_for_identity(now);
        let identity = match self.identification {
            Identification::Unused => None,
            Identification::Have(identity) => Some(identity),
            _ => return wake,
        };
        loop {
            let shared = Arc::clone(&self.shared);
            let mut accumulator = shared.lock();
            let cluster = self.client.cluster();
            let drained =
                accumulator.drain(now, &shared.rules, identity, |partition| {
                    match cluster.leader(&partition.topic, partition.partition) {
                        Some((leader, _)) => self.target(leader, now, &mut wake),
                        None => Target::Unknown,
                    }
                });
            drop(accumulator);
            wake = earlier(wake, drained.wake);
            if !drained.unknown.is_empty() {
                wake = earlier(wake, self.refresh(drained.unknown, now));
            }
            if drained.requests.is_empty() {
                return wake;
            }
            for (node, batches) in drained.requests {
                self.send(node, batches);
            }
        }
    }

    fn expire(&mut self, now: Duration) {
        let expired = self.shared.lock().expire(now, &self.shared.rules);
        for batch in expired {
            let error = ClientError::Expired {
                partition: batch.partition.clone(),
                timeout_ms: self.config.delivery_timeout.as_millis(),
                last: batch.last_error.clone(),
            };
            self.give_up(batch, error);
        }
    }

    /// A batch ends without success. If the broker may have seen its sequence numbers, or waits for
    /// them, those behind it need new ones.
    fn give_up(&mut self, batch: Batch, error: ClientError) {
        if batch.stamp.is_some() {
            self.leave_identity();
        }
        batch.failed(error);
    }

    fn leave_identity(&mut self) {
        if let Identification::Have(_) = self.identification {
            self.identification = Identification::Leaving;
        }
    }

    fn care_for_identity(&mut self, now: Duration) -> Option<Duration> {
        if self.identification == Identification::Leaving {
            let mut accumulator = self.shared.lock();
            if !accumulator.nothing_in_flight() {
                return None;
            }
            accumulator.restart_sequences();
            self.identification = Identification::Wanted(now);
        }
        let Identification::Wanted(at) = self.identification else {
            return None;
        };
        if !self.shared.lock().has_queued() {
            return None;
        }
        if at > now {
            return Some(at);
        }
        self.identification = Identification::Asked;
        let (client, events) = (self.client.clone(), self.events_in.clone());
        odeon_kernel::spawn(async move {
            let _ = events.send(Event::Identified(identify(&client).await));
        });
        None
    }

    /// Whether `node` takes a request now; begins to connect if need be.
    fn target(&mut self, id: NodeId, now: Duration, wake: &mut Option<Duration>) -> Target {
        let (client, limit) = (&self.client, self.shared.rules.max_in_flight);
        let node = self.nodes.entry(id).or_insert_with(|| Node {
            connection: None,
            connecting: false,
            in_flight: 0,
            not_before: Duration::ZERO,
            backoff: client.backoff(),
        });
        match &node.connection {
            Some(connection) if !connection.is_closed() => {
                return if node.in_flight < limit {
                    Target::Node(id)
                } else {
                    Target::Busy
                };
            }
            _ if node.connecting => return Target::Busy,
            _ if node.not_before > now => {
                *wake = earlier(*wake, Some(node.not_before));
                return Target::Busy;
            }
            _ => {}
        }
        let cluster = client.cluster();
        let Some(address) = cluster.address(id).cloned() else {
            return Target::Unknown;
        };
        // The closed one stays until then: batches of this round may be meant for it, and fail with it.
        node.connecting = true;
        let (pool, events) = (Arc::clone(&self.pool), self.events_in.clone());
        odeon_kernel::spawn(async move {
            let _ = events.send(Event::Connected(id, pool.get(&address).await));
        });
        Target::Busy
    }

    /// Asks for the leaders of `topics`; returns when to try, if that is not now.
    fn refresh(&mut self, topics: BTreeSet<Arc<str>>, now: Duration) -> Option<Duration> {
        if self.refreshing {
            return None;
        }
        if self.refresh_not_before > now {
            return Some(self.refresh_not_before);
        }
        self.refreshing = true;
        let (client, events) = (self.client.clone(), self.events_in.clone());
        odeon_kernel::spawn(async move {
            let names: Vec<&str> = topics.iter().map(|name| &**name).collect();
            let found = match client.refresh(Some(&names), false).await {
                Ok((cluster, _)) => names.iter().all(|name| cluster.topic(name).is_some()),
                Err(error) => {
                    tracing::debug!(%error, "no metadata");
                    false
                }
            };
            let _ = events.send(Event::Refreshed(found));
        });
        None
    }

    /// Builds and sends one request.
    fn send(&mut self, id: NodeId, drained: Vec<(Batch, Option<Stamp>)>) {
        let mut batches = Vec::with_capacity(drained.len());
        for (mut batch, stamp) in drained {
            match batch.bytes(stamp, self.config.compression) {
                Ok(_) => {
                    batch.attempts += 1;
                    batches.push(batch);
                }
                Err(error) => {
                    self.shared.lock().finish(&batch);
                    self.leave_identity();
                    batch.failed(error.into());
                }
            }
        }
        let cluster = self.client.cluster();
        let Some(node) = self.nodes.get_mut(&id).filter(|_| !batches.is_empty()) else {
            return;
        };
        let connection = node.connection.clone().expect("a target is connected");
        let acks = self.config.acks.code();
        let timeout = self.config.request_timeout;
        let (request, newest) = build(&batches, &cluster, acks, timeout);
        let topics = request.topic_data.iter();
        let topic_ids = topics
            .map(|topic| (Arc::from(topic.name.as_str()), topic.topic_id))
            .collect();
        let version = connection.version_up_to::<odeon_protocol::messages::ProduceRequest>(newest);
        if self.config.acks == Acks::None {
            let sent = version.and_then(|version| connection.submit_unanswered(&request, version));
            return self.sent_unanswered(batches, sent);
        }
        let pending = version.and_then(|version| connection.submit(&request, version));
        node.in_flight += 1;
        let events = self.events_in.clone();
        odeon_kernel::spawn(async move {
            let answer = match pending {
                Ok(pending) => pending.wait(timeout).await,
                Err(error) => Err(error),
            };
            let _ = events.send(Event::Answered {
                node: id,
                batches,
                topic_ids,
                answer,
            });
        });
    }

    fn sent_unanswered(&mut self, batches: Vec<Batch>, sent: Result<(), ClientError>) {
        for batch in batches {
            match &sent {
                Ok(()) => {
                    self.shared.lock().finish(&batch);
                    batch.written(-1, -1);
                }
                Err(error) => self.try_again(batch, error.clone()),
            }
        }
    }

    fn take(&mut self, event: Option<Event>) {
        let now = self.now();
        match event {
            // The sender holds the other end itself.
            None => {}
            Some(Event::Connected(id, result)) => {
                let pause = |node: &mut Node, client: &Client| node.backoff.next(client.rng());
                let Some(node) = self.nodes.get_mut(&id) else {
                    return;
                };
                node.connecting = false;
                match result {
                    Ok(connection) => {
                        node.connection = Some(connection);
                        node.backoff = self.client.backoff();
                    }
                    Err(error) => {
                        tracing::debug!(%error, broker = id, "no connection");
                        node.not_before = now + pause(node, &self.client);
                        self.forget_topics_of(id);
                    }
                }
            }
            Some(Event::Answered {
                node,
                batches,
                topic_ids,
                answer,
            }) => {
                if let Some(node) = self.nodes.get_mut(&node) {
                    node.in_flight = node.in_flight.saturating_sub(1);
                }
                match answer {
                    Ok(response) => self.judge(batches, Verdicts::read(response), &topic_ids),
                    Err(error) => {
                        for batch in batches {
                            self.client.forget_topic(&batch.partition.topic);
                            self.try_again(batch, error.clone());
                        }
                    }
                }
            }
            Some(Event::Refreshed(found)) => {
                self.refreshing = false;
                if found {
                    self.refresh_backoff = self.client.backoff();
                }
                let pause = self.refresh_backoff.next(self.client.rng());
                self.refresh_not_before = now + pause;
            }
            Some(Event::Identified(result)) => self.identified(result, now),
        }
    }

    /// The leader may be another broker by now.
    fn forget_topics_of(&self, id: NodeId) {
        for topic in self.client.cluster().topics() {
            if topic.partitions.iter().any(|one| one.leader == Some(id)) {
                self.client.forget_topic(&topic.name);
            }
        }
    }

    fn identified(&mut self, result: Result<Identity, ClientError>, now: Duration) {
        self.identification = match result {
            Ok(identity) => Identification::Have(identity),
            Err(error) => {
                tracing::debug!(%error, "no producer id");
                if !error.is_retriable() {
                    let all = self.shared.lock().take_all();
                    all.into_iter()
                        .for_each(|batch| batch.failed(error.clone()));
                }
                Identification::Wanted(now + self.client.config().retry_backoff_max)
            }
        };
    }
}

async fn identify(client: &Client) -> Result<Identity, ClientError> {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let response = client.call_any(&request).await?;
    crate::error::check(
        || "ask for a producer id".to_owned(),
        response.error_code,
        None,
    )?;
    Ok(Identity {
        producer_id: response.producer_id,
        epoch: response.producer_epoch,
    })
}

fn earlier(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
