//! Read-only views: what an actor shows to everyone else.
//!
//! Only its actor changes a thing; a [`View`] is how it lets others see the result. The actor owns
//! the `View` and publishes whole values; readers hold a [`Watch`], read the newest value without a
//! message, and may wait for the next one. A reader may miss values between two reads, but never
//! the last one. When the actor ends, its `View` is dropped and every `Watch` is closed; the last
//! value stays readable.

use std::fmt::{self, Debug};
use std::sync::Arc;

use crate::signal::Signal;
use crate::watch;

#[cfg(test)]
mod tests;

/// The publishing end, owned by one actor. Dropping it closes all [`Watch`]es.
pub struct View<T> {
    sender: watch::Sender<Arc<T>>,
    signal: Signal,
}

impl<T: Send + Sync + 'static> View<T> {
    /// A view that shows `value`.
    pub fn new(value: T) -> Self {
        Self {
            sender: watch::Sender::new(Arc::new(value)),
            signal: Signal::new(),
        }
    }

    /// Shows `value` from now on and wakes all who wait.
    pub fn publish(&self, value: T) {
        self.publish_arc(Arc::new(value));
    }

    /// Like [`View::publish`], for a value that is shared already.
    pub fn publish_arc(&self, value: Arc<T>) {
        self.sender.send_replace(value);
        self.signal.notify();
    }

    /// What is shown now.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.sender.borrow())
    }

    /// A reading end.
    pub fn watch(&self) -> Watch<T> {
        Watch {
            receiver: self.sender.subscribe(),
            signal: self.signal.clone(),
            keep: None,
        }
    }
}

impl<T> Drop for View<T> {
    fn drop(&mut self) {
        // Close first, so that whom the signal wakes already sees it closed.
        let (closed, _) = watch::channel(self.sender.borrow().clone());
        drop(std::mem::replace(&mut self.sender, closed));
        self.signal.notify();
    }
}

impl<T: Debug> Debug for View<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("View").field(&*self.sender.borrow()).finish()
    }
}

/// The publisher is gone: no further value will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the publisher of this view has ended")]
pub struct ViewClosed;

/// The reading end. Cheap to clone; a clone has seen what its original has seen.
pub struct Watch<T> {
    receiver: watch::Receiver<Arc<T>>,
    signal: Signal,
    keep: Option<Arc<watch::Sender<Arc<T>>>>,
}

impl<T: Send + Sync + 'static> Watch<T> {
    /// A watch on a value that never changes and never closes.
    pub fn fixed(value: T) -> Self {
        let (sender, receiver) = watch::channel(Arc::new(value));
        Self {
            receiver,
            signal: Signal::new(),
            keep: Some(Arc::new(sender)),
        }
    }

    /// The newest value, also after the publisher ended. It does not count as seen.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.receiver.borrow())
    }

    /// The newest value, which counts as seen: [`Watch::changed`] waits for a later one.
    pub fn see(&mut self) -> Arc<T> {
        Arc::clone(&self.receiver.borrow_and_update())
    }

    /// Whether there is a value that was not seen yet.
    pub fn has_changed(&self) -> bool {
        self.receiver.has_changed().unwrap_or(false)
    }

    /// Whether the publisher has ended.
    pub fn is_closed(&self) -> bool {
        self.receiver.has_changed().is_err()
    }

    /// Waits until there is a value that was not seen yet, sees it and returns it. Cancel safe.
    ///
    /// # Errors
    /// [`ViewClosed`] when the publisher has ended and its last value was seen.
    pub async fn changed(&mut self) -> Result<Arc<T>, ViewClosed> {
        self.receiver.changed().await.map_err(|_| ViewClosed)?;
        Ok(self.see())
    }

    /// Waits until the newest value satisfies `wanted` and returns it. Cancel safe.
    ///
    /// # Errors
    /// [`ViewClosed`] when the publisher has ended and its last value does not satisfy `wanted`.
    pub async fn wait_for(
        &mut self,
        mut wanted: impl FnMut(&T) -> bool,
    ) -> Result<Arc<T>, ViewClosed> {
        match self.receiver.wait_for(|value| wanted(value)).await {
            Ok(value) => Ok(Arc::clone(&value)),
            Err(_) => Err(ViewClosed),
        }
    }

    /// Rings at every publication and when the view closes; for waiting on many views at once.
    pub fn signal(&self) -> &Signal {
        &self.signal
    }
}

impl<T> Clone for Watch<T> {
    fn clone(&self) -> Self {
        Self {
            receiver: self.receiver.clone(),
            signal: self.signal.clone(),
            keep: self.keep.clone(),
        }
    }
}

impl<T: Debug> Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch")
            .field(&*self.receiver.borrow())
            .finish()
    }
}
