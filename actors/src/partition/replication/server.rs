//! ReplicaServer: what the leaders of this node have for the followers of others.
//!
//! Not an actor: like a client's fetch it reads views and logs. Positions go to the leaders as
//! messages.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::{Blocking, SharedClock, Waiter, Watch, spawn};
use odeon_log::LogError;
use odeon_mesh::{Mesh, decode, handler};
use odeon_metadata::MetadataImage;
use odeon_model::NodeId;

use super::Key;
use super::session::{Follower, Next};
use super::subscription::{Queue, Subscription};
use super::wire::{
    Answer, FETCH, Fetch, MAX_HEAD_BYTES, MAX_PARTS, Outcome, PROGRESS, Part, Progress, REPLY_BYTES,
};
use crate::partition::leader::Report;
use crate::partition::view::PartitionView;
use crate::partition::{Route, RoutingTable};
use crate::quota::BrokerQuota;

mod sessions;
#[cfg(test)]
mod tests;

/// The longest that a fetch waits, whatever it asks for.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Serves the followers of other nodes. Clones are the same server.
#[derive(Debug, Clone)]
pub struct ReplicaServer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    routing: Arc<RoutingTable>,
    image: Watch<MetadataImage>,
    /// What goes to throttled followers.
    quota: Arc<BrokerQuota>,
    clock: SharedClock,
    blocking: Blocking,
    /// Where answers are put together: calls come on a runtime that must not wait for a disk.
    data: tokio::runtime::Handle,
    sessions: Mutex<HashMap<NodeId, Arc<Session>>>,
}

/// The followers of one node, for the life of its fetcher.
#[derive(Debug)]
struct Session {
    id: u64,
    node: NodeId,
    queue: Arc<Queue>,
    entries: Mutex<BTreeMap<Key, Entry>>,
}

#[derive(Debug)]
struct Entry {
    follower: Follower,
    /// The request that said where it is: what older ones say, and come late, is out of date.
    sequence: u64,
    view: Option<Arc<PartitionView>>,
    subscription: Arc<Subscription>,
    /// What its leader was told, and which of the leaders of this epoch that was.
    told: Option<(u64, Report)>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(view) = &self.view {
            view.followers.remove(&self.subscription);
        }
    }
}

