//! The way of a proposal: a bounded queue, one batch at a time into the log, answers in order.
//!
//! An actor decides on a state that already holds what it proposed before. So within a
//! [`Proposer`] either all earlier proposals come first in the log, or none of the later ones
//! does: the first that fails breaks the proposer, and every later one fails with it. Two things
//! keep that promise: a batch is appended as a whole or not at all, and the next batch is sent
//! only when the last one has been applied.
//!
//! An entry carries the term it was decided in. Should it still be appended in another one (the
//! leader lost and regained its office in between), every replica skips it.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use odeon_kernel::clock::SharedClock;
use odeon_kernel::watch;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, Fatal, ForwardReason};
use openraft::raft::WriteResult;
use tokio::sync::mpsc;

use crate::config::MAX_ENTRY_BYTES;
use crate::types::{Outcome, Proposal, ReplicaId, Types};
use crate::{Raft, role::is_leader_in};

/// Why a proposal was not applied, or is not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// This node does not lead. Nothing was written.
    #[error("this node does not lead the quorum (leader: {leader:?})")]
    NotLeader {
        /// The node that does, as far as is known.
        leader: Option<i32>,
    },
    /// This node leads, but in another term than the proposal was decided in. Nothing was applied.
    #[error("the term the proposal was decided in is over")]
    TermChanged,
    /// The entry is larger than [`MAX_ENTRY_BYTES`]. Nothing was written.
    #[error("an entry of {0} bytes is larger than {MAX_ENTRY_BYTES}")]
    TooLarge(usize),
    /// Too many proposals wait already. Nothing was written.
    #[error("too many proposals wait")]
    Overloaded,
    /// It may or may not be committed, now or later. Before deciding anything again in the same
    /// term, wait for [`Quorum::barrier`](crate::Quorum::barrier).
    #[error("the outcome is unknown")]
    Unknown,
    /// The quorum has ended. Nothing was written.
    #[error("the quorum has stopped")]
    Stopped,
}

/// What a proposal came to: the index of its entry, committed and applied.
pub type Proposed = Result<u64, ProposeError>;

type Done = Box<dyn FnOnce(Proposed) + Send>;

struct Queued {
    session: Arc<Session>,
    entry: Bytes,
    /// Taken when it is called.
    done: Option<Done>,
}

impl Drop for Queued {
    /// Whoever waits hears of it even when the runtime ends under the pump.
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(self.session.breaks(ProposeError::Unknown)));
        }
    }
}

struct Session {
    term: u64,
    /// What broke it.
    failure: OnceLock<ProposeError>,
}

/// Where proposals are handed in. Clones share it.
#[derive(Clone)]
pub(crate) struct Inbox {
    queue: mpsc::Sender<Queued>,
    queued_bytes: Arc<AtomicUsize>,
    max_bytes: usize,
}

/// Proposals that were decided one upon the other in one term. In the log they have the order in
/// which they were handed in, without gaps: the first that fails breaks the proposer, and every
/// later one fails with it. To go on after that, reload what was decided upon and make another.
///
/// Clones are the same proposer: what breaks one breaks all.
#[derive(Clone)]
pub struct Proposer {
    session: Arc<Session>,
    inbox: Inbox,
}

impl fmt::Debug for Proposer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (term, failure) = (self.session.term, self.session.failure.get());
        f.debug_struct("Proposer")
            .field("term", &term)
            .field("failure", &failure)
            .finish()
    }
}

impl Proposer {
    pub(crate) fn new(term: u64, inbox: Inbox) -> Self {
        Self {
            session: Arc::new(Session {
                term,
                failure: OnceLock::new(),
            }),
            inbox,
        }
    }

    /// The term the proposals are decided in.
    pub fn term(&self) -> u64 {
        self.session.term
    }

    /// What broke this proposer, if anything did.
    pub fn failure(&self) -> Option<ProposeError> {
        self.session.failure.get().cloned()
    }

