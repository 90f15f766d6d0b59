//! A value that one side changes and others wait on, like `tokio::sync::watch`.
//!
//! The difference: who waits is woken in the order of waiting. Tokio's draws lots between eight
//! queues, which no simulation could repeat.

use std::fmt::{self, Debug};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::Notify;

#[cfg(test)]
mod tests;

struct Shared<T> {
    value: RwLock<T>,
    /// Counts changes; written under the value's lock.
    version: AtomicU64,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    notify: Notify,
}

impl<T> Shared<T> {
    fn read(&self) -> RwLockReadGuard<'_, T> {
        self.value.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.value.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.senders.load(Ordering::SeqCst) == 0
    }

    async fn changed(&self, seen: &mut u64) -> Result<(), RecvError> {
        loop {
            // Made before the look: a change after it wakes this, also before the first poll.
            let notified = self.notify.notified();
            let closed = self.is_closed();
            let version = self.version.load(Ordering::SeqCst);
            if version != *seen {
                *seen = version;
                return Ok(());
            }
            if closed {
                return Err(RecvError);
            }
            notified.await;
        }
    }
}

/// The side that changes the value. When its last clone is dropped, the receivers learn of it.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// The side that reads the value and waits. A clone has seen what its original has seen.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

/// The value, kept from changing while it is looked at: not to be held across an await.
#[derive(Debug)]
pub struct Ref<'a, T>(RwLockReadGuard<'a, T>);

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// No receiver is left; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no receiver is left")]
pub struct SendError<T>(pub T);

impl<T> Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

/// No sender is left, and its last value was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no sender is left")]
pub struct RecvError;

/// Both sides of a value; the first value counts as seen.
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    /// A sender without receivers yet.
    pub fn new(value: T) -> Self {
        Self {
            shared: Arc::new(Shared {
                value: RwLock::new(value),
                version: AtomicU64::new(0),
                senders: AtomicUsize::new(1),
                receivers: AtomicUsize::new(0),
                notify: Notify::new(),
            }),
        }
    }

    /// A receiver that has seen the value of now.
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.receivers.fetch_add(1, Ordering::SeqCst);
        let value = self.shared.read();
        let seen = self.shared.version.load(Ordering::SeqCst);
        drop(value);
        Receiver {
            shared: Arc::clone(&self.shared),
            seen,
        }
    }

    /// The value.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref(self.shared.read())
    }

    /// Changes the value, unless nobody could see it.
    ///
    /// # Errors
    /// [`SendError`] when there is no receiver.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.shared.receivers.load(Ordering::SeqCst) == 0 {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Changes the value and returns the old one.
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|old| std::mem::swap(old, &mut value));
        value
    }

    /// Changes the value in place.
    pub fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// Changes the value in place, and wakes nobody if `modify` says that it did not.
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let mut value = self.shared.write();
        let modified = modify(&mut value);
        if modified {
            self.shared.version.fetch_add(1, Ordering::SeqCst);
        }
        drop(value);
        if modified {
            self.shared.notify.notify_waiters();
        }
        modified
    }
}

impl<T> Receiver<T> {
    /// The newest value; it does not count as seen.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref(self.shared.read())
    }

    /// The newest value, which counts as seen.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let value = self.shared.read();
        self.seen = self.shared.version.load(Ordering::SeqCst);
        Ref(value)
    }

    /// Whether there is a value that was not seen.
    ///
    /// # Errors
    /// [`RecvError`] when no sender is left.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        match self.shared.is_closed() {
            true => Err(RecvError),
            false => Ok(self.shared.version.load(Ordering::SeqCst) != self.seen),
        }
    }

    /// Waits until there is a value that was not seen; it counts as seen then. Cancel safe.
    ///
    /// # Errors
    /// [`RecvError`] when no sender is left and its last value was seen.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        self.shared.changed(&mut self.seen).await
    }

    /// Waits until the value is as wanted. Cancel safe.
    ///
    /// # Errors
    /// [`RecvError`] when no sender is left and its last value is not as wanted.
    pub async fn wait_for(
        &mut self,
        mut wanted: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        loop {
            {
                let value = self.shared.read();
                self.seen = self.shared.version.load(Ordering::SeqCst);
                if wanted(&value) {
                    return Ok(Ref(value));
                }
            }
            self.shared.changed(&mut self.seen).await?;
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Ordering::SeqCst);
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.receivers.fetch_add(1, Ordering::SeqCst);
        Self {
            shared: Arc::clone(&self.shared),
            seen: self.seen,
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.shared.notify.notify_waiters();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receivers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<T: Debug> Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&*self.borrow()).finish()
    }
}

impl<T: Debug> Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&*self.borrow()).finish()
    }
}
