//! What others hold of a PartitionFollower.

use std::sync::Arc;

use odeon_kernel::Slot;
use odeon_model::config::TopicConfig;
use ractor::ActorRef;

use super::message::FollowerMsg;
use crate::partition::newest::Settings;
use crate::partition::replication::fetcher::FetcherHandle;
use crate::partition::replication::wire::Part;

/// A replaceable handle: it reaches whichever incarnation of the follower runs now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FollowerHandle {
    slot: Slot<FollowerMsg>,
    settings: Settings,
}

impl FollowerHandle {
    pub(super) fn new(slot: Slot<FollowerMsg>, settings: Settings) -> Self {
        Self { slot, settings }
    }

    /// An incarnation that starts has what is sent from now on in its mailbox.
    pub(super) fn leads_to(&self, follower: ActorRef<FollowerMsg>) {
        self.slot.publish(follower);
    }

    /// Hands over what was fetched; false when no follower runs.
    pub(crate) fn fetched(&self, part: Part) -> bool {
        let part = Box::new(part);
        self.slot.cast(FollowerMsg::Fetched(part)).is_ok()
    }

    /// Asks it to have itself fetched for by a fetcher that has just started.
    pub(crate) fn report(&self, to: FetcherHandle) {
        let _ = self.slot.cast(FollowerMsg::Report(to));
    }

    /// Asks it to say where it is: something about its log has changed.
    pub(crate) fn say(&self) {
        let _ = self.slot.cast(FollowerMsg::TryAgain);
    }

    /// Takes over changed settings.
    pub(crate) fn configure(&self, config: Arc<TopicConfig>, producer_id_expiration_ms: i64) {
        self.settings.put(config.clone(), producer_id_expiration_ms);
        let _ = self.slot.cast(FollowerMsg::Configure {
            config,
            producer_id_expiration_ms,
        });
    }

    /// Rolls, deletes and trims what is due.
    pub(crate) fn maintain(&self) {
        let _ = self.slot.cast(FollowerMsg::Maintain);
    }
}
