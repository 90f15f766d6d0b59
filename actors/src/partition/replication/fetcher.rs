//! ReplicaFetcher: pulls from one other node what its leaders have for the followers here.
//!
//! - **Supervised by** `Replicas`, one for each node that leads partitions followed here; restarted
//!   for ever. A restart begins a new session and asks the followers where they are.
//! - **Owns** the session with the leaders' node: what was said in it, and what is on its way.
//! - **Receives** positions from followers, answers from its own calls.
//! - **Sends** each follower its part of an answer.

mod actor;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use odeon_kernel::Slot;
use odeon_kernel::supervisor::{Backoff, ChildSpec, Restart};
use odeon_model::{LeaderEpoch, NodeId};
use ractor::ActorRef;

pub use actor::FetcherArguments;
use actor::{FetcherMsg, ReplicaFetcher};

use super::Key;
use super::wire::Position;
use crate::partition::follower::FollowerHandle;

/// The name of the fetcher from a node.
pub fn child_name(source: NodeId) -> String {
    format!("ReplicaFetcher from {source}")
}

/// The child that fetches from a node, and the handle to it.
pub fn child(mut arguments: FetcherArguments) -> (ChildSpec, FetcherHandle) {
    let slot = Slot::new(arguments.clock.clone());
    let handle = FetcherHandle { slot: slot.clone() };
    arguments.handle = Some(handle.clone());
    let name = child_name(arguments.source);
    let spec = ChildSpec::actor(name, Restart::Permanent, &slot, move || {
        (ReplicaFetcher, arguments.clone())
    });
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
    (spec.backoff(backoff), handle)
}

/// The fetchers of a node, by the node they fetch from.
#[derive(Debug, Default)]
pub struct Fetchers(Mutex<BTreeMap<NodeId, FetcherHandle>>);

impl Fetchers {
    /// The fetcher from a node, if there is one.
    pub(crate) fn get(&self, source: NodeId) -> Option<FetcherHandle> {
        let fetchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fetchers.get(&source).cloned()
    }

    /// Forgets those that `lives` does not vouch for.
    pub(crate) fn retain(&self, lives: impl Fn(NodeId) -> bool) {
        let mut fetchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fetchers.retain(|source, _| lives(*source));
    }

    pub(crate) fn insert(&self, source: NodeId, fetcher: FetcherHandle) {
        let mut fetchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fetchers.insert(source, fetcher);
    }
}

/// What followers hold of a ReplicaFetcher. Cheap to clone; it survives restarts.
#[derive(Debug, Clone)]
pub struct FetcherHandle {
    slot: Slot<FetcherMsg>,
}

impl FetcherHandle {
    /// An incarnation that starts has what is sent from now on in its mailbox.
    fn leads_to(&self, fetcher: ActorRef<FetcherMsg>) {
        self.slot.publish(fetcher);
    }

    /// Fetches for a follower from now on, from where it is.
    pub(crate) fn follow(&self, key: Key, follower: FollowerHandle, at: Position) {
        // A fetcher that restarts asks everybody.
        let _ = self.slot.cast(FetcherMsg::Follow { key, follower, at });
    }

    /// A follower is somewhere else now.
    pub(crate) fn moved(&self, key: Key, at: Position) {
        let _ = self.slot.cast(FetcherMsg::Moved { key, at });
    }

    /// Fetches no more for the follower of that epoch.
    pub(crate) fn unfollow(&self, key: Key, leader_epoch: LeaderEpoch) {
        let _ = self.slot.cast(FetcherMsg::Unfollow { key, leader_epoch });
    }
}
