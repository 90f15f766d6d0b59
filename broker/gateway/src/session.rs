//! Incremental fetch sessions (KIP-227): a client names its partitions once, then only changes.
//!
//! A session keeps its partitions in fetch order. Partitions that returned records move to the
//! end, so that a busy partition cannot starve the others.
//!
//! Kafka bounds the sessions only; here their partitions are bounded too, of each session by how
//! many exist and of all together by [`PARTITIONS_MAX`]. A client whose session does not fit is
//! answered without one, and names its partitions with every fetch.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use odeon_kernel::Rng;
use odeon_model::ErrorCode;

mod client;

use client::Session;
pub use client::{Told, TopicRef, Wanted};

/// `session_epoch` of a request that wants a new session.
pub const INITIAL_EPOCH: i32 = 0;
/// `session_epoch` of a request that wants none, and ends the one it names.
pub const FINAL_EPOCH: i32 = -1;
/// A session that was not used for this long may be evicted, `min.incremental.fetch.session.eviction.ms`.
const EVICTION_MS: i64 = 120_000;

/// The partitions that all sessions of a node may remember, some 100 MiB.
pub const PARTITIONS_MAX: usize = 250_000;

/// What one fetch request has to read.
#[derive(Debug)]
pub struct Plan {
    /// The partitions to read, in order.
    pub wanted: Vec<Wanted>,
    /// The session id to answer with; 0 for none.
    pub session_id: i32,
    /// Whose turn it is to be read first, where an answer has no room for all.
    pub first: usize,
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

/// All sessions of a node, bounded by `max.incremental.fetch.session.cache.slots` and by their
/// partitions.
#[derive(Debug)]
pub struct FetchSessions {
    slots: usize,
    partitions_max: usize,
    /// The partitions of all sessions. Changed under the lock of the session concerned.
    partitions: AtomicUsize,
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
    /// A cache with room for `slots` sessions of `partitions_max` partitions together.
    pub fn new(slots: usize, partitions_max: usize, rng: Rng) -> Self {
        Self {
            slots,
            partitions_max,
            partitions: AtomicUsize::new(0),
            sessions: DashMap::new(),
            count: AtomicUsize::new(0),
            rng,
        }
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How many partitions they have together.
    pub fn partitions(&self) -> usize {
        self.partitions.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds out what a request has to read. `existing` says how many partitions there are: what a
    /// session has beyond that is nothing that could be read.
    ///
    /// # Errors
    /// `FETCH_SESSION_ID_NOT_FOUND`, `INVALID_FETCH_SESSION_EPOCH` or `FETCH_SESSION_TOPIC_ID_ERROR`:
    /// the client starts a new session.
    pub fn plan(
        &self,
        request: SessionRequest,
        now_ms: i64,
        existing: impl Fn() -> usize,
    ) -> Result<Plan, ErrorCode> {
        match request.session_epoch {
            FINAL_EPOCH => {
                self.remove(request.session_id);
                Ok(self.without_session(request.wanted))
            }
            INITIAL_EPOCH => {
                self.remove(request.session_id);
                Ok(self.begin(request, now_ms, existing()))
            }
            _ => self.resume(request, now_ms, existing),
        }
    }

    /// A session's partitions take turns; without one the turn is drawn.
    fn without_session(&self, wanted: Vec<Wanted>) -> Plan {
        let first = self.rng.below(wanted.len().max(1) as u64);
        Plan {
            first: usize::try_from(first).unwrap_or(0),
            wanted,
            session_id: 0,
            session: None,
            incremental: false,
        }
    }

    fn begin(&self, request: SessionRequest, now_ms: i64, existing: usize) -> Plan {
        let wanted = request.wanted;
        if wanted.is_empty() || wanted.len() > existing {
            return self.without_session(wanted);
        }
        let session = Session::new(request.uses_ids, now_ms, wanted.iter().cloned());
        let size = session.partitions.len();
        if !(self.make_room(size, now_ms) && self.reserve(size)) {
            return self.without_session(wanted);
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
                    first: 0,
                    session: Some(session),
                    incremental: false,
                };
            }
        }
    }

