//! What a PartitionFollower understands.

use std::sync::Arc;

use odeon_model::config::TopicConfig;

use crate::partition::replication::fetcher::FetcherHandle;
use crate::partition::replication::wire::Part;
use crate::partition::syncing::SyncNews;

/// The vocabulary. `Sync` and `TryAgain` are the actor's own.
#[derive(Debug)]
pub(super) enum FollowerMsg {
    /// The leader's answer.
    Fetched(Box<Part>),
    /// Say where you are to a fetcher that has just started.
    Report(FetcherHandle),
    /// News of a sync.
    Sync(SyncNews),
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

impl From<SyncNews> for FollowerMsg {
    fn from(news: SyncNews) -> Self {
        Self::Sync(news)
    }
}
