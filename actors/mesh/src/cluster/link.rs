//! One connection between two nodes, from the handshake to its end: what its stream, the calls over
//! it and its supervisor share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use odeon_kernel::{ByteBudget, Permit, watch};
use odeon_model::NodeId;
use ractor::{ActorRef, ActorStatus};
use tokio::sync::Semaphore;

use super::ClusterOptions;
use super::gate::{self, GateMessage};
use crate::Incarnation;

/// Messages from this size on are charged to the link's budget; smaller ones overtake those that
/// wait for it.
pub(super) const BULK_BYTES: usize = 16 << 10;
/// A charged message that was not seen leaving after this time never will.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(5);

/// Whether bytes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    Open,
    /// A test's silent cut: nothing passes, nobody is told.
    Stalled,
    Closed,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) peer: NodeId,
    pub(super) life: Incarnation,
    passage: watch::Sender<Passage>,
    /// Whether the peer has answered at the address that this node knows.
    pub(super) seen: AtomicBool,
    /// Calls from here that wait for their answer.
    pub(super) calls: Arc<Semaphore>,
    /// Calls from there that are being answered.
    pub(super) answers: Arc<Semaphore>,
    /// Bulk that this side has sent and the socket has not taken.
    pub(super) budget: ByteBudget,
    queued: Mutex<VecDeque<(Duration, Permit)>>,
    /// The peer's gate and the node server's number of the session, once it is ready.
    gate: Mutex<Option<(u64, ActorRef<GateMessage>)>>,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
}

impl Link {
    pub(super) fn new(
        number: u64,
        peer: NodeId,
        life: Incarnation,
        options: &ClusterOptions,
    ) -> Self {
        Self {
            number,
            peer,
            life,
            passage: watch::Sender::new(Passage::Open),
            seen: AtomicBool::new(false),
            calls: Arc::new(Semaphore::new(options.max_calls_per_link)),
            // Callers give up without telling: some of theirs may still be running.
            answers: Arc::new(Semaphore::new(options.max_calls_per_link.saturating_mul(2))),
            budget: ByteBudget::new(options.link_budget_bytes),
            queued: Mutex::default(),
            gate: Mutex::default(),
            read_bytes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
        }
    }

    /// Ends it: calls over it fail, its stream ends. Whether it was open.
    pub(super) fn close(&self) -> bool {
        self.passage.send_replace(Passage::Closed) != Passage::Closed
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.passage.borrow() == Passage::Closed
    }

    /// Completes when it is closed.
    pub(super) async fn closed(&self) {
        let mut passage = self.passage.subscribe();
        // The sender is `self`: it cannot be gone.
        drop(passage.wait_for(|now| *now == Passage::Closed).await);
    }

    /// Stalls or opens it again, unless it is closed.
    pub(super) fn stall(&self, stalled: bool) {
        let next = if stalled {
            Passage::Stalled
        } else {
            Passage::Open
        };
        self.passage.send_if_modified(|now| {
            let changes = *now != Passage::Closed && *now != next;
            if changes {
                *now = next;
            }
            changes
        });
    }

    pub(super) fn passage(&self) -> watch::Receiver<Passage> {
        self.passage.subscribe()
    }

    /// Finds the peer's gate behind this session; whether it is there.
    pub(super) fn find_gate(&self, session: u64) -> bool {
        let found = gate::find(self.peer, self.life, session);
        let mut gate = lock(&self.gate);
        *gate = found.map(|found| (session, found));
        gate.is_some()
    }

    /// The peer's gate; looked up again when it was restarted.
    pub(super) fn gate(&self) -> Option<ActorRef<GateMessage>> {
        let (session, gate) = lock(&self.gate).clone()?;
        if matches!(
            gate.get_status(),
            ActorStatus::Stopping | ActorStatus::Stopped
        ) {
            self.find_gate(session);
            return lock(&self.gate).clone().map(|(_, gate)| gate);
        }
        Some(gate)
    }

    /// Keeps what a bulk message was charged until it has left.
    pub(super) fn queue(&self, now: Duration, permit: Permit) {
        lock(&self.queued).push_back((now, permit));
    }

    /// A bulk message has left.
    pub(super) fn left(&self) {
        lock(&self.queued).pop_front();
    }

    /// Gives back what messages were charged that never left: their caller had given up when it
    /// was their turn.
    pub(super) fn tidy(&self, now: Duration) {
        let mut queued = lock(&self.queued);
        while queued
            .front()
            .is_some_and(|(since, _)| now.saturating_sub(*since) > FORGOTTEN_AFTER)
        {
            queued.pop_front();
        }
    }

    pub(super) fn count_read(&self, bytes: usize) {
        self.read_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_written(&self, bytes: usize) {
        self.written_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes read and written so far.
    pub(super) fn traffic(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.read_bytes), read(&self.written_bytes))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
