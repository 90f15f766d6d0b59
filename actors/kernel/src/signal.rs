//! A wake-up from many to one: how a parked fetch waits on several partitions.
//!
//! A [`Signal`] belongs to a thing that changes; a [`Waiter`] to someone who waits for any of
//! several things. The order that loses no wake-up:
//!
//! ```text
//! waiter                                    the changing thing
//! register with every signal                make the change visible
//! loop { look at all; enough? done          notify()
//!        wait() }
//! ```
//!
//! Whoever registers before looking either sees a change or is woken by it. A registration stays
//! until the waiter is dropped, so a loop registers once. A wake-up may be spurious.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

#[cfg(test)]
mod tests;

/// Rings all registered [`Waiter`]s. Clones are the same signal. A signal that was never waited
/// on owns no memory beyond itself.
#[derive(Clone, Default)]
pub struct Signal {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Number of registrations; changed only under the lock.
    registered: AtomicUsize,
    slots: Mutex<Slots>,
}

/// Registrations by slot, so that leaving costs the same however many wait.
#[derive(Default)]
struct Slots {
    waiters: Vec<Option<Arc<Notify>>>,
    free: Vec<usize>,
}

/// Slots that stay allocated once nobody waits any more.
const KEEP_SLOTS: usize = 8;

impl Signal {
    /// A signal nobody waits on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes all who are registered. The change must be visible before the call. Without a waiter
    /// this is a fence and one atomic load.
    #[inline]
    pub fn notify(&self) {
        // Pairs with the fence in `register`: either we see the registration or it sees the change.
        fence(Ordering::SeqCst);
        if self.inner.registered.load(Ordering::Relaxed) != 0 {
            self.notify_registered();
        }
    }

    #[cold]
    fn notify_registered(&self) {
        let slots = self
            .inner
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for waiter in slots.waiters.iter().flatten() {
            waiter.notify_one();
        }
    }

    /// How many registrations there are.
    pub fn registered(&self) -> usize {
        self.inner.registered.load(Ordering::Relaxed)
    }

    fn register(&self, waiter: &Arc<Notify>) -> usize {
        let mut slots = self
            .inner
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waiter = Some(Arc::clone(waiter));
        let slot = match slots.free.pop() {
            Some(slot) => {
                slots.waiters[slot] = waiter;
                slot
            }
            None => {
                slots.waiters.push(waiter);
                slots.waiters.len() - 1
            }
        };
        self.inner.registered.fetch_add(1, Ordering::Relaxed);
        drop(slots);
        fence(Ordering::SeqCst);
        slot
    }

    fn deregister(&self, slot: usize) {
        let mut slots = self
            .inner
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        slots.waiters[slot] = None;
        slots.free.push(slot);
        if self.inner.registered.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Keep a little room for the next waiter, but not a crowd's.
            if slots.waiters.len() > KEEP_SLOTS {
                *slots = Slots::default();
            }
            slots.waiters.clear();
            slots.free.clear();
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("registered", &self.registered())
            .finish()
    }
}

/// Waits on any of several [`Signal`]s. Dropping it leaves them all.
#[derive(Default)]
pub struct Waiter {
    notify: Arc<Notify>,
    registrations: Vec<(Signal, usize)>,
}

impl Waiter {
    /// A waiter that is registered nowhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// A waiter with room for `signals` registrations.
    pub fn with_capacity(signals: usize) -> Self {
        Self {
            notify: Arc::default(),
            registrations: Vec::with_capacity(signals),
        }
    }

    /// Is woken by `signal` from now on. Look at the thing itself only afterwards.
    pub fn register(&mut self, signal: &Signal) {
        let slot = signal.register(&self.notify);
        self.registrations.push((signal.clone(), slot));
    }

    /// Completes when a signal rang since the last time this completed. Cancel safe.
    pub async fn wait(&mut self) {
        self.notify.notified().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        for (signal, slot) in self.registrations.drain(..) {
            signal.deregister(slot);
        }
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter")
            .field("signals", &self.registrations.len())
            .finish()
    }
}