impl ReplicaServer {
    /// A server without sessions, which reads on the runtime `data`.
    pub fn new(
        routing: Arc<RoutingTable>,
        image: Watch<MetadataImage>,
        quota: Arc<BrokerQuota>,
        clock: SharedClock,
        blocking: Blocking,
        data: tokio::runtime::Handle,
    ) -> Self {
        let sessions = Mutex::default();
        let inner = Inner {
            routing,
            image,
            quota,
            clock,
            blocking,
            data,
            sessions,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Answers requests that come over the mesh, in place of an earlier server.
    pub fn serve(&self, mesh: &dyn Mesh) {
        let server = self.clone();
        mesh.register(
            FETCH,
            handler(move |from, request: Bytes| {
                let server = server.clone();
                async move {
                    let fetch: Fetch = parse(&request)?;
                    let data = server.inner.data.clone();
                    let answering = data.spawn(async move {
                        let answer = server.fetch(from, fetch).await;
                        answer.to_bytes().map_err(|error| error.to_string())
                    });
                    let answer = answering.await;
                    answer.unwrap_or_else(|error| Err(error.to_string()))
                }
            }),
        );
        let server = self.clone();
        mesh.register(
            PROGRESS,
            handler(move |from, request: Bytes| {
                let server = server.clone();
                async move {
                    let progress: Progress = parse(&request)?;
                    let data = server.inner.data.clone();
                    let taken = data.spawn(async move { server.progress(from, progress) });
                    match taken.await {
                        Ok(true) => Ok(Bytes::new()),
                        _ => Err("the session is not known".to_owned()),
                    }
                }
            }),
        );
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<NodeId, Arc<Session>>> {
        let sessions = self.inner.sessions.lock();
        sessions.unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of a node, begun if the request begins one.
    fn session(&self, node: NodeId, progress: &Progress) -> Option<Arc<Session>> {
        let mut sessions = self.sessions();
        let known = sessions
            .get(&node)
            .filter(|known| known.id == progress.session);
        if known.is_some() || !progress.begins {
            return known.cloned();
        }
        let session = Arc::new(Session {
            id: progress.session,
            node,
            queue: Arc::default(),
            entries: Mutex::default(),
        });
        if let Some(older) = sessions.insert(node, session.clone()) {
            older.end();
        }
        Some(session)
    }

    /// Takes positions, unless the session is not known.
    fn progress(&self, from: NodeId, progress: Progress) -> bool {
        let session = self.session(from, &progress);
        session
            .map(|session| self.take(&session, progress))
            .is_some()
    }

    fn take(&self, session: &Arc<Session>, progress: Progress) {
        let mut entries = session.entries();
        let sequence = progress.sequence;
        let is_older = |entry: &Entry| entry.sequence < sequence;
        for key in &progress.forgotten {
            if entries.get(key).is_some_and(is_older) {
                entries.remove(key);
            }
        }
        for change in progress.changes {
            if entries.get(&change.key()).is_none_or(is_older) {
                let route = self.inner.routing.get(change.topic_id, change.partition);
                let key = change.key();
                if let (true, Some(route)) = (change.at.refuses, &route) {
                    self.check_leader(route, change.at.log_end);
                }
                session.place(&mut entries, change, route, progress.broker_epoch);
                if let Some(entry) = entries.get_mut(&key) {
                    entry.sequence = sequence;
                }
            }
        }
    }

    /// Looks whether the leader's log is damaged where a follower cannot take it.
    fn check_leader(&self, route: &Route, offset: i64) {
        let (blocking, route) = (self.inner.blocking, route.clone());
        let reader = route.view.reader.clone();
        spawn(async move {
            let verified = blocking
                .run(move || reader.verify(offset, REPLY_BYTES))
                .await;
            if verified.is_ok_and(|verified| verified.damage.is_some()) {
                route.leader.look_at_isr();
            }
        });
    }

    /// Waits until there is something for a follower of `from`, or the time is over.
    async fn fetch(&self, from: NodeId, fetch: Fetch) -> Answer {
        let unknown = Answer {
            known: false,
            parts: Vec::new(),
        };
        let Some(session) = self.session(from, &fetch.progress) else {
            return unknown;
        };
        self.take(&session, fetch.progress);
        let wait = Duration::from_millis(fetch.max_wait_ms.into()).min(MAX_WAIT);
        let mut deadline = self.inner.clock.sleep(wait);
        let mut waiter = Waiter::new();
        waiter.register(&session.queue.signal);
        loop {
            if session.queue.is_closed() {
                return unknown;
            }
            let parts = self.collect(&session).await;
            if !parts.is_empty() {
                return Answer { known: true, parts };
            }
            tokio::select! {
                biased;
                () = waiter.wait() => {}
                () = &mut deadline => return Answer { known: true, parts: Vec::new() },
            }
        }
    }

    /// What there is for the followers whose partitions rang, as much as fits.
    async fn collect(&self, session: &Arc<Session>) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut left = REPLY_BYTES;
        // What rings meanwhile is for the next answer.
        for _ in 0..session.queue.len() {
            if left == 0 || parts.len() == MAX_PARTS {
                break;
            }
            let Some(key) = session.queue.next() else {
                break;
            };
            if let Some(part) = self.part(session, key, left, parts.is_empty()).await {
                left = left.saturating_sub(part.records.len());
                parts.push(part);
            }
        }
        parts
    }

    /// A partition's part of the answer; `None` if there is nothing to tell, or no room for it.
    async fn part(
        &self,
        session: &Arc<Session>,
        key: Key,
        left: usize,
        first: bool,
    ) -> Option<Part> {
        session.tell_again(key, &self.inner.routing);
        let (view, follower, next, leader) = session.look(key)?;
        let view = view.as_deref();
        let mut part = Part {
            key,
            leader_epoch: follower.at.leader_epoch,
            outcome: Outcome::Records,
            high_watermark: leader.high_watermark,
            log_start: leader.log_start,
            number: follower.sent.wrapping_add(1),
            after: (follower.at.log_end, follower.at.has_bytes),
            records: Bytes::new(),
            is_piece: false,
        };
        let is_throttled = view.is_some_and(PartitionView::throttles_leader);
        match next {
            Next::Nothing => return None,
            Next::Send if is_throttled && self.is_held_back(session, key) => return None,
            Next::Tell(outcome) => part.outcome = outcome,
            Next::Send => match self.read(view?, &follower, left, first).await {
                Ok(None) => {
                    session.ring(key);
                    return None;
                }
                Ok(Some((records, is_piece))) => {
                    (part.records, part.is_piece) = (records, is_piece)
                }
                Err(error) => {
                    tracing::warn!(partition = ?key, %error, "a follower cannot be served");
                    if let Some(route) = self.inner.routing.get(key.0, key.1) {
                        route.leader.look_at_isr();
                    }
                    part.outcome = Outcome::Failed;
                }
            },
        }
        session.told(&part);
        if is_throttled {
            self.inner.quota.spend(part.records.len());
        }
        Some(part)
    }

    /// Whether a throttled follower has to wait, which one in sync never does. It is looked at again
    /// when the quota allows it.
    fn is_held_back(&self, session: &Arc<Session>, key: Key) -> bool {
        let image = self.inner.image.get();
        let partition = image.partition_by_id(key.0, key.1);
        if partition.is_some_and(|partition| partition.isr.contains(&session.node)) {
            return false;
        }
        let Some(wait) = self.inner.quota.wait() else {
            return false;
        };
        let (sleep, session) = (self.inner.clock.sleep(wait), session.clone());
        spawn(async move {
            sleep.await;
            session.ring(key);
        });
        true
    }

    /// Records from the follower's log end on: whole batches, or a piece of one that is larger than
    /// an answer. `None` if the first batch does not fit behind what is in the answer already.
    async fn read(
        &self,
        view: &PartitionView,
        follower: &Follower,
        left: usize,
        first: bool,
    ) -> Result<Option<(Bytes, bool)>, LogError> {
        let (from, bound) = (follower.at.log_end, view.log_end_offset());
        let (reader, blocking) = (&view.reader, self.inner.blocking);
        let read = reader.read_aside(blocking, (from, left), bound, first);
        let records = read.await?.records;
        if records.is_empty() {
            return Ok(None);
        }
        let has = follower.at.has_bytes as usize;
        if records.len() <= REPLY_BYTES && has == 0 {
            return Ok(Some((records, false)));
        }
        let rest = records.slice(has.min(records.len())..);
        let is_piece = rest.len() > REPLY_BYTES;
        let piece = rest.slice(..rest.len().min(REPLY_BYTES));
        Ok(Some((piece, is_piece)))
    }
}

fn parse<T: serde::de::DeserializeOwned>(request: &Bytes) -> Result<T, String> {
    decode(request, MAX_HEAD_BYTES).map_err(|error| error.to_string())
}
