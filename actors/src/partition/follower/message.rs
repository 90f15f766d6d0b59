//! What a PartitionFollower understands.

use std::sync::Arc;

use odeon_kernel::budget::Permit;
use odeon_log::SyncDone;
use odeon_model::config::TopicConfig;

use crate::partition::replication::fetcher::FetcherHandle;
use crate::partition::replication::wire::Part;

/// The vocabulary. `SyncTurn`, `Synced` and `TryAgain` are the actor's own.
#[derive(Debug)]
pub(super) enum FollowerMsg {
    /// The leader's answer.
    Fetched(Box<Part>),
    /// Say where you are to a fetcher that has just started.
    Report(FetcherHandle),
    /// It is the turn of the sync that waits.
    SyncTurn(Permit),
    /// A sync ended.
    Synced(SyncDone),
    /// What could not be written may be now.
    TryAgain,
    /// The topic's configuration changed, or the broker's.
    Configure {
        /// The topic's settings.
        config: Arc<TopicConfig>,
        /// `producer.id.expiration.ms`.
        producer_id_expiration_ms: i64,
    },
    /// Roll, delete and trim what is due.
    Maintain,
}

impl ractor::Message for FollowerMsg {}
