//! Replaceable handles to permanent actors.
//!
//! A restarted actor is a new ractor actor with a new id, so a kept `ActorRef` goes stale. A
//! [`Slot`] is what others keep instead: each start of the actor publishes itself there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorRef, ActorStatus, Message, RpcReplyPort};
use tokio::sync::oneshot;

use crate::clock::{SharedClock, timeout};
use crate::watch;

#[cfg(test)]
mod tests;

/// A handle to whichever incarnation of an actor is alive. Clones are the same slot.
pub struct Slot<M> {
    inner: Arc<Inner<M>>,
}

struct Inner<M> {
    current: watch::Sender<Option<ActorRef<M>>>,
    clock: SharedClock,
}

/// Why a message was not sent or not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// No incarnation is alive: nothing was sent.
    #[error("the actor is not running")]
    Unavailable,
    /// The actor ended before it answered: it may or may not have done the work.
    #[error("the actor ended without an answer")]
    NoReply,
    /// No answer came in time: the actor may or may not do the work.
    #[error("the actor did not answer before the deadline")]
    DeadlineExceeded,
}

impl<M: Message> Slot<M> {
    /// An empty slot whose deadlines run by `clock`.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            inner: Arc::new(Inner {
                current: watch::Sender::new(None),
                clock,
            }),
        }
    }

    /// Puts a new incarnation in.
    pub fn publish(&self, actor: ActorRef<M>) {
        self.inner.current.send_replace(Some(actor));
    }

    /// The incarnation that is alive now.
    pub fn get(&self) -> Option<ActorRef<M>> {
        self.inner
            .current
            .borrow()
            .as_ref()
            .filter(|actor| is_alive(actor))
            .cloned()
    }

    /// Sends a message without waiting.
    ///
    /// # Errors
    /// [`SlotError::Unavailable`] when no incarnation is alive.
    pub fn cast(&self, message: M) -> Result<(), SlotError> {
        let actor = self.get().ok_or(SlotError::Unavailable)?;
        actor.cast(message).map_err(|_| SlotError::Unavailable)
    }

    /// Sends the message that `build` makes of a reply port and waits for the answer, at most for
    /// `deadline`. Cancel safe, but a message once sent stays sent.
    ///
    /// # Errors
    /// See [`SlotError`].
    pub async fn call<R: Send + 'static>(
        &self,
        build: impl FnOnce(RpcReplyPort<R>) -> M,
        deadline: Duration,
    ) -> Result<R, SlotError> {
        let answer = self.ask(build)?;
        match timeout(self.inner.clock.as_ref(), deadline, answer).await {
            Ok(answer) => answer.map_err(|_| SlotError::NoReply),
            Err(_) => Err(SlotError::DeadlineExceeded),
        }
    }

    /// Like [`Slot::call`] without a deadline of its own: the caller bounds it.
    ///
    /// # Errors
    /// [`SlotError::Unavailable`] and [`SlotError::NoReply`].
    pub async fn call_unbounded<R: Send + 'static>(
        &self,
        build: impl FnOnce(RpcReplyPort<R>) -> M,
    ) -> Result<R, SlotError> {
        self.ask(build)?.await.map_err(|_| SlotError::NoReply)
    }

    fn ask<R: Send + 'static>(
        &self,
        build: impl FnOnce(RpcReplyPort<R>) -> M,
    ) -> Result<oneshot::Receiver<R>, SlotError> {
        let (port, answer) = oneshot::channel();
        self.cast(build(port.into()))?;
        Ok(answer)
    }

    /// Waits at most for `deadline` until an incarnation is alive. Cancel safe.
    ///
    /// # Errors
    /// [`SlotError::Unavailable`] when none was published in time.
    pub async fn ready(&self, deadline: Duration) -> Result<ActorRef<M>, SlotError> {
        let mut current = self.inner.current.subscribe();
        let alive = current.wait_for(|actor| actor.as_ref().is_some_and(is_alive));
        match timeout(self.inner.clock.as_ref(), deadline, alive).await {
            Ok(Ok(actor)) => actor.clone().ok_or(SlotError::Unavailable),
            _ => Err(SlotError::Unavailable),
        }
    }
}

fn is_alive<M>(actor: &ActorRef<M>) -> bool {
    actor.get_status() < ActorStatus::Draining
}

impl<M> Clone for Slot<M> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<M> fmt::Debug for Slot<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot")
            .field(&*self.inner.current.borrow())
            .finish()
    }
}