    /// Proposes an entry and returns at once. `done` is called exactly once: with the entry's
    /// index when it is committed and applied on this node, or with what went wrong, which then
    /// breaks this proposer. It runs on a task of the quorum, or within this call when the entry
    /// is refused at once, and must not block: let it send a message.
    ///
    /// Proposals take effect in the order of the calls.
    pub fn propose(&self, entry: Bytes, done: impl FnOnce(Proposed) + Send + 'static) {
        let done: Done = Box::new(done);
        if let Some(failure) = self.failure() {
            return done(Err(failure));
        }
        let bytes = entry.len();
        if bytes > MAX_ENTRY_BYTES {
            return self.refuse(ProposeError::TooLarge(bytes), done);
        }
        let before = self.inbox.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.inbox.max_bytes {
            self.inbox.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return self.refuse(ProposeError::Overloaded, done);
        }
        let queued = Queued {
            session: Arc::clone(&self.session),
            entry,
            done: Some(done),
        };
        if let Err(error) = self.inbox.queue.try_send(queued) {
            self.inbox.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            let (failure, queued) = match error {
                mpsc::error::TrySendError::Full(queued) => (ProposeError::Overloaded, queued),
                mpsc::error::TrySendError::Closed(queued) => (ProposeError::Stopped, queued),
            };
            queued.fail(failure);
        }
    }

    fn refuse(&self, failure: ProposeError, done: Done) {
        done(Err(self.session.breaks(failure)));
    }
}

impl Session {
    /// Notes a failure and returns it.
    fn breaks(&self, failure: ProposeError) -> ProposeError {
        // Only the first one broke it; each proposal hears its own.
        let _ = self.failure.set(failure.clone());
        failure
    }
}

impl Queued {
    fn fail(self, failure: ProposeError) {
        let failure = self.session.breaks(failure);
        self.answer(Err(failure));
    }

    fn answer(mut self, outcome: Proposed) {
        if let Some(done) = self.done.take() {
            done(outcome);
        }
    }
}

/// Bytes of proposals appended together at most, unless one alone is larger.
const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// Proposals appended together at most.
const MAX_BATCH: usize = 512;
/// Between two attempts while the leader's lease is not renewed yet.
const LEASE_RETRY: Duration = Duration::from_millis(5);

/// Takes proposals from the inbox to the log. Owned by one task.
pub(crate) struct Pump {
    pub(crate) raft: Raft,
    pub(crate) own: ReplicaId,
    pub(crate) clock: SharedClock,
    pub(crate) deadline: Duration,
    queue: mpsc::Receiver<Queued>,
    queued_bytes: Arc<AtomicUsize>,
}

pub(crate) fn inbox(
    raft: Raft,
    own: ReplicaId,
    clock: SharedClock,
    deadline: Duration,
    max_queued: usize,
    max_bytes: usize,
) -> (Inbox, Pump) {
    let (sender, queue) = mpsc::channel(max_queued.max(1));
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let inbox = Inbox {
        queue: sender,
        queued_bytes: Arc::clone(&queued_bytes),
        max_bytes,
    };
    (
        inbox,
        Pump {
            raft,
            own,
            clock,
            deadline,
            queue,
            queued_bytes,
        },
    )
}