    fn resume(
        &self,
        request: SessionRequest,
        now_ms: i64,
        existing: impl Fn() -> usize,
    ) -> Result<Plan, ErrorCode> {
        let session_id = request.session_id;
        let session = self
            .sessions
            .get(&session_id)
            .map(|entry| entry.value().clone());
        let session = session.ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let mut locked = lock(&session);
        if locked.removed {
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        if locked.epoch != request.session_epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if locked.uses_ids != request.uses_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        if !self.update(&mut locked, request, existing) {
            drop(locked);
            self.remove(session_id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        locked.last_used_ms = now_ms;
        locked.epoch = if locked.epoch == i32::MAX {
            1
        } else {
            locked.epoch + 1
        };
        let wanted = locked.wanted();
        drop(locked);
        let ended = wanted.is_empty();
        if ended {
            self.remove(session_id);
        }
        Ok(Plan {
            wanted,
            session_id: if ended { 0 } else { session_id },
            first: 0,
            session: (!ended).then_some(session),
            incremental: true,
        })
    }

    /// Changes a session's partitions; false when they do not fit any more.
    fn update(
        &self,
        session: &mut Session,
        request: SessionRequest,
        existing: impl Fn() -> usize,
    ) -> bool {
        let before = session.partitions.len();
        for (topic, partition) in &request.forgotten {
            session.forget(topic, *partition);
        }
        self.partitions
            .fetch_sub(before - session.partitions.len(), Ordering::Relaxed);
        let before = session.partitions.len();
        for wanted in request.wanted {
            session.put(wanted);
        }
        let size = session.partitions.len();
        if size == before {
            return true;
        }
        // Counted even if it is too much: the session's removal gives all of it back.
        let all = self.partitions.fetch_add(size - before, Ordering::Relaxed) + size - before;
        size <= existing() && all <= self.partitions_max
    }

    fn reserve(&self, partitions: usize) -> bool {
        let reserved = |held: usize| {
            held.checked_add(partitions)
                .filter(|held| *held <= self.partitions_max)
        };
        self.partitions
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserved)
            .is_ok()
    }

    fn remove(&self, session_id: i32) {
        if session_id == 0 {
            return;
        }
        if let Some((_, session)) = self.sessions.remove(&session_id) {
            let mut session = lock(&session);
            session.removed = true;
            self.count.fetch_sub(1, Ordering::Relaxed);
            self.partitions
                .fetch_sub(session.partitions.len(), Ordering::Relaxed);
        }
    }

    /// Makes room for one more session: those go that were not used lately, then ones smaller than
    /// the new one. False, and nothing goes, when that is not enough.
    fn make_room(&self, partitions: usize, now_ms: i64) -> bool {
        let fits = |sessions: usize, held: usize| {
            sessions < self.slots && held.saturating_add(partitions) <= self.partitions_max
        };
        let (mut count, mut held) = (self.len(), self.partitions());
        if fits(count, held) {
            return true;
        }
        let ranked = self.sessions.iter().map(|entry| {
            let session = lock(entry.value());
            let stale = now_ms.saturating_sub(session.last_used_ms) > EVICTION_MS;
            (!stale, session.partitions.len(), *entry.key())
        });
        let mut ranked: Vec<(bool, usize, i32)> = ranked.collect();
        ranked.retain(|(in_use, size, _)| !in_use || *size < partitions);
        ranked.sort_unstable();
        let mut evicted = 0;
        for (_, size, _) in &ranked {
            if fits(count, held) {
                break;
            }
            (count, held) = (count.saturating_sub(1), held.saturating_sub(*size));
            evicted += 1;
        }
        if !fits(count, held) {
            return false;
        }
        for (_, _, id) in ranked.into_iter().take(evicted) {
            self.remove(id);
        }
        true
    }
}

#[cfg(test)]
mod tests;
