//! Incremental fetch sessions (KIP-227): a client names its partitions once, then only changes.
//!
//! A session keeps its partitions in fetch order. Partitions that returned records move to the
//! end, so that a busy partition cannot starve the others.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use odeon_kernel::Rng;
use odeon_model::{ErrorCode, Uuid};

/// `session_epoch` of a request that wants a new session.
pub const INITIAL_EPOCH: i32 = 0;
/// `session_epoch` of a request that wants none, and ends the one it names.
pub const FINAL_EPOCH: i32 = -1;
/// A session that was not used for this long may be evicted, `min.incremental.fetch.session.eviction.ms`.
const EVICTION_MS: i64 = 120_000;

/// A topic as a fetch request names it: by id since version 13, by name before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicRef {
    /// Empty when the request names ids.
    pub name: String,
    /// Zero when the request uses names.
    pub id: Uuid,
}

/// What a client wants of one partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The topic.
    pub topic: TopicRef,
    /// The partition's index.
    pub partition: i32,
    /// The first offset wanted.
    pub fetch_offset: i64,
    /// At most so many bytes, but never less than one batch.
    pub max_bytes: i32,
    /// The client's idea of the leader epoch, -1 for none.
    pub current_leader_epoch: i32,
    /// The epoch of the last record the client has, -1 for none.
    pub last_fetched_epoch: i32,
}

/// What the client was told last, so that unchanged partitions can be left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// The high watermark.
    pub high_watermark: i64,
    /// The last stable offset.
    pub last_stable_offset: i64,
    /// The log start offset.
    pub log_start_offset: i64,
    /// The error code.
    pub error_code: i16,
}

#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    told: Option<Told>,
}

type Key = (TopicRef, i32);

/// One client's session.
#[derive(Debug, Default)]
pub struct Session {
    epoch: i32,
    uses_ids: bool,
    last_used_ms: i64,
    next_order: u64,
    order: HashMap<Key, u64>,
    partitions: BTreeMap<u64, Cached>,
}

impl Session {
    fn put(&mut self, wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.partition);
        if let Some(cached) = self
            .order
            .get(&key)
            .and_then(|at| self.partitions.get_mut(at))
        {
            cached.wanted = wanted;
            return;
        }
        self.next_order += 1;
        self.order.insert(key, self.next_order);
        self.partitions
            .insert(self.next_order, Cached { wanted, told: None });
    }

    fn forget(&mut self, topic: &TopicRef, partition: i32) {
        if let Some(at) = self.order.remove(&(topic.clone(), partition)) {
            self.partitions.remove(&at);
        }
    }

    fn wanted(&self) -> Vec<Wanted> {
        self.partitions
            .values()
            .map(|cached| cached.wanted.clone())
            .collect()
    }

    /// Whether the answer must mention a partition: it has records, an error, or something that
    /// the client was not told yet. Remembers what it is told now.
    fn must_tell(
        &mut self,
        topic: &TopicRef,
        partition: i32,
        now: Told,
        has_records: bool,
    ) -> bool {
        let key = (topic.clone(), partition);
        let Some(at) = self.order.get(&key).copied() else {
            return true;
        };
        let Some(cached) = self.partitions.get_mut(&at) else {
            return true;
        };
        let changed = cached.told != Some(now);
        // An error must be repeated until it is gone, so it is never taken for told.
        cached.told = (now.error_code == 0).then_some(now);
        if has_records && let Some(cached) = self.partitions.remove(&at) {
            self.next_order += 1;
            self.partitions.insert(self.next_order, cached);
            self.order.insert(key, self.next_order);
        }
        has_records || changed || now.error_code != 0
    }
}

/// What one fetch request has to read.
#[derive(Debug)]
pub struct Plan {
    /// The partitions to read, in order.
    pub wanted: Vec<Wanted>,
    /// The session id to answer with; 0 for none.
    pub session_id: i32,
    session: Option<Arc<Mutex<Session>>>,
    incremental: bool,
}

impl Plan {
    /// Whether a partition belongs into the answer.
    pub fn must_tell(
        &self,
        topic: &TopicRef,
        partition: i32,
        now: Told,
        has_records: bool,
    ) -> bool {
        let Some(session) = &self.session else {
            return true;
        };
        let told = lock(session).must_tell(topic, partition, now, has_records);
        told || !self.incremental
    }

    /// Whether an answer may leave partitions out.
    pub fn is_incremental(&self) -> bool {
        self.incremental
    }
}

