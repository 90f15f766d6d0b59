//! A topic and its partitions.

use std::sync::Arc;

use imbl::OrdMap;
use odeon_model::{PartitionId, TopicId};

use super::PartitionImage;

/// A topic. Kafka: `TopicImage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    /// Its name.
    pub name: Arc<str>,
    /// Its id, which a topic of the same name created later does not have.
    pub id: TopicId,
    /// Its partitions, by index.
    pub partitions: OrdMap<PartitionId, Arc<PartitionImage>>,
}

impl TopicImage {
    /// A partition by index.
    pub fn partition(&self, index: PartitionId) -> Option<&Arc<PartitionImage>> {
        self.partitions.get(&index)
    }

    /// The number of partitions.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}
