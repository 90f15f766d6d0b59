//! How a partition tells the sessions of its followers that it has something new.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use odeon_kernel::Signal;

use super::Key;

/// The partitions that a session has to look at, each once, in the order of their ringing.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    keys: Mutex<VecDeque<Arc<Subscription>>>,
    /// Notified when a key comes or the queue is closed.
    pub(crate) signal: Signal,
    closed: AtomicBool,
}

impl Queue {
    /// Puts a partition in, unless it is there.
    pub(crate) fn ring(&self, subscription: &Arc<Subscription>) {
        if subscription.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.push_back(subscription.clone());
        drop(keys);
        self.signal.notify();
    }

    /// Takes the next partition. What rings it from now on puts it in again.
    pub(crate) fn next(&self) -> Option<Key> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let subscription = keys.pop_front()?;
        subscription.queued.store(false, Ordering::Release);
        // What rang it must be seen by whoever looks now.
        fence(Ordering::SeqCst);
        Some(subscription.key)
    }

    pub(crate) fn len(&self) -> usize {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.len()
    }

    /// Ends the session: whoever waits shall not.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.signal.notify();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// One session's interest in one partition.
#[derive(Debug)]
pub(crate) struct Subscription {
    key: Key,
    queue: Arc<Queue>,
    queued: AtomicBool,
}

impl Subscription {
    pub(crate) fn new(key: Key, queue: Arc<Queue>) -> Arc<Self> {
        let queued = AtomicBool::new(false);
        Arc::new(Self { key, queue, queued })
    }

    pub(crate) fn ring(self: &Arc<Self>) {
        self.queue.ring(self);
    }
}

/// Who follows a partition. Without followers a ring is a fence and a load.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    count: AtomicUsize,
    list: RwLock<Vec<Arc<Subscription>>>,
}

impl Subscribers {
    pub(crate) fn add(&self, subscription: Arc<Subscription>) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.push(subscription);
        self.count.store(list.len(), Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(crate) fn remove(&self, subscription: &Arc<Subscription>) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|other| !Arc::ptr_eq(other, subscription));
        self.count.store(list.len(), Ordering::Relaxed);
    }

    /// Tells everybody. What is new must be visible before.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().for_each(Subscription::ring);
    }
}