/// A fetch request as far as sessions are concerned.
#[derive(Debug)]
pub struct SessionRequest {
    /// The session named, 0 for none.
    pub session_id: i32,
    /// The epoch within it.
    pub session_epoch: i32,
    /// Whether topics are named by id.
    pub uses_ids: bool,
    /// Partitions new or changed.
    pub wanted: Vec<Wanted>,
    /// Partitions dropped.
    pub forgotten: Vec<(TopicRef, i32)>,
}

/// All sessions of a node, bounded by `max.incremental.fetch.session.cache.slots`.
#[derive(Debug)]
pub struct FetchSessions {
    slots: usize,
    sessions: DashMap<i32, Arc<Mutex<Session>>>,
    count: AtomicUsize,
    rng: Rng,
}

fn lock(session: &Mutex<Session>) -> std::sync::MutexGuard<'_, Session> {
    session
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl FetchSessions {
    /// A cache with room for `slots` sessions.
    pub fn new(slots: usize, rng: Rng) -> Self {
        Self {
            slots,
            sessions: DashMap::new(),
            count: AtomicUsize::new(0),
            rng,
        }
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds out what a request has to read.
    ///
    /// # Errors
    /// `FETCH_SESSION_ID_NOT_FOUND`, `INVALID_FETCH_SESSION_EPOCH` or `FETCH_SESSION_TOPIC_ID_ERROR`:
    /// the client starts a new session.
    pub fn plan(&self, request: SessionRequest, now_ms: i64) -> Result<Plan, ErrorCode> {
        match request.session_epoch {
            FINAL_EPOCH => {
                self.remove(request.session_id);
                Ok(Plan {
                    wanted: request.wanted,
                    session_id: 0,
                    session: None,
                    incremental: false,
                })
            }
            INITIAL_EPOCH => {
                self.remove(request.session_id);
                Ok(self.begin(request, now_ms))
            }
            _ => self.resume(request, now_ms),
        }
    }

    fn begin(&self, request: SessionRequest, now_ms: i64) -> Plan {
        let wanted = request.wanted;
        let none = |wanted| Plan {
            wanted,
            session_id: 0,
            session: None,
            incremental: false,
        };
        if wanted.is_empty() || !self.make_room(wanted.len(), now_ms) {
            return none(wanted);
        }
        let mut session = Session {
            epoch: 1,
            uses_ids: request.uses_ids,
            last_used_ms: now_ms,
            ..Session::default()
        };
        for partition in wanted.iter().cloned() {
            session.put(partition);
        }
        let session = Arc::new(Mutex::new(session));
        loop {
            let id = i32::try_from(self.rng.below(i32::MAX as u64 - 1) + 1).unwrap_or(1);
            if let dashmap::Entry::Vacant(slot) = self.sessions.entry(id) {
                slot.insert(session.clone());
                self.count.fetch_add(1, Ordering::Relaxed);
                return Plan {
                    wanted,
                    session_id: id,
                    session: Some(session),
                    incremental: false,
                };
            }
        }
    }

    fn resume(&self, request: SessionRequest, now_ms: i64) -> Result<Plan, ErrorCode> {
        let session = self
            .sessions
            .get(&request.session_id)
            .map(|entry| entry.value().clone());
        let session = session.ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let mut locked = lock(&session);
        if locked.epoch != request.session_epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if locked.uses_ids != request.uses_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        for (topic, partition) in &request.forgotten {
            locked.forget(topic, *partition);
        }
        for wanted in request.wanted {
            locked.put(wanted);
        }
        locked.last_used_ms = now_ms;
        locked.epoch = if locked.epoch == i32::MAX {
            1
        } else {
            locked.epoch + 1
        };
        let wanted = locked.wanted();
        drop(locked);
        if wanted.is_empty() {
            self.remove(request.session_id);
            return Ok(Plan {
                wanted,
                session_id: 0,
                session: None,
                incremental: true,
            });
        }
        let session_id = request.session_id;
        Ok(Plan {
            wanted,
            session_id,
            session: Some(session),
            incremental: true,
        })
    }

    fn remove(&self, session_id: i32) {
        if session_id != 0 && self.sessions.remove(&session_id).is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Evicts a session that was not used lately, or else one smaller than the new one.
    fn make_room(&self, partitions: usize, now_ms: i64) -> bool {
        if self.len() < self.slots {
            return true;
        }
        let ranked = self.sessions.iter().map(|entry| {
            let session = lock(entry.value());
            let stale = now_ms.saturating_sub(session.last_used_ms) > EVICTION_MS;
            (!stale, session.partitions.len(), *entry.key())
        });
        let Some((in_use, size, id)) = ranked.min() else {
            return false;
        };
        if in_use && size >= partitions {
            return false;
        }
        self.remove(id);
        true
    }
}

#[cfg(test)]
mod tests;