impl Pump {
    /// Runs until all inboxes are gone, the engine has ended, or a stop is asked for.
    pub(crate) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let mut held = None;
        loop {
            let next = async {
                match held.take() {
                    Some(first) => Some(first),
                    None => self.queue.recv().await,
                }
            };
            let first = tokio::select! {
                biased;
                first = next => first,
                _ = stopping.wait_for(|stopping| *stopping) => None,
            };
            let Some(first) = first else { break };
            let batch = self.gather(first, &mut held);
            if !self.deliver(batch).await {
                break;
            }
        }
        self.queue.close();
        let rest = held
            .into_iter()
            .chain(std::iter::from_fn(|| self.queue.try_recv().ok()));
        for queued in rest.collect::<Vec<_>>() {
            queued.fail(ProposeError::Stopped);
        }
    }

    /// What waits behind `first`, as far as it fits in one batch; `held` gets the next one.
    fn gather(&mut self, first: Queued, held: &mut Option<Queued>) -> Vec<Queued> {
        let mut bytes = first.entry.len();
        let mut batch = vec![first];
        while batch.len() < MAX_BATCH {
            let Ok(next) = self.queue.try_recv() else {
                break;
            };
            if bytes + next.entry.len() > MAX_BATCH_BYTES {
                *held = Some(next);
                break;
            }
            bytes += next.entry.len();
            batch.push(next);
        }
        let taken: usize = batch.iter().map(|queued| queued.entry.len()).sum();
        self.queued_bytes.fetch_sub(taken, Ordering::Relaxed);
        let mut sound = Vec::with_capacity(batch.len());
        for queued in batch {
            match self.refusal(&queued) {
                Some(failure) => queued.fail(failure),
                None => sound.push(queued),
            }
        }
        sound
    }

    /// Why an entry is not even tried.
    fn refusal(&self, queued: &Queued) -> Option<ProposeError> {
        if let Some(failure) = queued.session.failure.get() {
            return Some(failure.clone());
        }
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let leader = metrics.current_leader.map(|leader| leader.node_id);
        if !is_leader_in(&metrics, self.own) {
            return Some(ProposeError::NotLeader { leader });
        }
        (metrics.current_term != queued.session.term).then_some(ProposeError::TermChanged)
    }

    /// Gets a batch appended, committed and applied; false when the engine has ended.
    async fn deliver(&self, batch: Vec<Queued>) -> bool {
        if batch.is_empty() {
            return true;
        }
        let end = self.clock.monotonic() + self.deadline;
        loop {
            let proposals: Vec<Proposal> = batch
                .iter()
                .map(|queued| Proposal {
                    expected_term: queued.session.term,
                    entry: queued.entry.clone(),
                })
                .collect();
            let Ok(mut results) = self.raft.client_write_many(proposals).await else {
                fail_all(batch, &ProposeError::Stopped);
                return false;
            };
            let left = end.saturating_sub(self.clock.monotonic());
            let first = tokio::select! {
                biased;
                first = results.next() => first,
                () = self.clock.sleep(left) => {
                    fail_all(batch, &ProposeError::Unknown);
                    return true;
                }
            };
            if lease_expired(&first) && self.clock.monotonic() < end {
                // Transient: at the start of a term, or after a pause of the followers.
                self.clock.sleep(LEASE_RETRY).await;
                continue;
            }
            return self.answer(batch, first, results, end).await;
        }
    }

    async fn answer(
        &self,
        batch: Vec<Queued>,
        first: Option<Written>,
        mut results: impl futures_util::Stream<Item = Written> + Unpin,
        end: Duration,
    ) -> bool {
        let mut alive = true;
        let mut next = Some(first);
        for queued in batch {
            let written = match next.take() {
                Some(written) => written,
                // The engine has ended: its answers are over.
                None if !alive => None,
                None => {
                    let left = end.saturating_sub(self.clock.monotonic());
                    tokio::select! {
                        biased;
                        written = results.next() => written,
                        () = self.clock.sleep(left) => {
                            queued.fail(ProposeError::Unknown);
                            continue;
                        }
                    }
                }
            };
            match written {
                Some(Ok(result)) => settle(queued, result),
                Some(Err(_)) | None => {
                    alive = false;
                    queued.fail(ProposeError::Unknown);
                }
            }
        }
        alive
    }
}

type Written = Result<WriteResult<Types>, Fatal<Types>>;

fn lease_expired(written: &Option<Written>) -> bool {
    matches!(written, Some(Ok(Err(ClientWriteError::ForwardToLeader(forward))))
        if forward.reason == ForwardReason::LeaseExpired)
}

fn settle(queued: Queued, result: WriteResult<Types>) {
    match result {
        Ok(written) if written.response == Outcome::Applied => {
            queued.answer(Ok(written.log_id.index));
        }
        Ok(_) => queued.fail(ProposeError::TermChanged),
        Err(ClientWriteError::ForwardToLeader(forward)) => {
            let leader = forward.leader_id.map(|leader| leader.node_id);
            queued.fail(ProposeError::NotLeader { leader });
        }
        Err(_) => queued.fail(ProposeError::Unknown),
    }
}

fn fail_all(batch: Vec<Queued>, failure: &ProposeError) {
    for queued in batch {
        queued.fail(failure.clone());
    }
}
