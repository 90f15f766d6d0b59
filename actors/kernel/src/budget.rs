//! Bytes in flight: the back-pressure in front of unbounded mailboxes.
//!
//! Bytes are taken from a [`ByteBudget`] before they are read from a socket (or asked of a peer)
//! and given back when the [`Permit`] is dropped. Rules:
//!
//! - First come, first served: a small request does not overtake a large one that waits.
//! - A request larger than the whole budget is admitted alone: it is charged the whole budget.
//! - A budget may have a parent (a connection's within the node's); both are charged, the inner
//!   one first, so that one greedy connection queues on its own budget, not on the node's.
//! - A permit may grow while its bytes arrive. Growers that hold what the others wait for would
//!   wait for ever, so one of them at a time may overdraw until its permit is dropped.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[cfg(test)]
mod tests;

/// A number of bytes that may be in flight. Clones are the same budget.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    capacity: u32,
    bytes: Arc<Semaphore>,
    /// One token: the right to grow beyond the capacity.
    overdraft: Arc<Semaphore>,
    parent: Option<ByteBudget>,
}

impl ByteBudget {
    /// A budget of `capacity_bytes`, at least 1 and at most 4 GiB - 1.
    pub fn new(capacity_bytes: u64) -> Self {
        Self::build(capacity_bytes, None)
    }

    /// A budget of `capacity_bytes` whose permits are charged to this one too.
    pub fn child(&self, capacity_bytes: u64) -> Self {
        Self::build(capacity_bytes, Some(self.clone()))
    }

    fn build(capacity_bytes: u64, parent: Option<Self>) -> Self {
        let capacity = u32::try_from(capacity_bytes.max(1)).unwrap_or(u32::MAX);
        // A 32-bit semaphore holds fewer permits than that; no such machine runs a broker.
        let permits = usize::try_from(capacity)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        let inner = Inner {
            capacity,
            bytes: Arc::new(Semaphore::new(permits)),
            overdraft: Arc::new(Semaphore::new(1)),
            parent,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The size of the whole budget.
    pub fn capacity_bytes(&self) -> u64 {
        u64::from(self.inner.capacity)
    }

    /// What is free now; 0 while anyone waits.
    pub fn available_bytes(&self) -> u64 {
        self.inner.bytes.available_permits() as u64
    }

    /// Waits until `bytes` are free here and in all parents, and takes them. 0 is always free.
    ///
    /// Cancel safe: whoever gives up gives back what it had and loses its place.
    pub async fn acquire(&self, bytes: u64) -> Permit {
        let mut permit = Permit {
            shares: Vec::with_capacity(2),
            bytes,
        };
        let mut budget = Some(self);
        while let Some(current) = budget {
            let bytes = current.inner.take(bytes).await;
            permit.shares.push(Share {
                budget: current.clone(),
                bytes,
                overdraft: None,
            });
            budget = current.inner.parent.as_ref();
        }
        permit
    }

    /// Takes `bytes` if they are free now and nobody waits for them.
    pub fn try_acquire(&self, bytes: u64) -> Option<Permit> {
        let mut permit = Permit {
            shares: Vec::with_capacity(2),
            bytes,
        };
        let mut budget = Some(self);
        while let Some(current) = budget {
            let bytes = current.inner.try_take(bytes)?;
            permit.shares.push(Share {
                budget: current.clone(),
                bytes,
                overdraft: None,
            });
            budget = current.inner.parent.as_ref();
        }
        Some(permit)
    }
}

impl Inner {
    fn charge(&self, bytes: u64) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity)
    }

    async fn take(&self, bytes: u64) -> OwnedSemaphorePermit {
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(self.charge(bytes));
        bytes.await.expect("the semaphore is never closed")
    }

    fn try_take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.bytes)
            .try_acquire_many_owned(self.charge(bytes))
            .ok()
    }
}

/// Bytes taken from a budget and its parents; dropping it gives them back.
#[derive(Debug)]
pub struct Permit {
    /// Innermost budget first.
    shares: Vec<Share>,
    bytes: u64,
}

#[derive(Debug)]
struct Share {
    budget: ByteBudget,
    bytes: OwnedSemaphorePermit,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl Permit {
    /// The bytes asked for, growth included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes `more` bytes on top, waiting for them. A permit that has grown to a whole budget is
    /// charged no more of it; and while others hold the rest, one permit of a budget at a time
    /// overdraws it, so that growers cannot block each other for ever.
    ///
    /// Cancel safe: the permit keeps what it had before; part of the growth may be kept until it
    /// is dropped.
    pub async fn grow(&mut self, more: u64) {
        for share in &mut self.shares {
            share.grow(more).await;
        }
        self.bytes = self.bytes.saturating_add(more);
    }

    /// Takes `more` bytes on top if they are free now; otherwise changes nothing.
    pub fn try_grow(&mut self, more: u64) -> bool {
        let mut taken = Vec::with_capacity(self.shares.len());
        for share in &self.shares {
            match share.try_grow(more) {
                Some(bytes) => taken.push(bytes),
                None => return false,
            }
        }
        for (share, bytes) in self.shares.iter_mut().zip(taken) {
            share.bytes.merge(bytes);
        }
        self.bytes = self.bytes.saturating_add(more);
        true
    }

    /// Gives back all but `bytes` (to which an oversize permit may still amount in full).
    pub fn shrink_to(&mut self, bytes: u64) {
        for share in &mut self.shares {
            let keep = share.budget.inner.charge(bytes) as usize;
            drop(
                share
                    .bytes
                    .num_permits()
                    .checked_sub(keep)
                    .and_then(|n| share.bytes.split(n)),
            );
            if share.bytes.num_permits() >= keep {
                share.overdraft = None;
            }
        }
        self.bytes = self.bytes.min(bytes);
    }
}

impl Share {
    /// `more`, as far as it is not beyond the whole budget.
    fn growth(&self, more: u64) -> u64 {
        let held = self.bytes.num_permits() as u64;
        more.min(self.budget.capacity_bytes().saturating_sub(held))
    }

    fn try_grow(&self, more: u64) -> Option<OwnedSemaphorePermit> {
        let more = if self.overdraft.is_some() {
            0
        } else {
            self.growth(more)
        };
        self.budget.inner.try_take(more)
    }

    async fn grow(&mut self, more: u64) {
        if let Some(bytes) = self.try_grow(more) {
            self.bytes.merge(bytes);
            return;
        }
        let more = self.growth(more);
        let inner = &self.budget.inner;
        tokio::select! {
            biased;
            bytes = inner.take(more) => self.bytes.merge(bytes),
            token = Arc::clone(&inner.overdraft).acquire_owned() => {
                self.overdraft = Some(token.expect("the semaphore is never closed"));
            }
        }
    }
}
