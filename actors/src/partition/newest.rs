//! The newest settings of a replica, for an actor that starts again: what it was started with is old.

use std::sync::{Arc, Mutex, PoisonError};

use odeon_model::config::TopicConfig;

/// A topic's settings and `producer.id.expiration.ms`.
type Newest = (Arc<TopicConfig>, i64);

/// What these are, once they have changed. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Settings(Arc<Mutex<Option<Newest>>>);

impl Settings {
    pub(crate) fn put(&self, config: Arc<TopicConfig>, producer_id_expiration_ms: i64) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some((config, producer_id_expiration_ms));
    }

    pub(crate) fn get(&self) -> Option<Newest> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
